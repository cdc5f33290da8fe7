"""exp and tanh as straight-line arithmetic, so that loops over them become vector instructions.

numba calls libm one number at a time; a polynomial with selects instead of branches runs 8 or 16 numbers at once.
Range reduction subtracts a rounded product in two steps: reordering would undo it, so nothing here is compiled with
"reassoc" (the functions keep their own floating-point flags when they are inlined).
"""

import math

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload, register_jitable

# Fused multiply-add is welcome, reordering is not. A call left standing in a loop would end vectorising.
_INLINE: dict = {"fastmath": {"contract"}, "forceinline": True}


@intrinsic  # type: ignore[arg-type]
def _times_power_of_two(typingctx, x, n):
    """x * 2**n for n in the normal exponent range, by building the exponent bits of 2**n."""
    wide = x == types.float64

    def emit(context, builder, signature, values):
        integer = ir.IntType(64 if wide else 32)
        bias, shift = (1023, 52) if wide else (127, 23)
        bits = builder.shl(builder.add(values[1], ir.Constant(integer, bias)), ir.Constant(integer, shift))
        return builder.fmul(values[0], builder.bitcast(bits, ir.DoubleType() if wide else ir.FloatType()))

    return x(x, types.int64 if wide else types.int32), emit


def _exp_for(dtype, integer, low, high, ln2_high, ln2_low, degree):
    """exp by x = n ln 2 + r, |r| <= ln 2 / 2, and the Taylor polynomial of exp(r); 2**n is applied in two halves."""
    low, high, inverse, half = dtype(low), dtype(high), dtype(1 / math.log(2)), dtype(0.5)
    ln2_high, ln2_low, zero, one, infinity = dtype(ln2_high), dtype(ln2_low), dtype(0), dtype(1), dtype(np.inf)
    c = tuple(dtype(1 / math.factorial(k)) for k in range(degree, 1, -1))

    def exp(x):
        clipped = low if x < low else (high if x > high else x)  # keeps n in range; NaN goes through
        n = np.floor(clipped * inverse + half)
        r = (clipped - n * ln2_high) - n * ln2_low
        p = c[0]
        for k in range(1, len(c)):
            p = p * r + c[k]
        p = (p * r * r + r) + one
        first = integer(n) >> integer(1)
        rest = integer(integer(n) - first)
        y = _times_power_of_two(_times_power_of_two(p, integer(first)), rest)  # type: ignore
        y = infinity if x > high else y
        y = zero if x < low else y
        return x if x != x else y

    return register_jitable(**_INLINE)(exp)


# Below `low` the result rounds to 0 (subnormals are reached, in two halves), above `high` it overflows.
_exp32 = _exp_for(np.float32, np.int32, -103.9720840454, 88.72283905206835, 0.693359375, -2.12194440e-4, 7)
_exp64 = _exp_for(np.float64, np.int64, -745.1332191019411, 709.782712893384,
                  6.93147180369123816490e-01, 1.90821492927058770002e-10, 13)  # fmt: skip


def exp(x):
    """exp(x) of a float32 or float64 number, within 1.5 ulps; inf, NaN and subnormals as IEEE wants them."""
    return np.exp(x)


@overload(exp, jit_options=_INLINE)  # type: ignore[arg-type]
def _exp(x):
    chosen = _exp32 if x == types.float32 else _exp64
    return lambda x: chosen(x)


def tanh(x):
    """tanh(x) of a float32 or float64 number: by (1 - q) / (1 + q) with q = exp(-2|x|), or a polynomial near 0."""
    return np.tanh(x)


def _tanh_for(dtype, exp, near, ratio):
    near, zero, one, two = dtype(near), dtype(0), dtype(1), dtype(2)

    def tanh(x):
        # Both halves are always computed and blended by weights: a branch around either would end vectorising.
        size = abs(x)
        inner = x if size < near else zero
        weight = zero if size < near else (-one if x < zero else one)
        z = inner * inner
        q = exp(-two * size)
        return (inner + inner * z * ratio(z)) + weight * ((one - q) / (one + q))

    return register_jitable(**_INLINE)(tanh)


# tanh(x) = x + x**3 R(x**2) near 0: coefficients of Moshier's Cephes library (tanhf.c, tanh.c).
@register_jitable(**_INLINE)
def _ratio32(z):
    p = np.float32(-5.70498872745e-3) * z + np.float32(2.06390887954e-2)
    p = p * z + np.float32(-5.37397155531e-2)
    p = p * z + np.float32(1.33314422036e-1)
    return p * z + np.float32(-3.33332819422e-1)


@register_jitable(**_INLINE)
def _ratio64(z):
    top = (-9.64399179425052238628e-1 * z - 9.92877231001918586564e1) * z - 1.61468768441708447952e3
    bottom = ((z + 1.12811678491631932401e2) * z + 2.23548839060100448583e3) * z + 4.84406305325125486048e3
    return top / bottom


_tanh32 = _tanh_for(np.float32, _exp32, 0.625, _ratio32)
_tanh64 = _tanh_for(np.float64, _exp64, 0.625, _ratio64)


@overload(tanh, jit_options=_INLINE)  # type: ignore[arg-type]
def _tanh(x):
    chosen = _tanh32 if x == types.float32 else _tanh64
    return lambda x: chosen(x)


def sigmoid(x):
    """1 / (1 + exp(-x)), from the exponential of -|x|, so that neither end overflows."""
    e = exp(-abs(x))
    return 1 / (1 + e) if x >= 0 else e / (1 + e)


@overload(sigmoid, jit_options=_INLINE)  # type: ignore[arg-type]
def _sigmoid(x):
    one = np.float32(1) if x == types.float32 else np.float64(1)

    def implementation(x):
        e = exp(-abs(x))
        top = one if x >= 0 else e
        return top / (one + e)

    return implementation
