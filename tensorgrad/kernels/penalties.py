"""The cost of large weights, and its gradient."""

from ._compile import kernel


@kernel("x[N] rates:d[2] -> out[1]")
def elastic_net(x, rates, out):
    """l1 sum(|x|) + l2 sum(x**2), with rates (l1, l2)."""
    zero = x.dtype.type(0)
    absolute, squares = zero, zero
    for i in range(x.size):
        absolute += abs(x[i])
        squares += x[i] * x[i]
    total = zero
    if rates[0] != 0:
        total += x.dtype.type(rates[0]) * absolute
    if rates[1] != 0:
        total += x.dtype.type(rates[1]) * squares
    out[0] = total


@kernel("g[1] x[N] rates:d[2] -> dx[N]")
def elastic_net_backward(g, x, rates, dx):
    """g (l1 sign(x) + 2 l2 x)."""
    zero, one = x.dtype.type(0), x.dtype.type(1)
    l1, l2 = g[0] * x.dtype.type(rates[0]), g[0] * x.dtype.type(2 * rates[1])
    for i in range(x.size):
        dx[i] = l2 * x[i] if rates[1] != 0 else zero
    if rates[0] != 0:
        for i in range(x.size):
            v = x[i]
            dx[i] += l1 * (one if v > zero else -one if v < zero else v)
