"""Convolutions of images, channels last, with both their gradients as ops.

A convolution is linear in the images and in the weights: its gradients are convolutions again, and so are theirs.
"""

import numpy as np

from .. import kernels
from .._op import op
from .._options import is_whole, wholes
from .._samples import accumulated, bad, sample, strided
from ..errors import OptionError, ShapeError, choose
from ..kernels import constant, share_sums
from ._convolution import (
    as_images,
    as_pixels,
    as_weights,
    biased,
    check_bias,
    convolved_twin,
    geometry_of,
    input_twin,
    weight_twin,
)
from ._shared import contiguous
from .elementwise import relu_backward

ACTIVATIONS = {None: kernels.convolve, "relu": kernels.convolve_relu}


# ---- the convolution --------------------------------------------------------------------------------------------------
def conv2d_twin(x, w, b, stride=1, padding="valid", dilation=1, groups=1, activation=None):
    geometry = geometry_of("conv2d", x.shape, w.shape, stride, padding, dilation, groups)
    y = convolved_twin(x, w, geometry)
    y = y + b if np.size(b) else y
    return y if activation is None else np.where(y <= 0, 0, y)  # NaN stays NaN


def _check_conv2d(x, w, b, stride=1, padding="valid", dilation=1, groups=1, activation=None):
    geometry_of("conv2d", x.shape, w.shape, stride, padding, dilation, groups)
    check_bias("conv2d", b, w.shape[3])
    choose("conv2d", "activation", activation, ACTIVATIONS)


def _conv2d_backward(needs, g, y, x, w, b, stride=1, padding="valid", dilation=1, groups=1, activation=None):
    geometry, real = geometry_of("conv2d", x.shape, w.shape, stride, padding, dilation, groups), x.dtype
    plan = constant(kernels.backward_plan(geometry, real.itemsize))
    g, images, inputs = as_pixels(g), as_images(x), [as_pixels(y)] if activation else []
    dx, dw, db = np.empty(x.shape if needs[0] else 0, real), np.empty(w.shape, real), np.empty(geometry.features, real)
    work = np.empty(kernels.convolution_workspace(plan, g.shape[1] * g.shape[2] if activation else 0), real)
    if needs[0]:
        turned = np.empty(kernels.turned_shape(geometry, real.itemsize), real)
        kernels.turned_weights(as_weights(w), plan, turned)
        run = kernels.convolve_relu_backward if activation else kernels.convolve_backward
        share_sums(run, g, *inputs, images, turned, plan, as_images(dx), as_weights(dw), db, work)
    else:
        run = kernels.convolve_relu_backward_first if activation else kernels.convolve_backward_first
        share_sums(run, g, *inputs, images, plan, as_weights(dw), db, work)
    return dx if needs[0] else None, dw, db if b.size else np.empty(0, real)


def _before_relu(g, y, activation):
    return g if activation is None else relu_backward(g, y)


def _conv2d_x(g, y, _x, w, _b, activation=None, **options):
    return conv2d_input_gradient(_before_relu(g, y, activation), w, size=_x.shape[1:3], **options)


def _conv2d_w(g, y, x, _w, _b, activation=None, **options):
    return conv2d_weight_gradient(x, _before_relu(g, y, activation), kernel_size=_w.shape[:2], **options)


def _conv2d_b(g, y, _x, _w, _b, activation=None, **options):
    return _before_relu(g, y, activation).sum((0, 1, 2))[: _b.size]


_CASES: list = [
    {}, {"stride": 2, "padding": 1}, {"padding": "same", "dilation": (2, 1)}, {"stride": (3, 2), "padding": "same"},
    {"padding": ((1, 0), (0, 2)), "stride": (1, 3)},
]  # fmt: skip


@biased(
    twin=conv2d_twin, fused=_conv2d_backward, backward=[_conv2d_x, _conv2d_w, _conv2d_b], unread=("b",), check=_check_conv2d,
    tolerance=accumulated(16),
    samples=[
        sample((2, 5, 4, 3), (3, 2, 3, 4), (4,)), sample((2, 5, 4, 3), (3, 3, 3, 4), (4,), activation="relu"),
        *[sample((2, 5, 4, 2), (3, 2, 2, 3), (3,), **options) for options in _CASES],
        sample((1, 4, 4, 4), (3, 3, 2, 6), (6,), groups=2, activation="relu"),
        sample((2, 4, 3, 5), (2, 2, 1, 5), (5,), groups=5), sample((1, 4, 4, 2), (3, 3, 1, 4), (4,), groups=2, padding=1),
        sample((2, 3, 4, 2), (3, 4, 2, 17), (17,)), sample((2, 3, 2, 3), (1, 1, 3, 4), (4,)),
        sample((1, 5, 5, 1), (1, 1, 1, 2), (2,), stride=3), sample((0, 4, 4, 2), (3, 3, 2, 2), (2,), activation="relu"),
        sample((1, 1, 7, 1), (1, 3, 1, 33), (33,)), sample((1, 4, 3, 2), (2, 2, 2, 8), (8,), padding=(1, 2)),
        sample(strided(1, 4, 3, 2), (2, 2, 2, 16), (16,)), sample((1, 3, 3, 2), (2, 2, 2, 3), (0,)),
        sample((1, 2, 2, 3), (2, 2, 3, 2), (0,), activation="relu", padding=1),
        sample((1, 2, 2, 3), (2, 2, 3, 2), (2,), padding=1, stride=5),
        sample((2, 1, 1, 16), (1, 2, 8, 8), (8,), padding=(0, 1), stride=(1, 3), groups=2),
    ],
    errors=[
        bad((5, 4, 3), (3, 3, 3, 4), (4,), error=ShapeError, match="expected images (N, height, width, channels) and a weight"),
        bad((2, 5, 4, 3), (3, 3, 2, 4), (4,), error=ShapeError, match="takes 2 channels, got images of shape (2, 5, 4, 3)"),
        bad((2, 3, 5, 4), (3, 3, 3, 4), (4,), error=ShapeError, match="channels are last: x.transpose(0, 2, 3, 1)"),
        bad((2, 5, 4, 3), (3, 3, 3, 4), (3,), error=ShapeError, match="conv2d: expected a bias (4,), or none, got (3,)"),
        bad((2, 5, 4, 3), (6, 3, 3, 4), (4,), error=ShapeError,
            match="conv2d: the kernel covers 6 x 3 pixels, images of shape (2, 5, 4, 3) have, padded, 5 x 4"),
        bad((2, 5, 4, 3), (3, 3, 3, 4), (4,), dilation=3, padding=1, error=ShapeError, match="covers 7 x 7 pixels"),
        bad((2, 5, 4, 3), (3, 3, 3, 4), (4,), groups=2, error=ShapeError, match="groups=2 must divide the 3 channels"),
        bad((2, 5, 4, 4), (3, 3, 2, 3), (3,), groups=2, error=ShapeError, match="and the 3 of the output"),
        bad((2, 5, 4, 3), (3, 0, 3, 4), (4,), error=ShapeError, match="covers no pixel"),
        bad((2, 5, 4, 3), (3, 3, 3, 4), (4,), stride=0, error=OptionError, match="stride must be a positive whole number"),
        bad((2, 5, 4, 3), (3, 3, 3, 4), (4,), dilation=2**40, error=OptionError, match="too large: numbers must be less than"),
        bad((2, 5, 4, 3), (3, 3, 3, 4), (4,), dilation=2**30, padding="same", error=ShapeError, match="which is too many"),
        bad((2, 5, 4, 3), (3, 3, 3, 4), (4,), activation=[], error=OptionError, match="conv2d: unknown activation []"),
        bad((2, 5, 4, 3), (3, 3, 3, 4), (4,), groups=0, error=OptionError, match="groups must be a positive whole number"),
        bad((2, 5, 4, 3), (3, 3, 3, 4), (4,), padding=-1, error=OptionError, match='padding must be "valid", "same", a whole'),
        bad((2, 5, 4, 3), (3, 3, 3, 4), (4,), padding="some", error=OptionError, match="did you mean 'same'?"),
        bad((2, 5, 4, 3), (3, 3, 3, 4), (4,), activation="rellu", error=OptionError, match="did you mean 'relu'?"),
    ],
)  # fmt: skip
def conv2d(x, w, b=None, /, stride=1, padding="valid", dilation=1, groups=1, activation=None):
    """Images through filters, channels last: (N, H, W, in), (kh, kw, in / groups, out), (out,) -> (N, H', W', out).

    y[n, p, q, :] = b + sum over i, j of x[n, p * stride + i * dilation, q * stride + j * dilation, :] @ w[i, j], then
    max(0, .) with activation="relu", in one pass; b may be left out. Of `groups` groups of channels each has its own filters.

    padding: zeros around the images: "valid" (none), a number, two (height, width), two pairs ((above, below),
    (left, right)), or "same": so many that H' = H / stride, rounded up; if their number is odd, one more below and right (as
    in TensorFlow; PyTorch's "same" is that for stride 1 and refuses other strides).

    >>> x, w = np.ones((1, 3, 3, 1)), np.ones((2, 2, 1, 1))
    >>> conv2d(x, w)[0, :, :, 0]
    array([[4., 4.],
           [4., 4.]])
    >>> conv2d(x, w, padding="same")[0, :, :, 0]
    array([[4., 4., 2.],
           [4., 4., 2.],
           [2., 2., 1.]])
    """
    geometry = geometry_of("conv2d", x.shape, w.shape, stride, padding, dilation, groups)
    (height, width), n, real = geometry.size, geometry.features, x.dtype
    plan = constant(kernels.forward_plan(geometry))
    out, work = np.empty((len(x), height, width, n), real), np.empty(kernels.convolution_workspace(plan), real)
    b = contiguous(b) if b.size else constant(b)
    share_sums(ACTIVATIONS[activation], as_images(x), as_weights(w), b, plan, as_pixels(out), work)
    return out


# ---- its gradients ----------------------------------------------------------------------------------------------------
def input_geometry(name, g, w, size, stride, padding, dilation, groups):
    """The Geometry of the convolution whose output has this shape; errors name its gradient."""
    size = wholes(name, "size", size, 2, 0)
    if len(g) != 4 or len(w) != 4:
        raise ShapeError(
            f"{name}: expected images (N, height, width, channels) and a weight (height, width, out / groups, in), "
            f"got {g} and {w}"
        )
    channels = w[2] * groups if is_whole(groups, 1) else w[2]
    geometry = geometry_of(name, (g[0], *size, channels), w, stride, padding, dilation, groups)
    if g[1:] != (*geometry.size, geometry.features):
        raise ShapeError(
            f"{name}: a convolution of images {(g[0], *size, channels)} with a weight {w} gives "
            f"{(g[0], *geometry.size, geometry.features)}, got a gradient of shape {g}"
        )
    return geometry


def _check_input(g, w, size, stride=1, padding="valid", dilation=1, groups=1):
    input_geometry("conv2d_input_gradient", g.shape, w.shape, size, stride, padding, dilation, groups)


def conv2d_input_twin(g, w, size, stride=1, padding="valid", dilation=1, groups=1):
    name = "conv2d_input_gradient"
    return input_twin(g, w, input_geometry(name, g.shape, w.shape, size, stride, padding, dilation, groups))


@op(
    twin=conv2d_input_twin, check=_check_input, tolerance=accumulated(16),
    backward=[lambda g, _y, _g, w, size, **options: conv2d(g, w, **options),
              lambda g, _y, gradient, _w, size, **options:
                  conv2d_weight_gradient(g, gradient, kernel_size=_w.shape[:2], **options)],
    samples=[
        sample((2, 3, 2, 3), (2, 3, 2, 3), size=(4, 4)), sample((1, 3, 3, 4), (2, 2, 3, 4), size=(6, 7), stride=2),
        sample((2, 5, 4, 2), (3, 2, 3, 2), size=(5, 4), padding="same"), sample((1, 2, 2, 3), (1, 1, 2, 3), size=5, stride=3),
        sample((1, 2, 3, 4), (3, 3, 2, 4), size=(4, 5), groups=2), sample((2, 3, 2, 5), (2, 2, 1, 5), size=(4, 3), groups=5),
        sample((1, 1, 1, 17), (3, 4, 2, 17), size=(3, 4)), sample((0, 2, 2, 2), (3, 3, 2, 2), size=4),
        sample((1, 3, 3, 16), (2, 2, 3, 16), size=(4, 4)), sample((1, 2, 2, 8), (2, 2, 17, 8), size=(3, 3)),
        sample(strided(1, 2, 2, 2), (2, 2, 1, 2), size=4, dilation=2),
        sample((2, 1, 1, 16), (2, 2, 4, 16), size=1, padding=1, stride=3, groups=4),
    ],
    errors=[
        bad((2, 3, 2, 3), (2, 3, 2, 4), size=(4, 4), error=ShapeError, match="gives (2, 3, 2, 4), got a gradient of shape"),
        bad((3, 2, 3), (2, 3, 2, 4), size=(4, 4), error=ShapeError, match="and a weight (height, width, out / groups, in)"),
        bad((2, 3, 2, 3), (2, 3, 2, 3), size="big", error=OptionError, match="size must be a whole number of at least 0"),
    ],
)  # fmt: skip
def conv2d_input_gradient(g, w, /, size, stride=1, padding="valid", dilation=1, groups=1):
    """The gradient of a convolution by its images, which have `size` (height, width), from that of its output.

    (N, H', W', out), (kh, kw, in / groups, out) -> (N, H, W, in).

    >>> conv2d_input_gradient(np.ones((1, 2, 2, 1)), np.ones((2, 2, 1, 1)), size=(3, 3))[0, :, :, 0]
    array([[1., 2., 1.],
           [2., 4., 2.],
           [1., 2., 1.]])
    """
    name = "conv2d_input_gradient"
    geometry, real = input_geometry(name, g.shape, w.shape, size, stride, padding, dilation, groups), g.dtype
    plan = constant(kernels.input_plan(geometry, real.itemsize))
    turned = np.empty(kernels.turned_shape(geometry, real.itemsize), real)
    kernels.turned_weights(as_weights(w), plan, turned)
    out = np.empty((len(g), geometry.height, geometry.width, geometry.channels), real)
    work = np.empty(kernels.convolution_workspace(plan), real)
    share_sums(kernels.convolve, as_images(g), turned, constant(np.zeros(0, real)), plan, as_pixels(out), work)
    return out


def _weight_geometry(x, g, kernel_size, stride, padding, dilation, groups):
    name = "conv2d_weight_gradient"
    kernel = wholes(name, "kernel_size", kernel_size, 2, 1)
    if len(x) != 4 or len(g) != 4:
        raise ShapeError(f"{name}: expected images and gradients (N, height, width, channels), got {x} and {g}")
    each = x[3] // groups if is_whole(groups, 1) else x[3]
    geometry = geometry_of(name, x, (*kernel, each, g[3]), stride, padding, dilation, groups)
    if g[:3] != (x[0], *geometry.size):
        raise ShapeError(
            f"{name}: a convolution of images {x} with a kernel of {kernel[0]} x {kernel[1]} gives "
            f"{(x[0], *geometry.size, g[3])}, got a gradient of shape {g}"
        )
    return geometry


def _check_weight(x, g, kernel_size, stride=1, padding="valid", dilation=1, groups=1):
    _weight_geometry(x.shape, g.shape, kernel_size, stride, padding, dilation, groups)


def _conv2d_weight_twin(x, g, kernel_size, stride=1, padding="valid", dilation=1, groups=1):
    return weight_twin(x, g, _weight_geometry(x.shape, g.shape, kernel_size, stride, padding, dilation, groups))


@op(
    twin=_conv2d_weight_twin, check=_check_weight, tolerance=accumulated(16),
    backward=[lambda g, _y, _x, gradient, kernel_size, **options:
                  conv2d_input_gradient(gradient, g, size=_x.shape[1:3], **options),
              lambda g, _y, x, _g, kernel_size, **options: conv2d(x, g, **options)],
    samples=[
        sample((2, 4, 4, 2), (2, 3, 2, 3), kernel_size=(2, 3)), sample((1, 6, 7, 3), (1, 3, 3, 4), kernel_size=2, stride=2),
        sample((2, 5, 4, 3), (2, 5, 4, 2), kernel_size=(3, 2), padding="same"),
        sample((1, 5, 5, 2), (1, 2, 2, 3), kernel_size=1, stride=3),
        sample((1, 4, 5, 4), (1, 2, 3, 4), kernel_size=3, groups=2),
        sample((2, 4, 3, 5), (2, 3, 2, 5), kernel_size=2, groups=5), sample((1, 3, 4, 2), (1, 1, 1, 17), kernel_size=(3, 4)),
        sample((0, 4, 4, 2), (0, 2, 2, 2), kernel_size=3), sample((1, 4, 4, 3), (1, 3, 3, 33), kernel_size=2),
        sample(strided(1, 4, 4, 2), (1, 2, 2, 2), kernel_size=2, dilation=2),
    ],
    errors=[
        bad((2, 4, 4, 2), (2, 3, 2, 3), kernel_size=2, error=ShapeError, match="gives (2, 3, 3, 3), got a gradient of shape"),
        bad((2, 4, 4, 2), (3, 3, 3), kernel_size=2, error=ShapeError, match="expected images and gradients (N, height"),
        bad((2, 4, 4, 2), (2, 3, 3, 3), kernel_size=0, error=OptionError, match="kernel_size must be a positive whole number"),
    ],
)  # fmt: skip
def conv2d_weight_gradient(x, g, /, kernel_size, stride=1, padding="valid", dilation=1, groups=1):
    """The gradient of a convolution by its weight, of `kernel_size` (height, width), from its images and that of its output.

    (N, H, W, in), (N, H', W', out) -> (kh, kw, in / groups, out).

    >>> conv2d_weight_gradient(np.ones((1, 3, 3, 1)), np.ones((1, 2, 2, 1)), kernel_size=2)[:, :, 0, 0]
    array([[4., 4.],
           [4., 4.]])
    """
    geometry, real = _weight_geometry(x.shape, g.shape, kernel_size, stride, padding, dilation, groups), x.dtype
    plan = constant(kernels.backward_plan(geometry, real.itemsize))
    shape = (*geometry.kernel, geometry.channels // geometry.groups, geometry.features)
    dw, db = np.empty(shape, real), np.empty(geometry.features, real)
    work = np.empty(kernels.convolution_workspace(plan), real)
    share_sums(kernels.convolve_backward_first, as_pixels(g), as_images(x), plan, as_weights(dw), db, work)
    return dw
