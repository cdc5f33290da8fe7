"""Figures without windows: made, tidied up and written to a file."""

import io

import numpy as np

from .._file import checked_path, write
from ..errors import OptionError, need
from .palette import INK, LINE, QUIET


def new_figure(width, height):
    """A white matplotlib Figure of width x height inches. It belongs to no window, and pyplot does not know of it.

    >>> new_figure(6, 4).get_size_inches().tolist()
    [6.0, 4.0]
    """
    return need("matplotlib.figure", "plot", "new_figure").Figure(figsize=(width, height), facecolor="white")


def save_picture(picture, path, dpi=110):
    """Write a picture and return the path; the suffix says the format.

    The picture is what a plot function returns: axes, an array or list of axes of one Figure, or the Figure itself.
    Missing folders are made. The file appears complete or not at all. Raises OptionError for something else than a
    picture and for a suffix that matplotlib does not write, FileError for a path that cannot be written.

    >>> import tempfile
    >>> save_picture(new_figure(1, 1), tempfile.mkdtemp() + "/new/folder/empty.png").name
    'empty.png'
    """
    figure = _figure_of(picture)
    path = checked_path("save_picture", path)
    kinds = figure.canvas.get_supported_filetypes()
    if (kind := path.suffix.lstrip(".").lower()) not in kinds:
        raise OptionError(
            f"save_picture: expected a path that ends in one of .{', .'.join(sorted(kinds))}, got {str(path)!r}"
        )
    file = io.BytesIO()
    figure.savefig(file, format=kind, dpi=dpi)
    write("save_picture", path, file.getvalue(), folders=True)
    return path


def _figure_of(picture):
    """The one Figure of axes, of a list or array of axes, or of itself."""
    parts = np.ravel(np.asarray(picture, dtype=object)).tolist()
    figures = {p.get_figure(root=True) if hasattr(p, "get_figure") else None for p in parts}
    if len(figures) != 1 or None in figures:
        raise OptionError(
            f"save_picture: expected axes of one figure, or a figure, as the plot functions return them, got {picture!r}"
        )
    return figures.pop()


def margins(figure, left=0.7, right=0.25, bottom=0.6, top=0.45, between=(0.7, 0.95)):
    """The options of a grid of plots that keep these inches free around it, and (width, height) between its plots.

    >>> figure = new_figure(10, 5)
    >>> panels = figure.subplots(1, 2, gridspec_kw=margins(figure))
    """
    width, height = figure.get_size_inches()
    return {
        "left": left / width,
        "right": 1 - right / width,
        "bottom": bottom / height,
        "top": 1 - top / height,
        "wspace": 2 * between[0] / (width - left - right),
        "hspace": 2 * between[1] / (height - bottom - top),
    }


def tidy(axes, title="", xlabel="", ylabel=""):
    """A bold title on the left, quiet labels, no box around the plot."""
    # y and plain text for labels (no $...$) spare matplotlib a layout pass and its formula parser: 0.15 s of a picture
    axes.set_title(title, loc="left", y=1, fontsize=12, fontweight="bold", color=INK, pad=10)
    axes.set_xlabel(xlabel, fontsize=10, color=QUIET)
    axes.set_ylabel(ylabel, fontsize=10, color=QUIET)
    axes.tick_params(which="both", labelsize=9, labelcolor=QUIET, color=LINE)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(LINE)
