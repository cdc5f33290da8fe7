"""numba loops: arrays in, arrays out, no word of autograd.

Every kernel is declared once, with the extents of its buffers: `kernels.dense` is `x[m,k] w[k,n] b[n] out[m,n]`.
"""

from ._compile import Kernel, kernel, logging
from .elementwise import (
    absolute,
    add,
    copy,
    cos,
    divide,
    exp,
    log,
    maximum,
    minimum,
    multiply,
    negative,
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
from .losses import first_outside, softmax_cross_entropy
from .products import (
    dense,
    dense_backward,
    dense_backward_first,
    dense_relu,
    dense_relu_backward,
    dense_relu_backward_first,
    matmul,
)
from .reductions import (
    all_finite,
    divide_rows,
    log_of_sum,
    max_rows,
    min_rows,
    shifted_exp,
    subtract_rows,
    sum_columns,
    sum_rows,
)
from .updates import adam, sgd

__all__ = ["Kernel", "all_finite", "first_outside", "kernel", "logging", *Kernel.registry]
