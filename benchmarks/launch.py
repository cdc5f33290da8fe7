"""Child processes: each measurement runs in one of its own, with BLAS as on a user's machine."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
PINS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OPENBLAS_NUM_THREADS")  # hold OpenBLAS to old kernels or one thread


class Failed(Exception):
    """A child process ended with an error; says which."""


def environment(**variables):
    """This process's environment without the pins, with this checkout's packages first, and with these variables."""
    kept = {k: v for k, v in os.environ.items() if k not in PINS}
    kept["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [kept.get("PYTHONPATH")])])
    return kept | {k: str(v) for k, v in variables.items()}


def timed(command, timeout=900, **variables):
    """Run Python with these arguments: what it printed, and the wall seconds from start to exit. Raises Failed."""
    start = time.perf_counter()
    try:
        done = subprocess.run(
            [sys.executable, *map(str, command)],
            capture_output=True, text=True, check=False, timeout=timeout, cwd=ROOT, env=environment(**variables),
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Failed(f"took more than {timeout} s") from None
    seconds = time.perf_counter() - start
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise Failed(lines[-1].strip() if lines else f"exit status {done.returncode}")
    return done.stdout, seconds


def measured(module, *arguments, **variables):
    """Run a module of this package in a child; the JSON of its last line. Raises Failed."""
    printed, _ = timed(["-m", f"{__package__}.{module}", *arguments], **variables)
    return json.loads(printed.splitlines()[-1])


def usable_cores():
    """How many cores this process and its children may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def limit_cores(count):
    """Keep this process and its children on so many cores, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])
