"""An op and a layer of your own: a network of wavelets that learns a chirp.

An op is one record: the formula for one number, its slope, and the same in NumPy's words, the twin. numba compiles formula
and slope into loops; on the scalar engine the twin runs, on one Value for each number; and `tg.check_op` compares the one
with the other in 50 digits. A layer is a class with Parameters and a `forward`, written with ops. Both then work with all
there is: `fit`, compiled programs, either engine, `compare`.

The op is Ricker's wavelet, (1 - x^2) exp(-x^2 / 2), a wave that is over after one swing (Ricker 1953, "The form and laws of
propagation of seismic wavelets"). The layer moves and stretches it, and the network adds up what comes out (Zhang and
Benveniste 1992, "Wavelet networks").

Run it from the repository's folder:

    python examples/custom_layer_and_op.py
    python examples/custom_layer_and_op.py --engine scalar      the same model, one Value for each of its numbers
"""

import math

import _common
import numpy as np

import tensorgrad as tg
from tensorgrad import nn, optim, show
from tensorgrad._samples import NO_NUMBERS, bounded, sample, scaled, special
from tensorgrad.ops._pointwise import pointwise

TENSOR = {"rows": 400, "hidden": 16, "epochs": 300, "batch_size": 40, "lr": 0.02}
SCALAR = {"rows": 120, "hidden": 12, "epochs": 150, "batch_size": 20, "lr": 0.05}


@pointwise(
    twin=lambda x: (1 - x**2) * np.exp(-(x**2) / 2),
    slope=lambda x, y, real: x * (x * x - real(3)) * np.exp(-x * x / real(2)),
    samples=[
        *(sample(shape) for shape in [(), (0, 3), (1,), (5, 3), (67,), (1025,)]),
        sample(scaled((33,), 3.0)),
        special([np.nan]),
    ],
    errors=NO_NUMBERS,
    tolerance=bounded(4),  # of the height 1: at its zeros a wave is small next to what it is computed from
)
def ricker(x, real):
    """Ricker's wavelet (1 - x^2) exp(-x^2 / 2): 1 at 0, negative beyond 1, nearly 0 beyond 5."""
    return (real(1) - x * x) * np.exp(-x * x / real(2))


class Wavelets(nn.Module):
    """ricker((x - centre) * scale), with a learned centre and scale for each wavelet: (n, 1) -> (n, units)."""

    def __init__(self, units, low, high, dtype=np.float32):
        self.centre = tg.Parameter(np.linspace(low, high, units, dtype=dtype))
        self.scale = tg.Parameter(np.full(units, units / (high - low), dtype=dtype))

    def forward(self, x):
        return ricker((x - self.centre) * self.scale)


def chirp(x):
    """A tone that rises."""
    return np.sin(2 * math.pi * x**2) * (1 - x / 4)


def main():
    args = _common.arguments(
        __doc__,
        TENSOR,
        SCALAR,
        needs=["mpmath"],
        rows="points to learn from",
        hidden="wavelets",
        lr="learning rate at the start; it falls to 0 by a cosine",
    )

    # The op: everything that its record promises, tried in 50 digits.
    report = tg.check_op("ricker")
    print(report)
    print()

    # The model and its data: points of the chirp, with noise.
    rng = np.random.default_rng(args.seed)
    X = rng.uniform(0, 2, (args.rows, 1))
    y = chirp(X) + 0.1 * rng.normal(size=X.shape)
    model = nn.Sequential(
        Wavelets(args.hidden, 0, 2, dtype=args.dtype),
        nn.Dense(args.hidden, 1, dtype=args.dtype),
        rng=args.seed,
    ).to(args.engine)

    loss = nn.MSELoss()
    history = tg.fit(
        model,
        (X, y),
        loss=loss,
        optimizer=optim.Adam(model.parameters(), lr=args.lr),
        epochs=args.epochs,
        batch_size=args.batch_size,
        seed=args.seed,
        schedule=optim.schedules.Cosine(args.lr, steps=args.epochs * -(-args.rows // args.batch_size)),
        progress=not args.quiet,
    )
    shown = model.to("tensor")
    line = np.linspace(0, 2, 600)[:, None]
    fitted = tg.predict(shown, line)
    off = tg.metrics.rmse(fitted, chirp(line))
    print(f"{len(X)} points, {len(history.steps)} steps on the {args.engine} engine in {_common.time_of(history)}")
    print(f"RMSE {off:.4f} from the chirp, where the noise is 0.1")

    plot(shown, history, X, y, line, fitted, args.picture)
    print(f"picture in {args.picture}")

    # Check it: every gradient of this very model, by kernels and by the chain rule on single numbers.
    print()
    print(tg.compare(shown.astype(args.dtype), X[:8], y[:8], loss=loss, digits=args.digits))


def plot(model, history, X, y, line, fitted, path):
    """Draw the op with its slope, the fit, the wavelets that it is the sum of, and the loss."""
    blue, orange = show.palette.OKABE_ITO[:2]
    figure = show.new_figure(12.6, 7.4)
    panels = figure.subplots(2, 2, gridspec_kw=show.margins(figure) | {"width_ratios": [4, 5]})

    ax, x = panels[0, 0], tg.tensor(np.linspace(-5, 5, 401), requires_grad=True)
    wave = ricker(x)
    wave.backward(np.ones(401))
    ax.plot(x.numpy(), wave.numpy(), color=blue, linewidth=2, label="ricker(x)")
    ax.plot(x.numpy(), x.grad, color=orange, linewidth=1.6, linestyle="--", label="its slope, by backward()")
    ax.legend(fontsize=9, framealpha=0.85, edgecolor="none")
    show.tidy(ax, "The op", "x")

    ax = panels[0, 1]
    ax.scatter(X, y, s=9, color="#8C8C8C", alpha=0.6, linewidths=0, label="points")
    ax.plot(line, chirp(line), color=show.palette.INK, linewidth=1, label="chirp")
    ax.plot(line, fitted, color=blue, linewidth=2, alpha=0.85, label="network of wavelets")
    ax.set_ylim(top=1.9)
    ax.legend(fontsize=9, framealpha=0.85, edgecolor="none", ncols=3, loc="upper right")
    show.tidy(ax, "The fit", "x", "y")

    show.plot_history(history, panels[1, 0])
    ax, parts = panels[1, 1], tg.predict(model[0], line) * model[1].weight.numpy()[:, 0]
    order = np.argsort(model[0].centre.numpy())
    for k, unit in enumerate(order):
        ax.plot(line, parts[:, unit], color=show.palette.OKABE_ITO[k % 6], linewidth=1.5)
    show.tidy(ax, "The wavelets that it is the sum of", "x", "")
    show.save_picture(figure, path)


if __name__ == "__main__":
    _common.run(main)
