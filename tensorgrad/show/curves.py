"""Learning curves: the loss and every metric over the epochs."""

import numpy as np

from ..errors import DataError, ShapeError
from .palette import LINE, TRAIN, VALIDATION
from .picture import margins, new_figure, tidy

_LOWER_IS_BETTER = ("loss", "error", "mse", "mae", "rmse")
_LOG_FROM = 30  # a loss that falls by more than this is drawn on a logarithmic scale


def plot_history(history, axes=None):
    """Draw the loss and, beside it, every metric over the epochs; returns the panels' axes as an array (panels,).

    Training and validation (names that begin with `val_`) share a panel; each curve's best epoch has a dot, and the
    legend gives its value. `axes` are as many matplotlib axes as there are panels; a single one gets the loss. Without
    them a new figure is made. Raises DataError for a history without epochs, ShapeError for another number of axes.

    >>> import tensorgrad as tg
    >>> history = tg.History("tensor")
    >>> for loss, val_loss in [(0.9, 1.0), (0.4, 0.7), (0.2, 0.8)]:
    ...     history.append(loss=loss, accuracy=1 - loss / 2, val_loss=val_loss)
    >>> [panel.get_title(loc="left") for panel in plot_history(history)]
    ['Loss', 'Accuracy']
    """
    panels = list(dict.fromkeys(name.removeprefix("val_") for name, numbers in history.epochs.items() if numbers))
    if not panels:
        raise DataError("plot_history: the history has no epochs; train for at least one before plotting")
    if axes is None:
        figure = new_figure(5.2 * len(panels), 3.9)
        axes = figure.subplots(1, len(panels), squeeze=False, gridspec_kw=margins(figure))
    axes = np.atleast_1d(np.asarray(axes, dtype=object)).ravel()
    if len(axes) == 1:
        panels = panels[:1]
    if len(axes) != len(panels):
        raise ShapeError(
            f"plot_history: expected {len(panels)} axes, for {', '.join(panels)}, or one, for the loss; got {len(axes)}"
        )
    for ax, name in zip(axes, panels, strict=True):
        _panel(ax, name, history.epochs)
    return axes


def _panel(ax, name, epochs):
    """One quantity over the epochs, training and validation together."""
    lower = any(word in name.lower() for word in _LOWER_IS_BETTER)
    curves = [("training", TRAIN, epochs.get(name)), ("validation", VALIDATION, epochs.get(f"val_{name}"))]
    curves = [(label, colour, np.asarray(numbers, float)) for label, colour, numbers in curves if numbers]
    best = [_best(numbers, lower) for *_, numbers in curves]
    sizes = (10, 6) if len(set(best)) < len(best) else (7, 7)  # a dot on another lets it be seen
    for curve, epoch, size in zip(curves, best, sizes, strict=False):
        _curve(ax, *curve, epoch, size)
    everything = np.concatenate([numbers for *_, numbers in curves])
    if lower and everything.min() > 0 and everything.max() > _LOG_FROM * everything.min():
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_formatter("")
    tidy(ax, name[:1].upper() + name[1:].replace("_", " "), "epoch")
    ax.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    if max(len(numbers) for *_, numbers in curves) == 1:  # dots alone
        ax.set_xlim(0.5, 1.5)
        if everything.min() >= 0:
            ax.set_ylim(0, 1.3 * everything.max() or 1)
    ax.grid(color=LINE, linewidth=0.6, alpha=0.7)
    ax.set_axisbelow(True)
    ax.legend(loc="upper right" if lower else "lower right", fontsize=9, framealpha=0.85, edgecolor="none")


def _best(numbers, lower):
    return int(np.where(np.isnan(numbers), np.inf, numbers if lower else -numbers).argmin())


def _curve(ax, label, colour, numbers, best, size):
    epochs = np.arange(1, len(numbers) + 1)
    text = f"{label}: best {numbers[best]:#.3g} at epoch {best + 1}"
    ax.plot(epochs, numbers, color=colour, linewidth=1.8 if len(numbers) <= 200 else 1.0, label=text)
    style = {"markersize": size, "markeredgecolor": "white", "clip_on": False, "zorder": 5}
    ax.plot(epochs[best], numbers[best], "o", color=colour, **style)
