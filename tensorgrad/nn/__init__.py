"""Layers, models and losses; one set for both engines."""

from . import initialisers
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
from .embedding import Embedding
from .functional import functional_call
from .losses import CrossEntropyLoss, MSELoss
from .module import Module
from .normalisation import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, RMSNorm
from .sequential import Sequential
from .structure import Flatten, Identity, Lambda, Parallel, Reshape, Residual

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "SELU",
    "BatchNorm",
    "CrossEntropyLoss",
    "Dense",
    "Embedding",
    "Flatten",
    "GroupNorm",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "Identity",
    "InstanceNorm",
    "Lambda",
    "LayerNorm",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "MSELoss",
    "Mish",
    "Module",
    "PReLU",
    "Parallel",
    "RMSNorm",
    "ReLU",
    "ReLU6",
    "Reshape",
    "Residual",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Softsign",
    "Tanh",
    "functional_call",
    "initialisers",
]  # fmt: skip


def __getattr__(name):
    raise AttributeError(f"tensorgrad.nn has no {name!r}; it has {', '.join(__all__)}")
