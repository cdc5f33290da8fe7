"""Ops that pick numbers by their places: indexing, taking along an axis, diagonals; and adding numbers at places."""

import numpy as np

from .. import kernels
from .._coerce import as_array
from .._op import op
from .._options import whole
from .._samples import accumulated, bad, elementwise, sample, strided
from .._tensor import Tensor
from ..errors import DTypeError, OptionError, ShapeError
from ..kernels import constant, current
from ._shared import axis_of, contiguous, flat, fresh
from .shape import moveaxis, reshape


def _parts(index):
    return index if isinstance(index, tuple) else (index,)


def _is_basic(part):
    """Whether a part of an index is a number, a slice, None or Ellipsis: of such parts alone NumPy gives a view."""
    return isinstance(part, int | np.integer | slice | type(None) | type(...)) and type(part) is not bool


def _repeats(index):
    """Whether an index may take an element twice: masks never do."""
    arrays = [np.asarray(i) for i in _parts(plain_index(index)) if not _is_basic(i)]
    return any(a.size > 1 and a.dtype.kind in "iu" for a in arrays)


def _moving(index):
    """Whether an index holds numbers of a logged step, which may be others in its next run."""
    return current.log is not None and any(isinstance(i, Tensor) for i in _parts(index))


def plain_index(index):
    """Tensors inside an index as arrays."""
    if isinstance(index, tuple):
        return tuple(plain_index(i) for i in index)
    return index._array if type(index) is Tensor else index


def _at(x, index, name="getitem"):
    """NumPy's x[index], or a ShapeError that names the op."""
    try:
        return x[plain_index(index)]
    except (IndexError, TypeError, ValueError) as error:
        raise ShapeError(f"{name}: index {index!r} into shape {np.shape(x)}: {error}") from None


def positions(shape, index):
    """Where in the flat array the elements of x[index] are, in the shape of x[index], while a log is open."""
    places = np.arange(int(np.prod(shape))).reshape(shape)
    now = _at(places, index)
    if not _moving(index):
        return constant(np.array(now, np.int64, order="C"))
    parts = _parts(index)
    if any(type(p) is Tensor and p.dtype != np.int64 for p in parts):
        current.log.fail("numbers of the step that are not integers choose elements: how many may change")
        return np.array(now, np.int64, order="C")
    fixed = [np.zeros(p.shape, np.int64) if type(p) is Tensor else p for p in parts]
    out = constant(np.array(places[tuple(fixed)], np.int64, order="C"))
    for i, p in enumerate(parts):
        if type(p) is Tensor:
            out = _move_along(out, p._array, i, fixed, shape)
    return out


def _move_along(out, chosen, i, fixed, shape):
    """Positions moved along the axis of part i of an index by the numbers of the step that are chosen there."""
    taken = [0 if p is None else np.ndim(p) if np.asarray(p).dtype == bool else 1 for p in fixed]
    whole = next((k for k, p in enumerate(fixed[:i]) if p is ...), None)
    axis = sum(taken[:i]) if whole is None else len(shape) - sum(taken[i:])
    n, stride = shape[axis], int(np.prod(shape[axis + 1 :]))
    current.log.limits.append((chosen, -n, n - 1))
    # Which of the chosen numbers an element follows: index their own numbers in place of the axis.
    numbered = np.arange(chosen.size).reshape(-1, *[1] * (len(shape) - axis - 1))
    own = [np.arange(chosen.size).reshape(chosen.shape) if k == i else p for k, p in enumerate(fixed)]
    which = np.broadcast_to(numbered, (*shape[:axis], chosen.size, *shape[axis + 1 :]))[tuple(own)]
    moved = np.empty(out.shape, np.int64)
    kernels.move_along(
        flat(out), flat(contiguous(chosen)), flat(constant(np.array(which, np.int64, order="C"))),
        constant(np.array([n, stride])), flat(moved),
    )  # fmt: skip
    return moved


@op(ties="added up where an element is taken twice",
    twin=_at, backward=[lambda g, _y, _x, index: scatter_add(g, _x.shape, index)],
    samples=[sample((5, 3), index=2), sample((5, 3), index=(slice(1, 4), 0)), sample((5, 3), index=(..., None, -1)),
             sample((5, 3), index=np.array([0, 2, 2, -1])), sample((5, 3), index=([0, 1, 1], [2, 0, 0])),
             sample((5, 3), index=np.eye(5, 3) > 0), sample((67,), index=slice(None, None, -2)), sample((5, 3), index=(2, 1)),
             sample((5, 3), index=np.array([], int)), sample((5, 3, 4), index=([0, 4, 4], slice(None), [[1], [2]])),
             sample((5, 3, 4), index=(slice(3, 0, -2), [True, False, True])), sample(strided(4, 33), index=(np.array(2), ...)),
             sample((5, 3), index=(None, True, [[0, 0]])), sample((5, 3), index=()), sample((), index=None),
             sample((0, 3), index=(slice(None), [1, 1]))],
    errors=[bad((5, 3), index=5, error=ShapeError, match="index 5 into shape (5, 3)"),
            bad((5, 3), index=(0, 0, 0), error=ShapeError, match="too many indices"),
            bad((5, 3), index=([0, 1], [0, 1, 2]), error=ShapeError, match="shape mismatch"),
            bad((5, 3), index="a", error=ShapeError, match="index 'a' into shape (5, 3)")])  # fmt: skip
def getitem(x, /, index):
    """x[index], for every kind of index that NumPy takes; where an element is taken twice its gradients add up.

    >>> getitem(np.arange(4.0), np.array([3, 3]))
    array([3., 3.])
    """
    if current.log is None:
        y = _at(x, index)
        return y if y.flags.owndata and y.flags.c_contiguous else fresh(y)
    if all(map(_is_basic, _parts(index))):
        y = _at(x, index)  # without axes NumPy gives a number, with an Ellipsis an array still
        return fresh(y if isinstance(y, np.ndarray) else x[(*_parts(index), ...)])
    places = positions(x.shape, index)
    out = np.empty(places.shape, x.dtype)
    kernels.take(flat(contiguous(x)), flat(places), flat(out))
    return out


def _scatter_twin(g, shape, index):
    places = np.arange(int(np.prod(shape))).reshape(shape)[plain_index(index)]
    total = [0] * int(np.prod(shape))
    for i, v in zip(np.ravel(places), np.ravel(g), strict=True):
        total[i] = total[i] + v
    out = np.empty(len(total), dtype=object)
    out[:] = total
    return out.reshape(shape)


def _check_scatter_add(g, shape, index):
    try:
        zeros = np.broadcast_to(np.False_, shape)
    except (ValueError, TypeError):
        raise ShapeError(f"scatter_add: expected a shape, whole numbers of at least 0, got {shape!r}") from None
    expected = _at(zeros, index, "scatter_add").shape
    if np.shape(g) != expected:
        raise ShapeError(
            f"scatter_add: index {index!r} of shape {shape} takes {expected}, got {np.shape(g)} to add there"
        )


@op(twin=_scatter_twin, tolerance=accumulated(16), gradient_tolerance=elementwise(0),
    backward=[lambda h, _y, _g, shape, index: h[index]],
    samples=[sample((3,), shape=(5, 3), index=2), sample((4, 3), shape=(5, 3), index=np.array([0, 2, 2, -1])),
             sample((3,), shape=(5, 3), index=([0, 1, 1], [2, 0, 0])), sample((), shape=(5,), index=1),
             sample((3, 4), shape=(5, 4), index=slice(None, None, -2)), sample((67,), shape=(4,), index=np.arange(67) % 4),
             sample((2, 3), shape=(3, 4), index=([True, False, True], slice(1, None))), sample((0,), shape=(3,), index=[]),
             sample(strided(4, 5), shape=(5, 4, 6), index=([0, 1, 1, 1], 2, slice(-5, None))),
             sample((1, 3), shape=(3,), index=None)],
    errors=[bad((3,), shape=(5, 3), index=7, error=ShapeError, match="index 7 into shape (5, 3)"),
            bad((4,), shape=(5, 3), index=0, error=ShapeError, match="index 0 of shape (5, 3) takes (3,), got (4,)"),
            bad((3,), shape=(5, None), index=0, error=ShapeError, match="scatter_add: expected a shape, whole numbers of"),
            bad((2,), shape=(5,), index=[0.5, 1.0], error=ShapeError, match="index [0.5, 1.0] into shape (5,)")],
    check=_check_scatter_add)  # fmt: skip
def scatter_add(g, /, shape, index):
    """An array of zeros of the given shape, with g added at index: the gradient of x[index].

    >>> scatter_add(np.array([1.0, 2.0]), (3,), np.array([0, 0]))
    array([3., 0., 0.])
    """
    if current.log is not None:
        out, places = np.empty(shape, g.dtype), flat(positions(shape, index))
        if _repeats(index):
            kernels.scatter_add(flat(contiguous(g)), places, flat(out))
        else:
            kernels.fill(constant(np.zeros(1, g.dtype)), flat(out))
            kernels.put(flat(contiguous(g)), places, flat(out))
        return out
    out = np.zeros(shape, dtype=g.dtype)
    if _repeats(index):
        np.add.at(out, plain_index(index), g)
    else:
        out[plain_index(index)] = g
    return out


# ---- along one axis ---------------------------------------------------------------------------------------------------
def checked_indices(name, indices, n):
    """Indices along an axis of length n, an array or a Tensor of integers; raises DTypeError or ShapeError."""
    given = indices._array if type(indices) is Tensor else as_array(f"{name}: indices", indices)
    if not given.size and given.dtype.kind == "f":
        given = indices = given.astype(np.int64)
    if given.dtype.kind not in "iu":
        raise DTypeError(f"{name}: the indices must be integers, got dtype {given.dtype}")
    if given.size and not -n <= given.min() <= given.max() < n:
        wrong = given[(given < -n) | (given >= n)][0]
        raise ShapeError(f"{name}: index {wrong} is outside an axis of length {n}")
    return indices if type(indices) is Tensor else given


def along(axis, index):
    """The index that takes `index` along one axis and all of those before it."""
    return (slice(None),) * axis + (index,)


@op(composed=True, twin=lambda x, indices, axis=None: np.take(x, indices, axis), numpy=(np.take,),
    samples=[sample((5, 3), indices=[0, 2, 2, -1]), sample((5, 3), indices=[0, 2, 2, -1], axis=1),
             sample((5, 3), indices=[[0, 1], [4, 4]], axis=0), sample((5, 3), indices=2, axis=-2), sample((5, 3), indices=2),
             sample((2, 3, 17), indices=np.arange(33) % 17, axis=-1), sample((67,), indices=np.arange(66, -1, -2)),
             sample((5, 3), indices=[], axis=1), sample(strided(4, 5), indices=[[3]], axis=0), sample((), indices=[0, 0]),
             sample((0, 3), indices=[1, 1], axis=1)],
    errors=[bad((5, 3), indices=[0, 3], axis=1, error=ShapeError, match="take: index 3 is outside an axis of length 3"),
            bad((5, 3), indices=-16, error=ShapeError, match="take: index -16 is outside an axis of length 15"),
            bad((5, 3), indices=[0.5], error=DTypeError, match="take: the indices must be integers, got dtype float64"),
            bad((5, 3), indices=0, axis=2, error=ShapeError, match="take: axis 2 does not exist")])  # fmt: skip
def take(x, /, indices, axis=None):
    """The elements at whole-number indices along an axis, or of the flattened array: (..., n, ...) -> (..., *indices, ...).

    >>> take(np.array([[1.0, 2.0], [3.0, 4.0]]), [1, 1], axis=0)
    array([[3., 4.],
           [3., 4.]])
    """
    shape = np.shape(x)
    if axis is None:
        return getitem(reshape(x, -1), checked_indices("take", indices, int(np.prod(shape))))
    axis = axis_of("take", axis, len(shape))
    return getitem(x, along(axis, checked_indices("take", indices, shape[axis])))


@op(composed=True, twin=lambda x, indices, axis=-1: np.take_along_axis(x, indices, axis), numpy=(np.take_along_axis,),
    samples=[sample((5, 3), indices=np.array([[0, 2], [1, 1], [2, -1], [0, 0], [1, 2]])),
             sample((5, 3), indices=np.array([[4, 0, 4], [0, 0, 0]]), axis=0), sample((5, 3), indices=np.array([[2]]), axis=1),
             sample((1, 3), indices=np.array([[0, 2], [1, 1]]), axis=1), sample((15,), indices=np.array([14, 0, 0])),
             sample((5, 3), indices=np.array([14, 0, 0]), axis=None),
             sample((2, 3, 17), indices=np.full((2, 1, 17), -2), axis=1), sample((67,), indices=np.arange(66, -1, -2)),
             sample((5, 3), indices=np.zeros((5, 0), int)),
             sample(strided(4, 5), indices=np.array([[3, 2, 1, 0, 0]]), axis=-2)],
    errors=[bad((5, 3), indices=np.array([[3]]), error=ShapeError, match="index 3 is outside an axis of length 3"),
            bad((5, 3), indices=np.array([0]), error=ShapeError, match="take_along_axis: the indices need 2 axes, got 1"),
            bad((5, 3), indices=np.array([[0.5]]), error=DTypeError, match="the indices must be integers, got dtype float64"),
            bad((5, 3), indices=np.zeros((4, 1), int), error=ShapeError,
                match="take_along_axis: the indices of shape (4, 1) do not broadcast with (5, 3) beside axis 1")])  # fmt: skip
def take_along_axis(x, /, indices, axis=-1):
    """The elements at indices of its own for each row along an axis, as np.argsort gives them; None flattens x.

    >>> take_along_axis(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1], [0]]), axis=1)
    array([[2.],
           [3.]])
    """
    if axis is None:
        return take_along_axis(reshape(x, -1), indices, 0)
    shape = np.shape(x)
    axis = axis_of("take_along_axis", axis, len(shape))
    indices = checked_indices("take_along_axis", indices, shape[axis])
    if indices.ndim != len(shape):
        raise ShapeError(f"take_along_axis: the indices need {len(shape)} axes, got {indices.ndim}")
    others = [n for i, n in enumerate(shape) if i != axis], [n for i, n in enumerate(indices.shape) if i != axis]
    if any(n != m and m != 1 != n for n, m in zip(*others, strict=True)):
        raise ShapeError(
            f"take_along_axis: the indices of shape {indices.shape} do not broadcast with {shape} beside axis {axis}"
        )
    index = [np.arange(n).reshape(-1, *[1] * (len(shape) - i - 1)) for i, n in enumerate(shape)]
    return getitem(x, (*index[:axis], indices, *index[axis + 1 :]))


@op(composed=True, twin=np.diagonal, numpy=(np.diagonal,),
    samples=[sample((3, 3)), sample((5, 3)), sample((3, 5), offset=2), sample((5, 3), offset=-3), sample((5, 3), offset=7),
             sample((2, 3, 4)), sample((2, 3, 4), axis1=2, axis2=0), sample((2, 3, 4), offset=-1, axis1=-1, axis2=1),
             sample((2, 3, 17), offset=16, axis1=1, axis2=2), sample((67, 67)), sample((0, 3)),
             sample(strided(4, 5), offset=1)],
    errors=[bad((5,), error=ShapeError, match="diagonal: axis 1 does not exist in an array with 1 axes"),
            bad((5, 3), axis1=1, axis2=-1, error=ShapeError, match="diagonal: axis1 and axis2 are one axis, 1"),
            bad((5, 3), offset=None, error=OptionError, match="diagonal: offset must be a whole number, got None"),
            bad((5, 3), offset=2**70, error=OptionError, match="which is too large: numbers must be less than 2**31"),
            bad((5, 3), axis1=(0, 1), error=ShapeError, match="axis must be one whole number, got (0, 1)")])  # fmt: skip
def diagonal(x, /, offset=0, axis1=0, axis2=1):
    """The elements x[i, i + offset] of two axes, along a new last axis: (n, m, ...) -> (..., length).

    >>> diagonal(np.arange(9.0).reshape(3, 3), offset=1)
    array([1., 5.])
    """
    shape = np.shape(x)
    axis1, axis2 = (axis_of("diagonal", a, len(shape)) for a in (axis1, axis2))
    if axis1 == axis2:
        raise ShapeError(f"diagonal: axis1 and axis2 are one axis, {axis1}")
    offset = whole("diagonal", "offset", offset)
    down, right = max(-offset, 0), max(offset, 0)
    i = np.arange(max(min(shape[axis1] - down, shape[axis2] - right), 0))
    index: list = [slice(None)] * len(shape)
    index[axis1], index[axis2] = i + down, i + right
    picked = getitem(x, tuple(index))
    return moveaxis(picked, min(axis1, axis2) if abs(axis1 - axis2) == 1 else 0, -1)
