"""Products: matmul, and the dense layer as one op."""

import numpy as np

from .. import kernels
from .._op import op
from .._samples import accumulated, bad, sample, strided
from .._tensor import Tensor
from ..errors import OptionError, ShapeError, choose
from ..kernels import constant, current
from ._shared import binary, contiguous


def _check_matmul(a, b):
    shapes = f"matmul: shapes {np.shape(a)} and {np.shape(b)}"
    if not np.ndim(a) or not np.ndim(b):
        raise ShapeError(f"{shapes}: a number has no matrix product; use *")
    inner = b.shape[-2] if b.ndim > 1 else b.shape[0]
    if a.shape[-1] != inner:
        raise ShapeError(
            f"{shapes} do not fit: the last axis of the first is {a.shape[-1]}, the rows of the second are {inner}"
        )
    try:
        np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    except ValueError:
        raise ShapeError(f"{shapes}: the leading axes {a.shape[:-2]} and {b.shape[:-2]} do not broadcast") from None


def _matmul_twin(a, b):
    from microgrid._grid import matmul

    return matmul(a, b)


def _swap(x):
    """The transpose of the last two axes."""
    return x.transpose(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2)


def _matmul_a(g, _y, _a, b):
    if b.ndim == 1:  # (..., m) x (k,): the gradient is an outer product; a vector a gives the scalar g
        return g.reshape(*g.shape, 1) * b
    if _a.ndim == 1:
        return (g.reshape(*g.shape[:-1], 1, g.shape[-1]) @ _swap(b)).reshape(*g.shape[:-1], _a.shape[0])
    return g @ _swap(b)


def _matmul_b(g, _y, a, _b):
    if a.ndim == 1 and _b.ndim == 1:
        return a * g
    if a.ndim == 1:  # (k,) x (..., k, n): g is (..., n)
        return a.reshape(a.shape[0], 1) * g.reshape(*g.shape[:-1], 1, g.shape[-1])
    if _b.ndim == 1:  # (..., m, k) x (k,): g is (..., m)
        return (a * g.reshape(*g.shape, 1)).sum(tuple(range(a.ndim - 1)))
    return _swap(a) @ g


@op(twin=_matmul_twin, backward=[_matmul_a, _matmul_b], check=_check_matmul, tolerance=accumulated(16), numpy=(np.matmul,),
    samples=[sample((5, 3), (3, 4)), sample((3,), (3,)), sample((3,), (3, 4)), sample((5, 3), (3,)), sample((2, 5, 3), (3, 4)),
             sample((2, 5, 3), (2, 3, 4)), sample((2, 1, 5, 3), (4, 3, 2)), sample((17, 33), (33, 2)), sample((0, 3), (3, 2)),
             sample((2, 0), (0, 3)), sample((2, 0, 3), (2, 3, 4)), sample((2, 2, 0), (2, 0, 3)),
             sample((3,), (2, 3, 4)), sample((2, 5, 3), (3,)), sample(strided(4, 5), (5, 2)),
             sample((9, 15), (15, 16)), sample((7, 16), (16, 17)), sample((2, 33), (33, 15))],
    errors=[bad((5, 3), (4, 3), error=ShapeError, match="the last axis of the first is 3, the rows of the second are 4"),
            bad((), (3,), error=ShapeError, match="a number has no matrix product; use *"),
            bad((2, 5, 3), (3, 3, 4), error=ShapeError, match="the leading axes (2,) and (3,) do not broadcast")])  # fmt: skip
def matmul(a, b, /):
    """The matrix product, with NumPy's rules for vectors and leading axes: (..., m, k), (..., k, n) -> (..., m, n).

    >>> matmul(np.eye(2), np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[1., 2.],
           [3., 4.]])
    """
    left = a.reshape(1, -1) if a.ndim == 1 else a
    right = b.reshape(-1, 1) if b.ndim == 1 else b
    m, k, n = left.shape[-2], left.shape[-1], right.shape[-1]
    if right.ndim == 2:  # one matrix for all: one product
        lead = left.shape[:-2]
        left, right = contiguous(left).reshape(1, int(np.prod(lead)) * m, k), right.reshape(1, k, n)
    else:
        lead = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
        count = int(np.prod(lead))
        left = contiguous(np.broadcast_to(left, (*lead, m, k))).reshape(count, m, k)
        right = contiguous(np.broadcast_to(right, (*lead, k, n))).reshape(count, k, n)
    out = np.empty((left.shape[0], left.shape[1], n), dtype=a.dtype)
    if out.size and k:
        kernels.matmul(contiguous(left), contiguous(right), constant(kernels.alone(left.shape[1], k, n)), out)
    else:
        constant(out)[...] = 0
    return out.reshape((*lead, *((m,) if a.ndim > 1 else ()), *((n,) if b.ndim > 1 else ())))


# ---- dense ------------------------------------------------------------------------------------------------------------
_ACTIVATIONS = {None: kernels.dense, "relu": kernels.dense_relu}


def _check_dense(x, w, b, activation=None):
    if w.ndim != 2 or b.shape != w.shape[1:]:
        raise ShapeError(f"dense: expected a weight (in, out) and a bias (out,), got {w.shape} and {b.shape}")
    if not x.ndim or x.shape[-1] != w.shape[0]:
        raise ShapeError(f"dense: expected input of shape (..., {w.shape[0]}), got {x.shape}")
    choose("dense", "activation", activation, _ACTIVATIONS)


def _dense_twin(x, w, b, activation=None):
    y = _product(x, w) + b
    return y if activation is None else np.where(y <= 0, 0, y)  # NaN stays NaN


def _product(x, w):
    """x @ w on grids (one node for each sum of products) and on Tensors."""
    return x @ w if isinstance(x, Tensor) or isinstance(w, Tensor) else _matmul_twin(x, w)


def _rows(x, width):
    """x as a contiguous matrix of rows: (..., width) -> (n, width)."""
    if x.ndim != 2:
        x = x.reshape(int(np.prod(x.shape[:-1])), width)
    return contiguous(x)


def _dense_backward(needs, g, y, x, w, b, activation=None):
    if g.ndim != 2:
        needs_dx, shape = needs[0], x.shape
        k, n = w.shape
        rows = (_rows(g, n), _rows(y, n), _rows(x, k))
        dx, dw, db = _dense_backward((needs_dx,), *rows, w, b, activation)
        return None if dx is None else dx.reshape(shape), dw, db
    x, g, w = contiguous(x), contiguous(g), contiguous(w)
    (m, k), n, real, relu = x.shape, w.shape[1], w.dtype, activation is not None
    if not g.size or not k:
        if current.log is not None:
            current.log.fail("a dense layer got an empty batch")
        g = np.where(y > 0, g, 0) if relu else g
        return np.zeros(x.shape, dtype=real), np.zeros((k, n), dtype=real), g.sum(0)
    alone = constant(kernels.alone(m, k, n, needs[0]))
    dw, db = np.empty((k, n), real), np.empty(n, real)
    dx = np.empty((m, k), real) if needs[0] else None
    if k * n > kernels.LARGEST_W:
        g = binary(kernels.relu_backward, g, y) if relu else g
        kernels.sum_columns(g, db)
        kernels.weight_gradient(x, g, constant(kernels.FIRST), alone, dw, np.empty(m * k, real))
        if dx is not None:
            kernels.input_gradient(g, w, alone, dx)
        return dx, dw, db
    work = np.empty(kernels.workspace(m, k, n), real)
    if dx is None and relu:
        kernels.dense_relu_backward_first(g, y, x, alone, dw, db, work)
    elif dx is None:
        kernels.dense_backward_first(g, x, alone, dw, db, work)
    elif relu:
        kernels.dense_relu_backward(g, y, x, w, alone, dw, db, dx, work)
    else:
        kernels.dense_backward(g, x, w, alone, dw, db, dx, work)
    return dx, dw, db


@op(twin=_dense_twin, fused=_dense_backward, unread=("b",), check=_check_dense, tolerance=accumulated(16),
    samples=[sample((5, 3), (3, 4), (4,)), sample((5, 3), (3, 4), (4,), activation="relu"), sample((3,), (3, 4), (4,)),
             sample((2, 5, 3), (3, 4), (4,), activation="relu"), sample((17, 33), (33, 2), (2,)), sample((0, 3), (3, 4), (4,)),
             sample((1, 1), (1, 1), (1,)), sample(strided(4, 5), (5, 17), (17,), activation="relu"),
             sample((2, 0), (0, 3), (3,), activation="relu"),
             sample([[0.0, 1.0]], [[1.0, 2.0], [0.0, -1.0]], [0.0, 1.0], activation="relu"),
             sample((9, 15), (15, 16), (16,)), sample((7, 16), (16, 17), (17,), activation="relu"),
             sample((2, 17), (17, 33), (33,))],
    errors=[bad((5, 2), (3, 4), (4,), error=ShapeError, match="dense: expected input of shape (..., 3), got (5, 2)"),
            bad((5, 3), (3, 4), (3,), error=ShapeError, match="a weight (in, out) and a bias (out,), got (3, 4) and (3,)"),
            bad((), (3, 4), (4,), error=ShapeError, match="expected input of shape (..., 3), got ()"),
            bad((5, 3), (3, 4), (4,), activation="rellu", error=OptionError, match="did you mean 'relu'?"),
            bad((5, 3), (3, 4), (4,), activation=[], error=OptionError, match="dense: unknown activation []")])  # fmt: skip
def dense(x, w, b, /, activation=None):
    """x @ w + b, then max(0, .) with activation="relu", in one pass: (..., in), (in, out), (out,) -> (..., out).

    >>> dense(np.ones((1, 2)), np.ones((2, 3)), np.array([0.0, 1.0, -5.0]), activation="relu")
    array([[2., 3., 0.]])
    """
    n = w.shape[1]
    rows = _rows(x, w.shape[0])
    out = np.empty((len(rows), n), x.dtype)
    if rows.size:
        alone = constant(kernels.alone(len(rows), w.shape[0], n))
        _ACTIVATIONS[activation](rows, contiguous(w), contiguous(b), alone, out)
    else:
        if current.log is not None:
            current.log.fail("a dense layer got an empty batch")
        out[...] = b if activation is None else np.maximum(b, 0)
    return out if x.ndim == 2 else out.reshape(*x.shape[:-1], n)
