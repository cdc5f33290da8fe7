"""The pictures: times of a step as bars, and how they grow with the size of the work."""

import statistics

from .contestants import CONTESTANTS
from .machine import describe
from .workloads import WORKLOADS

# Colours of Okabe and Ito, which all eyes tell apart.
OURS, VARIANT, PEER, INK = "#D55E00", "#E69F00", "#56B4E9", "#333333"


def draw(picture, numbers, path, say):
    """Save what `picture(numbers)` draws, above a line about the machine, and say where; without matplotlib, say so."""
    try:
        drawn = picture(numbers)
        drawn.supxlabel("; ".join(describe()[:2]), fontsize=7, color=INK)
        drawn.savefig(path)
    except ImportError:
        say("no picture: pip install matplotlib")
    else:
        say(f"picture: {path}")


def figure(rows, columns, size):
    """A figure and its axes; needs matplotlib, no display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = Figure(figsize=size, dpi=110, layout="constrained")
    FigureCanvasAgg(drawn)
    return drawn, drawn.subplots(rows, columns, squeeze=False).ravel()


def bars(results):
    """A panel for each workload: microseconds a step of every contestant, whiskers from least to most.

    The scales are logarithmic, and a factor has the same length in every panel.
    """
    columns = min(len(results), 2)
    rows = -(-len(results) // columns)
    drawn, panels = figure(rows, columns, (6.6 * columns, 0.9 + 2.6 * rows))
    times = {
        name: {key: [t * 1e6 for t in outcome.numbers] for key, outcome in outcomes.items() if not outcome.error}
        for name, outcomes in results.items()
    }
    span = max(
        (max(map(max, done.values())) / min(map(min, done.values())) for done in times.values() if done), default=1
    )
    for axes, (name, done) in zip(panels, times.items(), strict=False):
        panel(axes, WORKLOADS[name], done, span)
    for axes in panels[len(results) :]:
        axes.remove()
    return drawn


def panel(axes, work, times, span):
    """The bars of one workload, quickest on top; times: {contestant: microseconds of each round}."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    order = sorted(times, key=lambda key: -statistics.median(times[key]))
    for place, key in enumerate(order):
        middle, ours = statistics.median(times[key]), CONTESTANTS[key].ours
        colour = OURS if key == "ours" else VARIANT if ours else PEER
        axes.barh(place, middle, color=colour, hatch="" if ours else "//", edgecolor="white")
        axes.plot([min(times[key]), max(times[key])], [place, place], color=INK, linewidth=1.5)
        text = f"{middle:.{0 if middle >= 100 else 1}f}"
        where = {"textcoords": "offset points", "xytext": (5, 0), "va": "center"}
        axes.annotate(text, (max(times[key]), place), **where, fontsize=8, color=INK)
    axes.set_yticks(range(len(order)), [CONTESTANTS[key].label for key in order], fontsize=8)
    axes.set_xscale("log")
    if times:
        least = min(map(min, times.values())) / 1.6
        axes.set_xlim(least, least * span * 2.2)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_title(f"{work.name}: {work.title}", fontsize=9, loc="left")
    axes.set_xlabel(f"microseconds a {work.step}", fontsize=8)
    axes.tick_params(axis="x", labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def lines(curves):
    """A panel for each axis: {axis: {label: {size: seconds}}}, both scales logarithmic."""
    drawn, panels = figure(1, len(curves), (4.6 * len(curves), 4))
    for axes, (name, sides) in zip(panels, curves.items(), strict=True):
        for (label, points), colour, marker in zip(sides.items(), (OURS, PEER), "os", strict=False):
            axes.loglog(list(points), [t * 1e6 for t in points.values()], color=colour, marker=marker, label=label)
        axes.set(xlabel=name, ylabel="microseconds a step")
        axes.grid(alpha=0.3)
        axes.legend()
    return drawn
