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
_BLOCK = 64  # rows of g that are masked, summed and multiplied while they are in the nearest cache


@jit
def _mask(g, y, masked, db):
    """The gradient before a ReLU, and its sum over the rows added to db, in one pass."""
    zero = g.dtype.type(0)
    for i in range(g.shape[0]):
        for j in range(g.shape[1]):
            v = g[i, j] if y[i, j] > zero else zero
            masked[i, j] = v
            db[j] += v


@jit
def _sum(g, db):
    """The sum over the rows, added to db."""
    for i in range(g.shape[0]):
        for j in range(g.shape[1]):
            db[j] += g[i, j]


@jit
def _turned(w):
    """w.T as an array of its own, in blocks, so that both sides stay in the nearest cache."""
    k, n = w.shape
    turned = np.empty((n, k), w.dtype)
    for i0 in range(0, k, 16):
        for j0 in range(0, n, 16):
            for i in range(i0, min(i0 + 16, k)):
                for j in range(j0, min(j0 + 16, n)):
                    turned[j, i] = w[i, j]
    return turned


@jit
def _backward_large(g, x, w, dw, dx, want_dx):
    np.dot(x.T, g, dw)
    if want_dx:
        np.dot(g, w.T, dx)


@jit
def _backward_small(g, y, x, w, dw, db, dx, relu, want_dx):
    (m, k), n = x.shape, g.shape[1]
    zero, size = dw.dtype.type(0), dw.itemsize
    masked = np.empty((_BLOCK if relu else 0, n), g.dtype)
    turned = _turned(w) if want_dx else w
    G = masked.ctypes.data
    for i in range(0, m, _BLOCK):
        rows = min(_BLOCK, m - i)
        if relu:
            _mask(g[i : i + rows], y[i : i + rows], masked, db)
        else:
            _sum(g[i : i + rows], db)
            G = g.ctypes.data + size * i * n
        X = x.ctypes.data + size * i * k
        product(
            zero, size, k, rows, n, X, 1, k, G, n, dw.ctypes.data, n, 0, ADD if i else ZERO, 0
        )  # x down its columns
        if want_dx:
            out = dx.ctypes.data + size * i * k
            product(zero, size, rows, n, k, G, n, 1, turned.ctypes.data, k, out, k, 0, ZERO, 0)


@jit
def _backward(g, y, x, w, dw, db, dx, relu, want_dx):
    """dw = x.T @ g, db = g.sum(0) and, if wanted, dx = g @ w.T, with g first masked by y > 0 if relu."""
    (m, k), n = x.shape, g.shape[1]
    db[:] = 0
    if fits(m, k, n) and (m >= 8 or not want_dx):  # with few rows, turning w around does not pay
        _backward_small(g, y, x, w, dw, db, dx, relu, want_dx)
    elif relu:
        masked = np.empty_like(g)
        _mask(g, y, masked, db)
        _backward_large(masked, x, w, dw, dx, want_dx)
    else:
        _sum(g, db)
        _backward_large(g, x, w, dw, dx, want_dx)


@kernel("g[m,n] x[m,k] w[k,n] dw[k,n] db[n] dx[m,k]")
def dense_backward(g, x, w, dw, db, dx):
    _backward(g, g, x, w, dw, db, dx, False, True)


@kernel("g[m,n] y[m,n] x[m,k] w[k,n] dw[k,n] db[n] dx[m,k]")
def dense_relu_backward(g, y, x, w, dw, db, dx):
    _backward(g, y, x, w, dw, db, dx, True, True)


@kernel("g[m,n] x[m,k] dw[k,n] db[n]")
def dense_backward_first(g, x, dw, db):
    """Of a first layer, whose input needs no gradient."""
    _backward(g, g, x, dw, dw, db, dw, False, False)


@kernel("g[m,n] y[m,n] x[m,k] dw[k,n] db[n]")
def dense_relu_backward_first(g, y, x, dw, db):
    """Of a first layer, whose input needs no gradient."""
    _backward(g, y, x, dw, dw, db, dw, True, False)
