"""How many threads run a program, and how many BLAS may use meanwhile."""

import contextlib
import threading
from typing import Any

from threadpoolctl import ThreadpoolController

from .._options import is_whole
from ..errors import OptionError
from ..kernels import cores
from ..kernels import setting as _setting
from .deal import PARTIAL

# A rough price list, in nanoseconds: it only has to tell which steps are worth sharing.
FLOP, NUMBER, ROW = 0.007, 0.1, 10.0  # of work, on one core
MEETING, SUMMED = 500.0, 1.6  # of sharing: a meeting of all threads; a number that each of them has a part of


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
    if not is_whole(n, 1):
        raise OptionError(
            f"{owner}: threads must be a whole number of at least 1, or None for all processors, got {n!r}"
        )
    return int(n)


def flops(row):
    """Floating-point operations of the products in a row; 0 if it has none."""
    products = row.kernel.products
    if not products:
        return 0
    if callable(products):  # what a convolution multiplies is in its plan
        plan = next(o for o, b in zip(row.operands, row.kernel.buffers, strict=True) if b.name == "plan")
        return 2 * products(row.sizes, plan.buffer.array)
    s = {extent.lower(): n for extent, n in row.sizes.items() if extent != "S"}
    return 2 * products * row.sizes.get("S", 1) * s["m"] * s["k"] * s["n"]


def in_blas(row):
    """Whether a row is a product that BLAS makes with threads of its own, if one thread has it alone."""
    return any(
        o.buffer.array[0] == 1 for o, b in zip(row.operands, row.kernel.buffers, strict=True) if b.tells == "alone"
    )


def uses_blas(program):
    """Whether BLAS makes a product of a program."""
    return program.threads == 1 and any(map(in_blas, program.trace.rows))


def nanoseconds(trace):
    """The price of a step on one thread."""
    products = sum(flops(row) for row in trace.rows)
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
                import scipy.linalg.cython_blas  # noqa: F401  the BLAS that kernels call, which is loaded late

                self.controller = self.controller or ThreadpoolController()
                self.held = self.controller.limit(limits=now, user_api="blas")


_blas = _BlasLimit()


def one_blas_thread():
    """A context in which BLAS uses one thread."""
    return _blas.at(1)


def blas_threads(program, most):
    """A context in which BLAS uses no more threads than the program may."""
    return _blas.at(most) if uses_blas(program) and most < cores() else contextlib.nullcontext()
