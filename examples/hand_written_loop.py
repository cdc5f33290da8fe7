"""A training loop by hand, three times: on single numbers, on arrays, and on arrays as a compiled program.

`tg.fit` is a convenience. What it does in a step are four lines that you can write yourself, with whatever else you need
between them; they run unchanged on either engine, and `tg.compile` makes a program of them. The three trainings start from
the same weights and see the same batches, so that their losses must lie on each other; the times do not.

Run it from the repository's folder:

    python examples/hand_written_loop.py
    python examples/hand_written_loop.py --hidden 64      a wider network: longer on single numbers, hardly on arrays
"""

import time

import _common
import numpy as np

import tensorgrad as tg
from tensorgrad import nn, optim, show

NUMBERS = {"hidden": 16, "steps": 300, "batch_size": 32, "lr": 0.02}
HELP = {"hidden": "units of the hidden layer", "steps": "steps of each training", "lr": "learning rate"}


def rings(count, rng):
    """Points of two rings around 0, (count, 2), and the ring that each lies on, (count,)."""
    ring = rng.integers(0, 2, count)
    angle, radius = rng.uniform(0, 2 * np.pi, count), 0.5 + ring + 0.15 * rng.normal(size=count)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1), ring


def step_of(model, args):
    """The step: forward, backward, update; it returns the loss."""
    loss_of, optimizer = nn.CrossEntropyLoss(), optim.Adam(model.parameters(), lr=args.lr)

    def step(X, y):
        loss = loss_of(model(X), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    return step


def train(step, X, y, args):
    """(losses, seconds of each step) of a loop over batches that are drawn at random, from the seed."""
    rng = np.random.default_rng(args.seed)
    losses, seconds = [], []
    for _ in range(args.steps):
        rows = rng.integers(0, len(X), args.batch_size)
        began = time.perf_counter()
        losses.append(step(X[rows], y[rows]).item())
        seconds.append(time.perf_counter() - began)
    return np.array(losses), np.array(seconds)


def duration(seconds):
    """A time to read: 12 µs, 3.4 ms."""
    return f"{1e6 * seconds:.0f} µs" if seconds < 1e-3 else f"{1e3 * seconds:.1f} ms"


def main():
    args = _common.arguments(__doc__, NUMBERS, without=("dtype", "digits", "quiet"), **HELP)
    X, y = rings(400, np.random.default_rng(args.seed))
    layers = nn.Dense(2, args.hidden), nn.Tanh(), nn.Dense(args.hidden, 2)
    start = nn.Sequential(*layers, rng=args.seed).astype("float64")

    # The same four lines, three times.
    scalar, eager, compiled = start.to("scalar"), start.astype("float64"), start.astype("float64")
    program = tg.compile(step_of(compiled, args))
    ways = {
        "single numbers": train(step_of(scalar, args), X, y, args),
        "arrays": train(step_of(eager, args), X, y, args),
        "arrays, compiled": train(program, X, y, args),
    }
    for name, (losses, seconds) in ways.items():
        print(f"{name:17}  loss {losses[0]:.6f} -> {losses[-1]:.6f}, {duration(np.median(seconds))} a step")
    if program.reason:
        print(f"the step was not compiled: {program.reason}")

    single, arrays, compiled_losses = (losses for losses, _ in ways.values())
    apart = np.abs(single - arrays)
    print(f"largest difference of a loss: single numbers and arrays {apart.max():.1e}, ", end="")
    print(f"arrays and compiled {np.abs(arrays - compiled_losses).max():.1e}")
    accuracy = tg.accuracy(tg.predict(compiled, X), y)
    print(f"train accuracy {accuracy:.4f}")
    plot(ways, apart, args.picture)
    print(f"picture in {args.picture}")


def plot(ways, apart, path):
    """Draw the losses on each other, how far they are apart, and what a step takes."""
    colours = show.palette.OKABE_ITO[1], show.palette.OKABE_ITO[4], show.palette.INK
    figure = show.new_figure(14.2, 4.3)
    panels = figure.subplots(1, 3, gridspec_kw=show.margins(figure, between=(1.2, 0)) | {"width_ratios": [5, 4, 4]})

    styles = {"linewidth": 7, "alpha": 0.55}, {"linewidth": 3.5}, {"linewidth": 1}
    steps = np.arange(1, len(apart) + 1)
    for (name, (losses, _)), colour, style in zip(ways.items(), colours, styles, strict=True):
        panels[0].plot(steps, losses, color=colour, label=name, solid_joinstyle="round", **style)
    panels[0].legend(fontsize=9, framealpha=0.85, edgecolor="none")
    show.tidy(panels[0], "Three losses on each other", "step", "loss")

    ax, ulp, equal = panels[1], np.finfo(float).eps, 1e-18
    ax.plot(steps, np.maximum(apart, equal), ".", color=colours[0], markersize=5, clip_on=False)
    ax.axhline(ulp, color=show.palette.QUIET, linewidth=0.8, linestyle=(0, (4, 3)))
    said = {"ha": "right", "fontsize": 9, "color": show.palette.QUIET}
    ax.annotate("the last place of 1.0", (steps[-1], ulp), (0, 5), textcoords="offset points", **said)
    top = max(1e-14, 10 * apart.max())
    ax.set(yscale="log", ylim=(equal, top))
    ticks = [equal, *10.0 ** np.arange(-17, np.log10(top) + 0.5)]
    ax.set_yticks(ticks, ["equal", *(f"{t:.0e}" for t in ticks[1:])])
    ax.minorticks_off()
    show.tidy(ax, "How far they are apart", "step", "|single numbers - arrays|")

    times = [np.median(seconds) for _, seconds in ways.values()]
    panels[2].barh([name.replace(" ", "\n") for name in ways], times, color=colours, height=0.55)
    for i, t in enumerate(times):
        panels[2].annotate(duration(t), (t, i), (6, 0), textcoords="offset points", va="center", fontsize=10)
    panels[2].grid(axis="x", color=show.palette.LINE, linewidth=0.6, alpha=0.7)
    panels[2].set_axisbelow(True)
    panels[2].set(xscale="log", xlim=(min(times) / 3, max(times) * 6))
    panels[2].invert_yaxis()
    show.tidy(panels[2], "Time of a step", "seconds", "")
    show.save_picture(figure, path)


if __name__ == "__main__":
    _common.run(main)
