"""A Program: the rows of a trace with their memory, for one thread or several, ready to be walked."""

import threading

import numpy as np

from .. import kernels
from .._tape import changed
from ..kernels import Segment, row_of, walk
from .arena import ALIGNED, first_fit, most_at_once
from .deal import CELL, DEALT, EVERYWHERE, FIRST, PARTIAL, SLICED, Deal, Job, has, share_of, slice_of
from .trace import KEPT, TEMPORARY

FETCHED = 32_768  # numbers: larger parameters would push each other out of the near caches


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
        self.added_up: dict = {}  # buffer -> (threads, bytes): of few numbers each thread has the sums
        # id of an optimizer's numbers -> (numbers, (threads, size)): a copy for each thread
        self.cells: dict = {} if together is None else together.cells
        self._place_temporaries()
        self.meeting = _aligned(2 * ALIGNED).view(np.int64)  # how often threads have arrived, and whether to give up
        self.keep: list = []
        self.rows = [self._rows_of(thread) for thread in range(threads)]

    # ---- memory ---------------------------------------------------------------------------------------------------
    def _kind(self, buffer):
        return EVERYWHERE if self.deal is None else self.deal.state(buffer).kind

    def _place_temporaries(self):
        """Give each temporary its place in an arena that every thread has one of, and shared ones memory of their own."""
        used: dict = {}  # buffer -> its first and last job
        for i, job in enumerate(self.jobs):
            for o in job.row.operands if job.way != PARTIAL else []:
                used[o.buffer] = (used.get(o.buffer, (i,))[0], i)
        for buffer in [*self.trace.arguments, *(o.buffer for o in self.trace.outputs)]:
            used[buffer] = (0, len(self.jobs))  # filled before, or looked at after
        self.parts = {job.row for job in self.jobs if job.way == PARTIAL}  # of these, each thread has a sum of its own
        self.spans: dict = {}
        for buffer, (first, last) in used.items():
            kind = self._kind(buffer)
            if kind == CELL:
                copies = np.zeros((self.threads, buffer.size), np.float64)
                self.cells.setdefault(id(buffer.array), (buffer.array.reshape(-1), copies))
            elif (buffer.kind == TEMPORARY and kind in (SLICED, FIRST)) or self._is_joined(buffer):
                self.shared[buffer] = _aligned(buffer.array.nbytes).view(buffer.array.dtype)
            if self._is_joined(buffer):
                continue
            if buffer in self.parts:
                first, last = 0, len(self.jobs)  # threads read each other's
                if kind == EVERYWHERE:
                    size = -(-buffer.array.nbytes // ALIGNED) * ALIGNED
                    self.added_up[buffer] = _aligned(self.threads * size).reshape(self.threads, size)
            elif not (kind in (DEALT, PARTIAL) or (buffer.kind == TEMPORARY and kind == EVERYWHERE)):
                continue
            self.spans[buffer] = (self._bytes(buffer, kind), first, last)
        self.places, size = first_fit(self.spans)
        self.temporaries = sum(b.array.nbytes for b in self.spans)
        self.arena = _aligned(self.threads * max(size, ALIGNED)).reshape(self.threads, -1)

    def _is_joined(self, buffer):
        """Whether threads have shares of this buffer in memory that all of them see."""
        return self.deal is not None and buffer in self.deal.joined

    def live(self):
        """The most bytes of temporaries that a thread needs at one time."""
        return most_at_once(self.spans)

    def _bytes(self, buffer, kind):
        if kind != DEALT:
            return buffer.array.nbytes
        return buffer.array.nbytes // self.batch * max(b - a for a, b in self._shares())

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
        if buffer in self.added_up and not parts:
            return self.added_up[buffer][thread, : buffer.array.nbytes].view(buffer.array.dtype)
        if buffer not in self.places:
            return buffer.array.reshape(-1)
        low, high = share_of(self.batch, thread, self.threads)
        dealt = self._kind(buffer) == DEALT
        return self._in_arena(buffer, thread, buffer.size * (high - low) // self.batch if dealt else buffer.size)

    def argument(self, thread, i):
        """The array of an argument that a thread reads: all of it, or the thread's share."""
        buffer = self.trace.arguments[i]
        whole = self._array(buffer, thread)
        if self._kind(buffer) != DEALT:
            return whole.reshape(buffer.array.shape)
        return self._share(buffer, thread, whole).reshape(-1, *buffer.array.shape[1:])

    def _share(self, buffer, thread, whole):
        """A thread's share of a dealt buffer, which is all that it has unless the buffer is joined."""
        if not self._is_joined(buffer):
            return whole
        low, high = share_of(self.batch, thread, self.threads)
        return whole[buffer.size * low // self.batch : buffer.size * high // self.batch]

    def output(self, thread, i):
        """The array of a result as a thread has it: all of it, or the thread's share."""
        o = self.trace.outputs[i]
        flat = self._array(o.buffer, thread)
        if self._kind(o.buffer) == DEALT:
            return self._share(o.buffer, thread, flat).reshape(-1, *o.shape[1:])
        return flat[o.start : o.start + o.size].reshape(o.shape)

    # ---- rows -----------------------------------------------------------------------------------------------------
    def _rows_of(self, thread):
        """The words of a thread's rows, phase by phase, with a meeting after each phase."""
        rows, phase = self._fetches(), 0
        for job in self.jobs:
            while phase < job.phase:
                rows.append(self._meeting())
                phase += 1
            rows += self._row(job, thread)
        return rows

    def _fetches(self):
        """Rows that fetch the parameters which other threads have updated, where they are read next."""
        if self.deal is None:
            return []
        read = dict.fromkeys(o.buffer for job in self.jobs if job.way == DEALT for o in job.row.reads)
        changed = [
            b.array.reshape(-1) for b in read if b.kind == KEPT and self._kind(b) == SLICED and b.size <= FETCHED
        ]
        seen = [_aligned(ALIGNED).view(a.dtype)[:1] for a in changed]
        self.keep += seen
        return [kernels.call_row(kernels.fetch, arrays) for arrays in zip(changed, seen, strict=True)]

    def _meeting(self):
        return kernels.call_row(kernels.meet, (_cell(self.threads), self.meeting[:8], self.meeting[8:]))

    def _row(self, job, thread):
        if job.way == PARTIAL:
            return self._sum(job.row, thread)
        if job.way == FIRST and thread > 0:
            return []
        places, sizes = [], []
        for o, b in zip(job.row.operands, job.row.kernel.buffers, strict=True):
            if (told := self._told(job, b, thread)) is not None:
                places.append(kernels.place(_cell(told)))
                continue
            whole = b.written and job.extent and not has(b, job.extent)  # what a row sums up over its share
            looks = job.row.kernel is kernels.check_finite and job.way == EVERYWHERE  # at what each thread has
            parts = (whole or looks) and o.buffer in self.parts
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

    def _told(self, job, b, thread):
        """What a buffer tells a thread about its share; None for other buffers, and for one thread that has it all."""
        if self.threads == 1 or not b.tells:
            return None
        if b.tells == "alone" or b.tells != job.extent:
            return 0
        first, _, total = self._cut(job, thread)
        return first * job.row.sizes[job.extent] // total

    def _cut(self, job, thread):
        """(first, end, total) of a thread's part of the extent that a job is dealt out along."""
        total = job.row.sizes[job.extent]
        if job.way == DEALT:
            return (*share_of(self.batch, thread, self.threads), self.batch)
        return (*slice_of(total, thread, self.threads), total)

    def _sum(self, buffer, thread):
        """Add up the partial sums of all threads: a slice of them, or all if they are few."""
        few = buffer in self.added_up
        low, high = (0, buffer.size) if few else slice_of(buffer.size, thread, self.threads)
        if low == high:
            return []
        parts = self.arena.view(buffer.array.dtype)
        start = self.places[buffer] // buffer.array.itemsize + low
        return [kernels.call_row(kernels.sum_parts, (parts, _cell(start), self._array(buffer, thread)[low:high]))]

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
        changed(self.trace.touched)


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

    def give_up():  # those that wait for others do so no longer
        for program in programs:
            program.meeting[8:] = 1

    def work(plan):
        done = walk(plan.ctypes.data, len(plan) // 3)
        if done < plan[2::3].sum():
            give_up()
        return done

    others = [threading.Thread(target=work, args=(plan,)) for plan in plans[1:]]
    started = []
    try:
        for other in others:
            other.start()
            started.append(other)
        return work(plans[0])
    except BaseException:  # a thread could not be started, or Ctrl-C came in between
        give_up()
        raise
    finally:
        for other in started:
            other.join()
        for program in programs:
            for numbers, copies in program.cells.values():
                numbers[:] = copies[0]
