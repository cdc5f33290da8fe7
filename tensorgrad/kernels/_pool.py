# mypy: disable-error-code="call-arg, var-annotated"
"""Threads that stay: a job is handed to them, and waited for, in one compiled call.

A job is a kernel call in chunks along one axis, with as many runs of chunks as there are threads. Each thread claims the
chunks of its own run one by one, then those that others have not begun: a thread that comes late, or not at all, holds
nobody up. Threads that found nothing to do for a while sleep in `read` until a byte is written for them.

The words of a pool are integers in memory that all its threads see; who writes a word is alone in its cache line.
"""

import functools
import math
import os
import threading
import time

import llvmlite.binding as llvm
import numpy as np
from numba import types

from ._arrays import array_at, has_shape, numbers_of, readable
from ._compile import KINDS, REAL
from ._jit import jit
from ._memory import fetch_add, give_way, load, pause, put, store, word
from ._rows import row_of, run_row

AWAKE = 100e-6  # seconds that a thread waits for more work before it sleeps
BUFFERS = 10  # the most of a kernel that can be shared: their addresses stand in the line of _JOB
_LINE = 16  # words; processors fetch lines in pairs
_TAKEN, _JOB, _DONE, _POSTED, _ASLEEP, _LEFT = (i * _LINE for i in range(6))  # _LEFT: a line for each thread
_FAILED, _QUIT = _DONE + 1, _POSTED + 1
_HEAD = 6  # words of a plan before those of its buffers: threads, chunks, step, length, buffers, the type of arrays
_ABOUT = 6  # and for each buffer: where its size stands in the row, its way, numbers for each index, bytes, dtype, axes
# What a chunk is given of a buffer: all, its share, where that begins, or one like it that no other chunk has.
_WHOLE, _SLICED, _TOLD, _OWN = range(4)
_ROW = 160  # words, more than those of any row: the last one tells where a chunk begins
_ENDED = False, True, False, None  # what `Pool.run` makes of what `_run` says

# Found in the C library when the code is loaded.
_CALLS, _size = (("_read", "_write"), types.int32) if os.name == "nt" else (("read", "write"), types.intp)
_read, _write = (types.ExternalFunction(name, _size(types.int32, types.intp, _size)) for name in _CALLS)


@jit
def _chunk(words, plan, i, row):
    """Run chunk i of a job: the row of the plan, with the addresses and extents of the chunk."""
    step, length, buffers = word(plan + 16), word(plan + 24), word(plan + 32)
    first = i * step
    rows = min(step, length - first)
    source = plan + 8 * (_HEAD + _ABOUT * buffers)
    for j in range(2 + word(source + 8)):
        put(row + 8 * j, word(source + 8 * j))
    for b in range(buffers):
        about = plan + 8 * (_HEAD + _ABOUT * b)
        at, sliced, inner, item = word(about), word(about + 8), word(about + 16), word(about + 24)
        address = word(words + 8 * (_JOB + 1 + b))
        if sliced == _TOLD:
            address = row + 8 * (_ROW - 1)
            put(address, first)
        elif sliced == _OWN:
            address += i * inner * item
        elif sliced == _SLICED:
            put(row + 8 * at, rows * inner)
            put(row + 8 * (at + 3), rows)
            address += first * inner * item
        put(row + 8 * (at + 2), address)
    return run_row(row)


@jit
def _work(words, threads, me, row):
    """Claim chunks and run them until none is left; how many."""
    found = 0
    for k in range(threads):
        owner = (me + k) % threads
        left = words + 8 * (_LEFT + owner * _LINE)
        while load(left) > 0:
            claimed = fetch_add(left, -1)
            if claimed <= 0:
                break
            plan = word(words + 8 * _JOB)
            i = word(plan + 8) * (owner + 1) // threads - claimed
            if _chunk(words, plan, i, row) != 0:
                store(words + 8 * _FAILED, 1)
            fetch_add(words + 8 * _DONE, 1)
            found += 1
    return found


@jit
def _fits(plan, arrays):
    """Whether a tuple of arrays is as the plan has it; parts, of which each chunk has its own, were made for it."""
    buffers, ndarray = word(plan + 32), word(plan + 40)
    row = plan + 8 * (_HEAD + _ABOUT * buffers)
    for b in range(buffers):
        about = plan + 8 * (_HEAD + _ABOUT * b)
        at, way, dtype, axes = word(about), word(about + 8), word(about + 32), word(about + 40)
        if way != _OWN and not has_shape(array_at(arrays, b), ndarray, dtype, axes, row + 8 * (at + 3)):
            return False
    return True


@jit
def _run(words, plan, awaken, row, arrays):
    """Run a job with the pool's threads. 0: not run, as the pool is in use; 1: done; 2: a chunk has raised; 3: other arrays."""
    if not _fits(plan, arrays):
        return 3
    taken = words + 8 * _TAKEN
    if load(taken) != 0 or fetch_add(taken, 1) != 0:
        return 0
    threads, chunks, buffers = word(plan), word(plan + 8), word(plan + 32)
    put(words + 8 * _JOB, plan)
    for b in range(buffers):
        put(words + 8 * (_JOB + 1 + b), numbers_of(array_at(arrays, b)))
    store(words + 8 * _DONE, 0)
    store(words + 8 * _FAILED, 0)
    for t in range(threads):
        store(words + 8 * (_LEFT + t * _LINE), chunks * (t + 1) // threads - chunks * t // threads)
    fetch_add(words + 8 * _POSTED, 1)
    asleep = min(load(words + 8 * _ASLEEP), chunks - 1)
    if asleep > 0:
        fetch_add(words + 8 * _ASLEEP, -asleep)
        _write(awaken, words, asleep)
    _work(words, threads, 0, row)
    spins = 0
    while load(words + 8 * _DONE) < chunks:
        spins += 1
        if spins < 2000:
            pause()
        else:
            give_way()
    failed = load(words + 8 * _FAILED)
    store(taken, 0)
    return 1 + failed


@jit
def _serve(words, threads, me, row, bed, spins):
    """Work on jobs as they come; False when told to quit, True when `read` failed."""
    seen, idle = 0, 0
    while True:
        posted = load(words + 8 * _POSTED)
        if load(words + 8 * _QUIT) != 0:
            return False
        if posted != seen:
            seen = posted
            if _work(words, threads, me, row) > 0:
                idle = 0
        elif idle < spins:
            idle += 1
            pause()
        else:
            idle = 0
            fetch_add(words + 8 * _ASLEEP, 1)
            if load(words + 8 * _POSTED) != seen:  # a byte that is already written for it wakes the next that sleeps
                fetch_add(words + 8 * _ASLEEP, -1)
            elif _read(bed, row, 1) <= 0:
                return True


@jit
def _pauses(n):
    for _ in range(n):
        pause()


class Pool:
    """`threads` - 1 threads that wait for jobs; the caller is the first of them."""

    def __init__(self, threads):
        self.threads = threads
        memory = np.zeros(_LEFT + threads * (_LINE + _ROW) + _LINE, np.int64)
        self._memory = memory[-(memory.ctypes.data // 8) % _LINE :]
        self._words = self._memory.ctypes.data
        self._rows = self._words + 8 * (_LEFT + threads * _LINE)
        self._bed, self._awaken = os.pipe()
        _pauses(1)
        start = time.perf_counter()
        _pauses(1000)
        self._spins = int(1000 * AWAKE / (time.perf_counter() - start))
        self._others = []
        for me in range(1, threads):
            thread = threading.Thread(target=self._serve, args=(me,), name=f"tensorgrad-{me}", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the caller does the work of those that are missing
                break
            self._others.append(thread)

    def _serve(self, me):
        while _serve(self._words, self.threads, me, self._rows + 8 * _ROW * me, self._bed, self._spins):
            try:
                os.read(self._bed, 1)  # if the other was interrupted, this goes on
            except OSError:
                return

    def run(self, plan, arrays):
        """Run a plan on a tuple of arrays: True, or False if the pool is in use or the kernel raised; None, and nothing done,
        if the arrays are not of the shapes, dtypes and layout of the plan."""
        return _ENDED[_run(self._words, plan.address, self._awaken, self._rows, id(arrays))]

    def quit(self, seconds=0.0):
        """Tell the threads to end, and wait so long for each."""
        self._memory[_QUIT] = 1
        os.write(self._awaken, bytes(self.threads))
        for thread in self._others:
            thread.join(seconds)

    def __del__(self, close=os.close):  # each of its threads holds the pool until it ends
        if hasattr(self, "_awaken"):
            close(self._bed)
            close(self._awaken)


def open_pool(threads):
    """A Pool, or None where there can be none."""
    if not readable() or any(llvm.address_of_symbol(name) is None for name in _CALLS):
        return None
    try:
        return Pool(threads)
    except OSError:  # no more files
        return None


class Plan:
    """Words, and where they are."""

    def __init__(self, words):
        self.words, self.chunks = np.array(words, np.int64), words[1]
        self.address = self.words.ctypes.data


def plan_of(kernel, threads, even, shapes, dtypes, sums=False):
    """A Plan: how a call on buffers of these shapes is dealt out; None if it cannot be.

    `sums`: each chunk has buffers of its own for what is written and lacks the extent: `plan.chunks` of them in a row.
    """
    sizes, extent = kernel.sizes(shapes), dealt(kernel, sums)
    real = next((np.dtype(d.type) for b, d in zip(kernel.buffers, dtypes, strict=True) if not b.kind), np.dtype(float))
    declared = [KINDS[b.kind][0] if b.kind else real for b in kernel.buffers]  # dtypes that NumPy keeps one object of
    if extent is None or not sizes[extent] or real not in REAL or declared != list(dtypes):
        return None
    length, most = sizes[extent], max(map(math.prod, shapes))
    behind = max(1, most // length)  # numbers for each index of the extent
    if sums:
        step = -(-length // ((1 if any(map(_large, own(kernel, shapes))) else 4) * threads))
    else:
        tile = even if behind == 1 else next(t for t in (64, 8, 1) if 2 * t <= length or t == 1)
        step = (
            max(-(-even // (behind * tile)), length // (4 * threads * tile)) * tile
        )  # some four chunks for each thread
    chunks = -(-length // step)
    if chunks < 2:
        return None
    words, at = [threads, chunks, step, length, len(shapes), id(np.ndarray)], 6  # where a size stands in the row
    for b, shape, dtype in zip(kernel.buffers, shapes, declared, strict=True):
        sliced = _SLICED if _plain(b.extents[0]) == extent and shape[0] == length else _TOLD if b.tells else _WHOLE
        way = _OWN if sums and b.written and sliced == _WHOLE else sliced
        inner = math.prod(shape if way == _OWN else shape[1:])
        words += [at, way, inner, dtype.itemsize, id(dtype), len(shape)]
        at += 5 + 2 * len(shape)
    row = row_of(kernel, real, [(0, s, d.itemsize) for s, d in zip(shapes, dtypes, strict=True)])
    return Plan([*words, *row])


def own(kernel, items):
    """Of these, one for each buffer of a kernel, those of buffers that each chunk needs one of its own."""
    extent = dealt(kernel, True)
    return [item for item, b in zip(items, kernel.buffers, strict=True) if b.written and _plain(b.extents[0]) != extent]


def _large(shape):
    return math.prod(shape) > 1 << 16


@functools.cache
def dealt(kernel, sums=False):
    """The extent that a kernel's calls are dealt out along; None if there is none.

    It is the first axis of every buffer that has it, and all that are written have it, else they would hold partial sums:
    that is for `sums`.
    """
    buffers = kernel.buffers
    if len(buffers) > BUFFERS:
        return None
    for extent in dict.fromkeys(_plain(b.extents[0]) for b in buffers):
        places = [[i for i, e in enumerate(b.extents) if _plain(e) == extent] for b in buffers]
        written = [p for p, b in zip(places, buffers, strict=True) if b.written]
        told = {b.tells for b in buffers} <= {"", extent}
        if extent[0].isupper() and told and all(p in ([], [0]) for p in places) and (sums or all(written)):
            return extent
    return None


def _plain(extent):
    return extent.partition("|")[0]
