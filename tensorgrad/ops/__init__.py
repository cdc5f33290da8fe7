"""The ops: functions on Tensors, on grids of Values and on plain arrays; each is one record in one of these files.

>>> import numpy as np, tensorgrad as tg
>>> tg.ops.softmax(np.array([0.0, 0.0]))
array([0.5, 0.5])

What is on record is exported: a new op needs no line here.
"""

# mypy: disable-error-code="has-type"
from typing import TYPE_CHECKING

from .._registry import OPS, find

if TYPE_CHECKING:  # for tools that read names and run nothing
    from .activations import *
    from .batch_normalisation import *
    from .comparisons import *
    from .convolution import *
    from .convolution1d import *
    from .elementwise import *
    from .embedding import *
    from .functions import *
    from .indexing import *
    from .linalg import *
    from .linear_algebra import *
    from .loss import *
    from .moments import *
    from .normalisation import *
    from .pointwise_losses import *
    from .pooling import *
    from .products import *
    from .random import *
    from .rearrange import *
    from .reduce import *
    from .shape import *
    from .softmax import *
    from .transposed import *
else:
    from . import (
        activations,
        batch_normalisation,
        comparisons,
        convolution,
        convolution1d,
        elementwise,
        embedding,
        functions,
        indexing,
        linalg,
        linear_algebra,
        loss,
        moments,
        normalisation,
        pointwise_losses,
        pooling,
        products,
        random,
        rearrange,
        reduce,
        shape,
        softmax,
        transposed,
    )

    globals().update(OPS)

# Called as NumPy's are, over records that take arrays one by one or give one array.
from .linear_algebra import slogdet
from .products import einsum
from .shape import concatenate, stack

absolute, swish = OPS["abs"], OPS["silu"]

__all__ = ["absolute", "find", "swish", *OPS]
