"""Decision regions: which class a model sees at every place of a plane, and how surely."""

import numpy as np

from ..errors import ShapeError
from ..training import predict
from ._outputs import labels, probabilities
from .palette import INK, MARKERS, class_colours
from .picture import margins, new_figure, tidy

LEGEND_BELOW = 0.95  # inches that the labels and the legend need below the axes
_STRENGTH = 0.5  # of a region's colour on white; the points on top have all of it


def plot_decision_regions(model, X, y, axes=None, resolution=256):
    """Draw the regions that a model sees in the plane, with the points (X, y) on top; returns the matplotlib axes.

    X is (n, 2); y is int (n,) or one-hot (n, classes). At each of resolution x resolution places the classes' colours
    are blended by the probabilities that the model gives them, so that a sharp border is a sure one. A point that the
    model gets wrong has a black ring. A model on the scalar engine is drawn through its copy on the tensor
    engine. Raises ShapeError for X that is not (n, 2) and a model
    with a single output, LabelError for labels outside the model's classes, DataError for
    NaN and no points.

    >>> import tensorgrad as tg
    >>> from tensorgrad import nn
    >>> model = nn.Sequential(nn.Dense(2, 3), rng=0)
    >>> axes = plot_decision_regions(model, np.eye(2), np.array([0, 2]), resolution=20)
    >>> [text.get_text() for text in axes.get_legend().get_texts()]
    ['class 0', 'class 1', 'class 2', '1 wrong of 2']
    """
    X = np.asarray(X)
    if X.ndim != 2 or X.shape[1] != 2:
        raise ShapeError(f"plot_decision_regions: expected X of shape (n, 2), points in a plane, got {X.shape}")
    model = model.to("tensor") if model.engine == "scalar" else model
    p = probabilities(predict(model, X), "plot_decision_regions")
    y = labels(y, len(X), p.shape[1], "plot_decision_regions")
    if axes is None:
        figure = new_figure(6, 6.4)
        axes = figure.subplots(gridspec_kw=margins(figure, bottom=LEGEND_BELOW))
    colours = class_colours(p.shape[1])
    box = _draw_regions(axes, model, X, colours, resolution)
    _draw_points(axes, X, y, p.argmax(axis=1) != y, colours)
    tidy(axes, "Decision regions", "x₀", "x₁")
    axes.set(xlim=box[:2], ylim=box[2:])
    if 0.5 < (box[1] - box[0]) / (box[3] - box[2]) < 2:
        axes.set_aspect("equal")
    style = {"frameon": False, "fontsize": 9, "handletextpad": 0.2, "columnspacing": 1.2, "borderaxespad": 0}
    below = -(LEGEND_BELOW - 0.2) / (axes.get_window_extent().height / axes.get_figure(root=True).dpi)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, below), ncols=min(len(colours) + 1, 4), **style)
    return axes


def _draw_regions(axes, model, X, colours, resolution):
    """Paint the plane around the points and draw the border of each class; gives (left, right, bottom, top)."""
    low, high = X.min(axis=0), X.max(axis=0)
    margin = np.where(high > low, 0.08 * (high - low), 1.0)
    low, high = low - margin, high + margin
    x0, x1 = (np.linspace(low[i], high[i], resolution) for i in (0, 1))
    places = np.stack(np.meshgrid(x0, x1), axis=-1).reshape(-1, 2)
    p = probabilities(predict(model, places, batch_size=8192), "plot_decision_regions")
    paint = 1 - _STRENGTH * (1 - p @ colours)
    box = (low[0], high[0], low[1], high[1])
    image = paint.reshape(resolution, resolution, 3).clip(0, 1)
    axes.imshow(image, origin="lower", extent=box, interpolation="bilinear", aspect="auto", zorder=0)
    for k in range(len(colours) if len(colours) > 2 else 1):
        lead = p[:, k] - np.delete(p, k, axis=1).max(axis=1)
        if lead.min() < 0 < lead.max():
            lead = lead.reshape(resolution, resolution)
            axes.contour(x0, x1, lead, levels=[0], colors="white", linewidths=1.4, zorder=1)
    return box


def _draw_points(axes, X, y, wrong, colours):
    for k, colour in enumerate(colours):
        marker, mine = MARKERS[k % len(MARKERS)], X[y == k]
        style = {"marker": marker, "s": 26, "color": [colour], "edgecolors": "white", "linewidths": 0.7}
        axes.scatter(mine[:, 0], mine[:, 1], **style, label=f"class {k}", zorder=3)
    if wrong.any():
        text = f"{wrong.sum()} wrong of {len(X)}"
        style = {"marker": "o", "s": 80, "facecolors": "none", "edgecolors": INK, "linewidths": 1.3}
        axes.scatter(X[wrong, 0], X[wrong, 1], **style, label=text, zorder=4)
