"""Tables of what was measured, in Markdown that reads well in a terminal."""

import statistics

from .alternation import disturbance, ratios
from .contestants import CONTESTANTS
from .machine import describe_pools
from .runner import OURS, TOLERANCE, nearest_peer
from .workloads import WORKLOADS


def spread(numbers):
    """The median, and in brackets the least and the most; three digits or more.

    >>> spread([2.0, 1.5, 3.0])
    '2.00 (1.50 to 3.00)'
    """
    if not numbers:
        return ""
    middle = statistics.median(numbers)
    digits = 2 if middle < 10 else 1 if middle < 100 else 0
    return f"{middle:.{digits}f} ({min(numbers):.{digits}f} to {max(numbers):.{digits}f})"


def table(header, rows):
    """A Markdown table with aligned columns."""
    cells = [header, *[[str(cell) for cell in row] for row in rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def microseconds(outcome):
    return spread([seconds * 1e6 for seconds in outcome.numbers])


def against_first(outcomes, unit, detail=None):
    """A table of outcomes with their ratios to the first; `detail` names a number of the details to show too."""
    first, rows = next(iter(outcomes)), []
    for name, outcome in outcomes.items():
        if outcome.error:
            rows.append([name, outcome.error, "", *([""] if detail else [])])
            continue
        ratio = "1" if name == first else spread(ratios(outcomes, name, first))
        shown = [f"{outcome.details[detail]:.3f}"] if detail else []
        rows.append([name, spread(outcome.numbers), ratio, *shown])
    notes = [f"\n{name}{text}" for name, outcome in outcomes.items() if (text := disturbance(outcome.others))]
    return "\n".join([table(["", unit, "ratio to the first", *([detail] if detail else [])], rows), *notes])


def one_workload(name, outcomes):
    """Every contestant at a workload, quickest first."""
    work, rows = WORKLOADS[name], []
    for key, outcome in sorted(outcomes.items(), key=lambda item: float("inf") if item[1].error else item[1].median):
        if outcome.error:
            rows.append([CONTESTANTS[key].label, "no figure, see below", "", "", ""])
            continue
        losses = outcome.details["losses"]
        rows.append([
            CONTESTANTS[key].label,
            microseconds(outcome),
            "1" if key == OURS else spread(ratios(outcomes, key, OURS)),
            f"{outcome.details['deviation']:.0e}",
            f"{losses[0]:.3f} to {losses[1]:.3f}" if losses else "",
        ])  # fmt: skip
    header = ["", f"us a {work.step}", "times as long as ours", "off", "loss in a timed run"]
    notes = [
        f"{CONTESTANTS[key].label}: {text}"
        for key, outcome in outcomes.items()
        if (text := outcome.error or (outcome.details["note"] + disturbance(outcome.others)).strip())
    ]
    return "\n".join([f"### {name}: {work.title}\n", table(header, rows), *[f"\n{note}" for note in notes]])


def summary(results):
    """Ours and the nearest peer at each workload."""
    rows = []
    for name, outcomes in results.items():
        peer, ours = nearest_peer(outcomes), outcomes[OURS]
        theirs = (
            [CONTESTANTS[peer].label, microseconds(outcomes[peer]), spread(ratios(outcomes, peer, OURS))]
            if peer
            else []
        )
        mine = "failed" if ours.error else microseconds(ours)
        rows.append([f"{name}: {WORKLOADS[name].title}", mine, *(theirs or ["none", "", ""])])
    return table(["workload", "ours, us", "nearest peer", "its us", "ratio peer / ours"], rows)


def libraries(results):
    """A line for each library: version, BLAS kernels, threads."""
    lines = {
        f"- {outcome.details['about']} [{describe_pools(outcome.details['pools'])}]": None
        for outcomes in results.values()
        for outcome in outcomes.values()
        if not outcome.error
    }
    return "\n".join(lines)


LEGEND = f"""Microseconds and ratios: median (least to most) over the rounds. In each round a contestant runs in a process of
its own and counts with the best of its repeats; ratios are taken within a round. "off": how far the losses of the first
epochs or calls (outputs, for one row) lie from NumPy's in float64, from the same weights over the same batches, relative to
the largest; above {TOLERANCE:.0e} is a failure. A timed run starts from the same weights and draws its own batches."""
