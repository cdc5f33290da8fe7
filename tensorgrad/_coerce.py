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


CHANGING = (tuple, list, dict, np.ndarray, Tensor)  # the types of options that may hold something that changes


def frozen(option):
    """An option as it is now: copies of arrays, lists, dicts and Tensors, also of those inside."""
    if isinstance(option, tuple | list):
        inside = [frozen(o) for o in option]
        return inside if isinstance(option, list) else tuple(inside)
    if isinstance(option, dict):
        return {name: frozen(o) for name, o in option.items()}
    if isinstance(option, Tensor):
        return option.numpy().copy()
    return option.copy() if isinstance(option, np.ndarray) else option


def as_array(name, x):
    """x as an array; DTypeError for None, for masked arrays, which would lose their masks, and for ragged lists."""
    if x is None:
        raise DTypeError(f"{name}: got None in place of an array; did a forward forget its return?")
    if isinstance(x, np.ma.MaskedArray):
        raise DTypeError(f"{name}: a masked array would lose its mask; fill it first, x.filled(0), say")
    try:
        return np.asarray(x)
    except ValueError as error:
        raise DTypeError(f"{name}: expected numbers of one shape, got {type(x).__name__}: {error}") from None


def check_numbers(name, x):
    """Raise DTypeError unless an array or a Value is one of numbers or of Values."""
    if not is_grid(x):
        if x.dtype.kind not in "fiub" or (x.dtype.kind == "f" and x.dtype.newbyteorder("=") not in FLOATS):
            raise DTypeError(f"{name}: dtype {x.dtype} is not supported; use float32 or float64")
    elif np.size(x) and not any(hasattr(v, "grad") for v in np.ravel(x)):
        raise DTypeError(f"{name}: an array of objects must hold Values, got {type(np.ravel(x)[0]).__name__}")


def as_inputs(name, inputs, casts):
    """What a composed op is given: Tensors, Parameters and numbers as they are, all else as arrays of numbers."""
    found = []
    for x, cast in zip(inputs, casts):  # noqa: B905
        if cast and type(x) not in (Tensor, Parameter):
            if not is_grid(x) and (type(x) not in NUMBERS or len(casts) == 1):
                x = as_array(name, x)
            if type(x) not in NUMBERS:
                check_numbers(name, x)
        found.append(x)
    return found


def are_arrays(inputs, dtype, casts):
    """Whether all inputs are arrays, and those to compute with of one float dtype: nothing has to be done for them."""
    for x, cast in zip(inputs, casts):  # noqa: B905
        if type(x) is not np.ndarray:
            return False
        if cast and x.dtype is not dtype:
            if dtype is not None:
                return False
            dtype = x.dtype
    return dtype in FLOATS


def as_arrays(name, inputs, dtype, casts):
    """Plain arrays, lists and numbers take the dtype of the tensors; without any tensor, NumPy's rules hold.

    Integers and booleans are computed with as float64. `casts` says which inputs are numbers to compute with; the others
    (labels, conditions) keep their dtype.
    """
    arrays = [x if type(x) is np.ndarray else as_array(name, x) for x in inputs]
    for a, cast in zip(arrays, casts):  # noqa: B905
        if cast and a.dtype.kind not in "fiub":
            raise DTypeError(f"{name}: dtype {a.dtype} is not supported; use float32 or float64")
    if dtype is None:
        found = [a.dtype for x, a, c in zip(inputs, arrays, casts, strict=True) if c and type(x) not in NUMBERS]
        dtype = np.result_type(*found) if found else np.dtype(np.float64)
    if dtype not in FLOATS:
        if dtype.kind == "f":
            raise DTypeError(f"{name}: dtype {dtype} is not supported; use float32 or float64")
        dtype = np.dtype(np.float64)
    return [a.astype(dtype) if c and a.dtype != dtype else a for a, c in zip(arrays, casts)]  # noqa: B905


def beside_grids(name, inputs, casts):
    """Plain inputs of a call on grids: arrays; and Fractions beside Fractions, as one float would make floats of all."""
    inputs = [x if type(x) in NUMBERS else np.asarray(x) if is_grid(x) else as_array(name, x) for x in inputs]
    for x, cast in zip(inputs, casts):  # noqa: B905
        if cast and type(x) not in NUMBERS and not is_grid(x):
            check_numbers(name, x)
    if not any(type(getattr(v, "data", None)) is Fraction for x in inputs if is_grid(x) for v in np.ravel(x)[:1]):
        return inputs
    exact = np.frompyfunc(Fraction, 1, 1)
    plain = [c and not is_grid(x) for x, c in zip(inputs, casts, strict=True)]
    return [exact(np.asarray(x).astype(object)) if p else x for x, p in zip(inputs, plain, strict=True)]
