"""Activations: functions of one number with a bend, named and defined as PyTorch's, gradients at the bend included.

Infinities give limits: gelu, silu, mish and hard_swish are 0 at -inf, and softsign is 1 at inf, with gradients to match.
"""

import math

import numpy as np

from .._op import op
from .._registry import BY_NUMPY, OPS
from .._samples import NO_NUMBERS, bad, bounded, sample, scaled, special, uniform
from .._tensor import Tensor
from ..errors import OptionError, ShapeError, choose
from ..kernels import _functions, _math, _tails
from ._pointwise import pointwise
from .elementwise import ANY, KINKS, MISMATCH, PAIRS, positive, relu, sigmoid
from .functions import erf

SMOOTH = [s for s in ANY if s.gradient] + [sample(uniform(-12, 12, 5, 7)), special([np.nan, 0.0, -0.0])]
BENT = [*ANY, sample([0.0, -0.0, 1.0, -1.0, 3.0, -3.0, 6.0])]
ROOT = bounded(4)  # of what goes through 0: there its own last places are lost in those of its terms
ROUNDED = bounded(4)  # of a slope exp(z): it inherits the rounding of z


def _no_number(option):
    """An option that is no number, three times."""
    wrong = "a", None, True
    return [bad((3,), error=OptionError, match=f"{option} must be a number, got {x!r}", **{option: x}) for x in wrong]


def _log1p(e):
    """log(1 + e) for 0 <= e <= 1: on a grid by its series where 1 + e would lose digits."""
    if isinstance(e, Tensor):
        return np.log1p(e)
    return np.where(e < 1e-3, sum((-1) ** (k + 1) * e**k / k for k in range(1, 9)), np.log(1 + e))


def _expm1(x):
    return np.expm1(x) if isinstance(x, Tensor) else np.exp(x) - 1


# ---- of the logistic function -----------------------------------------------------------------------------------------
def _softplus(x):
    return relu(x) + _log1p(np.exp(np.where(x > 0, -x, x)))


@pointwise(twin=_softplus, slope=lambda x, y, real: _math.sigmoid(x), backward=[lambda g, _y, x: g * sigmoid(x)],
           samples=ANY + KINKS, errors=NO_NUMBERS)  # fmt: skip
def softplus(x, real):
    """log(1 + exp(x)), a smooth relu.

    >>> softplus(np.array([0.0, 1e4]))
    array([6.93147181e-01, 1.00000000e+04])
    """
    return (x if x > real(0) else real(0)) + _functions.log1p_upto1(_math.exp(-abs(x)))


@pointwise(twin=lambda x: -_softplus(-x), slope=lambda x, y, real: _math.sigmoid(-x),
           backward=[lambda g, _y, x: g * sigmoid(-x)], samples=ANY + KINKS, errors=NO_NUMBERS)  # fmt: skip
def log_sigmoid(x, real):
    """log(sigmoid(x)), also where sigmoid(x) rounds to 0.

    >>> log_sigmoid(np.array([0.0, -1e4]))
    array([-6.93147181e-01, -1.00000000e+04])
    """
    return (x if x < real(0) else real(0)) - _functions.log1p_upto1(_math.exp(-abs(x)))


def _logaddexp(a, b):
    high, low = np.where(a > b, a, b), np.where(a > b, b, a)
    return high + _log1p(np.exp(low - high))


@pointwise(ties="halves", twin=_logaddexp, slope=(lambda a, b, y, real: real(0.5) if a == b else _math.sigmoid(a - b),
                                   lambda a, b, y, real: real(0.5) if a == b else _math.sigmoid(b - a)),
           backward=[lambda g, _y, a, b: g * sigmoid(a - b), lambda g, _y, a, b: g * sigmoid(b - a)],
           samples=[*PAIRS, sample([1e4, -1e4, 1e4, 0.0], [1e4, -1e4, -1e4, 0.0]),
                    special([np.inf, -np.inf, np.nan], [0.0, 0.0, 0.0])],
           errors=MISMATCH, tolerance=ROOT, gradient_tolerance=ROUNDED, numpy=(np.logaddexp,))  # fmt: skip
def logaddexp(a, b, real):
    """log(exp(a) + exp(b)), broadcast; a tie splits the gradient in halves.

    >>> logaddexp(np.array([0.0, 1e4]), 0.0)
    array([6.93147181e-01, 1.00000000e+04])
    """
    return (a if a > b else b) + _functions.log1p_upto1(real(1) if a == b else _math.exp(-abs(a - b)))


# Klambauer et al., Self-Normalizing Neural Networks, 2017.
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


# ---- of relu ----------------------------------------------------------------------------------------------------------
@pointwise(twin=lambda x: np.where(x >= 6, 6, np.where(x <= 0, 0, x)), samples=BENT, errors=NO_NUMBERS, ties="0 at 0 and 6",
           slope=lambda x, y, real: real(0) if x <= real(0) or x >= real(6) else real(1))  # fmt: skip
def relu6(x, real):
    """min(max(x, 0), 6); the gradient at 0 and at 6 is 0.

    >>> relu6(np.array([-1.0, 3.0, 8.0]))
    array([0., 3., 6.])
    """
    return real(0) if x <= real(0) else (real(6) if x >= real(6) else x)


@pointwise(twin=lambda x, negative_slope=0.01: np.where(x > 0, x, x * negative_slope),
           slope=lambda x, y, real, negative_slope: real(1) if x > real(0) else negative_slope,
           samples=[*BENT, sample((5, 3), negative_slope=0.3), sample((9,), negative_slope=-1)],
           errors=_no_number("negative_slope"), ties="negative_slope at 0")  # fmt: skip
def leaky_relu(x, real, negative_slope=0.01):
    """x where it is positive, else negative_slope * x; the gradient at 0 is negative_slope.

    >>> leaky_relu(np.array([-1.0, 2.0]))
    array([-0.01,  2.  ])
    """
    return x if x > real(0) else x * negative_slope


@pointwise(twin=lambda x, weight: np.where(x > 0, x, weight * x), samples=[*PAIRS, sample([0.0, -0.0, 1.0], [0.5, 0.5, 0.5])],
           slope=(lambda x, weight, y, real: real(1) if x > real(0) else weight,
                  lambda x, weight, y, real: real(0) if x > real(0) else x),
           errors=MISMATCH, ties="weight at 0")  # fmt: skip
def prelu(x, weight, real):
    """x where it is positive, else weight * x, broadcast: a weight for each channel of the last axis, or one for all.

    The gradient of x at 0 is the weight.

    >>> prelu(np.array([[-1.0, -1.0], [2.0, 2.0]]), np.array([0.25, 0.5]))
    array([[-0.25, -0.5 ],
           [ 2.  ,  2.  ]])
    """
    return x if x > real(0) else weight * x


def _elu(x, alpha=1.0):
    return np.where(x > 0, x, alpha * _expm1(np.where(x > 0, x * 0, x)))


@pointwise(twin=_elu, slope=lambda x, y, real, alpha: real(1) if x > real(0) else alpha * _math.exp(x),
           samples=[*ANY, *KINKS, sample((5, 3), alpha=0.3)], errors=_no_number("alpha"), ties="alpha at 0")  # fmt: skip
def elu(x, real, alpha=1.0):
    """x where it is positive, else alpha * (exp(x) - 1); the gradient at 0 is alpha.

    >>> elu(np.array([-1e4, 2.0]))
    array([-1.,  2.])
    """
    return x if x > real(0) else alpha * _functions.expm1(x)


@pointwise(twin=lambda x: SELU_SCALE * _elu(x, SELU_ALPHA), samples=ANY + KINKS, errors=NO_NUMBERS, ties="scale * alpha at 0",
           slope=lambda x, y, real: (
               real(SELU_SCALE) if x > real(0) else real(SELU_SCALE * SELU_ALPHA) * _math.exp(x)))  # fmt: skip
def selu(x, real):
    """scale * elu(x, alpha) with the scale and alpha that keep mean 0 and variance 1 from layer to layer.

    >>> selu(np.array([-1e4, 1.0]))
    array([-1.75809934,  1.05070099])
    """
    return real(SELU_SCALE) * x if x > real(0) else real(SELU_SCALE * SELU_ALPHA) * _functions.expm1(x)


def _check_celu(_x, alpha=1.0):
    if alpha == 0:
        raise OptionError("celu: alpha must not be 0; x is divided by it")


@pointwise(twin=lambda x, alpha=1.0: np.where(x > 0, x, alpha * _expm1(np.where(x > 0, x * 0, x) / alpha)),
           slope=lambda x, y, real, alpha: real(1) if x > real(0) else _math.exp(x / alpha), check=_check_celu,
           samples=[*ANY, *KINKS, sample((5, 3), alpha=0.3), sample((9,), alpha=2)], gradient_tolerance=ROUNDED,
           errors=[*_no_number("alpha"), bad((3,), alpha=0, error=OptionError, match="celu: alpha must not be 0")],
           ties="1 at 0")  # fmt: skip
def celu(x, real, alpha=1.0):
    """x where it is positive, else alpha * (exp(x / alpha) - 1), whose gradient has no jump at 0.

    >>> celu(np.array([-1e4, 2.0]), alpha=0.5)
    array([-0.5,  2. ])
    """
    return x if x > real(0) else alpha * _functions.expm1(x / alpha)


# ---- smooth ones with a dip -------------------------------------------------------------------------------------------
@pointwise(twin=lambda x: x * sigmoid(x), slope=lambda x, y, real: _tails.silu_slope(x), samples=SMOOTH, errors=NO_NUMBERS,
           gradient_tolerance=ROOT)  # fmt: skip
def silu(x, real):
    """x * sigmoid(x); also called swish.

    >>> silu(np.array([0.0, 2.0]))
    array([0.        , 1.76159416])
    """
    return _tails.silu(x)


swish = silu


@pointwise(twin=lambda x: x * np.tanh(_softplus(x)), slope=lambda x, y, real: _tails.mish_slope(x), samples=SMOOTH,
           errors=NO_NUMBERS, gradient_tolerance=ROOT)  # fmt: skip
def mish(x, real):
    """x * tanh(softplus(x)).

    >>> mish(np.array([0.0, 2.0]))
    array([0.        , 1.94395896])
    """
    return _tails.mish(x)


ROOT_HALF = 0.7071067811865475, 6.268583589525109e-17  # in 32 digits


@pointwise(twin=lambda x: x * (1 + erf(x * ROOT_HALF[0] + x * ROOT_HALF[1])) / 2, samples=SMOOTH, errors=NO_NUMBERS,
           slope=lambda x, y, real: _tails.gelu_slope(x), gradient_tolerance=ROOT)  # fmt: skip
def gelu_erf(x, real):
    """x times the probability that a standard normal number is less than x: what gelu computes.

    >>> gelu_erf(np.array([0.0, 1.0]))
    array([0.        , 0.84134475])
    """
    return _tails.gelu(x)


def _gelu_tanh(x):
    cube = x * x * x
    return x * sigmoid(x * _tails.A + x * _tails.A_LOW + cube * _tails.B + cube * _tails.B_LOW)


@pointwise(twin=_gelu_tanh, samples=SMOOTH, errors=NO_NUMBERS, slope=lambda x, y, real: _tails.gelu_tanh_slope(x),
           gradient_tolerance=ROOT)  # fmt: skip
def gelu_tanh(x, real):
    """x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3))) / 2: what gelu(x, approximate="tanh") computes.

    >>> gelu_tanh(np.array([0.0, 1.0]))
    array([0.        , 0.84119199])
    """
    return _tails.gelu_tanh(x)


GELUS = {"none": gelu_erf, "tanh": gelu_tanh}


@op(twin=lambda x, approximate="none": GELUS[approximate].twin(x), composed=True, gradient_tolerance=ROOT,
    samples=SMOOTH + [sample(*s.inputs, approximate="tanh") for s in SMOOTH if s.gradient],
    errors=[bad((3,), approximate="tan", error=OptionError, match="did you mean 'tanh'?"), *NO_NUMBERS[:2]])  # fmt: skip
def gelu(x, /, approximate="none"):
    """x times the probability that a standard normal number is less than x; approximate="tanh": nearly that, by a tanh.

    >>> gelu(np.array([0.0, 1.0])), gelu(np.array([0.0, 1.0]), approximate="tanh")
    (array([0.        , 0.84134475]), array([0.        , 0.84119199]))
    """
    return choose("gelu", "approximation", approximate, GELUS)(x)


@pointwise(twin=lambda x: x / (1 + abs(x)),
           samples=[*ANY[:7], *ANY[9:], sample(scaled((33,), 30)), SMOOTH[-1]], errors=NO_NUMBERS,
           slope=lambda x, y, real: (real(1) / (real(1) + abs(x))) * (real(1) / (real(1) + abs(x))))  # fmt: skip
def softsign(x, real):
    """x / (1 + |x|), between -1 and 1.

    >>> softsign(np.array([-1.0, 3.0]))
    array([-0.5 ,  0.75])
    """
    y = x / (real(1) + abs(x))
    return y if abs(x) < real(np.inf) or x != x else (real(1) if x > real(0) else real(-1))


# ---- piecewise --------------------------------------------------------------------------------------------------------
def _check_hardtanh(_x, min_val=-1.0, max_val=1.0):
    if min_val > max_val:
        raise OptionError(f"hardtanh: min_val must not be above max_val, got {min_val} and {max_val}")


@pointwise(twin=lambda x, min_val=-1.0, max_val=1.0: np.where(x <= min_val, min_val, np.where(x >= max_val, max_val, x)),
           slope=lambda x, y, real, min_val, max_val: real(0) if x <= min_val or x >= max_val else real(1),
           samples=[*BENT, sample((5, 3), min_val=-0.5, max_val=0.25), sample((5, 3), max_val=3)], check=_check_hardtanh,
           errors=[*_no_number("min_val"), bad((3,), min_val=2, error=OptionError, match="min_val must not be above max_val")],
           ties="0 at min_val and max_val")  # fmt: skip
def hardtanh(x, real, min_val=-1.0, max_val=1.0):
    """x, kept between min_val and max_val; the gradient at both is 0.

    >>> hardtanh(np.array([-3.0, 0.5, 3.0]))
    array([-1. ,  0.5,  1. ])
    """
    return min_val if x <= min_val else (max_val if x >= max_val else x)


@pointwise(twin=lambda x: np.where(x <= -3, 0, np.where(x >= 3, 1, (x + 3) / 6)), samples=BENT, errors=NO_NUMBERS,
           slope=lambda x, y, real: real(0) if x <= real(-3) or x >= real(3) else real(1 / 6),
           ties="0 at -3 and 3")  # fmt: skip
def hard_sigmoid(x, real):
    """x / 6 + 1 / 2, kept between 0 and 1; the gradient at -3 and 3 is 0.

    >>> hard_sigmoid(np.array([-4.0, 0.0, 4.0]))
    array([0. , 0.5, 1. ])
    """
    return real(0) if x <= real(-3) else (real(1) if x >= real(3) else (x + real(3)) / real(6))


@pointwise(twin=lambda x: np.where(x <= -3, 0, np.where(x >= 3, x, x * (x + 3) / 6)), errors=NO_NUMBERS,
           samples=[*SMOOTH, sample([1.0, -1.0, 3.5, -3.5, 6.0])], gradient_tolerance=ROOT, ties="0 at -3, 1 at 3",
           slope=lambda x, y, real: real(0) if x <= real(-3) else (
               real(1) if x >= real(3) else (real(2) * x + real(3)) / real(6)))  # fmt: skip
def hard_swish(x, real):
    """x * hard_sigmoid(x); the gradient at -3 is 0, at 3 it is 1.

    >>> hard_swish(np.array([-4.0, 1.0, 4.0]))
    array([0.        , 0.66666667, 4.        ])
    """
    return real(0) if x <= real(-3) else (x if x >= real(3) else x * (x + real(3)) / real(6))


@pointwise(twin=lambda x, low, high: np.where(np.where(x < low, low, x) > high, high, np.where(x < low, low, x)),
           slope=(lambda x, low, high, y, real: real(1) if x >= low and x <= high else real(0),
                  lambda x, low, high, y, real: real(1) if x < low and low < high else real(0),
                  lambda x, low, high, y, real: real(1) if x > high or high < low else real(0)),
           samples=[sample((5, 3), -0.5, 0.5), sample((), -0.5, 0.5), sample((67,), (), np.inf), sample((5, 3), (3,), (5, 1)),
                    sample((0, 3), 0.0, 1.0), sample((4, 5), (4, 5), (4, 5)), sample((3,), (2, 3), 0.5),
                    sample((16,), 0.5, -0.5), sample([-1.0, -0.5, 0.5, 1.0], -0.5, 0.5),
                    special([np.inf, -np.inf, np.nan], -1.0, 1.0)],
           errors=[bad(*shapes, error=ShapeError, match="do not broadcast; axes must be equal") for shapes in (
               ((5, 3), (4,), 1.0), ((5, 3), (3,), (4,)), ((2, 0), (2, 3), 1.0))],
           ties="all to x where it is equal to a bound")  # fmt: skip
def clamp(x, low, high, real):
    """x, kept between low and high, broadcast; where it is equal to a bound, x has the gradient. `clip` leaves one out.

    >>> clamp(np.array([-3.0, 0.5, 3.0]), 0.0, 1.0)
    array([0. , 0.5, 1. ])
    """
    above = x if x >= low or x != x else low
    return above if above <= high or above != above else high


def clip(x, min=None, max=None):
    """x, kept between min and max, numbers or arrays that broadcast; None sets no bound. The gradient at a bound is x's.

    >>> clip(np.array([-3.0, 0.5, 3.0]), 0, 1), clip(np.array([-3.0, 0.5, 3.0]), max=1)
    (array([0. , 0.5, 1. ]), array([-3. ,  0.5,  1. ]))
    """
    if min is None and max is None:
        return positive(x)
    return clamp(x, -math.inf if min is None else min, math.inf if max is None else max)


def _clip_as_numpy(a, a_min=None, a_max=None, *, min=None, max=None):
    return clip(a, a_min if min is None else min, a_max if max is None else max)


BY_NUMPY[np.clip] = _clip_as_numpy
OPS["clip"] = clip
