"""What the ops share: calling flat kernels on arrays of any shape, axes, and the checks of shapes."""

import numpy as np

from ..errors import ShapeError


def unary(kernel, x):
    """Run a kernel `x[n] out[n]` on an array of any shape."""
    out = np.empty(x.shape, x.dtype)
    kernel(x.ravel(), out.ravel())
    return out


def binary(kernel, x, y):
    """Run a kernel `x[n|1] y[n|1] out[n]` on two arrays that broadcast; a single number is not expanded."""
    shape = x.shape if x.shape == y.shape else np.broadcast_shapes(x.shape, y.shape)
    out = np.empty(shape, x.dtype)
    if x.shape != shape and x.size != 1:
        x = np.broadcast_to(x, shape)
    if y.shape != shape and y.size != 1:
        y = np.broadcast_to(y, shape)
    if out.size:
        kernel(x.ravel(), y.ravel(), out.ravel())
    return out


def check_broadcast(name):
    """A check that all inputs broadcast to one shape."""

    def check(*arrays, **_):
        try:
            np.broadcast_shapes(*(np.shape(a) for a in arrays))
        except ValueError:
            shapes = " and ".join(str(np.shape(a)) for a in arrays)
            raise ShapeError(
                f"{name}: shapes {shapes} do not broadcast; axes must be equal, or 1, counted from the last"
            ) from None

    return check


def elementwise(kernel, *inputs):
    """Run a kernel `x[n] ... out[n]` on arrays of one shape."""
    out = np.empty(inputs[0].shape, inputs[0].dtype)
    kernel(*(a.ravel() for a in inputs), out.ravel())
    return out


def check_same_shape(name):
    """A check that all inputs have one shape."""

    def check(*arrays, **_):
        shapes = [np.shape(a) for a in arrays]
        if any(shape != shapes[0] for shape in shapes):
            raise ShapeError(f"{name}: the inputs must have one shape, got {' and '.join(map(str, shapes))}")

    return check


def axes_of(name, axis, ndim):
    """An axis argument (None, a number, several) as a sorted tuple of non-negative axes."""
    if axis is None:
        return tuple(range(ndim))
    given = axis if isinstance(axis, tuple | list) else (axis,)
    for a in given:
        if not isinstance(a, int | np.integer):
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
    return np.ascontiguousarray(moved).reshape(int(np.prod(rest)), int(np.prod([x.shape[i] for i in axes]))), rest


def kept_shape(shape, axes):
    """The shape with the axes kept at length 1."""
    return tuple(1 if i in axes else n for i, n in enumerate(shape))
