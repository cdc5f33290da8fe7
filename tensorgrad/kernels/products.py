"""Matrix products through BLAS (numba's `np.dot`), and the dense layer with its activation in the same pass.

g is the gradient of the output; a kernel called `..._backward_w` gives the gradient of w.
"""

import numpy as np

from ._compile import kernel


@kernel("a[s,m,k] b[s,k,n] out[s,m,n]")
def matmul(a, b, out):
    for s in range(out.shape[0]):
        np.dot(a[s], b[s], out[s])


@kernel("x[m,k] w[k,n] b[n] out[m,n]")
def dense(x, w, b, out):
    np.dot(x, w, out)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] += b[j]


@kernel("x[m,k] w[k,n] b[n] out[m,n]")
def dense_relu(x, w, b, out):
    zero = out.dtype.type(0)
    np.dot(x, w, out)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            y = out[i, j] + b[j]
            out[i, j] = zero if y < zero else y


@kernel("x[m,k] g[m,n] out[k,n]")
def dense_backward_w(x, g, out):
    np.dot(x.T, g, out)


@kernel("w[k,n] g[m,n] out[m,k]")
def dense_backward_x(w, g, out):
    np.dot(g, w.T, out)


@kernel("g[m,n] out[n]")
def dense_backward_b(g, out):
    out[:] = 0
    for i in range(g.shape[0]):
        for j in range(g.shape[1]):
            out[j] += g[i, j]


@kernel("g[m,n] y[m,n] masked[m,n] b[n]")
def dense_relu_backward(g, y, masked, b):
    """The gradient before the ReLU and the gradient of the bias, in one pass."""
    zero = g.dtype.type(0)
    b[:] = 0
    for i in range(g.shape[0]):
        for j in range(g.shape[1]):
            v = g[i, j] if y[i, j] > zero else zero
            masked[i, j] = v
            b[j] += v
