"""A workload, by everybody who takes part in it, and whether all did the same work."""

import numpy as np

from .alternation import alternate, ratios
from .contestants import CONTESTANTS, REFERENCE
from .launch import Failed, measured

OURS = "ours"
TOLERANCE = 3e-4  # of every compared number, relative to the largest of them


def compare(work, contestants, rounds, quick, say):
    """All contestants at a workload, in alternation: {name: Outcome}, whose numbers are seconds a step."""
    expected = measured("child", REFERENCE.name, work.name)["check"]

    def run(contestant):
        contestant.require()
        result = measured("child", contestant.name, work.name, *["--quick"] * quick)
        return min(result["times"]), result | {"deviation": same_work(result, expected)}

    runs = {c.name: lambda c=c: run(c) for c in contestants}
    labels = {c.name: f"{work.name}, {c.label}" for c in contestants}
    return alternate(runs, rounds, lambda seconds: f"{seconds * 1e6:.1f} us a {work.step}", say, labels)


def same_work(result, expected):
    """How far the checked numbers lie from the expected ones. Raises Failed where that is too far, or nothing was learnt."""
    found, losses = result["check"], result["losses"]
    if len(found) != len(expected):
        raise Failed(f"gave {len(found)} numbers to check, not {len(expected)}")
    deviation = float(np.abs(np.subtract(found, expected)).max() / np.abs(expected).max())
    if not deviation <= TOLERANCE:
        raise Failed(f"other numbers than the reference's: they differ by {deviation:.1e} of the largest")
    if losses and not losses[1] < losses[0]:
        raise Failed(f"did not learn: the loss went from {losses[0]:.3f} to {losses[1]:.3f}")
    return deviation


def nearest_peer(outcomes):
    """The peer with the least median ratio to ours; None where there is none."""
    peers = [name for name in outcomes if not CONTESTANTS[name].ours]
    found = {name: np.median(r) for name in peers if (r := ratios(outcomes, name, OURS))}
    return min(found, key=found.get) if found else None
