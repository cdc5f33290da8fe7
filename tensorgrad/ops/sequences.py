"""Transposed convolutions of images, and convolutions of sequences, which are images of height 1."""

import numpy as np

from .._options import is_whole
from .._samples import accumulated, bad, sample
from ..errors import OptionError, ShapeError, choose
from ._convolution import biased, check_bias, one_of, options_of_a_line, pads_of, pair_of
from .convolution import ACTIVATIONS, conv2d, conv2d_input_gradient, conv2d_input_twin, conv2d_twin, input_geometry
from .shape import reshape


# ---- transposed -------------------------------------------------------------------------------------------------------
def transposed_size(name, x, w, stride, padding, output_padding, dilation):
    """The height and width of the output of a transposed convolution."""
    if len(x) != 4 or len(w) != 4:
        raise ShapeError(
            f"{name}: expected images (N, height, width, channels) and a weight (height, width, out / groups, in), "
            f"got {x} and {w}"
        )
    if x[3] != w[3]:
        raise ShapeError(f"{name}: a weight of shape {w} takes {w[3]} channels, got images of shape {x}")
    stride, dilation = pair_of(name, "stride", stride), pair_of(name, "dilation", dilation)
    more = pair_of(name, "output_padding", output_padding, 0)
    if any(n >= s for n, s in zip(more, stride, strict=True)):
        raise OptionError(f"{name}: output_padding must be less than the stride {stride}, got {output_padding!r}")
    if isinstance(padding, str) and padding == "same":
        if any(more):
            raise OptionError(f'{name}: output_padding has no meaning with padding="same", got {output_padding!r}')
        return tuple(n * s for n, s in zip(x[1:3], stride, strict=True))
    pads = pads_of(name, padding, (0, 0), w[:2], stride, dilation)
    along = zip(x[1:3], w[:2], stride, dilation, pads, more, strict=True)
    size = tuple((n - 1) * s + (k - 1) * d + 1 - sum(pad) + extra for n, k, s, d, pad, extra in along)
    if min(size) < 1:
        raise ShapeError(f"{name}: images {x}, a weight {w} and padding={padding!r} leave no pixels: {size}")
    return size


def _transpose_twin(x, w, b, stride=1, padding="valid", output_padding=0, dilation=1, groups=1):
    size = transposed_size("conv_transpose2d", x.shape, w.shape, stride, padding, output_padding, dilation)
    y = conv2d_input_twin(x, w, size, stride, padding, dilation, groups)
    return y + b if np.size(b) else y


def plus_bias(name, y, b):
    """Images with a bias, if there is one."""
    check_bias(name, np.empty(np.shape(b)), np.shape(y)[-1])
    return y + b if np.shape(b) != (0,) else y


@biased(
    twin=_transpose_twin, composed=True, tolerance=accumulated(16),
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


# ---- one axis: images of height 1 -------------------------------------------------------------------------------------
def _check_lines(name, x, w, weight):
    if len(x) != 3 or len(w) != 3:
        raise ShapeError(
            f"{name}: expected sequences (N, length, channels) and a weight {weight}, got shapes {x} and {w}"
        )


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
        bad((2, 5, 3), (3, 3, 4), (4,), stride=(1, 2), error=OptionError, match="conv1d: stride must be a whole number"),
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
    _check_lines("conv1d", np.shape(x), np.shape(w), "(width, in / groups, out)")
    options = options_of_a_line("conv1d", stride, padding, dilation, groups)
    _check_line(np.shape(x), np.shape(w), options)
    check_bias("conv1d", np.empty(np.shape(b)), np.shape(w)[2])
    choose("conv1d", "activation", activation, ACTIVATIONS)
    y = conv2d(*_of_height_one(x, w), b, **options, activation=activation)
    return reshape(y, (np.shape(x)[0], *np.shape(y)[2:]))


def _check_line(x, w, options):
    """The errors of conv2d, in words of one axis."""
    groups, name = options["groups"], "conv1d"
    if not is_whole(groups, 1):
        raise OptionError(f"{name}: groups must be a positive whole number, got {groups!r}")
    if x[2] % groups or w[2] % groups:
        raise ShapeError(f"{name}: groups={groups} must divide the {x[2]} channels of {x} and the {w[2]} of the output")
    if x[2] != w[1] * groups:
        raise ShapeError(
            f"{name}: a weight of shape {w} in {groups} group{'s' if groups > 1 else ''} takes {w[1] * groups} channels, "
            f"got sequences of shape {x}"
        )
    covers = (w[0] - 1) * options["dilation"][1] + 1
    has = x[1] + (0 if isinstance(options["padding"], str) else sum(options["padding"][1]))
    if not w[0] or (covers > has and options["padding"] != "same"):
        raise ShapeError(f"{name}: the kernel covers {covers} steps, sequences of shape {x} have, padded, {has}")


def _transpose1d_twin(x, w, b, stride=1, padding="valid", output_padding=0, dilation=1, groups=1):
    options = options_of_a_line("conv_transpose1d", stride, padding, dilation, groups)
    return _transpose_twin(x[:, None], w[None], b, output_padding=(0, output_padding), **options)[:, 0]


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
    _check_lines(name, shape, weight, "(width, out / groups, in)")
    if shape[2] != weight[2]:
        raise ShapeError(
            f"{name}: a weight of shape {weight} takes {weight[2]} channels, got sequences of shape {shape}"
        )
    options = options_of_a_line(name, stride, padding, dilation, groups)
    check_bias(name, np.empty(np.shape(b)), weight[1] * groups if is_whole(groups, 1) else weight[1])
    more = (0, one_of(name, "output_padding", output_padding, 0))
    lines = ((shape[0], 1, *shape[1:]), (1, *weight))
    size = transposed_size(name, *lines, options["stride"], options["padding"], more, options["dilation"])
    input_geometry(name, *lines, size, **options)
    y = conv_transpose2d(*_of_height_one(x, w), b, output_padding=more, **options)
    return reshape(y, (shape[0], *np.shape(y)[2:]))
