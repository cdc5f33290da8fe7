"""Whole processes: examples/spiral.py against the same training and picture in PyTorch: python benchmarks/process.py

From process start to exit, kernels compiled before; in alternation, the ratio pair by pair. Also the first run ever, with
an empty kernel cache. The variables that hold OpenBLAS to old kernels are removed first. Needs the extra `oracle`.
"""

import argparse
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent


def seconds(command, **variables):
    """Wall seconds of a process, and the accuracy that it printed."""
    env = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")} | variables
    start = time.perf_counter()
    done = subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True, env=env, check=False)
    elapsed = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"{command[0]} failed:\n{done.stderr}")
    accuracy = next(line for line in done.stdout.splitlines() if line.startswith("train accuracy")).split()[2]
    return elapsed, accuracy


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="pairs of runs (default 5)")
    args = parser.parse_args()
    if importlib.util.find_spec("torch") is None:
        sys.exit(
            'benchmarks/process.py needs PyTorch, which is not installed: pip install "microgrid-tensorgrad[oracle]"'
        )
    with tempfile.TemporaryDirectory() as folder:
        ours = [HERE.parent / "examples" / "spiral.py", "--quiet", "--picture", f"{folder}/ours.png"]
        theirs = [HERE / "torch_spiral.py", f"{folder}/theirs.png"]
        first, _ = seconds(ours, TENSORGRAD_CACHE_DIR=f"{folder}/empty")
        print(f"first run ever, compiling the kernels: {first:.1f} s")
        seconds(ours), seconds(theirs)
        ratios = []
        for _ in range(args.rounds):
            (a, accuracy), (b, their_accuracy) = seconds(ours), seconds(theirs)
            ratios.append(b / a)
            print(
                f"ours {a:.2f} s (accuracy {accuracy})   PyTorch {b:.2f} s (accuracy {their_accuracy})   ratio {b / a:.2f}"
            )
    print(f"ratio PyTorch / ours: median {statistics.median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
