"""numba loops: arrays in, arrays out, no word of autograd.

Every kernel is declared once, with the extents of its buffers: `kernels.dense` is `x[M,k] w[k,n] b[n] -> out[M,n]`.
"""

from ._compile import Kernel, kernel
from ._log import Log, constant, current, is_readable, kept, logging, readable, root
from ._rows import Segment, address, call_row, place, row_of, walk
from .elementwise import (
    absolute,
    add,
    copy,
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
from .losses import first_outside, outside, softmax_cross_entropy
from .moves import (
    advance,
    fill,
    from_booleans,
    from_integers,
    gather,
    gather_integers,
    keep_rows,
    narrow,
    next_axis,
    put,
    scatter_add,
    set_rate,
    spread_columns,
    spread_rows,
    store,
    take,
    whole_rows,
    widen,
)
from .products import (
    FIRST,
    LARGEST_PRODUCT,
    LARGEST_W,
    alone,
    dense,
    dense_backward,
    dense_backward_first,
    dense_relu,
    dense_relu_backward,
    dense_relu_backward_first,
    input_gradient,
    matmul,
    weight_gradient,
    workspace,
)
from .reductions import (
    argmax_rows,
    divide_rows,
    extreme_backward,
    log_of_sum,
    max_rows,
    min_rows,
    shifted_exp,
    subtract_rows,
    sum_columns,
    sum_rows,
)
from .threads import fetch, meet, sum_parts
from .updates import adam, check_finite, sgd, stop_if, tick

__all__ = [
    "FIRST", "LARGEST_PRODUCT", "LARGEST_W", "Kernel", "Log", "Segment", "address", "alone", "call_row", "constant",
    "current", "first_outside", "is_readable", "kept", "kernel", "logging", "outside", "place", "readable", "root",
    "row_of", "walk", "workspace", *Kernel.registry,
]  # fmt: skip
