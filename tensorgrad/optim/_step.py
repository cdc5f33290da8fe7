"""A step of an optimizer as rows: (kernel, arrays) in order, and one compiled call that makes them."""

import itertools

import numpy as np

from .. import kernels
from .._tape import changed
from ..kernels import LARGE, Segment, address, call_row, kept, share, share_sums, walk

FIRST_ADDRESS = 8  # of a row's words: where its first buffer is


def rows_of(optimizer, taken, grads, finite):
    """The rows of a step on parameters `taken` as flat arrays; with `finite`, those that stop if a gradient is not finite."""
    numbers, failed = kept(optimizer._numbers), kept(optimizer._failed)
    stop = (kernels.stop_if, (failed, kept(optimizer._stops)))
    trained = [i for i, g in enumerate(grads) if g is not None]
    found, several = dict(enumerate(grads)), optimizer.accumulate > 1
    rows: list = []
    if finite and (several or not optimizer._clips):
        rows += [*((kernels.check_finite, (found[i], failed)) for i in trained), stop]
    if several or optimizer._clips:
        rows.append((kernels.tick, (numbers,)))
    if several:
        for i in trained:
            total = kept(optimizer._state[i]["accumulated"])
            rows.append((kernels.accumulate, (found[i], numbers, total)))
            found[i] = total
        # What is frozen adds nothing: if it is trained again before the update, then from 0.
        rows += [(kernels.forget, (numbers, kept(state["accumulated"])))
                 for state, g in zip(optimizer._state, grads, strict=True) if g is None]  # fmt: skip
    if optimizer._clips:
        squares = [np.zeros(2, np.float64) for _ in trained]
        rows += [(kernels.sum_squares, (found[i], numbers, s)) for i, s in zip(trained, squares, strict=True)]
        rows += [(kernels.add_squares, (s, numbers)) for s in squares]
        if finite and not several:
            rows += [(kernels.check_squares, (numbers, failed)), stop]
    for group in optimizer.groups:
        rows.append((optimizer.prepare, (numbers, kept(group.numbers), kept(group.constants))))
    for i in trained:
        state = [kept(optimizer._state[i][slot]) for slot in optimizer.slots]
        rows.append((optimizer.kernel, (found[i], optimizer._group_of[i].constants, kept(taken[i]), *state)))
    if optimizer._averages:
        for p, state, group in zip(taken, optimizer._state, optimizer._group_of, strict=True):
            rows.append((kernels.average, (kept(p), group.constants, kept(state["average"]))))
    return rows


def take_one_by_one(optimizer, grads, finite):
    """Make the rows of a step kernel by kernel: on Values, and while a log of kernel calls is open."""
    flat = [None if g is None else np.asarray(g).reshape(-1) for g in grads]
    taken = [p.take() for p in optimizer.parameters]
    for kernel, arrays in rows_of(optimizer, taken, flat, finite):
        if kernel is kernels.stop_if and optimizer._failed[0]:
            return False
        kernel(*arrays)
    for p, numbers, g in zip(optimizer.parameters, taken, flat, strict=True):
        if g is not None:
            p.put(numbers)
    return True


class Step:
    """Updates the parameters of an optimizer that have a gradient, in compiled calls: one, but for large parameters.

    Rows of those are dealt out to threads.
    """

    def __init__(self, optimizer, grads, finite):
        self.frozen = [g is None for g in grads]
        self.tensors = [p.value for p, frozen in zip(optimizer.parameters, self.frozen, strict=True) if not frozen]
        taken = [p.take() for p in optimizer.parameters]
        stand_ins = [None if frozen else np.empty_like(p) for p, frozen in zip(taken, self.frozen, strict=True)]
        given = {id(g): i for i, g in enumerate(stand_ins) if g is not None}
        self.parts: list = []
        small: list = []
        for kernel, arrays in rows_of(optimizer, taken, stand_ins, finite):
            row = kernel, arrays, given.get(id(arrays[0]))
            if arrays[0].size < LARGE or kernel is kernels.check_finite:
                small.append(row)
                continue
            if small:
                self.parts.append(_Walk(small))
                small = []
            self.parts.append(_Shared(*row))
        self.parts += [_Walk(small)] if small else []

    def fits(self, grads):
        """Whether the same parameters have a gradient."""
        return self.frozen == [g is None for g in grads]

    def __call__(self, grads):
        """Take the step; False, and nothing changed, if a gradient is not finite and the rows look."""
        addresses = [None if g is None else address(g) for g in grads]
        for part in self.parts:
            if not part(grads, addresses):
                return False
        changed(self.tensors)
        return True


class _Walk:
    """Rows in one call. A row is (kernel, arrays, which gradient its first array stands for)."""

    def __init__(self, rows):
        words = [call_row(kernel, arrays) for kernel, arrays, _ in rows]
        starts = itertools.accumulate((len(row) for row in words[:-1]), initial=0)
        self.places = [(at + FIRST_ADDRESS, i) for at, (*_, i) in zip(starts, rows, strict=True) if i is not None]
        self.segment = Segment(words, [arrays[1:] if i is not None else arrays for _, arrays, i in rows])
        self.plan = np.array(self.segment(1), np.int64)
        self.address, self.words = self.plan.ctypes.data, memoryview(self.segment.words)  # type: ignore[arg-type]

    def __call__(self, grads, addresses):
        words = self.words
        for at, i in self.places:
            words[at] = addresses[i]
        return walk(self.address, 1) == 1


class _Shared:
    """One row for threads."""

    def __init__(self, kernel, arrays, gradient):
        self.share = share_sums if kernel is kernels.sum_squares else share
        self.kernel, self.gradient = kernel, gradient
        self.arrays = arrays[1:] if gradient is not None else arrays

    def __call__(self, grads, addresses):
        first = () if self.gradient is None else (grads[self.gradient].reshape(-1),)
        self.share(self.kernel, *first, *self.arrays)
        return True
