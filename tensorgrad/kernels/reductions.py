"""Reductions of the rows or columns of a matrix; the ops bring any axes into that form."""

import numpy as np

from ._compile import jit, kernel
from ._math import exp


@kernel("x[m,n] out[m]")
def sum_rows(x, out):
    for i in range(x.shape[0]):
        total = x.dtype.type(0)
        for j in range(x.shape[1]):
            total += x[i, j]
        out[i] = total


@kernel("x[m,n] out[n]")
def sum_columns(x, out):
    out[:] = 0
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[j] += x[i, j]


@kernel("x[m,n] out[m]")
def max_rows(x, out):
    for i in range(x.shape[0]):
        top = x[i, 0]
        for j in range(1, x.shape[1]):
            v = x[i, j]
            top = v if v > top or v != v else top  # NaN wins
        out[i] = top


@kernel("x[m,n] out[m]")
def min_rows(x, out):
    for i in range(x.shape[0]):
        low = x[i, 0]
        for j in range(1, x.shape[1]):
            v = x[i, j]
            low = v if v < low or v != v else low
        out[i] = low


@kernel("x[m,n] top[m] out[m,n]")
def shifted_exp(x, top, out):
    """exp(x - top) row by row; a row whose top is infinite is not shifted, so that inf - inf never arises."""
    for i in range(x.shape[0]):
        shift = top[i] if abs(top[i]) < np.inf else x.dtype.type(0)
        for j in range(x.shape[1]):
            out[i, j] = exp(x[i, j] - shift)


@kernel("total[m] top[m] out[m]")
def log_of_sum(total, top, out):
    """log(total) + top: the last step of a log-sum-exp."""
    for i in range(out.size):
        shift = top[i] if abs(top[i]) < np.inf else total.dtype.type(0)
        out[i] = np.log(total[i]) + shift


@kernel("x[m,n] row[m] out[m,n]")
def divide_rows(x, row, out):
    for i in range(x.shape[0]):
        inverse = x.dtype.type(1) / row[i]
        for j in range(x.shape[1]):
            out[i, j] = x[i, j] * inverse


@kernel("x[m,n] row[m] out[m,n]")
def subtract_rows(x, row, out):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[i, j] = x[i, j] - row[i]


@jit
def all_finite(x):
    """Whether a flat array has no infinity and no NaN: 0 * x is 0 for all other numbers."""
    total = x.dtype.type(0)
    for i in range(x.size):
        total += x[i] * x.dtype.type(0)
    return total == 0
