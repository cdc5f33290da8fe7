"""gradcheck: a function's gradient against central differences, for code that has no twin."""

import numpy as np

from .._tensor import tensor
from .._transforms import value_and_grad
from ..errors import DTypeError, GradientError


def gradcheck(f, *arrays, eps=1e-6, rtol=1e-5, atol=1e-7):
    """True if the gradient of the scalar function f at float64 arrays agrees with central differences.

    Raises GradientError naming the argument, the element and both numbers where it does not, DTypeError for arrays that
    are not float64 (smaller types have too few digits for differences).

    >>> import tensorgrad as tg
    >>> gradcheck(lambda x: (x * x).sum(), np.array([1.0, 2.0]))
    True
    """
    points = [np.array(a.numpy() if hasattr(a, "numpy") else a) for a in arrays]
    for i, a in enumerate(points):
        if a.dtype != np.float64:
            raise DTypeError(f"gradcheck: argument {i} has dtype {a.dtype}; central differences need float64")
    _, grads = value_and_grad(f, tuple(range(len(points))))(*points)
    for i, (a, g) in enumerate(zip(points, grads, strict=True)):
        for index in np.ndindex(a.shape):
            middle = a[index]
            step = eps * max(1.0, abs(middle))
            a[index] = middle + step
            up = float(_number(f(*map(tensor, points))))
            a[index] = middle - step
            down = float(_number(f(*map(tensor, points))))
            a[index] = middle
            expected, got = (up - down) / (2 * step), float(g.numpy()[index])
            if not abs(got - expected) <= atol + rtol * max(abs(got), abs(expected)):
                raise GradientError(
                    f"gradcheck: argument {i}, element {index}: the gradient is {got:.10g}, central differences give "
                    f"{expected:.10g}"
                )
    return True


def _number(y):
    return y.item() if hasattr(y, "item") else y
