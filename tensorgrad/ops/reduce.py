"""Reductions over any axes, and the softmax family."""

import numpy as np

from .. import kernels
from .._op import op
from .._samples import accumulated, bad, bounded, sample, scaled, special, strided
from .._tensor import plain
from ..errors import ShapeError
from ._shared import as_rows, axes_of, axis_of, contiguous, flat, kept_shape
from .elementwise import divide

AXES = [
    sample((5, 3)), sample((5, 3), axis=0), sample((5, 3), axis=-1, keepdims=True), sample((2, 3, 17), axis=(0, 2)),
    sample((2, 3, 17), axis=1), sample((67,)), sample((3, 67), axis=1), sample((67, 3), axis=0), sample(()),
    sample(strided(4, 5), axis=1), sample((4, 0, 3), axis=0), sample((2, 3), axis=(0, 1), keepdims=True),
]  # fmt: skip
NO_AXIS = [
    bad((5, 3), axis=2, error=ShapeError, match="axis 2 does not exist in an array with 2 axes"),
    bad((5,), axis=-2, error=ShapeError, match="axis -2 does not exist in an array with 1 axes"),
    bad((5, 3), axis=(0, -2), error=ShapeError, match="names one axis twice"),
]
EMPTY = [bad((0, 3), axis=0, error=ShapeError, match="over no elements is not defined, shape (0, 3), axis 0")]


def _check_axes(name, empty=True):
    def check(x, axis=None, keepdims=False):
        axes = axes_of(name, axis, np.ndim(x))
        if not empty and 0 in [x.shape[a] for a in axes]:
            raise ShapeError(f"{name}: {name} over no elements is not defined, shape {x.shape}, axis {axis}")

    return check


def _spread(g, x, axis, keepdims):
    """A gradient of a reduction's output, with the reduced axes back at length 1, so that it broadcasts against x."""
    return g if keepdims else g.reshape(kept_shape(x.shape, axes_of("sum", axis, x.ndim)))


def _sum_rule(g, _y, _x, axis=None, keepdims=False):
    return np.broadcast_to(_spread(g, _x, axis, keepdims), _x.shape)


@op(twin=lambda x, axis=None, keepdims=False: x.sum(axis=axis, keepdims=keepdims), backward=[_sum_rule], samples=AXES,
    errors=NO_AXIS, check=_check_axes("sum"), tolerance=accumulated(16), numpy=(np.sum,))  # fmt: skip
def sum(x, /, axis=None, keepdims=False):
    """The sum over an axis, several, or all (None).

    >>> sum(np.ones((2, 3)), axis=0)
    array([2., 2., 2.])
    """
    axes = axes_of("sum", axis, x.ndim)
    if axes and axes == tuple(range(len(axes))) and len(axes) < x.ndim:  # leading axes: no transposed copy
        rest = x.shape[len(axes) :]
        out = np.empty(rest, x.dtype)
        rows = x.reshape(-1, out.size) if x.size else np.empty((0, out.size), x.dtype)
        kernels.sum_columns(contiguous(rows), flat(out))
    else:
        rows, rest = as_rows(x, axes)
        out = np.empty(rest, x.dtype)
        kernels.sum_rows(rows, flat(out))
    return out.reshape(kept_shape(x.shape, axes)) if keepdims else out


@op(twin=lambda x, axis=None, keepdims=False: x.mean(axis=axis, keepdims=keepdims), composed=True, numpy=(np.mean,),
    samples=[s for s in AXES if s.inputs != ((4, 0, 3),)], errors=NO_AXIS + EMPTY, tolerance=accumulated(16))  # fmt: skip
def mean(x, /, axis=None, keepdims=False):
    """The mean over an axis, several, or all (None).

    >>> mean(np.array([[1.0, 2.0], [3.0, 6.0]]), axis=1)
    array([1.5, 4.5])
    """
    shape = np.shape(x)
    count = int(np.prod([shape[a] for a in axes_of("mean", axis, len(shape))]))
    if not count:
        raise ShapeError(f"mean: mean over no elements is not defined, shape {shape}, axis {axis}")
    return divide(sum(x, axis=axis, keepdims=keepdims), count)


def _extreme(kernel):
    def forward(x, axis, keepdims):
        axes = axes_of("max", axis, x.ndim)
        rows, rest = as_rows(x, axes)
        out = np.empty(rest, x.dtype)
        if out.size:
            kernel(rows, flat(out))
        return out.reshape(kept_shape(x.shape, axes)) if keepdims else out

    return forward


_max, _min = _extreme(kernels.max_rows), _extreme(kernels.min_rows)


def _extreme_backward(needs, g, y, x, axis=None, keepdims=False):
    """The gradient is split evenly between the elements that reach the extreme; NaN wins."""
    axes = axes_of("max", axis, x.ndim)
    rows, _ = as_rows(x, axes)
    out = np.empty(rows.shape, x.dtype)
    kernels.extreme_backward(flat(contiguous(g)), flat(y), rows, out)
    kept = [i for i in range(x.ndim) if i not in axes]
    moved = out.reshape([x.shape[i] for i in (*kept, *axes)])
    return (moved.transpose(np.argsort([*kept, *axes])),)


def _extreme_twin(reduce):
    def twin(x, axis=None, keepdims=False):
        numbers = plain(x)  # which elements reach the extreme shows in their plain numbers; NaN wins
        hit = np.equal(numbers, reduce(numbers, axis=axis, keepdims=True)) | np.not_equal(numbers, numbers)
        total = np.where(hit, x, 0).sum(axis=axis, keepdims=keepdims)
        return total / hit.sum(axis=axis, keepdims=keepdims)

    return twin


_EXTREME = [s for s in AXES if s.inputs != ((4, 0, 3),)] + [sample([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]], axis=1),
            sample([1.0, -2.0, 1.0]), special([[1.0, np.nan], [np.inf, 0.0], [-np.inf, -np.inf]], axis=1)]  # fmt: skip


@op(twin=_extreme_twin(np.max), fused=_extreme_backward, samples=_EXTREME, errors=NO_AXIS + EMPTY,
    check=_check_axes("max", empty=False), numpy=(np.max, np.amax))  # fmt: skip
def max(x, /, axis=None, keepdims=False):
    """The largest element over an axis, several, or all (None); NaN wins, ties share the gradient evenly.

    >>> max(np.array([[1.0, 2.0], [3.0, 0.0]]), axis=1)
    array([2., 3.])
    """
    return _max(x, axis, keepdims)


@op(twin=_extreme_twin(np.min), fused=_extreme_backward, samples=_EXTREME, errors=NO_AXIS + EMPTY,
    check=_check_axes("min", empty=False), numpy=(np.min, np.amin))  # fmt: skip
def min(x, /, axis=None, keepdims=False):
    """The smallest element over an axis, several, or all (None); NaN wins, ties share the gradient evenly.

    >>> min(np.array([[1.0, 2.0], [3.0, 0.0]]), axis=1)
    array([1., 0.])
    """
    return _min(x, axis, keepdims)


# ---- the softmax family -----------------------------------------------------------------------------------------------
SOFT = [
    sample((5, 3)), sample((5, 3), axis=0), sample((2, 3, 17), axis=1), sample((67,)), sample((1, 1)), sample((3, 67)),
    sample(scaled((7, 5), 1e4)), sample(strided(4, 5)), sample((2, 3, 17), axis=-2), sample((0, 3)),
    special([[-np.inf, 0.0, 1.0], [0.0, np.nan, 1.0]]),
]  # fmt: skip
SOFT_ERRORS = [
    bad((5, 3), axis=2, error=ShapeError, match="axis 2 does not exist in an array with 2 axes"),
    bad((), error=ShapeError, match="axis -1 does not exist in an array with 0 axes"),
    bad((5, 0), error=ShapeError, match="over no elements is not defined"),
    bad((5, 3), axis=(0, 1), error=ShapeError, match="axis must be one whole number, got (0, 1)"),
]


def _soft_parts(x, axis):
    """exp(x - max), its sums and the maxima, as rows over `axis`."""
    rows, rest = as_rows(x, axes_of("softmax", axis, x.ndim))
    top, total, e = np.empty(len(rows), x.dtype), np.empty(len(rows), x.dtype), np.empty_like(rows)
    kernels.max_rows(rows, top)
    kernels.shifted_exp(rows, top, e)
    kernels.sum_rows(e, total)
    return rows, rest, top, total, e


def _back(rows, x, axis):
    """Rows over `axis` back in the shape of x."""
    axis %= x.ndim
    if axis == x.ndim - 1:
        return rows.reshape(x.shape)
    moved = (*x.shape[:axis], *x.shape[axis + 1 :], x.shape[axis])
    return contiguous(np.moveaxis(rows.reshape(moved), -1, axis))


def _shifted_twin(x, axis):
    top = plain(x).max(axis=axis, keepdims=True)  # a plain number: shifting by it changes neither value nor gradient
    top = np.where(top == top - top + top, np.where(abs(top) == np.inf, 0, top), top)
    return x - top, top


def _logsumexp_twin(x, axis=-1, keepdims=False):
    z, top = _shifted_twin(x, axis)
    return np.log(np.exp(z).sum(axis=axis, keepdims=keepdims)) + (top if keepdims else top.squeeze(axis))


def _softmax_twin(x, axis=-1):
    e = np.exp(_shifted_twin(x, axis)[0])
    return e / e.sum(axis=axis, keepdims=True)


def _log_softmax_twin(x, axis=-1):
    z, _ = _shifted_twin(x, axis)
    return z - np.log(np.exp(z).sum(axis=axis, keepdims=True))


@op(twin=_logsumexp_twin, samples=[*SOFT, sample((5, 3), axis=0, keepdims=True)], errors=SOFT_ERRORS,
    backward=[lambda g, _y, x, axis=-1, keepdims=False: _spread(g, x, axis, keepdims) * softmax(x, axis=axis)],
    check=lambda x, axis=-1, keepdims=False: _check_axes("logsumexp", False)(x, axis_of("logsumexp", axis, np.ndim(x))),
    tolerance=accumulated(4))  # fmt: skip
def logsumexp(x, /, axis=-1, keepdims=False):
    """log(sum(exp(x))) over an axis, without overflow: (..., n) -> (...).

    >>> logsumexp(np.array([1000.0, 1000.0]))
    array(1000.69314718)
    """
    _, rest, top, total, _ = _soft_parts(x, axis)
    out = np.empty(rest, x.dtype)
    kernels.log_of_sum(total, top, flat(out))
    return out.reshape(kept_shape(x.shape, axes_of("logsumexp", axis, x.ndim))) if keepdims else out


@op(twin=_softmax_twin, samples=SOFT, errors=SOFT_ERRORS, tolerance=accumulated(4), gradient_tolerance=bounded(8),
    backward=[lambda g, y, _x, axis=-1: y * (g - (g * y).sum(axis=axis, keepdims=True))],
    check=lambda x, axis=-1: _check_axes("softmax", False)(x, axis_of("softmax", axis, np.ndim(x))))  # fmt: skip
def softmax(x, /, axis=-1):
    """exp(x) / sum(exp(x)) over an axis: positive numbers that sum to 1.

    >>> softmax(np.array([0.0, 0.0]))
    array([0.5, 0.5])
    """
    _, _, _, total, e = _soft_parts(x, axis)
    kernels.divide_rows(e, total, e)
    return _back(e, x, axis)


@op(twin=_log_softmax_twin, samples=SOFT, errors=SOFT_ERRORS, tolerance=accumulated(8),
    backward=[lambda g, y, _x, axis=-1: g - np.exp(y) * g.sum(axis=axis, keepdims=True)],
    check=lambda x, axis=-1: _check_axes("log_softmax", False)(x, axis_of("log_softmax", axis, np.ndim(x))))  # fmt: skip
def log_softmax(x, /, axis=-1):
    """log(softmax(x)) over an axis, without underflow.

    >>> log_softmax(np.array([0.0, 0.0]))
    array([-0.69314718, -0.69314718])
    """
    rows, _, top, total, _ = _soft_parts(x, axis)
    log_total, out = np.empty_like(total), np.empty_like(rows)
    kernels.log_of_sum(total, top, log_total)
    kernels.subtract_rows(rows, log_total, out)
    return _back(out, x, axis)
