"""One call for a whole optimizer step: the update kernel's rows for all parameters, with a check before them."""

import itertools

import numpy as np

from .. import kernels
from .._tape import changed
from ..kernels import Segment, address, call_row, walk


class Update:
    """Updates the parameters of an optimizer that have a gradient, in one compiled call."""

    def __init__(self, optimizer, grads):
        self.frozen = [g is None for g in grads]
        numbers, failed, stops = optimizer._numbers, optimizer._failed, optimizer._stops
        trained = [(p, slots) for p, slots, g in zip(optimizer.parameters, optimizer._state, grads, strict=True)
                   if g is not None]  # fmt: skip
        self.tensors = [p.value for p, _ in trained]
        chosen = [(p.take(), slots) for p, slots in trained]
        checks = [call_row(kernels.check_finite, (p, failed)) for p, _ in chosen]  # p stands for its gradient
        checks.append(call_row(kernels.stop_if, (failed, stops)))
        updates = [call_row(kernels.tick, (numbers,))]
        updates += [call_row(optimizer.kernel, (p, numbers, p, *slots)) for p, slots in chosen]
        self.rows = [Segment(checks, (failed, stops)), Segment(updates, (numbers, chosen))]
        self.plan = np.array([*self.rows[0](1), *self.rows[1](1)], np.int64)
        self.address = self.plan.ctypes.data
        self.checks, self.updates = (memoryview(segment.words) for segment in self.rows)  # type: ignore[arg-type]
        self.at_checks, self.at_updates = _first_buffer(checks)[:-1], _first_buffer(updates)[1:]

    def fits(self, grads):
        """Whether the same parameters have a gradient."""
        return self.frozen == [g is None for g in grads]

    def __call__(self, grads, finite):
        """Take the step; False, and nothing changed, if a gradient is not finite and `finite` asks to look."""
        addresses = [address(g) for g in grads if g is not None]
        for at, first in zip(self.at_updates, addresses):  # noqa: B905
            self.updates[at] = first
        if finite:
            for at, first in zip(self.at_checks, addresses):  # noqa: B905
                self.checks[at] = first
            if walk(self.address, 2) != 2:
                return False
        else:
            walk(self.address + 24, 1)
        changed(self.tensors)
        return True


def _first_buffer(rows):
    """Where, in rows one after another, the address of each one's first buffer stands."""
    return [8 + at for at in itertools.accumulate((len(row) for row in rows[:-1]), initial=0)]
