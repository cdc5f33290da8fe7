"""Windows over the axes of images, and the options that say which."""

import functools

import numpy as np

from .._options import wholes
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


def sliding_options(name, kernel_size, stride, padding, dims):
    """kernel_size, stride and padding of a pooling for each axis; OptionError for what no images fit."""
    size = wholes(name, "kernel_size", kernel_size, dims, 1)
    step, around = (
        wholes(name, "stride", size if stride is None else stride, dims, 1),
        wholes(name, "padding", padding, dims, 0),
    )
    if any(2 * p > k for p, k in zip(around, size, strict=True)):
        raise OptionError(f"{name}: padding {padding} is more than half of the kernel {kernel_size}")
    return size, step, around


def check_images(name, shape, dims):
    """Raise ShapeError unless there is an axis for the images, `dims` axes of the image, and one for the channels."""
    if len(shape) != dims + 2:
        raise ShapeError(f"{name}: expected input of shape {NAMES[dims]}, got {shape}")
