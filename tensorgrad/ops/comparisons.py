"""Comparisons: plain arrays of bool, without gradient."""

import operator

import numpy as np

from .. import kernels
from .._coerce import as_array, is_grid
from .._logged import known, unmarked
from .._parameter import Parameter
from .._registry import BY_NUMPY, OPS
from .._tensor import Tensor, plain
from ..kernels import constant, current
from ._shared import binary, check_broadcast


def numbers(x):
    """What a comparison looks at: the plain numbers of whatever ops take."""
    x = x.value if type(x) is Parameter else x
    if isinstance(x, list | tuple):
        return as_array("comparison", x)
    return plain(x) if isinstance(x, Tensor | np.ndarray) or is_grid(x) else x


def _comparison(ufunc, operator, sign, kernel):
    check = check_broadcast(ufunc.__name__)

    def compare(x, y, /):
        if current.log is None:
            x, y = numbers(x), numbers(y)
            try:
                return operator(x, y)
            except ValueError:
                check(x, y)
                raise
        x, y = (x._array if type(x) is Tensor else np.asarray(x) for x in known((x, y), (True, True)))
        return unmarked(binary(kernel, x, y, np.bool_))

    compare.__name__ = ufunc.__name__
    compare.__doc__ = f"x {sign} y, broadcast: an array of bool, without gradient."
    OPS[ufunc.__name__] = compare
    BY_NUMPY[ufunc] = compare
    return compare


less = _comparison(np.less, operator.lt, "<", kernels.less)
less_equal = _comparison(np.less_equal, operator.le, "<=", kernels.less_equal)
greater = _comparison(np.greater, operator.gt, ">", kernels.greater)
greater_equal = _comparison(np.greater_equal, operator.ge, ">=", kernels.greater_equal)
equal = _comparison(np.equal, operator.eq, "==", kernels.equal)
not_equal = _comparison(np.not_equal, operator.ne, "!=", kernels.not_equal)


def truth(condition):
    """A condition of numbers as booleans: whether each is not zero."""
    if current.log is None or condition.dtype.kind != "f":
        return condition.astype(bool)
    return binary(kernels.not_equal, condition, constant(np.zeros(1, condition.dtype)), np.bool_)
