"""Normalisation of rows.

Statistics are of two passes. A mean is kept in two parts, `mean` and `rest`: what the first pass found, and the mean of
the differences to that, so that no digits are lost where numbers are large beside their spread.
"""

import math

from ._compile import kernel
from ._jit import FASTMATH, jit
from .reductions import less

BLOCK = 16  # rows whose gradients of weights are added up before they are added to others


@jit(fastmath=FASTMATH - {"reassoc", "arcp"})
def _inverse_root(x):
    """1 / sqrt(x), 0 of infinity: not by an estimate."""
    return type(x)(1) / math.sqrt(x)


@jit(fastmath=set())
def _through(total, count):
    """total / count with the same bits wherever it is computed."""
    return total / count


# ---- rows -------------------------------------------------------------------------------------------------------------
@kernel("x[M,n] weight[n] bias[n] eps:d[1] -> moments[M,3] out[M,n]")
def layer_norm(x, weight, bias, eps, moments, out):
    """moments = mean, rest, and 1 / the root of the variance + eps."""
    real = x.dtype.type
    count = real(x.shape[1])
    for i in range(x.shape[0]):
        row, result, total = x[i], out[i], real(0)
        for j in range(row.size):
            total += row[j]
        middle, off, squares = _through(total, count), real(0), real(0)
        for j in range(row.size):
            d = row[j] - middle
            off += d
            squares += d * d
        shift = off / count
        scale = _inverse_root((squares - off * shift) / count + real(eps[0]))
        moments[i, 0], moments[i, 1], moments[i, 2] = middle, shift, scale
        for j in range(row.size):
            result[j] = less(row[j], middle, shift) * scale * weight[j] + bias[j]


@jit(inline=True)
def _sums_of_two(p, q, a, b, weight, middle_a, middle_b):
    """Of two rows at once, of gradients p and q and numbers a and b: the sums of p * weight and of that times a - middle."""
    zero = weight.dtype.type(0)
    total_a, total_b, along_a, along_b = zero, zero, zero, zero
    for j in range(weight.size):
        u, v = p[j] * weight[j], q[j] * weight[j]
        total_a += u
        total_b += v
        along_a += u * (a[j] - middle_a)
        along_b += v * (b[j] - middle_b)
    return total_a, total_b, along_a, along_b


@jit(inline=True)
def _tilt(total, along, part, shift, scale):
    """(level, tilt) of a row, whose gradient is (g * weight - level - (x - mean) * tilt) / deviation."""
    tilt = part * scale * scale * (along - shift * total)
    return total * part - shift * tilt, tilt


@jit(inline=True)
def _layer_norm_backward(g, x, weight, moments, dweight, dbias, out):
    """The gradients of some rows; those of weight and bias are added to what is there."""
    m, part = x.shape[0], x.dtype.type(1) / x.dtype.type(x.shape[1])
    i = 0
    while i + 2 <= m:
        a, b, p, q, first, second = x[i], x[i + 1], g[i], g[i + 1], out[i], out[i + 1]
        a0, a2, b0, b2 = moments[i, 0], moments[i, 2], moments[i + 1, 0], moments[i + 1, 2]
        a1, b1 = moments[i, 1] * a2, moments[i + 1, 1] * b2
        total_a, total_b, along_a, along_b = _sums_of_two(p, q, a, b, weight, a0, b0)
        level_a, tilt_a = _tilt(total_a, along_a, part, moments[i, 1], a2)
        level_b, tilt_b = _tilt(total_b, along_b, part, moments[i + 1, 1], b2)
        for j in range(dbias.size):
            da, db = a[j] - a0, b[j] - b0
            dbias[j] += p[j] + q[j]
            dweight[j] += p[j] * (da * a2 - a1) + q[j] * (db * b2 - b1)
            first[j] = (p[j] * weight[j] - level_a - da * tilt_a) * a2
            second[j] = (q[j] * weight[j] - level_b - db * tilt_b) * b2
        i += 2
    if i < m:
        a, p, first, a0, a2 = x[i], g[i], out[i], moments[i, 0], moments[i, 2]
        a1 = moments[i, 1] * a2
        total_a, _, along_a, _ = _sums_of_two(p, p, a, a, weight, a0, a0)
        level_a, tilt_a = _tilt(total_a, along_a, part, moments[i, 1], a2)
        for j in range(dbias.size):
            da = a[j] - a0
            dbias[j] += p[j]
            dweight[j] += p[j] * (da * a2 - a1)
            first[j] = (p[j] * weight[j] - level_a - da * tilt_a) * a2


@kernel("g[M,n] x[M,n] weight[n] moments[M,3] -> dweight[n] dbias[n] work[2,n] out[M,n]")
def layer_norm_backward(g, x, weight, moments, dweight, dbias, work, out):
    """In blocks of BLOCK rows: the same sums as those of `layer_norm_backward_blocks`."""
    dweight[:] = 0
    dbias[:] = 0
    along, level = work[0], work[1]
    for i in range(0, x.shape[0], BLOCK):
        work[:] = 0
        end = min(i + BLOCK, x.shape[0])
        _layer_norm_backward(g[i:end], x[i:end], weight, moments[i:end], along, level, out[i:end])
        for j in range(dbias.size):
            dweight[j] += along[j]
            dbias[j] += level[j]


@kernel("g[B,m,n] x[B,m,n] weight[n] moments[B,m,3] -> slopes[B,2,n] out[B,m,n]")
def layer_norm_backward_blocks(g, x, weight, moments, slopes, out):
    """The same for blocks of any length, with sums of their own: slopes = the gradients of weight and bias."""
    slopes[:] = 0
    for b in range(x.shape[0]):
        _layer_norm_backward(g[b], x[b], weight, moments[b], slopes[b, 0], slopes[b, 1], out[b])


@kernel("x[M,n] weight[n] eps:d[1] -> inverse[M] out[M,n]")
def rms_norm(x, weight, eps, inverse, out):
    real = x.dtype.type
    for i in range(x.shape[0]):
        row, result, squares = x[i], out[i], real(0)
        for j in range(row.size):
            squares += row[j] * row[j]
        scale = _inverse_root(squares / real(row.size) + real(eps[0]))
        inverse[i] = scale
        for j in range(row.size):
            result[j] = row[j] * scale * weight[j]


@jit
def _rms_norm_backward(g, x, weight, inverse, dweight, out):
    real = x.dtype.type
    for i in range(x.shape[0]):
        row, slope, result, scale, along = x[i], g[i], out[i], inverse[i], real(0)
        for j in range(row.size):
            along += slope[j] * row[j] * weight[j]
        along *= scale * scale / real(row.size)
        for j in range(row.size):
            dweight[j] += slope[j] * row[j] * scale
            result[j] = (slope[j] * weight[j] - row[j] * along) * scale


@kernel("g[M,n] x[M,n] weight[n] inverse[M] -> dweight[n] work[n] out[M,n]")
def rms_norm_backward(g, x, weight, inverse, dweight, work, out):
    dweight[:] = 0
    for i in range(0, x.shape[0], BLOCK):
        work[:] = 0
        end = min(i + BLOCK, x.shape[0])
        _rms_norm_backward(g[i:end], x[i:end], weight, inverse[i:end], work, out[i:end])
        for j in range(dweight.size):
            dweight[j] += work[j]


@kernel("g[B,m,n] x[B,m,n] weight[n] inverse[B,m] -> dweight[B,n] out[B,m,n]")
def rms_norm_backward_blocks(g, x, weight, inverse, dweight, out):
    dweight[:] = 0
    for b in range(x.shape[0]):
        _rms_norm_backward(g[b], x[b], weight, inverse[b], dweight[b], out[b])
