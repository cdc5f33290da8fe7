"""Transposed convolutions of images, channels last."""

import numpy as np

from .._options import wholes
from .._samples import accumulated, bad, sample
from ..errors import OptionError, ShapeError, layout_hint
from ._convolution import biased, check_bias, checked_output_padding, pads_of
from .convolution import conv2d_input_gradient, conv2d_input_twin, input_geometry


def transposed_size(name, x, w, stride, padding, output_padding, dilation):
    """The height and width of the output of a transposed convolution."""
    if len(x) != 4 or len(w) != 4:
        raise ShapeError(
            f"{name}: expected images (N, height, width, channels) and a weight (height, width, out / groups, in), "
            f"got {x} and {w}"
        )
    if x[3] != w[3]:
        hint = layout_hint(x, w[3])
        raise ShapeError(f"{name}: a weight of shape {w} takes {w[3]} channels, got images of shape {x}{hint}")
    stride, dilation = wholes(name, "stride", stride, 2, 1), wholes(name, "dilation", dilation, 2, 1)
    more = checked_output_padding(name, output_padding, 2, stride, padding)
    if isinstance(padding, str) and padding == "same":
        return tuple(n * s for n, s in zip(x[1:3], stride, strict=True))
    pads = pads_of(name, padding, (0, 0), w[:2], stride, dilation)
    along = zip(x[1:3], w[:2], stride, dilation, pads, more, strict=True)
    size = tuple((n - 1) * s + (k - 1) * d + 1 - sum(pad) + extra for n, k, s, d, pad, extra in along)
    if min(size) < 1:
        raise ShapeError(f"{name}: images {x}, a weight {w} and padding={padding!r} leave no pixels: {size}")
    return size


def conv_transpose2d_twin(x, w, b, stride=1, padding="valid", output_padding=0, dilation=1, groups=1):
    size = transposed_size("conv_transpose2d", x.shape, w.shape, stride, padding, output_padding, dilation)
    y = conv2d_input_twin(x, w, size, stride, padding, dilation, groups)
    return y + b if np.size(b) else y


def plus_bias(name, y, b):
    """Images with a bias, if there is one."""
    check_bias(name, np.empty(np.shape(b)), np.shape(y)[-1])
    return y + b if np.shape(b) != (0,) else y


@biased(
    twin=conv_transpose2d_twin, composed=True, tolerance=accumulated(16),
    samples=[
        sample((1, 2, 2, 2), (1, 1, 3, 2), (3,), stride=3, output_padding=(2, 0)), sample((2, 3, 2, 3), (2, 3, 2, 3), (2,)),
        sample((1, 3, 3, 4), (2, 2, 3, 4), (3,), stride=2),
        sample((1, 2, 3, 4), (3, 3, 3, 4), (3,), stride=2, padding=1, output_padding=1),
        sample((1, 2, 3, 4), (3, 3, 3, 4), (3,), stride=(2, 3), padding="same"),
        sample((1, 2, 3, 4), (3, 2, 2, 4), (4,), groups=2, dilation=(1, 2)), sample((0, 2, 2, 2), (3, 3, 2, 2), (2,)),
        sample((2, 2, 2, 5), (2, 2, 1, 5), (5,), groups=5), sample((1, 1, 1, 17), (3, 4, 2, 17), (2,)),
        sample((1, 2, 2, 8), (2, 2, 17, 8), (17,)),
    ],
    errors=[
        bad((2, 3, 2, 3), (2, 3, 2, 4), (2,), error=ShapeError,
            match="conv_transpose2d: a weight of shape (2, 3, 2, 4) takes 4"),
        bad((3, 2, 3), (2, 3, 2, 3), (2,), error=ShapeError, match="and a weight (height, width, out / groups, in)"),
        bad((2, 3, 2, 3), (2, 3, 2, 3), (3,), error=ShapeError, match="conv_transpose2d: expected a bias (2,), or none"),
        bad((2, 1, 1, 3), (2, 2, 2, 3), (2,), padding=1, error=ShapeError, match="leave no pixels: (0, 0)"),
        bad((2, 3, 2, 3), (2, 3, 2, 3), (2,), groups=2, error=ShapeError, match="conv_transpose2d: groups=2 must divide"),
        bad((2, 3, 2, 3), (2, 3, 2, 3), (2,), output_padding=1, error=OptionError, match="must be less than the stride (1, 1)"),
    ],
)  # fmt: skip
def conv_transpose2d(x, w, b=None, /, stride=1, padding="valid", output_padding=0, dilation=1, groups=1):
    """A transposed convolution: what conv2d with this weight makes of an image of the output's size, the other way.

    (N, H, W, in), (kh, kw, out / groups, in), (out,) -> (N, H', W', out), the weight laid out as that of the conv2d, from
    `out` channels to `in`; b may be left out. H' = (H - 1) * stride + (kh - 1) * dilation + 1 - padding + output_padding, with
    padding above and below; "same": H' = H * stride.

    >>> conv_transpose2d(np.ones((1, 2, 2, 1)), np.ones((2, 2, 1, 1)), stride=2)[0, :, :, 0]
    array([[1., 1., 1., 1.],
           [1., 1., 1., 1.],
           [1., 1., 1., 1.],
           [1., 1., 1., 1.]])
    """
    name, shapes = "conv_transpose2d", (np.shape(x), np.shape(w))
    size = transposed_size(name, *shapes, stride, padding, output_padding, dilation)
    input_geometry(name, *shapes, size, stride, padding, dilation, groups)
    y = conv2d_input_gradient(x, w, size=size, stride=stride, padding=padding, dilation=dilation, groups=groups)
    return plus_bias(name, y, b)
