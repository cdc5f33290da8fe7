"""Where a training step spends its time, row by row."""

from .palette import LINE, OKABE_ITO, QUIET
from .picture import margins, new_figure, tidy


def plot_profile(profile, axes=None):
    """Draw a Profile as bars, a row each, products apart from the rest; returns the matplotlib axes.

    A product's bar carries its share of the speed that this machine's best matrix product reaches.
    """
    rows, speeds = [i for i, share in enumerate(profile.shares) if share >= 0.004], profile.speeds
    few = len(profile.rows) - len(rows)
    if axes is None:
        figure = new_figure(7.6, 1.5 + 0.26 * len(rows))
        axes = figure.subplots(gridspec_kw=margins(figure, left=2.2))
    colours = [OKABE_ITO[0] if profile.flops[i] else OKABE_ITO[1] for i in rows]
    axes.barh(range(len(rows)), [profile.rows[i] for i in rows], color=colours, height=0.72)
    axes.set_yticks(range(len(rows)), [f"{profile.labels[i][0]}  {i}" for i in rows])
    axes.invert_yaxis()
    for place, i in enumerate(rows):
        speed = f"  {speeds[i] / profile.peak:.0%} of peak" if speeds[i] else ""
        axes.annotate(f" {profile.rows[i]:.1f}{speed}", (profile.rows[i], place), va="center", fontsize=8, color=QUIET)
    axes.set_xlim(0, max((profile.rows[i] for i in rows), default=1) * 1.3)
    axes.grid(axis="x", color=LINE)
    axes.set_axisbelow(True)
    left_out = f" (and {few} rows of less than 0.4% each)" if few else ""
    tidy(axes, f"One step, {profile.step:.0f} us: products blue, the rest orange", f"microseconds{left_out}")
    return axes
