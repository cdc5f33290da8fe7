"""Recording: a step is run once, eagerly, and its kernel calls are taken from the log."""

import numpy as np

from .._tensor import Tensor
from ..kernels import logging, root
from .simplify import simplify
from .trace import NotCompilable, trace


def record(step, arrays):
    """Run `step` on Tensors of these arrays, once, for real. (what it returned, its log).

    Arrays become Tensors, so that all that is computed from them goes through ops. NotCompilable if the step fails so
    before it has changed anything: it may work on plain arrays.
    """
    with logging() as log:
        log.arguments = arrays
        try:
            return step(*(Tensor(a) for a in arrays)), log
        except Exception as error:
            if any(id(root(a)) in log.kept for a, b in _written(log)):
                raise
            raise NotCompilable(f"the step works on arrays only: {type(error).__name__}: {error}") from error


def _written(log):
    """(array, declared buffer) of all that the logged kernels wrote."""
    for kernel, arrays in log.rows:
        for a, b in zip(arrays, kernel.buffers, strict=True):
            if b.written:
                yield a, b


def traced(log, outputs):
    """The simplified Trace of a recorded step with these tensors as results; raises NotCompilable."""
    return simplify(trace(log, log.arguments, [t._array if isinstance(t, Tensor) else np.asarray(t) for t in outputs]))
