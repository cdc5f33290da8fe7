"""Adamax: Adam with the largest recent gradient in place of the root of their mean square."""

from typing import ClassVar

import numpy as np

from ._numbers import Number, betas
from .optimizer import Optimizer


class Adamax(Optimizer):
    """m <- beta1 m + (1 - beta1) g;  u <- max(beta2 u, abs(g) + eps);  p <- p - lr / (1 - beta1**step) m / u.

    lr >= 0; betas in [0, 1); eps > 0. Kingma and Ba 2015, algorithm 2, with PyTorch's eps. Further options and errors:
    `Optimizer`.

    >>> import numpy as np, tensorgrad as tg
    >>> p = tg.Parameter(np.array([1.0]))
    >>> optimizer = Adamax([p], lr=0.1)
    >>> (p * p).backward()
    >>> optimizer.step()
    >>> p.data.round(6)
    array([0.9])
    """

    slots = ("m", "u")
    hyper: ClassVar = {"lr": Number(2e-3), **betas(0.9, 0.999), "eps": Number(1e-8, above=True)}

    @staticmethod
    def constants(lr, beta1, beta2, eps, step):
        return beta1, 1 - beta1, beta2, lr / (1 - beta1**step), eps

    @staticmethod
    def rule(p, g, m, u, b1, c1, b2, size, eps):
        m = b1 * m + c1 * g
        u = np.maximum(b2 * u, np.abs(g) + eps)
        return p - size * m / u, m, u
