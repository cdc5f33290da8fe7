"""Optimizer updates, in place: everything that happens to one parameter, in one pass over it.

p, g and the state are flat; `hyper` holds the numbers that may change between steps, read at run time.
"""

import math

from ._compile import kernel


@kernel("p[n] g[n] velocity[n] hyper:d[4]")
def sgd(p, g, velocity, hyper):
    """hyper = lr, momentum, weight_decay, step (1 for the first)."""
    real = p.dtype.type
    lr, momentum, decay = real(hyper[0]), real(hyper[1]), real(hyper[2])
    for i in range(p.size):
        d = g[i] + decay * p[i]
        velocity[i] = momentum * velocity[i] + d
        p[i] -= lr * velocity[i]


@kernel("p[n] g[n] m[n] v[n] hyper:d[6]")
def adam(p, g, m, v, hyper):
    """hyper = lr, beta1, beta2, eps, weight_decay, step (1 for the first).

    A mean that fades towards zero (a unit that is always off) is set to zero before it becomes subnormal: it moves
    nothing any more, and subnormal arithmetic is tens of times slower.
    """
    real = p.dtype.type
    tiny = real(1e-30) if p.itemsize == 4 else real(1e-290)
    b1, b2, eps, decay = real(hyper[1]), real(hyper[2]), real(hyper[3]), real(hyper[4])
    c1, c2 = real(1 - hyper[1]), real(1 - hyper[2])  # not 1 - b1 in float32: the bias correction uses the exact betas
    size = real(hyper[0] / (1 - hyper[1] ** hyper[5]))
    root = real(1 / math.sqrt(1 - hyper[2] ** hyper[5]))
    for i in range(p.size):
        d = g[i] + decay * p[i]
        mean = b1 * m[i] + c1 * d
        m[i] = real(0) if abs(mean) < tiny else mean
        v[i] = b2 * v[i] + c2 * d * d
        p[i] -= size * m[i] / (math.sqrt(v[i]) * root + eps)
