"""The dense (fully connected) layer."""

import math

import numpy as np

from .. import ops
from .._options import flag, float_dtype, whole
from .._parameter import Parameter
from .._random import generator
from ..errors import ShapeError, choose
from ._making import filled
from .activations import fused_with_relu
from .initialisers import draw, initialiser
from .module import Module

__all__ = ["Dense"]


class Dense(Module):
    """y = x @ weight + bias: (..., in_features) -> (..., out_features).

    weight is (in_features, out_features), drawn by `init` (a name of `nn.initialisers` or any function `(rng, shape) ->
    numbers`) from `rng` (a seed, a Generator, or None for fresh entropy); bias (out_features,) starts at 0, and `bias=False`
    leaves it out. `penalise(l2=1e-4)` makes large weights cost. Raises ShapeError for an input whose last axis is not
    in_features.

    >>> layer = Dense(2, 3, rng=0)
    >>> layer(np.zeros((5, 2), np.float32)).shape
    (5, 3)
    """

    def __init__(self, in_features, out_features, bias=True, init="he_normal", rng=None, dtype="float32"):
        self.in_features = whole("Dense", "in_features", in_features, 1)
        self.out_features = whole("Dense", "out_features", out_features, 1)
        dtype, bias = float_dtype("Dense", dtype), flag("Dense", "bias", bias)
        self._initialise = initialiser("Dense", "init", init)
        self.weight = Parameter(filled((self.in_features, self.out_features), dtype))
        self.bias = Parameter(filled(self.out_features, dtype)) if bias else None
        self.reset_parameters(generator("Dense", rng))

    def reset_parameters(self, rng):
        draw(self.weight, self._initialise, rng, "Dense")
        if self.bias is not None:
            self.bias.data = np.zeros(self.out_features, dtype=self.bias.dtype)

    def fused_with(self, following):
        """With a ReLU as it is: one kernel, unless there is no bias or a forward was replaced."""
        return None if self.bias is None else fused_with_relu(self, Dense.forward, following)

    def forward(self, x, activation=None):
        try:
            if self.bias is None:
                y = ops.matmul(x, self.weight)
                return y if activation is None else choose("Dense", "activation", activation, {"relu": ops.relu})(y)
            return ops.dense(x, self.weight, self.bias, activation=activation)
        except ShapeError:
            expected = f"expected input of shape (..., {self.in_features}), got {np.shape(x)}"
            if np.ndim(x) > 2 and math.prod(np.shape(x)[1:]) == self.in_features:
                expected += "; rows as vectors: put nn.Flatten() before it"
            raise ShapeError(f"Dense({self.in_features}, {self.out_features}): {expected}") from None

    def __repr__(self):
        return f"Dense({self.in_features}, {self.out_features}{'' if self.bias is not None else ', bias=False'})"
