"""Layers, models and losses; one set for both engines."""

from .activations import (
    CELU,
    ELU,
    GELU,
    SELU,
    Hardsigmoid,
    Hardswish,
    Hardtanh,
    LeakyReLU,
    LogSigmoid,
    LogSoftmax,
    Mish,
    PReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
)
from .dense import Dense
from .functional import functional_call
from .losses import CrossEntropyLoss, MSELoss
from .module import Module
from .sequential import Sequential

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "SELU",
    "CrossEntropyLoss",
    "Dense",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "MSELoss",
    "Mish",
    "Module",
    "PReLU",
    "ReLU",
    "ReLU6",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Softsign",
    "Tanh",
    "functional_call",
]  # fmt: skip


def __getattr__(name):
    raise AttributeError(f"tensorgrad.nn has no {name!r}; it has {', '.join(__all__)}")
