"""Normalisation of channels: of groups of them in each sample, and of each over a batch.

Means are kept in two parts, `mean` and `rest`; see normalisation.py.
"""

import numpy as np

from ._compile import kernel
from ._jit import jit
from .normalisation import _inverse_root, _through
from .reductions import less


# ---- columns of a block -----------------------------------------------------------------------------------------------
@jit
def _add_columns(x, total):
    """total += the sums of the columns; eight rows at a time, as each look at `total` costs as much as one at x."""
    m, n = x.shape
    i = 0
    while i + 8 <= m:
        a, b, c, d, e, f, g, h = x[i], x[i + 1], x[i + 2], x[i + 3], x[i + 4], x[i + 5], x[i + 6], x[i + 7]
        for j in range(n):
            total[j] += ((a[j] + b[j]) + (c[j] + d[j])) + ((e[j] + f[j]) + (g[j] + h[j]))
        i += 8
    while i < m:
        a = x[i]
        for j in range(n):
            total[j] += a[j]
        i += 1


@jit
def _add_spread(x, middle, off, squares):
    """off += the sums of the differences to `middle`, squares += those of their squares, of each column."""
    m, n = x.shape
    i = 0
    while i + 4 <= m:
        a, b, c, d = x[i], x[i + 1], x[i + 2], x[i + 3]
        for j in range(n):
            at = middle[j]
            p, q, r, s = a[j] - at, b[j] - at, c[j] - at, d[j] - at
            off[j] += (p + q) + (r + s)
            squares[j] += (p * p + q * q) + (r * r + s * s)
        i += 4
    while i < m:
        a = x[i]
        for j in range(n):
            p = a[j] - middle[j]
            off[j] += p
            squares[j] += p * p
        i += 1


@jit
def _slopes(g, x, mean, rest, inverse, along, total):
    """total = the sums of g, along = those of g times the normalised numbers, of each column."""
    m, n = x.shape
    total[:] = 0
    along[:] = 0
    i = 0
    while i + 4 <= m:
        a, b, c, d = x[i], x[i + 1], x[i + 2], x[i + 3]
        p, q, r, s = g[i], g[i + 1], g[i + 2], g[i + 3]
        for j in range(n):
            at = mean[j]
            total[j] += (p[j] + q[j]) + (r[j] + s[j])
            along[j] += (p[j] * (a[j] - at) + q[j] * (b[j] - at)) + (r[j] * (c[j] - at) + s[j] * (d[j] - at))
        i += 4
    while i < m:
        a, p = x[i], g[i]
        for j in range(n):
            total[j] += p[j]
            along[j] += p[j] * (a[j] - mean[j])
        i += 1
    for j in range(n):
        along[j] = (along[j] - rest[j] * total[j]) * inverse[j]


# ---- groups of channels in each sample --------------------------------------------------------------------------------
@kernel("x[B,m,n] -> mean[B,n] rest[B,n] squares[B,n]")
def block_moments(x, mean, rest, squares):
    """The mean of each column of a block, in two parts, and the sum of squared differences to it."""
    real = x.dtype.type
    count = real(x.shape[1])
    mean[:] = 0
    rest[:] = 0
    squares[:] = 0
    for b in range(x.shape[0]):
        middle, off, spread = mean[b], rest[b], squares[b]
        _add_columns(x[b], middle)
        for j in range(middle.size):
            middle[j] = _through(middle[j], count)
        _add_spread(x[b], middle, off, spread)
        for j in range(middle.size):
            spread[j] -= off[j] * (off[j] / count)
            off[j] /= count


@jit
def _normalise(x, mean, scale, shift, out):
    for i in range(x.shape[0]):
        row, result = x[i], out[i]
        for j in range(row.size):
            result[j] = (row[j] - mean[j]) * scale[j] + shift[j]


@kernel("x[B,m,n] weight[n] bias[n] groups:i[1] eps:d[1] -> moments[B,3,n] work[B,2,n] out[B,m,n]")
def group_norm(x, weight, bias, groups, eps, moments, work, out):
    """moments = those of its group for each channel: mean, rest, and 1 / the root of the variance + eps."""
    real = x.dtype.type
    m, n = x.shape[1:]
    size = n // groups[0]
    count = real(m * size)
    moments[:] = 0
    for b in range(x.shape[0]):
        middle, off, squares, steep, level = moments[b, 0], moments[b, 1], moments[b, 2], work[b, 0], work[b, 1]
        _add_columns(x[b], middle)
        for first in range(0, n, size):
            total = real(0)
            for j in range(first, first + size):
                total += middle[j]
            for j in range(first, first + size):
                middle[j] = _through(total, count)
        _add_spread(x[b], middle, off, squares)
        for first in range(0, n, size):
            total, spread = real(0), real(0)
            for j in range(first, first + size):
                total += off[j]
                spread += squares[j]
            shift = total / count
            scale = _inverse_root((spread - total * shift) / count + real(eps[0]))
            for j in range(first, first + size):
                off[j], squares[j] = shift, scale
                steep[j], level[j] = scale * weight[j], bias[j] - shift * scale * weight[j]
        _normalise(x[b], middle, steep, level, out[b])


@jit
def _backward(g, x, mean, scale, tilt, level, out):
    for i in range(x.shape[0]):
        row, slope, result = x[i], g[i], out[i]
        for j in range(row.size):
            result[j] = slope[j] * scale[j] - (row[j] - mean[j]) * tilt[j] - level[j]


@kernel("g[B,m,n] x[B,m,n] weight[n] groups:i[1] moments[B,3,n] -> slopes[B,2,n] work[B,3,n] out[B,m,n]")
def group_norm_backward(g, x, weight, groups, moments, slopes, work, out):
    """slopes: the gradients of weight and bias, of each sample."""
    real = x.dtype.type
    m, n = x.shape[1:]
    size = n // groups[0]
    part = real(1) / real(m * size)
    for b in range(x.shape[0]):
        middle, off, scale = moments[b, 0], moments[b, 1], moments[b, 2]
        steep, tilt, level, dweight, dbias = work[b, 0], work[b, 1], work[b, 2], slopes[b, 0], slopes[b, 1]
        _slopes(g[b], x[b], middle, off, scale, dweight, dbias)
        for first in range(0, n, size):
            along, total = real(0), real(0)
            for j in range(first, first + size):
                along += weight[j] * dweight[j]
                total += weight[j] * dbias[j]
            for j in range(first, first + size):
                tilt[j] = along * part * scale[j] * scale[j]
                level[j] = total * part * scale[j] - off[j] * tilt[j]
                steep[j] = weight[j] * scale[j]
        _backward(g[b], x[b], middle, steep, tilt, level, out[b])


# ---- channels over a batch --------------------------------------------------------------------------------------------
@kernel("x[M,n] -> total[n]")
def batch_sums(x, total):
    total[:] = 0
    _add_columns(x, total)


@kernel("x[M,n] total[n] about:d[4] -> off[n] squares[n] work[n]")
def batch_spread(x, total, about, off, squares, work):
    """The sums of differences to the mean, and of their squares; see `batch_statistics` for `about`."""
    parts = x.dtype.type(about[0])
    for j in range(work.size):
        work[j], off[j], squares[j] = _through(total[j], parts), 0, 0
    _add_spread(x, work, off, squares)


@kernel("mean[M,n] rest[M,n] spread[M,n] total[n] about:d[4] -> off[n] squares[n] work[n]")
def batch_spread_of_blocks(mean, rest, spread, total, about, off, squares, work):
    """The same from the moments of blocks of equally many rows."""
    real = mean.dtype.type
    parts, rows = real(about[0]), real(about[1] / about[0])
    for j in range(work.size):
        work[j], off[j], squares[j] = _through(total[j], parts), 0, 0
    for i in range(mean.shape[0]):
        middle, shift, squared = mean[i], rest[i], spread[i]
        for j in range(work.size):
            d = less(middle[j], work[j], -shift[j])
            off[j] += d * rows
            squares[j] += squared[j] + d * d * rows


@jit
def _statistics(off, squares, weight, bias, about, rest, var, inverse, scale, shift):
    real = off.dtype.type
    count, eps = real(about[1]), real(about[2])
    for j in range(off.size):
        beside = off[j] / count
        var[j] = (squares[j] - off[j] * beside) / count
        rest[j], inverse[j] = beside, _inverse_root(var[j] + eps)
        steep = inverse[j] * weight[j]
        scale[j], shift[j] = steep, bias[j] - beside * steep


@kernel("total[N] off[N] squares[N] weight[N] bias[N] about:d[4] -> "
        "mean[N] rest[N] var[N] inverse[N] scale[N] shift[N]")  # fmt: skip
def batch_statistics(total, off, squares, weight, bias, about, mean, rest, var, inverse, scale, shift):
    """The moments, and what they make of x: (x - mean) * scale + shift.

    about = how many numbers `total` adds up, how many numbers a channel has, eps, momentum.
    """
    for j in range(total.size):
        mean[j] = _through(total[j], total.dtype.type(about[0]))
    _statistics(off, squares, weight, bias, about, rest, var, inverse, scale, shift)


@kernel("x[m,n] weight[n] bias[n] about:d[4] -> mean[n] rest[n] var[n] inverse[n] scale[n] shift[n] out[m,n]")
def batch_norm_at_once(x, weight, bias, about, mean, rest, var, inverse, scale, shift, out):
    """All of the forward; the other kernels are its parts, which threads meet between."""
    for j in range(mean.size):
        mean[j], rest[j], var[j] = 0, 0, 0
    _add_columns(x, mean)
    for j in range(mean.size):
        mean[j] = _through(mean[j], mean.dtype.type(about[0]))
    _add_spread(x, mean, rest, var)
    _statistics(rest, var, weight, bias, about, rest, var, inverse, scale, shift)
    _normalise(x, mean, scale, shift, out)


@kernel("mean[N] rest[N] var[N] about:d[4] -> &running_mean[N] &running_var[N]")
def update_running(mean, rest, var, about, running_mean, running_var):
    """running += momentum * (that of the batch - running), its variance by count - 1; not where that is not finite."""
    real = mean.dtype.type
    keep, new = real(1 - about[3]), real(about[3])
    unbiased = real(about[3] * about[1] / (about[1] - 1))
    for j in range(mean.size):
        if abs(mean[j] + rest[j]) < np.inf and abs(var[j]) < np.inf:
            running_mean[j] = keep * running_mean[j] + new * (mean[j] + rest[j])
            running_var[j] = keep * running_var[j] + unbiased * var[j]


@kernel("x[M,n] mean[n] scale[n] shift[n] -> out[M,n]")
def batch_norm(x, mean, scale, shift, out):
    _normalise(x, mean, scale, shift, out)


@kernel("g[M,n] x[M,n] mean[n] rest[n] inverse[n] -> dweight[n] dbias[n]")
def batch_norm_slopes(g, x, mean, rest, inverse, dweight, dbias):
    _slopes(g, x, mean, rest, inverse, dweight, dbias)


@kernel("g[B,m,n] x[B,m,n] mean[n] rest[n] inverse[n] -> slopes[B,2,n]")
def batch_norm_slopes_of_blocks(g, x, mean, rest, inverse, slopes):
    for b in range(x.shape[0]):
        _slopes(g[b], x[b], mean, rest, inverse, slopes[b, 0], slopes[b, 1])


@kernel("slopes[M,2,n] -> dweight[n] dbias[n]")
def sum_slopes(slopes, dweight, dbias):
    dweight[:] = 0
    dbias[:] = 0
    for i in range(slopes.shape[0]):
        along, level = slopes[i, 0], slopes[i, 1]
        for j in range(dweight.size):
            dweight[j] += along[j]
            dbias[j] += level[j]


@jit
def _tilts(weight, rest, inverse, dweight, dbias, about, scale, tilt, level):
    part = weight.dtype.type(1 / about[1])
    for j in range(weight.size):
        steep = inverse[j] * weight[j]
        bent = steep * part * inverse[j] * dweight[j]
        scale[j], tilt[j], level[j] = steep, bent, steep * part * dbias[j] - rest[j] * bent


@kernel("weight[N] rest[N] inverse[N] dweight[N] dbias[N] about:d[4] -> scale[N] tilt[N] level[N]")
def batch_norm_tilts(weight, rest, inverse, dweight, dbias, about, scale, tilt, level):
    """What the gradients of weight and bias make of g: g * scale - (x - mean) * tilt - level."""
    _tilts(weight, rest, inverse, dweight, dbias, about, scale, tilt, level)


@kernel("g[M,n] x[M,n] mean[n] scale[n] tilt[n] level[n] -> out[M,n]")
def batch_norm_backward(g, x, mean, scale, tilt, level, out):
    _backward(g, x, mean, scale, tilt, level, out)


@kernel("g[m,n] x[m,n] weight[n] mean[n] rest[n] inverse[n] about:d[4] -> "
        "dweight[n] dbias[n] scale[n] tilt[n] level[n] out[m,n]")  # fmt: skip
def batch_norm_backward_at_once(g, x, weight, mean, rest, inverse, about, dweight, dbias, scale, tilt, level, out):
    """All of the backward; see `batch_norm_at_once`."""
    _slopes(g, x, mean, rest, inverse, dweight, dbias)
    _tilts(weight, rest, inverse, dweight, dbias, about, scale, tilt, level)
    _backward(g, x, mean, scale, tilt, level, out)


# ---- known statistics -------------------------------------------------------------------------------------------------
@kernel("var[N] weight[N] eps:d[1] -> rest[N] inverse[N] scale[N]")
def known_statistics(var, weight, eps, rest, inverse, scale):
    real = var.dtype.type
    for j in range(var.size):
        rest[j], inverse[j] = 0, _inverse_root(var[j] + real(eps[0]))
        scale[j] = inverse[j] * weight[j]


@kernel("g[M,n] scale[n] -> out[M,n]")
def scale_columns(g, scale, out):
    for i in range(g.shape[0]):
        slope, result = g[i], out[i]
        for j in range(slope.size):
            result[j] = slope[j] * scale[j]


@kernel("weight[N] inverse[N] dweight[N] dbias[N] -> dmean[N] dvar[N]")
def statistics_backward(weight, inverse, dweight, dbias, dmean, dvar):
    """The gradients of a mean and a variance by which numbers were normalised, from those of weight and bias."""
    half = weight.dtype.type(0.5)
    for j in range(weight.size):
        scale = weight[j] * inverse[j]
        dmean[j], dvar[j] = -scale * dbias[j], -half * scale * inverse[j] * dweight[j]
