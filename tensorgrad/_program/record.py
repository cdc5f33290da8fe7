"""Recording: a step is run once, eagerly, and its kernel calls are taken from the log."""

import functools
import inspect
import random
import types
from typing import Any

import numpy as np

from .. import kernels
from .._tensor import Tensor
from ..kernels import logging, root
from ..nn import Module
from .simplify import simplify
from .trace import NotCompilable, trace


def record(step, arrays):
    """Run `step` on Tensors of these arrays, once, for real. (what it returned, its log).

    Arrays become Tensors, so that all that is computed from them goes through ops. NotCompilable if the step fails so
    before it has changed anything: it may work on plain arrays.
    """
    with logging() as log:
        log.arguments = arrays
        log.watch(around(step))
        before = global_randomness()
        try:
            result = step(*(Tensor(a) for a in arrays))
        except Exception as error:
            for array, before in log.states.values():
                array[...] = before
            if any(id(root(a)) in log.kept and id(root(a)) not in log.states for a, b in _written(log)):
                raise
            for tensor, grad in log.grads.values():
                tensor.grad = grad
            raise NotCompilable(f"the step works on arrays only: {type(error).__name__}: {error}") from error
        after = global_randomness()
        if before != after:
            log.fail("random numbers are drawn from a global generator in the step")
        return result, log


def global_randomness():
    """The states of the global generators of Python and NumPy, for comparing."""
    state: Any = np.random.get_state(legacy=False)
    return random.getstate(), state["state"]["key"].tobytes(), state["state"]["pos"]


def around(function):
    """What a function can see: the values of its closure and of the globals that it names."""
    if isinstance(function, functools.partial):
        return [*function.args, *around(function.func)]
    mine = [function.__self__] if inspect.ismethod(function) else []
    function = inspect.unwrap(getattr(function, "__func__", function))
    if not inspect.isfunction(function):
        return mine
    cells = [c.cell_contents for c in function.__closure__ or () if c != types.CellType()]
    return (
        mine
        + cells
        + [function.__globals__[name] for name in function.__code__.co_names if name in function.__globals__]
    )


def modules_in(values):
    """The models among these, and those that are attributes of objects among them."""
    found = []
    for value in values:
        held = (
            vars(value).values()
            if hasattr(value, "__dict__") and not isinstance(value, type | types.ModuleType)
            else ()
        )
        found += [m for m in (value, *held) if isinstance(m, Module)] if not isinstance(value, Module) else [value]
    return found


def _written(log):
    """(array, declared buffer) of all that the logged kernels wrote."""
    for kernel, arrays in log.rows:
        for a, b in zip(arrays, kernel.buffers, strict=True):
            if b.written:
                yield a, b


def note_states(log):
    """Let a recorded step begin with copies of what it goes on from, for steps that fail: [(array, copy)]."""
    found = list(log.states.values())
    rows = []
    for array, before in found:
        log.kept[id(before)] = before
        note = kernels.note_state if array.dtype == np.float64 else kernels.copy
        rows.append((note, (array.reshape(-1), before.reshape(-1))))
    log.rows[:0] = rows
    return found


def traced(log, outputs):
    """The simplified Trace of a recorded step with these tensors as results; raises NotCompilable."""
    return simplify(trace(log, log.arguments, [t._array if isinstance(t, Tensor) else np.asarray(t) for t in outputs]))
