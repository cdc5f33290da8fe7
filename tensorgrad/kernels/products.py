"""Matrix products, and the dense layer with its activation in the same pass, by the register tile.

One thread that has a large product all to itself leaves it to BLAS, which has threads of its own; where the threads of a
program share the rows, each multiplies its part with the tile.
"""

import functools

import numpy as np
from numba import types

from ._compile import kernel
from ._jit import jit
from ._linked import linked
from ._subnormals import flush_subnormals, restore
from ._tile import ADD, BIAS, VECTOR_BYTES, ZERO, product, turn

LARGEST_PRODUCT, LARGEST_W = 16_000_000, 65_536  # multiplications, and numbers in w: from here on BLAS gets its threads
_ALONE, _SHARED = np.ones(1, np.int64), np.zeros(1, np.int64)
FIRST = np.zeros(1, np.int64)  # where a share that is all of it begins


@functools.lru_cache(1024)
def alone(m, k, n, turned=False):
    """For kernels that ask whether they do all of the work of (m, k) @ (k, n): yes, if it is large enough for BLAS.

    `turned`: w is needed turned around, too, which does not pay for a few rows.
    """
    small = m * k * n <= LARGEST_PRODUCT and k * n <= LARGEST_W
    return _SHARED if small and (m >= 8 or not turned) else _ALONE


@jit
def _dense(x, w, b, alone, out, relu):
    (m, k), n = x.shape, w.shape[1]
    zero = out.dtype.type(0)
    before = flush_subnormals()
    if alone[0] == 0:
        X, W, B, Out = x.ctypes.data, w.ctypes.data, b.ctypes.data, out.ctypes.data
        product(zero, out.itemsize, m, k, n, X, k, 1, W, n, 0, Out, n, B, BIAS, relu)
    else:
        np.dot(x, w, out)
        for i in range(m):
            for j in range(n):
                y = out[i, j] + b[j]
                out[i, j] = zero if relu and y < zero else y
    restore(before)


@kernel("x[M,k] w[k,n] b[n] alone:i[1]@alone -> out[M,n]", products=1)
def dense(x, w, b, alone, out):
    _dense(x, w, b, alone, out, 0)


@kernel("x[M,k] w[k,n] b[n] alone:i[1]@alone -> out[M,n]", products=1)
def dense_relu(x, w, b, alone, out):
    _dense(x, w, b, alone, out, 1)


@kernel("a[S,m,k] b[S,k,n] alone:i[1]@alone -> out[S,m,n]", products=1)
def matmul(a, b, alone, out):
    before = flush_subnormals()
    (m, k), n = a.shape[1:], b.shape[2]
    for s in range(out.shape[0]):
        if alone[0] == 0:
            A, B, Out = a[s].ctypes.data, b[s].ctypes.data, out[s].ctypes.data
            product(out.dtype.type(0), out.itemsize, m, k, n, A, k, 1, B, n, 0, Out, n, 0, ZERO, 0)
        else:
            np.dot(a[s], b[s], out[s])
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
    product(db.dtype.type(0), db.itemsize, 1, rows, n, one, 0, 0, g, n, 0, db.ctypes.data, n, 0, ADD, 0)


@functools.lru_cache(1024)
def workspace(m, k, n):
    """How many numbers the backward kernels need to work with, on m rows or fewer: g masked, w.T, dw.T, and a one.

    >>> workspace(2, 3, 4)
    33
    """
    in_blocks = min(m, _BLOCK) * n + 2 * k * n
    return (in_blocks if m * k * n <= LARGEST_PRODUCT else max(m * n, in_blocks)) + 1


@jit
def _backward_in_blocks(g, y, x, w, dw, db, dx, work, relu, want_dx):
    (m, k), n = x.shape, g.shape[1]
    zero, size = dw.dtype.type(0), dw.itemsize
    block = min(_BLOCK, m)
    masked, work = work[: block * n].reshape(block, n), work[block * n :]
    turned, dwt = work[: n * k].reshape(n, k), work[n * k : 2 * n * k].reshape(n, k)
    if want_dx:
        turn(zero, size, k, n, w.ctypes.data, n, turned.ctypes.data)
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
            product(zero, size, n, rows, k, G, 1, n, X, k, 0, dwt.ctypes.data, k, 0, start, 0)
        else:  # x down its columns
            product(zero, size, k, rows, n, X, 1, k, G, n, 0, dw.ctypes.data, n, 0, start, 0)
        if want_dx:
            out = dx.ctypes.data + size * i * k
            product(zero, size, rows, n, k, G, n, 1, turned.ctypes.data, k, 0, out, k, 0, ZERO, 0)
    if narrow:
        turn(zero, size, n, k, dwt.ctypes.data, k, dw.ctypes.data)


@jit
def _backward_by_blas(g, y, x, w, dw, db, dx, work, relu, want_dx):
    m, n = g.shape
    if relu:
        masked = work[: m * n].reshape(m, n)
        _mask(g, y, masked)
        g = masked
    _add_sum(m, n, g.ctypes.data, work.ctypes.data + work.itemsize * (work.size - 1), db)
    np.dot(x.T, g, dw)
    if want_dx:
        np.dot(g, w.T, dx)


def _backward_takes(real):
    matrix, vector = types.Array(real, 2, "C"), types.Array(real, 1, "C")
    cell = types.Array(types.int64, 1, "C")
    return [*[matrix] * 4, cell, matrix, vector, matrix, vector, types.boolean, types.boolean]


@linked(_backward_takes)
def _backward(g, y, x, w, alone, dw, db, dx, work, relu, want_dx):
    """dw = x.T @ g, db = g.sum(0) and, if wanted, dx = g @ w.T, with g first masked by y > 0 if relu."""
    (m, k), n = x.shape, g.shape[1]
    before = flush_subnormals()
    db[:] = 0
    if alone[0] == 0:
        work[min(_BLOCK, m) * n + 2 * n * k] = 1
        _backward_in_blocks(g, y, x, w, dw, db, dx, work, relu, want_dx)
    else:
        work[work.size - 1] = 1
        _backward_by_blas(g, y, x, w, dw, db, dx, work, relu, want_dx)
    restore(before)


@kernel("g[M,n] x[M,k] w[k,n] alone:i[1]@alone -> dw[k,n] db[n] dx[M,k] work[s]", products=2)
def dense_backward(g, x, w, alone, dw, db, dx, work):
    _backward(g, g, x, w, alone, dw, db, dx, work, False, True)


@kernel("g[M,n] y[M,n] x[M,k] w[k,n] alone:i[1]@alone -> dw[k,n] db[n] dx[M,k] work[s]", products=2)
def dense_relu_backward(g, y, x, w, alone, dw, db, dx, work):
    _backward(g, y, x, w, alone, dw, db, dx, work, True, True)


@kernel("g[M,n] x[M,k] alone:i[1]@alone -> dw[k,n] db[n] work[s]", products=1)
def dense_backward_first(g, x, alone, dw, db, work):
    """Of a first layer, whose input needs no gradient."""
    _backward(g, g, x, dw, alone, dw, db, dw, work, False, False)


@kernel("g[M,n] y[M,n] x[M,k] alone:i[1]@alone -> dw[k,n] db[n] work[s]", products=1)
def dense_relu_backward_first(g, y, x, alone, dw, db, work):
    """Of a first layer, whose input needs no gradient."""
    _backward(g, y, x, dw, alone, dw, db, dw, work, True, False)


# ---- the same of a layer with so many weights that threads do not add up gradients of all of them ----------------------
@kernel("x[M,c] g[M,n] first:i[1]@K alone:i[1]@alone -> dw[K,n] work[s]", products=1)
def weight_gradient(x, g, first, alone, dw, work):
    """dw = x.T @ g: of K columns of x, from `first` on. `work` has room for as much of x."""
    before = flush_subnormals()
    (m, c), (k, n) = x.shape, dw.shape
    if alone[0] == 0:
        zero, size, G, turned = dw.dtype.type(0), dw.itemsize, g.ctypes.data, work.ctypes.data
        turn(zero, size, m, k, x.ctypes.data + size * first[0], c, turned)
        product(zero, size, k, m, n, turned, m, 1, G, n, 0, dw.ctypes.data, n, 0, ZERO, 0)
    else:
        np.dot(x.T, g, dw)
    restore(before)


@kernel("g[M,n] w[k,n] alone:i[1]@alone -> dx[M,k]", products=1)
def input_gradient(g, w, alone, dx):
    """dx = g @ w.T."""
    before = flush_subnormals()
    (m, n), k = g.shape, w.shape[0]
    if alone[0] == 0:
        G, W, X = g.ctypes.data, w.ctypes.data, dx.ctypes.data
        product(dx.dtype.type(0), dx.itemsize, m, n, k, G, n, 1, W, n, 1, X, k, 0, ZERO, 0)
    else:
        np.dot(g, w.T, dx)
    restore(before)
