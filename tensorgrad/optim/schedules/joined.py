"""Schedules made of others."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from ...errors import OptionError
from .schedule import Schedule, at_least_0, count, share

__all__ = ["Joined", "Scaled", "Warmup"]


def function(owner, name, value):
    """A schedule, or any function of the step."""
    if callable(value) and not isinstance(value, type):
        return value
    hint = "; did you forget its numbers?" if isinstance(value, type) else ""
    raise OptionError(f"{owner}: {name} must be a schedule or a function of the step, got {value!r}{hint}")


@dataclass(frozen=True, repr=False)
class Warmup(Schedule):
    """`steps` steps on a straight line up to where another schedule begins, then that one from its step 0.

    The line begins at `start` times that rate, from 0 to 1. Goyal et al. 2017, section 2.2; PyTorch's LinearLR, joined
    to another by SequentialLR.

    >>> from tensorgrad.optim.schedules import Constant
    >>> [Warmup(4, Constant(1.0))(step) for step in range(6)]
    [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    """

    steps: int
    into: Callable
    start: float = 0.0
    checks: ClassVar = {"steps": count, "into": function, "start": share}

    def rate(self, step):
        if step >= self.steps:
            return self.into(step - self.steps)
        return self.into(0) * (self.start + (1 - self.start) * step / self.steps)


@dataclass(frozen=True, repr=False)
class Joined(Schedule):
    """`first` before step `at`, from there on `second` from its step 0: what `first.then(second, at)` gives.

    >>> Joined(lambda step: 1.0, lambda step: 0.5**step, at=2).rates(5)
    array([1.  , 1.  , 1.  , 0.5 , 0.25])
    """

    first: Callable
    second: Callable
    at: int
    checks: ClassVar = {"first": function, "second": function, "at": count}

    def rate(self, step):
        return self.first(step) if step < self.at else self.second(step - self.at)


@dataclass(frozen=True, repr=False)
class Scaled(Schedule):
    """`factor` times another schedule: what `factor * schedule` gives.

    >>> from tensorgrad.optim.schedules import Constant
    >>> (0.1 * Constant(0.5))(0)
    0.05
    """

    schedule: Callable
    factor: float
    checks: ClassVar = {"schedule": function, "factor": at_least_0}

    def rate(self, step):
        return self.factor * self.schedule(step)
