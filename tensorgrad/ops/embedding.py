"""Rows of a table by their numbers, and the gradient, which adds up where a row is taken several times."""

import numpy as np

from .. import kernels
from .._op import op
from .._options import whole
from .._samples import accumulated, bad, labels, sample, strided
from ..errors import DTypeError, OptionError, ShapeError
from ..kernels import constant
from ._shared import contiguous, flat


def _check_indices(name, indices, count):
    if indices.dtype.kind not in "iu":
        raise DTypeError(f"{name}: expected integer indices, got dtype {indices.dtype}; convert them with .astype(int)")
    row = kernels.first_outside(np.ascontiguousarray(indices, np.int64).reshape(-1), count)
    if row >= 0:
        where = tuple(int(i) for i in np.unravel_index(row, indices.shape))
        raise ShapeError(
            f"{name}: index {indices[where]} at position {where} is outside 0..{count - 1}: the table has {count} rows"
        )


def _check(indices, weight):
    if weight.ndim != 2:
        raise ShapeError(f"embedding: expected a table of shape (count, features), got {weight.shape}")
    _check_indices("embedding", indices, weight.shape[0])


def _check_backward(g, indices, count):
    count = whole("embedding_backward", "count", count, 0)
    if g.ndim < 1 or g.shape[:-1] != indices.shape:
        expected = f"({', '.join(map(str, (*indices.shape, 'features')))})"
        raise ShapeError(f"embedding_backward: expected a gradient of shape {expected}, got {g.shape}")
    _check_indices("embedding_backward", indices, count)


def _backward_twin(g, indices, count):
    g, rows = np.asarray(g), np.ravel(indices)
    g = g.reshape(len(rows), g.shape[-1])
    total = np.zeros((count, g.shape[-1]), g.dtype)
    for row, gradient in zip(rows, g, strict=True):
        total[row] = total[row] + gradient
    return total


def _integers(indices):
    return flat(contiguous(indices if indices.dtype == np.int64 else indices.astype(np.int64)))


@op(twin=lambda indices, weight: np.asarray(weight)[np.asarray(indices, int)], constants=("indices",), check=_check,
    ties="added up where a row is taken twice",
    backward=[None, lambda g, _y, indices, _weight: embedding_backward(g, indices, count=_weight.shape[0])],
    samples=[sample(labels(5, 3), (3, 4)), sample([2, 2, 0, 2], (3, 1)), sample([[0, 4], [4, 1]], (5, 2)), sample([0], (1, 1)),
             sample(labels(67, 9), (9, 17)), sample(np.zeros((2, 0), int), (3, 4)), sample(np.array(1), (3, 2)),
             sample(lambda rng: rng.integers(0, 7, (2, 3, 4)).astype("uint8"), (7, 5)), sample([[1], [0]], strided(2, 33)),
             sample(lambda rng: rng.integers(0, 7, (4, 6))[:, ::2], (7, 3))],
    errors=[bad([0, 3], (3, 2), error=ShapeError, match="index 3 at position (1,) is outside 0..2: the table has 3 rows"),
            bad([[0, 1], [2, -1]], (3, 2), error=ShapeError, match="index -1 at position (1, 1) is outside 0..2"),
            bad([0.0, 1.0], (3, 2), error=DTypeError, match="expected integer indices, got dtype float64"),
            bad([0, 1], (3,), error=ShapeError, match="expected a table of shape (count, features), got (3,)")])  # fmt: skip
def embedding(indices, weight, /):
    """Rows of a table: int (...) of 0..count-1, (count, features) -> (..., features).

    Raises ShapeError for an index that is not a row, naming its position.

    >>> embedding(np.array([2, 0]), np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
    array([[5., 6.],
           [1., 2.]])
    """
    out = np.empty((*indices.shape, weight.shape[1]), weight.dtype)
    rows = _integers(indices)
    kernels.embedding(rows, contiguous(weight), out.reshape(len(rows), weight.shape[1]))
    return out


@op(twin=_backward_twin, constants=("indices",), check=_check_backward, tolerance=accumulated(16),
    backward=[lambda h, _y, _g, indices, count: embedding(indices, h), None],
    samples=[sample((5, 4), labels(5, 3), count=3), sample((4, 1), [2, 2, 0, 2], count=3), sample((1, 1), [0], count=1),
             sample((2, 2, 3), [[0, 4], [4, 1]], count=5), sample((67, 17), labels(67, 9), count=9),
             sample((2, 0, 4), np.zeros((2, 0), int), count=3), sample((2,), np.array(1), count=3),
             sample((2, 3, 4, 5), lambda rng: rng.integers(0, 7, (2, 3, 4)), count=7),
             sample(strided(2, 33), [1, 0], count=2), sample((5, 4), [4, 3, 2, 1, 0], count=5)],
    errors=[bad((2, 2), [0, 3], count=3, error=ShapeError, match="index 3 at position (1,) is outside 0..2"),
            bad((3, 2), [0, 2], count=3, error=ShapeError, match="expected a gradient of shape (2, features), got (3, 2)"),
            bad((2, 2), [0, 1], count=None, error=OptionError, match="count must be a whole number of at least 0, got None"),
            bad((2, 2), [0.0, 1.0], count=3, error=DTypeError, match="expected integer indices, got dtype float64")],
)  # fmt: skip
def embedding_backward(g, indices, /, count):
    """The gradient of a table, from that of the rows taken: (..., features), int (...) -> (count, features).

    >>> embedding_backward(np.array([[1.0], [2.0], [4.0]]), np.array([0, 2, 0]), 3)
    array([[5.],
           [0.],
           [2.]])
    """
    out, rows = np.empty((count, g.shape[-1]), g.dtype), _integers(indices)
    kernels.embedding_backward(
        contiguous(g).reshape(len(rows), g.shape[-1]), rows, constant(np.zeros(1, np.int64)), out
    )
    return out
