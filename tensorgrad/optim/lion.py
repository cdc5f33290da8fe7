"""Lion: the sign of a momentum."""

from typing import ClassVar

import numpy as np

from ._numbers import Flag, Number, betas
from .optimizer import Optimizer


class Lion(Optimizer):
    """p <- p - lr sign(beta1 m + (1 - beta1) g);  m <- beta2 m + (1 - beta2) g.

    lr >= 0; betas in [0, 1). Weight decay is decoupled. Chen et al. 2023, algorithm 2. Further options and errors:
    `Optimizer`.

    >>> import numpy as np, tensorgrad as tg
    >>> p = tg.Parameter(np.array([1.0]))
    >>> optimizer = Lion([p], lr=0.1)
    >>> (p * p).backward()
    >>> optimizer.step()
    >>> p.data.round(6)
    array([0.9])
    """

    slots = ("m",)
    hyper: ClassVar = {"lr": Number(1e-4), **betas(0.9, 0.99), "decoupled": Flag(True)}

    @staticmethod
    def constants(lr, beta1, beta2, step):
        return lr, beta1, 1 - beta1, beta2, 1 - beta2

    @staticmethod
    def rule(p, g, m, rate, b1, c1, b2, c2):
        return p - rate * np.sign(b1 * m + c1 * g), b2 * m + c2 * g
