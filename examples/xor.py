"""Exclusive or: the smallest problem that no single neuron solves, and four hidden ones do.

Two bits go in, and the answer is yes where they differ. A neuron splits the plane by one straight line, and no line has
(0, 1) and (1, 0) on one side and (0, 0) and (1, 1) on the other (Minsky and Papert 1969). With a hidden layer each hidden
neuron draws a line of its own, and the last one combines them. Small steps find a way; with --lr 0.1 the training ends in a
valley where one answer is a guess.

Run it from the repository's folder:

    python examples/xor.py
    python examples/xor.py --engine scalar      the same model, one Value for each of its numbers
    python examples/xor.py --digits 50          check the gradients against 50 decimal digits
"""

import _common
import numpy as np

import tensorgrad as tg
from tensorgrad import nn, optim, show

SIZES = {"hidden": 4, "epochs": 600, "batch_size": 4, "lr": 0.02}

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
y = np.array([[0.0], [1.0], [1.0], [0.0]])


def plane(resolution):
    """Places around the four points, (resolution ** 2, 2), and the box (left, right, bottom, top) that they fill."""
    line = np.linspace(-0.5, 1.5, resolution)
    return np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2), (-0.5, 1.5, -0.5, 1.5)


def paint(ax, numbers, box, size):
    """Draw numbers of the plane, from -1 (blue) by 0 (white) to 1 (orange), the line where they are 0, and the points."""
    from matplotlib.colors import LinearSegmentedColormap

    pale = LinearSegmentedColormap.from_list("blue to orange", ["#6AAED6", "white", "#F2C14E"])
    image = numbers.reshape(2 * (int(np.sqrt(numbers.size)),))
    ax.imshow(image, origin="lower", extent=box, cmap=pale, vmin=-1, vmax=1, interpolation="bilinear")
    if image.min() < 0 < image.max():
        ax.contour(image, [0], extent=box, colors=[show.palette.INK], linewidths=1)
    for answer, (marker, colour) in enumerate(zip("os", show.palette.OKABE_ITO, strict=False)):
        points = X[y[:, 0] == answer]
        ax.scatter(*points.T, s=size, marker=marker, color=colour, edgecolors="white", linewidths=size / 60, zorder=3)
    ax.set(xticks=[0, 1], yticks=[0, 1])


def main():
    args = _common.arguments(__doc__, SIZES, SIZES, lr="learning rate")

    # The model: two bits, some hidden neurons, and one number whose sigmoid is the probability of yes.
    model = nn.Sequential(
        nn.Dense(2, args.hidden, dtype=args.dtype),
        nn.Tanh(),
        nn.Dense(args.hidden, 1, dtype=args.dtype),
        rng=args.seed,
    ).to(args.engine)

    # Train it on all there is to know about exclusive or: four rows.
    loss = nn.BCEWithLogitsLoss()
    history = tg.fit(
        model,
        (X, y),
        loss=loss,
        optimizer=optim.Adam(model.parameters(), lr=args.lr),
        epochs=args.epochs,
        batch_size=args.batch_size,
        seed=args.seed,
        progress=not args.quiet,
    )
    chances = 1 / (1 + np.exp(-tg.predict(model, X)))
    print(f"{len(history.steps)} steps on the {args.engine} engine in {_common.time_of(history)}")
    print(f"correct answers {np.sum((chances > 0.5) == y)} of 4")
    for bits, chance in zip(X.astype(int).tolist(), chances[:, 0], strict=True):
        print(f"{bits[0]} xor {bits[1]}: yes with probability {chance:.4f}")

    # Look at it: the answer, the lines of the hidden neurons, and how the loss fell.
    figure = show.new_figure(13.4, 4.6)
    panels = figure.subplots(1, 3, gridspec_kw=show.margins(figure) | {"width_ratios": [4, 4, 5]})
    places, box = plane(160)
    shown = model.to("tensor")
    paint(panels[0], np.tanh(tg.predict(shown, places) / 2), box, size=110)
    for x, answer in zip(X, y[:, 0], strict=True):
        panels[0].annotate("yes" if answer else "no", x, (0, -22), textcoords="offset points", ha="center", fontsize=10)
    show.tidy(panels[0], "The answer", "first bit", "second bit")

    hidden, weights = tg.predict(shown[:2], places), shown[2].weight.numpy()[:, 0]
    count = min(args.hidden, 9)
    rows = int(np.ceil(np.sqrt(count)))
    show.tidy(panels[1], "Hidden neurons")
    panels[1].set_axis_off()
    for k in range(count):
        corner = [k % rows / rows, 1 - (k // rows + 1) / rows]
        inset = panels[1].inset_axes([*corner, 0.84 / rows, 0.84 / rows])
        paint(inset, hidden[:, k], box, size=30)
        inset.set(xticks=[], yticks=[])
        inset.spines[:].set_visible(False)
        inset.set_title(
            f"weight {weights[k]:.1f}".replace("-", "\N{MINUS SIGN}"), fontsize=9, color=show.palette.QUIET, y=1, pad=3
        )
    show.plot_history(history, panels[2])
    print(f"picture in {show.save_picture(figure, args.picture)}")

    # Check it: every gradient of this very model, by kernels and by the chain rule on single numbers.
    print()
    print(tg.compare(shown.astype(args.dtype), X, y, loss=loss, digits=args.digits))


if __name__ == "__main__":
    _common.run(main)
