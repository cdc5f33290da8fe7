"""Pictures for people, with matplotlib (the extra `plot`), which is imported only when something is drawn.

Every function draws with figures of its own, or on the axes it is given: no window is opened, no global setting is
changed. Functions that draw on axes return them; `axes.figure` is the figure, `save_picture(axes, path)` writes it.
"""

from .curves import plot_history
from .decision import plot_decision_regions
from .features import plot_feature_maps, plot_filters
from .images import plot_predictions
from .palette import class_colours
from .picture import margins, new_figure, save_picture, tidy
from .residuals import plot_residuals
from .schedules import plot_schedule

__all__ = [
    "class_colours",
    "margins",
    "new_figure",
    "plot_decision_regions",
    "plot_feature_maps",
    "plot_filters",
    "plot_history",
    "plot_predictions",
    "plot_residuals",
    "plot_schedule",
    "save_picture",
    "tidy",
]
