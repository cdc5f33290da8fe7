"""Windows over the axes of images, and the options that say which."""

import functools

import numpy as np

from .._options import got, is_whole
from ..errors import OptionError, ShapeError

NAMES = {1: "(n, length, channels)", 2: "(n, height, width, channels)"}


@functools.lru_cache(1024)
def sliding(n, size, stride, padding, inside):
    """(begin, end, divisor) of each window along n numbers; `inside` divides by the numbers that are not padding."""
    begin = np.arange((n + 2 * padding - size) // stride + 1) * stride - padding
    low, high = np.maximum(begin, 0), np.minimum(begin + size, n)
    return np.stack([low, high, high - low if inside else np.full(len(begin), size)], 1).astype(np.int64)


@functools.lru_cache(1024)
def adaptive(n, count):
    """(begin, end, divisor) of `count` windows over all of n numbers, whose lengths differ by one at most."""
    i = np.arange(count)
    low, high = i * n // count, -(-(i + 1) * n // count)
    return np.stack([low, high, high - low], 1).astype(np.int64)


@functools.lru_cache(1024)
def blocks(n, factor):
    """(begin, end, 1) of the stretches of the output that come from each of n numbers."""
    low = np.arange(n) * factor
    return np.stack([low, low + factor, np.ones(n)], 1).astype(np.int64)


ALL = np.array([[0, 1, 1]])  # the one window of an axis of length 1


def as_numbers(name, option, value, dims, least):
    """An option as whole numbers, one for each axis: given as one number for all, or as a tuple."""
    given = tuple(value) if isinstance(value, tuple | list) else (value,) * dims
    if len(given) != dims or not all(is_whole(v, least) for v in given):
        several = "" if dims == 1 else f", or {dims} of them"
        raise OptionError(f"{name}: {option} must be a whole number of at least {least}{several}, got {got(value)}")
    return tuple(int(v) for v in given)


def check_images(name, shape, dims):
    """Raise ShapeError unless there is an axis for the images, `dims` axes of the image, and one for the channels."""
    if len(shape) != dims + 2:
        raise ShapeError(f"{name}: expected input of shape {NAMES[dims]}, got {shape}")
