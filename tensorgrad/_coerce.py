"""What an op is given, brought into the form that it computes with: arrays of one float dtype, or exact numbers."""

import sys
from fractions import Fraction

import numpy as np

from ._parameter import Parameter
from ._tensor import FLOATS, Tensor
from .errors import DTypeError

NUMBERS = (int, float)


def is_grid(x):
    """Whether x is a grid of Values (an object array) or a bare Value: without importing microgrid for it."""
    if type(x) is np.ndarray:
        return x.dtype.char == "O"
    if type(x) is Parameter:
        return type(x.value) is not Tensor
    if type(x) in NUMBERS or "microgrid.value" not in sys.modules:
        return False
    return isinstance(x, sys.modules["microgrid.value"].Value)


def shares(array, x):
    """Whether the array that x became may still change with x: a buffer that the caller fills anew, say."""
    if isinstance(x, np.ndarray):
        return array is x or np.may_share_memory(array, x)
    return not isinstance(x, int | float | list | tuple | np.generic)


CHANGING = (tuple, list, np.ndarray, Tensor)  # the types of options that may hold something that changes


def frozen(option):
    """An option as it is now: copies of arrays, lists and Tensors that an index is made of."""
    if isinstance(option, tuple):
        return tuple(frozen(o) for o in option)
    if isinstance(option, Tensor):
        return option.numpy().copy()
    return option.copy() if isinstance(option, np.ndarray | list) else option


def refuse(name, x):
    """Raise DTypeError for what NumPy would take in silence: None, and masked arrays, which would lose their masks."""
    if x is None:
        raise DTypeError(f"{name}: got None in place of an array; did a forward forget its return?")
    if isinstance(x, np.ma.MaskedArray):
        raise DTypeError(f"{name}: a masked array would lose its mask; fill it first, x.filled(0), say")


def as_arrays(name, inputs, dtype, casts):
    """Plain arrays, lists and numbers take the dtype of the tensors; without any tensor, NumPy's rules hold.

    `casts` says which inputs are numbers to compute with; the others (labels, conditions) keep their dtype.
    """
    if dtype is None:
        for a in inputs:
            refuse(name, a)
        found = [np.asarray(a).dtype for a, c in zip(inputs, casts, strict=True) if c and type(a) not in NUMBERS]
        dtype = np.result_type(*found) if found else np.dtype(np.float64)
    if dtype not in FLOATS:
        if dtype.kind not in "iub":
            raise DTypeError(f"{name}: dtype {dtype} is not supported; use float32 or float64")
        dtype = np.dtype(np.float64)
    arrays = []
    for a, cast in zip(inputs, casts):  # noqa: B905
        if type(a) is not np.ndarray:
            refuse(name, a)
            a = np.asarray(a)
        if cast and a.dtype is not dtype and a.dtype != dtype:
            if a.dtype.kind not in "fiub":
                raise DTypeError(f"{name}: expected numbers, got dtype {a.dtype}")
            a = a.astype(dtype)
        arrays.append(a)
    return arrays


def beside_grids(inputs, casts):
    """Plain inputs of a call on grids: arrays; and Fractions beside Fractions, as one float would make floats of all."""
    inputs = [np.asarray(x) if type(x) not in NUMBERS else x for x in inputs]
    if not any(type(v.data) is Fraction for x in inputs if is_grid(x) for v in np.ravel(x)[:1]):
        return inputs
    exact = np.frompyfunc(Fraction, 1, 1)
    plain = [c and not is_grid(x) for x, c in zip(inputs, casts, strict=True)]
    return [exact(np.asarray(x).astype(object)) if p else x for x, p in zip(inputs, plain, strict=True)]
