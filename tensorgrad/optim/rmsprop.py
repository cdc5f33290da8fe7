"""RMSprop: gradients divided by the root of a running mean of their squares."""

from typing import ClassVar

import numpy as np

from ._numbers import Flag, Number
from .optimizer import Optimizer


class RMSprop(Optimizer):
    """s <- alpha s + (1 - alpha) g**2;  b <- momentum b + g / (sqrt(s) + eps);  p <- p - lr b.

    With `centered`, s less the square of the running mean of g takes the place of s. lr >= 0; alpha, momentum in [0, 1);
    eps > 0. Hinton, Srivastava and Swersky 2012, lecture 6e; centred: Graves 2013, equations 38 to 45. Further options and
    errors: `Optimizer`.

    >>> import numpy as np, tensorgrad as tg
    >>> p = tg.Parameter(np.array([1.0]))
    >>> optimizer = RMSprop([p], lr=0.01)
    >>> (p * p).backward()
    >>> optimizer.step()
    >>> p.data.round(6)
    array([0.9])
    """

    slots = ("squares", "mean", "moved")
    hyper: ClassVar = {
        "lr": Number(1e-2),
        "alpha": Number(0.99, below=1),
        "eps": Number(1e-8, above=True),
        "momentum": Number(0.0, below=1),
        "centered": Flag(False),
    }

    @staticmethod
    def constants(lr, alpha, eps, momentum, centered, step):
        return lr, alpha, 1 - alpha, eps, momentum, centered

    @staticmethod
    def rule(p, g, squares, mean, moved, rate, alpha, rest, eps, momentum, centered):
        squares = alpha * squares + rest * g * g
        mean = alpha * mean + rest * g
        spread = np.abs(squares - centered * mean * mean)  # where it is 0, rounding may leave less
        moved = momentum * moved + g / (np.sqrt(spread) + eps)
        return p - rate * moved, squares, mean, moved
