"""Adam: steps of a size that adapts to each parameter."""

from typing import ClassVar

import numpy as np

from .. import kernels
from ..errors import OptionError
from .optimizer import Number, Optimizer


class Adam(Optimizer):
    """m and v are running means of the gradient and its square, corrected for starting at 0; p <- p - lr m / (sqrt(v) + eps).

    lr >= 0; betas in [0, 1); eps > 0; weight_decay >= 0 is added to the gradient (coupled). Kingma and Ba 2015,
    algorithm 1. Raises OptionError for numbers out of range and lists of parameters that cannot be trained.

    >>> import numpy as np, tensorgrad as tg
    >>> p = tg.Parameter(np.array([1.0]))
    >>> optimizer = Adam([p], lr=0.1)
    >>> (p * p).backward()
    >>> optimizer.step()
    >>> p.data.round(6)
    array([0.9])
    """

    slots = ("m", "v")
    hyper: ClassVar = {
        "lr": Number(),
        "beta1": Number(below=1, called="betas[0]"),
        "beta2": Number(below=1, called="betas[1]"),
        "eps": Number(above=True),
        "weight_decay": Number(),
    }
    kernel = kernels.adam

    def __init__(self, parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        if not isinstance(betas, tuple | list) or len(betas) != 2:
            raise OptionError(f"Adam: betas must be two numbers, got {betas!r}")
        super().__init__(parameters, lr=lr, beta1=betas[0], beta2=betas[1], eps=eps, weight_decay=weight_decay)

    @staticmethod
    def rule(p, g, m, v, lr, beta1, beta2, eps, weight_decay, step):
        g = g + weight_decay * p
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        size, root = lr / (1 - beta1**step), np.sqrt(v / (1 - beta2**step))
        return p - size * m / (root + eps), m, v
