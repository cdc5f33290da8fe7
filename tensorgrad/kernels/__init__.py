"""numba loops: arrays in, arrays out, no word of autograd.

Every kernel is declared once, with the extents of its buffers: `kernels.dense` is `x[M,k] w[k,n] b[n] -> out[M,n]`.
What is declared is exported: a new kernel needs no line here, only a new file does.
"""

import inspect
import typing

from ._compile import Kernel, kernel
from ._compiling import compiling
from ._log import Log, constant, current, is_readable, kept, kept_state, logging, readable, root
from ._rows import Segment, address, call_row, place, row_of, walk
from ._share import LARGE, cores, setting, share, share_sums, threads_allowed
from .convolution import Geometry, backward_plan, convolution_workspace, forward_plan, input_plan, turned_shape
from .losses import first_outside, outside
from .normalisation import BLOCK
from .pooling import MANY
from .products import FIRST, LARGEST_PRODUCT, LARGEST_W, alone, workspace

if typing.TYPE_CHECKING:  # for tools that read names and run nothing
    from .channels import *
    from .clipping import *
    from .convolution import *
    from .elementwise import *
    from .embedding import *
    from .losses import *
    from .moments import *
    from .moves import *
    from .normalisation import *
    from .penalties import *
    from .pooling import *
    from .products import *
    from .random import *
    from .reductions import *
    from .softmax import *
    from .threads import *
    from .updates import *
else:
    from . import (
        channels,
        clipping,
        convolution,
        elementwise,
        embedding,
        losses,
        moments,
        moves,
        normalisation,
        penalties,
        pooling,
        products,
        random,
        reductions,
        softmax,
        threads,
        updates,
    )

    globals().update(Kernel.registry)

__all__ = [name for name, value in vars().items() if name[0] != "_" and not inspect.ismodule(value)]
