"""Adam: steps of a size that adapts to each parameter."""

from typing import ClassVar

import numpy as np

from ._numbers import Number, betas
from .optimizer import Optimizer


class Adam(Optimizer):
    """m and v are running means of the gradient and its square, corrected for starting at 0; p <- p - lr m / (sqrt(v) + eps).

    lr >= 0; betas in [0, 1); eps > 0. Kingma and Ba 2015, algorithm 1. Further options and errors: `Optimizer`.

    >>> import numpy as np, tensorgrad as tg
    >>> p = tg.Parameter(np.array([1.0]))
    >>> optimizer = Adam([p], lr=0.1)
    >>> (p * p).backward()
    >>> optimizer.step()
    >>> p.data.round(6)
    array([0.9])
    """

    slots = ("m", "v")
    hyper: ClassVar = {"lr": Number(1e-3), **betas(0.9, 0.999), "eps": Number(1e-8, above=True)}
    elsewhere: ClassVar = {"amsgrad": "use optim.AMSGrad"}

    @staticmethod
    def constants(lr, beta1, beta2, eps, step):
        return beta1, 1 - beta1, beta2, 1 - beta2, lr / (1 - beta1**step), 1 / np.sqrt(1 - beta2**step), eps

    @staticmethod
    def rule(p, g, m, v, b1, c1, b2, c2, size, root, eps):
        m = b1 * m + c1 * g
        v = b2 * v + c2 * g * g
        return p - size * m / (np.sqrt(v) * root + eps), m, v
