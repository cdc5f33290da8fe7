"""What an optimizer's numbers may be."""

import math
from dataclasses import dataclass

from .._options import flag, number


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
        return number(owner, self.called or name, value, self.low, above=self.above, below=self.below, single=True)

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
        return float(flag(owner, name, value))

    def shown(self, value):
        """The value as people read it."""
        return bool(value)


def betas(first, second):
    """The two decay rates in [0, 1) that are given as `betas`."""
    return {f"beta{i + 1}": Number(b, below=1, called=f"betas[{i}]") for i, b in enumerate((first, second))}
