"""Optimizers; one set for both engines."""

from .adam import Adam
from .optimizer import Optimizer
from .sgd import SGD

__all__ = ["SGD", "Adam", "Optimizer"]


def __getattr__(name):
    raise AttributeError(f"tensorgrad.optim has no {name!r}; it has {', '.join(__all__)}")
