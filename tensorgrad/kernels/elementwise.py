"""Elementwise work on flat buffers: one number in, one number out.

In a binary kernel an operand of size 1 stands for every element, so a plain number costs no array.
"""

import math

import numpy as np

from ._compile import kernel
from ._functions import LIMIT32, LIMIT64, near_cos, near_sin, near_tan
from ._functions import log as log_of
from ._jit import FASTMATH, jit
from ._math import exp as exp_of
from ._math import sigmoid as sigmoid_of
from ._math import tanh as tanh_of
from ._powers import power as power_of


@kernel("x[N] -> out[N]")
def negative(x, out):
    for i in range(out.size):
        out[i] = -x[i]


@kernel("x[N] -> out[N]")
def absolute(x, out):
    for i in range(out.size):
        out[i] = abs(x[i])


@kernel("x[N] -> out[N]")
def sign(x, out):
    for i in range(out.size):
        v = x[i]
        out[i] = 1 if v > 0 else -1 if v < 0 else v - v  # NaN, and 0.0 at -0.0, as in NumPy


@kernel("x[N] -> out[N]")
def square(x, out):
    for i in range(out.size):
        out[i] = x[i] * x[i]


@kernel("x[N] -> out[N]")
def sqrt(x, out):
    for i in range(out.size):
        out[i] = math.sqrt(x[i])


@kernel("x[N] -> out[N]")
def exp(x, out):
    for i in range(out.size):
        out[i] = exp_of(x[i])


@kernel("x[N] -> out[N]")
def log(x, out):
    for i in range(out.size):
        out[i] = log_of(x[i])


@jit
def _limit(x):
    return x.dtype.type(LIMIT32 if x.itemsize == 4 else LIMIT64)


@jit
def _all_near(x):
    """Whether the vectorised sin, cos and tan are right for all the numbers."""
    limit, far = _limit(x), 0
    for i in range(x.size):
        far += abs(x[i]) > limit
    return far == 0


@jit
def _sin(x, out):
    limit = _limit(x)
    if _all_near(x):
        for i in range(out.size):
            out[i] = near_sin(x[i])
    else:
        for i in range(out.size):
            out[i] = math.sin(x[i]) if abs(x[i]) > limit else near_sin(x[i])


@jit
def _cos(x, out):
    limit = _limit(x)
    if _all_near(x):
        for i in range(out.size):
            out[i] = near_cos(x[i])
    else:
        for i in range(out.size):
            out[i] = math.cos(x[i]) if abs(x[i]) > limit else near_cos(x[i])


@kernel("x[N] -> out[N]")
def sin(x, out):
    _sin(x, out)


@kernel("x[N] -> out[N]")
def cos(x, out):
    _cos(x, out)


@kernel("x[N] -> out[N]")
def tan(x, out):
    limit = _limit(x)
    if _all_near(x):
        for i in range(out.size):
            out[i] = near_tan(x[i])
    else:
        for i in range(out.size):
            out[i] = math.tan(x[i]) if abs(x[i]) > limit else near_tan(x[i])


@kernel("x[N] -> out[N]")
def tanh(x, out):
    for i in range(out.size):
        out[i] = tanh_of(x[i])


@kernel("x[N] -> out[N]")
def sigmoid(x, out):
    for i in range(out.size):
        out[i] = sigmoid_of(x[i])


@kernel("x[N] -> out[N]")
def relu(x, out):
    zero = x.dtype.type(0)
    for i in range(out.size):
        out[i] = zero if x[i] < zero else x[i]  # NaN stays NaN


@kernel("x[N] -> out[N]")
def copy(x, out):
    for i in range(out.size):
        out[i] = x[i]


def _binary(rule):
    """The loop of a binary kernel; `rule` is inlined."""
    exact = FASTMATH - {"arcp"}  # x / y with one y for all stays a division, which x * (1 / y) is not
    rule = jit(rule, fastmath=exact, inline=True)

    def loop(x, y, out):
        n = out.size
        if x.size == n and y.size == n:
            for i in range(n):
                out[i] = rule(x[i], y[i])
        elif x.size == n:
            y0 = y[0]
            for i in range(n):
                out[i] = rule(x[i], y0)
        elif y.size == n:
            x0 = x[0]
            for i in range(n):
                out[i] = rule(x0, y[i])
        else:
            out[:] = rule(x[0], y[0])

    return jit(loop, fastmath=exact)


_add = _binary(lambda a, b: a + b)
_subtract = _binary(lambda a, b: a - b)
_multiply = _binary(lambda a, b: a * b)
_divide = _binary(lambda a, b: a / b)
_power = _binary(lambda a, b: power_of(a, b))
_maximum = _binary(lambda a, b: a if a > b or a != a else b)
_minimum = _binary(lambda a, b: a if a < b or a != a else b)


@kernel("x[N|1] y[N|1] -> out[N]")
def add(x, y, out):
    _add(x, y, out)


@kernel("x[N|1] y[N|1] -> out[N]")
def subtract(x, y, out):
    _subtract(x, y, out)


@kernel("x[N|1] y[N|1] -> out[N]")
def multiply(x, y, out):
    _multiply(x, y, out)


@kernel("x[N|1] y[N|1] -> out[N]")
def divide(x, y, out):
    _divide(x, y, out)


@kernel("x[N|1] y[N|1] -> out[N]")
def power(x, y, out):
    _power(x, y, out)


@kernel("x[N|1] y[N|1] -> out[N]")
def maximum(x, y, out):
    _maximum(x, y, out)


@kernel("x[N|1] y[N|1] -> out[N]")
def minimum(x, y, out):
    _minimum(x, y, out)


# ---- comparisons ------------------------------------------------------------------------------------------------------
_less, _less_equal = _binary(lambda a, b: a < b), _binary(lambda a, b: a <= b)
_greater, _greater_equal = _binary(lambda a, b: a > b), _binary(lambda a, b: a >= b)
_equal, _not_equal = _binary(lambda a, b: a == b), _binary(lambda a, b: a != b)


@kernel("x[N|1] y[N|1] -> out:b[N]")
def less(x, y, out):
    _less(x, y, out)


@kernel("x[N|1] y[N|1] -> out:b[N]")
def less_equal(x, y, out):
    _less_equal(x, y, out)


@kernel("x[N|1] y[N|1] -> out:b[N]")
def greater(x, y, out):
    _greater(x, y, out)


@kernel("x[N|1] y[N|1] -> out:b[N]")
def greater_equal(x, y, out):
    _greater_equal(x, y, out)


@kernel("x[N|1] y[N|1] -> out:b[N]")
def equal(x, y, out):
    _equal(x, y, out)


@kernel("x[N|1] y[N|1] -> out:b[N]")
def not_equal(x, y, out):
    _not_equal(x, y, out)


@kernel("condition:b[N|1] x[N|1] y[N|1] -> out[N]")
def where(condition, x, y, out):
    n = out.size
    if condition.size == n and x.size == n and y.size == n:  # loads before the choice: a branch would end vectorising
        for i in range(n):
            a, b = x[i], y[i]
            out[i] = a if condition[i] else b
    elif condition.size == n and x.size == n:
        y0 = y[0]
        for i in range(n):
            a = x[i]
            out[i] = a if condition[i] else y0
    elif condition.size == n and y.size == n:
        x0 = x[0]
        for i in range(n):
            b = y[i]
            out[i] = x0 if condition[i] else b
    else:
        c, a, b = int(condition.size > 1), int(x.size > 1), int(y.size > 1)  # a single number is not stepped through
        for i in range(n):
            out[i] = x[i * a] if condition[i * c] else y[i * b]


@kernel("g[N] x[N|1] y[N|1] -> out[N]")
def larger_share(g, x, y, out):
    """The gradient that x gets of max(x, y): all where it is larger, half where they are equal."""
    n, zero, half = out.size, g.dtype.type(0), g.dtype.type(0.5)
    if x.size == n and y.size == n:
        for i in range(n):
            part = g[i] * half if x[i] == y[i] else zero
            whole = g[i]
            out[i] = whole if x[i] > y[i] else part
    else:
        a, b = int(x.size > 1), int(y.size > 1)
        for i in range(n):
            part = g[i] * half if x[i * a] == y[i * b] else zero
            whole = g[i]
            out[i] = whole if x[i * a] > y[i * b] else part


@kernel("g[N] x[N|1] y[N|1] -> out[N]")
def power_backward_base(g, x, y, out):
    """The gradient that x gets of x**y; x**0 is flat everywhere."""
    n, zero, one = out.size, g.dtype.type(0), g.dtype.type(1)
    if x.size == n and y.size == n:
        for i in range(n):
            slope = y[i] * power_of(x[i], y[i] - one)
            out[i] = g[i] * (zero if y[i] == zero else slope)
    else:
        a, b = int(x.size > 1), int(y.size > 1)
        for i in range(n):
            slope = y[i * b] * power_of(x[i * a], y[i * b] - one)
            out[i] = g[i] * (zero if y[i * b] == zero else slope)


@kernel("g[N] x[N|1] z[N] -> out[N]")
def power_backward_exponent(g, x, z, out):
    """The gradient that y gets of z = x**y, 0 where x is 0."""
    n, zero = out.size, g.dtype.type(0)
    if x.size == n:
        for i in range(n):
            slope = z[i] * log_of(x[i])
            out[i] = g[i] * (zero if x[i] == zero else slope)
    else:
        log = log_of(x[0])
        for i in range(n):
            slope = z[i] * log
            out[i] = g[i] * (zero if x[0] == zero else slope)


@kernel("g[N] y[N] -> out[N]")
def relu_backward(g, y, out):
    zero = g.dtype.type(0)
    for i in range(out.size):
        out[i] = g[i] if y[i] > zero else zero


@kernel("g[N] x[N] -> out[N]")
def absolute_backward(g, x, out):
    for i in range(out.size):
        out[i] = g[i] * np.sign(x[i])


@kernel("g[N] x[N] -> out[N]")
def square_backward(g, x, out):
    two = g.dtype.type(2)
    for i in range(out.size):
        out[i] = g[i] * (two * x[i])


@kernel("g[N] y[N] -> out[N]")
def sqrt_backward(g, y, out):
    two = g.dtype.type(2)
    for i in range(out.size):
        out[i] = g[i] / (two * y[i])


@kernel("g[N] x[N] -> out[N]")
def sin_backward(g, x, out):
    _cos(x, out)
    for i in range(out.size):
        out[i] *= g[i]


@kernel("g[N] x[N] -> out[N]")
def cos_backward(g, x, out):
    _sin(x, out)
    for i in range(out.size):
        out[i] *= -g[i]


@kernel("g[N] y[N] -> out[N]")
def tan_backward(g, y, out):
    one = g.dtype.type(1)
    for i in range(out.size):
        out[i] = g[i] * (one + y[i] * y[i])


@kernel("g[N] y[N] -> out[N]")
def tanh_backward(g, y, out):
    one = g.dtype.type(1)
    for i in range(out.size):
        out[i] = g[i] * (one - y[i] * y[i])


@kernel("g[N] y[N] -> out[N]")
def sigmoid_backward(g, y, out):
    one = g.dtype.type(1)
    for i in range(out.size):
        out[i] = g[i] * (y[i] * (one - y[i]))
