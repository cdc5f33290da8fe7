"""AMSGrad: Adam, whose steps never grow."""

from typing import ClassVar

import numpy as np

from ._numbers import Number, betas
from .optimizer import Optimizer


class AMSGrad(Optimizer):
    """Adam with the largest v so far in the place of v: p <- p - lr m / (sqrt(max v) + eps), with Adam's corrections.

    lr >= 0; betas in [0, 1); eps > 0. Reddi, Kale and Kumar 2018, algorithm 2; corrected for starting at 0 as in PyTorch's
    Adam(amsgrad=True). Further options and errors: `Optimizer`.

    >>> import numpy as np, tensorgrad as tg
    >>> p = tg.Parameter(np.array([1.0]))
    >>> optimizer = AMSGrad([p], lr=0.1)
    >>> (p * p).backward()
    >>> optimizer.step()
    >>> p.data.round(6)
    array([0.9])
    """

    slots = ("m", "v", "largest")
    hyper: ClassVar = {"lr": Number(1e-3), **betas(0.9, 0.999), "eps": Number(1e-8, above=True)}

    @staticmethod
    def constants(lr, beta1, beta2, eps, step):
        return beta1, 1 - beta1, beta2, 1 - beta2, lr / (1 - beta1**step), 1 / np.sqrt(1 - beta2**step), eps

    @staticmethod
    def rule(p, g, m, v, largest, b1, c1, b2, c2, size, root, eps):
        m = b1 * m + c1 * g
        v = b2 * v + c2 * g * g
        largest = np.maximum(largest, v)
        return p - size * m / (np.sqrt(largest) * root + eps), m, v, largest
