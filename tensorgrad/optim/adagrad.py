"""Adagrad: each number's steps shrink with the sum of its squared gradients."""

from typing import ClassVar

import numpy as np

from ._numbers import Number
from .optimizer import Optimizer


class Adagrad(Optimizer):
    """s <- s + g**2;  p <- p - lr / (1 + (step - 1) lr_decay) g / (sqrt(s + initial_accumulator_value) + eps).

    lr, lr_decay, initial_accumulator_value >= 0; eps > 0. Duchi, Hazan and Singer 2011, figure 1 (diagonal). Further
    options and errors: `Optimizer`.

    >>> import numpy as np, tensorgrad as tg
    >>> p = tg.Parameter(np.array([1.0]))
    >>> optimizer = Adagrad([p], lr=0.1)
    >>> (p * p).backward()
    >>> optimizer.step()
    >>> p.data.round(6)
    array([0.9])
    """

    slots = ("squares",)
    hyper: ClassVar = {
        "lr": Number(1e-2),
        "lr_decay": Number(0.0),
        "initial_accumulator_value": Number(0.0),
        "eps": Number(1e-10, above=True),
    }

    @staticmethod
    def constants(lr, lr_decay, initial, eps, step):
        return lr / (1 + (step - 1) * lr_decay), initial, eps

    @staticmethod
    def rule(p, g, squares, rate, initial, eps):
        squares = squares + g * g
        return p - rate * g / (np.sqrt(squares + initial) + eps), squares
