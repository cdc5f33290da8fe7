"""Reductions of the rows or columns of a matrix; the ops bring any axes into that form."""

import numpy as np

from ._compile import kernel
from ._math import exp


@kernel("x[M,N] -> out[M]")
def sum_rows(x, out):
    for i in range(x.shape[0]):
        total = x.dtype.type(0)
        for j in range(x.shape[1]):
            total += x[i, j]
        out[i] = total


@kernel("x[M,n] -> out[n]")
def sum_columns(x, out):
    out[:] = 0
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[j] += x[i, j]


@kernel("x[M,n] -> out[M]")
def max_rows(x, out):
    for i in range(x.shape[0]):
        top = x[i, 0]
        for j in range(1, x.shape[1]):
            v = x[i, j]
            top = v if v > top or v != v else top  # NaN wins
        out[i] = top


@kernel("x[M,n] -> out[M]")
def min_rows(x, out):
    for i in range(x.shape[0]):
        low = x[i, 0]
        for j in range(1, x.shape[1]):
            v = x[i, j]
            low = v if v < low or v != v else low
        out[i] = low


@kernel("x[M,n] top[M] -> out[M,n]")
def shifted_exp(x, top, out):
    """exp(x - top) row by row; a row whose top is infinite is not shifted, so that inf - inf never arises."""
    for i in range(x.shape[0]):
        shift = top[i] if abs(top[i]) < np.inf else x.dtype.type(0)
        for j in range(x.shape[1]):
            out[i, j] = exp(x[i, j] - shift)


@kernel("total[M] top[M] -> out[M]")
def log_of_sum(total, top, out):
    """log(total) + top: the last step of a log-sum-exp."""
    for i in range(out.size):
        shift = top[i] if abs(top[i]) < np.inf else total.dtype.type(0)
        out[i] = np.log(total[i]) + shift


@kernel("x[M,n] row[M] -> out[M,n]")
def divide_rows(x, row, out):
    for i in range(x.shape[0]):
        inverse = x.dtype.type(1) / row[i]
        for j in range(x.shape[1]):
            out[i, j] = x[i, j] * inverse


@kernel("x[M,n] row[M] -> out[M,n]")
def subtract_rows(x, row, out):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[i, j] = x[i, j] - row[i]


@kernel("x[M,n] -> out:i[M]<n")
def argmax_rows(x, out):
    for i in range(x.shape[0]):
        best = 0
        for j in range(1, x.shape[1]):
            v = x[i, j]
            if v > x[i, best] or (v != v and x[i, best] == x[i, best]):  # NaN wins
                best = j
        out[i] = best


@kernel("g[M] y[M] x[M,n] -> out[M,n]")
def extreme_backward(g, y, x, out):
    """The gradient of a row's largest (or smallest) number, split evenly between those that reach it; NaN reaches it."""
    zero, one = x.dtype.type(0), x.dtype.type(1)
    for i in range(x.shape[0]):
        count = zero
        for j in range(x.shape[1]):
            count += one if x[i, j] == y[i] or x[i, j] != x[i, j] else zero
        part = g[i] / max(count, one)
        for j in range(x.shape[1]):
            out[i, j] = part if x[i, j] == y[i] or x[i, j] != x[i, j] else zero
