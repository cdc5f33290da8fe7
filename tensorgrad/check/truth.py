"""The reference: an op's twin on Values of as many digits as wanted, and the distance to it in last places."""

import functools

import numpy as np

from ..errors import need


@functools.cache
def many_digits(digits):
    """The number type of a private mpmath context with that many digits."""
    context = need("mpmath", "check", f"computing with {digits} digits").MPContext()
    context.dps = digits
    return context.mpf


def twin_gradients(op, arrays, options, g, number=float):
    """(y, gradients) of the op's twin at these inputs: y and one array per input (None where there is no gradient).

    g is the incoming gradient, or None to compute the value alone. Everything is an array of `number`s.
    """
    from microgrid import Value, grid, values
    from microgrid._grid import grads, lift

    kinds = op.for_each(op.differentiable, arrays)
    inputs = [
        np.asarray(grid(np.asarray(a), number=number)) if k else np.asarray(a)
        for a, k in zip(arrays, kinds, strict=True)
    ]
    y = lift(op.twin(*inputs, **options))
    if g is None:
        return np.asarray(values(y)), None
    seeds = [number(x) for x in np.asarray(g).ravel().tolist()]
    outputs = list(np.ravel(np.asarray(y)))
    if outputs:
        Value.dot(outputs, seeds).backward()
    pulled = [np.asarray(grads(x)) if k else None for x, k in zip(inputs, kinds, strict=True)]
    return np.asarray(values(y)), pulled


def ulps(got, truth, tolerance, unit=1.0):
    """The largest distance between an array and the truth, in units in the last place as the tolerance counts them.

    Infinities and NaN must be equal (a truth too large for the dtype counts as infinite); else the distance is infinite.
    """
    if got.shape != truth.shape:
        return np.inf
    if not got.size:
        return 0.0
    limit = np.finfo(got.dtype)
    top = float(limit.max)
    flat, exact = got.ravel().tolist(), truth.ravel().tolist()
    near = [float(t) for t in exact]
    finite = [abs(t) for t in near if abs(t) <= top]
    floor = {"element": 0.0, "array": max(finite, default=0.0), "unit": unit}[tolerance.per]
    worst = 0.0
    for a, t, f in zip(flat, exact, near, strict=True):
        if f != f or a != a:
            distance = 0.0 if f != f and a != a else np.inf
        elif abs(f) > top or abs(a) > top:
            distance = 0.0 if a == (np.inf if f > 0 else -np.inf) and abs(f) > top * (1 - 1e-7) else np.inf
        else:
            size = max(abs(f), floor)
            distance = float(abs(t - a)) / float(np.spacing(got.dtype.type(min(size, top))))
        worst = max(worst, distance)
    return worst
