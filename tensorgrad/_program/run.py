"""A Program: the rows of a trace with their memory, for one thread or several, ready to be walked."""

import threading

import numpy as np

from .. import kernels
from .._tape import tick
from ..kernels import Segment, row_of, walk
from .deal import CELL, DEALT, EVERYWHERE, FIRST, PARTIAL, SLICED, Deal, Job, has, share_of, slice_of
from .trace import ARGUMENT, TEMPORARY

ALIGNED = 64  # bytes: where a vector, and a line of the cache, begins


class Program:
    """Rows with addresses. `argument(thread, i)` and `output(thread, i)` are the arrays to fill and to read.

    `threads` run it together, each on its share of the `batch` rows of those arguments that `dealt` names (by number).
    Programs that are run in turns in one call are made `together` with the first of them.
    Raises NotCompilable where the rows cannot be dealt out.
    """

    def __init__(self, trace, threads=1, dealt=(), batch=1, together=None):
        self.trace, self.threads, self.batch = trace, threads, batch
        if threads == 1:
            self.deal, self.jobs = None, [Job(row, 0, EVERYWHERE) for row in trace.rows]
        else:
            self.deal = Deal(trace, {trace.arguments[i] for i in dealt}, batch)
            self.jobs = self.deal.jobs
        self.shared: dict = {}  # buffer -> an array that all threads see: sums, and what is written in slices
        # id of an optimizer's numbers -> (numbers, (threads, size)): a copy for each thread
        self.cells: dict = {} if together is None else together.cells
        self._place_temporaries()
        self.meeting = np.zeros(16, np.int64)  # how often threads have arrived, and whether to give up
        self.rows = [self._rows_of(thread) for thread in range(threads)]

    # ---- memory ---------------------------------------------------------------------------------------------------
    def _kind(self, buffer):
        return EVERYWHERE if self.deal is None else self.deal.state(buffer).kind

    def _place_temporaries(self):
        """Give each temporary its place in an arena that every thread has one of: first fit, by its first and last row."""
        spans: dict = {}
        for i, job in enumerate(self.jobs):
            for o in job.row.operands if job.way != PARTIAL else []:
                span = spans.setdefault(o.buffer, [i, i])
                span[1] = i
        outputs = {o.buffer for o in self.trace.outputs}
        self.places: dict = {}
        busy: list[tuple[int, int, int]] = []
        top = self.temporaries = 0
        for buffer, (first, last) in sorted(spans.items(), key=lambda item: item[1][0]):
            kind = self._kind(buffer)
            dealt_argument = buffer.kind == ARGUMENT and kind == DEALT
            if not (buffer.kind == TEMPORARY or dealt_argument):
                if kind == CELL:
                    copies = np.zeros((self.threads, buffer.size), np.float64)
                    self.cells.setdefault(id(buffer.array), (buffer.array.reshape(-1), copies))
                continue
            if self._is_shared(buffer):
                self.shared[buffer] = _aligned(buffer.array.nbytes).view(buffer.array.dtype)
            if kind in (SLICED, FIRST) and not self._has_parts(buffer):
                continue
            lasts = buffer in outputs or dealt_argument or self._has_parts(buffer)
            first, last = (0, len(self.jobs)) if lasts else (first, last)
            size = self._bytes(buffer, kind)
            self.temporaries += buffer.array.nbytes
            busy = [b for b in busy if b[2] >= first]
            at = 0
            for low, high, _ in sorted(busy):
                if low - at >= size:
                    break
                at = max(at, high)
            busy.append((at, at + size, last))
            self.places[buffer] = at
            top = max(top, at + size)
        self.arena = _aligned(self.threads * max(top, ALIGNED)).reshape(self.threads, -1)

    def live(self):
        """The most bytes of temporaries that are needed at one time, on one thread."""
        spans: dict = {}
        for i, job in enumerate(self.jobs):
            for o in job.row.operands if job.way != PARTIAL else []:
                if o.buffer in self.places:
                    spans[o.buffer] = (spans.get(o.buffer, (i,))[0], i)
        return max((sum(b.array.nbytes for b, (first, last) in spans.items() if first <= i <= last)
                    for i in range(len(self.jobs))), default=0)  # fmt: skip

    def _has_parts(self, buffer):
        """Whether threads hold partial sums of it."""
        return self.deal is not None and any(job.way == PARTIAL and job.row is buffer for job in self.jobs)

    def _is_shared(self, buffer):
        return self.deal is not None and (self._kind(buffer) in (SLICED, FIRST))

    def _bytes(self, buffer, kind):
        size = buffer.size
        if kind == DEALT:
            size = max(-(-buffer.size // self.batch) * (b - a) for a, b in self._shares())
        return -(-max(size, 1) * buffer.array.itemsize // ALIGNED) * ALIGNED

    def _shares(self):
        return [share_of(self.batch, t, self.threads) for t in range(self.threads)]

    def _in_arena(self, buffer, thread, size):
        """A thread's own array of a buffer."""
        start = self.places[buffer]
        return self.arena[thread, start : start + size * buffer.array.itemsize].view(buffer.array.dtype)

    def _array(self, buffer, thread, parts=False):
        """The memory of a buffer as a thread sees it, flat."""
        if id(buffer.array) in self.cells:
            return self.cells[id(buffer.array)][1][thread]
        if buffer in self.shared and not parts:
            return self.shared[buffer]
        if buffer not in self.places:
            return buffer.array.reshape(-1)
        low, high = share_of(self.batch, thread, self.threads)
        dealt = self._kind(buffer) == DEALT
        return self._in_arena(buffer, thread, buffer.size * (high - low) // self.batch if dealt else buffer.size)

    def argument(self, thread, i):
        """The array of an argument that a thread reads: all of it, or the thread's share."""
        buffer = self.trace.arguments[i]
        return self._array(buffer, thread).reshape(-1, *buffer.array.shape[1:])

    def output(self, thread, i):
        """The array of a result as a thread has it: all of it, or the thread's share."""
        o = self.trace.outputs[i]
        flat = self._array(o.buffer, thread)
        if self._kind(o.buffer) == DEALT:
            return flat.reshape(-1, *o.shape[1:])
        return flat[o.start : o.start + o.size].reshape(o.shape)

    # ---- rows -----------------------------------------------------------------------------------------------------
    def _rows_of(self, thread):
        """The words of a thread's rows, phase by phase, with a meeting after each phase."""
        rows, phase = [], 0
        for job in self.jobs:
            while phase < job.phase:
                rows.append(self._meeting())
                phase += 1
            rows += self._row(job, thread)
        return rows

    def _meeting(self):
        return kernels.call_row(kernels.meet, (_cell(self.threads), self.meeting[:8], self.meeting[8:]))

    def _row(self, job, thread):
        if job.way == PARTIAL:
            return self._sum(job.row, thread)
        if job.way == FIRST and thread > 0:
            return []
        places, sizes = [], []
        for o, b in zip(job.row.operands, job.row.kernel.buffers, strict=True):
            whole = b.written and job.extent and not has(b, job.extent)  # what a row sums up over its share
            parts = (whole or job.row.kernel is kernels.check_finite) and self._has_parts(o.buffer)
            flat = self._array(o.buffer, thread, parts)
            start, shape = o.start, o.shape
            if job.extent and has(b, job.extent) and o.size > 1:
                low, high, total = self._cut(job, thread)
                at = [e.partition("|")[0] for e in b.extents].index(job.extent)
                if self._kind(o.buffer) != DEALT or o.buffer not in self.places:
                    start = o.size * low // total
                shape = (*shape[:at], shape[at] * (high - low) // total, *shape[at + 1 :])
            sizes.append(int(np.prod(shape)))
            places.append((flat.__array_interface__["data"][0] + start * flat.itemsize, shape, flat.itemsize))
        if job.way == SLICED and max(sizes) == 0:
            return []
        return [row_of(job.row.kernel, job.row.real, places)]

    def _cut(self, job, thread):
        """(first, end, total) of a thread's part of the extent that a job is dealt out along."""
        total = job.row.sizes[job.extent]
        if job.way == DEALT:
            return (*share_of(self.batch, thread, self.threads), self.batch)
        return (*slice_of(total, thread, self.threads), total)

    def _sum(self, buffer, thread):
        """Add up a slice of the partial sums of all threads."""
        low, high = slice_of(buffer.size, thread, self.threads)
        if low == high:
            return []
        parts = self.arena.view(buffer.array.dtype)
        start = self.places[buffer] // buffer.array.itemsize + low
        return [kernels.call_row(kernels.sum_parts, (parts, _cell(start), self.shared[buffer][low:high]))]

    # ---- running --------------------------------------------------------------------------------------------------
    def segments(self, before=None, after=None):
        """Each thread's rows with those of the caller around them: `before(thread)` and `after(thread)` are lists of
        (kernel, arrays)."""
        together = []
        for thread in range(self.threads):
            around = [rows(thread) if rows else [] for rows in (before, after)]
            first, last = ([kernels.call_row(kernel, arrays) for kernel, arrays in rows] for rows in around)
            end = [self._meeting()] if self.threads > 1 else []
            together.append(Segment(first + self.rows[thread] + last + end, (self, around)))
        return together

    def numbers(self, thread, array):
        """An optimizer's numbers as a thread sees them."""
        return self.cells[id(array)][1][thread] if id(array) in self.cells else array

    def changed(self):
        """Tell the tape that leaves have other numbers now."""
        now = tick()
        for tensor in self.trace.touched:
            tensor._changed = now


_cells: dict[int, np.ndarray] = {}


def _cell(number):
    """A number in memory that stays."""
    return _cells.setdefault(number, np.array([number], np.int64))


def _aligned(size):
    """Zeroed bytes whose address is a multiple of ALIGNED."""
    memory = np.zeros(size + ALIGNED, np.uint8)
    start = -memory.__array_interface__["data"][0] % ALIGNED
    return memory[start : start + size]


def run(plans, programs=()):
    """Run each thread's plan, [(address, rows, steps), ...] as integers; the number of steps done.

    The calling thread is one of them. Copies of optimizers' numbers are made before, and the first thread's given back.
    """
    plans = [np.array(plan, np.int64) for plan in plans]
    for program in programs:
        program.meeting[:] = 0
        for numbers, copies in program.cells.values():
            copies[:] = numbers
    if len(plans) == 1:
        return walk(plans[0].ctypes.data, len(plans[0]) // 3)
    others = [threading.Thread(target=walk, args=(plan.ctypes.data, len(plan) // 3)) for plan in plans[1:]]
    started = []
    try:
        for other in others:
            other.start()
            started.append(other)
        return walk(plans[0].ctypes.data, len(plans[0]) // 3)
    except RuntimeError:  # a thread could not be started: those that wait for it give up
        for program in programs:
            program.meeting[8:] = 1
        raise
    finally:
        for other in started:
            other.join()
        for program in programs:
            for numbers, copies in program.cells.values():
                numbers[:] = copies[0]
