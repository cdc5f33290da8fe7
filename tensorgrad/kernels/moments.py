"""Variances and norms over the middle axis of x[M,n,r]; see reductions.py."""

import math

import numpy as np

from ._compile import kernel
from ._jit import jit
from .reductions import less, sum_columns_of


@kernel("x[M,n,r] divisor:d[1] -> mean[M,r] rest[M,r] out[M,r]")
def var_over(x, divisor, mean, rest, out):
    """The sum of squared differences to the mean, through the divisor.

    The differences would sum to 0, had the mean not been rounded: their own mean, `rest`, corrects for it.
    """
    m, n, r = x.shape
    count, by = x.dtype.type(n), x.dtype.type(divisor[0])
    if r == 1:
        rows = x.reshape(m, n)
        for i in range(m):
            total = x.dtype.type(0)
            for j in range(n):
                total += rows[i, j]
            middle, off, squares = total / count, x.dtype.type(0), x.dtype.type(0)
            for j in range(n):
                d = rows[i, j] - middle
                off += d
                squares += d * d
            mean[i, 0], rest[i, 0] = middle, off / count
            out[i, 0] = (squares - off * (off / count)) / by
        return
    for i in range(m):
        sum_columns_of(x[i], mean[i])
        for k in range(r):
            mean[i, k] /= count
            rest[i, k] = 0
            out[i, k] = 0
        for j in range(n):
            for k in range(r):
                d = x[i, j, k] - mean[i, k]
                rest[i, k] += d
                out[i, k] += d * d
        for k in range(r):
            off = rest[i, k]
            rest[i, k] = off / count
            out[i, k] = (out[i, k] - off * rest[i, k]) / by


@kernel("g[M,r] mean[M,r] rest[M,r] x[M,n,r] divisor:d[1] -> out[M,n,r]")
def var_backward(g, mean, rest, x, divisor, out):
    m, n, r = x.shape
    slope = x.dtype.type(2 / divisor[0])
    for i in range(m):
        if r == 1:
            middle, off, factor = mean[i, 0], rest[i, 0], g[i, 0] * slope
            row, share = x[i].reshape(-1), out[i].reshape(-1)
            for j in range(n):
                share[j] = less(row[j], middle, off) * factor
        else:
            for j in range(n):
                for k in range(r):
                    out[i, j, k] = less(x[i, j, k], mean[i, k], rest[i, k]) * (g[i, k] * slope)


@kernel("g[N] y[N] -> out[N]")
def std_backward(g, y, out):
    """The gradient of a variance, from that of its root; 0 where the root is 0."""
    zero, two = y.dtype.type(0), y.dtype.type(2)
    for i in range(y.size):
        out[i] = zero if y[i] == zero else g[i] / (two * y[i])


# ---- norms ------------------------------------------------------------------------------------------------------------
@jit
def _norm(x, order):
    """The norm of one row."""
    real = x.dtype.type
    zero, one = real(0), real(1)
    total = zero
    if order == zero:
        for j in range(x.size):
            total += zero if x[j] == zero else one
        return total
    if order == one:
        for j in range(x.size):
            total += abs(x[j])
        return total
    if order == real(2):
        for j in range(x.size):
            total += x[j] * x[j]
        if real(1e-20) < total < real(1e37):
            return math.sqrt(total)
    if not x.size:
        return zero
    scale = abs(x[0])  # the number that counts most: nothing grows or vanishes beside it
    for j in range(1, x.size):
        v = abs(x[j])
        scale = v if (v > scale if order > zero else v < scale) or v != v else scale
    if math.isinf(order) or not zero < scale < real(np.inf):
        return scale
    total, scale = zero, max(scale, real(1e-37))  # 1 / scale is not infinite
    for j in range(x.size):
        total += (abs(x[j]) / scale) ** order
    return scale * total ** (one / order)


@jit
def _norm_columns(x, order, scale, out):
    """The norms of the columns; numbers are scaled before, as in rows."""
    real = x.dtype.type
    n, r = x.shape
    for k in range(r):
        scale[k] = abs(x[0, k]) if n else real(0)
        out[k] = real(0)
    for j in range(n):
        for k in range(r):
            v, top = abs(x[j, k]), scale[k]
            scale[k] = v if (v > top if order > real(0) else v < top) or v != v else top
    if math.isinf(order):
        out[:] = scale
        return
    for k in range(r):  # 0, infinite or NaN: that is the norm itself; and 1 / scale is not infinite
        scale[k] = real(1e-37) if real(0) < scale[k] < real(1e-37) else scale[k]
        out[k] = scale[k] if order != real(0) and not real(0) < scale[k] < real(np.inf) else real(0)
    for j in range(n):
        if order == real(2):
            for k in range(r):
                v = x[j, k] / scale[k]
                out[k] += v * v if real(0) < scale[k] < real(np.inf) else real(0)
        elif order == real(1):
            for k in range(r):
                out[k] += abs(x[j, k]) if real(0) < scale[k] < real(np.inf) else real(0)
        elif order == real(0):
            for k in range(r):
                out[k] += real(0) if x[j, k] == real(0) else real(1)
        else:
            for k in range(r):
                if real(0) < scale[k] < real(np.inf):
                    out[k] += (abs(x[j, k]) / scale[k]) ** order
    if order == real(0) or order == real(1):
        return
    for k in range(r):
        if real(0) < scale[k] < real(np.inf):
            out[k] = scale[k] * (math.sqrt(out[k]) if order == real(2) else out[k] ** (real(1) / order))


@kernel("x[M,n,r] order:d[1] -> scale[M,r] out[M,r]")
def norm_over(x, order, scale, out):
    """(sum of |x|**order) ** (1 / order); of infinite orders the largest or smallest |x|, of order 0 how many are not 0."""
    for i in range(x.shape[0]):
        if x.shape[2] == 1:
            scale[i, 0], out[i, 0] = 0, _norm(x[i].reshape(-1), x.dtype.type(order[0]))
        else:
            _norm_columns(x[i], x.dtype.type(order[0]), scale[i], out[i])


@kernel("g[M,r] y[M,r] x[M,n,r] order:d[1] -> factor[M,r] out[M,n,r]")
def norm_backward(g, y, x, order, factor, out):
    """0 at the zero vector; of infinite orders split evenly between the numbers that reach the norm."""
    real = x.dtype.type
    m, n, r = x.shape
    zero, one, p = real(0), real(1), real(order[0])
    for i in range(m):
        for k in range(r):
            factor[i, k] = zero if math.isinf(p) else g[i, k] if p == one else g[i, k] / y[i, k]
        if p == real(2) and r == 1 and real(1e-20) < y[i, 0] < real(1e20):
            row, share, by = x[i].reshape(-1), out[i].reshape(-1), factor[i, 0]
            for j in range(n):
                share[j] = row[j] * by
        elif p == real(2):
            for j in range(n):
                for k in range(r):
                    out[i, j, k] = zero if y[i, k] == zero else x[i, j, k] / y[i, k] * g[i, k]
        elif p == one:
            for j in range(n):
                for k in range(r):
                    out[i, j, k] = factor[i, k] * np.sign(x[i, j, k])
        elif math.isinf(p):
            for j in range(n):
                for k in range(r):
                    v = abs(x[i, j, k])
                    factor[i, k] += one if v == y[i, k] or v != v else zero
            for j in range(n):
                for k in range(r):
                    v = abs(x[i, j, k])
                    part = g[i, k] / factor[i, k] * np.sign(x[i, j, k])
                    out[i, j, k] = part if v == y[i, k] or v != v else zero
        else:
            for j in range(n):
                for k in range(r):
                    v = abs(x[i, j, k])
                    flat = p == zero or y[i, k] == zero or v == zero
                    out[i, j, k] = zero if flat else g[i, k] * np.sign(x[i, j, k]) * (v / y[i, k]) ** (p - one)
