"""The ops: functions on Tensors, on grids of Values and on plain arrays; each is one record in one of these files.

>>> import numpy as np, tensorgrad as tg
>>> tg.ops.softmax(np.array([0.0, 0.0]))
array([0.5, 0.5])
"""

from .._registry import find
from .elementwise import (
    absolute,
    add,
    cos,
    divide,
    equal,
    exp,
    greater,
    greater_equal,
    less,
    less_equal,
    log,
    maximum,
    minimum,
    multiply,
    negative,
    not_equal,
    positive,
    power,
    relu,
    relu_backward,
    sigmoid,
    sigmoid_backward,
    sign,
    sin,
    sqrt,
    square,
    subtract,
    tanh,
    tanh_backward,
    where,
)
from .linalg import dense, matmul
from .loss import mse_loss, softmax_cross_entropy
from .reduce import log_softmax, logsumexp, max, mean, min, softmax, sum
from .shape import argmax, astype, broadcast_to, concatenate, getitem, reshape, scatter_add, stack, transpose

abs = absolute

__all__ = [
    "abs", "absolute", "add", "argmax", "astype", "broadcast_to", "concatenate", "cos", "dense", "divide", "equal", "exp",
    "find", "getitem", "greater", "greater_equal", "less", "less_equal", "log", "log_softmax", "logsumexp", "matmul", "max",
    "maximum", "mean", "min", "minimum", "mse_loss", "multiply", "negative", "not_equal", "positive", "power", "relu",
    "relu_backward", "reshape", "scatter_add", "sigmoid", "sigmoid_backward", "sign", "sin", "softmax",
    "softmax_cross_entropy", "sqrt", "square", "stack", "subtract", "sum", "tanh", "tanh_backward", "transpose", "where",
]  # fmt: skip
