"""Reductions over the middle axis of x[M,n,r]: any neighbouring axes of an array, without moving its numbers.

Where r is 1 the numbers of one result lie beside each other, and loops run along them; else loops run along r, over
results that lie beside each other.
"""

import numpy as np
from numba import types
from numba.extending import overload, register_jitable

from ._compile import kernel
from ._jit import FASTMATH, jit


@jit(fastmath=FASTMATH - {"reassoc"})
def less(x, much, little):
    """(x - much) - little, in this order: x and much are near to each other, and lose no digits."""
    return (x - much) - little


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


@kernel("x[M,n,r] -> out[M,r]")
def sum_over(x, out):
    for i in range(x.shape[0]):
        sum_columns_of(x[i], out[i])


@jit
def sum_columns_of(x, out):
    out[:] = 0
    for j in range(x.shape[0]):
        for k in range(out.size):
            out[k] += x[j, k]


def _extremes_for(real, signed, unsigned):
    """The largest numbers of rows, by comparing integers: those, unlike numbers that may be NaN, vector units reduce.

    Flipping the digits of negative numbers orders the bits as the numbers are. Counted from -inf, without a sign, NaN of
    either sign comes after inf. The smallest numbers are the largest of those of the other sign (`turn`).
    """
    digits, last = signed(np.iinfo(signed).max), signed(np.iinfo(signed).bits - 1)
    infinite, sign, nan = int(np.array(np.inf, real).view(signed)), int(np.iinfo(signed).min), real(np.nan)
    first, most = unsigned(np.iinfo(unsigned).max - infinite), unsigned(2 * infinite + 1)

    def extremes(x, turn, out):
        numbers, found = x.view(signed), out.view(signed)
        turned = signed(sign) if turn else signed(0)
        for i in range(x.shape[0]):
            row, top = numbers[i], unsigned(0)
            for j in range(row.size):
                b = row[j] ^ turned
                top = max(top, unsigned(unsigned(b ^ ((b >> last) & digits)) - first))
            b = signed(top + first)
            found[i] = b ^ ((b >> last) & digits) ^ turned
            if top > most:
                out[i] = nan

    return register_jitable(extremes)


_extremes32 = _extremes_for(np.float32, np.int32, np.uint32)
_extremes64 = _extremes_for(np.float64, np.int64, np.uint64)


def _extremes(x, turn, out):
    raise NotImplementedError


@overload(_extremes)
def _extremes_of_rows(x, turn, out):
    chosen = _extremes32 if x.dtype == types.float32 else _extremes64
    return lambda x, turn, out: chosen(x, turn, out)


def _fold(rule, turn):
    """out = rule(rule(x0, x1), x2) ... over the middle axis, which is not empty; `rule` is inlined."""
    rule = jit(rule)

    def fold(x, out):
        m, n, r = x.shape
        if r == 1:
            _extremes(x.reshape(m, n), turn, out.reshape(m))
            return
        for i in range(m):
            for k in range(r):
                out[i, k] = x[i, 0, k]
            for j in range(1, n):
                for k in range(r):
                    out[i, k] = rule(out[i, k], x[i, j, k])

    return jit(fold)


_max = _fold(lambda a, b: b if b > a or b != b else a, False)  # NaN wins
_min = _fold(lambda a, b: b if b < a or b != b else a, True)


@kernel("x[M,n,r] -> out[M,r]")
def max_over(x, out):
    _max(x, out)


@kernel("x[M,n,r] -> out[M,r]")
def min_over(x, out):
    _min(x, out)


@kernel("g[M,r] y[M,r] x[M,n,r] -> count[M,r] out[M,n,r]")
def extreme_backward(g, y, x, count, out):
    """The gradient of the largest (or smallest) number, split evenly between those that reach it; NaN reaches it."""
    zero, one = x.dtype.type(0), x.dtype.type(1)
    m, n, r = x.shape
    for i in range(m):
        for k in range(r):
            count[i, k] = zero
    if r == 1:
        rows, shares = x.reshape(m, n), out.reshape(m, n)
        for i in range(m):
            top, reached = y[i, 0], zero
            for j in range(n):
                reached += one if rows[i, j] == top or rows[i, j] != rows[i, j] else zero
            count[i, 0] = reached
            part = g[i, 0] / max(reached, one)
            for j in range(n):
                shares[i, j] = part if rows[i, j] == top or rows[i, j] != rows[i, j] else zero
        return
    for i in range(m):
        for j in range(n):
            for k in range(r):
                count[i, k] += one if x[i, j, k] == y[i, k] or x[i, j, k] != x[i, j, k] else zero
        for j in range(n):
            for k in range(r):
                part = g[i, k] / max(count[i, k], one)
                out[i, j, k] = part if x[i, j, k] == y[i, k] or x[i, j, k] != x[i, j, k] else zero


def _position(rule):
    """The position of the number that no other goes before by `rule`; the first of equal ones, and of NaN."""
    rule = jit(rule)

    def position(x, out):
        for i in range(x.shape[0]):
            best = 0
            for j in range(1, x.shape[1]):
                v = x[i, j]
                if rule(v, x[i, best]) or (v != v and x[i, best] == x[i, best]):
                    best = j
            out[i] = best

    return jit(position)


_position_of_max, _position_of_min = _position(lambda a, b: a > b), _position(lambda a, b: a < b)


@kernel("x[M,n] -> out:i[M]<n")
def argmax_rows(x, out):
    _position_of_max(x, out)


@kernel("x[M,n] -> out:i[M]<n")
def argmin_rows(x, out):
    _position_of_min(x, out)


# ---- products and running sums ----------------------------------------------------------------------------------------
@kernel("x[M,n,r] -> out[M,r]")
def prod_over(x, out):
    m, n, r = x.shape
    one = x.dtype.type(1)
    if r == 1:
        rows = x.reshape(m, n)
        for i in range(m):
            total = one
            for j in range(n):
                total *= rows[i, j]
            out[i, 0] = total
        return
    for i in range(m):
        for k in range(r):
            out[i, k] = one
        for j in range(n):
            for k in range(r):
                out[i, k] *= x[i, j, k]


@jit
def _products_of_others(g, x, out):
    """g times the product of all other numbers of a row; a product of finite numbers that has become 0 remains it."""
    zero, behind, infinite = x.dtype.type(0), x.dtype.type(1), x.dtype.type(0)
    for j in range(x.size):
        infinite += x[j] * zero
    end = x.size
    for j in range(x.size):
        out[j] = g
        g *= x[j]
        if g == zero and infinite == zero:
            end = j + 1
            break
    for j in range(end, x.size):
        out[j] = zero
    for j in range(x.size - 1, -1, -1):
        out[j] *= behind
        behind *= x[j]
        if behind == zero and infinite == zero:
            end = j
            break
    else:
        end = 0
    for j in range(end):
        out[j] *= zero


@jit
def _ordinary(y):
    """Whether a number is far from 0 and from the ends of the dtype's range."""
    real = type(y)
    return real(1e-30) < abs(y) < real(1e30)


@kernel("g[M,r] y[M,r] x[M,n,r] -> product[M,r] out[M,n,r]")
def prod_backward(g, y, x, product, out):
    """g times the product of all other numbers.

    That is y / x where no product is 0 or near the ends of the dtype's range; else the product of those before times that
    of those behind.
    """
    m, n, r = x.shape
    real = x.dtype.type
    if r == 1:
        rows, shares = x.reshape(m, n), out.reshape(m, n)
        for i in range(m):
            product[i, 0] = g[i, 0] * y[i, 0]
            if _ordinary(y[i, 0]) and _ordinary(product[i, 0]):
                row, share, factor = rows[i], shares[i], product[i, 0]
                for j in range(n):
                    share[j] = factor / row[j]
            else:
                _products_of_others(g[i, 0], rows[i], shares[i])
        return
    for i in range(m):
        ordinary = 0
        for k in range(r):
            product[i, k] = g[i, k] * y[i, k]
            ordinary += _ordinary(y[i, k]) and _ordinary(product[i, k])
        if ordinary == r:
            for j in range(n):
                for k in range(r):
                    out[i, j, k] = product[i, k] / x[i, j, k]
            continue
        for k in range(r):
            product[i, k] = g[i, k]
        for j in range(n):
            for k in range(r):
                out[i, j, k] = product[i, k]
                product[i, k] *= x[i, j, k]
        for k in range(r):
            product[i, k] = real(1)
        for j in range(n - 1, -1, -1):
            for k in range(r):
                out[i, j, k] *= product[i, k]
                product[i, k] *= x[i, j, k]


@kernel("x[M,n,r] -> out[M,n,r]")
def cumsum(x, out):
    m, n, r = x.shape
    if r == 1:
        rows, sums = x.reshape(m, n), out.reshape(m, n)
        for i in range(m):
            total = x.dtype.type(0)
            for j in range(n):
                total += rows[i, j]
                sums[i, j] = total
        return
    for i in range(m):
        for j in range(n):
            for k in range(r):
                out[i, j, k] = x[i, j, k] + (out[i, j - 1, k] if j else x.dtype.type(0))


@kernel("g[M,n,r] -> out[M,n,r]")
def cumsum_backward(g, out):
    """Running sums from the end."""
    m, n, r = g.shape
    if r == 1:
        rows, sums = g.reshape(m, n), out.reshape(m, n)
        for i in range(m):
            total = g.dtype.type(0)
            for j in range(n - 1, -1, -1):
                total += rows[i, j]
                sums[i, j] = total
        return
    for i in range(m):
        for j in range(n - 1, -1, -1):
            for k in range(r):
                out[i, j, k] = g[i, j, k] + (out[i, j + 1, k] if j < n - 1 else g.dtype.type(0))
