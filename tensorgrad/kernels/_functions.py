"""Elementary functions as straight-line arithmetic, so that loops over them become vector instructions.

Every case is computed and selected from, as in _math.py: a branch or a call into libm would end vectorising. Polynomials
were fitted at Chebyshev nodes, unless their source is named; those of exp in float64 are Taylor's.
"""

import math

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload, register_jitable

from ._math import _INLINE, LN2, _exp32, _exp64, _times_power_of_two, _with_sign_of

_inline = register_jitable(**_INLINE)


def _both(doc, single, double):
    """A function of a float32 or a float64 number, which loops can be vectorised over."""

    def function(x):
        raise NotImplementedError("only for compiled code")

    function.__doc__ = doc

    @overload(function, jit_options=_INLINE)  # type: ignore[arg-type]
    def _(x):
        chosen = single if x == types.float32 else double
        return lambda x: chosen(x)

    return function


def _polynomial(dtype, *c):
    """c[0] x**n + ... + c[n]."""
    c = tuple(dtype(a) for a in c)

    @_inline
    def polynomial(x):
        p = c[0]
        for k in range(1, len(c)):
            p = p * x + c[k]
        return p

    return polynomial


def _bits_above(builder, x):
    """The bits of x less those of sqrt(1/2), their type, how many of them are the mantissa's, and those of sqrt(1/2)."""
    wide = x.type == ir.DoubleType()
    integer = ir.IntType(64 if wide else 32)
    shift, start = (52, 0x3FE6A09E667F3BCD) if wide else (23, 0x3F3504F3)
    return builder.sub(builder.bitcast(x, integer), integer(start)), integer, shift, start


@intrinsic  # type: ignore[arg-type]
def _exponent(typingctx, x):
    """k of a normal x = 2**k m with sqrt(1/2) <= m < sqrt(2), as a number of x's type."""

    def emit(context, builder, signature, values):
        bits, integer, shift, _ = _bits_above(builder, values[0])
        return builder.sitofp(builder.ashr(bits, integer(shift)), values[0].type)

    return x(x), emit


@intrinsic  # type: ignore[arg-type]
def _mantissa(typingctx, x):
    """m of a normal x = 2**k m with sqrt(1/2) <= m < sqrt(2)."""

    def emit(context, builder, signature, values):
        bits, integer, shift, start = _bits_above(builder, values[0])
        within = builder.and_(bits, integer((1 << shift) - 1))
        return builder.bitcast(builder.add(within, integer(start)), values[0].type)

    return x(x), emit


@intrinsic  # type: ignore[arg-type]
def _upper(typingctx, x):
    """x with the lower half of its mantissa cut off: its square is exact."""

    def emit(context, builder, signature, values):
        wide = x == types.float64
        integer = ir.IntType(64 if wide else 32)
        kept = builder.and_(builder.bitcast(values[0], integer), integer(-1 << (27 if wide else 12)))
        return builder.bitcast(kept, values[0].type)

    return x(x), emit


# ---- logarithms -------------------------------------------------------------------------------------------------------
def _logs_for(dtype, ln2_high, ln2_low, *c):
    """log, log2 and log1p by x = 2**k (1 + f) and fdlibm's series of log(1 + f) in f / (2 + f)."""
    high, low = dtype(ln2_high), dtype(ln2_low)
    zero, half, one, two, infinity = dtype(0), dtype(0.5), dtype(1), dtype(2), dtype(np.inf)
    nan, tiny, log2_e = dtype(np.nan), dtype(np.finfo(dtype).tiny), dtype(1 / math.log(2))
    shift = 25 if dtype is np.float32 else 54
    lift, lifted = dtype(2.0**shift), dtype(shift)
    series = _polynomial(dtype, *c)

    @_inline
    def parts(x):
        """k, f, and the q and r of log(1 + f) = f - (q - r)."""
        normal = x * lift if x < tiny else x
        k = _exponent(normal)  # type: ignore
        k = k - lifted if x < tiny else k
        f = _mantissa(normal) - one  # type: ignore
        s = f / (two + f)
        q = half * f * f
        z = s * s
        return k, f, q, s * (q + z * series(z))

    @_inline
    def ends(x, y):
        y = y if x < infinity else x  # NaN too
        y = -infinity if x == zero else y
        return nan if x < zero else y

    @_inline
    def log(x):
        k, f, q, r = parts(x)
        return ends(x, k * high - ((q - (r + k * low)) - f))

    @_inline
    def log2(x):
        k, f, q, r = parts(x)
        return ends(x, k + (f - (q - r)) * log2_e)

    @_inline
    def log1p(x):
        u = one + x
        v = u - x
        lost = (x - (u - v)) + (one - v)  # what rounding took from 1 + x
        k, f, q, r = parts(u)
        y = ends(u, k * high - ((q - (r + (k * low + lost / u))) - f))
        return y if abs(x) > zero else x  # -0.0

    return log, log2, log1p


# ln 2 in two parts, and coefficients: of fdlibm (e_log.c) and of its single precision (e_logf.c).
_log32, _log2_32, _log1p32 = _logs_for(np.float32, 6.9313812256e-01, 9.0580006145e-06, 0.24279078841, 0.28498786688,
                                       0.40000972152, 0.66666662693)  # fmt: skip
_log64, _log2_64, _log1p64 = _logs_for(
    np.float64, *LN2[np.float64], 1.479819860511658591e-01, 1.531383769920937332e-01, 1.818357216161805012e-01,
    2.222219843214978396e-01, 2.857142874366239149e-01, 3.999999999940941908e-01, 6.666666666666735130e-01)  # fmt: skip
log = _both("The natural logarithm, within 1 ulp.", _log32, _log64)
log2 = _both("The logarithm to base 2, exact for powers of 2.", _log2_32, _log2_64)
log1p = _both("log(1 + x), also where 1 + x is rounded.", _log1p32, _log1p64)


def _log1p_upto1_for(dtype, *c):
    """By a polynomial of q = x - 1/2, whose terms get smaller."""
    odd, even = (_polynomial(dtype, *c[k::-2][::-1]) for k in (-2, -1))  # short loops, which are unrolled
    half, ratio = dtype(0.5), _inline(lambda q: q * odd(q * q) + even(q * q))
    return _inline(lambda x: x * ratio(x - half))


log1p_upto1 = _both(
    "log(1 + x) for x from 0 to 1.",
    _log1p_upto1_for(np.float32, -0.00317605702, 0.00525027068, -0.00678801695, 0.0115776852, -0.0205631824, 0.0366352342,
                     -0.0676881897, 0.132609016, -0.288527101, 0.81093022),
    _log1p_upto1_for(np.float64, 2.4437973948580947e-05, -3.8362374451601246e-05, 2.8278083585626545e-05,
                     -4.4828443252232565e-05, 8.933303406819272e-05, -0.0001421000228999903, 0.00022119170895766566,
                     -0.00035482048783102383, 0.0005730446084677868, -0.0009288574279277324, 0.0015153851053375097,
                     -0.0024918411947988627, 0.004136178969492579, -0.006945394974985513, 0.011833792115498273,
                     -0.020548811919120714, 0.036611854523044426, -0.06768864331096429, 0.13260975375420375,
                     -0.2885270990993239, 0.8109302162163288))  # fmt: skip


# ---- what follows from exp(x) - 1 -------------------------------------------------------------------------------------
def _exponentials_for(dtype, integer, ln2_high, ln2_low, least, most, *c):
    """expm1, sinh and cosh by x = n ln 2 + r: exp(x) = 2**n (1 + e), with e = exp(r) - 1 known to all its digits."""
    inverse, high, low = dtype(1 / math.log(2)), dtype(ln2_high), dtype(ln2_low)
    zero, quarter, half, one, two, four, eight = (dtype(a) for a in (0, 0.25, 0.5, 1, 2, 4, 8))
    least, most = dtype(least), dtype(most)  # beyond which exp(x) - 1 is -1, and sinh infinite
    last = dtype(89) if dtype is np.float32 else dtype(710)  # beyond which exp(x) is infinite
    tail = _polynomial(dtype, *c)

    @_inline
    def parts(x):
        n = np.floor(x * inverse + half)
        r = (x - n * high) - n * low
        return n, r * r * tail(r) + r

    @_inline
    def expm1(x):
        n, e = parts(least if x < least else (last if x > last else x))
        power = _times_power_of_two(one, integer(n - one))  # type: ignore  # half of 2**n, which may be too large
        y = two * (e * power + (power - half))
        return y if abs(x) > zero else x  # -0.0 and NaN

    @_inline
    def sinh(x):
        size = abs(x)
        n, e = parts(most if size > most else size)
        power = _times_power_of_two(one, integer(n - two))  # type: ignore
        h = e * power + (power - quarter)  # a quarter of exp(size) - 1
        y = two * (h + h / (four * h + one))
        return _with_sign_of(y, x) if size > zero else x  # type: ignore

    @_inline
    def cosh(x):
        size = abs(x)
        n, e = parts(most if size > most else size)
        power = _times_power_of_two(one, integer(n - two))  # type: ignore
        h = e * power + power  # a quarter of exp(size)
        y = two * h + one / (eight * h)
        return y if x == x else x

    return expm1, sinh, cosh


_expm1_32, _sinh32, _cosh32 = _exponentials_for(
    np.float32, np.int32, *LN2[np.float32], -20, 89.5, 0.00019891080463998843, 0.0013933730715792083,
    0.008333310844647862, 0.04166646419740569, 0.16666666681704215, 0.500000001353873)  # fmt: skip
_expm1_64, _sinh64, _cosh64 = _exponentials_for(
    np.float64, np.int64, *LN2[np.float64], -40, 710.5, *(1 / math.factorial(k) for k in range(13, 1, -1)))  # fmt: skip
expm1 = _both("exp(x) - 1, also where exp(x) is near 1.", _expm1_32, _expm1_64)
sinh = _both("The hyperbolic sine.", _sinh32, _sinh64)
cosh = _both("The hyperbolic cosine.", _cosh32, _cosh64)


# ---- sine, cosine, tangent --------------------------------------------------------------------------------------------
def _turns_for(dtype, pi_2, s, c):
    """sin, cos and tan: x less n times pi/2, whose first parts have so few bits that products are exact."""
    zero, quarter, half, one = dtype(0), dtype(0.25), dtype(0.5), dtype(1)
    inverse, pi_2 = dtype(2 / math.pi), tuple(dtype(a) for a in pi_2)
    sine_tail, cosine_tail = _polynomial(dtype, *s), _polynomial(dtype, *c)

    @_inline
    def parts(x):
        """n, and sine and cosine of x - n pi/2."""
        n = np.floor(x * inverse + half)
        r = x
        for k in range(len(pi_2)):
            r = r - n * pi_2[k]
        z = r * r
        h = half * z
        w = one - h
        return n, r + r * (z * sine_tail(z)), w + (((one - w) - h) + z * z * cosine_tail(z))

    @_inline
    def turned(n, s, c):
        """The sine after n quarter turns more."""
        turns = n * quarter
        turns -= np.floor(turns)
        h = n * half
        y = s if h == np.floor(h) else c
        return -y if turns >= half else y

    @_inline
    def sin(x):
        n, s, c = parts(x)
        return turned(n, s, c) if abs(x) > zero else x

    @_inline
    def cos(x):
        n, s, c = parts(x)
        return turned(n + one, s, c)

    @_inline
    def tan(x):
        n, s, c = parts(x)
        h = n * half
        even = h == np.floor(h)
        y = (s if even else -c) / (c if even else s)
        return y if abs(x) > zero else x

    return sin, cos, tan


LIMIT32, LIMIT64 = 12800.0, 1e6  # up to which the vectorised sin, cos and tan are right: n has few bits
_sin32, _cos32, _tan32 = _turns_for(
    np.float32,
    (1.5703125, 0.0004837512969970703, 7.549533620476723e-08, 2.5632829192545614e-12, 6.123233995736766e-17),
    (-0.0001958763909873762, 0.00833274710466453, -0.16666664656312208),
    (2.454768977246003e-05, -0.001388830186756237, 0.04166666465348879))  # fmt: skip
_sin64, _cos64, _tan64 = _turns_for(
    np.float64,
    (1.5707963267341256, 6.077100506303966e-11, 2.0222662487111665e-21, 8.4784276603689e-32),
    (1.5917988979397435e-10, -2.5051129896450185e-08, 2.7557316093198404e-06, -0.00019841269836740532,
     0.008333333333330936, -0.16666666666666666),
    (-1.138254464534925e-11, 2.087614504941318e-09, -2.755731726587808e-07, 2.48015872987544e-05,
     -0.0013888888888887389, 0.041666666666666664))  # fmt: skip
near_sin = _both("The sine of |x| up to LIMIT32, LIMIT64.", _sin32, _sin64)
near_cos = _both("The cosine of |x| up to LIMIT32, LIMIT64.", _cos32, _cos64)
near_tan = _both("The tangent of |x| up to LIMIT32, LIMIT64.", _tan32, _tan64)


# ---- inverse functions ------------------------------------------------------------------------------------------------
def _inverses_for(dtype, pi_2_low, arctan_tail, arcsin_tail):
    """arctan by the tangent of a difference to 0, pi/4 or pi/2; arcsin and arccos beyond 1/2 by that of sqrt((1 - x) / 2)."""
    zero, half, one, two = dtype(0), dtype(0.5), dtype(1), dtype(2)
    pi_2, pi_4 = dtype(math.pi / 2), dtype(math.pi / 4)
    pi_2_low = dtype(pi_2_low)
    pi_4_low = pi_2_low * half
    first, second = dtype(math.tan(math.pi / 8)), dtype(math.tan(3 * math.pi / 8))
    arctan_tail, arcsin_tail = _polynomial(dtype, *arctan_tail), _polynomial(dtype, *arcsin_tail)

    @_inline
    def arctan(x):
        size = abs(x)
        top = -one if size > second else (size - one if size > first else size)
        bottom = size if size > second else (size + one if size > first else one)
        t = top / bottom
        high = pi_2 if size > second else (pi_4 if size > first else zero)
        low = pi_2_low if size > second else (pi_4_low if size > first else zero)
        z = t * t
        return _with_sign_of(high + (low + (t + t * (z * arctan_tail(z)))), x)  # type: ignore

    @_inline
    def parts(x):
        """arcsin of |x| if that is at most 1/2, else of sqrt((1 - |x|) / 2)."""
        size = abs(x)
        z = (one - size) * half if size > half else size * size
        t = np.sqrt(z) if size > half else size
        return size, t + t * (z * arcsin_tail(z))

    @_inline
    def arcsin(x):
        size, p = parts(x)
        return _with_sign_of(pi_2 - (two * p - pi_2_low) if size > half else p, x)  # type: ignore

    @_inline
    def arccos(x):
        size, p = parts(x)
        signed = _with_sign_of(p, x)  # type: ignore
        far = two * p if x > zero else two * (pi_2 - (p - pi_2_low))
        return far if size > half else pi_2 - (signed - pi_2_low)

    return arctan, arcsin, arccos


_arctan32, _arcsin32, _arccos32 = _inverses_for(
    np.float32, -4.371138828673793e-08,
    (-0.06451718869358958, 0.10743668324830098, -0.14263949753605723, 0.1999954031495797, -0.33333331760434554),
    (0.03369084720283012, 0.017149238357677253, 0.03110066273549457, 0.04459940152851218, 0.07500094543497424,
     0.16666666337430908))  # fmt: skip
_arctan64, _arcsin64, _arccos64 = _inverses_for(
    np.float64, 6.123233995736766e-17,
    (0.016284375050043393, -0.03456931506332609, 0.045515447340221615, -0.05230443640686948, 0.05878927554473807,
     -0.0666642476020052, 0.07692296368042296, -0.09090908753259112, 0.11111111105150588, -0.14285714285659779,
     0.19999999999999804, -0.3333333333333333),
    (0.028757851367421566, -0.014851887071247204, 0.01740087944269402, 0.005457506718640358, 0.01032281435018578,
     0.011479177415184906, 0.013971212973552933, 0.017352392720869973, 0.02237217294214989, 0.030381944138531247,
     0.04464285714635543, 0.07499999999998433, 0.16666666666666669))  # fmt: skip
arctan = _both("The angle between -pi/2 and pi/2 whose tangent is x.", _arctan32, _arctan64)
arcsin = _both("The angle between -pi/2 and pi/2 whose sine is x.", _arcsin32, _arcsin64)
arccos = _both("The angle between 0 and pi whose cosine is x.", _arccos32, _arccos64)


# ---- the error function -----------------------------------------------------------------------------------------------
_erf_near = _polynomial(np.float32, -0.0006003968130711686, 0.004995998446426596, -0.026768742319493985,
                        0.11281881935676678, -0.37612500861031745, 0.12837915082539023)  # fmt: skip
_log_erfc = _polynomial(
    np.float32, 1.6435710171267418e-06, -4.6178264642387544e-05, 0.000597749615173103, -0.004763621255305864,
    0.026431204735622056, -0.11009492404676112, -0.6318139082721903, -1.1302380627772042, 0.0003205761622981483)  # fmt: skip
_near, _far, _one = np.float32(0.9219), np.float32(4), np.float32(1)


@_inline
def _erf32(x):
    """x (1 + a polynomial of x**2) near 0, else 1 - exp(a polynomial of |x|)."""
    size = abs(x)
    clipped = _far if size > _far else size
    y = _one - _exp32(_log_erfc(clipped))
    return _with_sign_of(y, x) if size > _near else x + x * _erf_near(x * x)  # type: ignore


erf = _both("The error function.", _erf32, _inline(lambda x: math.erf(x)))


def _gauss_for(dtype, exp):
    zero, two = dtype(0), dtype(2)

    @_inline
    def gauss(x):
        square = x * x
        upper = _upper(x)  # type: ignore
        rest = x - upper
        lost = ((upper * upper - square) + two * upper * rest) + rest * rest  # what rounding took from the square
        y = exp(-square)
        return y - y * lost if y > zero else y

    return gauss


gauss = _both("exp(-x**2), also where rounding x**2 would lose digits.", _gauss_for(np.float32, _exp32),
              _gauss_for(np.float64, _exp64))  # fmt: skip
