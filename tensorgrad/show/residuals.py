"""What a regression leaves over."""

import numpy as np

from ..errors import ShapeError
from .palette import INK, LINE, TRAIN
from .picture import margins, new_figure, tidy


def plot_residuals(outputs, targets, axes=None, title="Residuals"):
    """Draw target - output over the outputs of a regression, (n,) or (n, 1) both; returns the matplotlib axes.

    The line at 0 is a perfect fit; a pattern is something that the model has not learnt. Raises ShapeError for other shapes.

    >>> axes = plot_residuals(np.array([1.0, 2.0]), np.array([1.5, 1.0]))
    >>> axes.collections[0].get_offsets().tolist()
    [[1.0, 0.5], [2.0, -1.0]]
    """
    outputs, targets = np.asarray(outputs), np.asarray(targets)
    if outputs.shape != targets.shape or outputs.shape[1:] not in ((), (1,)) or not outputs.ndim:
        raise ShapeError(
            f"plot_residuals: expected outputs and targets of one shape, (n,) or (n, 1), "
            f"got {outputs.shape} and {targets.shape}"
        )
    if axes is None:
        figure = new_figure(5.2, 3.9)
        axes = figure.subplots(gridspec_kw=margins(figure))
    outputs, targets = outputs.reshape(-1), targets.reshape(-1)
    axes.grid(axis="y", color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.axhline(0, color=INK, linewidth=1)
    axes.scatter(outputs, targets - outputs, s=14, color=TRAIN, alpha=0.6, linewidths=0)
    tidy(axes, title, "output", "target - output")
    return axes
