"""grad and value_and_grad: functions in, functions out; they nest, for derivatives of derivatives."""

import functools

import numpy as np

from . import _tape
from ._parameter import Parameter
from ._registry import OPS
from ._tensor import FLOATS, Tensor, tensor
from .errors import DTypeError, GraphError, OptionError, ShapeError
from .kernels import constant


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
        chosen = _positions(argnums, len(args))
        entries = {i: _entry(args[i], i) for i in dict.fromkeys(chosen)}
        y = f(*(entries.get(i, x) for i, x in enumerate(args)), **kwargs)
        if not isinstance(y, Tensor) or y.size != 1:
            what = f"a tensor of shape {y.shape}" if isinstance(y, Tensor) else type(y).__name__
            hint = "reduce it with .sum() or .mean()"
            if not isinstance(y, Tensor):
                hint = "compute with np.sin, say, not with math.sin"
            raise ShapeError(f"grad: the function must return a scalar Tensor, got {what}; {hint}")
        found = _tape.gradients(y, Tensor(constant(np.ones_like(y._array))), list(entries.values()))
        slopes = {
            i: Tensor(constant(np.zeros_like(x._array))) if s is None else s
            for (i, x), s in zip(entries.items(), found, strict=True)
        }
        recorded = any(isinstance(args[i], Tensor | Parameter) and args[i].requires_grad for i in chosen)
        if not recorded and not _tape.depends_on_others(y, entries.values()):
            slopes = {i: s.detach() for i, s in slopes.items()}  # nobody can ask for a derivative of these
        return y, slopes[chosen[0]] if isinstance(argnums, int | np.integer) else tuple(slopes[i] for i in chosen)

    return evaluate


def _positions(argnums, count):
    """argnums (a number or several, negative ones from the end) as positions among `count` arguments."""
    chosen = (argnums,) if isinstance(argnums, int | np.integer) else tuple(argnums)
    for i in chosen:
        if not -count <= i < count:
            raise OptionError(f"grad: argnums {argnums} is out of range; the function got {count} arguments")
    return [int(i) % count for i in chosen]


def _entry(x, i):
    """The argument as a fresh place in the graph, connected to the outer one if there is one."""
    if not _tape.mode.recording:
        raise GraphError("grad: nothing can be recorded under tg.no_grad()")
    t = x.value if isinstance(x, Parameter) else x if isinstance(x, Tensor) else tensor(x)
    if t.dtype not in FLOATS:
        raise DTypeError(f"grad: argument {i} has dtype {t.dtype}; gradients need float32 or float64: write 2.0 for 2")
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
