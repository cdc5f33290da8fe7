"""Part `compile_time`: the wait before the first step of an architecture that the process has not trained before.

An earlier model has been trained in the same process, so libraries are loaded and kernels compiled. Then networks
2-w-w-3 of other widths w are trained for one step each; the wait is the time of that first call less the cost of a step,
and a round's number is the median over the widths. No compilation cache knows them: torch.compile's folder is empty, and
JAX's persistent cache is off, as it is by default.
"""

import dataclasses
import json
import statistics
import sys
import tempfile
import time

from .alternation import alternate
from .contestants import CONTESTANTS
from .launch import measured
from .report import against_first
from .workloads import SPIRAL

WIDTHS, STEPS = (24, 40, 48, 56, 72), 100
NAMES = ("ours", "jax", "jax-scan", "torch-compile", "pytorch")


def seconds_of(side, count):
    start = time.perf_counter()
    side.run(count)
    return time.perf_counter() - start


def waits(contestant):
    """The wait of each width, in seconds."""
    seconds_of(contestant.side(SPIRAL), STEPS)
    found = []
    for width in WIDTHS:
        side = contestant.side(dataclasses.replace(SPIRAL, sizes=(2, width, width, 3)))
        first = seconds_of(side, 1)
        side.run(STEPS)
        found.append(first - min(seconds_of(side, STEPS) for _ in range(3)) / STEPS)
    return found


def part(options, say):
    """{label: Outcome}, numbers in milliseconds."""

    def run(name):
        CONTESTANTS[name].require()
        with tempfile.TemporaryDirectory() as folder:
            found = measured("compile_time", name, TORCHINDUCTOR_CACHE_DIR=folder, TRITON_CACHE_DIR=folder)
        return statistics.median(found) * 1e3, {"milliseconds": [seconds * 1e3 for seconds in found]}

    runs = {CONTESTANTS[name].label: lambda name=name: run(name) for name in NAMES}
    outcomes = alternate(runs, options.rounds, "{:.1f} ms".format, say)
    say("\n### Wait before a new architecture's first step\n\n" + against_first(outcomes, "ms") + "\n")
    return outcomes


if __name__ == "__main__":
    print(json.dumps(waits(CONTESTANTS[sys.argv[1]])))
