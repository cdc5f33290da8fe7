"""Variances and norms over any axes."""

import numpy as np

from .. import kernels
from .._coerce import is_grid
from .._op import op
from .._options import flag, is_real
from .._samples import accumulated, bad, sample, scaled, special
from .._tensor import plain
from ..errors import OptionError, ShapeError
from ..kernels import share
from ._shared import axes_of, constants, contiguous, flat
from .reduce import AXES, EMPTY, NO_AXIS, NOT_EMPTY, check_axes, count_of, extreme_twin, layout


def _check_var(name):
    check_axis = check_axes(name, empty=False)

    def check(x, axis=None, ddof=0, keepdims=False):
        check_axis(x, axis, keepdims)
        if not is_real(ddof):
            raise OptionError(f"{name}: ddof must be a number, got {ddof!r}")
        n = count_of(np.shape(x), axis)
        if not n - ddof > 0:
            raise OptionError(
                f"{name}: ddof={ddof} of {n} elements leaves nothing to divide by; it must be less than {n}"
            )

    return check


def _total(x, axis, keepdims):
    """The sum, in twins; NumPy makes bare Values of grids without axes, which know no axis."""
    return (np.asarray(x) if is_grid(x) else x).sum(axis=axis, keepdims=keepdims)


def _var_twin(x, axis=None, ddof=0, keepdims=False):
    d = x - x.mean(axis=axis, keepdims=True)
    return _total(d * d, axis, keepdims) / (count_of(np.shape(x), axis) - ddof)


def _std_twin(x, axis=None, ddof=0, keepdims=False):
    return _root(_var_twin(x, axis, ddof, keepdims))


def _root(x, power=0.5):
    """x**power with gradient 0 at 0."""
    still = np.equal(plain(x), 0)
    return np.where(still, 0, np.where(still, 1, x) ** power)


def _divisor(plan, ddof):
    return constants(plan.count - ddof)


def _var(x, plan, ddof):
    """The variance, and the means in two parts."""
    out, middle, rest = (np.empty(plan.columns, x.dtype) for _ in range(3))
    share(kernels.var_over, plan.split(x), _divisor(plan, ddof), middle, rest, out)
    return out, middle, rest


def _var_backward(needs, g, saved, x, axis=None, ddof=0, keepdims=False):
    plan = layout("var", x.shape, axis)
    out, blocks = plan.new(x.dtype)
    share(kernels.var_backward, plan.beside(g), *saved[1:], plan.split(x), _divisor(plan, ddof), blocks)
    return (out,)


def _std_backward(needs, g, saved, x, axis=None, ddof=0, keepdims=False):
    slope = np.empty(saved[0].shape, x.dtype)
    kernels.std_backward(flat(contiguous(g)), flat(saved[0]), flat(slope))
    return _var_backward(needs, slope, saved, x, axis, ddof, keepdims)


VARIANCES = [*NOT_EMPTY, *(sample((5, 3), axis=a, ddof=1) for a in (0, 1)), sample((67,), ddof=1.5)]
NO_DDOF = [
    bad((5,), ddof="1", error=OptionError, match="ddof must be a number, got '1'"),
    bad((5, 3), axis=1, ddof=3, error=OptionError, match="ddof=3 of 3 elements leaves nothing to divide by"),
]


@op(twin=_var_twin, fused=_var_backward, samples=VARIANCES, errors=NO_AXIS + EMPTY + NO_DDOF, check=_check_var("var"),
    tolerance=accumulated(16), numpy=(np.var,))  # fmt: skip
def var(x, /, axis=None, ddof=0, keepdims=False):
    """The variance over an axis, several, or all (None): the mean square of the differences to the mean.

    It divides by the number of elements less ddof: ddof=1 estimates the variance of what the elements are a sample of.

    >>> var(np.array([1.0, 2.0, 3.0])), var(np.array([1.0, 2.0, 3.0]), ddof=1)
    (array(0.66666667), array(1.))
    """
    plan = layout("var", x.shape, axis)
    out, *means = _var(x, plan, ddof)
    return plan.shaped(out, keepdims), *means


@op(ties="0 where all are equal",
    twin=_std_twin, fused=_std_backward, samples=[s for s in VARIANCES if s.inputs != ((),)], numpy=(np.std,),
    errors=NO_AXIS + EMPTY + NO_DDOF, check=_check_var("std"), tolerance=accumulated(16))  # fmt: skip
def std(x, /, axis=None, ddof=0, keepdims=False):
    """The standard deviation over an axis, several, or all (None): the root of `var`; the gradient at 0 is 0.

    >>> std(np.array([1.0, 3.0]))
    array(1.)
    """
    plan = layout("std", x.shape, axis)
    out, *means = _var(x, plan, ddof)
    kernels.sqrt(flat(out), flat(out))
    return plan.shaped(out, keepdims), *means


# ---- norms ------------------------------------------------------------------------------------------------------------
def _check_norm(name):
    def check(x, ord=2, axis=None, keepdims=False):
        flag(name, "keepdims", keepdims)
        count = layout(name, np.shape(x), axis).count
        if not is_real(ord) or ord != ord:
            raise OptionError(f"{name}: ord must be a number, np.inf or -np.inf, got {ord!r}")
        if not count and (ord < 0 or ord == np.inf):
            raise ShapeError(f"{name}: ord={ord} of no elements is not defined, shape {np.shape(x)}, axis {axis}")

    return check


def _norm_twin(x, ord=2, axis=None, keepdims=False):
    size = abs(x)
    if abs(ord) == np.inf:
        return extreme_twin(np.max if ord > 0 else np.min)(size, axis, keepdims)
    if ord == 0:
        return _total(size * 0 + np.not_equal(plain(x), 0), axis, keepdims)
    if ord == 1:
        return _total(size, axis, keepdims)
    still = np.equal(plain(size), 0)
    parts = x * x if ord == 2 else np.where(still, 0 if ord > 0 else np.inf, np.where(still, 1, size) ** ord)
    total = _total(parts, axis, keepdims)
    if ord < 0:
        infinite = np.isinf(plain(total).astype(float))
        return np.where(infinite, 0, np.where(infinite, 1, total) ** (1 / ord))
    return _root(total, 1 / ord)


def _norm_backward(needs, g, y, x, ord=2, axis=None, keepdims=False):
    plan, order = layout("vector_norm", x.shape, axis), constants(ord)
    out, blocks = plan.new(x.dtype)
    factor = np.empty(plan.columns, x.dtype)
    share(kernels.norm_backward, plan.beside(g), y.reshape(plan.columns), plan.split(x), order, factor, blocks)
    return (out,)


_check_vector = _check_norm("norm")
_ZEROS = [[0.0, 0.0, 0.0], [3.0, 0.0, -4.0]]


@op(ties="0 at the zero vector; of infinite orders shared evenly",
    twin=_norm_twin, fused=_norm_backward, check=_check_norm("vector_norm"), tolerance=accumulated(16),
    samples=[*AXES, *(sample((4, 67), ord=p, axis=1) for p in (1, 3, 2.5, 1.5, np.inf, -np.inf, -1)),
             *(sample((2, 3, 17), ord=p, axis=(0, 2), keepdims=True) for p in (1, 3, np.inf)),
             *(sample(_ZEROS, ord=p, axis=a) for p in (1, 2, 3, np.inf) for a in (0, 1)),
             *(sample((67, 4), ord=p, axis=0) for p in (1, 3, 2.5, np.inf, -np.inf, -1)), sample(scaled((5, 3), 1e4), axis=0),
             sample(scaled((5, 3), 1e4), ord=3, axis=1), sample((5, 3), axis=0, ord=0.5),
             special([[0.0, 1.0], [0.0, 0.0]], ord=0, axis=1),
             special([[0.0, 1.0], [3.0, 2.0]], ord=-1, axis=1),
             special([[np.nan, 1.0], [np.inf, 1.0], [-np.inf, np.nan]], axis=1),
             special([[np.nan, 1.0], [np.inf, 1.0], [-np.inf, np.nan]], axis=1, ord=np.inf),
             special([[np.nan, 1.0, 0.0], [np.inf, -np.inf, 0.0]], axis=0),
             special([[0.0, 1.0], [0.0, 2.0]], axis=0, ord=-1)],
    errors=[*NO_AXIS, bad((5,), ord="fro", error=OptionError, match="ord must be a number, np.inf or -np.inf, got 'fro'"),
            bad((5,), ord=np.array([1, 2]), error=OptionError, match="vector_norm: ord must be a number, np.inf or"),
            bad((0, 3), axis=0, ord=np.inf, error=ShapeError, match="ord=inf of no elements is not defined")],
    numpy=(np.linalg.vector_norm,))  # fmt: skip
def vector_norm(x, /, ord=2, axis=None, keepdims=False):
    """(sum of |x|**ord) ** (1 / ord) over an axis, several, or all (None); ord may be infinite, 0 counts what is not 0.

    Numbers whose squares would overflow are scaled before. The gradient at the zero vector is 0; of infinite orders it is
    split evenly between the elements that reach the norm.

    >>> vector_norm(np.array([3.0, -4.0])), vector_norm(np.array([3.0, -4.0]), ord=np.inf)
    (array(5.), array(4.))
    """
    plan = layout("vector_norm", x.shape, axis)
    scale, out = np.empty(plan.columns, x.dtype), np.empty(plan.columns, x.dtype)
    share(kernels.norm_over, plan.split(x), constants(ord), scale, out)
    return plan.shaped(out, keepdims)


def _check_matrix_norm(x, ord=None, axis=None, keepdims=False):
    axes = axes_of("norm", axis, np.ndim(x)) if ord is not None else ()
    if len(axes) == 2 and not _is_frobenius(ord):
        raise OptionError(
            f"norm: ord={ord!r} over two axes is a matrix norm, which has no gradient here; "
            f"of all elements take vector_norm(x, ord={ord!r})"
        )
    if len(axes) > 2:
        raise OptionError(f"norm: ord={ord} needs one axis, got an array with {len(axes)} axes; use vector_norm")
    _check_vector(x, 2 if ord is None or len(axes) == 2 else ord, axis, keepdims)


def _is_frobenius(ord):
    return isinstance(ord, str) and ord == "fro"


def _order(ord):
    return 2 if ord is None or _is_frobenius(ord) else ord


@op(ties="0 at the zero vector; of infinite orders shared evenly",
    twin=lambda x, ord=None, axis=None, keepdims=False: _norm_twin(x, _order(ord), axis, keepdims),
    fused=lambda needs, g, y, x, ord=None, axis=None, keepdims=False: _norm_backward(needs, g, y, x, _order(ord), axis),
    check=_check_matrix_norm, tolerance=accumulated(16), numpy=(np.linalg.norm,),
    samples=[*AXES, sample((4, 67), ord=1, axis=1), sample((4, 67), ord=np.inf, axis=0), sample((67,), ord=3),
             sample((5, 3), ord="fro"), sample(scaled((5, 3), 1e4)), sample(_ZEROS, axis=1)],
    errors=[*NO_AXIS, bad((5, 3), ord=1, error=OptionError, match="norm: ord=1 over two axes is a matrix norm"),
            bad((2, 5, 3), ord=2, error=OptionError, match="norm: ord=2 needs one axis, got an array with 3 axes"),
            bad((5,), ord=np.array([1, 2]), error=OptionError, match="norm: ord must be a number, np.inf or -np.inf, got"),
            bad((5,), ord="nuc", error=OptionError, match="ord must be a number, np.inf or -np.inf, got 'nuc'")])  # fmt: skip
def norm(x, /, ord=None, axis=None, keepdims=False):
    """np.linalg.norm of vectors: the root of the sum of squares over an axis, several, or all (None), or of order `ord`.

    An order needs one axis, as over two axes it means a matrix norm in NumPy; "fro" is allowed there. `vector_norm` takes
    any order over any axes.

    >>> norm(np.array([[3.0, -4.0], [6.0, 8.0]]), axis=1)
    array([ 5., 10.])
    """
    return vector_norm.forward(x, _order(ord), axis, keepdims)
