"""Learning rates over the steps of a training."""

from .palette import LINE, OKABE_ITO
from .picture import margins, new_figure, tidy


def plot_schedule(schedule, steps, axes=None):
    """Draw the rates of the first `steps` steps of a schedule; returns the matplotlib axes."""
    if axes is None:
        figure = new_figure(6.4, 3.2)
        axes = figure.subplots(gridspec_kw=margins(figure))
    rates = schedule.rates(steps)
    axes.plot(rates, color=OKABE_ITO[0], drawstyle="steps-post" if steps <= 40 else "default")
    axes.set_ylim(0, max(rates.max() * 1.08, 1e-12))
    axes.grid(axis="y", color=LINE)
    axes.set_axisbelow(True)
    tidy(axes, repr(schedule), "step")
    axes.set_ylabel("learning rate")
    return axes
