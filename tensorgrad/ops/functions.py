"""Elementary functions: one number in, one number out, within 4 units in the last place.

Most are written down by their formula and its slope (see _pointwise.py). Twins use what Values have: exp, log, sqrt, sin,
cos, arctan and erf.
"""

import math

import numpy as np

from .. import kernels
from .._op import op
from .._samples import NO_NUMBERS, sample, scaled, special, strided, uniform
from ..kernels._functions import arccos as arccos_of
from ..kernels._functions import arcsin as arcsin_of
from ..kernels._functions import arctan as arctan_of
from ..kernels._functions import cosh as cosh_of
from ..kernels._functions import erf as erf_of
from ..kernels._functions import expm1 as expm1_of
from ..kernels._functions import gauss
from ..kernels._functions import log as log_of
from ..kernels._functions import log1p as log1p_of
from ..kernels._functions import log2 as log2_of
from ..kernels._functions import sinh as sinh_of
from ..kernels._math import exp as exp_of
from ._pointwise import pointwise
from ._shared import over, same_shape, times, unary

# One number, none, odd sizes around vector lanes, not contiguous, far away, near 0, and special numbers.
SPECIAL = special([np.inf, -np.inf, np.nan, 0.0, -1.0, 1.0, 2.0, -2.0])
ANY = [sample(()), sample((0, 3)), sample((1,)), sample((5, 3)), sample((2, 3, 17)), sample((67,)), sample((1025,)),
       sample(strided(4, 5)), sample(scaled((33,), 1e4)), sample(scaled((33,), 1e-6)), SPECIAL]  # fmt: skip


def between(low, high):
    """Samples like ANY, of numbers between low and high."""
    shapes = (), (0, 3), (1,), (5, 3), (2, 3, 17), (67,), (1025,)
    return [
        *(sample(uniform(low, high, *shape)) for shape in shapes),
        sample(lambda rng: rng.uniform(low, high, (4, 10))[:, ::2]),
        SPECIAL,
    ]


@pointwise(twin=lambda x: 1 / x, slope=lambda x, y, real: -y * y, backward=[lambda g, y, _x: -g * y * y], unread=("x",),
           samples=[*between(0.1, 3), sample(uniform(-1e4, -1e-4, 33))], errors=NO_NUMBERS,
           numpy=(np.reciprocal,))  # fmt: skip
def reciprocal(x, real):
    """1 / x; infinite at 0. Whole numbers become float64.

    >>> reciprocal(np.array([2.0, -4.0]))
    array([ 0.5 , -0.25])
    """
    return real(1) / x


# ---- exponentials and logarithms --------------------------------------------------------------------------------------
@op(twin=np.exp, backward=[lambda g, y, _x: times(g, y)], samples=[*between(-3, 3), sample(uniform(-80, 80, 33))],
    errors=NO_NUMBERS, numpy=(np.exp,))  # fmt: skip
def exp(x, /):
    """e to the power x.

    >>> exp(np.array([0.0, 1.0]))
    array([1.        , 2.71828183])
    """
    return unary(kernels.exp, x)


@op(twin=np.log, backward=[lambda g, _y, x: over(g, x)], samples=[*between(0.1, 3), sample(uniform(1e-4, 1e4, 33))],
    errors=NO_NUMBERS, numpy=(np.log,))  # fmt: skip
def log(x, /):
    """The natural logarithm; -inf at 0, nan below.

    >>> log(np.array([1.0, 2.0]))
    array([0.        , 0.69314718])
    """
    return unary(kernels.log, x)


@pointwise(twin=lambda x: np.exp(x) - 1, slope=lambda x, y, real: exp_of(x), backward=[lambda g, _y, x: g * np.exp(x)],
           samples=[*between(-3, 3), sample(uniform(-80, 80, 33)), sample(scaled((33,), 1e-6))], errors=NO_NUMBERS,
           numpy=(np.expm1,))  # fmt: skip
def expm1(x, real):
    """exp(x) - 1, which loses no digits near 0.

    >>> expm1(np.array([0.0, 1e-12]))
    array([0.e+00, 1.e-12])
    """
    return expm1_of(x)


@pointwise(twin=lambda x: np.log(1 + x), slope=lambda x, y, real: real(1) / (real(1) + x),
           backward=[lambda g, _y, x: g / (1 + x)], errors=NO_NUMBERS, numpy=(np.log1p,),
           samples=[*between(-0.9, 3), sample(uniform(0, 1e4, 33)), sample(scaled((33,), 1e-6))])  # fmt: skip
def log1p(x, real):
    """log(1 + x), which loses no digits near 0; -inf at -1, nan below.

    >>> log1p(np.array([0.0, 1e-12]))
    array([0.e+00, 1.e-12])
    """
    return log1p_of(x)


LN2, LOG2_E, LOG2_E_REST = math.log(2), 1.4426950408889634, 2.0355273740931033e-17  # 1 / log(2) in 32 digits


@pointwise(twin=lambda x: np.log(x) * LOG2_E + np.log(x) * LOG2_E_REST, slope=lambda x, y, real: real(1) / (x * real(LN2)),
           backward=[lambda g, _y, x: g / (x * LN2)], errors=NO_NUMBERS, numpy=(np.log2,),
           samples=[*between(0.1, 3), sample(uniform(1e-4, 1e4, 33)), sample([0.25, 0.5, 1.0, 2.0, 1024.0])])  # fmt: skip
def log2(x, real):
    """The logarithm to base 2, exact for powers of 2; -inf at 0, nan below.

    >>> log2(np.array([8.0, 0.5]))
    array([ 3., -1.])
    """
    return log2_of(x)


# ---- angles -----------------------------------------------------------------------------------------------------------
@op(twin=np.sin, fused=lambda needs, g, _y, x: [same_shape(kernels.sin_backward, g, x)],
    backward=[lambda g, _y, x: g * np.cos(x)], samples=ANY, errors=NO_NUMBERS, numpy=(np.sin,))  # fmt: skip
def sin(x, /):
    """The sine of x radians.

    >>> sin(np.array([0.0]))
    array([0.])
    """
    return unary(kernels.sin, x)


@op(twin=np.cos, fused=lambda needs, g, _y, x: [same_shape(kernels.cos_backward, g, x)],
    backward=[lambda g, _y, x: -g * np.sin(x)], samples=ANY, errors=NO_NUMBERS, numpy=(np.cos,))  # fmt: skip
def cos(x, /):
    """The cosine of x radians.

    >>> cos(np.array([0.0]))
    array([1.])
    """
    return unary(kernels.cos, x)


@op(twin=lambda x: np.sin(x) / np.cos(x), fused=lambda needs, g, y, _x: [same_shape(kernels.tan_backward, g, y)],
    backward=[lambda g, y, _x: g * (1 + y * y)], unread=("x",), samples=ANY, errors=NO_NUMBERS,
    numpy=(np.tan,))  # fmt: skip
def tan(x, /):
    """The tangent of x radians.

    >>> tan(np.array([0.0, np.pi / 4]))
    array([0., 1.])
    """
    return unary(kernels.tan, x)


@pointwise(ties="infinite at both ends",
    twin=lambda x: np.arctan(x / np.sqrt((1 - x) * (1 + x))), numpy=(np.arcsin,), errors=NO_NUMBERS,
           slope=lambda x, y, real: real(1) / math.sqrt((real(1) - x) * (real(1) + x)),
           backward=[lambda g, _y, x: g / np.sqrt((1 - x) * (1 + x))],
           samples=[*between(-0.99, 0.99), sample(scaled((33,), 1e-6)), sample([0.5, -0.5, 0.999])])  # fmt: skip
def arcsin(x, real):
    """The angle in -pi/2..pi/2 whose sine is x; nan outside -1..1, an infinite gradient at both ends.

    >>> arcsin(np.array([0.0, 1.0]))
    array([0.        , 1.57079633])
    """
    return arcsin_of(x)


@pointwise(ties="infinite at both ends",
    twin=lambda x: 2 * np.arctan(np.sqrt((1 - x) / (1 + x))), numpy=(np.arccos,), errors=NO_NUMBERS,
           slope=lambda x, y, real: real(-1) / math.sqrt((real(1) - x) * (real(1) + x)),
           backward=[lambda g, _y, x: -g / np.sqrt((1 - x) * (1 + x))],
           samples=[*between(-0.99, 0.99), sample(scaled((33,), 1e-6)), sample([0.5, -0.5, 0.999])])  # fmt: skip
def arccos(x, real):
    """The angle in 0..pi whose cosine is x; nan outside -1..1, an infinite gradient at both ends.

    >>> arccos(np.array([0.0, 1.0]))
    array([1.57079633, 0.        ])
    """
    return arccos_of(x)


@pointwise(twin=np.arctan, slope=lambda x, y, real: real(1) / (real(1) + x * x), backward=[lambda g, _y, x: g / (1 + x * x)],
           samples=ANY, errors=NO_NUMBERS, numpy=(np.arctan,))  # fmt: skip
def arctan(x, real):
    """The angle in -pi/2..pi/2 whose tangent is x.

    >>> arctan(np.array([0.0, 1.0]))
    array([0.        , 0.78539816])
    """
    return arctan_of(x)


# ---- hyperbolic functions and the error function ----------------------------------------------------------------------
@pointwise(twin=lambda x: (np.exp(x) - np.exp(-x)) / 2, slope=lambda x, y, real: cosh_of(x),
           backward=[lambda g, _y, x: g * np.cosh(x)], errors=NO_NUMBERS, numpy=(np.sinh,),
           samples=[*between(-3, 3), sample(uniform(-80, 80, 33)), sample(scaled((33,), 1e-6))])  # fmt: skip
def sinh(x, real):
    """The hyperbolic sine, (exp(x) - exp(-x)) / 2.

    >>> sinh(np.array([0.0, 1.0]))
    array([0.        , 1.17520119])
    """
    return sinh_of(x)


@pointwise(twin=lambda x: (np.exp(x) + np.exp(-x)) / 2, slope=lambda x, y, real: sinh_of(x),
           backward=[lambda g, _y, x: g * np.sinh(x)], errors=NO_NUMBERS, numpy=(np.cosh,),
           samples=[*between(-3, 3), sample(uniform(-80, 80, 33)), sample(scaled((33,), 1e-6))])  # fmt: skip
def cosh(x, real):
    """The hyperbolic cosine, (exp(x) + exp(-x)) / 2.

    >>> cosh(np.array([0.0, 1.0]))
    array([1.        , 1.54308063])
    """
    return cosh_of(x)


FAR = 2.0**28  # beyond it x * x + 1 is x * x in float64 too


@pointwise(twin=lambda x: np.where(x > 0, np.log(x + np.sqrt(x * x + 1)), -np.log(np.sqrt(x * x + 1) - x)),
           slope=lambda x, y, real: real(1) / (math.sqrt(real(1) + x * x) if abs(x) < real(FAR) else abs(x)),
           backward=[lambda g, _y, x: g / np.sqrt(1 + x * x)], samples=ANY, errors=NO_NUMBERS, numpy=(np.arcsinh,))  # fmt: skip
def arcsinh(x, real):
    """The number whose hyperbolic sine is x.

    >>> arcsinh(np.array([0.0, 1.0]))
    array([0.        , 0.88137359])
    """
    a = abs(x)
    near = log1p_of(a + a * a / (real(1) + math.sqrt(real(1) + a * a)))
    return math.copysign(near if a < real(FAR) else log_of(a) + real(LN2), x)


@pointwise(ties="infinite at 1",
    twin=lambda x: np.log(x + np.sqrt(x - 1) * np.sqrt(x + 1)), numpy=(np.arccosh,), errors=NO_NUMBERS,
           slope=lambda x, y, real: real(1) / (math.sqrt(x - real(1)) * math.sqrt(x + real(1))),
           backward=[lambda g, _y, x: g / (np.sqrt(x - 1) * np.sqrt(x + 1))],
           samples=[*between(1.01, 4), sample(uniform(1, 1e4, 33)), sample([1.001, 1.5, 1e9])])  # fmt: skip
def arccosh(x, real):
    """The number from 0 on whose hyperbolic cosine is x; nan below 1, an infinite gradient at 1.

    >>> arccosh(np.array([1.0, 2.0]))
    array([0.       , 1.3169579])
    """
    t = x - real(1)
    near = log1p_of(t + math.sqrt(t) * math.sqrt(x + real(1)))
    return near if not x > real(FAR) else log_of(x) + real(LN2)


@pointwise(ties="infinite at both ends",
           twin=lambda x: (np.log(1 + x) - np.log(1 - x)) / 2,
           slope=lambda x, y, real: real(1) / ((real(1) - x) * (real(1) + x)),
           backward=[lambda g, _y, x: g / ((1 - x) * (1 + x))], errors=NO_NUMBERS, numpy=(np.arctanh,),
           samples=[*between(-0.99, 0.99), sample(scaled((33,), 1e-6)), sample([0.5, -0.5, 0.999])])  # fmt: skip
def arctanh(x, real):
    """The number whose hyperbolic tangent is x; infinite at -1 and 1, nan outside.

    >>> arctanh(np.array([0.0, 0.5]))
    array([0.        , 0.54930614])
    """
    a = abs(x)
    return math.copysign(real(0.5) * log1p_of(real(2) * a / (real(1) - a)), x)


SLOPE_OF_ERF = 2 / math.sqrt(math.pi)


@pointwise(twin=np.frompyfunc(lambda x: x.erf(), 1, 1), slope=lambda x, y, real: real(SLOPE_OF_ERF) * gauss(x),
           backward=[lambda g, _y, x: g * (SLOPE_OF_ERF * np.exp(-x * x))], samples=[*ANY, sample(uniform(-9, 9, 33))],
           errors=NO_NUMBERS)  # fmt: skip
def erf(x, real):
    """The error function, 2 / sqrt(pi) times the integral of exp(-t**2) from 0 to x.

    >>> erf(np.array([0.0, 1.0]))
    array([0.        , 0.84270079])
    """
    return erf_of(x)
