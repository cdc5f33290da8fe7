"""What ops that normalise share: checks of what they are given, and channels, the last axis, as rows or as blocks of them."""

import functools
import math

import numpy as np

from .. import kernels
from .._options import is_real
from ..errors import OptionError, ShapeError
from ..kernels import share

LARGE_HERE = 1 << 17  # numbers: these kernels do so little with each that fewer are not worth handing over


def share_if_large(kernel, *buffers):
    if buffers[0].size < LARGE_HERE:
        kernel(*buffers)
    else:
        share(kernel, *buffers)


def check_eps(name, eps):
    if not (type(eps) is float or is_real(eps)) or not 0 <= eps < math.inf:
        raise OptionError(f"{name}: eps must be a number of at least 0, got {eps!r}")


def check_channels(name, x, *columns):
    channels = x.shape[-1:]
    for c in columns:
        if c.shape != channels:
            break
    else:
        if channels and channels[0]:
            return
    shapes = [c.shape for c in columns]
    if columns[0].ndim != 1 or shapes.count(shapes[0]) != len(shapes):
        expected = "one shape (channels,)" if len(columns) > 1 else "shape (channels,)"
        raise ShapeError(f"{name}: expected weights of {expected}, got {' and '.join(map(str, shapes))}")
    if not x.ndim or x.shape[-1] != len(columns[0]) or not len(columns[0]):
        raise ShapeError(f"{name}: expected input of shape (..., {len(columns[0])}), got {x.shape}")


def normalised(x, axes, eps):
    """x normalised over axes, in twins."""
    d = x - x.mean(axis=axes, keepdims=True)
    return d / np.sqrt((d * d).mean(axis=axes, keepdims=True) + eps)


def sums_of(slopes):
    """The gradients of weight and bias from those of each block."""
    dweight, dbias = np.empty(slopes.shape[-1], slopes.dtype), np.empty(slopes.shape[-1], slopes.dtype)
    kernels.sum_slopes(slopes, dweight, dbias)
    return dweight, dbias


def blocks_of(x):
    """x as blocks of rows, one for each sample; None for samples of one row."""
    count = math.prod(x.shape[1:-1])
    return x.reshape(len(x), count, x.shape[-1]) if x.ndim > 2 and count > 1 else None


def rows_of(x):
    """x as rows of channels."""
    return x if x.ndim == 2 else x.reshape(x.size // x.shape[-1], x.shape[-1])


FAR_FROM_0 = functools.partial(lambda shape, rng: 1e4 + rng.normal(size=shape) * 8, (33, 3))  # numbers far from 0
NAN = [[np.nan, 1.0, 2.0], [np.inf, 1.0, 0.0], [3.0, 1.0, -1.0]]
