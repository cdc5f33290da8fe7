"""Reductions over the middle axis of x[M,n,r]: any neighbouring axes of an array, without moving its numbers.

Where r is 1 the numbers of one result lie beside each other, and loops run along them; else loops run along r, over
results that lie beside each other.
"""

import numpy as np

from ._compile import FASTMATH, jit, kernel

LANES = 64  # results that a row is folded into side by side, as vector units do it


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


def _fold(rule):
    """out = rule(rule(x0, x1), x2) ... over the middle axis, which is not empty; `rule` is inlined."""
    rule = jit(rule)

    @jit
    def of_row(x, lanes):
        total, start = x[0], 1
        if x.size >= 2 * LANES:
            for k in range(LANES):
                lanes[k] = x[k]
            for start in range(LANES, x.size - LANES + 1, LANES):
                part = x[start : start + LANES]
                for k in range(LANES):
                    lanes[k] = rule(lanes[k], part[k])
            for k in range(LANES):
                total = rule(total, lanes[k])
            start = x.size - x.size % LANES
        for j in range(start, x.size):
            total = rule(total, x[j])
        return total

    def fold(x, out):
        m, n, r = x.shape
        if r != 1:
            for i in range(m):
                for k in range(r):
                    out[i, k] = x[i, 0, k]
                for j in range(1, n):
                    for k in range(r):
                        out[i, k] = rule(out[i, k], x[i, j, k])
            return
        rows, lanes = x.reshape(m, n), np.empty(LANES, x.dtype)
        for i in range(m):
            out[i, 0] = of_row(rows[i], lanes)

    return jit(fold)


_max = _fold(lambda a, b: b if b > a or b != b else a)  # NaN wins
_min = _fold(lambda a, b: b if b < a or b != b else a)


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


@kernel("g[M,r] y[M,r] x[M,n,r] -> product[M,r] out[M,n,r]")
def prod_backward(g, y, x, product, out):
    """g times the product of all other numbers.

    That is y / x where no product is 0 or near the ends of the dtype's range; else the product of those before times that
    of those behind.
    """
    m, n, r = x.shape
    real = x.dtype.type
    for i in range(m):
        ordinary = 0
        for k in range(r):
            product[i, k] = g[i, k] * y[i, k]
            ordinary += real(1e-30) < abs(y[i, k]) < real(1e30)
        if ordinary == r:
            if r == 1:
                row, share, factor = x[i].reshape(-1), out[i].reshape(-1), product[i, 0]
                for j in range(n):
                    share[j] = factor / row[j]
            else:
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
