"""Read handwritten digits: 1,797 real images of 8 x 8 pixels, a fifth of them held out to test on.

Run it from the repository's folder:

    python examples/digits.py
    python examples/digits.py --engine scalar      the same model, one Value for each of its numbers
    python examples/digits.py --digits 50          check the gradients against 50 decimal digits
"""

import _common
import numpy as np

import tensorgrad as tg
from tensorgrad import nn, optim, show

TENSOR = {"rows": 1797, "hidden": 512, "epochs": 20, "batch_size": 32, "lr": 0.01}
SCALAR = {"rows": 400, "hidden": 16, "epochs": 15, "batch_size": 32, "lr": 0.02}


def load_images(args):
    """Images of 64 grey levels, (rows, 64), scaled to 0..1, and the digit in each, (rows,): to learn from and to test on."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    X, y = load_digits(return_X_y=True)
    if not 100 <= args.rows <= len(X):
        raise tg.errors.OptionError(f"--rows: there are {len(X)} images, take 100 or more of them, got {args.rows}")
    X, y = X[: args.rows] / 16, y[: args.rows]
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.2, stratify=y, random_state=args.seed)
    return (X, y), (X_test, y_test)


def print_scores(model, history, train, test, engine):
    """Print how well the model reads the images of both sets; what it makes of those to test on, (rows, 10)."""
    (X, _), (X_test, y_test) = train, test
    outputs = tg.predict(model, X_test)
    mistakes = int(np.sum(outputs.argmax(axis=1) != y_test))
    print(f"{len(X)} images, {len(history.steps)} steps on the {engine} engine in {_common.time_of(history)}")
    accuracy = tg.evaluate(model, train, metrics=["accuracy"])["accuracy"]
    print(f"train accuracy {accuracy:.4f}" + (f" ({history.stopped})" if history.stopped else ""))
    print(f"test accuracy {tg.accuracy(outputs, y_test):.4f} ({mistakes} mistakes in {len(y_test)} images)")
    return outputs


def main():
    args = _common.arguments(__doc__, TENSOR, SCALAR, needs=["sklearn"])

    (X, y), (X_test, y_test) = load_images(args)

    # The model: from 64 pixels to one number for each of the ten digits.
    model = nn.Sequential(
        nn.Dense(64, args.hidden, dtype=args.dtype),
        nn.ReLU(),
        nn.Dense(args.hidden, 10, dtype=args.dtype),
        rng=args.seed,
    ).to(args.engine)

    # Train it, and score the images that it has not seen after each epoch.
    loss = nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=args.lr)

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
        validation=(X_test, y_test),
        metrics=["accuracy"],
        callbacks=[slow_down],
        progress=not args.quiet,
    )
    outputs = print_scores(model, history, (X, y), (X_test, y_test), args.engine)

    # Look at it.
    figure = show.new_figure(11.4, 6.2)
    space = show.margins(figure) | {"width_ratios": [4.2, 6]}
    panels = figure.subplot_mosaic([["loss", "images"], ["accuracy", "images"]], gridspec_kw=space)
    show.plot_history(history, [panels["loss"], panels["accuracy"]])
    show.plot_predictions(X_test, outputs, y_test, panels["images"])
    print(f"picture in {show.save_picture(figure, args.picture)}")

    # Check it: every gradient of this very model, by kernels and by the chain rule on single numbers.
    print()
    print(tg.compare(model.to("tensor").astype(args.dtype), X[:8], y[:8], loss=loss, digits=args.digits))


if __name__ == "__main__":
    _common.run(main)
