"""Adadelta: steps in the units of the weights, from running means of squared gradients and of squared steps."""

from typing import ClassVar

import numpy as np

from ._numbers import Number
from .optimizer import Optimizer


class Adadelta(Optimizer):
    """s <- rho s + (1 - rho) g**2;  d = sqrt(u + eps) / sqrt(s + eps) g;  u <- rho u + (1 - rho) d**2;  p <- p - lr d.

    lr >= 0; rho in [0, 1); eps > 0. Zeiler 2012, algorithm 1 (there lr is 1). Further options and errors: `Optimizer`.

    >>> import numpy as np, tensorgrad as tg
    >>> p = tg.Parameter(np.array([1.0]))
    >>> optimizer = Adadelta([p], eps=0.01)
    >>> (p * p).backward()
    >>> optimizer.step()
    >>> p.data.round(4)
    array([0.6877])
    """

    slots = ("squares", "steps_squared")
    hyper: ClassVar = {"lr": Number(1.0), "rho": Number(0.9, below=1), "eps": Number(1e-6, above=True)}

    @staticmethod
    def constants(lr, rho, eps, step):
        return lr, rho, 1 - rho, eps

    @staticmethod
    def rule(p, g, squares, steps_squared, rate, rho, rest, eps):
        squares = rho * squares + rest * g * g
        move = np.sqrt((steps_squared + eps) / (squares + eps)) * g
        return p - rate * move, squares, rho * steps_squared + rest * move * move
