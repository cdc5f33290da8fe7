"""The tape: what a recorded op leaves behind, and the walk back over it.

A node is numbered when it is made, so the reverse of the numbers is an order in which every node comes after all that
used its output: a heap of the pending nodes is the whole of the scheduling. Nodes know their inputs and nothing knows
its users: there are no cycles, and a graph is freed by reference counting.
"""

import functools
import inspect
import itertools
import threading
from heapq import heappop, heappush
from typing import Any

import numpy as np

from ._registry import OPS
from .errors import GraphError, ShapeError
from .kernels import constant, current

tick = itertools.count(1).__next__  # one clock numbers the nodes and the changes of leaves


class _Mode(threading.local):
    outer: tuple | list = ()  # what `recording` was before each no_grad that was entered
    recording = True  # ops on tensors that require gradients leave nodes
    watch: Any = None  # a Watch, who is told of every op, module and gradient


mode = _Mode()


class _Changes:
    last = 0  # when a leaf was last changed in place, on the clock


changes = _Changes()


def changed(tensors):
    """Note that the numbers of these leaves were changed in place: graphs that used the old ones will refuse to go back."""
    changes.last = now = tick()
    for tensor in tensors:
        tensor._changed = now


class no_grad:
    """Record nothing inside the `with` block (or the decorated function): results require no gradient.

    >>> import tensorgrad as tg
    >>> x = tg.tensor(2.0, requires_grad=True)
    >>> with tg.no_grad():
    ...     print((x * x).requires_grad)
    False
    """

    def __new__(cls, function=None):
        self = super().__new__(cls)
        return self if function is None else self(function)

    def __enter__(self):
        mode.outer = [*mode.outer, mode.recording]  # of this thread: one no_grad may be entered several times
        mode.recording = False

    def __exit__(self, *_):
        *mode.outer, mode.recording = mode.outer

    def __call__(self, function):
        if inspect.isgeneratorfunction(function):
            raise GraphError(
                "no_grad: a generator runs after the call has returned; use `with tg.no_grad():` inside it"
            )

        @functools.wraps(function)
        def wrapped(*args, **kwargs):
            with no_grad():
                return function(*args, **kwargs)

        return wrapped


class Node:
    """One recorded call of an op: its inputs, its options, and what its forward saved for the backward."""

    __slots__ = ("inputs", "needs", "number", "op", "options", "saved")

    def __init__(self, op, inputs, options, saved, needs):
        self.op, self.inputs, self.options, self.saved, self.needs = op, inputs, options, saved, needs
        self.number = tick()

    def check(self):
        """Raise GraphError if the graph was freed, or an input that the backward reads was changed since."""
        if self.inputs is None:
            raise GraphError(
                f"backward: the graph of {self.op.name!r} was freed by an earlier backward; "
                "pass retain_graph=True to that one to go through it again"
            )
        if self.number > changes.last:
            return
        for i in self.op.reads(self.needs):
            x = self.inputs[i]
            if type(x) is not np.ndarray and x._changed > self.number:
                raise GraphError(
                    f"backward of {self.op.name!r}: its input of shape {x.shape} was changed in place after it was used; "
                    "change it after backward, or use a copy"
                )


def backward(root, g, retain_graph):
    """Add to the `.grad` of every leaf; see Tensor.backward."""
    if not root.requires_grad:
        raise GraphError(
            "backward: nothing was recorded, as no tensor in this calculation has requires_grad=True: all parameters "
            "are frozen (model.unfreeze() lets them train), a forward made plain arrays of its tensors (by .numpy() or "
            "np.array; use the tensors themselves, with NumPy's functions or tg.ops), or it ran under tg.no_grad()"
        )
    array = root._array
    if g is None:
        if array.size != 1:
            raise ShapeError(
                f"backward: the tensor has shape {array.shape}; only a scalar has a default gradient: "
                "reduce it with .sum() or .mean(), or pass g="
            )
        g = constant(np.array(1, array.dtype).reshape(array.shape))
    else:
        g = np.asarray(getattr(g, "_array", g), dtype=array.dtype).view()  # a view is copied where a leaf gets it
        if current.log is not None:
            current.log.fail("backward was given a gradient")
        if g.shape != array.shape:
            raise ShapeError(f"backward: g has shape {g.shape}, the tensor has {array.shape}; they must be equal")
    found = {root: g}  # leaf -> gradient: handed out when the walk is done, so that one that fails changes nothing
    if root._node is not None:
        found = {}
        _walk({root._node: g}, found, free=not retain_graph)
    _hand_out(found)


def _hand_out(found):
    """Add to the leaves' `.grad`; each gets an array of its own, which nothing else shares."""
    owned, log = set(), current.log
    for x, gx in found.items():
        if log is not None:
            log.graded.add(id(x))
        if type(gx) is not np.ndarray:  # NumPy makes bare numbers of results without axes
            gx = np.asarray(gx)
        if x.grad is not None:
            x.grad = np.asarray(accumulate(x.grad, gx))
            continue
        if gx.base is not None or not gx.flags.c_contiguous or id(gx) in owned:
            gx = gx.copy(order="C") if log is None else OPS["positive"](gx)
        x.grad = gx
        owned.add(id(gx))


def gradients(roots, gs, wanted, recorded=True):
    """Gradients of the `wanted` tensors (each the result of an op), given those of the roots; None where there is none.

    If it is `recorded`, gs and the results are Tensors, which can be differentiated again; else arrays.
    """
    results = {x._node: None for x in wanted}
    pending: dict = {}
    for root, g in zip(roots, gs, strict=True):
        if root._node is not None:
            found = results if root._node in results else pending  # the function returned its argument
            before = found.get(root._node)
            found[root._node] = g if before is None else accumulate(before, g)
    _walk(pending, None, free=False, recorded=recorded, stop=results)
    return [results[x._node] for x in wanted]


def made_from(roots, places):
    """What the roots were made from: what else requires a gradient, and the nodes of those `places` that were met.

    What requires a gradient are leaves, and the places in the graph that other derivatives are just being taken by. The
    search does not go beyond a place.
    """
    stops, others, seen, stack = {x._node for x in places}, set(), set(), list(roots)
    while stack:
        x = stack.pop()
        node = getattr(x, "_node", None)
        if node is None or (True not in node.needs and node not in stops):
            if getattr(x, "requires_grad", False):
                others.add(x)
        elif node not in seen:
            seen.add(node)
            if node not in stops:
                node.check()
                stack += node.inputs
    return others, seen & stops


@np.errstate(all="ignore")  # infinities and NaN are results, as in the forward
def _walk(pending, found, free, recorded=False, stop=()):
    """Take the pending nodes in reverse order of making; hand gradients on to inputs, those of leaves to `found`."""
    oldest = min(node.number for node in stop) if stop else -1
    heap = [(-node.number, node) for node in pending]
    while heap:
        node = heappop(heap)[1]
        g = pending.pop(node)
        node.check()
        for x, gx, need in zip(node.inputs, node.op.pull(node, g, recorded), node.needs):  # noqa: B905
            if not need:
                continue
            if gx.shape != x._array.shape:
                gx = unbroadcast(gx, x._array.shape)
            parent = x._node
            if parent is None:
                if found is not None:
                    found[x] = gx if x not in found else accumulate(found[x], gx)
            elif parent in pending:
                pending[parent] = accumulate(pending[parent], gx)
            elif parent in stop:
                stop[parent] = gx if stop[parent] is None else accumulate(stop[parent], gx)
            elif parent.number > oldest:
                pending[parent] = gx
                heappush(heap, (-parent.number, parent))
        if free:
            node.inputs = node.saved = None


def accumulate(total, g):
    """The sum of two gradients of one tensor that was used twice."""
    return total + g if current.log is None else OPS["add"](total, g)


def unbroadcast(g, shape):
    """Sum a gradient over the axes that broadcasting added or stretched: the one place where this happens."""
    extra = g.ndim - len(shape)
    stretched = tuple(i for i in range(extra, g.ndim) if shape[i - extra] == 1 and g.shape[i] != 1)
    axes = tuple(range(extra)) + stretched
    return OPS["reshape"](OPS["sum"](g, axes), shape)
