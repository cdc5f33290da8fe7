"""A learned vector for each of so many things."""

import numpy as np

from .. import ops
from .._options import float_dtype, whole
from .._parameter import Parameter
from .._random import generator
from ..errors import DTypeError, ShapeError
from ._making import filled
from .initialisers import draw, initialiser, normal
from .module import Module

__all__ = ["Embedding"]


def standard_normal(rng, shape):
    """Normal with variance 1, as PyTorch draws embeddings."""
    return normal(rng, shape, std=1.0)


class Embedding(Module):
    """A row of a table for each index: int (...) of 0..count-1 -> (..., features).

    weight is (count, features), drawn by `init` (standard normal where nothing is said). Where an index comes several
    times, its gradients add up. Raises DTypeError for other numbers than integers, ShapeError for an index that is not in
    the table, with its position.

    >>> layer = Embedding(10, 4, rng=0)
    >>> layer(np.array([[1, 2, 2], [9, 0, 1]])).shape
    (2, 3, 4)
    """

    def __init__(self, count, features, init=standard_normal, rng=None, dtype="float32"):
        self.count, self.features = whole("Embedding", "count", count, 1), whole("Embedding", "features", features, 1)
        dtype = float_dtype("Embedding", dtype)
        self._initialise = initialiser("Embedding", "init", init)
        self.weight = Parameter(filled((self.count, self.features), dtype))
        self.reset_parameters(generator("Embedding", rng))

    def reset_parameters(self, rng):
        draw(self.weight, self._initialise, rng, "Embedding")

    def forward(self, indices):
        return self._named(ops.embedding, indices, self.weight)

    def check_inputs(self, X):
        """Raise an error if there is an index in this data that is not in the table."""
        self._named(ops.embedding.check, np.asarray(X), np.broadcast_to(0.0, self.weight.shape))

    def _named(self, function, *args):
        """Call a function; its errors are those of this layer."""
        try:
            return function(*args)
        except (ShapeError, DTypeError) as error:
            raise type(error)(str(error).replace("embedding", repr(self), 1)) from None

    def __repr__(self):
        return f"Embedding({self.count}, {self.features})"
