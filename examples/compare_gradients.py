"""Compare gradients: every derivative of a network, by kernels on arrays and by the chain rule on single numbers.

The two engines share no line of arithmetic: one runs hand-written loops over whole batches, the other makes one Value of
each number and walks back through all of them. Here the Values compute in 50 digits, so that what is between them is the
rounding of the fast engine. It is counted in ulps, units in the last place of the largest number of a parameter's gradient:
rounding leaves a few, a bug leaves thousands.

Run it from the repository's folder:

    python examples/compare_gradients.py
    python examples/compare_gradients.py --digits 17      a shorter truth
"""

import _common
import numpy as np

import tensorgrad as tg
from microgrid import grads
from tensorgrad import nn, show

NUMBERS = {"rows": 12, "hidden": 12, "digits": 50}
DTYPES = ("float32", "float64")


def gradients(model, X, y):
    """The gradient of each parameter, by name, after one forward and backward; the same lines for both engines."""
    nn.CrossEntropyLoss()(model(X), y).backward()
    return {name: grads(p.value) if model.engine == "scalar" else p.grad for name, p in model.named_parameters()}


def main():
    args = _common.arguments(
        __doc__,
        NUMBERS,
        needs=["mpmath"],
        without=("dtype", "digits", "quiet"),
        rows="rows of the batch",
        digits="decimal digits of the truth",
    )
    from mpmath import MPContext

    numbers = MPContext()
    numbers.dps = args.digits

    # A network with layers of many kinds, and a batch whose numbers are the same in either dtype.
    rng = np.random.default_rng(args.seed)
    X, y = rng.normal(size=(args.rows, 4)).astype(np.float32), rng.integers(0, 3, args.rows)
    model = nn.Sequential(
        nn.Dense(4, args.hidden),
        nn.LayerNorm(args.hidden),
        nn.GELU(),
        nn.Dense(args.hidden, 8),
        nn.Tanh(),
        nn.Dense(8, 3),
        rng=args.seed,
    )

    # By hand: the gradients on either engine, and how far they are apart.
    truth = gradients(model.to("scalar", number=numbers.mpf), X, y)
    found = {dtype: gradients(model.astype(dtype), X.astype(dtype), y) for dtype in DTYPES}
    apart = {dtype: {name: ulps(found[dtype][name], g) for name, g in truth.items()} for dtype in DTYPES}

    # The same in one line, which looks at each op on its own, too.
    for dtype in DTYPES:
        print(tg.compare(model.astype(dtype), X, y, loss=nn.CrossEntropyLoss(), digits=args.digits))
        print()
    worst = max(u.max() for dtype in DTYPES for u in apart[dtype].values())
    count = sum(g.size for g in truth.values())
    print(f"{count} derivatives, in float32 and float64: largest error {worst:.3f} ulps")
    plot(found, truth, apart, args.picture)
    print(f"picture in {args.picture}")


def ulps(got, truth):
    """The differences from the truth in units in the last place of its largest number, computed with all its digits."""
    unit = np.spacing(np.abs(truth.astype(got.dtype)).max())
    pairs = zip(got.ravel().tolist(), truth.ravel().tolist(), strict=True)
    return np.array([float(abs(a - t)) for a, t in pairs]) / unit


def plot(found, truth, apart, path):
    """Draw the gradients against the true ones, and the errors of each parameter."""
    figure = show.new_figure(12.6, 5.4)
    panels = figure.subplots(1, 2, gridspec_kw=show.margins(figure, between=(1.3, 0)) | {"width_ratios": [4, 5]})

    ax, names = panels[0], list(truth)
    true = {name: g.astype(float).ravel() for name, g in truth.items()}
    ends = [min(g.min() for g in true.values()), max(g.max() for g in true.values())]
    ax.plot(ends, ends, color=show.palette.INK, linewidth=0.8, zorder=0)
    colours = [*show.palette.OKABE_ITO[:6], show.palette.RIGHT, show.palette.INK]
    for k, name in enumerate(names):
        style = {"color": colours[k % 8], "marker": show.palette.MARKERS[k % 7]}
        ax.scatter(true[name], found["float32"][name].ravel(), s=24, alpha=0.75, linewidths=0, label=name, **style)
    ax.legend(fontsize=9, framealpha=0.85, edgecolor="none", handletextpad=0.2)
    show.tidy(ax, "Every derivative, twice", "scalar engine, 50 digits", "tensor engine, float32")

    ax, rng = panels[1], np.random.default_rng(0)
    least = 1e-3
    for dtype, colour, shift in zip(DTYPES, show.palette.OKABE_ITO, (-0.17, 0.17), strict=False):
        for k, name in enumerate(names):
            errors = np.maximum(apart[dtype][name], least)
            places = k + shift + 0.11 * rng.uniform(-1, 1, errors.size)
            label = dtype if k == 0 else None
            ax.scatter(errors, places, s=13, color=colour, alpha=0.6, linewidths=0, label=label, clip_on=False)
    ax.set(xscale="log", xlim=(least, max(20, 2 * max(e.max() for d in apart.values() for e in d.values()))))
    ax.axvline(1, color=show.palette.QUIET, linewidth=0.8, linestyle=(0, (4, 3)))
    ax.set_yticks(range(len(names)), [f"{name} {truth[name].shape}" for name in names])
    ax.set_ylim(len(names) - 0.5, -0.9)
    ax.legend(fontsize=9, framealpha=0.85, edgecolor="none", loc="upper left", ncols=2, handletextpad=0.1)
    show.tidy(ax, "How far they are from the truth", "error, units in the last place", "")
    show.save_picture(figure, path)


if __name__ == "__main__":
    _common.run(main)
