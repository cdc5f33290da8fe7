"""Matrix products, and the dense layer with its activation in the same pass: the register tile, or BLAS if large."""

import numpy as np
from numba import types

from ._compile import jit, kernel
from ._linked import linked
from ._subnormals import flush_subnormals, restore
from ._tile import ADD, BIAS, LARGEST_PRODUCT, LARGEST_W, VECTOR_BYTES, ZERO, fits, product, turn


@jit
def _dense(x, w, b, out, relu):
    (m, k), n = x.shape, w.shape[1]
    zero = out.dtype.type(0)
    if fits(m, k, n):
        product(
            zero,
            out.itemsize,
            m,
            k,
            n,
            x.ctypes.data,
            k,
            1,
            w.ctypes.data,
            n,
            out.ctypes.data,
            n,
            b.ctypes.data,
            BIAS,
            relu,
        )
        return
    np.dot(x, w, out)
    for i in range(m):
        for j in range(n):
            y = out[i, j] + b[j]
            out[i, j] = zero if relu and y < zero else y


@jit
def _plain(a, b, out):
    """a @ b."""
    (m, k), n = a.shape, b.shape[1]
    if fits(m, k, n):
        zero = out.dtype.type(0)
        product(zero, out.itemsize, m, k, n, a.ctypes.data, k, 1, b.ctypes.data, n, out.ctypes.data, n, 0, ZERO, 0)
    else:
        np.dot(a, b, out)


@kernel("a[S,m,k] b[S,k,n] -> out[S,m,n]")
def matmul(a, b, out):
    before = flush_subnormals()
    for s in range(out.shape[0]):
        _plain(a[s], b[s], out[s])
    restore(before)


@kernel("x[M,k] w[k,n] b[n] -> out[M,n]")
def dense(x, w, b, out):
    before = flush_subnormals()
    _dense(x, w, b, out, 0)
    restore(before)


@kernel("x[M,k] w[k,n] b[n] -> out[M,n]")
def dense_relu(x, w, b, out):
    before = flush_subnormals()
    _dense(x, w, b, out, 1)
    restore(before)


# ---- the backward of a dense layer: g is turned into the gradients of w, b and x in one call ---------------------------
_BLOCK = 64  # rows of g that are masked, summed and multiplied while they are in the nearest cache


@jit
def _mask(g, y, masked):
    """The gradient before a ReLU."""
    zero = g.dtype.type(0)
    flat_g, flat_y, out = g.reshape(-1), y.reshape(-1), masked.reshape(-1)
    for i in range(flat_g.size):
        out[i] = flat_g[i] if flat_y[i] > zero else zero


@jit
def _add_sum(rows, n, g, one, db):
    """The sum over the rows at address g, added to db: a product with the number at address `one`, which is 1."""
    product(db.dtype.type(0), db.itemsize, 1, rows, n, one, 0, 0, g, n, db.ctypes.data, n, 0, ADD, 0)


def workspace(m, k, n):
    """How many numbers the backward kernels need to work with, on m rows or fewer: g masked, w.T, dw.T, and a one.

    >>> workspace(2, 3, 4)
    33
    """
    in_blocks = min(m, _BLOCK) * n + 2 * k * n
    if k * n > LARGEST_W:
        return m * n + 1
    return (in_blocks if m * k * n <= LARGEST_PRODUCT else max(m * n, in_blocks)) + 1


@jit
def _backward_small(g, y, x, w, dw, db, dx, work, relu, want_dx):
    (m, k), n = x.shape, g.shape[1]
    zero, size = dw.dtype.type(0), dw.itemsize
    block = min(_BLOCK, m)
    masked, work = work[: block * n].reshape(block, n), work[block * n :]
    turned, dwt = work[: n * k].reshape(n, k), work[n * k : 2 * n * k].reshape(n, k)
    if want_dx:
        turn(zero, size, k, n, w.ctypes.data, turned.ctypes.data)
    narrow = n * size < VECTOR_BYTES  # then dw.T = g.T @ x fills whole vectors, and is turned around at the end
    one = work.ctypes.data + size * 2 * n * k
    G = masked.ctypes.data
    for i in range(0, m, _BLOCK):
        rows, start = min(_BLOCK, m - i), ADD if i else ZERO
        if relu:
            _mask(g[i : i + rows], y[i : i + rows], masked[:rows])
        else:
            G = g.ctypes.data + size * i * n
        _add_sum(rows, n, G, one, db)
        X = x.ctypes.data + size * i * k
        if narrow:
            product(zero, size, n, rows, k, G, 1, n, X, k, dwt.ctypes.data, k, 0, start, 0)
        else:  # x down its columns
            product(zero, size, k, rows, n, X, 1, k, G, n, dw.ctypes.data, n, 0, start, 0)
        if want_dx:
            out = dx.ctypes.data + size * i * k
            product(zero, size, rows, n, k, G, n, 1, turned.ctypes.data, k, out, k, 0, ZERO, 0)
    if narrow:
        turn(zero, size, n, k, dwt.ctypes.data, dw.ctypes.data)


@jit
def _backward_large(g, y, x, w, dw, db, dx, work, relu, want_dx):
    m, n = g.shape
    if relu:
        masked = work[: m * n].reshape(m, n)
        _mask(g, y, masked)
        g = masked
    _add_sum(m, n, g.ctypes.data, work.ctypes.data + work.itemsize * (work.size - 1), db)
    np.dot(x.T, g, dw)
    if want_dx:
        np.dot(g, w.T, dx)


@jit
def backward_fits(m, k, n, want_dx):
    """Whether the backward of a dense layer is made by the tile; with few rows, turning w around does not pay."""
    return fits(m, k, n) and (m >= 8 or not want_dx)


def _backward_takes(real):
    matrix, vector = types.Array(real, 2, "C"), types.Array(real, 1, "C")
    return [*[matrix] * 5, vector, matrix, vector, types.boolean, types.boolean]


@linked(_backward_takes)
def _backward(g, y, x, w, dw, db, dx, work, relu, want_dx):
    """dw = x.T @ g, db = g.sum(0) and, if wanted, dx = g @ w.T, with g first masked by y > 0 if relu."""
    (m, k), n = x.shape, g.shape[1]
    before = flush_subnormals()
    db[:] = 0
    if backward_fits(m, k, n, want_dx):
        work[min(_BLOCK, m) * n + 2 * n * k] = 1
        _backward_small(g, y, x, w, dw, db, dx, work, relu, want_dx)
    else:
        work[work.size - 1] = 1
        _backward_large(g, y, x, w, dw, db, dx, work, relu, want_dx)
    restore(before)


@kernel("g[M,n] x[M,k] w[k,n] -> dw[k,n] db[n] dx[M,k] work[s]")
def dense_backward(g, x, w, dw, db, dx, work):
    _backward(g, g, x, w, dw, db, dx, work, False, True)


@kernel("g[M,n] y[M,n] x[M,k] w[k,n] -> dw[k,n] db[n] dx[M,k] work[s]")
def dense_relu_backward(g, y, x, w, dw, db, dx, work):
    _backward(g, y, x, w, dw, db, dx, work, True, True)


@kernel("g[M,n] x[M,k] -> dw[k,n] db[n] work[s]")
def dense_backward_first(g, x, dw, db, work):
    """Of a first layer, whose input needs no gradient."""
    _backward(g, g, x, dw, dw, db, dw, work, False, False)


@kernel("g[M,n] y[M,n] x[M,k] -> dw[k,n] db[n] work[s]")
def dense_relu_backward_first(g, y, x, dw, db, work):
    """Of a first layer, whose input needs no gradient."""
    _backward(g, y, x, dw, dw, db, dw, work, True, False)
