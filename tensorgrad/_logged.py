"""What ops are given while a log of kernel calls is open: every number known to the log, so that rows can be run again.

Parameters and leaves are noted as memory that is kept, Python's numbers as constants; integers and booleans that are
computed with become floats by a kernel.
"""

import numpy as np

from . import kernels
from ._parameter import Parameter
from ._tensor import FLOATS, Tensor
from .kernels import constant, current, kept

REAL = np.dtype(np.float32)


def leaf(x):
    """The Tensor of a Parameter or Tensor, its memory noted if it is kept by somebody."""
    mine = type(x) is Parameter
    if mine:
        x = x.value
    if type(x) is Tensor and x._node is None and (mine or x.requires_grad):
        kept(x._array)
        current.log.touched[id(x)] = x
        current.log.grads.setdefault(id(x), (x, x.grad))
    return x


def known(args, casts):
    """The inputs of an op, as the open log needs them; see the module's docstring."""
    args = [leaf(x) for x in args]
    dtype = next(
        (x.dtype for x, c in zip(args, casts, strict=True) if c and type(x) is Tensor and x.dtype in FLOATS), None
    )
    return [as_number(x, dtype or REAL) if c else x for x, c in zip(args, casts, strict=True)]


def as_number(x, dtype):
    """An input that is computed with: integers and booleans of the step as floats, Python's numbers as constants."""
    if type(x) is Tensor:
        array = x._array
        to_float = {np.dtype(np.int64): kernels.from_integers, np.dtype(bool): kernels.from_booleans}.get(array.dtype)
        if to_float is not None and array.flags.c_contiguous:
            number = np.empty(array.shape, dtype)
            to_float(array.reshape(-1), number.reshape(-1))
            return Tensor(number)
        if array.dtype.kind != "f":
            current.log.fail(f"numbers of dtype {array.dtype} and shape {array.shape} are computed with")
        return x
    if isinstance(x, int | float | list | tuple | np.generic):
        return constant(np.array(x, dtype))
    return x


def unmarked(array):
    """Numbers without a gradient, as ops give them: an array; while a log is open a Tensor, which notes who reads it."""
    return array if current.log is None else Tensor(array)
