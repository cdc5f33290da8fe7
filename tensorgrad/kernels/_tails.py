"""Smooth activations that keep their digits far to the left of 0, where they are products with a tiny exponential.

Each is x times a weight between 0 and 1. Left of 0 the weight is made of exp(-s): a factor goes into the exponential before
it is scaled down (exp(-s) alone may have few bits left), and where s itself is computed, what its rounding lost goes in too.
"""

import math

import numpy as np
from numba.extending import register_jitable

from ._functions import _both, _inline, _polynomial, _upper
from ._math import _EXP32, _EXP64, LIFT, LN2, SHIFTER, _raised, lift_for

_exact = register_jitable(fastmath=False, forceinline=True)  # products here are split, which fusing would undo

# (1 - erf(a / sqrt(2))) / 2 = exp(-a * a / 2) M(a). Up to a = 16, M(a) (a + 2.5) is a polynomial of 5.78125 / (a + 2.5) -
# 1.3125; up to a = 40, M(a) (1 + 1.25 a) = 1 / 2 + w P(w - 1) with w = 2 a / (a + 5). Both were fitted at Chebyshev nodes.
_TAIL32 = _polynomial(np.float32, 4.34337786e-05, -3.80224037e-05, -0.000333694767, 0.000733292469, 0.00162132012,
                      -0.00821317129, -0.011440953, 0.0946200457, 0.405361972, 0.767645797)  # fmt: skip
_TAIL64 = (
    1.1838089339967087e-09, 4.4543527966594366e-09, -4.579169744338926e-09, -3.824957260975037e-08, 1.3006895095693216e-08,
    2.4705468129085154e-07, -1.093406548002937e-07, -1.590019424984994e-06, 1.6716540883433642e-06, 9.972744894037962e-06,
    -2.4003985378719366e-05, -4.324646392707866e-05, 0.0002862709575685067, -0.00031010054814859124,
    -0.0018398775497242119, 0.010587089459510762, -0.03179795135250721, 0.0683226305299132, -0.11328777230871154,
    0.14601168210625473, -0.13624092454530373, 0.05766496106879565)  # fmt: skip
# The tanh form of gelu is x times the sigmoid of A x + B x**3: A = 2 sqrt(2 / pi) and B = 0.044715 A, each in two parts.
A, A_LOW = 1.5957691216057306, 1.223515168339221e-16
B, B_LOW = 0.07135481387376785, 2.3988323959931355e-09


@_inline
def _normal_tail32(a):
    u = np.float32(1) / (a + np.float32(2.5))
    return u * _TAIL32(np.float32(5.78125) * u - np.float32(1.3125))


_ODD64, _EVEN64 = (_polynomial(np.float64, *_TAIL64[k::2]) for k in (0, 1))  # short loops, which are unrolled


@_inline
def _normal_tail64(a):
    w = np.float64(2) * a / (a + np.float64(5))
    q = w - np.float64(1)
    return (np.float64(0.5) + w * (q * _ODD64(q * q) + _EVEN64(q * q))) / (np.float64(1) + np.float64(1.25) * a)


@_exact
def _half_square32(a):
    p, high = a * a, _upper(a)  # type: ignore
    low = a - high
    rest = ((high * high - p) + np.float32(2) * high * low) + low * low
    return np.float32(0.5) * p, np.float32(0.5) * rest


@_exact
def _half_square64(a):
    p, high = a * a, np.float64(np.float32(a))
    low = a - high
    rest = ((high * high - p) + np.float64(2) * high * low) + low * low
    return np.float64(0.5) * p, np.float64(0.5) * rest


@_exact
def _cubic32(a):
    x = np.float64(a)
    s = x * (np.float64(A) + (np.float64(B) + np.float64(B_LOW)) * (x * x))
    high = np.float32(s)
    return high, np.float32(s - np.float64(high))


@_exact
def _cubic64(a):
    p, high = a * a, np.float64(np.float32(a))
    low = a - high
    square_rest = ((high * high - p) + np.float64(2) * high * low) + low * low
    square_high = np.float64(np.float32(p))
    t = np.float64(B) * square_high
    w = np.float64(A) + t
    v = w - np.float64(A)
    rest = (np.float64(A) - (w - v)) + (t - v)
    rest += np.float64(B) * ((p - square_high) + square_rest) + np.float64(B_LOW) * p + np.float64(A_LOW)
    s, w_high = a * w, np.float64(np.float32(w))
    w_low = (w - w_high) + rest
    return s, ((high * w_high - s) + (high * w_low + low * w_high)) + low * w_low


@_inline
def _size_of(x, most):
    """|x|, at most `most`, which stands for infinity too; NaN stays."""
    return most if abs(x) > most else abs(x)


def _times_exp_for(dtype, series, steep, most):
    """factor * exp(-s), of a factor and of s in two parts."""
    one, inverse, steep, most = dtype(1), dtype(1 / math.log(2)), dtype(steep), dtype(most)
    shifter, lower, (lift, none) = dtype(SHIFTER[dtype]), dtype(2.0**-LIFT), lift_for(dtype)
    ln2_high, ln2_low = (dtype(part) for part in LN2[dtype])
    series = _polynomial(dtype, *series, 1)

    @_inline
    def times_exp(factor, s, rest):
        """factor * exp(-s - rest) for 0 <= s; 0 from s = `most` on."""
        x = -(most if s > most else s)
        t = x * inverse + shifter
        n = t - shifter
        r = ((x - n * ln2_high) - n * ln2_low) - rest
        y = factor * (series(r) * r + one) * _raised(one, t, lift if x < steep else none)  # type: ignore
        return y * lower if x < steep else y

    return times_exp


_times_exp32, _times_exp64 = _times_exp_for(np.float32, _EXP32, -87, 120), _times_exp_for(np.float64, _EXP64, -708, 760)


# ---- products with a sigmoid ------------------------------------------------------------------------------------------
def _weighted_for(dtype, times_exp):
    """x times the sigmoid of a number, and the slope."""
    zero, one = dtype(0), dtype(1)

    @_inline
    def weighted(x, a, s, rest):
        """x times the sigmoid of the number with size s + rest and the sign of x."""
        top = times_exp(-a, s, rest) if x < zero else x
        return top / (one + times_exp(one, s, rest))

    @_inline
    def weighted_slope(x, by, s, rest):
        """Its slope, where `by` is |x| times the slope of that number."""
        e = times_exp(one, s, rest)
        top = times_exp((one + e) - by, s, rest) if x < zero else (one + e) + by * e
        return top / ((one + e) * (one + e))

    return weighted, weighted_slope


_weighted32, _weighted64 = _weighted_for(np.float32, _times_exp32), _weighted_for(np.float64, _times_exp64)


def _silu_for(dtype, most, weighted, weighted_slope):
    zero, most = dtype(0), dtype(most)

    @_inline
    def silu(x):
        a = _size_of(x, most)
        return weighted(x, a, a, zero)

    @_inline
    def silu_slope(x):
        a = _size_of(x, most)
        return weighted_slope(x, a, a, zero)

    return silu, silu_slope


_silu32, _silu64 = _silu_for(np.float32, 120, *_weighted32), _silu_for(np.float64, 760, *_weighted64)
silu, silu_slope = map(_both, ("x sigmoid(x).", "The slope of silu."), _silu32, _silu64)


def _gelu_tanh_for(dtype, most, cubic, weighted, weighted_slope):
    most, linear, third = dtype(most), dtype(A), dtype(3 * (B + B_LOW))

    @_inline
    def gelu_tanh(x):
        a = _size_of(x, most)
        s, rest = cubic(a)
        return weighted(x, a, s, rest)

    @_inline
    def gelu_tanh_slope(x):
        a = _size_of(x, most)
        s, rest = cubic(a)
        return weighted_slope(x, a * (linear + third * (a * a)), s, rest)

    return gelu_tanh, gelu_tanh_slope


gelu_tanh, gelu_tanh_slope = map(
    _both,
    ("gelu with tanh in place of the error function.", "The slope of gelu_tanh."),
    _gelu_tanh_for(np.float32, 12, _cubic32, *_weighted32),
    _gelu_tanh_for(np.float64, 24, _cubic64, *_weighted64),
)


# ---- mish -------------------------------------------------------------------------------------------------------------
def _mish_for(dtype, most, times_exp):
    zero, one, two, four, most = (dtype(k) for k in (0, 1, 2, 4, most))

    @_inline
    def mish(x):
        a = _size_of(x, most)
        e = times_exp(one, a, zero)
        top = times_exp(-a * (e + two), a, zero) if x < zero else x * (one + two * e)
        return top / (e * e + two * e + two if x < zero else one + two * e + two * e * e)

    @_inline
    def mish_slope(x):
        a = _size_of(x, most)
        e = times_exp(one, a, zero)
        bottom = e * e + two * e + two if x < zero else one + two * e + two * e * e
        left = times_exp((e + two) * bottom - four * a * (one + e), a, zero)
        right = (one + two * e) * bottom + four * a * e * e * (one + e)
        return (left if x < zero else right) / (bottom * bottom)

    return mish, mish_slope


_mish32, _mish64 = _mish_for(np.float32, 120, _times_exp32), _mish_for(np.float64, 760, _times_exp64)
mish, mish_slope = map(_both, ("x tanh(log(1 + exp(x))).", "The slope of mish."), _mish32, _mish64)


# ---- products with the normal distribution ----------------------------------------------------------------------------
def _gelu_for(dtype, most, half_square, normal_tail, times_exp):
    zero, one, most, density = dtype(0), dtype(1), dtype(most), dtype(1 / math.sqrt(2 * math.pi))

    @_inline
    def gelu(x):
        a = _size_of(x, most)
        s, rest = half_square(a)
        m = normal_tail(a)
        t = times_exp(-a * m if x < zero else m, s, rest)
        return t if x < zero else x * (one - t)

    @_inline
    def gelu_slope(x):
        a = _size_of(x, most)
        s, rest = half_square(a)
        t = times_exp(normal_tail(a) - a * density, s, rest)
        return t if x < zero else one - t

    return gelu, gelu_slope


gelu, gelu_slope = map(
    _both,
    ("x times the normal distribution's probability of less than x.", "The slope of gelu."),
    _gelu_for(np.float32, 16, _half_square32, _normal_tail32, _times_exp32),
    _gelu_for(np.float64, 40, _half_square64, _normal_tail64, _times_exp64),
)
