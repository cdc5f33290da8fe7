"""Schedule: a learning rate as a function of the step."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from ..._options import is_real, number, whole
from ...errors import OptionError, choose, need

__all__ = ["Schedule"]


# what numbers of schedules may be: functions (owner, name, value)
positive = functools.partial(number, low=0, above=True)
at_least_0 = functools.partial(number, low=0)
share = functools.partial(number, low=0, most=1)
count = functools.partial(whole, least=1)


def one_of(*names):
    """One of some words."""

    return lambda owner, name, value: choose(owner, name, value, {n: n for n in names})


class Schedule:
    """Base class: a frozen dataclass with a `rate(step)`, and in `checks` what its numbers may be.

    >>> import dataclasses
    >>> @dataclasses.dataclass(frozen=True)
    ... class Halving(Schedule):
    ...     lr: float
    ...     every: int
    ...
    ...     def rate(self, step):
    ...         return self.lr * 0.5 ** (step // self.every)
    >>> [Halving(0.4, every=2)(step) for step in range(5)]
    [0.4, 0.4, 0.2, 0.2, 0.1]
    """

    checks: ClassVar[dict[str, Callable]] = {}

    def __post_init__(self):
        for name, check in self.checks.items():
            object.__setattr__(self, name, check(type(self).__name__, name, getattr(self, name)))

    def rate(self, step):
        """The rate of a step, a whole number of at least 0; every subclass has its own."""
        raise NotImplementedError(f"{type(self).__name__} has no rate(self, step)")

    def __call__(self, step):
        step = whole(type(self).__name__, "step", step, 0)
        try:
            return self.rate(step)
        except OverflowError:
            raise OptionError(
                f"{self!r}: the rate of step {step} is too large for a number; is gamma above 1?"
            ) from None

    def then(self, other, at):
        """This schedule before step `at`, from there on the other, which begins at its step 0.

        >>> from tensorgrad.optim.schedules import Constant
        >>> both = Constant(0.1).then(Constant(0.01), at=3)
        >>> [both(step) for step in range(5)]
        [0.1, 0.1, 0.1, 0.01, 0.01]
        """
        from .joined import Joined

        return Joined(self, other, at)

    def __mul__(self, factor):
        from .joined import Scaled

        return Scaled(self, factor) if is_real(factor) else NotImplemented

    __rmul__ = __mul__

    def rates(self, steps):
        """The rates of the first `steps` steps, as an array (steps,).

        >>> from tensorgrad.optim.schedules import Step
        >>> Step(0.5, every=2, gamma=0.5).rates(5)
        array([0.5  , 0.5  , 0.25 , 0.25 , 0.125])
        """
        return np.array([self(step) for step in range(count(type(self).__name__, "steps", steps))])

    def plot(self, steps, axes=None):
        """Draw the rates of the first `steps` steps; returns the matplotlib axes. Needs the extra `plot`."""
        need("matplotlib", "plot", f"{type(self).__name__}.plot")
        from ...show.schedules import plot_schedule

        return plot_schedule(self, steps, axes)

    def __repr__(self):
        """As it is written, without what is left at its default."""
        words: list[str] = []
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value: Any = getattr(self, field.name)
            if field.default is dataclasses.MISSING or value != field.default:
                words.append(f"{field.name}={value!r}")
        return f"{type(self).__name__}({', '.join(words)})"
