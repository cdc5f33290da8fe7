"""Convolution layers, channels last: images (N, height, width, channels) and sequences (N, length, channels)."""

import numpy as np

from .. import ops
from .._options import flag, float_dtype, frozen, whole, wholes
from .._parameter import Parameter
from .._random import generator
from ..errors import OptionError, ShapeError
from ..ops._convolution import check_options
from ._making import filled
from .activations import fused_with_relu
from .initialisers import drawn, initialiser
from .module import Module

__all__ = ["Conv1d", "Conv2d", "ConvTranspose1d", "ConvTranspose2d", "DepthwiseConv2d"]


class _Convolution(Module):
    """What convolution layers share: a weight, a bias, and options that are given to an op."""

    axes, op = 2, ops.conv2d

    def __init__(self, in_channels, out_channels, kernel_size, options, bias, init, rng, dtype):
        name, options = type(self).__name__, {option: frozen(value) for option, value in options.items()}
        self.in_channels = whole(name, "in_channels", in_channels, 1)
        self.out_channels = whole(name, "out_channels", out_channels, 1)
        self.kernel_size = wholes(name, "kernel_size", kernel_size, self.axes, 1)
        check_options(name, self.axes, **options)
        if in_channels % options["groups"] or out_channels % options["groups"]:
            raise OptionError(
                f"{name}: groups={options['groups']} must divide in_channels={in_channels} and out_channels={out_channels}"
            )
        dtype, bias = float_dtype(name, dtype), flag(name, "bias", bias)
        self.options = options
        self._initialise = initialiser(name, "init", init)
        self.weight = Parameter(filled((*self.kernel_size, *self._channels()), dtype))
        self.bias = Parameter(filled(self.out_channels, dtype)) if bias else None
        self.reset_parameters(generator(name, rng))

    def _channels(self):
        """The last two lengths of the weight."""
        return self.in_channels // self.options["groups"], self.out_channels

    def _draw(self, rng):
        """Give the weight new numbers."""
        self.weight.data = drawn(self._initialise, rng, self.weight.shape, type(self).__name__)

    def reset_parameters(self, rng):
        self._draw(rng)
        if self.bias is not None:
            self.bias.data = np.zeros(self.out_channels, dtype=self.bias.dtype)

    def fused_with(self, following):
        """With a ReLU as it is: one kernel, unless a forward was replaced or the op has no activation."""
        return fused_with_relu(self, _Convolution.forward, following) if "activation" in self.op.options else None

    def forward(self, x, activation=None):
        options = self.options if activation is None else {**self.options, "activation": activation}
        try:
            return self.op(x, self.weight, self.bias, **options)
        except ShapeError as error:
            raise ShapeError(f"{self!r}: {error}") from None

    def __repr__(self):
        return self._repr(self.in_channels, self.out_channels, groups=1)

    def _repr(self, *channels, groups, multiplier=1):
        size = self.kernel_size[0] if len(set(self.kernel_size)) == 1 else self.kernel_size
        usual = {"stride": 1, "padding": 0, "dilation": 1, "groups": groups, "output_padding": 0}
        words = [*map(repr, (*channels, size)), *([f"multiplier={multiplier}"] if multiplier > 1 else [])]
        words += [f"{name}={value!r}" for name, value in self.options.items() if value != usual[name]]
        words += [] if self.bias is not None else ["bias=False"]
        return f"{type(self).__name__}({', '.join(words)})"


class Conv2d(_Convolution):
    """Filters that move over images: (N, H, W, in_channels) -> (N, H', W', out_channels); see ops.conv2d.

    kernel_size, stride, dilation: a number, or two, (height, width). padding: a number, two, two pairs, "valid" (0) or
    "same". weight is (kh, kw, in_channels / groups, out_channels), drawn by `init` (a name or a function of
    `nn.initialisers`) from `rng`; bias (out_channels,) starts at 0, and `bias=False` leaves it out.
    Raises OptionError for options that no images fit, ShapeError for images of other channels, or smaller than the kernel.
    Dumoulin and Visin 2016, "A guide to convolution arithmetic", chapters 2 and 5.1.

    >>> layer = Conv2d(1, 8, 3, rng=0)
    >>> layer(np.zeros((2, 28, 28, 1), np.float32)).shape
    (2, 26, 26, 8)
    """

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, *, dilation=1, groups=1, bias=True,
                 init="he_normal", rng=None, dtype="float32"):  # fmt: skip
        options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        super().__init__(in_channels, out_channels, kernel_size, options, bias, init, rng, dtype)


class Conv1d(_Convolution):
    """Filters that move along sequences: (N, L, in_channels) -> (N, L', out_channels); see ops.conv1d.

    kernel_size, stride and dilation are numbers; padding: a number, two (before, behind), "valid" (0) or "same". weight is
    (k, in_channels / groups, out_channels); bias, init and rng are those of Conv2d. Raises OptionError for options that no
    sequences fit, ShapeError for sequences of other channels, or shorter than the kernel.

    >>> layer = Conv1d(2, 8, 3, padding="same", rng=0)
    >>> layer(np.zeros((4, 10, 2), np.float32)).shape
    (4, 10, 8)
    """

    axes, op = 1, ops.conv1d

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, *, dilation=1, groups=1, bias=True,
                 init="he_normal", rng=None, dtype="float32"):  # fmt: skip
        options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        super().__init__(in_channels, out_channels, kernel_size, options, bias, init, rng, dtype)


class _Transposed(_Convolution):
    """Transposed convolutions: the weight is that of the convolution from the output's channels to the input's.

    It is drawn as that of a convolution from the input's channels to the output's, so that its fans are those of the layer.
    """

    def _channels(self):
        return self.out_channels // self.options["groups"], self.in_channels

    def _draw(self, rng):
        *kernel, out, _ = self.weight.shape
        shape = (*kernel, self.in_channels // self.options["groups"], self.out_channels)
        numbers = drawn(self._initialise, rng, shape, type(self).__name__)
        numbers = numbers.reshape(*kernel, -1, self.options["groups"], out)
        self.weight.data = np.swapaxes(numbers, -1, -3).reshape(self.weight.shape)


class ConvTranspose2d(_Transposed):
    """A transposed convolution: (N, H, W, in_channels) -> (N, H', W', out_channels); see ops.conv_transpose2d.

    H' = (H - 1) * stride + (kh - 1) * dilation + 1 - padding above and below + output_padding; with padding="same"
    H' = H * stride. weight is (kh, kw, out_channels / groups, in_channels); bias, init and rng are those of Conv2d.
    Dumoulin and Visin 2016, chapter 4. Raises OptionError for options that no images fit, an output_padding of the stride or
    more say, ShapeError for images of other channels, or where padding leaves no pixels.

    >>> layer = ConvTranspose2d(8, 1, 3, stride=2, padding="same", rng=0)
    >>> layer(np.zeros((2, 7, 7, 8), np.float32)).shape
    (2, 14, 14, 1)
    """

    op = ops.conv_transpose2d

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, *, output_padding=0, dilation=1, groups=1,
                 bias=True, init="he_normal", rng=None, dtype="float32"):  # fmt: skip
        options = {"stride": stride, "padding": padding, "output_padding": output_padding, "dilation": dilation,
                   "groups": groups}  # fmt: skip
        super().__init__(in_channels, out_channels, kernel_size, options, bias, init, rng, dtype)


class ConvTranspose1d(_Transposed):
    """A transposed convolution: (N, L, in_channels) -> (N, L', out_channels); see ops.conv_transpose1d.

    weight is (k, out_channels / groups, in_channels). Options and errors are those of ConvTranspose2d, along one axis.

    >>> layer = ConvTranspose1d(8, 2, 4, stride=2, padding=1, rng=0)
    >>> layer(np.zeros((4, 5, 8), np.float32)).shape
    (4, 10, 2)
    """

    axes, op = 1, ops.conv_transpose1d

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, *, output_padding=0, dilation=1, groups=1,
                 bias=True, init="he_normal", rng=None, dtype="float32"):  # fmt: skip
        options = {"stride": stride, "padding": padding, "output_padding": output_padding, "dilation": dilation,
                   "groups": groups}  # fmt: skip
        super().__init__(in_channels, out_channels, kernel_size, options, bias, init, rng, dtype)


class DepthwiseConv2d(_Convolution):
    """`multiplier` filters for each channel: (N, H, W, channels) -> (N, H', W', channels * multiplier).

    A Conv2d with as many groups as channels: weight is (kh, kw, 1, channels * multiplier), and channel c of the images
    goes to the channels c * multiplier, c * multiplier + 1, ... of the output. Chollet 2017, "Xception". Options and errors
    are those of Conv2d.

    >>> layer = DepthwiseConv2d(8, 3, padding="same", rng=0)
    >>> layer(np.zeros((2, 14, 14, 8), np.float32)).shape
    (2, 14, 14, 8)
    """

    def __init__(self, channels, kernel_size, multiplier=1, stride=1, padding=0, *, dilation=1, bias=True, init="he_normal",
                 rng=None, dtype="float32"):  # fmt: skip
        self.multiplier = whole("DepthwiseConv2d", "multiplier", multiplier, 1)
        channels = whole("DepthwiseConv2d", "channels", channels, 1)
        options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": channels}
        super().__init__(channels, channels * self.multiplier, kernel_size, options, bias, init, rng, dtype)

    def __repr__(self):
        return self._repr(self.in_channels, groups=self.in_channels, multiplier=self.multiplier)
