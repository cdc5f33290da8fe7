"""Reductions over any axes: sums, extremes, variances, products, norms, and running sums."""

import functools
import math

import numpy as np

from .. import kernels
from .._coerce import is_grid
from .._logged import known, unmarked
from .._op import op
from .._options import flag
from .._registry import BY_NUMPY, OPS
from .._samples import accumulated, bad, sample, special, strided
from .._tensor import Tensor, plain
from ..errors import OptionError, ShapeError
from ..kernels import current, share
from ._shared import as_rows, axes_of, axis_of, constants, contiguous, flat, kept_shape
from .comparisons import numbers

AXES = [
    sample((5, 3)), sample((5, 3), axis=0), sample((5, 3), axis=-1, keepdims=True), sample((2, 3, 17), axis=(0, 2)),
    sample((2, 3, 17), axis=1), sample((67,)), sample((3, 67), axis=1), sample((67, 3), axis=0), sample(()),
    sample(strided(4, 5), axis=1), sample((4, 0, 3), axis=0), sample((2, 3), axis=(0, 1), keepdims=True),
    sample((2, 4, 3, 2), axis=(1, -2), keepdims=True), sample((3, 2, 129), axis=(2, 0)),
]  # fmt: skip
NOT_EMPTY = [s for s in AXES if s.inputs != ((4, 0, 3),)]
NO_AXIS = [
    bad((5, 3), axis=2, error=ShapeError, match="axis 2 does not exist in an array with 2 axes"),
    bad((5,), axis=-2, error=ShapeError, match="axis -2 does not exist in an array with 1 axes"),
    bad((5, 3), axis=(0, -2), error=ShapeError, match="names one axis twice"),
    bad((5, 3), axis="rows", error=ShapeError, match="axis must be a whole number, several, or None, got 'rows'"),
    bad((5, 3), axis=True, error=ShapeError, match="axis must be a whole number, several, or None, got True"),
    bad(
        (5, 3), keepdims=np.array([0, 1]), error=OptionError, match="keepdims must be True or False, got array([0, 1])"
    ),
    bad((5, 3), keepdims=None, error=OptionError, match="keepdims must be True or False, got None"),
]
EMPTY = [bad((0, 3), axis=0, error=ShapeError, match="over no elements is not defined, shape (0, 3), axis 0")]


class Layout:
    """How an array of some shape is reduced over some axes: as blocks x[m,n,r], over their middle axis.

    Its numbers are moved only if axes lie between those.
    """

    __slots__ = ("back", "blocks", "columns", "count", "kept", "order", "rest", "shape")

    def __init__(self, name, shape, axis):
        axes = axes_of(name, axis, len(shape))
        others = [i for i in range(len(shape)) if i not in axes]
        first = axes[0] if axes else len(shape)
        behind = first + len(axes)
        self.shape, self.kept, self.rest = shape, kept_shape(shape, axes), tuple(shape[i] for i in others)
        self.count = math.prod(shape[a] for a in axes)
        self.order = self.back = None
        rows, columns = math.prod(shape[:first]), math.prod(shape[behind:])
        if axes != tuple(range(first, behind)):
            self.order = (*others, *axes)
            self.back = np.argsort(self.order)
            rows, columns = math.prod(self.rest), 1
        self.blocks, self.columns = (rows, self.count, columns), (rows, columns)

    def split(self, x):
        """x as blocks."""
        return contiguous(x if self.order is None else x.transpose(self.order)).reshape(self.blocks)

    def new(self, dtype):
        """A new array of the shape, and its blocks, to be filled."""
        if self.order is None:
            out = np.empty(self.shape, dtype)
            return out, out.reshape(self.blocks)
        blocks = np.empty(self.blocks, dtype)
        return blocks.reshape([self.shape[i] for i in self.order]).transpose(self.back), blocks

    def beside(self, g):
        """The gradient of the reduction's output as the matrix that belongs to the blocks."""
        return contiguous(g).reshape(self.columns)

    def shaped(self, out, keepdims):
        """The results in their shape."""
        return out.reshape(self.kept if keepdims else self.rest)


_layout = functools.lru_cache(1024)(Layout)


def layout(name, shape, axis):
    """The Layout for a shape and an axis argument; ShapeError where axes do not exist."""
    return _layout(name, shape, axis) if axis is None or type(axis) is int else Layout(name, shape, axis)


def check_axes(name, empty=True):
    """A check that the axes exist, and that there is something along them, unless that has a meaning."""

    def check(x, axis=None, keepdims=False, **_):
        flag(name, "keepdims", keepdims)
        if not layout(name, np.shape(x), axis).count and not empty:
            raise ShapeError(f"{name}: {name} over no elements is not defined, shape {x.shape}, axis {axis}")

    return check


def count_of(shape, axis):
    """How many elements a reduction of an array of this shape takes together."""
    return layout("sum", shape, axis).count


# ---- sums -------------------------------------------------------------------------------------------------------------
def _sum(x, plan):
    blocks, (rows, columns) = plan.split(x), plan.columns
    out = np.empty(plan.columns, x.dtype)
    if columns == 1:
        share(kernels.sum_rows, blocks.reshape(rows, plan.count), out.reshape(rows))
    elif rows == 1:
        kernels.sum_columns(blocks.reshape(plan.count, columns), out.reshape(columns))
    else:
        share(kernels.sum_over, blocks, out)
    return out


def _spread(g, plan):
    """The gradient of a sum's input: that of the output, broadcast along the axes."""
    g = g.reshape(plan.kept)
    if type(g) is not np.ndarray or not g.size or not g.flags.c_contiguous:
        return np.broadcast_to(g, plan.shape)
    strides = [s if n == k else 0 for n, k, s in zip(plan.shape, plan.kept, g.strides)]  # noqa: B905
    return np.ndarray(plan.shape, g.dtype, g, 0, strides)  # as np.broadcast_to, which takes longer


def _sum_rule(g, _y, _x, axis=None, keepdims=False):
    return _spread(g, layout("sum", _x.shape, axis))


@op(twin=lambda x, axis=None, keepdims=False: x.sum(axis=axis, keepdims=keepdims), backward=[_sum_rule], samples=AXES,
    errors=NO_AXIS, check=check_axes("sum"), tolerance=accumulated(16), numpy=(np.sum,), integers=np.sum)  # fmt: skip
def sum(x, /, axis=None, keepdims=False):
    """The sum over an axis, several, or all (None).

    >>> sum(np.ones((2, 3)), axis=0)
    array([2., 2., 2.])
    """
    plan = layout("sum", x.shape, axis)
    return plan.shaped(_sum(x, plan), keepdims)


def _mean_rule(g, _y, _x, axis=None, keepdims=False):
    plan = layout("mean", _x.shape, axis)
    g = g / plan.count
    return _spread(np.asarray(g) if isinstance(g, np.generic) else g, plan)


@op(twin=lambda x, axis=None, keepdims=False: x.mean(axis=axis, keepdims=keepdims), backward=[_mean_rule],
    samples=NOT_EMPTY, errors=NO_AXIS + EMPTY, check=check_axes("mean", empty=False), tolerance=accumulated(16),
    numpy=(np.mean,))  # fmt: skip
def mean(x, /, axis=None, keepdims=False):
    """The mean over an axis, several, or all (None).

    >>> mean(np.array([[1.0, 2.0], [3.0, 6.0]]), axis=1)
    array([1.5, 4.5])
    """
    plan = layout("mean", x.shape, axis)
    total = _sum(x, plan)
    kernels.divide(flat(total), constants(plan.count, dtype=x.dtype), flat(total))
    return plan.shaped(total, keepdims)


# ---- extremes ---------------------------------------------------------------------------------------------------------
def _extreme(kernel, x, axis, keepdims):
    plan = layout("extreme", x.shape, axis)
    out = np.empty(plan.columns, x.dtype)
    if out.size:
        share(kernel, plan.split(x), out)
    return plan.shaped(out, keepdims)


def _extreme_backward(needs, g, y, x, axis=None, keepdims=False):
    """The gradient is split evenly between the elements that reach the extreme; NaN wins."""
    plan = layout("extreme", x.shape, axis)
    out, blocks = plan.new(x.dtype)
    count = np.empty(plan.columns, x.dtype)
    share(kernels.extreme_backward, plan.beside(g), y.reshape(plan.columns), plan.split(x), count, blocks)
    return (out,)


def extreme_twin(reduce):
    def twin(x, axis=None, keepdims=False):
        numbers = plain(x)  # which elements reach the extreme shows in their plain numbers; NaN wins
        hit = np.equal(numbers, reduce(numbers, axis=axis, keepdims=True)) | np.not_equal(numbers, numbers)
        total = np.where(hit, x, 0).sum(axis=axis, keepdims=keepdims)
        return total / hit.sum(axis=axis, keepdims=keepdims)

    return twin


_EXTREME = [*NOT_EMPTY, sample([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]], axis=1), sample([1.0, -2.0, 1.0]),
            special([[1.0, np.nan], [np.inf, 0.0], [-np.inf, -np.inf]], axis=1),
            special([[1.0, np.nan], [np.inf, 0.0], [-np.inf, -np.inf]], axis=0)]  # fmt: skip


@op(ties="shared evenly",
    twin=extreme_twin(np.max), fused=_extreme_backward, samples=_EXTREME, errors=NO_AXIS + EMPTY,
    check=check_axes("max", empty=False), numpy=(np.max, np.amax), integers=np.max)  # fmt: skip
def max(x, /, axis=None, keepdims=False):
    """The largest element over an axis, several, or all (None); NaN wins, ties share the gradient evenly.

    >>> max(np.array([[1.0, 2.0], [3.0, 0.0]]), axis=1)
    array([2., 3.])
    """
    return _extreme(kernels.max_over, x, axis, keepdims)


@op(ties="shared evenly",
    twin=extreme_twin(np.min), fused=_extreme_backward, samples=_EXTREME, errors=NO_AXIS + EMPTY,
    check=check_axes("min", empty=False), numpy=(np.min, np.amin), integers=np.min)  # fmt: skip
def min(x, /, axis=None, keepdims=False):
    """The smallest element over an axis, several, or all (None); NaN wins, ties share the gradient evenly.

    >>> min(np.array([[1.0, 2.0], [3.0, 0.0]]), axis=1)
    array([1., 0.])
    """
    return _extreme(kernels.min_over, x, axis, keepdims)


def _position(function, kernel):
    """np.argmax or np.argmin, by kernels while a log is open."""
    name = function.__name__

    def position(x, axis=None, keepdims=False):
        shape, keepdims = np.shape(x), flag(name, "keepdims", keepdims)
        axes = axes_of(name, axis if axis is None else axis_of(name, axis, len(shape)), len(shape))
        if 0 in [shape[a] for a in axes]:
            raise ShapeError(f"{name}: {name} over no elements is not defined, shape {shape}, axis {axis}")
        if current.log is None or is_grid(x):
            return function(numbers(x), axis, keepdims=keepdims)
        (x,) = known((x,), (True,))
        x = x._array if type(x) is Tensor else np.asarray(x)
        rows, rest = as_rows(x, axes)
        out = np.empty(rest, np.int64)
        kernel(rows, flat(out))
        return unmarked(out.reshape(kept_shape(shape, axes)) if keepdims else out)

    position.__name__ = position.__qualname__ = name
    OPS[name] = BY_NUMPY[function] = position
    return position


argmax, argmin = _position(np.argmax, kernels.argmax_rows), _position(np.argmin, kernels.argmin_rows)
argmax.__doc__ = """The index of the largest element along an axis, or of all: a plain array, without gradient; NaN wins.

    >>> argmax(np.array([[1.0, 5.0], [7.0, 2.0]]), axis=1)
    array([1, 0])
    """
argmin.__doc__ = """The index of the smallest element along an axis, or of all: a plain array, without gradient; NaN wins.

    >>> argmin(np.array([[1.0, 5.0], [7.0, 2.0]]), axis=1)
    array([0, 1])
    """


# ---- products ---------------------------------------------------------------------------------------------------------
def _prod_twin(x, axis=None, keepdims=False):
    """Halves multiplied with each other, until one number is left: nothing is divided, so zeros need no care."""
    x = np.asarray(x) if is_grid(x) else x
    axes = axes_of("prod", axis, x.ndim)
    kept = [i for i in range(x.ndim) if i not in axes]
    n = count_of(x.shape, axis)
    rows = x.transpose((*kept, *axes)) if x.ndim else x
    rows = rows.reshape([x.shape[i] for i in kept] + [n])
    while n > 1:
        half = n // 2
        pairs = rows[..., :half] * rows[..., half : 2 * half]
        rows = np.concatenate([pairs, rows[..., 2 * half :]], axis=-1) if n % 2 else pairs
        n -= half
    return layout("prod", x.shape, axis).shaped(rows[..., 0] if n else rows.sum(axis=-1) + 1, keepdims)


def _prod_backward(needs, g, y, x, axis=None, keepdims=False):
    plan = layout("prod", x.shape, axis)
    out, blocks = plan.new(x.dtype)
    product = np.empty(plan.columns, x.dtype)
    share(kernels.prod_backward, plan.beside(g), y.reshape(plan.columns), plan.split(x), product, blocks)
    return (out,)


@op(twin=_prod_twin, fused=_prod_backward, check=check_axes("prod"), errors=NO_AXIS, numpy=(np.prod,), integers=np.prod,
    samples=[*AXES, sample([[0.0, 2.0, 3.0], [0.0, 0.0, 5.0], [1.0, 4.0, 2.0]], axis=1), sample([2.0, 0.0, 3.0, 0.5]),
             sample([[0.0, 2.0], [0.0, 3.0], [1.0, 4.0]], axis=0)],
    tolerance=accumulated(16))  # fmt: skip
def prod(x, /, axis=None, keepdims=False):
    """The product over an axis, several, or all (None). Its gradient is right where elements are 0, too.

    >>> prod(np.array([[1.0, 2.0], [3.0, 4.0]]), axis=0)
    array([3., 8.])
    """
    plan = layout("prod", x.shape, axis)
    out = np.empty(plan.columns, x.dtype)
    share(kernels.prod_over, plan.split(x), out)
    return plan.shaped(out, keepdims)


# ---- running sums -----------------------------------------------------------------------------------------------------
def _check_one_axis(name):
    def check(x, axis=None):
        if axis is not None:
            axis_of(name, axis, np.ndim(x))

    return check


def _running(kernel, x, axis):
    plan = layout("cumsum", x.shape, axis)
    out, blocks = plan.new(x.dtype)
    share(kernel, plan.split(x), blocks)
    return out.reshape(-1) if axis is None else out


def _cumsum_backward_twin(g, axis=None):
    return np.flip(np.cumsum(np.flip(g, axis), axis), axis if axis is not None else 0)


def _cumsum_rule(g, _y, _x, axis=None):
    sums = (cumsum_backward.forward if type(g) is np.ndarray else cumsum_backward)(g, axis=axis)
    return sums.reshape(_x.shape) if axis is None else sums


ONE_AXIS = [sample((5, 3), axis=0), sample((5, 3), axis=1), sample((2, 3, 17), axis=1), sample((67,)), sample((67,), axis=-1),
            sample((3, 129), axis=-1), sample((129, 3), axis=-2), sample((0, 3), axis=0), sample((4, 0, 3), axis=2),
            sample(strided(4, 5), axis=0), sample((1, 1), axis=1)]  # fmt: skip
WRONG_AXIS = [
    bad((5, 3), axis=2, error=ShapeError, match="axis 2 does not exist in an array with 2 axes"),
    bad((5, 3), axis=(0, 1), error=ShapeError, match="axis must be one whole number, got (0, 1)"),
    bad((), axis=0, error=ShapeError, match="axis 0 does not exist in an array with 0 axes"),
]


@op(twin=np.cumsum, backward=[_cumsum_rule],
    samples=[*ONE_AXIS, sample((5, 3)), sample(())], errors=WRONG_AXIS, check=_check_one_axis("cumsum"),
    tolerance=accumulated(16), numpy=(np.cumsum,), integers=np.cumsum)  # fmt: skip
def cumsum(x, /, axis=None):
    """The running sums along an axis; of all elements in a row for None.

    >>> cumsum(np.array([[1.0, 2.0], [3.0, 4.0]]), axis=0)
    array([[1., 2.],
           [4., 6.]])
    """
    return _running(kernels.cumsum, x, axis)


@op(twin=_cumsum_backward_twin, backward=[lambda h, _y, _g, axis=None: cumsum(h, axis=axis).reshape(_g.shape)],
    samples=ONE_AXIS, errors=WRONG_AXIS, check=_check_one_axis("cumsum_backward"), tolerance=accumulated(16))  # fmt: skip
def cumsum_backward(g, /, axis=None):
    """The running sums from the end: the gradient of cumsum's input, from that of its output.

    >>> cumsum_backward(np.array([1.0, 2.0, 3.0]))
    array([6., 5., 3.])
    """
    return _running(kernels.cumsum_backward, g, axis)
