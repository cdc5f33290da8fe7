"""Losses of each number on its own, before any mean: of a residual, of a margin, of a probability."""

import math

import numpy as np

from .._samples import NO_NUMBERS, bad, bounded, sample, scaled, special, uniform
from .._tensor import plain
from ..errors import OptionError, ShapeError
from ..kernels import _functions, _math
from ._pointwise import pointwise
from .activations import _softplus
from .elementwise import ANY, KINKS, MISMATCH, tanh

LOG_2 = math.log(2)


def _mismatch(*more):
    """Three calls whose inputs do not broadcast, with further inputs."""
    return [bad(*b.inputs, *more, error=ShapeError, match="do not broadcast; axes must be equal") for b in MISMATCH]


# ---- of a residual ----------------------------------------------------------------------------------------------------
def _check_huber(_x, delta=1.0):
    if not 0 < delta < np.inf:
        raise OptionError(f"huber: delta must be a positive number, got {delta!r}")


@pointwise(
    twin=lambda x, delta=1.0: np.where(abs(x) < delta, x * x / 2, delta * (abs(x) - delta / 2)),
    slope=lambda x, y, real, delta: delta if x > delta else (-delta if x < -delta else x),
    backward=[lambda g, _y, x, delta=1.0: g * np.where(abs(x) < delta, x, delta * np.sign(x))], check=_check_huber,
    samples=[*ANY, *KINKS, sample((5, 3), delta=0.25), sample(scaled((67,), 3), delta=2)],
    errors=[bad((3,), delta=0.0, error=OptionError, match="huber: delta must be a positive number, got 0.0"),
            bad((3,), delta=np.nan, error=OptionError, match="huber: delta must be a positive number, got nan"),
            bad((3,), delta="1", error=OptionError, match="huber: delta must be a number, got '1'")],
)  # fmt: skip
def huber(x, real, delta=1.0):
    """x**2 / 2 up to |x| = delta, beyond it delta (|x| - delta / 2): a parabola that goes on as lines (Huber 1964).

    >>> huber(np.array([0.5, -3.0]))
    array([0.125, 2.5  ])
    """
    size = abs(x)
    return real(0.5) * x * x if size < delta else delta * (size - real(0.5) * delta)


def _log_cosh(x):
    """|x| + log((1 + exp(-2 |x|)) / 2); near 0, where that cancels, 2 artanh(u / (2 + u)) with u = 2 sinh(x / 2)**2."""
    size = abs(x)
    half = np.where(size < 0.5, size, 0 * size) / 2
    u = 2 * sum(half ** (2 * k + 1) / math.factorial(2 * k + 1) for k in range(10)) ** 2
    near = 2 * sum((u / (2 + u)) ** (2 * k + 1) / (2 * k + 1) for k in range(12))
    return np.where(size < 0.5, near, size + np.log((1 + np.exp(-2 * size)) / 2))


@pointwise(
    twin=_log_cosh,
    slope=lambda x, y, real: _math.tanh(x), backward=[lambda g, _y, x: g * tanh(x)], gradient_tolerance=bounded(4),
    samples=[*ANY, *KINKS, sample(scaled((67,), 1e-3))], errors=NO_NUMBERS,
)  # fmt: skip
def log_cosh(x, real):
    """log(cosh(x)): x**2 / 2 near 0 and |x| - log(2) far from it.

    >>> log_cosh(np.array([0.0, -1e4]))
    array([   0.        , 9999.30685282])
    """
    size = abs(x)
    half = _functions.sinh(real(0.5) * (size if size < real(1) else real(1)))  # cosh(x) = 1 + 2 sinh(x / 2)**2
    near = _functions.log1p(real(2) * half * half)
    far = size + (_functions.log1p_upto1(_math.exp(real(-2) * size)) - real(LOG_2))
    return near if size < real(1) else far


# ---- of a margin ------------------------------------------------------------------------------------------------------
@_functions._inline
def _softplus_of(x, real):
    return (x if x > real(0) else real(0)) + _functions.log1p_upto1(_math.exp(-abs(x)))


def _check_focal(_z, gamma=2.0):
    if not 0 <= gamma < np.inf:
        raise OptionError(f"focal: gamma must be a number of at least 0, got {gamma!r}")


@pointwise(
    twin=lambda z, gamma=2.0: np.exp(-gamma * _softplus(z)) * _softplus(-z),
    slope=lambda z, y, real, gamma: -_math.exp(-gamma * _softplus_of(z, real)) * (
        gamma * _math.sigmoid(z) * _softplus_of(-z, real) + _math.sigmoid(-z)),
    samples=[*ANY, *KINKS, sample((5, 3), gamma=0.0), sample((67,), gamma=0.5), sample(scaled((33,), 9), gamma=5)],
    errors=[bad((3,), gamma=-1, error=OptionError, match="focal: gamma must be a number of at least 0, got -1"),
            bad((3,), gamma=np.inf, error=OptionError, match="focal: gamma must be a number of at least 0, got inf"),
            bad((3,), gamma=None, error=OptionError, match="focal: gamma must be a number, got None")],
    check=_check_focal, tolerance=bounded(8),
)  # fmt: skip
def focal(z, real, gamma=2.0):
    """-(1 - p)**gamma log(p) of p = sigmoid(z), z the margin by which the right class wins (Lin et al. 2017, equation 4).

    >>> focal(np.array([0.0, 1e4, -1e4]), gamma=1.0)
    array([3.4657359e-01, 0.0000000e+00, 1.0000000e+04])
    """
    return _math.exp(-gamma * _softplus_of(z, real)) * _softplus_of(-z, real)


LOGITS = [
    sample((5, 3), uniform(0, 1, 5, 3), 1.0), sample((5, 3), uniform(0, 1, 5, 3), uniform(0.5, 4, 3)),
    sample((67,), uniform(0, 1, 67), 2.5), sample((2, 3, 17), uniform(0, 1, 2, 3, 17), 1.0), sample((), 1.0, 1.0),
    sample((0, 3), uniform(0, 1, 0, 3), 1.0), sample(scaled((33,), 1e4), uniform(0, 1, 33), 3.0),
    sample([1e4, -1e4, 1e4, -1e4, 0.0], [1.0, 0.0, 0.0, 1.0, 0.5], 1.0), sample((16,), uniform(0, 1, 1, 16), (1,)),
    special([np.nan, -np.inf, 30.0], [1.0, 1.0, 1.0], 1.0),
]  # fmt: skip


@pointwise(
    twin=lambda logits, target, pos_weight: pos_weight * target * _softplus(-logits) + (1 - target) * _softplus(logits),
    slope=(lambda logits, target, pos_weight, y, real: (
               (real(1) - target) * _math.sigmoid(logits) - pos_weight * target * _math.sigmoid(-logits)),
           lambda logits, target, pos_weight, y, real: (
               pos_weight * _softplus_of(-logits, real) - _softplus_of(logits, real)),
           lambda logits, target, pos_weight, y, real: target * _softplus_of(-logits, real)),
    samples=LOGITS, errors=_mismatch(()), tolerance=bounded(4), gradient_tolerance=bounded(8),
)  # fmt: skip
def binary_cross_entropy_with_logits(logits, target, pos_weight, real):
    """-(pos_weight t log(p) + (1 - t) log(1 - p)) of p = sigmoid(logits), broadcast, without overflow.

    >>> binary_cross_entropy_with_logits(np.array([0.0, -1e4]), np.array([1.0, 0.0]), 1.0)
    array([0.69314718, 0.        ])
    """
    positive = pos_weight * target * _softplus_of(-logits, real)
    return positive + (real(1) - target) * _softplus_of(logits, real)


# ---- of a probability -------------------------------------------------------------------------------------------------
LEAST_LOG = -100.0  # what log(0) counts as
EDGE = float(np.float32(1e-12))  # the least p (1 - p) that is divided by; both are PyTorch's, in its precision


def _binary_cross_entropy_twin(p, target):
    at = np.asarray(plain(p), float)
    edge = at * (1 - at) < EDGE  # here a line with the slope that is promised
    inside = np.where(edge, 0 * p + 0.5, p)
    line = (p - plain(p)) * ((at - np.asarray(plain(target), float)) / EDGE)
    logs = [np.log(np.where(edge, np.maximum(q, math.exp(LEAST_LOG)), 0.5)) for q in (at, 1 - at)]
    y = np.where(edge, line - (target * logs[0] + (1 - target) * logs[1]),
                 -(target * np.log(inside) + (1 - target) * np.log(1 - inside)))  # fmt: skip
    return y * np.where((at < 0) | (at > 1), np.nan, 1.0)


@_functions._inline
def _log(x, real):
    """log(x), at least -100."""
    y = _functions.log(x)
    return real(LEAST_LOG) if y < real(LEAST_LOG) else y


@_functions._inline
def _spread(p, real):
    """p (1 - p), at least EDGE; NaN for what is no probability."""
    spread = (real(1) - p) * p
    return spread if spread > real(EDGE) else real(EDGE) if spread >= real(0) else real(np.nan)


@pointwise(
    twin=_binary_cross_entropy_twin,
    slope=(lambda p, target, y, real: (p - target) / _spread(p, real),
           lambda p, target, y, real: _log(real(1) - p, real) - _log(p, real)),
    samples=[sample(uniform(0.01, 0.99, *shape), uniform(0, 1, *shape))
             for shape in ((), (5, 3), (0, 3), (1,), (67,), (2, 3, 17), (16,))]
            + [sample(uniform(0.01, 0.99, 5, 3), [0.0, 1.0, 0.0]),
               special([0.0, 1.0, 0.0, 1.0], [0.0, 1.0, 1.0, 0.0]), special(uniform(0, 1, 99), uniform(0, 1, 99))],
    errors=_mismatch(), tolerance=bounded(4), gradient_tolerance=bounded(8),
)  # fmt: skip
def binary_cross_entropy(p, target, real):
    """-(t log(p) + (1 - t) log(1 - p)), broadcast; logarithms are at least -100. NaN unless p is 0 to 1.

    The gradient of p is (p - t) / max(p (1 - p), 1e-12), so that p = 0 and 1 have a finite one; both as in PyTorch.

    >>> binary_cross_entropy(np.array([0.5, 0.0]), np.array([1.0, 1.0]))
    array([  0.69314718, 100.        ])
    """
    return -(target * _log(p, real) + (real(1) - target) * _log(real(1) - p, real))


def _kl_div_twin(log_p, target):
    none = np.asarray(plain(target) == 0)
    return np.where(none, 0, target * (np.log(np.where(none, 0 * target + 1, target)) - log_p))


@pointwise(
    twin=_kl_div_twin,
    slope=(lambda log_p, target, y, real: -target,
           lambda log_p, target, y, real: (
               real(0) if target == real(0) else _functions.log(target) + (real(1) - log_p))),
    samples=[sample(shape, uniform(0, 1, *shape)) for shape in ((), (5, 3), (0, 3), (1,), (67,), (2, 3, 17), (16,))]
            + [sample(scaled((33,), 1e4), uniform(0, 1, 33)), sample((4, 3), [0.0, 0.25, 0.75]),
               special([-np.inf, -np.inf, np.nan], [0.0, 0.5, 1.0])],
    errors=_mismatch(), tolerance=bounded(4), gradient_tolerance=bounded(8), ties="0 of target at 0",
)  # fmt: skip
def kl_div(log_p, target, real):
    """t (log(t) - log_p), broadcast: a term of the divergence of p from t; 0 where t = 0 (Kullback and Leibler 1951).

    >>> kl_div(np.log([0.25, 0.5]), np.array([0.0, 1.0]))
    array([0.        , 0.69314718])
    """
    return real(0) if target == real(0) else target * (_functions.log(target) - log_p)


def _check_gaussian_nll(_mean, _target, _var, eps=1e-6):
    if not 0 < eps < np.inf:
        raise OptionError(f"gaussian_nll: eps must be a positive number, got {eps!r}")


def _gaussian_nll_twin(mean, target, var, eps=1e-6):
    at = np.asarray(plain(var), float)
    v = var + np.where(
        at < 0, np.nan, np.where(at < eps, eps - at, 0)
    )  # the gradient of the variance passes by the bound
    return (np.log(v) + (mean - target) ** 2 / v) / 2


@_functions._inline
def _variance(var, eps, real):
    """At least eps; NaN for what is no variance."""
    return var if var >= eps else eps if var >= real(0) else real(np.nan)


@pointwise(
    twin=_gaussian_nll_twin, check=_check_gaussian_nll,
    slope=(lambda mean, target, var, y, real, eps: (mean - target) / _variance(var, eps, real),
           lambda mean, target, var, y, real, eps: (target - mean) / _variance(var, eps, real),
           lambda mean, target, var, y, real, eps: (
               (real(1) - (mean - target) * (mean - target) / _variance(var, eps, real))
               * (real(0.5) / _variance(var, eps, real)))),
    samples=[sample(shape, shape, uniform(0.1, 3, *shape)) for shape in ((), (5, 3), (0, 3), (1,), (67,), (2, 3, 17))]
            + [sample((5, 3), (5, 3), uniform(0.1, 3, 5, 1)), sample((5, 3), (5, 3), uniform(0, 1, 5, 3), eps=0.5),
               sample(scaled((33,), 100), (33,), uniform(0.5, 3, 33)), special([np.nan, 0.0], [0.0, 0.0], [1.0, 1.0])],
    errors=[*_mismatch(()), bad((3,), (3,), (3,), eps=0, error=OptionError, match="eps must be a positive number, got 0")],
    tolerance=bounded(4), gradient_tolerance=bounded(16),
)  # fmt: skip
def gaussian_nll(mean, target, var, real, eps=1e-6):
    """(log(v) + (mean - target)**2 / v) / 2 with v = max(var, eps), broadcast (Nix and Weigend 1994); NaN where var < 0.

    The gradient of var passes by the bound, as in PyTorch.

    >>> gaussian_nll(np.array([0.0, 2.0]), np.array([0.0, 0.0]), np.array([1.0, 1.0]))
    array([0., 2.])
    """
    v = _variance(var, eps, real)
    return real(0.5) * (_functions.log(v) + (mean - target) * (mean - target) / v)
