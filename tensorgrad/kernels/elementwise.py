"""Elementwise work on flat buffers: one number in, one number out.

In a binary kernel an operand of size 1 stands for every element, so a plain number costs no array.
"""

import math

import numpy as np

from ._compile import FASTMATH, jit, kernel
from ._math import exp as exp_of
from ._math import sigmoid as sigmoid_of
from ._math import tanh as tanh_of


@kernel("x[n] out[n]")
def negative(x, out):
    for i in range(out.size):
        out[i] = -x[i]


@kernel("x[n] out[n]")
def absolute(x, out):
    for i in range(out.size):
        out[i] = abs(x[i])


@kernel("x[n] out[n]")
def sign(x, out):
    for i in range(out.size):
        out[i] = np.sign(x[i])


@kernel("x[n] out[n]")
def square(x, out):
    for i in range(out.size):
        out[i] = x[i] * x[i]


@kernel("x[n] out[n]")
def sqrt(x, out):
    for i in range(out.size):
        out[i] = math.sqrt(x[i])


@kernel("x[n] out[n]")
def exp(x, out):
    for i in range(out.size):
        out[i] = exp_of(x[i])


@kernel("x[n] out[n]")
def log(x, out):
    for i in range(out.size):
        out[i] = np.log(x[i])


@kernel("x[n] out[n]")
def sin(x, out):
    for i in range(out.size):
        out[i] = np.sin(x[i])


@kernel("x[n] out[n]")
def cos(x, out):
    for i in range(out.size):
        out[i] = np.cos(x[i])


@kernel("x[n] out[n]")
def tanh(x, out):
    for i in range(out.size):
        out[i] = tanh_of(x[i])


@kernel("x[n] out[n]")
def sigmoid(x, out):
    for i in range(out.size):
        out[i] = sigmoid_of(x[i])


@kernel("x[n] out[n]")
def relu(x, out):
    zero = x.dtype.type(0)
    for i in range(out.size):
        out[i] = zero if x[i] < zero else x[i]  # NaN stays NaN


@kernel("x[n] out[n]")
def copy(x, out):
    for i in range(out.size):
        out[i] = x[i]


def _binary(rule):
    """The loop of a binary kernel; `rule` is inlined."""
    exact = FASTMATH - {"arcp"}  # x / y with one y for all stays a division, which x * (1 / y) is not
    rule = jit(rule, fastmath=exact)

    def loop(x, y, out):
        if x.size == y.size:
            for i in range(out.size):
                out[i] = rule(x[i], y[i])
        elif y.size == 1:
            y0 = y[0]
            for i in range(out.size):
                out[i] = rule(x[i], y0)
        else:
            x0 = x[0]
            for i in range(out.size):
                out[i] = rule(x0, y[i])

    return jit(loop, fastmath=exact)


_add = _binary(lambda a, b: a + b)
_subtract = _binary(lambda a, b: a - b)
_multiply = _binary(lambda a, b: a * b)
_divide = _binary(lambda a, b: a / b)
_power = _binary(lambda a, b: a**b)
_maximum = _binary(lambda a, b: a if a > b or a != a else b)
_minimum = _binary(lambda a, b: a if a < b or a != a else b)


@kernel("x[n|1] y[n|1] out[n]")
def add(x, y, out):
    _add(x, y, out)


@kernel("x[n|1] y[n|1] out[n]")
def subtract(x, y, out):
    _subtract(x, y, out)


@kernel("x[n|1] y[n|1] out[n]")
def multiply(x, y, out):
    _multiply(x, y, out)


@kernel("x[n|1] y[n|1] out[n]")
def divide(x, y, out):
    _divide(x, y, out)


@kernel("x[n|1] y[n|1] out[n]")
def power(x, y, out):
    _power(x, y, out)


@kernel("x[n|1] y[n|1] out[n]")
def maximum(x, y, out):
    _maximum(x, y, out)


@kernel("x[n|1] y[n|1] out[n]")
def minimum(x, y, out):
    _minimum(x, y, out)


@kernel("condition:b[n] x[n] y[n] out[n]")
def where(condition, x, y, out):
    for i in range(out.size):
        out[i] = x[i] if condition[i] else y[i]


@kernel("g[n] y[n] out[n]")
def relu_backward(g, y, out):
    zero = g.dtype.type(0)
    for i in range(out.size):
        out[i] = g[i] if y[i] > zero else zero


@kernel("g[n] y[n] out[n]")
def tanh_backward(g, y, out):
    one = g.dtype.type(1)
    for i in range(out.size):
        out[i] = g[i] * (one - y[i] * y[i])


@kernel("g[n] y[n] out[n]")
def sigmoid_backward(g, y, out):
    one = g.dtype.type(1)
    for i in range(out.size):
        out[i] = g[i] * (y[i] * (one - y[i]))
