"""Part `scaling`: how the time of a step grows with batch, width and depth, ours and PyTorch's.

Each curve is measured in a process of its own, its points in turn, several times over; a point is the best of them. What
a call prepares before its first step is taken off: a point is the difference of a long run and a short one
(`compile_time` measures that wait). A point more than 1.5 times above the line through its neighbours (on logarithmic
scales) is named: there something else than the amount of work decides.
"""

import argparse
import itertools
import json
import math
import time
from pathlib import Path

from . import plot
from .alternation import disturbance
from .contestants import CONTESTANTS
from .launch import Failed, measured
from .quiet import Others
from .report import table
from .workloads import Workload

BATCHES = tuple(2**k for k in range(5, 14))
WIDTHS = (16, 24, 32, 45, 46, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048)
DEPTHS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
AXES = {
    "batch": (BATCHES, "batch of 64-128-10", lambda n: ((64, 128, 10), n)),
    "width": (WIDTHS, "width w of 64-w-w-10, batch 64", lambda n: ((64, n, n, 10), 64)),
    "depth": (DEPTHS, "hidden layers of 64-32(xn)-10, batch 32", lambda n: ((64, *[32] * n, 10), 32)),
}
BATCHES_AN_EPOCH, PASSES, FACTOR = 8, 4, 1.5
PICTURE = Path(__file__).parent / "scaling.png"


def curve(contestant, axis, seconds):
    """Seconds a step at each point; a timed run makes about `seconds` of steps."""
    points, _, shape = AXES[axis]
    sides = {}
    for n in points:
        sizes, batch = shape(n)
        work = Workload(axis, "", sizes, BATCHES_AN_EPOCH * batch, batch, runs=1, checks=0)
        sides[n] = contestant.side(work)
    epochs = {n: enough_epochs(side, seconds) for n, side in sides.items()}
    short, long = dict.fromkeys(points, math.inf), dict.fromkeys(points, math.inf)
    for _, (n, side) in itertools.product(range(PASSES), sides.items()):
        short[n] = min(short[n], timed_run(side, 1))
        long[n] = min(long[n], timed_run(side, 1 + epochs[n]))
    return {n: (long[n] - short[n]) / (epochs[n] * BATCHES_AN_EPOCH) for n in points}


def enough_epochs(side, seconds):
    """So many epochs that they take about `seconds`, or as long as what comes before the first step if that is more."""
    timed_run(side, 1)  # compiles what is to be compiled
    once, epochs = timed_run(side, 1), 1
    wanted = max(seconds, once)
    while (elapsed := timed_run(side, 1 + epochs) - once) < wanted / 2:
        epochs = math.ceil(epochs * min(wanted / max(elapsed, 1e-9), 10))
    return epochs


def timed_run(side, epochs):
    side.reset()
    start = time.perf_counter()
    side.run(epochs)
    return time.perf_counter() - start


def outliers(points):
    """Points above FACTOR times the line through their neighbours, on logarithmic scales: {size: how many times}."""
    found = {}
    for (a, before), (n, here), (b, after) in zip(*(list(points.items())[i:] for i in range(3)), strict=False):
        share = math.log(n / a) / math.log(b / a)
        line = before ** (1 - share) * after**share
        if here > FACTOR * line:
            found[n] = here / line
    return found


def part(options, say):
    """{axis: {label: {size: seconds a step}}}; prints tables and outliers, draws the curves."""
    names = ["ours", *(["pytorch"] if options.peers is None or "pytorch" in options.peers else [])]
    curves = {}
    for axis, (points, title, _) in AXES.items():
        sides = {}
        for name in names:
            label = CONTESTANTS[name].label
            others = Others()
            try:
                CONTESTANTS[name].require()
                found = measured("scaling", name, axis, "--seconds", "0.02" if options.quick else "0.2")
            except Failed as failure:
                say(f"  {axis}, {label}: failed: {failure}")
                continue
            sides[label] = {int(n): seconds for n, seconds in found.items()}
            say(f"  {axis}, {label}: {len(points)} points{disturbance([others.share()])}")
        curves[title] = sides
        rows = [[n, *[f"{side[n] * 1e6:.1f}" for side in sides.values()]] for n in points]
        say("\n" + table([title, *[f"{label}, us a step" for label in sides]], rows))
        for label, side in sides.items():
            found = [f"{n} ({times:.2f} times)" for n, times in outliers(side).items()]
            say(f"\n{label}: above the line through its neighbours: {', '.join(found) or 'no point'}")
        say()
    plot.draw(plot.lines, curves, PICTURE, say)
    return curves


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("contestant", choices=CONTESTANTS)
    parser.add_argument("axis", choices=AXES)
    parser.add_argument("--seconds", type=float, default=0.2)
    args = parser.parse_args()
    print(json.dumps(curve(CONTESTANTS[args.contestant], args.axis, args.seconds)))


if __name__ == "__main__":
    main()
