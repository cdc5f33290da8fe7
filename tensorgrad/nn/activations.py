"""Activations as layers, named as PyTorch's; all but Softmax and LogSoftmax treat each number on its own, in any shape."""

import functools

import numpy as np

from .. import ops
from .._op import Op
from .._options import float_dtype, is_real, whole
from .._parameter import Parameter
from ..errors import OptionError, ShapeError
from ._making import filled
from .module import Module

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "SELU",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Softsign",
    "Tanh",
]


class ReLU(Module):
    """max(x, 0): (...) -> (...).

    >>> ReLU()(np.array([-1.0, 2.0]))
    array([0., 2.])
    """

    def forward(self, x):
        return ops.relu(x)


_RELU = ReLU.forward


def fused_with_relu(layer, own, following):
    """A layer whose `forward` takes an activation, together with the ReLU behind it; None where one is not as it is here.

    `own` is the forward of the layer's class: one that was replaced, on the class or the object, is not known to take it.
    """
    unchanged = type(layer).forward is own and "forward" not in vars(layer)
    if unchanged and type(following) is ReLU and getattr(following.forward, "__func__", None) is _RELU:
        return functools.partial(layer, activation="relu")
    return None


class Tanh(Module):
    """tanh(x), between -1 and 1: (...) -> (...).

    >>> Tanh()(np.array([0.0]))
    array([0.])
    """

    def forward(self, x):
        return ops.tanh(x)


class Sigmoid(Module):
    """1 / (1 + exp(-x)), between 0 and 1: (...) -> (...).

    >>> Sigmoid()(np.array([0.0]))
    array([0.5])
    """

    def forward(self, x):
        return ops.sigmoid(x)


class Softmax(Module):
    """exp(x) / sum(exp(x)) over an axis, probabilities: (..., n) -> (..., n).

    CrossEntropyLoss takes logits, so leave it out for training.

    >>> Softmax()(np.array([[0.0, 0.0]]))
    array([[0.5, 0.5]])
    """

    def __init__(self, axis=-1):
        self.axis = axis

    def forward(self, x):
        return ops.softmax(x, axis=self.axis)

    def __repr__(self):
        return f"Softmax(axis={self.axis})" if self.axis != -1 else "Softmax()"


class LogSoftmax(Module):
    """log(exp(x) / sum(exp(x))) over an axis, without underflow: (..., n) -> (..., n).

    >>> LogSoftmax()(np.array([[0.0, 1e4]]))
    array([[-10000.,      0.]])
    """

    def __init__(self, axis=-1):
        self.axis = axis

    def forward(self, x):
        return ops.log_softmax(x, axis=self.axis)

    def __repr__(self):
        return f"LogSoftmax(axis={self.axis})" if self.axis != -1 else "LogSoftmax()"


# ---- smooth -----------------------------------------------------------------------------------------------------------


class LogSigmoid(Module):
    """log(1 / (1 + exp(-x))), also where the sigmoid rounds to 0: (...) -> (...).

    >>> LogSigmoid()(np.array([0.0, -1e4]))
    array([-6.93147181e-01, -1.00000000e+04])
    """

    def forward(self, x):
        return ops.log_sigmoid(x)


class Softplus(Module):
    """log(1 + exp(x)), a smooth ReLU: (...) -> (...).

    >>> Softplus()(np.array([0.0, 1e4]))
    array([6.93147181e-01, 1.00000000e+04])
    """

    def forward(self, x):
        return ops.softplus(x)


class SiLU(Module):
    """x / (1 + exp(-x)), also called swish: (...) -> (...).

    >>> SiLU()(np.array([0.0, 2.0]))
    array([0.        , 1.76159416])
    """

    def forward(self, x):
        return ops.silu(x)


class Mish(Module):
    """x tanh(log(1 + exp(x))): (...) -> (...).

    >>> Mish()(np.array([0.0, 2.0]))
    array([0.        , 1.94395896])
    """

    def forward(self, x):
        return ops.mish(x)


class Softsign(Module):
    """x / (1 + |x|), between -1 and 1: (...) -> (...).

    >>> Softsign()(np.array([-1.0, 3.0]))
    array([-0.5 ,  0.75])
    """

    def forward(self, x):
        return ops.softsign(x)


class _Optional(Module):
    """An activation with options: an op that is given the attributes of their names."""

    op: Op

    def __init__(self, **options):
        self.op(np.zeros(0), **options)  # which raises if one is wrong
        for name, value in options.items():
            setattr(self, name, value)

    def _options(self):
        return {name: getattr(self, name) for name in self.op.options}

    def forward(self, x):
        return self.op(x, **self._options())

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._options().items())})"


class GELU(_Optional):
    """x times the probability that a standard normal number is less than x: (...) -> (...).

    approximate="tanh": nearly that, by a tanh.

    >>> GELU()(np.array([0.0, 1.0])), GELU("tanh")(np.array([0.0, 1.0]))
    (array([0.        , 0.84134475]), array([0.        , 0.84119199]))
    """

    op = ops.gelu

    def __init__(self, approximate="none"):
        super().__init__(approximate=approximate)


class ELU(_Optional):
    """x where it is positive, else alpha (exp(x) - 1): (...) -> (...).

    >>> ELU()(np.array([-1e4, 2.0]))
    array([-1.,  2.])
    """

    op = ops.elu

    def __init__(self, alpha=1.0):
        super().__init__(alpha=alpha)


class CELU(_Optional):
    """x where it is positive, else alpha (exp(x / alpha) - 1), whose slope has no jump: (...) -> (...).

    >>> CELU(0.5)(np.array([-1e4, 2.0]))
    array([-0.5,  2. ])
    """

    op = ops.celu

    def __init__(self, alpha=1.0):
        super().__init__(alpha=alpha)


class SELU(Module):
    """ELU times a scale, which keep mean 0 and variance 1 from layer to layer: (...) -> (...).

    >>> SELU()(np.array([-1e4, 1.0]))
    array([-1.75809934,  1.05070099])
    """

    def forward(self, x):
        return ops.selu(x)


# ---- of straight lines ------------------------------------------------------------------------------------------------


class ReLU6(Module):
    """min(max(x, 0), 6): (...) -> (...).

    >>> ReLU6()(np.array([-1.0, 3.0, 8.0]))
    array([0., 3., 6.])
    """

    def forward(self, x):
        return ops.relu6(x)


class Hardsigmoid(Module):
    """x / 6 + 1 / 2, kept between 0 and 1: (...) -> (...).

    >>> Hardsigmoid()(np.array([-4.0, 0.0, 4.0]))
    array([0. , 0.5, 1. ])
    """

    def forward(self, x):
        return ops.hard_sigmoid(x)


class Hardswish(Module):
    """x times Hardsigmoid of x: (...) -> (...).

    >>> Hardswish()(np.array([-4.0, 1.0, 4.0]))
    array([0.        , 0.66666667, 4.        ])
    """

    def forward(self, x):
        return ops.hard_swish(x)


class Hardtanh(_Optional):
    """x, kept between min_val and max_val: (...) -> (...).

    >>> Hardtanh()(np.array([-3.0, 0.5, 3.0]))
    array([-1. ,  0.5,  1. ])
    """

    op = ops.hardtanh

    def __init__(self, min_val=-1.0, max_val=1.0):
        super().__init__(min_val=min_val, max_val=max_val)


class LeakyReLU(_Optional):
    """x where it is positive, else negative_slope x: (...) -> (...).

    >>> LeakyReLU()(np.array([-1.0, 2.0]))
    array([-0.01,  2.  ])
    """

    op = ops.leaky_relu

    def __init__(self, negative_slope=0.01):
        super().__init__(negative_slope=negative_slope)


class PReLU(Module):
    """x where it is positive, else weight x, with a learned weight for each channel, or one for all.

    (..., channels) -> (..., channels). He et al. 2015, "Delving Deep into Rectifiers", equation 1.

    Raises ShapeError for an input whose last axis is not num_parameters, unless that is 1.

    >>> PReLU()(np.array([[-1.0, 2.0]], np.float32))
    tensor([[-0.25,  2.  ]], op='prelu')
    """

    unpenalised = ("weight",)

    def __init__(self, num_parameters=1, init=0.25, dtype="float32"):
        self.num_parameters = whole("PReLU", "num_parameters", num_parameters, 1)
        if not is_real(init):
            raise OptionError(f"PReLU: init must be a number, got {init!r}")
        dtype = float_dtype("PReLU", dtype)
        self.init = float(init)
        self.weight = Parameter(filled(self.num_parameters, dtype, self.init))

    def reset_parameters(self, rng):
        self.weight.data = np.full(self.num_parameters, self.init)

    def forward(self, x):
        if self.num_parameters > 1 and np.shape(x)[-1:] != (self.num_parameters,):
            expected = f"expected input of shape (..., {self.num_parameters}), got {np.shape(x)}"
            raise ShapeError(f"PReLU({self.num_parameters}): {expected}")
        return ops.prelu(x, self.weight)

    def __repr__(self):
        return f"PReLU(num_parameters={self.num_parameters})"
