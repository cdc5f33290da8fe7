"""What the ops share: calling flat kernels on arrays of any shape, moving numbers, axes, and the checks of shapes."""

import functools

import numpy as np

from .. import kernels
from ..errors import ShapeError
from ..kernels import constant, current, root, share

_TAKE = {np.dtype(np.float32): kernels.take, np.dtype(np.float64): kernels.take, np.dtype(np.int64): kernels.take_integers,
         np.dtype(np.bool_): kernels.take_booleans}  # fmt: skip


def contiguous(x):
    """x itself if its numbers are in C order, else a copy that is; while a log is open, a kernel moves them."""
    if x.flags.c_contiguous:
        return x
    if current.log is None:
        return np.ascontiguousarray(x)
    out = np.empty(x.shape, x.dtype)
    if not out.size:
        return out
    owner, take = root(x), _TAKE.get(x.dtype)
    if take is None or not owner.flags.c_contiguous:
        current.log.fail(f"an array of dtype {x.dtype} and shape {x.shape} has to be put in C order")
        return np.ascontiguousarray(x)
    if take is kernels.take:
        if not any(x.strides[i] for i in range(x.ndim) if x.shape[i] > 1):
            kernels.fill(one_number(x), flat(out))
            return out
        if _spread(x, out) or _columns(x, owner, out):
            return out
    offset = (address(x) - address(owner)) // x.itemsize
    strides = [s // x.itemsize * np.arange(n).reshape(-1, *[1] * (x.ndim - 1 - i))
               for i, (s, n) in enumerate(zip(x.strides, x.shape, strict=True))]  # fmt: skip
    positions = np.ascontiguousarray(np.broadcast_to(sum(strides) + offset, x.shape), np.int64)
    take(flat(owner), flat(constant(positions)), flat(out))
    return out


def _spread(x, out):
    """Fill `out` with x if that only repeats numbers along its first or along its last axes; whether it did."""
    for cut in range(1, x.ndim):
        for repeated, kept, kernel in ((x.shape[cut:], slice(None, cut), kernels.spread_rows),
                                       (x.shape[:cut], slice(cut, None), kernels.spread_columns)):  # fmt: skip
            still = x.strides[cut:] if kernel is kernels.spread_rows else x.strides[:cut]
            if any(s for s, n in zip(still, repeated, strict=True) if n > 1):
                continue
            index: list = [0] * x.ndim
            index[kept] = [slice(None)] * len(x.shape[kept])
            numbers = x[tuple(index)]
            if numbers.flags.c_contiguous:
                rows = numbers.size if kernel is kernels.spread_rows else out.size // numbers.size
                kernel(flat(numbers), out.reshape(rows, -1))
                return True
    return False


def _columns(x, owner, out):
    """Fill `out` with x if that is some columns of all rows of its owner, taken as a matrix; whether it did."""
    axes = [(n, s // x.itemsize) for n, s in zip(x.shape, x.strides, strict=True) if n > 1]
    width, rows = 1, 1
    while axes and axes[-1][1] == width:
        width *= axes.pop()[0]
    length = axes[-1][1] if axes else 0
    while axes and axes[-1][1] == rows * length:
        rows *= axes.pop()[0]
    first = (address(x) - address(owner)) // x.itemsize
    if axes or length < 1 or rows * length != owner.size or first + width > length:
        return False
    kernels.take_columns(owner.reshape(rows, length), constant(np.array([first])), out.reshape(rows, width))
    return True


def fresh(x):
    """A copy of x in C order, by a kernel while a log is open."""
    if current.log is None:
        return np.array(x, order="C")
    ordered = contiguous(x)
    if ordered is not x or not x.size:
        return ordered
    if x.dtype.kind != "f":
        current.log.fail(f"numbers of dtype {x.dtype} are copied")
        return x.copy()
    out = np.empty(x.shape, x.dtype)
    kernels.copy(flat(x), flat(out))
    return out


def flat(x):
    """A view of a C-contiguous array with one axis."""
    return x.reshape(-1)


def numbers(x):
    """The numbers of x in C order, with one axis: a view where that can be."""
    return x.reshape(-1) if x.flags.c_contiguous else contiguous(x).reshape(-1)


def one_number(x):
    """A view of the first number, with one axis."""
    return x[(slice(0, 1),) * x.ndim].reshape(-1)


def address(x):
    """Where an array's first number is."""
    return x.__array_interface__["data"][0]


def is_fixed(x):
    """Whether the numbers of x are the same in every run of an open log."""
    return current.log is None or id(root(x)) in current.log.constants


def unary(kernel, x):
    """Run a kernel `x[n] -> out[n]` on an array of any shape."""
    out = np.empty(x.shape, x.dtype)
    share(kernel, numbers(x), out.reshape(-1))
    return out


def operand(x, shape):
    """x as an operand of an elementwise kernel: flat, expanded to the shape unless it is a single number."""
    if x.shape == shape:
        if x.flags.c_contiguous:
            return x.reshape(-1)
        return flat(contiguous(x)) if any(x.strides) else one_number(x)
    return x.reshape(-1) if x.size == 1 else flat(contiguous(np.broadcast_to(x, shape)))


def binary(kernel, x, y, dtype=None):
    """Run a kernel `x[n|1] y[n|1] -> out[n]` on two arrays that broadcast; a single number is not expanded."""
    shape = x.shape if x.shape == y.shape else np.broadcast_shapes(x.shape, y.shape)
    out = np.empty(shape, dtype or x.dtype)
    if out.size:
        share(kernel, operand(x, shape), operand(y, shape), flat(out))
    return out


def same_shape(kernel, *inputs):
    """Run a kernel `x[n] ... -> out[n]` on arrays of one shape."""
    out = np.empty(inputs[0].shape, inputs[0].dtype)
    share(kernel, *[numbers(a) for a in inputs], out.reshape(-1))
    return out


def constants(*numbers, dtype=np.float64):
    """Numbers, such as a call's options, as a constant array: the same one for the same numbers, which nobody changes."""
    return constant(_array(dtype, *numbers))


@functools.lru_cache(1024)
def _array(dtype, *numbers):
    return np.array(numbers, dtype)


# ---- for rules ---------------------------------------------------------------------------------------------------------
def _by_kernel(x, y):
    """Whether a kernel, which shares large work between threads, is quicker than NumPy for these."""
    return type(x) is np.ndarray and x.size >= 4096 and (x.shape == y.shape or y.size == 1)


def times(x, y):
    """x * y."""
    return binary(kernels.multiply, x, y) if _by_kernel(x, y) else x * y


def over(x, y):
    """x / y."""
    return binary(kernels.divide, x, y) if _by_kernel(x, y) else x / y


def negated(x):
    """-x."""
    return unary(kernels.negative, x) if _by_kernel(x, x) else -x


# ---- checks ------------------------------------------------------------------------------------------------------------
def check_broadcast(name):
    """A check that all inputs broadcast to one shape."""

    def check(*arrays, **_):
        shapes = [a.shape for a in arrays]
        if shapes.count(shapes[0]) == len(shapes):
            return
        try:
            np.broadcast_shapes(*shapes)
        except ValueError:
            raise ShapeError(
                f"{name}: shapes {' and '.join(map(str, shapes))} do not broadcast; "
                "axes must be equal, or 1, counted from the last"
            ) from None

    return check


def check_same_shape(name):
    """A check that all inputs have one shape."""

    def check(*arrays, **_):
        shapes = [a.shape for a in arrays]
        if shapes.count(shapes[0]) != len(shapes):
            raise ShapeError(f"{name}: the inputs must have one shape, got {' and '.join(map(str, shapes))}")

    return check


def axes_of(name, axis, ndim):
    """An axis argument (None, a number, several) as a sorted tuple of non-negative axes."""
    if axis is None:
        return tuple(range(ndim))
    given = axis if isinstance(axis, tuple | list) else (axis,)
    for a in given:
        if isinstance(a, bool) or not isinstance(a, int | np.integer):
            raise ShapeError(f"{name}: axis must be a whole number, several, or None, got {axis!r}")
        if not -ndim <= a < ndim:
            raise ShapeError(f"{name}: axis {a} does not exist in an array with {ndim} axes")
    axes = tuple(sorted(int(a) % ndim for a in given))
    if len(set(axes)) != len(axes):
        raise ShapeError(f"{name}: axis {axis} names one axis twice")
    return axes


def axis_of(name, axis, ndim):
    """One axis, as a non-negative number."""
    if isinstance(axis, tuple | list) or axis is None:
        raise ShapeError(f"{name}: axis must be one whole number, got {axis!r}")
    return axes_of(name, axis, ndim)[0]


def as_rows(x, axes):
    """x as a matrix whose rows run over `axes`, and the shape of what is left."""
    kept = [i for i in range(x.ndim) if i not in axes]
    rest = tuple(x.shape[i] for i in kept)
    moved = x if list(axes) == list(range(x.ndim - len(axes), x.ndim)) else x.transpose(*kept, *axes)
    return contiguous(moved).reshape(int(np.prod(rest)), int(np.prod([x.shape[i] for i in axes]))), rest


def kept_shape(shape, axes):
    """The shape with the axes kept at length 1."""
    return tuple(1 if i in axes else n for i, n in enumerate(shape))
