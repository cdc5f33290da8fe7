"""Schedules that go down, or stay."""

import math
from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from ..._options import is_whole
from ...errors import OptionError
from .schedule import Schedule, at_least_0, count, positive

__all__ = ["Constant", "Cosine", "CosineRestarts", "Exponential", "InverseTime", "MultiStep", "Polynomial", "Step"]


@dataclass(frozen=True, repr=False)
class Constant(Schedule):
    """lr, always.

    >>> Constant(0.1)(1000)
    0.1
    """

    lr: float
    checks: ClassVar = {"lr": at_least_0}

    def rate(self, step):
        return self.lr


@dataclass(frozen=True, repr=False)
class Step(Schedule):
    """lr gamma**(step // every): times gamma after each `every` steps. PyTorch's StepLR.

    >>> [Step(1.0, every=2)(step) for step in range(4)]
    [1.0, 1.0, 0.1, 0.1]
    """

    lr: float
    every: int
    gamma: float = 0.1
    checks: ClassVar = {"lr": at_least_0, "every": count, "gamma": positive}

    def rate(self, step):
        return self.lr * self.gamma ** (step // self.every)


def _milestones(owner, name, value):
    good = isinstance(value, tuple | list) and value and all(is_whole(n, 1) for n in value)
    if not good or any(a >= b for a, b in pairwise(value)):
        raise OptionError(f"{owner}: {name} must be steps of at least 1 in increasing order, got {value!r}")
    return tuple(map(int, value))


@dataclass(frozen=True, repr=False)
class MultiStep(Schedule):
    """lr gamma**k after k of the milestones: times gamma from each of these steps on. PyTorch's MultiStepLR.

    >>> [MultiStep(1.0, milestones=[1, 3])(step) for step in range(4)]
    [1.0, 0.1, 0.1, 0.010000000000000002]
    """

    lr: float
    milestones: tuple[int, ...]
    gamma: float = 0.1
    checks: ClassVar = {"lr": at_least_0, "milestones": _milestones, "gamma": positive}

    def rate(self, step):
        return self.lr * self.gamma ** bisect_right(self.milestones, step)


@dataclass(frozen=True, repr=False)
class Exponential(Schedule):
    """lr gamma**step. PyTorch's ExponentialLR.

    >>> [Exponential(1.0, gamma=0.5)(step) for step in range(3)]
    [1.0, 0.5, 0.25]
    """

    lr: float
    gamma: float
    checks: ClassVar = {"lr": at_least_0, "gamma": positive}

    def rate(self, step):
        return self.lr * self.gamma**step


@dataclass(frozen=True, repr=False)
class InverseTime(Schedule):
    """lr / (1 + decay step), as in Kinsley and Kukiela, "Neural Networks from Scratch" (2020), chapter 10.

    >>> [InverseTime(1.0, decay=1.0)(step) for step in (0, 1, 3)]
    [1.0, 0.5, 0.25]
    """

    lr: float
    decay: float
    checks: ClassVar = {"lr": at_least_0, "decay": at_least_0}

    def rate(self, step):
        return self.lr / (1 + self.decay * step)


@dataclass(frozen=True, repr=False)
class Polynomial(Schedule):
    """end + (lr - end) (1 - step / steps)**power, and `end` after `steps` steps. PyTorch's PolynomialLR for end = 0.

    >>> [Polynomial(1.0, steps=4)(step) for step in (0, 1, 4, 9)]
    [1.0, 0.75, 0.0, 0.0]
    """

    lr: float
    steps: int
    power: float = 1.0
    end: float = 0.0
    checks: ClassVar = {"lr": at_least_0, "steps": count, "power": positive, "end": at_least_0}

    def rate(self, step):
        return self.end + (self.lr - self.end) * (1 - min(step, self.steps) / self.steps) ** self.power


def _between(lr, min_lr, done):
    """Half a cosine wave from lr (done = 0) to min_lr (1)."""
    return min_lr + (lr - min_lr) * (1 + math.cos(math.pi * done)) / 2


@dataclass(frozen=True, repr=False)
class Cosine(Schedule):
    """min_lr + (lr - min_lr) (1 + cos(pi step / steps)) / 2: from lr at step 0 to min_lr at step `steps`.

    After that the wave goes up again; `.then(Constant(min_lr), at=steps)` stays down. Loshchilov and Hutter 2017,
    equation 5, without restarts; PyTorch's CosineAnnealingLR.

    >>> [round(Cosine(1.0, steps=4)(step), 3) for step in (0, 1, 2, 4, 8)]
    [1.0, 0.854, 0.5, 0.0, 1.0]
    """

    lr: float
    steps: int
    min_lr: float = 0.0
    checks: ClassVar = {"lr": at_least_0, "steps": count, "min_lr": at_least_0}

    def rate(self, step):
        return _between(self.lr, self.min_lr, step / self.steps)


@dataclass(frozen=True, repr=False)
class CosineRestarts(Schedule):
    """Cosine over `steps` steps, then again from lr over `factor` times as many, and so on.

    Loshchilov and Hutter 2017 (SGDR), equation 5; PyTorch's CosineAnnealingWarmRestarts with T_0 = steps, T_mult = factor.

    >>> [CosineRestarts(1.0, steps=1, factor=2)(step) for step in range(4)]
    [1.0, 1.0, 0.5, 1.0]
    """

    lr: float
    steps: int
    factor: int = 1
    min_lr: float = 0.0
    checks: ClassVar = {"lr": at_least_0, "steps": count, "factor": count, "min_lr": at_least_0}

    def rate(self, step):
        if self.factor == 1:
            return _between(self.lr, self.min_lr, step % self.steps / self.steps)
        length = self.steps
        while step >= length:
            step, length = step - length, length * self.factor
        return _between(self.lr, self.min_lr, step / length)
