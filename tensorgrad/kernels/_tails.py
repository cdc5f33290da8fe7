"""Smooth activations that keep their digits far to the left of 0, where they are products with a tiny exponential.

Each is x times a weight between 0 and 1. Left of 0 the weight is made of exp(-s): a factor goes into the exponential before
it is scaled down (exp(-s) alone may have few bits left), and where s itself is computed, what its rounding lost goes in too.
"""

import math

import numpy as np
from numba.extending import register_jitable

from ._functions import _both, _polynomial
from ._math import _INLINE, _times_power_of_two

_inline = register_jitable(**_INLINE)
_exact = register_jitable(fastmath=False, forceinline=True)  # products here are split, which fusing would undo

# (1 - erf(a / sqrt(2))) / 2 = exp(-a * a / 2) M(a), and M(a) (1 + 1.25 a) = 1 / 2 + w P(w - 1) with w = 2 a / (a + b):
# P fitted at Chebyshev nodes up to a = 16 with b = 4, and up to a = 40 with b = 5.
_TAIL32 = (-7.9578000262e-05, 4.2477275327e-05, 0.00087059138631, -0.0014327964852, -0.0049572065631, 0.029511783046,
           -0.077472021081, 0.13114818218, -0.14474373349, 0.066463851388)  # fmt: skip
_TAIL64 = (1.1838089339967087e-09, 4.4543527966594366e-09, -4.579169744338926e-09, -3.824957260975037e-08,
           1.3006895095693216e-08, 2.4705468129085154e-07, -1.093406548002937e-07, -1.590019424984994e-06,
           1.6716540883433642e-06, 9.972744894037962e-06, -2.4003985378719366e-05, -4.324646392707866e-05,
           0.0002862709575685067, -0.00031010054814859124, -0.0018398775497242119, 0.010587089459510762,
           -0.03179795135250721, 0.0683226305299132, -0.11328777230871154, 0.14601168210625473, -0.13624092454530373,
           0.05766496106879565)  # fmt: skip
# The tanh form of gelu is x times the sigmoid of A x + B x**3: A = 2 sqrt(2 / pi) and B = 0.044715 A, each in two parts.
A, A_LOW = 1.5957691216057306, 1.223515168339221e-16
B, B_LOW = 0.07135481387376785, 2.3988323959931355e-09


@_exact
def _half_square32(a):
    s = np.float64(0.5) * (np.float64(a) * np.float64(a))
    high = np.float32(s)
    return high, np.float32(s - np.float64(high))


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


def _activations_for(dtype, integer, ln2_parts, degree, most, half_square, normal_most, b, tail, cubic, cubic_most):
    zero, half, one, two, four = (dtype(k) for k in (0, 0.5, 1, 2, 4))
    inverse, most = dtype(1 / math.log(2)), dtype(most)
    ln2_high, ln2_low = (dtype(part) for part in ln2_parts)
    taylor = _polynomial(dtype, *(1 / math.factorial(k) for k in range(degree, 1, -1)))
    normal_most, b, slope = dtype(normal_most), dtype(b), dtype(1.25)
    odd, even = _polynomial(dtype, *tail[::2]), _polynomial(dtype, *tail[1::2])  # short loops, which are unrolled
    density, cubic_most = dtype(1 / math.sqrt(2 * math.pi)), dtype(cubic_most)
    linear, third = dtype(A), dtype(3 * (B + B_LOW))

    @_inline
    def times_exp(factor, s, rest):
        """factor * exp(-s - rest) for 0 <= s; 0 from s = `most` on."""
        x = -(most if s > most else s)
        n = np.floor(x * inverse + half)
        r = ((x - n * ln2_high) - n * ln2_low) - rest
        p = factor * ((taylor(r) * r * r + r) + one)
        n = integer(n)
        first = n >> integer(1)
        return _times_power_of_two(_times_power_of_two(p, integer(first)), integer(n - first))  # type: ignore

    @_inline
    def size_of(x, most):
        """|x|, at most `most`, which stands for infinity too; NaN stays."""
        return most if abs(x) > most else abs(x)

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

    @_inline
    def silu(x):
        a = size_of(x, most)
        return weighted(x, a, a, zero)

    @_inline
    def silu_slope(x):
        a = size_of(x, most)
        return weighted_slope(x, a, a, zero)

    @_inline
    def gelu_tanh(x):
        a = size_of(x, cubic_most)
        s, rest = cubic(a)
        return weighted(x, a, s, rest)

    @_inline
    def gelu_tanh_slope(x):
        a = size_of(x, cubic_most)
        s, rest = cubic(a)
        return weighted_slope(x, a * (linear + third * (a * a)), s, rest)

    @_inline
    def mish(x):
        a = size_of(x, most)
        e = times_exp(one, a, zero)
        top = times_exp(-a * (e + two), a, zero) if x < zero else x * (one + two * e)
        return top / (e * e + two * e + two if x < zero else one + two * e + two * e * e)

    @_inline
    def mish_slope(x):
        a = size_of(x, most)
        e = times_exp(one, a, zero)
        bottom = e * e + two * e + two if x < zero else one + two * e + two * e * e
        left = times_exp((e + two) * bottom - four * a * (one + e), a, zero)
        right = (one + two * e) * bottom + four * a * e * e * (one + e)
        return (left if x < zero else right) / (bottom * bottom)

    @_inline
    def normal_tail(a):
        w = two * a / (a + b)
        q = w - one
        return (half + w * (q * odd(q * q) + even(q * q))) / (one + slope * a)

    @_inline
    def gelu(x):
        a = size_of(x, normal_most)
        s, rest = half_square(a)
        m = normal_tail(a)
        t = times_exp(-a * m if x < zero else m, s, rest)
        return t if x < zero else x * (one - t)

    @_inline
    def gelu_slope(x):
        a = size_of(x, normal_most)
        s, rest = half_square(a)
        t = times_exp(normal_tail(a) - a * density, s, rest)
        return t if x < zero else one - t

    return silu, silu_slope, mish, mish_slope, gelu, gelu_slope, gelu_tanh, gelu_tanh_slope


_single = _activations_for(np.float32, np.int32, (0.693359375, -2.12194440e-4), 7, 120, _half_square32, 16, 4, _TAIL32,
                           _cubic32, 12)  # fmt: skip
_double = _activations_for(np.float64, np.int64, (6.93147180369123816490e-01, 1.90821492927058770002e-10), 13, 760,
                           _half_square64, 40, 5, _TAIL64, _cubic64, 24)  # fmt: skip
silu, silu_slope, mish, mish_slope, gelu, gelu_slope, gelu_tanh, gelu_tanh_slope = (
    _both(doc, single, double)
    for doc, single, double in zip(
        ("x sigmoid(x).", "The slope of silu.", "x tanh(log(1 + exp(x))).", "The slope of mish.",
         "x times the normal distribution's probability of less than x.", "The slope of gelu.",
         "gelu with tanh in place of the error function.", "The slope of gelu_tanh."),
        _single, _double, strict=True)
)  # fmt: skip
