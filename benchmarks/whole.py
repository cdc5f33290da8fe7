"""A whole script: import the library, train the spiral, print its accuracy: python -m benchmarks.whole jax-scan --steps 5000

Prints JSON: accuracy, and the process's peak memory in MB. For `process`, which times it from start to exit, and `memory`.
"""

import argparse
import json
import resource
import sys
from pathlib import Path

from .contestants import CONTESTANTS
from .workloads import SPIRAL, accuracy


def peak_memory():
    """The most resident memory that this process had, in MB.

    Linux's ru_maxrss begins with that of the process that started this one; VmHWM does not.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 1024)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("contestant", choices=[k for k, c in CONTESTANTS.items() if SPIRAL.name in c.workloads])
    parser.add_argument("--steps", type=int, default=5000)
    args = parser.parse_args()
    side = CONTESTANTS[args.contestant].side(SPIRAL)
    side.run(args.steps)
    print(json.dumps({"accuracy": accuracy(side.weights(), *SPIRAL.data()), "peak": peak_memory()}))


if __name__ == "__main__":
    main()
