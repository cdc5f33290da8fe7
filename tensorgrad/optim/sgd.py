"""Stochastic gradient descent, with momentum."""

from typing import ClassVar

from .. import kernels
from .optimizer import Number, Optimizer


class SGD(Optimizer):
    """v <- momentum v + (g + weight_decay p);  p <- p - lr v.

    lr >= 0; momentum in [0, 1); weight_decay >= 0 is added to the gradient. Momentum: Polyak 1964; in this form
    Sutskever et al. 2013. Raises OptionError for numbers out of range and lists of parameters that cannot be trained.

    >>> import numpy as np, tensorgrad as tg
    >>> p = tg.Parameter(np.array([1.0]))
    >>> optimizer = SGD([p], lr=0.1)
    >>> (p * p).backward()
    >>> optimizer.step()
    >>> p.data
    array([0.8])
    """

    slots = ("velocity",)
    hyper: ClassVar = {"lr": Number(), "momentum": Number(below=1), "weight_decay": Number()}
    kernel = kernels.sgd

    def __init__(self, parameters, lr, momentum=0.0, weight_decay=0.0):
        super().__init__(parameters, lr=lr, momentum=momentum, weight_decay=weight_decay)

    @staticmethod
    def rule(p, g, velocity, lr, momentum, weight_decay, step):
        velocity = momentum * velocity + (g + weight_decay * p)
        return p - lr * velocity, velocity
