"""The ops: functions on Tensors, on grids of Values and on plain arrays; each is one record in one of these files.

>>> import numpy as np, tensorgrad as tg
>>> tg.ops.softmax(np.array([0.0, 0.0]))
array([0.5, 0.5])
"""

from .._registry import find
from .activations import (
    celu,
    clamp,
    clip,
    elu,
    gelu,
    gelu_erf,
    gelu_tanh,
    hard_sigmoid,
    hard_swish,
    hardtanh,
    leaky_relu,
    log_sigmoid,
    logaddexp,
    mish,
    prelu,
    relu6,
    selu,
    silu,
    softplus,
    softsign,
    swish,
)
from .elementwise import (
    absolute,
    add,
    divide,
    equal,
    greater,
    greater_equal,
    less,
    less_equal,
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
    sqrt,
    square,
    subtract,
    tanh,
    tanh_backward,
    where,
)
from .functions import (
    arccos,
    arcsin,
    arctan,
    cos,
    cosh,
    erf,
    exp,
    expm1,
    log,
    log1p,
    log2,
    reciprocal,
    sin,
    sinh,
    tan,
)
from .indexing import diagonal, getitem, scatter_add, take, take_along_axis
from .linalg import dense, matmul
from .linear_algebra import cholesky, cofactors, det, inv, slogdet, solve
from .loss import mse_loss, softmax_cross_entropy
from .moments import (
    norm,
    std,
    var,
    vector_norm,
)
from .products import dot, einsum, outer, tensordot, trace
from .rearrange import array_split, flip, pad, repeat, roll, split, tile, tril, triu
from .reduce import (
    argmax,
    argmin,
    cumsum,
    cumsum_backward,
    max,
    mean,
    min,
    prod,
    sum,
)
from .shape import (
    astype,
    broadcast_to,
    concatenate,
    expand_dims,
    moveaxis,
    ravel,
    reshape,
    squeeze,
    stack,
    swapaxes,
    transpose,
)
from .softmax import log_softmax, logsumexp, softmax

abs = absolute

__all__ = [
    "abs", "absolute", "add", "arccos", "arcsin", "arctan", "argmax", "argmin", "array_split", "astype", "broadcast_to", "celu",
    "cholesky", "clamp", "clip", "cofactors", "concatenate", "cos", "cosh", "cumsum", "cumsum_backward", "dense", "det",
    "diagonal", "divide", "dot", "einsum", "elu", "equal", "erf", "exp", "expand_dims", "expm1", "find", "flip", "gelu",
    "gelu_erf", "gelu_tanh", "getitem", "greater", "greater_equal", "hard_sigmoid", "hard_swish", "hardtanh", "inv",
    "leaky_relu", "less", "less_equal", "log", "log1p", "log2", "log_sigmoid", "log_softmax", "logaddexp", "logsumexp",
    "matmul", "max", "maximum", "mean", "min", "minimum", "mish", "moveaxis", "mse_loss", "multiply", "negative", "norm",
    "not_equal", "outer", "pad", "positive", "power", "prelu", "prod", "ravel", "reciprocal", "relu", "relu6", "relu_backward",
    "repeat", "reshape", "roll", "scatter_add", "selu", "sigmoid", "sigmoid_backward", "sign", "silu", "sin", "sinh", "slogdet",
    "softmax", "softmax_cross_entropy", "softplus", "softsign", "solve", "split", "sqrt", "square", "squeeze", "stack", "std",
    "subtract", "sum", "swapaxes", "swish", "take", "take_along_axis", "tan", "tanh", "tanh_backward", "tensordot", "tile",
    "trace", "transpose", "tril", "triu", "var", "vector_norm", "where",
]  # fmt: skip
