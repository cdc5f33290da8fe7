"""Read handwritten digits with a small convolutional network, and look at what its filters see.

Run it from the repository's folder:

    python examples/digits_conv.py
    python examples/digits_conv.py --engine scalar      the same model, one Value for each of its numbers
"""

import _common
import numpy as np
from digits import load_images, print_scores

import tensorgrad as tg
from tensorgrad import nn, optim, show

TENSOR = {"rows": 1797, "hidden": 16, "epochs": 30, "batch_size": 32, "lr": 0.005}
SCALAR = {"rows": 120, "hidden": 2, "epochs": 4, "batch_size": 24, "lr": 0.02}


def network(channels, args):
    """Two convolutions, each with normalisation and pooling: (n, 8, 8, 1) -> (n, 10)."""
    return nn.Sequential(
        nn.Conv2d(1, channels, 3, padding="same", bias=False, dtype=args.dtype),
        nn.BatchNorm(channels, dtype=args.dtype),
        nn.ReLU(),
        nn.Conv2d(channels, 2 * channels, 3, padding="same", bias=False, dtype=args.dtype),
        nn.BatchNorm(2 * channels, dtype=args.dtype),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Dense(4 * 4 * 2 * channels, 10, dtype=args.dtype),
        rng=args.seed,
    ).to(args.engine)


def main():
    args = _common.arguments(
        __doc__,
        TENSOR,
        SCALAR,
        needs=["sklearn"],
        hidden="channels of the first convolution; the second has twice as many",
    )

    # The data: images of 8 x 8 grey levels in one channel, (rows, 8, 8, 1), scaled to 0..1, and the digit in each.
    (X, y), (X_test, y_test) = load_images(args)
    X, X_test = (images.reshape(-1, 8, 8, 1) for images in (X, X_test))

    # Train the model, ever slower.
    model = network(args.hidden, args)
    if not args.quiet:
        print(model.summary((8, 8, 1)))
    optimizer = optim.Adam(model.parameters(), lr=args.lr)
    steps = args.epochs * -(-len(X) // args.batch_size)
    history = tg.fit(
        model,
        (X, y),
        loss=nn.CrossEntropyLoss(),
        optimizer=optimizer,
        epochs=args.epochs,
        batch_size=args.batch_size,
        seed=args.seed,
        validation=(X_test, y_test),
        metrics=["accuracy"],
        schedule=lambda step: args.lr * (1 - step / (steps + 1)),
        progress=not args.quiet,
    )
    outputs = print_scores(model, history, (X, y), (X_test, y_test), args.engine)

    # Look at it: the filters of the first convolution, and what they find in one image of each digit.
    one_of_each = X_test[[int(np.argmax(y_test == digit)) for digit in range(10)]]
    maps = tg.predict(model[:3], one_of_each)
    figure = show.new_figure(14.2, 6.8)
    space = show.margins(figure, bottom=0.2, between=(0.6, 2.0)) | {
        "width_ratios": [4, 4.9, 5.4],
        "height_ratios": [5, 5, 3],
    }
    layout = [["loss", "maps", "images"], ["accuracy", "maps", "images"], ["filters", "maps", "images"]]
    panels = figure.subplot_mosaic(layout, gridspec_kw=space)
    show.plot_history(history, [panels["loss"], panels["accuracy"]])
    show.plot_filters(model[0].weight, panels["filters"])
    show.plot_feature_maps(one_of_each, maps, panels["maps"], columns=6)
    show.plot_predictions(X_test[..., 0], outputs, y_test, panels["images"], columns=5, count=25)
    print(f"picture in {show.save_picture(figure, args.picture)}")

    # Check it: every gradient of this very model, by kernels and by the chain rule on single numbers.
    print()
    check = network(2, args).to("tensor").astype(args.dtype)
    print(tg.compare(check, X[:4], y[:4], loss=nn.CrossEntropyLoss(), digits=args.digits))


if __name__ == "__main__":
    _common.run(main)
