"""Pooling and nearest upsampling of channels-last images (n, h, w, c) and sequences (n, length, c)."""

import numpy as np

from .. import ops
from .._op import Op
from .._options import flag, frozen, wholes
from ..ops._windows import check_images, sliding_options
from .module import Module

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AvgPool1d",
    "AvgPool2d",
    "GlobalAvgPool1d",
    "GlobalAvgPool2d",
    "GlobalMaxPool1d",
    "GlobalMaxPool2d",
    "MaxPool1d",
    "MaxPool2d",
    "Upsample",
]


class _Sliding(Module):
    """Pooling with windows of one size: an op that is given the attributes of its options' names."""

    op: Op
    dims: int

    def __init__(self, kernel_size, stride=None, padding=0):
        name = type(self).__name__
        sliding_options(name, kernel_size, stride, padding, self.dims)
        self.kernel_size, self.stride, self.padding = frozen(kernel_size), frozen(stride), frozen(padding)

    def forward(self, x):
        return self.op(x, **{name: getattr(self, name) for name in self.op.options})

    def __repr__(self):
        shown = [repr(self.kernel_size)]
        shown += [f"stride={self.stride}"] if self.stride is not None else []
        shown += [f"padding={self.padding}"] if self.padding != 0 else []
        shown += ["count_include_pad=False"] if not getattr(self, "count_include_pad", True) else []
        return f"{type(self).__name__}({', '.join(shown)})"


class MaxPool1d(_Sliding):
    """The largest number of each window: (n, length, c) -> (n, length', c); see ops.max_pool2d.

    Options and errors are those of MaxPool2d, along one axis.

    >>> MaxPool1d(2)(np.ones((1, 6, 3))).shape
    (1, 3, 3)
    """

    op, dims = ops.max_pool1d, 1


class MaxPool2d(_Sliding):
    """The largest number of each window: (n, h, w, c) -> (n, h', w', c); see ops.max_pool2d.

    kernel_size, stride (the kernel's size unless given) and padding are one number, or two for height and width.
    Raises OptionError for padding of more than half of the kernel, ShapeError where the kernel is larger than the image with
    its padding.

    >>> MaxPool2d(2)(np.ones((1, 6, 8, 3))).shape
    (1, 3, 4, 3)
    """

    op, dims = ops.max_pool2d, 2


class _Mean(_Sliding):
    def __init__(self, kernel_size, stride=None, padding=0, *, count_include_pad=True):
        super().__init__(kernel_size, stride, padding)
        self.count_include_pad = flag(type(self).__name__, "count_include_pad", count_include_pad)


class AvgPool1d(_Mean):
    """The mean of each window: (n, length, c) -> (n, length', c); see ops.avg_pool2d.

    Options and errors are those of AvgPool2d, along one axis.

    >>> AvgPool1d(2)(np.ones((1, 6, 3))).shape
    (1, 3, 3)
    """

    op, dims = ops.avg_pool1d, 1


class AvgPool2d(_Mean):
    """The mean of each window: (n, h, w, c) -> (n, h', w', c); see ops.avg_pool2d.

    kernel_size, stride (the kernel's size unless given) and padding are one number, or two for height and width. Padding
    counts as zeros, or not at all with count_include_pad=False.
    Raises OptionError for padding of more than half of the kernel, ShapeError where the kernel is larger than the image with
    its padding.

    >>> AvgPool2d(3, stride=2, padding=1)(np.ones((1, 6, 8, 3))).shape
    (1, 3, 4, 3)
    """

    op, dims = ops.avg_pool2d, 2


class _Adaptive(Module):
    op: Op
    dims: int

    def __init__(self, output_size):
        wholes(type(self).__name__, "output_size", output_size, self.dims, 1)
        self.output_size = frozen(output_size)

    def forward(self, x):
        return self.op(x, output_size=self.output_size)

    def __repr__(self):
        return f"{type(self).__name__}({self.output_size})"


class AdaptiveMaxPool1d(_Adaptive):
    """The largest numbers of so many windows: (n, length, c) -> (n, output_size, c).

    Their lengths differ by one at most, as PyTorch has them. Raises ShapeError for sequences without steps.

    >>> AdaptiveMaxPool1d(4)(np.ones((1, 9, 3))).shape
    (1, 4, 3)
    """

    op, dims = ops.adaptive_max_pool1d, 1


class AdaptiveMaxPool2d(_Adaptive):
    """The largest numbers of so many windows: (n, h, w, c) -> (n, output_size..., c).

    output_size is a number, or two for height and width; windows differ by one pixel at most along either, as PyTorch has
    them. Raises ShapeError for images without pixels.

    >>> AdaptiveMaxPool2d((4, 2))(np.ones((1, 9, 9, 3))).shape
    (1, 4, 2, 3)
    """

    op, dims = ops.adaptive_max_pool2d, 2


class AdaptiveAvgPool1d(_Adaptive):
    """The means of so many windows: (n, length, c) -> (n, output_size, c).

    Their lengths differ by one at most, as PyTorch has them. Raises ShapeError for sequences without steps.

    >>> AdaptiveAvgPool1d(4)(np.ones((1, 9, 3))).shape
    (1, 4, 3)
    """

    op, dims = ops.adaptive_avg_pool1d, 1


class AdaptiveAvgPool2d(_Adaptive):
    """The means of so many windows: (n, h, w, c) -> (n, output_size..., c).

    output_size is a number, or two for height and width; windows differ by one pixel at most along either, as PyTorch has
    them. Raises ShapeError for images without pixels.

    >>> AdaptiveAvgPool2d((4, 2))(np.ones((1, 9, 9, 3))).shape
    (1, 4, 2, 3)
    """

    op, dims = ops.adaptive_avg_pool2d, 2


class _Global(Module):
    """Pooling of whole images: one number a channel is left."""

    op: Op
    dims: int

    def forward(self, x):
        check_images(type(self).__name__, np.shape(x), self.dims)
        y = self.op(x, output_size=1)
        return y.reshape(y.shape[0], y.shape[-1])


class GlobalMaxPool1d(_Global):
    """The largest number of each channel: (n, length, c) -> (n, c). Raises ShapeError for other numbers of axes.

    >>> GlobalMaxPool1d()(np.array([[[1.0], [3.0], [2.0]]]))
    array([[3.]])
    """

    op, dims = ops.adaptive_max_pool1d, 1


class GlobalMaxPool2d(_Global):
    """The largest number of each channel: (n, h, w, c) -> (n, c). Raises ShapeError for other numbers of axes.

    >>> GlobalMaxPool2d()(np.arange(16.0).reshape(2, 2, 2, 2))
    array([[ 6.,  7.],
           [14., 15.]])
    """

    op, dims = ops.adaptive_max_pool2d, 2


class GlobalAvgPool1d(_Global):
    """The mean of each channel: (n, length, c) -> (n, c). Raises ShapeError for other numbers of axes.

    >>> GlobalAvgPool1d()(np.array([[[1.0], [3.0], [2.0]]]))
    array([[2.]])
    """

    op, dims = ops.adaptive_avg_pool1d, 1


class GlobalAvgPool2d(_Global):
    """The mean of each channel: (n, h, w, c) -> (n, c).

    Lin, Chen and Yan 2013, "Network in network", section 3.2. Raises ShapeError for other numbers of axes.

    >>> GlobalAvgPool2d()(np.arange(16.0).reshape(2, 2, 2, 2))
    array([[ 3.,  4.],
           [11., 12.]])
    """

    op, dims = ops.adaptive_avg_pool2d, 2


class Upsample(Module):
    """Every number repeated along the image's axes (nearest): (n, h, w, c) -> (n, h f, w f, c), or (n, length, c).

    scale_factor is a positive whole number, or two for height and width. Raises ShapeError for other numbers of axes.

    >>> Upsample(2)(np.ones((1, 3, 4, 5))).shape
    (1, 6, 8, 5)
    """

    def __init__(self, scale_factor):
        dims = 1 if isinstance(scale_factor, tuple | list) and len(scale_factor) == 1 else 2
        wholes("Upsample", "scale_factor", scale_factor, dims, 1)
        self.scale_factor = frozen(scale_factor)

    def forward(self, x):
        return ops.upsample(x, scale_factor=self.scale_factor)

    def __repr__(self):
        return f"Upsample({self.scale_factor})"
