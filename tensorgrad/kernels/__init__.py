"""numba loops: arrays in, arrays out, no word of autograd.

Every kernel is declared once, with the extents of its buffers: `kernels.dense` is `x[M,k] w[k,n] b[n] -> out[M,n]`.
"""

from ._compile import Kernel, kernel
from ._log import Log, constant, current, is_readable, kept, kept_state, logging, readable, root
from ._rows import Segment, address, call_row, place, row_of, walk
from ._share import LARGE, cores, setting, share, share_sums, threads_allowed
from .channels import (
    batch_norm,
    batch_norm_backward,
    batch_norm_slopes,
    batch_norm_slopes_of_blocks,
    batch_norm_tilts,
    batch_spread,
    batch_spread_of_blocks,
    batch_statistics,
    batch_sums,
    block_moments,
    group_norm,
    group_norm_backward,
    known_statistics,
    scale_columns,
    statistics_backward,
    sum_slopes,
    update_running,
)
from .convolution import (
    Geometry,
    backward_plan,
    convolve,
    convolve_backward,
    convolve_backward_first,
    convolve_relu,
    convolve_relu_backward,
    convolve_relu_backward_first,
    forward_plan,
    input_plan,
    turned_shape,
    turned_weights,
)
from .convolution import workspace as convolution_workspace
from .elementwise import (
    absolute,
    absolute_backward,
    add,
    copy,
    cos,
    cos_backward,
    divide,
    equal,
    exp,
    greater,
    greater_equal,
    larger_share,
    less,
    less_equal,
    log,
    maximum,
    minimum,
    multiply,
    negative,
    not_equal,
    power,
    power_backward_base,
    power_backward_exponent,
    relu,
    relu_backward,
    sigmoid,
    sigmoid_backward,
    sign,
    sin,
    sin_backward,
    sqrt,
    sqrt_backward,
    square,
    square_backward,
    subtract,
    tan,
    tan_backward,
    tanh,
    tanh_backward,
    where,
)
from .embedding import embedding, embedding_backward
from .losses import first_outside, outside, softmax_cross_entropy
from .moments import (
    norm_backward,
    norm_over,
    std_backward,
    var_backward,
    var_over,
)
from .moves import (
    advance,
    fill,
    from_booleans,
    from_integers,
    gather,
    gather_integers,
    keep_rows,
    move_along,
    narrow,
    put,
    put_columns,
    scatter_add,
    set_rate,
    spread_columns,
    spread_rows,
    spread_to_columns,
    store,
    take,
    take_booleans,
    take_columns,
    take_integers,
    widen,
)
from .normalisation import (
    BLOCK,
    layer_norm,
    layer_norm_backward,
    layer_norm_backward_blocks,
    rms_norm,
    rms_norm_backward,
    rms_norm_backward_blocks,
)
from .penalties import elastic_net, elastic_net_backward
from .pooling import (
    MANY,
    avg_pool,
    avg_pool_backward,
    max_pool,
    max_pool_backward,
    max_pool_of_many,
    max_pool_of_many_backward,
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
from .random import channel_dropout, channel_dropout_backward, draw_ticket, dropout, gaussian_noise, note_state
from .reductions import (
    argmax_rows,
    argmin_rows,
    cumsum,
    cumsum_backward,
    extreme_backward,
    max_over,
    min_over,
    prod_backward,
    prod_over,
    sum_columns,
    sum_over,
    sum_rows,
)
from .softmax import (
    log_softmax,
    log_softmax_backward,
    logsumexp,
    logsumexp_backward,
    softmax,
    softmax_backward,
)
from .threads import fetch, meet, sum_parts
from .updates import adam, check_finite, sgd, stop_if, tick

__all__ = [
    "BLOCK", "FIRST", "LARGE", "LARGEST_PRODUCT", "LARGEST_W", "MANY", "Kernel", "Log", "Segment", "address", "alone",
    "call_row", "constant", "current", "first_outside", "is_readable", "cores", "kept", "kept_state", "kernel", "logging",
    "outside", "place", "readable", "root", "row_of", "setting", "share", "threads_allowed", "walk", "workspace",
    *Kernel.registry,
]  # fmt: skip
