"""How many threads run a program, and how many BLAS may use meanwhile."""

import contextlib
import os
import threading
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from .. import kernels
from ..errors import OptionError
from ..kernels._tile import fits
from ..kernels.products import backward_fits
from .deal import PARTIAL

# A rough price list, in nanoseconds: it only has to tell which steps are worth sharing.
FLOP, NUMBER, ROW = 0.007, 0.1, 10.0  # of work, on one core
MEETING, SUMMED = 500.0, 1.6  # of sharing: a meeting of all threads; a number that each of them has a part of
_setting: dict[str, int | None] = {"threads": None}


def cores():
    """The number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def set_threads(n):
    """Use at most n threads from now on, where nothing else is said (`threads=`); None: one for each processor.

    >>> set_threads(1)
    >>> set_threads(None)
    """
    _setting["threads"] = None if n is None else checked_threads("set_threads", n)


def checked_threads(owner, n):
    """A number of threads, 1 or more; None is what `set_threads` said."""
    if n is None:
        return _setting["threads"] or cores()
    if not isinstance(n, int | np.integer) or isinstance(n, bool) or n < 1:
        raise OptionError(
            f"{owner}: threads must be a whole number of at least 1, or None for all processors, got {n!r}"
        )
    return int(n)


def flops(row):
    """Floating-point operations of the products in a row; 0 if it has none."""
    s = {k.lower(): v for k, v in row.sizes.items()}
    if row.kernel is kernels.matmul:
        return 2 * s["s"] * s["m"] * s["k"] * s["n"]
    if "dense" in row.kernel.name:
        passes = 1 if row.kernel in (kernels.dense, kernels.dense_relu) else 2 if "dx" in row.kernel.declaration else 1
        return 2 * passes * s["m"] * s["k"] * s["n"]
    return 0


def in_blas(row):
    """Whether a row's products are too large for the register tile."""
    if not flops(row):
        return False
    s = {k.lower(): v for k, v in row.sizes.items()}
    if "backward" in row.kernel.name:
        return not backward_fits(s["m"], s["k"], s["n"], "dx" in row.kernel.declaration)
    return not fits(s["m"], s["k"], s["n"])


def uses_blas(trace):
    """Whether a product of the trace is made by BLAS."""
    return any(map(in_blas, trace.rows))


def nanoseconds(trace):
    """The price of a step without the products that BLAS makes, which has threads of its own."""
    products = sum(flops(row) for row in trace.rows if not in_blas(row))
    numbers = sum(o.size for row in trace.rows for o in row.operands)
    return products * FLOP + numbers * NUMBER + len(trace.rows) * ROW


def threads_for(trace, most, batch):
    """How many of at most `most` threads a step may be worth, each with at least eight rows of the batch."""
    return max(1, min(most, int(nanoseconds(trace) // (10 * MEETING)), batch // 8))


def pays(program):
    """Whether a program's threads save more work than their meetings and sums cost, and by a margin."""
    jobs = program.jobs
    summed = sum(job.row.size for job in jobs if job.way == PARTIAL)
    cost = MEETING * (jobs[-1].phase + 1) + SUMMED * summed
    return nanoseconds(program.trace) * (1 - 1 / program.threads) > 1.5 * cost


class _BlasLimit:
    """BLAS held to the fewest threads that anybody asks for, process-wide; restored after the last has left."""

    def __init__(self):
        self.lock = threading.Lock()
        self.asked: list[int] = []
        self.held: Any = None
        self.controller: Any = None

    @contextlib.contextmanager
    def at(self, threads):
        self.change(threads, enters=True)
        try:
            yield
        finally:
            self.change(threads, enters=False)

    def change(self, threads, enters):
        with self.lock:
            before = min(self.asked, default=None)
            self.asked.append(threads) if enters else self.asked.remove(threads)
            now = min(self.asked, default=None)
            if now == before:
                return
            if self.held is not None:
                self.held.restore_original_limits()
                self.held = None
            if now is not None:
                self.controller = self.controller or ThreadpoolController()
                self.held = self.controller.limit(limits=now, user_api="blas")


_blas = _BlasLimit()


def one_blas_thread():
    """A context in which BLAS uses one thread."""
    return _blas.at(1)


def blas_threads(program, most):
    """A context in which BLAS uses one thread if the program has several, else as many as the program may use."""
    if not uses_blas(program.trace) or (program.threads == 1 and most >= cores()):
        return contextlib.nullcontext()
    return _blas.at(1 if program.threads > 1 else most)
