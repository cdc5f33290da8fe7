"""Ops that shift, repeat, pad and split: the same numbers in another order, some of them several times, or zeros."""

import numpy as np

from .. import kernels
from .._coerce import as_array
from .._op import op
from .._options import is_whole, whole
from .._registry import BY_NUMPY, OPS
from .._samples import accumulated, bad, sample, special, strided
from ..errors import OptionError, ShapeError, choose
from ..kernels import constant, current
from ._shared import axes_of, axis_of, contiguous, flat, fresh
from .elementwise import where
from .indexing import along, getitem, scatter_add


def _moved(x, function):
    """function(x), one of NumPy's that only moves numbers: itself, or while a log is open a kernel that moves the same."""
    if current.log is None:
        return np.asarray(function(x), order="C")
    places = np.array(function(np.arange(x.size).reshape(x.shape)), np.int64, order="C")
    out = np.empty(places.shape, x.dtype)
    kernels.take(flat(contiguous(x)), flat(constant(places)), flat(out))
    return out


# ---- flip and roll ----------------------------------------------------------------------------------------------------
@op(twin=np.flip, backward=[lambda g, _y, _x, axis=None: np.flip(g, axis)], numpy=(np.flip,),
    samples=[sample((5, 3)), sample((5, 3), axis=0), sample((5, 3), axis=-1), sample((2, 3, 17), axis=(0, 2)), sample(()),
             sample((67,)), sample((0, 3)), sample((1,)), sample(strided(4, 5), axis=1), sample((2, 3), axis=())],
    errors=[bad((5, 3), axis=2, error=ShapeError, match="flip: axis 2 does not exist in an array with 2 axes"),
            bad((5, 3), axis=(0, -2), error=ShapeError, match="flip: axis (0, -2) names one axis twice"),
            bad((5, 3), axis=0.5, error=ShapeError, match="flip: axis must be a whole number, several, or None, got 0.5")],
    check=lambda x, axis=None: axes_of("flip", axis, np.ndim(x)))  # fmt: skip
def flip(x, /, axis=None):
    """The other way round along an axis, several, or all (None).

    >>> flip(np.array([1.0, 2.0, 3.0]))
    array([3., 2., 1.])
    """
    return fresh(np.flip(x, axis) if x.ndim else x)


def _check_roll(x, shift, axis=None):
    shifts, axes = as_array("roll: shift", shift), axis if isinstance(axis, tuple | list) else (axis,)
    if shifts.dtype.kind not in "iu" and shifts.size:
        raise ShapeError(f"roll: the shift must be whole numbers, got {shift!r}")
    for a in axes if axis is not None else ():
        axis_of("roll", a, np.ndim(x))  # NumPy adds up the shifts of an axis that is named twice
    if shifts.ndim > 1 or (shifts.size != len(axes) and 1 not in (shifts.size, len(axes))):
        raise ShapeError(f"roll: {shifts.size} shifts, {shift}, for {len(axes)} axes, {axis}")


@op(twin=np.roll, backward=[lambda g, _y, _x, shift, axis=None: np.roll(g, -np.asarray(shift, int), axis)], check=_check_roll,
    numpy=(np.roll,),
    samples=[sample((5, 3), shift=1), sample((5, 3), shift=-4, axis=0), sample((5, 3), shift=7, axis=-1),
             sample((5, 3), shift=(1, -1), axis=(0, 1)), sample((2, 3, 17), shift=2, axis=(1, 2)), sample((67,), shift=33),
             sample((), shift=2), sample((0, 3), shift=1, axis=1), sample((5, 3), shift=0),
             sample(strided(4, 5), shift=2, axis=1),
             sample((5, 3), shift=(1, 2), axis=0), sample((5, 3), shift=(1, 2), axis=(0, 0))],
    errors=[bad((5, 3), shift=1, axis=2, error=ShapeError, match="roll: axis 2 does not exist in an array with 2 axes"),
            bad((5, 3), shift=0.5, error=ShapeError, match="roll: the shift must be whole numbers, got 0.5"),
            bad((5, 3), shift=(1, 2, 3), axis=(0, 1), error=ShapeError,
                match="roll: 3 shifts, (1, 2, 3), for 2 axes, (0, 1)")])  # fmt: skip
def roll(x, /, shift, axis=None):
    """Shifted along an axis or several; what leaves at the end comes back at the beginning. None rolls the flattened array.

    >>> roll(np.array([1.0, 2.0, 3.0]), 1)
    array([3., 1., 2.])
    """
    return _moved(x, lambda x: np.roll(x, shift, axis))


# ---- repetition -------------------------------------------------------------------------------------------------------
def _counts(reps):
    return (
        [*reps] if isinstance(reps, tuple | list) else reps.ravel().tolist() if isinstance(reps, np.ndarray) else [reps]
    )


def _check_tile(x, reps):
    if not all(is_whole(r, 0) for r in _counts(reps)):
        raise ShapeError(f"tile: reps must be whole numbers, 0 or more, got {reps!r}")


def _tile_rule(g, _y, _x, reps):
    counts = [1] * (g.ndim - np.size(reps)) + _counts(reps)
    shape = (1,) * (g.ndim - _x.ndim) + _x.shape
    apart = g.reshape(tuple(m for pair in zip(counts, shape, strict=True) for m in pair))
    return apart.sum(tuple(range(0, 2 * g.ndim, 2))).reshape(_x.shape)


@op(twin=np.tile, backward=[_tile_rule], check=_check_tile, tolerance=accumulated(16), numpy=(np.tile,),
    samples=[sample((2, 3), reps=2), sample((2, 3), reps=(2, 1)), sample((2, 3), reps=(4, 2, 3)), sample((3,), reps=(2, 2)),
             sample((), reps=3), sample((67,), reps=5), sample((0, 3), reps=2), sample((2, 3), reps=0), sample((2, 3), reps=()),
             sample(strided(4, 5), reps=(3, 1)), sample((2, 3, 17), reps=(1, 2, 1))],
    errors=[bad((2, 3), reps=-1, error=ShapeError, match="tile: reps must be whole numbers, 0 or more, got -1"),
            bad((2, 3), reps=(2, 0.5), error=ShapeError, match="tile: reps must be whole numbers, 0 or more, got (2, 0.5)"),
            bad((2, 3), reps=None, error=ShapeError, match="reps must be whole numbers, 0 or more, got None"),
            bad((2, 3), reps=True, error=ShapeError, match="reps must be whole numbers, 0 or more, got True")])  # fmt: skip
def tile(x, /, reps):
    """The whole array, side by side, reps times along each axis: (n, m) -> (reps[0] * n, reps[1] * m).

    >>> tile(np.array([1.0, 2.0]), 2)
    array([1., 2., 1., 2.])
    """
    return _moved(x, lambda x: np.tile(x, reps))


def _check_repeat(x, repeats, axis=None):
    n = x.size if axis is None else np.shape(x)[axis_of("repeat", axis, np.ndim(x))]
    counts = as_array("repeat: repeats", repeats)
    if counts.dtype.kind not in "iub" or (counts.size and counts.min() < 0):
        raise ShapeError(f"repeat: repeats must be whole numbers, 0 or more, got {repeats!r}")
    if counts.ndim > 1 or counts.size not in (1, n):
        raise ShapeError(f"repeat: repeats of shape {counts.shape} for {n} elements; give one number, or one for each")


def _repeat_rule(g, _y, _x, repeats, axis=None):
    if axis is None:
        return _repeat_rule(g, _y, _x.reshape(-1), repeats, 0).reshape(_x.shape)
    axis = axis % _x.ndim
    if np.size(repeats) == 1:
        return g.reshape((*_x.shape[: axis + 1], int(np.ravel(repeats)[0]), *_x.shape[axis + 1 :])).sum(axis + 1)
    return scatter_add(g, _x.shape, along(axis, np.repeat(np.arange(_x.shape[axis]), repeats)))


@op(twin=np.repeat, backward=[_repeat_rule], check=_check_repeat, numpy=(np.repeat,),
    samples=[sample((2, 3), repeats=2), sample((2, 3), repeats=2, axis=0), sample((2, 3), repeats=[2, 0, 1], axis=-1),
             sample((2, 3), repeats=[3], axis=1), sample((2, 3), repeats=np.arange(6)), sample((), repeats=3),
             sample((67,), repeats=np.arange(67) % 3, axis=0), sample((0, 3), repeats=2, axis=1), sample((2, 3), repeats=0),
             sample(strided(4, 5), repeats=2, axis=1), sample((2, 3, 17), repeats=(1, 2, 1), axis=1)],
    errors=[bad((2, 3), repeats=-1, error=ShapeError, match="repeat: repeats must be whole numbers, 0 or more, got -1"),
            bad((2, 3), repeats=[1, 2], axis=1, error=ShapeError, match="repeat: repeats of shape (2,) for 3 elements"),
            bad((2, 3), repeats=0.5, error=ShapeError, match="repeat: repeats must be whole numbers, 0 or more, got 0.5"),
            bad((2, 3), repeats=2, axis=2, error=ShapeError, match="repeat: axis 2 does not exist")])  # fmt: skip
def repeat(x, /, repeats, axis=None):
    """Each element several times, along an axis or of the flattened array; one number of times, or one for each element.

    >>> repeat(np.array([1.0, 2.0]), [1, 2])
    array([1., 2., 2.])
    """
    return _moved(x, lambda x: np.repeat(x, repeats, axis))


# ---- padding ----------------------------------------------------------------------------------------------------------
_MODES = dict.fromkeys(("constant", "edge", "reflect", "symmetric", "wrap"))


def _widths(x, pad_width):
    """How many numbers come before and after each axis."""
    try:
        if isinstance(pad_width, dict):
            widths = np.zeros((np.ndim(x), 2), int)
            for axis, width in pad_width.items():
                widths[axis_of("pad", axis, np.ndim(x))] = np.asarray(width)
        else:
            widths = np.broadcast_to(np.asarray(pad_width), (np.ndim(x), 2))
    except ValueError:
        widths = np.array(-1)
    if widths.dtype.kind not in "iu" or (widths.size and widths.min() < 0):
        raise ShapeError(
            f"pad: expected whole numbers, 0 or more, as n, (before, after) or one pair for each of {np.ndim(x)} axes, "
            f"got {pad_width!r}"
        )
    return [(int(before), int(after)) for before, after in widths]


def _real_numbers(values):
    numbers = np.asarray(values)
    if numbers.dtype.kind not in "fiub":  # None would become NaN, and text a number
        raise TypeError
    return numbers


def _check_pad(x, pad_width, mode="constant", constant_values=0):
    choose("pad", "mode", mode, _MODES)
    widths = _widths(x, pad_width)
    for axis, (n, width) in enumerate(zip(np.shape(x), widths, strict=True)):
        if mode != "constant" and not n and any(width):
            raise ShapeError(
                f"pad: axis {axis} of shape {np.shape(x)} is empty: mode {mode!r} has nothing to pad it with"
            )
    if mode == "constant":
        try:
            np.broadcast_to(_real_numbers(constant_values), (np.ndim(x), 2))
        except (ValueError, TypeError):
            raise ShapeError(
                f"pad: expected constant_values as a number, (before, after) or one pair for each of {np.ndim(x)} axes, "
                f"got {constant_values!r}"
            ) from None


def _pad(x, pad_width, mode="constant", constant_values=0):
    if not np.ndim(x):
        return np.array(x)
    return np.pad(x, pad_width, **({"constant_values": constant_values} if mode == "constant" else {"mode": mode}))


def _pad_rule(g, _y, _x, pad_width, mode="constant", constant_values=0):
    widths = _widths(_x, pad_width)
    if mode == "constant":
        return g[tuple(slice(before, before + n) for n, (before, _) in zip(_x.shape, widths, strict=True))]
    places = [np.pad(np.arange(n), width, mode=mode) for n, width in zip(_x.shape, widths, strict=True)]
    return scatter_add(g, _x.shape, np.ix_(*places))


@op(twin=_pad, backward=[_pad_rule], check=_check_pad, numpy=(np.pad,),
    samples=[sample((2, 3), pad_width=1), sample((2, 3), pad_width=(1, 2), constant_values=(3, -1)),
             sample((2, 3), pad_width=((0, 1), (2, 0)), constant_values=((1, 2), (3, 4))), sample((67,), pad_width=[2]),
             sample((0, 3), pad_width=1), sample((2, 3), pad_width={-1: (1, 0)}), sample((1,), pad_width=16),
             sample(strided(4, 5), pad_width=((1,), (0,)), constant_values=0.5), sample((2, 3, 17), pad_width=0),
             special([np.inf, np.nan, 0.0], pad_width=1, constant_values=-np.inf)]
    + [sample(*given, mode=mode, pad_width=width) for mode in ("edge", "reflect", "symmetric", "wrap")
       for *given, width in (((4, 3), 2), ((3,), (4, 7)), ((2, 3, 17), ((0, 0), (1, 0), (0, 9))), ((1,), 2), ((0, 3), (0, 0)))],
    errors=[bad((2, 3), pad_width=-1, error=ShapeError, match="(before, after) or one pair for each of 2 axes, got -1"),
            bad((2, 3), pad_width=(1, 2, 3), error=ShapeError, match="one pair for each of 2 axes, got (1, 2, 3)"),
            bad((2, 3), pad_width=1, mode="reflects", error=OptionError, match="pad: unknown mode 'reflects'; did you mean"),
            bad((0, 3), pad_width=1, mode="edge", error=ShapeError, match="pad: axis 0 of shape (0, 3) is empty: mode 'edge'"),
            bad((2, 3), pad_width=1, constant_values=None, error=ShapeError, match="or one pair for each of 2 axes, got None"),
            bad((2, 3), pad_width=1, constant_values="a", error=ShapeError,
                match="expected constant_values as a number")])  # fmt: skip
def pad(x, /, pad_width, mode="constant", constant_values=0):
    """More numbers before and after each axis: n, (before, after), one pair for each axis, or {axis: n or pair}.

    mode: "constant" (`constant_values`, given like `pad_width`), "edge" (the last number again), "reflect" (mirrored at
    the last number), "symmetric" (mirrored with it) or "wrap" (from the other end).

    >>> pad(np.array([1.0, 2.0, 3.0]), 2, mode="reflect")
    array([3., 2., 1., 2., 3., 2., 1.])
    """
    widths = _widths(x, pad_width)
    if current.log is None or mode != "constant":
        return _moved(x, lambda x: _pad(x, widths, mode, constant_values))
    around = constant(_pad(np.zeros(x.shape, x.dtype), widths, mode, constant_values))
    places = np.arange(around.size).reshape(around.shape)[
        tuple(slice(before, before + n) for n, (before, _) in zip(x.shape, widths, strict=True))
    ]
    out = np.empty(around.shape, x.dtype)
    kernels.copy(flat(around), flat(out))
    kernels.put(flat(contiguous(x)), flat(constant(np.array(places, np.int64, order="C"))), flat(out))
    return out


# ---- triangles --------------------------------------------------------------------------------------------------------
def _triangle(name, x, k):
    """Where the lower triangles of matrices are, up to diagonal k."""
    if np.ndim(x) < 2:
        raise ShapeError(f"{name}: expected matrices, (..., n, m), got shape {np.shape(x)}")
    rows, columns = np.shape(x)[-2:]
    return constant(np.tri(rows, columns, k, dtype=bool))


TRIANGLES = [sample((3, 3)), sample((5, 3), k=1), sample((3, 5), k=-1), sample((2, 3, 4), k=2), sample((3, 3), k=-7),
             sample((3, 3), k=7), sample((0, 3)), sample((33, 65), k=3), sample(strided(4, 5)), sample((1, 1)),
             special([[np.nan, np.inf], [-np.inf, np.nan]])]  # fmt: skip


def _no_matrix(name):
    return [bad((3,), error=ShapeError, match=f"{name}: expected matrices, (..., n, m), got shape (3,)"),
            bad((), error=ShapeError, match=f"{name}: expected matrices, (..., n, m), got shape ()"),
            bad((3, 3), k=None, error=OptionError, match=f"{name}: k must be a whole number, got None"),
            bad((3, 3), k=2**70, error=OptionError, match="which is too large: numbers must be less than 2**31"),
            bad((3, 3), k=0.5, error=OptionError, match=f"{name}: k must be a whole number, got 0.5")]  # fmt: skip


@op(composed=True, twin=np.tril, samples=TRIANGLES, errors=_no_matrix("tril"), numpy=(np.tril,))
def tril(x, /, k=0):
    """The lower triangles of matrices: zeros above diagonal k.

    >>> tril(np.ones((2, 2)))
    array([[1., 0.],
           [1., 1.]])
    """
    return where(_triangle("tril", x, whole("tril", "k", k)), x, 0)


@op(composed=True, twin=np.triu, samples=TRIANGLES, errors=_no_matrix("triu"), numpy=(np.triu,))
def triu(x, /, k=0):
    """The upper triangles of matrices: zeros below diagonal k.

    >>> triu(np.ones((2, 2)))
    array([[1., 1.],
           [0., 1.]])
    """
    return where(_triangle("triu", x, whole("triu", "k", k) - 1), 0, x)


# ---- splitting --------------------------------------------------------------------------------------------------------
def _split(name, x, indices_or_sections, axis):
    axis = axis_of(name, axis, len(np.shape(x)))
    n, given = np.shape(x)[axis], as_array(f"{name}: indices_or_sections", indices_or_sections)
    if given.ndim > 1 or (given.size and given.dtype.kind not in "iu"):
        raise ShapeError(f"{name}: expected a number of parts or indices, got {indices_or_sections!r}")
    if given.ndim:
        cuts = given.tolist()
    elif given < 1:
        raise ShapeError(f"{name}: the number of parts must be 1 or more, got {given}")
    elif name == "split" and n % given:
        raise ShapeError(
            f"split: axis {axis} of shape {np.shape(x)} does not divide into {given} parts; use array_split"
        )
    else:
        cuts = [i * (n // given) + min(i, n % given) for i in range(1, given)]
    return [getitem(x, along(axis, slice(a, b))) for a, b in zip([0, *cuts], [*cuts, n], strict=True)]


def array_split(x, indices_or_sections, axis=0):
    """`split` into a number of parts that need not divide the axis: the first ones are longer by one.

    >>> [part.shape for part in array_split(np.ones(5), 3)]
    [(2,), (2,), (1,)]
    """
    return _split("array_split", x, indices_or_sections, axis)


def split(x, indices_or_sections, axis=0):
    """A list of parts along an axis: so many of equal length, or cut before each of these indices.

    >>> split(np.array([1.0, 2.0, 3.0]), [1])
    [array([1.]), array([2., 3.])]
    """
    return _split("split", x, indices_or_sections, axis)


for _function in (array_split, split):
    OPS[_function.__name__] = BY_NUMPY[getattr(np, _function.__name__)] = _function
