"""What an op's record says of its inputs: samples to check it on, bad inputs with their errors, and tolerances.

A sample's input is a shape (standard normal numbers), a maker `rng -> array`, or the numbers themselves.

>>> s = sample((2, 3), uniform(0, 1, 3), axis=1)
>>> [a.shape for a in s.arrays(np.random.default_rng(0))], s.options
([(2, 3), (3,)], {'axis': 1})
"""

from dataclasses import dataclass, field

import numpy as np

from .errors import DTypeError


@dataclass(frozen=True)
class Sample:
    """Inputs for one call of an op, made afresh from a generator, with the options of the call."""

    inputs: tuple
    options: dict = field(default_factory=dict)
    gradient: bool = True  # False where only the value is defined: at infinities and NaN

    def arrays(self, rng):
        return [_make(x, rng) for x in self.inputs]


@dataclass(frozen=True)
class Bad:
    """Inputs that an op must refuse, the error and (a part of) its text."""

    inputs: tuple
    match: str
    error: type
    options: dict = field(default_factory=dict)

    def arrays(self, rng):
        return [_make(x, rng) for x in self.inputs]


@dataclass(frozen=True)
class Tolerance:
    """How far a result may be from the 50-digit truth, in units in the last place (ulps).

    `per` says whose last place: "element" each element's own; "array" that of the array's largest element, as sums of
    terms of both signs need; "unit" that of 1 (in a gradient: of the largest incoming gradient), as 1 - y * y needs.
    """

    ulps: float
    per: str = "element"
    why: str = ""  # why it is more than 4 ulps of each element


def elementwise(ulps, why=""):
    """Each element within `ulps` of its own last place; `why`, if they are more than 4."""
    return Tolerance(ulps, "element", why)


def accumulated(ulps):
    """Each element within `ulps` last places of the array's largest element."""
    return Tolerance(ulps, "array")


def bounded(ulps):
    """Each element within `ulps` last places of 1 (in a gradient: of the largest incoming gradient)."""
    return Tolerance(ulps, "unit")


def _make(x, rng):
    if isinstance(x, tuple):
        return rng.normal(size=x)
    return x(rng) if callable(x) else np.asarray(x)


# What no op of one array computes with.
NO_NUMBERS = [
    Bad((lambda rng: np.array(["a", "b"]),), "dtype <U1 is not supported; use float32 or float64", DTypeError),
    Bad((lambda rng: np.ones(3, complex),), "dtype complex128 is not supported; use float32 or float64", DTypeError),
    Bad((lambda rng: np.ma.array([1.0, 2.0], mask=[True, False]),), "a masked array would lose its mask", DTypeError),
    Bad((lambda rng: [[1.0], [1.0, 2.0]],), "expected numbers of one shape, got list", DTypeError),
]


def sample(*inputs, **options):
    return Sample(inputs, options)


def special(*inputs, **options):
    """A sample with infinities and NaN, where only the value is checked."""
    return Sample(inputs, options, gradient=False)


def bad(*inputs, match, error, **options):
    return Bad(inputs, match, error, options)


def scaled(shape, scale):
    """Normal numbers times `scale`."""
    return lambda rng: rng.normal(size=shape) * scale


def uniform(low, high, *shape):
    """Numbers between low and high."""
    return lambda rng: rng.uniform(low, high, size=shape)


def apart(*shape):
    """Numbers at least 0.1 apart from each other and from 0, in random order: no ties, no kinks."""

    def make(rng):
        n = int(np.prod(shape))
        x = (np.arange(n) - n // 2 + 0.5) * 0.2
        return rng.permutation(x).reshape(shape)

    return make


def labels(n, classes):
    """n class labels in 0..classes-1."""
    return lambda rng: rng.integers(0, classes, size=n)


def mask(*shape):
    """True or False."""
    return lambda rng: rng.random(shape) < 0.5


def strided(*shape):
    """Normal numbers in an array that is not contiguous."""
    return lambda rng: rng.normal(size=(*shape[:-1], shape[-1] * 2))[..., ::2]
