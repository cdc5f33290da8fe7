"""The softmax family, over any axes."""

import numpy as np

from .. import kernels
from .._op import op
from .._samples import accumulated, bad, bounded, sample, scaled, special, strided
from .._tensor import plain
from ..errors import ShapeError
from ..kernels import share
from ._shared import contiguous
from .reduce import check_axes, layout

SOFT = [
    sample((5, 3)), sample((5, 3), axis=0), sample((2, 3, 17), axis=1), sample((67,)), sample((1, 1)), sample((3, 67)),
    sample(scaled((7, 5), 1e4)), sample(strided(4, 5)), sample((2, 3, 17), axis=-2), sample((0, 3)), sample((129, 3), axis=0),
    sample((2, 3, 17), axis=(0, 2)), sample((2, 3, 17), axis=None),
    sample((2, 3, 4), axis=(-1, 1)), special([[-np.inf, 0.0, 1.0], [0.0, np.nan, 1.0]]),
    special([[-np.inf, 0.0, 1.0], [0.0, np.nan, 1.0]], axis=0),
]  # fmt: skip
SOFT_ERRORS = [
    bad((5, 3), axis=2, error=ShapeError, match="axis 2 does not exist in an array with 2 axes"),
    bad((), error=ShapeError, match="axis -1 does not exist in an array with 0 axes"),
    bad((5, 0), error=ShapeError, match="over no elements is not defined"),
    bad((5, 3), axis=(0, -2), error=ShapeError, match="names one axis twice"),
]


def _check(name):
    check = check_axes(name, empty=False)
    return lambda x, axis=-1, keepdims=False: check(x, axis, keepdims)


def shifted(x, axis):
    """x less its largest number over the axes, and that number; for twins."""
    top = plain(x).max(axis=axis, keepdims=True)  # a plain number: shifting by it changes neither value nor gradient
    top = np.where(top == top - top + top, np.where(abs(top) == np.inf, 0, top), top)
    return x - top, top


def _logsumexp_twin(x, axis=-1, keepdims=False):
    z, top = shifted(x, axis)
    return np.log(np.exp(z).sum(axis=axis, keepdims=keepdims)) + (top if keepdims else top.squeeze(axis))


def _softmax_twin(x, axis=-1):
    e = np.exp(shifted(x, axis)[0])
    return e / e.sum(axis=axis, keepdims=True)


def _log_softmax_twin(x, axis=-1):
    z, _ = shifted(x, axis)
    return z - np.log(np.exp(z).sum(axis=axis, keepdims=True))


def _same_shape(kernel, x, axis):
    """A kernel `x[M,n,r] -> top[M,r] total[M,r] out[M,n,r]` over the axes of an array."""
    plan = layout("softmax", x.shape, axis)
    out, blocks = plan.new(x.dtype)
    share(kernel, plan.split(x), np.empty(plan.columns, x.dtype), np.empty(plan.columns, x.dtype), blocks)
    return contiguous(out)


def _same_shape_backward(kernel):
    """The gradient by a kernel `g[M,n,r] y[M,n,r] -> sums[M,r] out[M,n,r]`."""

    def fused(needs, g, y, x, axis=-1):
        plan = layout("softmax", x.shape, axis)
        out, blocks = plan.new(y.dtype)
        share(kernel, plan.split(g), plan.split(y), np.empty(plan.columns, y.dtype), blocks)
        return (out,)

    return fused


def _logsumexp_backward(needs, g, saved, x, axis=-1, keepdims=False):
    _, top, total = saved
    plan = layout("logsumexp", x.shape, axis)
    out, blocks = plan.new(x.dtype)
    share(kernels.logsumexp_backward, plan.beside(g), plan.split(x), top, total, blocks)
    return (out,)


@op(twin=_logsumexp_twin, samples=[*SOFT, sample((5, 3), axis=0, keepdims=True), sample((5, 3), axis=None, keepdims=True)],
    errors=SOFT_ERRORS, fused=_logsumexp_backward, check=_check("logsumexp"), tolerance=accumulated(4))  # fmt: skip
def logsumexp(x, /, axis=-1, keepdims=False):
    """log(sum(exp(x))) over an axis, several, or all (None), without overflow: (..., n) -> (...).

    >>> logsumexp(np.array([1000.0, 1000.0]))
    array(1000.69314718)
    """
    plan = layout("logsumexp", x.shape, axis)
    top, total, out = (np.empty(plan.columns, x.dtype) for _ in range(3))
    share(kernels.logsumexp, plan.split(x), top, total, out)
    return plan.shaped(out, keepdims), top, total


@op(twin=_softmax_twin, samples=SOFT, errors=SOFT_ERRORS, tolerance=accumulated(4), gradient_tolerance=bounded(8),
    fused=_same_shape_backward(kernels.softmax_backward), unread=("x",), check=_check("softmax"),
    backward=[lambda g, y, _x, axis=-1: y * (g - (g * y).sum(axis=axis, keepdims=True))])  # fmt: skip
def softmax(x, /, axis=-1):
    """exp(x) / sum(exp(x)) over an axis, several, or all (None): positive numbers that sum to 1.

    >>> softmax(np.array([0.0, 0.0]))
    array([0.5, 0.5])
    """
    return _same_shape(kernels.softmax, x, axis)


@op(twin=_log_softmax_twin, samples=SOFT, errors=SOFT_ERRORS, tolerance=accumulated(8),
    fused=_same_shape_backward(kernels.log_softmax_backward), unread=("x",), check=_check("log_softmax"),
    backward=[lambda g, y, _x, axis=-1: g - np.exp(y) * g.sum(axis=axis, keepdims=True)])  # fmt: skip
def log_softmax(x, /, axis=-1):
    """log(softmax(x)) over an axis, several, or all (None), without underflow.

    >>> log_softmax(np.array([0.0, 0.0]))
    array([-0.69314718, -0.69314718])
    """
    return _same_shape(kernels.log_softmax, x, axis)
