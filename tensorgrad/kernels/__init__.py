"""numba loops: arrays in, arrays out, no word of autograd.

Every kernel is declared once, with the extents of its buffers: `kernels.dense` is `x[m,k] w[k,n] b[n] out[m,n]`.
"""

from . import _compile, elementwise, losses, products, reductions, updates
from ._compile import Kernel, kernel, logging

__all__ = ["Kernel", "kernel", "logging"]


def __getattr__(name):
    try:
        return Kernel.registry[name]
    except KeyError:
        raise AttributeError(f"tensorgrad.kernels has no kernel {name!r}") from None
