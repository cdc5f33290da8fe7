"""Images with what a model saw in them, the mistakes first."""

import math

import numpy as np

from .._options import whole
from ..errors import OptionError, ShapeError
from ._outputs import labels, probabilities
from .palette import INK, RIGHT, WRONG
from .picture import margins, new_figure, tidy

_GAP = 0.16  # between images, as a share of an image's width
_LINE = 0.26  # the height of the line of text above an image, and of the one below, likewise
_POINTS = 0.15  # the size of the text, likewise, but between 5 and 11 points


def plot_predictions(images, prediction, target, axes=None, count=24, columns=6, names=None):
    """Draw a grid of images with the label and the probability that a model gives each; returns the matplotlib axes.

    images are (n, height, width), (n, height, width, 1 or 3), or (n, pixels) if square; prediction is the model's
    outputs, (n, classes); target int (n,) or one-hot. `count` images are shown: the mistakes first, the surest of them
    in front, with a red frame and the true label, but at most two thirds of the grid, so that it has right ones too.
    `names` are the classes' names, if they are not 0, 1, 2... Raises ShapeError for other shapes, LabelError for labels
    outside the classes.

    >>> images, outputs = np.zeros((3, 8, 8)), np.array([[9.0, 0.0], [0.0, 9.0], [0.0, 9.0]])
    >>> axes = plot_predictions(images, outputs, np.array([0, 1, 0]))
    >>> [text.get_text() for text in axes.texts]
    ['1  100%', 'is 0', '0  100%', '1  100%']
    """
    images = _as_images(np.asarray(images))
    p = probabilities(prediction, "plot_predictions")
    if len(p) != len(images):
        raise ShapeError(f"plot_predictions: {len(images)} images and {len(p)} predictions; they must be equally many")
    target = labels(target, len(images), p.shape[1], "plot_predictions")
    for name, value in (("count", count), ("columns", columns)):
        whole("plot_predictions", name, value, 1)
    names = [str(k) for k in range(p.shape[1])] if names is None else [str(name) for name in names]
    if len(names) != p.shape[1]:
        raise OptionError(f"plot_predictions: {len(names)} names for {p.shape[1]} classes; give one for each")
    guess = p.argmax(axis=1)
    shown = _chosen(guess != target, p.max(axis=1), count)
    height, width = images.shape[1:3]
    cell = (1 + _GAP, height / width + 2 * _LINE)
    columns = min(columns, len(shown))
    size = (columns * cell[0], math.ceil(len(shown) / columns) * cell[1])
    if axes is None:
        figure = new_figure(size[0] + 0.2, size[1] + 0.5)
        axes = figure.subplots(gridspec_kw=margins(figure, 0.1, 0.1, 0.05, 0.45))
    axes.set(xlim=(0, size[0]), ylim=(size[1], 0), aspect="equal", anchor="NW")
    tidy(axes, f"{(guess != target).sum()} wrong of {len(images)}")
    axes.axis("off")
    box = axes.get_window_extent()
    inch = min(box.width / size[0], box.height / size[1]) / axes.get_figure(root=True).dpi
    points = min(max(_POINTS * 72 * inch, 5), 11)
    limits = (images[shown].min(), images[shown].max())
    for place, i in enumerate(shown):
        row, column = divmod(place, columns)
        corner = (column * cell[0] + _GAP / 2, row * cell[1] + _LINE)
        truth = "" if guess[i] == target[i] else f"is {names[target[i]]}"
        _draw_image(axes, images[i], corner, f"{names[guess[i]]}  {100 * p[i, guess[i]]:.0f}%", truth, limits, points)
    return axes


def _as_images(images):
    """(n, height, width) or (n, height, width, 3)."""
    if images.ndim == 2 and (side := math.isqrt(images.shape[1])) ** 2 == images.shape[1] > 0:
        images = images.reshape(len(images), side, side)
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] != 3) or 0 in images.shape:
        raise ShapeError(
            "plot_predictions: expected images of shape (n, height, width), (n, height, width, 1 or 3), or (n, pixels) "
            f"of square ones, got {images.shape}"
        )
    return images


def _chosen(wrong, sure, count):
    """The rows to show: mistakes, the surest first, in up to two thirds of the grid, and then others in their order."""
    mistakes, others = np.flatnonzero(wrong), np.flatnonzero(~wrong)
    mistakes = mistakes[np.argsort(-sure[mistakes], kind="stable")]
    mistakes = mistakes[: max(-(-2 * count // 3), count - len(others))]
    return [*mistakes, *others[: count - len(mistakes)]]


def _draw_image(axes, image, corner, caption, truth, limits, points):
    """One image with its upper left corner at `corner` and a frame; the caption above it, the truth below if not ""."""
    from matplotlib.patches import Rectangle

    (left, top), height = corner, image.shape[0] / image.shape[1]
    if image.ndim == 3:
        low, high = limits
        image = (image - low) / (high - low if high > low else 1)
    axes.imshow(image, cmap="gray_r", vmin=limits[0], vmax=limits[1], extent=(left, left + 1, top + height, top))
    edge, thick = (WRONG, 2.5) if truth else (RIGHT, 0.8)
    axes.add_patch(Rectangle(corner, 1, height, fill=False, edgecolor=edge, linewidth=thick))
    style = {"ha": "center", "fontsize": points} | ({"color": WRONG, "fontweight": "bold"} if truth else {"color": INK})
    axes.text(left + 0.5, top - 0.06, caption, va="bottom", **style)
    if truth:
        axes.text(left + 0.5, top + height + 0.04, truth, va="top", **style)
