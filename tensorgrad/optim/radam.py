"""RAdam: Adam, whose first steps wait until the mean of the squares is known well enough."""

from typing import ClassVar

import numpy as np

from ._numbers import Number, betas
from .optimizer import Optimizer


class RAdam(Optimizer):
    """p <- p - lr r m / (sqrt(v) + eps) with Adam's corrections while r is defined (rho > 5), before that p - lr m.

    rho_inf = 2 / (1 - beta2) - 1, rho = rho_inf - 2 t beta2**t / (1 - beta2**t) at step t, and
    r**2 = (rho - 4) (rho - 2) rho_inf / ((rho_inf - 4) (rho_inf - 2) rho). lr >= 0; betas in [0, 1); eps > 0.
    Liu et al. 2020, algorithm 2. Further options and errors: `Optimizer`.

    >>> import numpy as np, tensorgrad as tg
    >>> p = tg.Parameter(np.array([1.0]))
    >>> optimizer = RAdam([p], lr=0.1)
    >>> (p * p).backward()
    >>> optimizer.step()
    >>> p.data.round(6)
    array([0.8])
    """

    slots = ("m", "v")
    hyper: ClassVar = {"lr": Number(1e-3), **betas(0.9, 0.999), "eps": Number(1e-8, above=True)}

    @staticmethod
    def constants(lr, beta1, beta2, eps, step):
        rest, most = 1 - beta2**step, 2 / (1 - beta2) - 1
        rho, size = most - 2 * step * beta2**step / rest, lr / (1 - beta1**step)
        plain, adaptive = size, 0.0
        if rho > 5:
            r = np.sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho))
            plain, adaptive = 0.0, size * r * np.sqrt(rest)
        return beta1, 1 - beta1, beta2, 1 - beta2, plain, adaptive, eps

    @staticmethod
    def rule(p, g, m, v, b1, c1, b2, c2, plain, adaptive, eps):
        m = b1 * m + c1 * g
        v = b2 * v + c2 * g * g
        return p - m * (plain + adaptive / (np.sqrt(v) + eps)), m, v
