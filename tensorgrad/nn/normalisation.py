"""Normalisation layers: channels are the last axis, for vectors (n, channels), sequences and images alike."""

import numpy as np

from .. import ops
from .._coerce import is_grid
from .._options import flag, float_dtype, is_whole, number, whole
from .._parameter import Parameter
from .._tensor import Tensor, plain
from ..errors import DTypeError, OptionError, ShapeError, layout_hint
from ..kernels import constant, readable
from ..ops._running import Running
from ..ops.batch_normalisation import mix_in
from ._making import filled
from .module import Module

__all__ = ["BatchNorm", "GroupNorm", "InstanceNorm", "LayerNorm", "RMSNorm"]


class _Normalisation(Module):
    """What the layers share: weight and bias for each channel, unless affine=False."""

    takes_bias = True
    fixed = ("_ones", "_zeros")
    unpenalised = ("weight", "bias")

    def __init__(self, channels, eps, affine, dtype, called):
        name = type(self).__name__
        self.channels, self.eps = whole(name, called, channels, 1), number(name, "eps", eps, 0)
        dtype, affine = float_dtype(name, dtype), flag(name, "affine", affine)
        ones, zeros = filled(self.channels, dtype, 1), filled(self.channels, dtype)
        self.weight = Parameter(ones) if affine else None
        self.bias = Parameter(zeros) if affine and self.takes_bias else None
        if not affine:
            self._ones, self._zeros = ones, zeros

    def reset_parameters(self, rng):
        """Weights of 1, biases of 0, whatever the generator."""
        if self.weight is not None:
            self.weight.data = np.ones(self.channels)
        if self.bias is not None:
            self.bias.data = np.zeros(self.channels)

    def _weights(self):
        """weight and bias, or the numbers in their place."""
        weight = constant(self._ones) if self.weight is None else self.weight
        return weight, constant(self._zeros) if self.weight is None else self.bias

    def _checked(self, x, ndim=1):
        """The input, of the right shape; where there is no weight to say so, in the layer's dtype."""
        shape = np.shape(x)
        if len(shape) < ndim or shape[-1] != self.channels:
            before, hint = ("n, ..., ", layout_hint(shape, self.channels)) if ndim > 1 else ("..., ", "")
            raise ShapeError(f"{self!r}: expected input of shape ({before}{self.channels}), got {shape}{hint}")
        if self.weight is not None or is_grid(x):
            return x
        dtype = self._ones.dtype
        if isinstance(x, Tensor):
            if x.dtype != dtype:
                raise DTypeError(
                    f"{self!r}: expected numbers of dtype {dtype}, got {x.dtype}; use .astype({str(dtype)!r})"
                )
            return x
        x = np.asarray(x)
        return x.astype(dtype, copy=False) if x.dtype.kind in "fiu" else x

    def _repr(self, *numbers, eps=1e-5, **options):
        options = {"eps": (self.eps, eps)} | options | {"affine": (self.weight is not None, True)}
        changed = [f"{name}={value}" for name, (value, usual) in options.items() if value != usual]
        return f"{type(self).__name__}({', '.join([*map(str, numbers), *changed])})"

    def __repr__(self):
        return self._repr(self.channels)


class LayerNorm(_Normalisation):
    """(x - mean) / sqrt(variance + eps) * weight + bias of each row: (..., features) -> the same.

    affine=False leaves weight and bias out. Ba, Kiros and Hinton 2016. Raises ShapeError for an input whose last axis is
    not `features`.

    >>> LayerNorm(2, eps=0)(np.array([[1.0, 3.0]], np.float32))
    tensor([[-1.,  1.]], op='layer_norm')
    """

    def __init__(self, features, eps=1e-5, affine=True, dtype="float32"):
        super().__init__(features, eps, affine, dtype, "features")

    def forward(self, x):
        x = self._checked(x)
        return ops.layer_norm(x, *self._weights(), eps=self.eps)


class RMSNorm(_Normalisation):
    """x / sqrt(mean(x**2) + eps) * weight of each row: (..., features) -> the same.

    affine=False leaves the weight out. eps is 1e-5 as in the other layers (in PyTorch the dtype's epsilon). Zhang and
    Sennrich 2019. Raises ShapeError for an input whose last axis is not `features`.

    >>> RMSNorm(2, eps=0)(np.array([[1.0, 7.0]], np.float32)).numpy().round(3)
    array([[0.2, 1.4]], dtype=float32)
    """

    takes_bias = False

    def __init__(self, features, eps=1e-5, affine=True, dtype="float32"):
        super().__init__(features, eps, affine, dtype, "features")

    def forward(self, x):
        x = self._checked(x)
        return ops.rms_norm(x, self._weights()[0], eps=self.eps)


class GroupNorm(_Normalisation):
    """Each sample normalised in `groups` groups of neighbouring channels, over all places: (n, ..., channels) -> the same.

    affine=False leaves weight and bias out. Wu and He 2018. Raises OptionError for groups that do not divide the channels,
    ShapeError for an input of another number of channels.

    >>> GroupNorm(2, 4)(np.zeros((1, 3, 3, 4), np.float32)).shape
    (1, 3, 3, 4)
    """

    def __init__(self, groups, channels, eps=1e-5, affine=True, dtype="float32"):
        super().__init__(channels, eps, affine, dtype, "channels")
        if not is_whole(groups, 1) or self.channels % groups:
            raise OptionError(f"GroupNorm: groups must divide the {channels} channels, got {groups!r}")
        self.groups = int(groups)

    def forward(self, x):
        x = self._checked(x, 2)
        return ops.group_norm(x, *self._weights(), groups=self.groups, eps=self.eps)

    def __repr__(self):
        return self._repr(self.groups, self.channels)


class InstanceNorm(_Normalisation):
    """Each channel of each sample normalised over all places: (n, ..., channels) -> the same.

    affine=False, PyTorch's default, leaves weight and bias out. Ulyanov, Vedaldi and Lempitsky 2016. Raises ShapeError for
    an input of another number of channels, or of one place, which has no variance.

    >>> InstanceNorm(2)(np.zeros((1, 3, 3, 2), np.float32)).shape
    (1, 3, 3, 2)
    """

    def __init__(self, channels, eps=1e-5, *, affine=True, dtype="float32"):
        super().__init__(channels, eps, affine, dtype, "channels")

    def forward(self, x):
        x = self._checked(x, 3)
        if np.prod(np.shape(x)[1:-1]) == 1:
            raise ShapeError(f"{self!r}: a channel with one value has no variance, got input of shape {np.shape(x)}")
        return ops.group_norm(x, *self._weights(), groups=self.channels, eps=self.eps)


class BatchNorm(_Normalisation):
    """Each channel normalised over the batch and all places: (n, ..., features) -> the same.

    In training by the mean and variance of the batch, which also go into running_mean and running_var,
    `running += momentum * (batch - running)`, the variance there divided by one less than the count. In evaluation by these
    running statistics. The running statistics are arrays in `named_buffers`; a channel in which the mean or variance of a
    batch is infinite or NaN leaves them as they are. `freeze` does not stop them, as they are no parameters: `eval()` does.
    affine=False leaves weight and bias out. Ioffe and Szegedy 2015.

    Raises ShapeError for an input whose last axis is not `features`, and in training for one value in a channel, which has
    no variance.

    >>> layer = BatchNorm(1, eps=0)
    >>> layer(np.array([[1.0], [3.0]], np.float32)).numpy().tolist(), layer.running_mean, layer.running_var
    ([[-1.0], [1.0]], array([0.2], dtype=float32), array([1.1], dtype=float32))
    >>> layer.eval()(np.array([[0.2]], np.float32)).numpy()
    array([[0.]], dtype=float32)
    """

    buffers = ("running_mean", "running_var")

    def __init__(self, features, eps=1e-5, momentum=0.1, affine=True, dtype="float32"):
        super().__init__(features, eps, affine, dtype, "features")
        self.momentum = number("BatchNorm", "momentum", momentum, 0, 1)
        self.running_mean, self.running_var = filled(self.channels, dtype), filled(self.channels, dtype, 1)

    def reset_parameters(self, rng):
        super().reset_parameters(rng)
        self.running_mean, self.running_var = np.zeros(self.channels), np.ones(self.channels)

    def forward(self, x):
        x = self._checked(x, 2)
        weight, bias = self._weights()
        if not self.training:
            mean, var = readable(self.running_mean), readable(self.running_var)
            return ops.batch_norm_inference(x, mean, var, weight, bias, eps=self.eps)
        self.check_batch(np.shape(x))
        running = Running(self.running_mean, self.running_var)
        if not is_grid(x) and not is_grid(weight):
            return ops.batch_norm(x, weight, bias, eps=self.eps, running=running, momentum=self.momentum)
        y = ops.batch_norm(x, weight, bias, eps=self.eps, momentum=self.momentum)
        mix_in(np.asarray(plain(x)).astype(np.float64).reshape(-1, self.channels), running, self.momentum)
        return y

    def check_batch(self, shape):
        """Raise a ShapeError for a batch of one value in each channel, which has no variance."""
        if np.prod(shape[:-1]) < 2:
            raise ShapeError(
                f"{self!r}: a batch needs two values of each channel or more in training, got input of shape {shape}; "
                "use larger batches, or model.eval()"
            )

    def __repr__(self):
        return self._repr(self.channels, momentum=(self.momentum, 0.1))
