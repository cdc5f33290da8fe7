"""grad and value_and_grad: functions in, functions out; they nest, for derivatives of derivatives."""

import functools

import numpy as np

from . import _tape
from ._registry import OPS
from ._tensor import FLOATS, Tensor, tensor
from .errors import DTypeError, GraphError, ShapeError


def value_and_grad(f, argnums=0):
    """A function that returns `f(*args)` and its gradient with respect to the argument(s) at `argnums`.

    f takes arrays or Tensors and returns a scalar Tensor. With a tuple of argnums the gradient is a tuple. Raises
    ShapeError if f returns no scalar, DTypeError for an argument that is not float32 or float64.

    >>> import tensorgrad as tg
    >>> value, slope = value_and_grad(lambda x: (x * x).sum())(np.array([1.0, 3.0]))
    >>> value.item(), slope.numpy()
    (10.0, array([2., 6.]))
    """

    @functools.wraps(f)
    def evaluate(*args, **kwargs):
        chosen = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        entries = [_entry(args[i], i) for i in chosen]
        replaced = dict(zip(chosen, entries, strict=True))
        y = f(*(replaced.get(i, x) for i, x in enumerate(args)), **kwargs)
        if not isinstance(y, Tensor) or y.size != 1:
            what = f"a tensor of shape {y.shape}" if isinstance(y, Tensor) else type(y).__name__
            raise ShapeError(
                f"grad: the function must return a scalar Tensor, got {what}; reduce it with .sum() or .mean()"
            )
        found = _tape.gradients(y, Tensor(np.ones_like(y._array)), entries)
        slopes = [Tensor(np.zeros_like(x._array)) if s is None else s for s, x in zip(found, entries, strict=True)]
        return y, slopes[0] if isinstance(argnums, int) else tuple(slopes)

    return evaluate


def _entry(x, i):
    """The argument as a fresh place in the graph, connected to the outer one if there is one."""
    if not _tape.mode.recording:
        raise GraphError("grad: nothing can be recorded under tg.no_grad()")
    t = x if isinstance(x, Tensor) else getattr(x, "value", None)
    if not isinstance(t, Tensor):
        t = tensor(x if isinstance(x, np.ndarray) else np.asarray(x))
    if t.dtype not in FLOATS:
        raise DTypeError(f"grad: argument {i} has dtype {t.dtype}; gradients need float32 or float64")
    if not t.requires_grad:
        t = Tensor(t._array, True)
    return OPS["positive"](t)


def grad(f, argnums=0):
    """A function that returns the gradient of the scalar function f; see `value_and_grad`.

    >>> import tensorgrad as tg
    >>> second = grad(grad(lambda x: x**3))
    >>> second(np.array(2.0)).item()
    12.0
    """
    evaluate = value_and_grad(f, argnums)

    @functools.wraps(f)
    def slope(*args, **kwargs):
        return evaluate(*args, **kwargs)[1]

    return slope
