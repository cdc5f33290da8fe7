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


@intrinsic  # type: ignore[arg-type]
def _with_sign_of(typingctx, size, x):
    def emit(context, builder, signature, values):
        real = values[0].type
        kind = ir.FunctionType(real, [real, real])
        return builder.call(builder.module.declare_intrinsic("llvm.copysign", [real], kind), values)

    return size(size, x), emit


@intrinsic  # type: ignore[arg-type]
def _raised(typingctx, p, t, more):
    """p * 2**(n + m) by adding to the bits of its exponent, given t = n + SHIFTER and m as `more`, where it fits there.

    p is normal, and so must be what comes out.
    """
    wide = p == types.float64

    def emit(context, builder, signature, values):
        integer = ir.IntType(64 if wide else 32)
        p, t = (builder.bitcast(value, integer) for value in values[:2])
        n = builder.shl(t, ir.Constant(integer, 52 if wide else 23))
        return builder.bitcast(builder.add(builder.add(p, n), values[2]), ir.DoubleType() if wide else ir.FloatType())

    return p(p, t, types.int64 if wide else types.int32), emit


SHIFTER = {np.float32: 1.5 * 2**23, np.float64: 1.5 * 2**52}  # n + this has n in its last bits: nothing is converted
LIFT = 100  # results near or below the smallest normal number are made larger by 2**LIFT first


def lift_for(dtype):
    """What `_raised` adds to the bits of a number for a factor of 2**LIFT, and for none."""
    return (np.int32(LIFT << 23), np.int32(0)) if dtype is np.float32 else (np.int64(LIFT << 52), np.int64(0))


def _exp_for(dtype, least, steep, most, ln2_high, ln2_low, *c):
    """exp by x = n ln 2 + r, |r| <= ln 2 / 2, and a polynomial of exp(r) = 1 + r + r**2 (c[0] r**n + ... + c[n])."""
    least, steep, most, inverse = dtype(least), dtype(steep), dtype(most), dtype(1 / math.log(2))
    ln2_high, ln2_low, one, infinity = dtype(ln2_high), dtype(ln2_low), dtype(1), dtype(np.inf)
    shifter, lower, (lift, none) = dtype(SHIFTER[dtype]), dtype(2.0**-LIFT), lift_for(dtype)
    c = (*(dtype(a) for a in c), one, one)

    def exp(x):
        clipped = least if x < least else x
        t = clipped * inverse + shifter
        n = t - shifter
        r = (clipped - n * ln2_high) - n * ln2_low
        p = c[0]
        for k in range(1, len(c)):
            p = p * r + c[k]
        y = _raised(p, t, lift if clipped < steep else none)  # type: ignore
        y = y * lower if clipped < steep else y
        return y if x <= most else x + infinity  # NaN too

    return register_jitable(**_INLINE)(exp)


# c of exp(r) = 1 + r + r**2 (c[0] r**n + ... + c[n]), fitted at Chebyshev nodes, and ln 2 in two parts: the first has so few
# bits that its products with n are exact.
_EXP32 = 0.00139262135, 0.00836320297, 0.0416665544, 0.166665768, 0.5
_EXP64 = (2.5100424157005067e-08, 2.7620138719733994e-07, 2.7557268378684192e-06, 2.480152119021773e-05,
          0.00019841269863105968, 0.0013888888917281794, 0.008333333333330051, 0.04166666666662399, 0.16666666666666669,
          0.5)  # fmt: skip
LN2 = {np.float32: (0.693359375, -2.12194440e-4), np.float64: (6.93147180369123816490e-01, 1.90821492927058770002e-10)}

# Up to `least` the result rounds to 0, below `steep` it may be subnormal, above `most` it overflows.
_exp32 = _exp_for(np.float32, -104, -87, 88.72283, *LN2[np.float32], *_EXP32)
_exp64 = _exp_for(np.float64, -745.2, -708, 709.782712893384, *LN2[np.float64], *_EXP64)


def exp(x):
    """exp(x) of a float32 or float64 number, within 1.5 ulps; inf, NaN and subnormals as IEEE wants them."""
    return np.exp(x)


@overload(exp, jit_options=_INLINE)  # type: ignore[arg-type]
def _exp(x):
    chosen = _exp32 if x == types.float32 else _exp64
    return lambda x: chosen(x)


def tanh(x):
    """tanh(x) of a float32 or float64 number, within 3 ulps."""
    return np.tanh(x)


def _tanh_for(dtype, most, ln2_high, ln2_low, *c):
    """tanh by e / (e + 2) with e = exp(2|x|) - 1 = 2**n (exp(r) - 1) + 2**n - 1, known to all its digits."""
    most, inverse, ln2_high, ln2_low = dtype(most), dtype(1 / math.log(2)), dtype(ln2_high), dtype(ln2_low)
    one, two, shifter, (_, none) = dtype(1), dtype(2), dtype(SHIFTER[dtype]), lift_for(dtype)
    c = tuple(dtype(a) for a in c)

    def tanh(x):
        size = abs(x)
        double = most if size > most else size
        double += double
        t = double * inverse + shifter
        n = t - shifter
        r = (double - n * ln2_high) - n * ln2_low
        p = c[0]
        for k in range(1, len(c)):
            p = p * r + c[k]
        power = _raised(one, t, none)  # type: ignore
        e = (r * r * p + r) * power + (power - one)
        return _with_sign_of(e / (e + two), x)  # type: ignore

    return register_jitable(**_INLINE)(tanh)


# Beyond `most` the result is 1.
_tanh32 = _tanh_for(np.float32, 10, *LN2[np.float32], *_EXP32)
_tanh64 = _tanh_for(np.float64, 20, *LN2[np.float64], *_EXP64)


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
