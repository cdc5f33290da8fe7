"""Large calls of kernels in chunks, dealt out to threads: the same bits on any number of threads."""

import atexit
import functools
import math
import operator
import os
import threading
from typing import Any

import numpy as np

from . import _pool
from ._compile import CHECK
from ._log import current

LARGE = 1 << 16  # numbers: below it handing light work over costs more than it saves
WORTH = 1_000_000  # products: the same for kernels that multiply
_EVEN = 4096  # chunks begin at its multiples, so that each number stays in the vector, or the rest, that it was in
setting: dict[str, int | None] = {"threads": None}  # of tg.set_threads
_latest: dict[tuple, Any] = {}  # (kernel, threads, shape of the first array) -> Plan of the last such call
_here: dict[str, Any] = {"pool": None, "lock": threading.Lock()}  # of this process


@functools.cache
def cores():
    """The number of processors that this process may use, when it is first asked."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads_allowed():
    """How many threads an eager call may use."""
    return setting["threads"] or cores()


def share(kernel, *buffers):
    """Run a kernel on C-contiguous arrays, with several threads if it is worth it and its declaration allows it.

    The call is dealt out along the extent in capitals that is the first of each buffer that has it; other buffers go whole
    to every thread. Kernels that a thread would leave partial sums of run on one thread.
    """
    if (
        (buffers[-1].size < LARGE and buffers[0].size < LARGE)
        or current.log is not None
        or not _shared(kernel, buffers)
    ):
        kernel(*buffers)


def _shared(kernel, buffers):
    """Run a kernel with several threads; whether that was done."""
    threads = threads_allowed()
    if threads < 2:
        return False
    shape = buffers[0].shape
    plan = _latest.get((kernel, threads, shape))
    done = _by_pool(kernel, plan, threads, buffers, buffers) if plan is not None else None
    if done is None:  # another call began with an array of this shape
        plan = _plan(kernel, threads, _EVEN, *map(_about, buffers))
        if plan is None or (done := _by_pool(kernel, plan, threads, buffers, buffers)) is None:
            return False
        if len(_latest) >= 512:
            _latest.clear()
        _latest[kernel, threads, shape] = plan
    return done


def _by_pool(kernel, plan, threads, given, buffers):
    """Run a plan on what is given for the buffers of a call; whether that was done, None if they are others."""
    pool = _here["pool"]
    if (pool is None or pool.threads != threads) and (pool := _hire(threads)) is None:
        return False
    if CHECK:
        kernel.check(buffers)
    return pool.run(plan, given)


def share_sums(kernel, *buffers):
    """Run a kernel that leaves partial sums in some of its buffers, with several threads if that is worth it.

    Each chunk has buffers of its own for what it writes without the extent that is dealt out, `work` among it; the others are
    added up, in the order of the chunks.
    """
    if current.log is not None or (threads := threads_allowed()) < 2 or not _add_up(kernel, buffers, threads):
        kernel(*buffers)


def _add_up(kernel, buffers, threads):
    plan = _plan_of_sums(kernel, threads, *map(_about, buffers))
    if plan is None:
        return False
    mine = _pool.own(kernel, range(len(buffers)))
    parts = {i: np.empty((plan.chunks, *buffers[i].shape), buffers[i].dtype) for i in mine}
    if not _by_pool(kernel, plan, threads, tuple(parts.get(i, b) for i, b in enumerate(buffers)), buffers):
        return False
    for i, part in parts.items():
        if kernel.buffers[i].name != "work":
            np.add.reduce(part, axis=0, out=buffers[i])
    return True


@functools.lru_cache(512)
def _plan_of_sums(kernel, threads, *about):
    """A plan, where a call makes enough products, or reads enough numbers, to be worth it."""
    shapes, dtypes = zip(*about, strict=True)
    sizes = kernel.sizes(shapes)
    products = [sizes[extent] for extent in "Smkn" if extent in sizes]
    if math.prod(products) < WORTH if products else max(sizes.values()) < LARGE:
        return None
    return _pool.plan_of(kernel, threads, 1, shapes, dtypes, sums=True)


_about = operator.attrgetter("shape", "dtype")


@functools.lru_cache(512)
def _plan(kernel, threads, even, *about):
    return _pool.plan_of(kernel, threads, even, *zip(*about, strict=True))


def _hire(threads):
    """A pool of so many threads, in place of the one that there was; None if there can be none now."""
    if not _here["lock"].acquire(blocking=False):
        return None
    try:
        before, pool = _here["pool"], _pool.open_pool(threads)
        if pool is not None:
            _here["pool"] = pool
            if before is not None:
                before.quit()
        return pool
    finally:
        _here["lock"].release()


def _forget():
    """Threads do not come along into a forked process."""
    _here.update(pool=None, lock=threading.Lock())


@atexit.register
def _dismiss():
    pool, _here["pool"] = _here["pool"], None
    if pool is not None:
        pool.quit(seconds=1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
