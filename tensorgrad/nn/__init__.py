"""Layers, models and losses; one set for both engines."""

from .activations import ReLU, Sigmoid, Softmax, Tanh
from .dense import Dense
from .losses import CrossEntropyLoss, MSELoss
from .module import Module
from .sequential import Sequential

__all__ = ["CrossEntropyLoss", "Dense", "MSELoss", "Module", "ReLU", "Sequential", "Sigmoid", "Softmax", "Tanh"]


def __getattr__(name):
    raise AttributeError(f"tensorgrad.nn has no {name!r}; it has {', '.join(__all__)}")
