"""Gradients that are clipped by hand, with the factor of an optimizer's step; sums of squares come from there, too."""

import math

from ._compile import kernel
from ._subnormals import flush_subnormals, restore
from .updates import NUMBERS, norm_of, product, scales


@kernel(f"numbers:d[{NUMBERS}] -> norm:d[1]")
def norm_of_squares(numbers, norm):
    """The norm of all gradients whose squares were added up."""
    norm[0] = norm_of(numbers)


@kernel(f"g[N] numbers:d[{NUMBERS}] -> out[N]")
def clip_by_norm(g, numbers, out):
    """A gradient, scaled so that the norm of all keeps to the limit; NaN where that norm is not finite."""
    before = flush_subnormals()
    scale, rescale = scales(numbers)
    if not math.isfinite(norm_of(numbers)):
        scale = math.nan
    first, second = g.dtype.type(scale), g.dtype.type(rescale)
    for i in range(g.size):
        out[i] = product(g[i], first, second)
    restore(before)


@kernel("g[N] limit:d[1] -> out[N]")
def clip_by_value(g, limit, out):
    """A gradient whose numbers are kept between -limit and limit; NaN stays."""
    most = g.dtype.type(limit[0])
    for i in range(g.size):
        out[i] = -most if g[i] < -most else most if g[i] > most else g[i]
