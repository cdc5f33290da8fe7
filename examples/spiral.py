"""Learn the three arms of a spiral: a classifier with two hidden layers, trained in mini-batches with Adam.

Run it from the repository's folder:

    python examples/spiral.py
    python examples/spiral.py --engine scalar      the same model, one Value for each of its numbers
    python examples/spiral.py --digits 50          check the gradients against 50 decimal digits
"""

import _common
import numpy as np

import tensorgrad as tg
from tensorgrad import nn, optim, show

TENSOR = {"points": 100, "hidden": 64, "epochs": 1000, "batch_size": 100, "lr": 0.02}
SCALAR = {"points": 30, "hidden": 16, "epochs": 500, "batch_size": 30, "lr": 0.03}


def main():
    args = _common.arguments(__doc__, TENSOR, SCALAR, needs=["nnfs"])

    # The data: points in the plane, (300, 2), and the arm that each lies on, (300,).
    from nnfs.datasets import spiral_data

    np.random.seed(args.seed)  # nnfs draws from NumPy's global generator
    X, y = spiral_data(args.points, 3)

    # The model: from two coordinates to one number for each class.
    model = nn.Sequential(
        nn.Dense(2, args.hidden, dtype=args.dtype),
        nn.ReLU(),
        nn.Dense(args.hidden, args.hidden, dtype=args.dtype),
        nn.ReLU(),
        nn.Dense(args.hidden, 3, dtype=args.dtype),
        rng=args.seed,
    ).to(args.engine)

    # Train it. Points of different arms lie close together: the last steps must be small ones.
    loss = nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=args.lr, betas=(0.9, 0.98))

    def slow_down(history):
        optimizer.lr = args.lr * (1 - len(history) / args.epochs)

    history = tg.fit(
        model,
        (X, y),
        loss=loss,
        optimizer=optimizer,
        epochs=args.epochs,
        batch_size=args.batch_size,
        seed=args.seed,
        metrics=["accuracy"],
        callbacks=[slow_down],
        progress=not args.quiet,
    )
    accuracy = tg.evaluate(model, (X, y), metrics=["accuracy"])["accuracy"]
    print(f"{len(X)} points, {len(history.steps)} steps on the {args.engine} engine in {_common.time_of(history)}")
    print(f"train accuracy {accuracy:.4f}" + (f" ({history.stopped})" if history.stopped else ""))

    # Look at it.
    figure = show.new_figure(11.4, 5.9)
    space = show.margins(figure, bottom=0.95)
    panels = figure.subplot_mosaic([["regions", "loss"], ["regions", "accuracy"]], gridspec_kw=space)
    show.plot_decision_regions(model, X, y, panels["regions"])
    show.plot_history(history, [panels["loss"], panels["accuracy"]])
    print(f"picture in {show.save_picture(figure, args.picture)}")

    # Check it: every gradient of this very model, by kernels and by the chain rule on single numbers.
    few = slice(None, None, len(X) // 8 or 1)
    print()
    print(tg.compare(model.to("tensor").astype(args.dtype), X[few], y[few], loss=loss, digits=args.digits))


if __name__ == "__main__":
    _common.run(main)
