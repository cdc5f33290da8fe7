"""What layers are made of: the options that they are given, and arrays, which a file may say the shapes of."""

import contextlib
import math
import threading

import numpy as np

from ..errors import ShapeError


class Given:
    """The options that a module was made with: None stands for what is none, generators and what is of the class `but`."""

    __slots__ = ("args", "kwargs")

    def __init__(self, args, kwargs, but=()):
        self.args = tuple(_option(value, but) for value in args)
        self.kwargs = {name: _option(value, but) for name, value in kwargs.items()}


def _option(value, but):
    """An argument, if it is an option."""
    plain = isinstance(value, str | int | float | tuple | list | np.generic | np.ndarray)
    return value if plain or (callable(value) and not isinstance(value, but)) else None


class Allowance:
    """The arrays that a file has for the module that is being made, and how many numbers there may be beside those."""

    def __init__(self, spare=math.inf):
        self.shapes, self.spare = set(), spare


class _Making(threading.local):
    """What this thread makes modules for."""

    allowance: Allowance | None = None  # None where they are made afresh


making = _Making()


@contextlib.contextmanager
def made_from(allowance, shapes):
    """Let a module have arrays of these shapes, and no weights drawn, as its numbers come from a file."""
    allowance.shapes = set(shapes)
    making.allowance = allowance
    try:
        yield
    finally:
        making.allowance = None


def filled(shape, dtype, value=0):
    """A new array of a layer, with the same number everywhere.

    Raises ShapeError, and makes no array, where a file says which arrays there are, and this is another large one.

    >>> filled((2,), "float32", 1)
    array([1., 1.], dtype=float32)
    """
    shape = (shape,) if isinstance(shape, int) else shape
    if (allowed := making.allowance) is not None and shape not in allowed.shapes:
        allowed.spare -= math.prod(shape)
        if allowed.spare < 0:
            raise ShapeError(f"its options ask for an array of shape {shape}, which the file does not have")
    return np.zeros(shape, dtype) if value == 0 else np.full(shape, value, dtype)
