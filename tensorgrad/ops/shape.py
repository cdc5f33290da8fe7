"""Ops that give numbers another shape: reshape, order and number of axes, broadcasting, joining, precision."""

import math
from operator import index

import numpy as np

from .. import kernels
from .._op import op
from .._registry import BY_NUMPY
from .._samples import bad, sample, scaled, special, strided
from ..errors import DTypeError, ShapeError
from ..kernels import constant, current
from ._shared import axes_of, axis_of, contiguous, flat, fresh

ANY = [sample((2, 3)), sample((67,)), sample((0, 3)), sample(strided(4, 5))]


def _as_shape(shape):
    """A shape as a tuple of ints; TypeError for what is none."""
    if isinstance(shape, np.ndarray) and shape.ndim == 1:
        shape = shape.tolist()
    return tuple(map(index, shape)) if isinstance(shape, tuple | list) else (index(shape),)


def _check_reshape(x, shape):
    try:
        np.broadcast_to(False, np.shape(x)).reshape(_as_shape(shape))
    except (ValueError, TypeError, OverflowError):
        raise ShapeError(f"reshape: {np.shape(x)} ({x.size} elements) cannot become {shape}") from None


@op(twin=lambda x, shape: x.reshape(_as_shape(shape)), backward=[lambda g, _y, _x, shape: g.reshape(_x.shape)],
    samples=[sample((2, 3), shape=(3, 2)), sample((2, 3), shape=-1), sample((67,), shape=(1, 67)), sample((), shape=(1, 1)),
             sample((0, 3), shape=(3, 0)), sample(strided(4, 5), shape=(5, 4)), sample((2, 3, 4), shape=(6, -1)),
             sample((1,), shape=()), sample((33, 17), shape=(17, 3, 11))],
    errors=[bad((2, 3), shape=(4, 2), error=ShapeError, match="reshape: (2, 3) (6 elements) cannot become (4, 2)"),
            bad((2, 3), shape=(-1, 4), error=ShapeError, match="cannot become (-1, 4)"),
            bad((2, 3), shape=(2.5, 3), error=ShapeError, match="cannot become (2.5, 3)"),
            bad((2, 3), shape=(-1, -1), error=ShapeError, match="cannot become (-1, -1)")],
    check=_check_reshape, numpy=(np.reshape,))  # fmt: skip
def reshape(x, /, shape):
    """The same numbers in another shape; one length may be -1.

    >>> reshape(np.arange(4.0), (2, -1))
    array([[0., 1.],
           [2., 3.]])
    """
    return fresh(x).reshape(_as_shape(shape))  # a copy: the input may be changed in place


def _check_transpose(x, axes=None):
    if axes is not None and len(axes_of("transpose", axes, np.ndim(x))) != np.ndim(x):
        raise ShapeError(f"transpose: axes {axes} must name each of the {np.ndim(x)} axes once")


def _inverse(axes):
    return None if axes is None else tuple(int(i) for i in np.argsort([a % len(axes) for a in axes]))


@op(twin=lambda x, axes=None: x.transpose(axes), check=_check_transpose, numpy=(np.transpose,),
    backward=[lambda g, _y, _x, axes=None: g.transpose(_inverse(axes)) if axes else g.transpose()],
    samples=[*ANY, sample((2, 3, 4)), sample((2, 3, 4), axes=(1, 2, 0)), sample((2, 3, 4), axes=(0, -1, 1)), sample(()),
             sample((33, 65))],
    errors=[bad((2, 3), axes=(0,), error=ShapeError, match="axes (0,) must name each of the 2 axes once"),
            bad((2, 3), axes=(0, 2), error=ShapeError, match="axis 2 does not exist"),
            bad((2, 3), axes=(1, 1), error=ShapeError, match="names one axis twice")])  # fmt: skip
def transpose(x, /, axes=None):
    """The axes in another order, reversed by default.

    >>> transpose(np.ones((2, 3))).shape
    (3, 2)
    """
    return fresh(x.transpose(axes))


# ---- reshape and transpose under other names --------------------------------------------------------------------------
@op(composed=True, twin=lambda x: np.reshape(x, -1), numpy=(np.ravel,),
    samples=[*ANY, sample(()), sample((1,)), sample((2, 3, 17)), sample((4, 0, 3)), sample((3, 67))],
    errors=[bad([1j], error=DTypeError, match="dtype complex128 is not supported"),
            bad(["a"], error=DTypeError, match="dtype <U1 is not supported"),
            bad(["2026-01-01"], error=DTypeError, match="dtype <U10 is not supported")])  # fmt: skip
def ravel(x, /):
    """All numbers along one axis, in C order; a method `flatten` as well.

    >>> ravel(np.ones((2, 3))).shape
    (6,)
    """
    return reshape(x, -1)


@op(composed=True, twin=np.swapaxes, numpy=(np.swapaxes,),
    samples=[sample((2, 3), axis1=0, axis2=1), sample((2, 3), axis1=1, axis2=1), sample((67,), axis1=0, axis2=-1),
             sample((2, 3, 4), axis1=0, axis2=-1), sample((2, 3, 4), axis1=-2, axis2=0), sample((0, 3), axis1=0, axis2=1),
             sample(strided(4, 5), axis1=1, axis2=0), sample((2, 3, 1, 17), axis1=1, axis2=3),
             sample((33, 65), axis1=0, axis2=1)],
    errors=[bad((2, 3), axis1=0, axis2=2, error=ShapeError, match="swapaxes: axis 2 does not exist in an array with 2 axes"),
            bad((2, 3), axis1=-3, axis2=0, error=ShapeError, match="swapaxes: axis -3 does not exist in an array with 2 axes"),
            bad((2, 3), axis1=None, axis2=0, error=ShapeError, match="swapaxes: axis must be one whole number")])  # fmt: skip
def swapaxes(x, /, axis1, axis2):
    """Two axes in each other's place.

    >>> swapaxes(np.ones((2, 3, 4)), 0, -1).shape
    (4, 3, 2)
    """
    order = list(range(np.ndim(x)))
    axis1, axis2 = (axis_of("swapaxes", a, len(order)) for a in (axis1, axis2))
    order[axis1], order[axis2] = axis2, axis1
    return transpose(x, tuple(order))


def _each_axis(name, axis, ndim):
    """An axis or several, in the order in which they are given, as non-negative numbers."""
    axis = axis if isinstance(axis, tuple | list) else (axis,)
    axes_of(name, axis, ndim)
    return [int(a) % ndim for a in axis]


@op(composed=True, twin=np.moveaxis, numpy=(np.moveaxis,),
    samples=[sample((2, 3), source=0, destination=1), sample((2, 3, 4), source=0, destination=-1),
             sample((2, 3, 4), source=-1, destination=0), sample((2, 3, 4), source=(0, 1), destination=(-1, 0)),
             sample((2, 3, 4), source=[2, 0], destination=[0, 1]), sample((67,), source=0, destination=0),
             sample((0, 3), source=1, destination=0), sample(strided(4, 5), source=0, destination=1),
             sample((2, 3, 1, 17), source=(3, 1), destination=(0, 2)), sample((2, 3), source=(), destination=())],
    errors=[bad((2, 3), source=2, destination=0, error=ShapeError, match="moveaxis: axis 2 does not exist"),
            bad((2, 3), source=(0, 0), destination=(0, 1), error=ShapeError, match="axis (0, 0) names one axis twice"),
            bad((2, 3), source=(0, 1), destination=0, error=ShapeError,
                match="moveaxis: 2 axes, (0, 1), cannot move to 1 places, 0")])  # fmt: skip
def moveaxis(x, /, source, destination):
    """Axes moved to other places, the others stay in order.

    >>> moveaxis(np.ones((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    ndim = np.ndim(x)
    moved, places = (_each_axis("moveaxis", a, ndim) for a in (source, destination))
    if len(moved) != len(places):
        raise ShapeError(f"moveaxis: {len(moved)} axes, {source}, cannot move to {len(places)} places, {destination}")
    order = [i for i in range(ndim) if i not in moved]
    for place, axis in sorted(zip(places, moved, strict=True)):
        order.insert(place, axis)
    return transpose(x, tuple(order))


@op(composed=True, twin=np.expand_dims, numpy=(np.expand_dims,),
    samples=[sample((), axis=0), sample((3,), axis=0), sample((3,), axis=-1), sample((2, 3), axis=1),
             sample((2, 3), axis=(0, 3)), sample((2, 3), axis=(-1, 1)), sample((67,), axis=1),
             sample((0, 3), axis=0), sample(strided(4, 5), axis=2)],
    errors=[bad((2, 3), axis=3, error=ShapeError, match="expand_dims: axis 3 does not exist in an array with 3 axes"),
            bad((2, 3), axis=(0, 0), error=ShapeError, match="expand_dims: axis (0, 0) names one axis twice"),
            bad((2, 3), axis=None, error=ShapeError, match="expand_dims: axis must be a whole number, several")])  # fmt: skip
def expand_dims(x, /, axis):
    """New axes of length 1 at these places of the result.

    >>> expand_dims(np.ones((2, 3)), (0, -1)).shape
    (1, 2, 3, 1)
    """
    shape = list(np.shape(x))
    axis = axis if isinstance(axis, tuple | list) else (axis,)
    for a in axes_of("expand_dims", axis, len(shape) + len(axis)):
        shape.insert(a, 1)
    return reshape(x, tuple(shape))


@op(composed=True, twin=np.squeeze, numpy=(np.squeeze,),
    samples=[sample((1, 3, 1)), sample((1, 3, 1), axis=0), sample((1, 3, 1), axis=-1), sample((1, 3, 1), axis=(0, 2)),
             sample(()), sample((1, 1)), sample((67, 1)), sample((0, 1)), sample(strided(1, 5), axis=0), sample((2, 3)),
             sample((2, 3), axis=())],
    errors=[bad((1, 3), axis=1, error=ShapeError, match="squeeze: axis 1 has length 3, only axes of length 1 can go"),
            bad((1, 3), axis=2, error=ShapeError, match="squeeze: axis 2 does not exist in an array with 2 axes"),
            bad((1, 1), axis=(0, 0), error=ShapeError, match="squeeze: axis (0, 0) names one axis twice")])  # fmt: skip
def squeeze(x, /, axis=None):
    """Without axes of length 1: those that are named, or all.

    >>> squeeze(np.ones((1, 3, 1))).shape
    (3,)
    """
    shape = np.shape(x)
    axes = axes_of("squeeze", axis, len(shape)) if axis is not None else [i for i, n in enumerate(shape) if n == 1]
    for a in axes:
        if shape[a] != 1:
            raise ShapeError(f"squeeze: axis {a} has length {shape[a]}, only axes of length 1 can go")
    return reshape(x, tuple(n for i, n in enumerate(shape) if i not in axes))


# ---- broadcasting -----------------------------------------------------------------------------------------------------
def _check_broadcast_to(x, shape):
    try:
        fits = np.broadcast_shapes(np.shape(x), _as_shape(shape)) == _as_shape(shape)
    except (ValueError, TypeError, OverflowError):
        fits = False
    if not fits:
        raise ShapeError(f"broadcast_to: {np.shape(x)} does not broadcast to {shape}")


@op(twin=lambda x, shape: np.broadcast_to(x, _as_shape(shape)), backward=[lambda g, _y, _x, shape: g],
    samples=[sample((3,), shape=(5, 3)), sample((5, 1), shape=(5, 3)), sample((), shape=(2, 2)), sample((3,), shape=3),
             sample((1, 3), shape=(0, 3)), sample((2, 1, 3), shape=(4, 2, 5, 3)), sample((67, 1), shape=(67, 33)),
             sample(strided(4, 5), shape=(2, 4, 5)), sample((2, 3), shape=(2, 3))],
    errors=[bad((3,), shape=(3, 2), error=ShapeError, match="broadcast_to: (3,) does not broadcast to (3, 2)"),
            bad((5, 3), shape=(3,), error=ShapeError, match="broadcast_to: (5, 3) does not broadcast to (3,)"),
            bad((5, 3), shape=(1, 3), error=ShapeError, match="does not broadcast to (1, 3)"),
            bad((3,), shape=None, error=ShapeError, match="broadcast_to: (3,) does not broadcast to None"),
            bad((3,), shape=(1.0, 3), error=ShapeError, match="(3,) does not broadcast to (1.0, 3)")],
    check=_check_broadcast_to, numpy=(np.broadcast_to,))  # fmt: skip
def broadcast_to(x, /, shape):
    """x repeated along new axes and along axes of length 1.

    >>> broadcast_to(np.array([1.0, 2.0]), (2, 2))
    array([[1., 2.],
           [1., 2.]])
    """
    spread = np.broadcast_to(x, _as_shape(shape))
    return np.array(spread, order="C") if current.log is None else spread  # kernels expand a single number themselves


# ---- joining ----------------------------------------------------------------------------------------------------------
def _check_join(name):
    def check(*arrays, axis=0):
        if not arrays:
            raise ShapeError(f"{name}: needs at least one array")
        first = np.shape(arrays[0])
        along = axis_of(name, axis, len(first) + (name == "stack"))
        for i, a in enumerate(arrays):
            expected = list(first)
            if name == "concatenate" and np.ndim(a) == len(first):
                expected[along] = a.shape[along]
            if list(np.shape(a)) != expected:
                raise ShapeError(
                    f"{name}: array {i} has shape {np.shape(a)}, array 0 has {first}; they do not join along axis {axis}"
                )

    return check


def _concatenate_rule(i, g, _y, *_arrays, axis=0):
    start = sum(a.shape[axis] for a in _arrays[:i])
    index = [slice(None)] * _arrays[0].ndim
    index[axis] = slice(start, start + _arrays[i].shape[axis])
    return g[tuple(index)]


@op(name="concatenate", twin=lambda *arrays, axis=0: np.concatenate(arrays, axis), backward=[_concatenate_rule],
    samples=[sample((2, 3), (4, 3)), sample((2, 3), (2, 1), (2, 2), axis=1), sample((3,), (0,), axis=-1), sample((67,)),
             sample((2, 3, 4), (2, 3, 1), axis=-1), sample((0, 3), (0, 3)), sample((67,), (1,), (33,)),
             sample(strided(4, 5), (4, 2), axis=1), sample((2, 3, 17), (2, 5, 17), axis=-2)],
    errors=[bad((2, 3), (2, 4), error=ShapeError, match="concatenate: array 1 has shape (2, 4), array 0 has (2, 3)"),
            bad((2, 3), (3,), error=ShapeError, match="concatenate: array 1 has shape (3,), array 0 has (2, 3)"),
            bad((2, 3), axis=2, error=ShapeError, match="axis 2 does not exist")],
    check=_check_join("concatenate"))  # fmt: skip
def _concatenate(*arrays, axis=0):
    return np.concatenate(arrays, axis) if current.log is None else _joined(arrays, axis)


def _joined(arrays, axis):
    """np.concatenate by kernels: each array is some columns of a matrix, with a row for each index of the axes before."""
    shape = list(arrays[0].shape)
    axis, rows, first = axis % len(shape), math.prod(shape[: axis % len(shape)]), 0
    shape[axis] = sum(a.shape[axis] for a in arrays)
    out = np.empty(shape, arrays[0].dtype)
    whole = out.reshape(rows, math.prod(shape[axis:]))
    for a in arrays:
        columns = contiguous(a).reshape(rows, math.prod(a.shape[axis:]))
        (kernels.put_columns if first else kernels.spread_to_columns)(columns, constant(np.array([first])), whole)
        first += columns.shape[1]
    return out


def concatenate(arrays, axis=0):
    """Join arrays along an axis that they have; None flattens them first.

    >>> concatenate([np.ones(2), np.zeros(1)])
    array([1., 1., 0.])
    """
    if axis is None:
        arrays, axis = [reshape(a, -1) for a in arrays], 0
    return _concatenate(*arrays, axis=axis)


@op(name="stack", twin=lambda *arrays, axis=0: np.stack(arrays, axis),
    backward=[lambda i, g, _y, *_arrays, axis=0: g[(slice(None),) * (axis % g.ndim) + (i,)]],
    samples=[sample((2, 3), (2, 3)), sample((2, 3), (2, 3), axis=1), sample((), (), axis=-1), sample((67,), (67,), axis=-1),
             sample((2, 3), (2, 3), (2, 3), axis=2), sample((5,)), sample((0, 3), (0, 3)), sample(strided(4, 5), (4, 5)),
             sample((2, 3, 17), (2, 3, 17), axis=-3)],
    errors=[bad((2, 3), (2, 4), error=ShapeError, match="stack: array 1 has shape (2, 4), array 0 has (2, 3)"),
            bad((3,), (), error=ShapeError, match="stack: array 1 has shape (), array 0 has (3,)"),
            bad((3,), axis=None, error=ShapeError, match="stack: axis must be one whole number, got None"),
            bad((2, 3), axis=3, error=ShapeError, match="axis 3 does not exist")],
    check=_check_join("stack"))  # fmt: skip
def _stack(*arrays, axis=0):
    if current.log is None:
        return np.stack(arrays, axis)
    return _joined([np.expand_dims(a, axis) for a in arrays], axis)


def stack(arrays, axis=0):
    """Join arrays of one shape along a new axis.

    >>> stack([np.ones(2), np.zeros(2)])
    array([[1., 1.],
           [0., 0.]])
    """
    return _stack(*arrays, axis=axis)


BY_NUMPY[np.concatenate], BY_NUMPY[np.stack] = concatenate, stack


def _check_astype(x, dtype):
    try:
        if not isinstance(dtype, str | type | np.dtype):  # None is NumPy's float64, and pairs are dtypes of their own
            raise TypeError
        np.dtype(dtype)
    except (TypeError, ValueError):
        raise DTypeError(f"astype: {dtype!r} is no dtype; use float32 or float64") from None
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise DTypeError(f"astype: only float32 and float64 have gradients, got {np.dtype(dtype)}")


@op(twin=lambda x, dtype: x * 1, backward=[lambda g, _y, _x, dtype: g.astype(_x.dtype)],
    samples=[sample(shape, dtype="float64") for shape in ((5, 3), (), (0, 3), (1,), (67,), (2, 3, 17), strided(4, 5))]
    + [sample(scaled((33,), 1e4), dtype="float64"), special([np.inf, -np.inf, np.nan], dtype="float64")],
    errors=[bad((5, 3), dtype="int64", error=DTypeError, match="astype: only float32 and float64 have gradients, got int64"),
            bad((5, 3), dtype="complex128", error=DTypeError, match="have gradients, got complex128"),
            bad((5, 3), dtype=None, error=DTypeError, match="astype: None is no dtype; use float32 or float64"),
            bad((5, 3), dtype="float33", error=DTypeError, match="astype: 'float33' is no dtype; use float32 or float64")],
    check=_check_astype)  # fmt: skip
def astype(x, /, dtype):
    """The numbers in another precision, float32 or float64.

    >>> astype(np.ones(2), "float32").dtype
    dtype('float32')
    """
    if current.log is None or x.dtype == dtype:
        return x.astype(dtype) if current.log is None else fresh(x)
    out = np.empty(x.shape, dtype)
    (kernels.widen if out.dtype == np.float64 else kernels.narrow)(flat(contiguous(x)), flat(out))
    return out


BY_NUMPY[np.shape] = lambda x: x.shape
BY_NUMPY[np.ndim] = lambda x: x.ndim
BY_NUMPY[np.size] = lambda x: x.size
