"""What an optimizer's numbers may be."""

import math
from dataclasses import dataclass

import numpy as np

from .._options import is_real
from ..errors import OptionError


@dataclass(frozen=True)
class Number:
    """A number with its default: at least `low` (or above it), and below `below`."""

    default: float
    low: float = 0.0
    below: float = math.inf
    above: bool = False
    called: str = ""  # in errors, where the option has another name

    def checked(self, owner, name, value):
        """The value as a float, or an OptionError."""
        with np.errstate(over="ignore"):
            single = np.float32(value) if is_real(value) else np.nan  # a float32 model computes with it
        if not (single > self.low if self.above else single >= self.low) or not single < self.below:
            bound = f"{'above' if self.above else 'of at least'} {self.low:g}"
            bound += "" if self.below == math.inf else f" and below {self.below:g}"
            raise OptionError(f"{owner}: {self.called or name} must be a number {bound}, got {value!r}")
        return float(value)

    def shown(self, value):
        """The value as people read it."""
        return float(value)


@dataclass(frozen=True)
class Limit(Number):
    """A number above 0, or None for no limit."""

    default: None = None  # type: ignore[assignment]

    def checked(self, owner, name, value):
        """The value as a float, infinity for None, or an OptionError."""
        return math.inf if value is None else Number(0.0, above=True).checked(owner, name, value)

    def shown(self, value):
        """The value as people read it."""
        return None if value == math.inf else float(value)


@dataclass(frozen=True)
class Flag:
    """True or False."""

    default: bool
    called: str = ""

    def checked(self, owner, name, value):
        """The value as a number, or an OptionError."""
        if not isinstance(value, bool | np.bool_):
            raise OptionError(f"{owner}: {name} must be True or False, got {value!r}")
        return float(value)

    def shown(self, value):
        """The value as people read it."""
        return bool(value)


def betas(first, second):
    """The two decay rates in [0, 1) that are given as `betas`."""
    return {f"beta{i + 1}": Number(b, below=1, called=f"betas[{i}]") for i, b in enumerate((first, second))}
