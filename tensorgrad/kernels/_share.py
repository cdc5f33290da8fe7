"""Large elementwise calls in slices, one for each thread: the same bits on any number of threads."""

import os
import threading

from ._log import current

LARGE = 1 << 20  # numbers: below it a thread costs more than it saves
_EVEN = 4096  # slices begin at its multiples, so that each number stays in the vector, or the rest, that it was in
setting: dict[str, int | None] = {"threads": None}  # of tg.set_threads


def cores():
    """The number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def share(kernel, *buffers):
    """Run a kernel that treats each number of its flat buffers on its own; other buffers go whole to every thread."""
    n = buffers[-1].size
    if n < LARGE or current.log is not None or (count := min(setting["threads"] or cores(), n // (LARGE // 2))) < 2:
        kernel(*buffers)
        return
    step = -(-n // (count * _EVEN)) * _EVEN
    slices = [[b[i : i + step] if b.size == n else b for b in buffers] for i in range(0, n, step)]
    others = [threading.Thread(target=kernel, args=s) for s in slices[1:]]
    for thread in others:
        thread.start()
    kernel(*slices[0])
    for thread in others:
        thread.join()
