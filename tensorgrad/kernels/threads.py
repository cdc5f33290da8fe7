"""What threads that run one program together need: a place to meet, and sums of what each has found.

A barrier is two atomic instructions, spinning and then yielding, so nothing of numba's threading layers is needed: a
program can run in several Python threads at once and after a fork, and its sums have a fixed order.
"""

from ._compile import kernel
from ._jit import jit
from ._memory import fetch_add, give_way, load, pause

_SPINS = 2000


@jit
def _meet(arrived, aborted, threads):
    target = (fetch_add(arrived, 1) // threads + 1) * threads  # type: ignore[call-arg]
    spins = 0
    while load(arrived) < target:
        spins += 1
        if spins < _SPINS:
            pause()
            continue
        if load(aborted) != 0:
            return False
        give_way()
    return True


@kernel("threads:i[1] -> &arrived:i[8] &aborted:i[8]")
def meet(threads, arrived, aborted):
    """Wait until every thread is here; ends the program if one could not be started."""
    if not _meet(arrived.ctypes.data, aborted.ctypes.data, threads[0]):
        raise RuntimeError


@kernel("x[n] -> seen[1]")
def fetch(x, seen):
    """Look at every line of x once, in order: what other threads have written comes quicker so than number by number."""
    total = x.dtype.type(0)
    for i in range(0, x.size, 64 // x.itemsize):
        total += x[i]
    seen[0] = total


@kernel("parts[t,s] start:i[1] -> out[n]")
def sum_parts(parts, start, out):
    """out[i] = the sum over threads of parts[:, start + i], always in the same order."""
    for i in range(out.size):
        out[i] = parts[0, start[0] + i]
    for t in range(1, parts.shape[0]):
        for i in range(out.size):
            out[i] += parts[t, start[0] + i]
