"""NAdam: Adam with Nesterov's momentum."""

from typing import ClassVar

import numpy as np

from ._numbers import Number, betas
from .optimizer import Optimizer


class NAdam(Optimizer):
    """p <- p - lr (a g + b m) / (sqrt(v / (1 - beta2**t)) + eps) with Adam's m and v after step t.

    mu(t) = beta1 (1 - 0.96**(t momentum_decay) / 2), product = mu(1) ... mu(t), a = (1 - mu(t)) / (1 - product),
    b = mu(t + 1) / (1 - product mu(t + 1)). lr, momentum_decay >= 0; betas in [0, 1); eps > 0. Dozat 2016, algorithm 2 and
    section 3.1. Further options and errors: `Optimizer`.

    >>> import numpy as np, tensorgrad as tg
    >>> p = tg.Parameter(np.array([1.0]))
    >>> optimizer = NAdam([p], lr=0.1)
    >>> (p * p).backward()
    >>> optimizer.step()
    >>> p.data.round(4)
    array([0.8944])
    """

    slots = ("m", "v")
    hyper: ClassVar = {
        "lr": Number(2e-3),
        **betas(0.9, 0.999),
        "eps": Number(1e-8, above=True),
        "momentum_decay": Number(4e-3),
    }
    carried: ClassVar = {"product": 1.0}

    @staticmethod
    def constants(lr, beta1, beta2, eps, momentum_decay, step, product):
        now = beta1 * (1 - 0.5 * 0.96 ** (step * momentum_decay))
        then = beta1 * (1 - 0.5 * 0.96 ** ((step + 1) * momentum_decay))
        product = product * now
        root = 1 / np.sqrt(1 - beta2**step)
        by_gradient, by_mean = lr * (1 - now) / (1 - product), lr * then / (1 - product * then)
        return beta1, 1 - beta1, beta2, 1 - beta2, root, eps, by_gradient, by_mean, product

    @staticmethod
    def rule(p, g, m, v, b1, c1, b2, c2, root, eps, by_gradient, by_mean):
        m = b1 * m + c1 * g
        v = b2 * v + c2 * g * g
        return p - (by_gradient * g + by_mean * m) / (np.sqrt(v) * root + eps), m, v
