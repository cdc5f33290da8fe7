"""Linear algebra of matrices, or of batches of them: inverse, equations, determinants, Cholesky.

The numbers come from NumPy's LAPACK, so that a step with these ops stays eager. Their twins are Gauss elimination and the
like, on numbers of any kind.
"""

from typing import Any, NamedTuple

import numpy as np

from .._op import op
from .._options import flag
from .._registry import BY_NUMPY
from .._samples import accumulated, bad, sample, strided
from .._tensor import plain
from ..errors import LinAlgError, ShapeError
from ..kernels import current
from ._shared import contiguous
from .indexing import getitem
from .linalg import _swap


def _regular(*shape):
    """Matrices far from singular, whose rows have to be exchanged to eliminate."""

    def make(rng):
        n = shape[-1]
        return np.roll(rng.normal(size=shape) / (2 * max(n, 1) ** 0.5) + np.eye(n), 1, -2)

    return make


def _definite(*shape):
    """Symmetric positive definite matrices, far from singular."""

    def make(rng):
        x = rng.normal(size=shape)
        return x @ np.swapaxes(x, -1, -2) / max(shape[-1], 1) + np.eye(shape[-1])

    return make


def _samples(make):
    shapes = [(3, 3), (1, 1), (2, 2), (5, 5), (9, 9), (17, 17), (4, 3, 3), (2, 3, 2, 2), (0, 0), (0, 3, 3), (2, 0, 0)]
    return [sample(make(*shape)) for shape in shapes] + [sample(lambda rng: np.swapaxes(make(2, 4, 4)(rng), -1, -2))]


NOT_SQUARE = [bad((2, 3), error=ShapeError, match="expected square matrices (..., n, n), got shape (2, 3)"),
              bad((4, 3, 2), error=ShapeError, match="expected square matrices (..., n, n), got shape (4, 3, 2)"),
              bad((3,), error=ShapeError, match="expected square matrices (..., n, n), got shape (3,)"),
              bad((), error=ShapeError, match="expected square matrices (..., n, n), got shape ()")]  # fmt: skip
SINGULAR = [[1.0, 2.0], [2.0, 4.0]]


def _check_square(name):
    def check(x, upper=False):
        flag(name, "upper", upper)
        shape = np.shape(x)
        if len(shape) < 2 or shape[-1] != shape[-2]:
            raise ShapeError(f"{name}: expected square matrices (..., n, n), got shape {shape}")

    return check


def _singular(name, at):
    return LinAlgError(
        f"{name}: {_which(at)} is singular: its rows depend on each other, so that it has no inverse; "
        "leave it out, or add small numbers to its diagonal"
    )


def _which(at):
    """A matrix of a batch, in words."""
    return f"matrix {at[0] if len(at) == 1 else at} of the batch" if at else "the matrix"


def _eager():
    if current.log is not None:
        current.log.fail("linear algebra is computed by LAPACK")


def _by_lapack(function, refused, a, *others):
    """function(a, *others); where LAPACK refuses a matrix the error `refused(where)`, or NaN if it is not finite."""
    _eager()
    try:
        with np.errstate(all="ignore"):
            return function(a, *others)
    except np.linalg.LinAlgError:
        broken = np.zeros(a.shape[:-2], bool)
    alone = np.linalg.cholesky if function is np.linalg.cholesky else np.linalg.inv
    for at in np.ndindex(broken.shape):
        try:
            alone(a[at])
        except np.linalg.LinAlgError:
            if np.isfinite(a[at]).all():
                raise refused(at) from None
            broken[at] = True
    y = function(np.where(broken[..., None, None], np.eye(a.shape[-1], dtype=a.dtype), a), *others)
    vectors = bool(others) and others[0].ndim == 1
    return np.where(broken[..., None] if vectors else broken[..., None, None], np.nan, y)


def _each(function, shape, a, *others):
    """function(where, matrix, ...) -> grid of that shape, of each matrix of a batch of numbers or Values."""
    lead = np.broadcast_shapes(a.shape[:-2], *(x.shape[:-2] for x in others))
    arrays = [np.broadcast_to(x, lead + x.shape[-2:]) for x in (a, *others)]
    out = np.empty(lead + shape, object)
    for at in np.ndindex(lead):
        out[at] = function(at, *(x[at] for x in arrays))
    return out


def _eliminated(a, b):
    """Gauss elimination of a, b beside it, with pivoting by the plain numbers: (upper triangle, b, sign of the order).

    The sign is 0 where a column has no pivot.
    """
    n = len(a)
    rows, sign = np.concatenate([a, b], 1).astype(object), 1
    for k in range(n):
        size = abs(plain(rows[k:, k]))
        pivot = k + int(np.argmax(size))
        if size[pivot - k] == 0:
            return rows[:, :n], rows[:, n:], 0
        if pivot != k:
            rows[[k, pivot]], sign = rows[[pivot, k]], -sign
        rows[k + 1 :, k:] = rows[k + 1 :, k:] - np.outer(rows[k + 1 :, k] / rows[k, k], rows[k, k:])
    return rows[:, :n], rows[:, n:], sign


def _solved(name):
    def solve(at, a, b):
        upper, x, sign = _eliminated(a, b)
        if not sign:
            raise _singular(name, at)
        for k in reversed(range(len(a))):
            x[k] = (x[k] - (upper[k, k + 1 :, None] * x[k + 1 :]).sum(0)) / upper[k, k]
        return x

    return solve


def _inv_twin(x):
    eye = np.eye(x.shape[-1], dtype=int)
    return _each(lambda at, a: _solved("inv")(at, a, eye), x.shape[-2:], x)


@op(twin=_inv_twin, backward=[lambda g, y, _x: -(_swap(y) @ g @ _swap(y))], check=_check_square("inv"),
    samples=_samples(_regular), errors=[*NOT_SQUARE, bad(SINGULAR, error=LinAlgError, match="inv: the matrix is singular"),
            bad([np.eye(2), SINGULAR], error=LinAlgError, match="inv: matrix 1 of the batch is singular")],
    tolerance=accumulated(64), numpy=(np.linalg.inv,))  # fmt: skip
def inv(x, /):
    """The inverse of each matrix: (..., n, n) -> (..., n, n). To solve equations, `solve` is quicker and more exact.

    >>> inv(np.array([[2.0, 0.0], [0.0, 4.0]]))
    array([[0.5 , 0.  ],
           [0.  , 0.25]])
    """
    return _by_lapack(np.linalg.inv, lambda at: _singular("inv", at), x)


def _check_solve(a, b):
    _check_square("solve")(a)
    n, rows = a.shape[-1], b.shape[:1] if b.ndim == 1 else b.shape[-2:-1]
    if rows != (n,):
        raise ShapeError(f"solve: expected b of shape ({n},) or (..., {n}, k) for a of shape {a.shape}, got {b.shape}")
    try:
        np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    except ValueError:
        raise ShapeError(
            f"solve: the leading axes of a and b, {a.shape[:-2]} and {b.shape[:-2]}, do not broadcast"
        ) from None


def _columns(x, b):
    """x as matrices of columns: with an axis more if b is one vector."""
    return x.reshape(*x.shape, 1) if b.ndim == 1 else x


def _solve_a(g, y, a, _b):
    return -(solve(_swap(a), _columns(g, _b)) @ _swap(_columns(y, _b)))


def _solve_b(g, _y, a, _b):
    return solve(_swap(a), _columns(g, _b)).reshape(g.shape)


def _solve_twin(a, b):
    y = _each(_solved("solve"), a.shape[-1:] + _columns(b, b).shape[-1:], a, _columns(b, b))
    return y[..., 0] if b.ndim == 1 else y


@op(twin=_solve_twin, backward=[_solve_a, _solve_b], check=_check_solve, tolerance=accumulated(64), numpy=(np.linalg.solve,),
    samples=[sample(_regular(3, 3), (3,)), sample(_regular(3, 3), (3, 2)), sample(_regular(4, 3, 3), (3,)),
             sample(_regular(4, 3, 3), (4, 3, 1)), sample(_regular(2, 1, 3, 3), (4, 3, 2)), sample(_regular(3, 3), (4, 3, 2)),
             sample(_regular(1, 1), (1,)), sample(_regular(17, 17), (17,)), sample(_regular(9, 9), (9, 3)),
             sample(_regular(0, 0), (0,)), sample(_regular(0, 3, 3), (3, 2)), sample(_regular(3, 3), (3, 0)),
             sample(lambda rng: _regular(4, 4)(rng).T, strided(4, 3))],
    errors=[bad((2, 3), (3,), error=ShapeError, match="solve: expected square matrices (..., n, n), got shape (2, 3)"),
            bad((3, 3), (2,), error=ShapeError, match="b of shape (3,) or (..., 3, k) for a of shape (3, 3), got (2,)"),
            bad((4, 3, 3), (4, 3), error=ShapeError, match="expected b of shape (3,) or (..., 3, k)"),
            bad((3, 3), (), error=ShapeError, match="for a of shape (3, 3), got ()"),
            bad((4, 3, 3), (2, 3, 1), error=ShapeError, match="the leading axes of a and b, (4,) and (2,), do not broadcast"),
            bad(SINGULAR, (2,), error=LinAlgError, match="solve: the matrix is singular")])  # fmt: skip
def solve(a, b, /):
    """x of a @ x = b: (..., n, n) and (n,) -> (..., n), or (..., n, n) and (..., n, k) -> (..., n, k).

    As in NumPy 2, b is a vector only if it has one axis; leading axes broadcast.

    >>> solve(np.array([[2.0, 0.0], [0.0, 4.0]]), np.array([2.0, 2.0]))
    array([1. , 0.5])
    """
    return _by_lapack(np.linalg.solve, lambda at: _singular("solve", at), a, b)


# ---- determinants -----------------------------------------------------------------------------------------------------
def _without_division(a):
    """The determinant without divisions (Bird 2011): also the derivatives are right where it is 0."""
    n, x = len(a), a
    for _ in range(n - 1):
        below = [(-x.diagonal()[i + 1 :]).sum() for i in range(n)]
        x = np.array([[below[i] if i == j else x[i, j] * (i < j) for j in range(n)] for i in range(n)], object).dot(a)
    return x[0, 0] * (-1) ** (n - 1)


def _known(x, y):
    """y, and NaN for a matrix with NaN in it, whose determinant LAPACK may take for 0."""
    return np.where(np.isnan(x).any((-2, -1)), np.nan, y)


def _det_of(_at, a):
    upper, _, sign = _eliminated(a, a[:, :0])
    return np.multiply.reduce(upper.diagonal()) * sign if sign else _without_division(a)


def _beside(g, x):
    """One number for each matrix, with axes to broadcast against the matrices."""
    return g.reshape(*x.shape[:-2], 1, 1)


def _cofactors_rule(g, y, x):
    turned = _swap(inv(x))
    return (g * y).sum((-2, -1), keepdims=True) * turned - y @ _swap(g) @ turned


def _cofactors_twin(x):
    def cofactor(a, i, j):
        return _det_of((), np.delete(np.delete(a, i, 0), j, 1)) * (-1) ** (i + j)

    n = x.shape[-1]
    return _each(lambda _, a: np.array([[cofactor(a, i, j) for j in range(n)] for i in range(n)], object).reshape(n, n),
                 (n, n), x)  # fmt: skip


@op(twin=_cofactors_twin, backward=[_cofactors_rule], check=_check_square("cofactors"), errors=NOT_SQUARE,
    tolerance=accumulated(64), samples=[s for s in _samples(_regular) if s.arrays(np.random.default_rng(0))[0].shape[-1] < 9],
)  # fmt: skip
def cofactors(x, /):
    """The gradient of the determinant of each matrix, det(x) * inv(x).T, which singular matrices have too.

    Its own derivative needs an inverse: of a singular matrix it is a LinAlgError.

    >>> cofactors(np.array([[1.0, 2.0], [3.0, 4.0]])).round(12)
    array([[ 4., -3.],
           [-2.,  1.]])
    """
    _eager()
    known = np.isfinite(x).all((-2, -1))[..., None, None]
    with np.errstate(all="ignore"):
        u, s, v = np.linalg.svd(np.where(known, x, 0))
        others = np.where(np.eye(x.shape[-1], dtype=bool), 1, s[..., None, :]).prod(-1)
        sign = np.sign(np.linalg.det(u) * np.linalg.det(v))[..., None, None]
        return np.where(known, sign * (u * others[..., None, :]) @ v, np.nan)


@op(twin=lambda x: _each(_det_of, (), x), check=_check_square("det"), samples=_samples(_regular), errors=NOT_SQUARE,
    backward=[lambda g, _y, x: _beside(g, x) * cofactors(x)], tolerance=accumulated(64), numpy=(np.linalg.det,))  # fmt: skip
def det(x, /):
    """The determinant of each matrix: (..., n, n) -> (...). Singular matrices have a gradient, but no second derivative.

    >>> det(np.array([[2.0, 1.0], [0.0, 3.0]]))
    array(6.)
    """
    _eager()
    with np.errstate(all="ignore"):
        return _known(x, np.linalg.det(x))


def _slogdet_of(_at, a):
    upper, _, sign = _eliminated(a, a[:, :0])
    if not sign:
        return np.array([0, -np.inf], object)
    pivots = upper.diagonal()
    below = int((plain(pivots) < 0).sum())
    return np.array([(-1) ** below * sign, np.log(abs(pivots)).sum()], object)


@op(name="slogdet", twin=lambda x: np.moveaxis(_each(_slogdet_of, (2,), x), -1, 0), check=_check_square("slogdet"),
    samples=_samples(_regular), errors=NOT_SQUARE, backward=[lambda g, _y, x: _beside(g[1], x) * _swap(inv(x))],
    tolerance=accumulated(64))  # fmt: skip
def _slogdet(x, /):
    _eager()
    with np.errstate(all="ignore"):
        return np.stack([_known(x, y) for y in np.linalg.slogdet(x)])


class SlogdetResult(NamedTuple):
    """What slogdet gives: sign * exp(logabsdet) is the determinant."""

    sign: Any
    logabsdet: Any


def slogdet(x):
    """The sign of the determinant of each matrix and the logarithm of its size: (..., n, n) -> two of shape (...).

    Of singular matrices they are 0 and -inf, which have no gradient: it is a LinAlgError.

    >>> slogdet(np.array([[0.0, 1.0], [1.0, 0.0]]))
    SlogdetResult(sign=array(-1.), logabsdet=array(0.))
    """
    both = _slogdet(x)
    return SlogdetResult(getitem(both, 0), getitem(both, 1))


BY_NUMPY[np.linalg.slogdet] = slogdet


# ---- Cholesky ---------------------------------------------------------------------------------------------------------
def _indefinite(at, order):
    return LinAlgError(
        f"cholesky: {_which(at)} is not positive definite: its leading minor of order {order} is not positive; "
        "a covariance gets there by small numbers added to its diagonal"
    )


def _first_minor(a):
    """The order of the first leading minor that is not positive."""
    for n in range(1, len(a)):
        try:
            np.linalg.cholesky(a[:n, :n])
        except np.linalg.LinAlgError:
            return n
    return len(a)


def _cholesky_of(at, a):
    numbers = plain(a)
    a = (a + a.T) / 2 + (numbers - numbers.T) / 2  # the lower triangle; its gradient is shared with the upper one
    out = np.zeros(a.shape, object)
    for i, j in zip(*np.tril_indices(len(a)), strict=True):
        left = a[i, j] - (out[i, :j] * out[j, :j]).sum()
        if i == j and plain(left) <= 0:
            raise _indefinite(at, i + 1)
        out[i, j] = np.sqrt(left) if i == j else left / out[j, j]
    return out


def _cholesky_twin(x, upper=False):
    return _swap(_cholesky_twin(_swap(x))) if upper else _each(_cholesky_of, x.shape[-2:], x)


def _cholesky_rule(g, y, _x, upper=False):
    """The symmetric gradient: with P the lower triangle of L.T g, its diagonal halved, that of inv(L).T P inv(L)."""
    if upper:
        y, g = _swap(y), _swap(g)
    n, turned = y.shape[-1], _swap(y)
    half = np.tril(np.ones((n, n), y.dtype)) - np.eye(n, dtype=y.dtype) / 2
    gx = solve(turned, _swap(solve(turned, (turned @ g) * half)))
    return (gx + _swap(gx)) / 2


@op(ties="symmetric",
    twin=_cholesky_twin, backward=[_cholesky_rule], check=_check_square("cholesky"), tolerance=accumulated(64),
    samples=[*_samples(_definite), sample(_definite(3, 3), upper=True), sample(_definite(2, 5, 5), upper=True)],
    errors=[*NOT_SQUARE,
            bad([[1.0, 2.0], [2.0, 1.0]], error=LinAlgError,
                match="cholesky: the matrix is not positive definite: its leading minor of order 2 is not positive"),
            bad([[np.eye(3)], [-np.eye(3)]], error=LinAlgError,
                match="cholesky: matrix (1, 0) of the batch is not positive definite: its leading minor of order 1"),
            bad(np.zeros((2, 2)), upper=True, error=LinAlgError, match="leading minor of order 1 is not positive")],
    numpy=(np.linalg.cholesky,))  # fmt: skip
def cholesky(x, /, upper=False):
    """The lower triangle L with L @ L.T = x, of each symmetric positive definite matrix; upper=True gives L.T.

    As in NumPy, only the lower triangle of x is read (the upper one, for upper=True); the gradient is symmetric.

    >>> cholesky(np.array([[4.0, 2.0], [2.0, 5.0]]))
    array([[2., 0.],
           [1., 2.]])
    """
    if upper:
        return contiguous(_swap(cholesky.forward(_swap(x))))
    return np.tril(_by_lapack(np.linalg.cholesky, lambda at: _indefinite(at, _first_minor(x[at])), x))
