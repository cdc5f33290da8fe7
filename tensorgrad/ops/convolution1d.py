"""Convolutions of sequences, channels last: as images of height 1."""

import numpy as np

from .._options import is_whole
from .._samples import accumulated, bad, sample
from ..errors import OptionError, ShapeError, choose, layout_hint
from ._convolution import biased, check_bias, checked_output_padding, geometry_of, options_of_a_line
from .convolution import ACTIVATIONS, conv2d, conv2d_twin, input_geometry
from .shape import reshape
from .transposed import conv_transpose2d, conv_transpose2d_twin, transposed_size


def _of_height_one(x, w):
    """Sequences (N, L, C) as images (N, 1, L, C), and their weight (k, in, out) as (1, k, in, out)."""
    shape = np.shape(x)
    return reshape(x, (shape[0], 1, *shape[1:])), reshape(w, (1, *np.shape(w)))


def _conv1d_twin(x, w, b, stride=1, padding="valid", dilation=1, groups=1, activation=None):
    options = options_of_a_line("conv1d", stride, padding, dilation, groups)
    return conv2d_twin(x[:, None], w[None], b, **options, activation=activation)[:, 0]


@biased(
    twin=_conv1d_twin, composed=True, tolerance=accumulated(16),
    samples=[
        sample((2, 5, 3), (3, 3, 4), (4,)), sample((2, 5, 3), (3, 3, 4), (4,), activation="relu"),
        sample((2, 7, 2), (3, 2, 3), (3,), stride=2, padding=1), sample((2, 6, 2), (2, 2, 3), (3,), padding="same"),
        sample((2, 6, 2), (3, 2, 3), (3,), padding=(2, 0), dilation=2), sample((1, 5, 4), (2, 2, 6), (6,), groups=2),
        sample((1, 5, 5), (2, 1, 5), (5,), groups=5), sample((2, 4, 2), (4, 2, 17), (17,)),
        sample((0, 4, 2), (3, 2, 2), (2,)), sample((2, 3, 3), (1, 3, 4), (4,), stride=4),
    ],
    errors=[
        bad((5, 3), (3, 3, 4), (4,), error=ShapeError, match="conv1d: expected sequences (N, length, channels) and a weight"),
        bad((2, 5, 3), (3, 2, 4), (4,), error=ShapeError,
            match="conv1d: a weight of shape (3, 2, 4) in 1 group takes 2 channels"),
        bad((2, 5, 3), (6, 3, 4), (4,), error=ShapeError, match="conv1d: the kernel covers 6 steps, sequences of shape"),
        bad((2, 5, 3), (3, 3, 4), (3,), error=ShapeError, match="conv1d: expected a bias (4,), or none, got (3,)"),
        bad((2, 5, 3), (3, 3, 4), (4,), groups=2, error=ShapeError, match="conv1d: groups=2 must divide the 3 channels"),
        bad((2, 5, 3), (3, 3, 4), (4,), stride=(1, 2), error=OptionError, match="conv1d: stride must be a positive whole"),
        bad((2, 5, 3), (3, 3, 4), (4,), padding=-1, error=OptionError, match="conv1d: padding must be"),
        bad((2, 5, 3), (3, 3, 4), (4,), activation="rellu", error=OptionError, match="conv1d: unknown activation 'rellu'"),
    ],
)  # fmt: skip
def conv1d(x, w, b=None, /, stride=1, padding="valid", dilation=1, groups=1, activation=None):
    """Sequences through filters: (N, L, in), (k, in / groups, out), (out,) -> (N, L', out); the options of conv2d.

    padding: "valid", "same", a number, or two (before, behind).

    >>> conv1d(np.ones((1, 4, 1)), np.ones((2, 1, 1)))[0, :, 0]
    array([2., 2., 2.])
    """
    geometry_of("conv1d", np.shape(x), np.shape(w), stride, padding, dilation, groups, axes=1)
    options = options_of_a_line("conv1d", stride, padding, dilation, groups)
    check_bias("conv1d", np.empty(np.shape(b)), np.shape(w)[2])
    choose("conv1d", "activation", activation, ACTIVATIONS)
    y = conv2d(*_of_height_one(x, w), b, **options, activation=activation)
    return reshape(y, (np.shape(x)[0], *np.shape(y)[2:]))


def _transpose1d_twin(x, w, b, stride=1, padding="valid", output_padding=0, dilation=1, groups=1):
    options = options_of_a_line("conv_transpose1d", stride, padding, dilation, groups)
    return conv_transpose2d_twin(x[:, None], w[None], b, output_padding=(0, output_padding), **options)[:, 0]


@biased(
    twin=_transpose1d_twin, composed=True, tolerance=accumulated(16),
    samples=[
        sample((2, 3, 3), (2, 2, 3), (2,)), sample((1, 3, 4), (2, 3, 4), (3,), stride=2),
        sample((1, 3, 4), (3, 3, 4), (3,), stride=2, padding=1, output_padding=1),
        sample((1, 3, 4), (3, 3, 4), (3,), stride=2, padding="same"),
        sample((1, 3, 4), (3, 2, 4), (4,), groups=2, dilation=2), sample((0, 2, 2), (3, 2, 2), (2,)),
        sample((2, 2, 5), (2, 1, 5), (5,), groups=5), sample((1, 1, 17), (3, 2, 17), (2,)),
        sample((1, 2, 2), (1, 3, 2), (3,), stride=3, output_padding=2), sample((1, 3, 8), (2, 2, 8), (2,), padding=(1, 0)),
    ],
    errors=[
        bad((3, 3), (2, 2, 3), (2,), error=ShapeError, match="conv_transpose1d: expected sequences (N, length, channels)"),
        bad((2, 3, 3), (2, 2, 4), (2,), error=ShapeError,
            match="conv_transpose1d: a weight of shape (2, 2, 4) takes 4 channels"),
        bad((2, 3, 3), (2, 2, 3), (3,), error=ShapeError, match="conv_transpose1d: expected a bias (2,), or none, got (3,)"),
        bad((2, 3, 3), (2, 2, 3), (2,), output_padding=1, error=OptionError, match="conv_transpose1d: output_padding must be"),
    ],
)  # fmt: skip
def conv_transpose1d(x, w, b=None, /, stride=1, padding="valid", output_padding=0, dilation=1, groups=1):
    """A transposed convolution of sequences: (N, L, in), (k, out / groups, in), (out,) -> (N, L', out); see conv_transpose2d.

    >>> conv_transpose1d(np.ones((1, 3, 1)), np.ones((2, 1, 1)))[0, :, 0]
    array([1., 2., 2., 1.])
    """
    name, shape, weight = "conv_transpose1d", np.shape(x), np.shape(w)
    if len(shape) != 3 or len(weight) != 3:
        raise ShapeError(
            f"{name}: expected sequences (N, length, channels) and a weight (width, out / groups, in), got {shape} and {weight}"
        )
    if shape[2] != weight[2]:
        hint = layout_hint(shape, weight[2])
        raise ShapeError(
            f"{name}: a weight of shape {weight} takes {weight[2]} channels, got sequences of shape {shape}{hint}"
        )
    options = options_of_a_line(name, stride, padding, dilation, groups)
    check_bias(name, np.empty(np.shape(b)), weight[1] * groups if is_whole(groups, 1) else weight[1])
    more = checked_output_padding(name, output_padding, 1, options["stride"], padding)
    lines = ((shape[0], 1, *shape[1:]), (1, *weight))
    size = transposed_size(name, *lines, options["stride"], options["padding"], more, options["dilation"])
    input_geometry(name, *lines, size, **options)
    y = conv_transpose2d(*_of_height_one(x, w), b, output_padding=more, **options)
    return reshape(y, (shape[0], *np.shape(y)[2:]))
