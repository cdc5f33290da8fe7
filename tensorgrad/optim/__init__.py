"""Optimizers and schedules of their learning rates; one set for both engines."""

from . import schedules
from .adam import Adam
from .optimizer import Optimizer
from .sgd import SGD

__all__ = ["SGD", "Adam", "Optimizer", "schedules"]


def __getattr__(name):
    raise AttributeError(f"tensorgrad.optim has no {name!r}; it has {', '.join(__all__)}")
