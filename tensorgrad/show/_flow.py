"""What a model or a tensor was computed from: ops, parameters and inputs, and the layers that they are in."""

import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .._parameter import Parameter
from .._tensor import Tensor
from .._watch import Watch
from ..data.batches import checked_rows
from ..errors import DTypeError, GraphError, OptionError
from ..nn._hooks import Handle

INPUT, PARAMETER, CONSTANT, OP, LAYER = "input", "parameter", "constant", "op", "layer"


@dataclass(eq=False)
class Call:
    """A call of a module."""

    path: str
    name: str  # the module in one line

    def title(self, around) -> str:
        """What it is called inside another, as a model's repr has it.

        >>> Call("blocks.0", "ReLU()").title([Call("blocks", "Sequential")])
        '(0) ReLU()'
        """
        path = self.path.removeprefix(f"{around[-1].path}." if around and around[-1].path else "")
        return f"({path}) {self.name}" if path else self.name


@dataclass(eq=False)
class Part:
    """An array that took part in a calculation, and what it was made of."""

    role: str
    name: str  # of an op, a parameter or an input; of a layer that stands for all inside it that layer
    shape: tuple
    dtype: Any
    layers: tuple = ()  # the Calls that it is inside of, outermost first
    parents: list = field(default_factory=list)
    parameters: int = 0  # numbers, in a layer


def of_model(model, inputs) -> list[Part]:
    """The results of a model for these inputs, with all that they were made of; the model stays as it is."""
    copied = _copied(model)
    arrays = [checked_rows(getattr(x, "_array", x), copied.dtype, "draw: input") for x in inputs]
    floats = [a if a.dtype.kind == "f" else a.astype(copied.dtype) for a in arrays]
    try:
        return _watched(copied, floats)
    except DTypeError:
        if all(a is b for a, b in zip(arrays, floats, strict=True)):
            raise
    return _watched(_copied(model), arrays)  # whole numbers, which an Embedding asks for


def _copied(model):
    """A copy of a model, on the tensor engine."""
    is_scalar = model.engine == "scalar"
    try:
        return model.to("tensor") if is_scalar else copy.deepcopy(model)
    except Exception as error:  # what a model holds may be of any kind, and nested to any depth
        raise OptionError(f"draw: a copy of the model computes, and it cannot be copied: {error}") from error


def _watched(model, arrays) -> list[Part]:
    watch = _Parts(model, arrays := [a.copy() for a in arrays])
    for _, module in model.named_modules():  # one that is watched is called by itself, not together with the next
        Handle(module, "draw", lambda *_: None)
    with watch:
        result = model(*map(Tensor, arrays))
    found = [part for array in _arrays(result) if (part := watch.made(array)) is not None]
    if not any(part.role == OP for part in found):
        raise OptionError(f"draw: {model!r} called no op on its input, there is nothing to draw")
    return found


class _Parts(Watch):
    """Makes Parts of the ops that a model calls, and of the arrays that they take."""

    def __init__(self, model, inputs):
        self.paths = {id(module): path for path, module in model.named_modules()}
        self.names = {id(p.value._array): (PARAMETER, path.rpartition(".")[2]) for path, p in model.named_parameters()}
        self.names |= {id(a): (CONSTANT, path.rpartition(".")[2]) for path, a in model.named_buffers()}
        self.names |= {id(a): (INPUT, f"input {i}" if len(inputs) > 1 else "input") for i, a in enumerate(inputs)}
        self.parts: dict[int, Part] = {}  # by the id of the array
        self.kept: list = []  # arrays: their ids are those of no others

    def entered(self, module):
        name = repr(module)
        return Call(self.paths.get(id(module), ""), type(module).__name__ if "\n" in name else name)

    def forward(self, op, arrays, options, y):
        named = zip(_names(op, arrays), arrays, strict=True)
        parents = [part for name, a in named if (part := self.taken(name, a)) is not None]
        self.parts[id(y)] = Part(OP, op.name, y.shape, y.dtype, self.layers, parents)
        self.kept.append(y)

    def made(self, array):
        """The part that an array is, or is a view of; None if no op, parameter or input made it."""
        while isinstance(array, np.ndarray):
            if id(array) in self.parts:
                return self.parts[id(array)]
            if id(array) in self.names:
                role, name = self.names[id(array)]
                layers = () if role == INPUT else self.layers
                part = self.parts[id(array)] = Part(role, name, array.shape, array.dtype, layers)
                return part
            array = array.base
        return None

    def taken(self, name, array):
        """The part that is an input of an op, which calls it by this name; None for a single number that nothing made."""
        part = self.made(array)
        if part is None and array.size > 1:
            self.kept.append(array)
            part = self.parts[id(array)] = Part(CONSTANT, name, array.shape, array.dtype, self.layers)
        return part


def _names(op, inputs):
    """What an op calls its inputs."""
    names = getattr(op, "inputs", ["x"])
    return names if len(names) == len(inputs) else names[:1] * len(inputs)


def _arrays(result):
    """The arrays of a model's result, which may be one, or several in lists and dicts."""
    if isinstance(result, Parameter):
        result = result.value
    if isinstance(result, Tensor | np.ndarray):
        return [getattr(result, "_array", result)]
    if isinstance(result, dict):
        result = list(result.values())
    return [a for part in result for a in _arrays(part)] if isinstance(result, list | tuple) else []


def of_tensor(root) -> list[Part]:
    """A tensor with all that it was made of, as far as it was recorded."""
    nodes, tensors, seen = [], [root], set()
    for x in tensors:  # which grow until all are found
        node = getattr(x, "_node", None)
        if node is not None and node not in seen:
            if node.inputs is None:
                raise GraphError(
                    f"draw: the graph of {node.op.name!r} was freed by a backward; draw before it, or pass retain_graph=True"
                )
            seen.add(node)
            nodes.append((node, x))
            tensors += node.inputs
    parts: dict = {}
    for node, x in sorted(nodes, key=lambda pair: pair[0].number):
        named = zip(_names(node.op, node.inputs), node.inputs, strict=True)
        parents = [part for name, each in named if (part := _leaf_or_made(name, each, parts)) is not None]
        parts[node] = Part(OP, node.op.name, x.shape, x.dtype, (), parents)
    return [_leaf_or_made("tensor", root, parts)]


def _leaf_or_made(name, x, parts):
    """The part of a tensor, which the op that takes it calls by this name; None for a single number that is constant."""
    key = x if getattr(x, "_node", None) is None else x._node
    key = id(key) if isinstance(key, np.ndarray) else key
    if key not in parts:
        learns = getattr(x, "requires_grad", False)
        if not learns and np.size(x) <= 1 and parts:
            return None
        parts[key] = Part(PARAMETER if learns else CONSTANT, name, np.shape(x), x.dtype)
    return parts[key]


def in_order(results) -> list[Part]:
    """The results and all that they were made of, each after its parents."""
    order, stack, seen = [], list(reversed(results)), set()
    while stack:
        part = stack.pop()
        if part is None:
            order.append(stack.pop())
        elif part not in seen:
            seen.add(part)
            stack += [part, None, *reversed(part.parents)]
    return order


def folded(results, depth) -> list[Part]:
    """The results again, where what is inside more than `depth` layers within the model is one part for each such layer."""
    order = in_order(results)
    boxes: dict = {}
    stands_for: dict = {}
    for part in order:  # each after its parents
        layer = part.layers[depth] if len(part.layers) > depth else None
        if layer is None:
            stands_for[part] = Part(part.role, part.name, part.shape, part.dtype, part.layers)
        else:
            if layer not in boxes:
                title, around = layer.title(part.layers[:depth]), part.layers[:depth]
                boxes[layer] = Part(LAYER, title, part.shape, part.dtype, around)
            stands_for[part] = box = boxes[layer]
            if part.role == PARAMETER:
                box.parameters += int(np.prod(part.shape))
            elif part.role == OP:
                box.shape, box.dtype = part.shape, part.dtype  # of the last
        mine = stands_for[part]
        for parent in part.parents:
            other = stands_for[parent]
            if other is not mine and (layer is None or other not in mine.parents):
                mine.parents.append(other)
    return list(dict.fromkeys(stands_for[part] for part in results))
