"""What a convolution looks for, and what it finds: its filters, and the feature maps that they make of images."""

import numpy as np

from .._tensor import plain
from ..errors import ShapeError
from .palette import LINE, QUIET
from .picture import margins, new_figure, tidy

_GAP = 0.14  # between pictures, as a share of a picture's width


def plot_filters(weight, axes=None, columns=8):
    """Draw the filters of a convolution, (kh, kw, in, out), one picture each; returns the matplotlib axes.

    Red weighs in, blue weighs against, white is 0, on one scale for all, which a line below names. A filter of several
    channels is shown as the mean over them. Raises ShapeError for other shapes.

    >>> axes = plot_filters(np.zeros((3, 3, 1, 8)))
    >>> len(axes.images), axes.get_title(loc="left")
    (8, '8 filters of 3 x 3')
    """
    weight = np.asarray(plain(weight), float)
    if weight.ndim != 4 or 0 in weight.shape:
        raise ShapeError(f"plot_filters: expected filters of shape (kh, kw, in, out), got {weight.shape}")
    kh, kw, channels, count = weight.shape
    most = np.abs(weight.mean(axis=2)).max() or 1.0
    filters = [weight[:, :, :, i].mean(axis=2) for i in range(count)]
    cells = [filters[i : i + columns] for i in range(0, count, columns)]
    below = f"blue \N{MINUS SIGN}{most:.2g}, white 0, red {most:.2g}" + (
        f"; means of {channels} channels" if channels > 1 else ""
    )
    title = f"{count} filter{'s' * (count > 1)} of {kh} x {kw}"
    return _draw(cells, axes, title, {"cmap": "RdBu_r", "vmin": -most, "vmax": most}, below)


def plot_feature_maps(images, maps, axes=None, columns=8):
    """Draw images and, beside each, its first `columns` feature maps; returns the matplotlib axes.

    images are (n, height, width) or (n, height, width, 1 or 3); maps, the outputs of a layer, (n, height, width, channels). A
    dark place is where a filter answers; each channel has one scale for all images. Raises ShapeError for other shapes.

    >>> axes = plot_feature_maps(np.zeros((2, 8, 8)), np.zeros((2, 6, 6, 3)))
    >>> len(axes.images), axes.get_title(loc="left")
    (8, 'Image, and 3 of 3 feature maps, 6 x 6')
    """
    images, maps = np.asarray(plain(images), float), np.asarray(plain(maps), float)
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    good = images.ndim == 3 or (images.ndim == 4 and images.shape[3] == 3)
    if not good or maps.ndim != 4 or len(images) != len(maps) or 0 in images.shape + maps.shape:
        raise ShapeError(
            "plot_feature_maps: expected as many images (n, height, width) or (n, height, width, 1 or 3) as maps "
            f"(n, height, width, channels), got {images.shape} and {maps.shape}"
        )
    channels, shown = maps.shape[3], min(columns, maps.shape[3])
    maps = maps[..., :shown] / (np.abs(maps[..., :shown]).max(axis=(0, 1, 2)) + np.finfo(float).tiny)
    if images.ndim == 4:  # colours, which have no white that stands for 0
        images = images - min(images.min(), 0.0)
    images = images / (np.abs(images).max() or 1.0)
    cells = [[image, *np.moveaxis(found, -1, 0)] for image, found in zip(images, maps, strict=True)]
    title = f"Image, and {shown} of {channels} feature maps, {maps.shape[1]} x {maps.shape[2]}"
    return _draw(cells, axes, title, {"cmap": "gray_r", "vmin": 0, "vmax": 1})


def _draw(rows, axes, title, style, below=""):
    """Rows of pictures, each in a square of its own; below them a line of text, if there is one."""
    width, height = max(map(len, rows)) * (1 + _GAP), len(rows) * (1 + _GAP)
    if axes is None:
        figure = new_figure(max(width, 3) + 0.2, height + (0.9 if below else 0.5))
        axes = figure.subplots(gridspec_kw=margins(figure, 0.1, 0.1, 0.05, 0.45))
    axes.set(xlim=(0, width), ylim=(height + (0.4 if below else 0), 0), aspect="equal", anchor="NW")
    axes.text(0, height, below, va="top", fontsize=9, color=QUIET)
    tidy(axes, title)
    axes.axis("off")
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            _draw_one(axes, picture, j * (1 + _GAP), i * (1 + _GAP), style)
    return axes


def _draw_one(axes, picture, left, top, style):
    """One picture, its longer side 1, in a thin frame."""
    from matplotlib.patches import Rectangle

    height, width = np.array(picture.shape[:2]) / max(picture.shape[:2])
    axes.imshow(picture, extent=(left, left + width, top + height, top), **style)
    axes.add_patch(Rectangle((left, top), width, height, fill=False, edgecolor=LINE, linewidth=0.8))
