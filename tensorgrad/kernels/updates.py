"""Optimizer updates, in place: everything that happens to one parameter, in one pass over it.

p, g and the state are flat; `hyper` holds the numbers that may change between steps, read at run time.
"""

import math

from ._compile import kernel
from ._subnormals import flush_subnormals, restore


@kernel("g[N] hyper:d[4] -> &p[N] &velocity[N]")
def sgd(g, hyper, p, velocity):
    """hyper = lr, momentum, weight_decay, step (1 for the first)."""
    before = flush_subnormals()
    real = p.dtype.type
    lr, momentum, decay = real(hyper[0]), real(hyper[1]), real(hyper[2])
    for i in range(p.size):
        d = g[i] + decay * p[i]
        velocity[i] = momentum * velocity[i] + d
        p[i] -= lr * velocity[i]
    restore(before)


@kernel("g[N] hyper:d[6] -> &p[N] &m[N] &v[N]")
def adam(g, hyper, p, m, v):
    """hyper = lr, beta1, beta2, eps, weight_decay, step (1 for the first).

    The means of a unit that is always off fade to zero, and not to subnormal numbers.
    """
    before = flush_subnormals()
    real = p.dtype.type
    b1, b2, eps, decay = real(hyper[1]), real(hyper[2]), real(hyper[3]), real(hyper[4])
    c1, c2 = real(1 - hyper[1]), real(1 - hyper[2])  # not 1 - b1 in float32: the bias correction uses the exact betas
    size = real(hyper[0] / (1 - hyper[1] ** hyper[5]))
    root = real(1 / math.sqrt(1 - hyper[2] ** hyper[5]))
    for i in range(p.size):
        d = g[i] + decay * p[i]
        m[i] = b1 * m[i] + c1 * d
        v[i] = b2 * v[i] + c2 * d * d
        p[i] -= size * m[i] / (math.sqrt(v[i]) * root + eps)
    restore(before)


@kernel("-> &hyper:d[h]")
def tick(hyper):
    """One step more: the last of an optimizer's numbers counts them."""
    hyper[hyper.size - 1] += 1


@kernel("g[N] -> &failed:i[1]")
def check_finite(g, failed):
    """Set `failed` if a number is infinite or NaN: 0 * x is 0 for all others."""
    zero = g.dtype.type(0)
    total = zero
    for i in range(g.size):
        total += g[i] * zero
    if total != zero:
        failed[0] = 1


@kernel("failed:i[1] -> &stops:i[1]")
def stop_if(failed, stops):
    """End the program if `failed` is set: the rows after this one are not run."""
    if failed[0] != 0:
        stops[0] = 1
        raise FloatingPointError
