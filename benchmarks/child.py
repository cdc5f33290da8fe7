"""One contestant at one workload, in its own process: python -m benchmarks.child ours spiral

Prints JSON: the numbers of the check, seconds a step in each timed run, the loss before and after the last of them, and
what the process ran on. A run starts from the initial weights and is timed from its first batch to its last update. What
a library compiles once is not in the best of several runs; what `tg.fit` prepares anew in each call is.
"""

import argparse
import json
import time

from .contestants import CONTESTANTS, REFERENCE
from .workloads import WORKLOADS, mean_loss

REPEATS, PATIENCE = 5, 3.0  # runs; seconds after which two are enough


def seconds_a_step(side, quick):
    """The time of a step in each of several runs."""
    work, share = side.work, 10 if quick else 1
    count, times, started = max(work.runs // share, 1), [], time.perf_counter()
    while len(times) < 2 or (len(times) < REPEATS and time.perf_counter() - started < PATIENCE / share):
        side.reset()
        start = time.perf_counter()
        side.run(count)
        times.append((time.perf_counter() - start) / (count * work.steps))
    return times


def losses(side):
    """The mean loss over all rows with the initial weights and with those that the last run left."""
    weights = side.weights()
    if weights is None:
        return None
    data = side.work.data()
    return [mean_loss(side.work.weights(), *data), mean_loss(weights, *data)]


def pools():
    """The thread pools and BLAS libraries of this process."""
    from threadpoolctl import threadpool_info

    keys = ("internal_api", "version", "architecture", "num_threads")
    return [{k: info[k] for k in keys if info.get(k)} for info in threadpool_info()]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("contestant", choices=[*CONTESTANTS, REFERENCE.name])
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    contestant, work = CONTESTANTS.get(args.contestant, REFERENCE), WORKLOADS[args.workload]
    side = contestant.side(work)
    result = {"check": [float(number) for number in side.check()]}
    if contestant is not REFERENCE:
        result |= {"times": seconds_a_step(side, args.quick), "losses": losses(side)}
        result |= {"note": side.note(), "about": contestant.about(), "pools": pools()}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
