"""Ops that move numbers around: reshape, transpose, index, join."""

import numpy as np

from .. import kernels
from .._logged import known, unmarked
from .._op import op
from .._registry import BY_NUMPY, OPS
from .._samples import bad, sample, strided
from .._tensor import Tensor
from ..errors import DTypeError, ShapeError
from ..kernels import constant, current
from ._shared import as_rows, axes_of, axis_of, contiguous, flat, fresh

ANY = [sample((2, 3)), sample((67,)), sample((0, 3)), sample(strided(4, 5))]


def _as_shape(shape):
    return (int(shape),) if isinstance(shape, int | np.integer) else tuple(int(n) for n in shape)


def _check_reshape(x, shape):
    try:
        np.empty(np.shape(x), bool).reshape(_as_shape(shape))
    except (ValueError, TypeError):
        raise ShapeError(f"reshape: {np.shape(x)} ({x.size} elements) cannot become {shape}") from None


@op(twin=lambda x, shape: x.reshape(_as_shape(shape)), backward=[lambda g, _y, _x, shape: g.reshape(_x.shape)],
    samples=[sample((2, 3), shape=(3, 2)), sample((2, 3), shape=-1), sample((67,), shape=(1, 67)), sample((), shape=(1, 1)),
             sample((0, 3), shape=(3, 0)), sample(strided(4, 5), shape=(5, 4)), sample((2, 3, 4), shape=(6, -1))],
    errors=[bad((2, 3), shape=(4, 2), error=ShapeError, match="reshape: (2, 3) (6 elements) cannot become (4, 2)"),
            bad((2, 3), shape=(-1, 4), error=ShapeError, match="cannot become (-1, 4)"),
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
    samples=[*ANY, sample((2, 3, 4)), sample((2, 3, 4), axes=(1, 2, 0)), sample((2, 3, 4), axes=(0, -1, 1)), sample(())],
    errors=[bad((2, 3), axes=(0,), error=ShapeError, match="axes (0,) must name each of the 2 axes once"),
            bad((2, 3), axes=(0, 2), error=ShapeError, match="axis 2 does not exist"),
            bad((2, 3), axes=(1, 1), error=ShapeError, match="names one axis twice")])  # fmt: skip
def transpose(x, /, axes=None):
    """The axes in another order, reversed by default.

    >>> transpose(np.ones((2, 3))).shape
    (3, 2)
    """
    return fresh(x.transpose(axes))


def _check_broadcast_to(x, shape):
    try:
        fits = np.broadcast_shapes(np.shape(x), _as_shape(shape)) == _as_shape(shape)
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(f"broadcast_to: {np.shape(x)} does not broadcast to {shape}")


@op(twin=lambda x, shape: np.broadcast_to(x, _as_shape(shape)), backward=[lambda g, _y, _x, shape: g],
    samples=[sample((3,), shape=(5, 3)), sample((5, 1), shape=(5, 3)), sample((), shape=(2, 2)), sample((3,), shape=3),
             sample((1, 3), shape=(0, 3))],
    errors=[bad((3,), shape=(3, 2), error=ShapeError, match="broadcast_to: (3,) does not broadcast to (3, 2)"),
            bad((5, 3), shape=(3,), error=ShapeError, match="broadcast_to: (5, 3) does not broadcast to (3,)"),
            bad((5, 3), shape=(1, 3), error=ShapeError, match="does not broadcast to (1, 3)")],
    check=_check_broadcast_to, numpy=(np.broadcast_to,))  # fmt: skip
def broadcast_to(x, /, shape):
    """x repeated along new axes and along axes of length 1.

    >>> broadcast_to(np.array([1.0, 2.0]), (2, 2))
    array([[1., 2.],
           [1., 2.]])
    """
    spread = np.broadcast_to(x, _as_shape(shape))
    return np.array(spread, order="C") if current.log is None else spread  # kernels expand a single number themselves


def _plain_index(index):
    """Tensors inside an index as arrays."""
    if isinstance(index, tuple):
        return tuple(_plain_index(i) for i in index)
    return index._array if type(index) is Tensor else index


def _check_index(x, index):
    try:
        np.broadcast_to(np.False_, np.shape(x))[_plain_index(index)]
    except (IndexError, TypeError) as error:
        raise ShapeError(f"getitem: index {index!r} into shape {np.shape(x)}: {error}") from None


@op(twin=lambda x, index: x[_plain_index(index)], backward=[lambda g, _y, _x, index: scatter_add(g, _x.shape, index)],
    samples=[sample((5, 3), index=2), sample((5, 3), index=(slice(1, 4), 0)), sample((5, 3), index=(..., None, -1)),
             sample((5, 3), index=np.array([0, 2, 2, -1])), sample((5, 3), index=([0, 1, 1], [2, 0, 0])),
             sample((5, 3), index=np.eye(5, 3) > 0), sample((67,), index=slice(None, None, -2)), sample((5, 3), index=(2, 1)),
             sample((5, 3), index=np.array([], int))],
    errors=[bad((5, 3), index=5, error=ShapeError, match="index 5 into shape (5, 3)"),
            bad((5, 3), index=(0, 0, 0), error=ShapeError, match="too many indices"),
            bad((5, 3), index="a", error=ShapeError, match="index 'a' into shape (5, 3)")],
    check=_check_index)  # fmt: skip
def getitem(x, /, index):
    """x[index], for every kind of index that NumPy takes; where an element is taken twice its gradients add up.

    >>> getitem(np.arange(4.0), np.array([3, 3]))
    array([3., 3.])
    """
    if current.log is None or not (_moving(index) or _repeats(index)):
        return fresh(x[_plain_index(index)])
    positions, shape = _positions(x.shape, index)
    out = np.empty(shape, x.dtype)
    kernels.take(flat(contiguous(x)), positions, flat(out))
    return out


def _repeats(index):
    """Whether an index holds arrays or lists, so that it may take an element twice."""
    parts = index if isinstance(index, tuple) else (index,)
    return not all(isinstance(i, int | slice | type(None) | type(...)) for i in parts)


def _moving(index):
    """Whether an index holds numbers of a logged step, which may be others in its next run."""
    return any(isinstance(i, Tensor) for i in (index if isinstance(index, tuple) else (index,)))


def _positions(shape, index):
    """Where in the flat array the elements of x[index] are, and the shape of the result, while a log is open."""
    if not _moving(index):
        found = np.arange(int(np.prod(shape))).reshape(shape)[_plain_index(index)]
        return flat(constant(np.array(found, np.int64, order="C"))), found.shape
    parts = index if isinstance(index, tuple) else (index,)
    arrays = [p._array if type(p) is Tensor else np.asarray(p) for p in parts]
    together = np.broadcast_shapes(*(a.shape for a in arrays))
    if any(
        a.dtype.kind != "i" or (a.shape != together and m) for a, m in zip(arrays, map(_moving, parts), strict=True)
    ):
        current.log.fail("an index mixes numbers of the step with slices, masks or other shapes")
        found = np.arange(int(np.prod(shape))).reshape(shape)[_plain_index(index)]
        return flat(np.array(found, np.int64, order="C")), found.shape
    rows = flat(constant(np.zeros(together, np.int64)))
    for a, part, n in zip(arrays, parts, shape):  # noqa: B905  (the axes that are left are taken whole)
        if _moving(part):
            current.log.limits.append((a, -n, n - 1))
        else:
            a = constant(np.array(np.broadcast_to(a, together), np.int64, order="C"))
        out = np.empty(rows.shape, np.int64)
        kernels.next_axis(rows, flat(np.ascontiguousarray(a)), constant(np.array([n])), out)
        rows = out
    rest = shape[len(parts) :]
    if int(np.prod(rest)) > 1:
        out = np.empty((rows.size, int(np.prod(rest))), np.int64)
        kernels.whole_rows(rows, out)
        rows = flat(out)
    return rows, together + rest


def _scatter_twin(g, shape, index):
    flat = np.arange(int(np.prod(shape))).reshape(shape)[_plain_index(index)]
    total = [0] * int(np.prod(shape))
    for i, v in zip(np.ravel(flat), np.ravel(g), strict=True):
        total[i] = total[i] + v
    out = np.empty(len(total), dtype=object)
    out[:] = total
    return out.reshape(shape)


@op(twin=_scatter_twin, backward=[lambda h, _y, _g, shape, index: h[index]],
    samples=[sample((3,), shape=(5, 3), index=2), sample((4, 3), shape=(5, 3), index=np.array([0, 2, 2, -1])),
             sample((3,), shape=(5, 3), index=([0, 1, 1], [2, 0, 0])), sample((), shape=(5,), index=1)],
    errors=[bad((3,), shape=(5, 3), index=7, error=ShapeError, match="index 7 into shape (5, 3)")],
    check=lambda g, shape, index: _check_index(np.broadcast_to(np.False_, shape), index))  # fmt: skip
def scatter_add(g, /, shape, index):
    """An array of zeros of the given shape, with g added at index: the gradient of x[index].

    >>> scatter_add(np.array([1.0, 2.0]), (3,), np.array([0, 0]))
    array([3., 0., 0.])
    """
    if current.log is not None:
        out = np.empty(shape, g.dtype)
        kernels.scatter_add(flat(contiguous(g)), _positions(shape, index)[0], flat(out))
        return out
    out = np.zeros(shape, dtype=g.dtype)
    if _repeats(index):
        np.add.at(out, _plain_index(index), g)
    else:
        out[index] = g
    return out


# ---- joining ----------------------------------------------------------------------------------------------------------
def _check_join(name):
    def check(*arrays, axis=0):
        if not arrays:
            raise ShapeError(f"{name}: needs at least one array")
        first = np.shape(arrays[0])
        (along,) = axes_of(name, axis, len(first) + (name == "stack"))
        for i, a in enumerate(arrays):
            expected = list(first)
            if name == "concatenate" and np.ndim(a) == len(first):
                expected[along] = a.shape[along]
            if list(np.shape(a)) != expected:
                raise ShapeError(
                    f"{name}: array {i} has shape {np.shape(a)}, array 0 has {first}; they do not join along axis {axis}"
                )

    return check


def _concatenate_rule(i, g, _y, *arrays, axis=0):
    start = sum(a.shape[axis] for a in arrays[:i])
    index = [slice(None)] * arrays[0].ndim
    index[axis] = slice(start, start + arrays[i].shape[axis])
    return g[tuple(index)]


@op(name="concatenate", twin=lambda *arrays, axis=0: np.concatenate(arrays, axis), backward=[_concatenate_rule],
    samples=[sample((2, 3), (4, 3)), sample((2, 3), (2, 1), (2, 2), axis=1), sample((3,), (0,), axis=-1), sample((67,))],
    errors=[bad((2, 3), (2, 4), error=ShapeError, match="concatenate: array 1 has shape (2, 4), array 0 has (2, 3)"),
            bad((2, 3), (3,), error=ShapeError, match="concatenate: array 1 has shape (3,), array 0 has (2, 3)"),
            bad((2, 3), axis=2, error=ShapeError, match="axis 2 does not exist")],
    check=_check_join("concatenate"))  # fmt: skip
def _concatenate(*arrays, axis=0):
    return np.concatenate(arrays, axis) if current.log is None else _joined(arrays, axis)


def _joined(arrays, axis):
    """np.concatenate by kernels."""
    shape = list(arrays[0].shape)
    shape[axis] = sum(a.shape[axis] for a in arrays)
    where = np.split(
        np.arange(int(np.prod(shape))).reshape(shape), np.cumsum([a.shape[axis] for a in arrays])[:-1], axis
    )
    out = np.empty(shape, arrays[0].dtype)
    kernels.fill(constant(np.zeros(1, out.dtype)), flat(out))
    for a, positions in zip(arrays, where, strict=True):
        kernels.put(flat(contiguous(a)), flat(constant(np.array(positions, np.int64, order="C"))), flat(out))
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
    backward=[lambda i, g, _y, *arrays, axis=0: g[(slice(None),) * (axis % g.ndim) + (i,)]],
    samples=[sample((2, 3), (2, 3)), sample((2, 3), (2, 3), axis=1), sample((), (), axis=-1), sample((67,), (67,), axis=-1)],
    errors=[bad((2, 3), (2, 4), error=ShapeError, match="stack: array 1 has shape (2, 4), array 0 has (2, 3)"),
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
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise DTypeError(f"astype: only float32 and float64 have gradients, got {np.dtype(dtype)}")


@op(twin=lambda x, dtype: x * 1, backward=[lambda g, _y, _x, dtype: g.astype(_x.dtype)],
    samples=[sample((5, 3), dtype="float64"), sample((), dtype="float64"), sample((0, 3), dtype="float64")],
    errors=[bad((5, 3), dtype="int64", error=DTypeError, match="astype: only float32 and float64 have gradients, got int64")],
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


def argmax(x, axis=None):
    """The index of the largest element along an axis, a plain array: it has no gradient."""
    from .elementwise import numbers

    if current.log is None:
        return np.argmax(numbers(x), axis)
    (x,) = known((x,), (True,))
    x = x._array if type(x) is Tensor else np.asarray(x)
    axes = tuple(range(x.ndim)) if axis is None else (axis_of("argmax", axis, x.ndim),)
    rows, rest = as_rows(x, axes)
    out = np.empty(rest, np.int64)
    kernels.argmax_rows(rows, flat(out))
    return unmarked(out)


OPS["argmax"] = argmax
BY_NUMPY[np.argmax] = argmax
BY_NUMPY[np.shape] = lambda x: x.shape
BY_NUMPY[np.ndim] = lambda x: x.ndim
BY_NUMPY[np.size] = lambda x: x.size
