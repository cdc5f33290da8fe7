"""Matrix products, and the dense layer with its activation in the same pass: the register tile, or BLAS if large."""

import numpy as np

from ._compile import jit, kernel
from ._tile import ADD, BIAS, ZERO, fits, product


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


@kernel("a[s,m,k] b[s,k,n] out[s,m,n]")
def matmul(a, b, out):
    for s in range(out.shape[0]):
        _plain(a[s], b[s], out[s])


@kernel("x[m,k] w[k,n] b[n] out[m,n]")
def dense(x, w, b, out):
    _dense(x, w, b, out, 0)


@kernel("x[m,k] w[k,n] b[n] out[m,n]")
def dense_relu(x, w, b, out):
    _dense(x, w, b, out, 1)


# ---- the backward of a dense layer: g is turned into the gradients of w, b and x in one call ---------------------------
@jit
def _mask_and_sum(g, y, masked, db):
    """The gradient before a ReLU, and its sum over the rows, in one pass."""
    zero = g.dtype.type(0)
    db[:] = 0
    for i in range(g.shape[0]):
        for j in range(g.shape[1]):
            v = g[i, j] if y[i, j] > zero else zero
            masked[i, j] = v
            db[j] += v


@jit
def _sum(g, db):
    db[:] = 0
    for i in range(g.shape[0]):
        for j in range(g.shape[1]):
            db[j] += g[i, j]


@jit
def _backward_w(x, g, dw):
    """x.T @ g."""
    (m, k), n = x.shape, g.shape[1]
    if fits(k, m, n):  # the tile reads x down its columns, in blocks of rows that stay in the nearest cache
        zero, size = dw.dtype.type(0), dw.itemsize
        for i in range(0, m, 128):
            X, G, rows = x.ctypes.data + size * i * k, g.ctypes.data + size * i * n, min(128, m - i)
            product(zero, size, k, rows, n, X, 1, k, G, n, dw.ctypes.data, n, 0, ADD if i else ZERO, 0)
    else:
        np.dot(x.T, g, dw)


@jit
def _backward_x(w, g, dx):
    """g @ w.T."""
    (m, n), k = g.shape, w.shape[0]
    if m >= 8 and fits(m, n, k):  # enough rows to pay for turning w around
        transposed = np.empty((n, k), w.dtype)
        for i0 in range(0, k, 16):  # in blocks, so that both sides stay in the nearest cache
            for j0 in range(0, n, 16):
                for i in range(i0, min(i0 + 16, k)):
                    for j in range(j0, min(j0 + 16, n)):
                        transposed[j, i] = w[i, j]
        _plain(g, transposed, dx)
    else:
        np.dot(g, w.T, dx)


@kernel("g[m,n] x[m,k] w[k,n] dw[k,n] db[n] dx[m,k]")
def dense_backward(g, x, w, dw, db, dx):
    _sum(g, db)
    _backward_w(x, g, dw)
    _backward_x(w, g, dx)


@kernel("g[m,n] y[m,n] x[m,k] w[k,n] masked[m,n] dw[k,n] db[n] dx[m,k]")
def dense_relu_backward(g, y, x, w, masked, dw, db, dx):
    _mask_and_sum(g, y, masked, db)
    _backward_w(x, masked, dw)
    _backward_x(w, masked, dx)


@kernel("g[m,n] x[m,k] dw[k,n] db[n]")
def dense_backward_first(g, x, dw, db):
    """Of a first layer, whose input needs no gradient."""
    _sum(g, db)
    _backward_w(x, g, dw)


@kernel("g[m,n] y[m,n] x[m,k] masked[m,n] dw[k,n] db[n]")
def dense_relu_backward_first(g, y, x, masked, dw, db):
    """Of a first layer, whose input needs no gradient."""
    _mask_and_sum(g, y, masked, db)
    _backward_w(x, masked, dw)
