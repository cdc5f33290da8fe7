"""x to the power y as straight-line arithmetic in float32, by way of float64; in float64 it is libm's."""

import numpy as np
from numba import types
from numba.extending import overload

from ._functions import _exponent, _inline, _mantissa, _polynomial
from ._math import _INLINE, SHIFTER, _raised, _with_sign_of

# log2(1 + f) = f (c[0] f**n + ...) for 1 + f from sqrt(1/2) to sqrt(2), and 2**r for |r| up to 1/2.
_LOG2 = (-0.08433521060620652, 0.15345286964206467, -0.15722652980225316, 0.15931300518688185, -0.17905123201397394,
         0.2060716511003165, -0.2405027982512101, 0.28854145553598864, -0.3606728453489092, 0.4808983110823996,
         -0.7213475248945523, 1.4426950409582302)  # fmt: skip
_LOG2_ODD, _LOG2_EVEN = (_polynomial(np.float64, *_LOG2[k::2]) for k in (0, 1))  # short loops, which are unrolled
_EXP2 = _polynomial(np.float64, 0.00015461467905285986, 0.0013400454984126323, 0.00961805662050108, 0.05550327159647605,
                    0.2402265092256076, 0.6931472067342503, 1)  # fmt: skip
_SHIFTER64, _MOST, _INFINITY = np.float64(SHIFTER[np.float64]), np.float64(200), np.float64(np.inf)


@_inline
def _power32(x, y):
    """2**(y log2|x|) in float64, whose further digits the exponent may multiply; then the cases of a negative x."""
    size, times = np.float64(abs(x)), np.float64(y)
    f = _mantissa(size) - np.float64(1)  # type: ignore
    log = _exponent(size) + f * (f * _LOG2_ODD(f * f) + _LOG2_EVEN(f * f))  # type: ignore
    log = log if size < _INFINITY else size  # NaN too
    log = -_INFINITY if size == np.float64(0) else log
    power = times * log
    power = np.float64(0) if (y == np.float32(0)) | (log == np.float64(0)) else power
    power = _MOST if power > _MOST else power
    power = -_MOST if power < -_MOST else power
    t = power + _SHIFTER64
    z = np.float32(_EXP2(power - (t - _SHIFTER64)) * _raised(np.float64(1), t, np.int64(0)))  # type: ignore
    z = x * x if y == np.float32(2) else z  # the bits of a square
    half = y * np.float32(0.5)
    whole = np.floor(y) == y
    signed = _with_sign_of(z, x)  # type: ignore
    z = signed if whole & (np.floor(half) != half) else z
    return np.float32(np.nan) if (x < np.float32(0)) & (size < _INFINITY) & (not whole) else z


def power(x, y):
    """x to the power y of two float32 or two float64 numbers."""
    raise NotImplementedError("only for compiled code")


@overload(power, jit_options=_INLINE)  # type: ignore[arg-type]
def _(x, y):
    return (lambda x, y: _power32(x, y)) if x == types.float32 else (lambda x, y: x**y)
