"""The softmax family over the middle axis of x[M,n,r]; see reductions.py."""

import numpy as np

from ._compile import kernel
from ._functions import log
from ._jit import jit
from ._math import exp
from .reductions import _max, less, sum_columns_of


@jit
def _shift(top):
    """What is subtracted before exp; an infinite number is not, so that inf - inf never arises."""
    return top if abs(top) < np.inf else type(top)(0)


@jit
def _exponentials(x, top, total, out):
    """The largest numbers, exp(x - largest), and its sums."""
    _max(x, top)
    m, n, r = x.shape
    if r == 1:
        rows, exponentials = x.reshape(m, n), out.reshape(m, n)
        for i in range(m):
            row, e, shift, added = rows[i], exponentials[i], _shift(top[i, 0]), x.dtype.type(0)
            for j in range(n):
                e[j] = exp(row[j] - shift)
                added += e[j]
            total[i, 0] = added
        return
    for i in range(m):
        for j in range(n):
            for k in range(r):
                out[i, j, k] = exp(x[i, j, k] - _shift(top[i, k]))
        sum_columns_of(out[i], total[i])


@kernel("x[M,n,r] -> top[M,r] total[M,r] out[M,n,r]")
def softmax(x, top, total, out):
    _exponentials(x, top, total, out)
    m, n, r = x.shape
    if r == 1:
        rows = out.reshape(m, n)
        for i in range(m):
            row, inverse = rows[i], x.dtype.type(1) / total[i, 0]
            for j in range(n):
                row[j] *= inverse
        return
    for i in range(m):
        for j in range(n):
            for k in range(r):
                out[i, j, k] /= total[i, k]


@kernel("g[M,n,r] y[M,n,r] -> dot[M,r] out[M,n,r]")
def softmax_backward(g, y, dot, out):
    """y * (g - the sum of g * y)."""
    m, n, r = y.shape
    if r == 1:
        rows, slopes, shares = y.reshape(m, n), g.reshape(m, n), out.reshape(m, n)
        for i in range(m):
            row, slope, share, total = rows[i], slopes[i], shares[i], y.dtype.type(0)
            for j in range(n):
                total += slope[j] * row[j]
            dot[i, 0] = total
            for j in range(n):
                share[j] = row[j] * (slope[j] - total)
        return
    for i in range(m):
        for k in range(r):
            dot[i, k] = 0
        for j in range(n):
            for k in range(r):
                dot[i, k] += g[i, j, k] * y[i, j, k]
        for j in range(n):
            for k in range(r):
                out[i, j, k] = y[i, j, k] * (g[i, j, k] - dot[i, k])


@jit
def _sums(x, top, total):
    """The largest numbers, as they are subtracted, and the sums of exp(x - largest)."""
    _max(x, top)
    m, n, r = x.shape
    for i in range(m):
        for k in range(r):
            top[i, k], total[i, k] = _shift(top[i, k]), 0
    if r == 1:
        rows = x.reshape(m, n)
        for i in range(m):
            row, shift, added = rows[i], top[i, 0], x.dtype.type(0)
            for j in range(n):
                added += exp(row[j] - shift)
            total[i, 0] = added
        return
    for i in range(m):
        for j in range(n):
            for k in range(r):
                total[i, k] += exp(x[i, j, k] - top[i, k])


@kernel("x[M,n,r] -> top[M,r] total[M,r] out[M,n,r]")
def log_softmax(x, top, total, out):
    """(x - largest) - log of the sum: of large numbers no digits are lost to their size."""
    _sums(x, top, total)
    m, n, r = x.shape
    for i in range(m):
        for k in range(r):
            total[i, k] = log(total[i, k])
    if r == 1:
        rows, results = x.reshape(m, n), out.reshape(m, n)
        for i in range(m):
            row, result, shift, log_total = rows[i], results[i], top[i, 0], total[i, 0]
            for j in range(n):
                result[j] = less(row[j], shift, log_total)
        return
    for i in range(m):
        for j in range(n):
            for k in range(r):
                out[i, j, k] = less(x[i, j, k], top[i, k], total[i, k])


@kernel("g[M,n,r] y[M,n,r] -> total[M,r] out[M,n,r]")
def log_softmax_backward(g, y, total, out):
    """g - exp(y) * the sum of g."""
    m, n, r = y.shape
    if r == 1:
        rows, slopes, shares = y.reshape(m, n), g.reshape(m, n), out.reshape(m, n)
        for i in range(m):
            row, slope, share, added = rows[i], slopes[i], shares[i], y.dtype.type(0)
            for j in range(n):
                added += slope[j]
            total[i, 0] = added
            for j in range(n):
                share[j] = slope[j] - exp(row[j]) * added
        return
    for i in range(m):
        sum_columns_of(g[i], total[i])
        for j in range(n):
            for k in range(r):
                out[i, j, k] = g[i, j, k] - exp(y[i, j, k]) * total[i, k]


@kernel("x[M,n,r] -> top[M,r] total[M,r] out[M,r]")
def logsumexp(x, top, total, out):
    _sums(x, top, total)
    for i in range(x.shape[0]):
        for k in range(x.shape[2]):
            out[i, k] = log(total[i, k]) + top[i, k]


@kernel("g[M,r] x[M,n,r] top[M,r] total[M,r] -> out[M,n,r]")
def logsumexp_backward(g, x, top, total, out):
    """g * softmax(x), from the largest numbers and the sums of exp(x - largest) of the forward."""
    m, n, r = x.shape
    if r == 1:
        rows, shares = x.reshape(m, n), out.reshape(m, n)
        for i in range(m):
            row, share, shift, factor = rows[i], shares[i], top[i, 0], g[i, 0] / total[i, 0]
            for j in range(n):
                share[j] = exp(row[j] - shift) * factor
        return
    for i in range(m):
        for j in range(n):
            for k in range(r):
                out[i, j, k] = exp(x[i, j, k] - top[i, k]) * (g[i, k] / total[i, k])
