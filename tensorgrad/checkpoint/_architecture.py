"""Models as plain JSON: the class of each module, the options that it was made with, and what is inside it.

Only classes of `nn` are made again, by calling them with options and modules; nothing in a description is run.
"""

import inspect
import json
import math

import numpy as np

from .. import nn
from .._options import flag, frozen, number
from .._parameter import Parameter
from .._tensor import FLOATS
from ..errors import CheckpointError, OptionError, ShapeError, choose
from ..nn import Module
from ..nn._making import Allowance, Given, made_from
from ..nn.initialisers import INITIALISERS

CLASSES = {n: c for n, c in vars(nn).items() if n in nn.__all__ and isinstance(c, type) and issubclass(c, Module)}
_MOST_BITS = 4096  # of a whole number: Python reads about three times as many
_OF_ALL = ("_given", "_hooks", "_penalties", "training")  # attributes that are no options


class _NoJSON(Exception):
    """A value is not one that JSON has."""


class UnknownInitialiser:
    """Stands for a function that drew weights, and that is no name of `nn.initialisers`: its code is in no file.

    Raises OptionError where weights are to be drawn anew.
    """

    def __init__(self, name):
        self.__name__ = name

    def __call__(self, rng, shape):
        raise OptionError(
            f"init: these weights were drawn by a function {self.__name__!r}, which is not in the file that the model was "
            "loaded from; make the layer anew to draw others"
        )


# ---- describing -------------------------------------------------------------------------------------------------------
def described(model):
    """{path: entry} of the modules of a model, those that are inside others first; a shared one comes once."""
    paths = {id(module): path for path, module in model.named_modules()}
    names = {id(x): name for found in (model.named_parameters(), model.named_buffers()) for name, x in found}
    return {paths[id(module)]: _entry(module, paths, names) for module in _inside_first(model)}


def _inside_first(model):
    """All modules, each after those inside it."""
    seen: set = set()
    stack = [(model, False)]
    while stack:
        module, done = stack.pop()
        if done:
            yield module
        elif id(module) not in seen:
            seen.add(id(module))
            stack.append((module, True))
            stack += [(child, False) for _, child in reversed([*module.children()])]


def _entry(module, paths, names):
    """What is said of one module; "unknown" says why it cannot be made again."""
    kind, children = type(module), dict(module.children())
    entry = {"class": kind.__name__}
    if CLASSES.get(kind.__name__) is not kind:
        entry |= {"class": f"{kind.__module__}.{kind.__qualname__}", "unknown": "it is a class of your own"}
    else:
        try:
            options, attributes = _options(module, children)
            entry |= {"options": options} | ({"attributes": attributes} if attributes else {})
        except _NoJSON as error:
            entry["unknown"] = str(error)
    parts = {
        "modules": {name: paths[id(child)] for name, child in children.items()},
        "arrays": {name: names[id(x)] for name, x in _arrays(module).items()},
        "penalties": [list(penalty) for penalty in module._penalties],
    }
    return entry | {name: part for name, part in parts.items() if part} | {"training": module.training}


def _arrays(module):
    """{name: Parameter or buffer} of what is directly in a module."""
    buffers = {name: vars(module)[name] for name in module.buffers if vars(module).get(name) is not None}
    return module.own_parameters() | buffers


def _options(module, children):
    """The options that make such a module, and the attributes that it has beside those; _NoJSON where it is not made so.

    They are those that it was made with, or where attributes of their names have other values since, those values.
    """
    signature = _signature(type(module))
    options = _given(module, children)
    changed, added = _different(module, options, children)
    if given := [name for name in changed if name in signature]:
        options |= {name: _option(vars(module).get(name), name) for name in given}
        changed, added = _different(module, options, children)
    changed += [name for name in added if name in signature or name[0] == "_" or hasattr(type(module), name)]
    if changed:
        raise _NoJSON(f"its {changed[0]} was changed by hand")
    return options, {name: _plain(vars(module)[name], name) for name in added}


def _given(module, children):
    """The options that a module was given, as JSON has them; its seed is not among them, its dtype is what it has become."""
    signature, given = _signature(type(module)), vars(module).get("_given", Given((), {}))
    options = inspect.Signature(signature.values()).bind(*given.args, **given.kwargs).arguments
    left_out = {"rng", "dtype", *children}
    if arranges := isinstance(module, nn.Sequential):  # its positional arguments are modules
        left_out |= {name for name, p in signature.items() if p.kind is p.VAR_POSITIONAL}
    if strange := [name for name in children if name not in signature and not (arranges and name.isdecimal())]:
        raise _NoJSON(f"its {strange[0]} is a module that was put in by hand")
    plain = {name: _option(value, name) for name, value in options.items() if name not in left_out}
    return plain | ({"dtype": str(module.dtype)} if "dtype" in signature else {})


def _signature(kind):
    """{name: parameter} of what a class is called with."""
    return {} if kind.__init__ is object.__init__ else dict([*inspect.signature(kind.__init__).parameters.items()][1:])


def _different(module, options, children):
    """The names of attributes that a module made with these options has otherwise, or lacks; and of those beside its own."""
    try:
        again = _made(type(module), options, children, Allowance())
    except Exception as error:  # of whatever kind, such options make no such layer
        raise _NoJSON(f"its options are refused: {error}") from None
    mine, its = ({n: x for n, x in vars(m).items() if n not in _OF_ALL} for m in (module, again))
    changed = [n for n in its if n not in mine or not _same(mine[n], its[n], n in module.buffers)]
    return changed, [n for n in mine if n not in its]


def _same(a, b, is_buffer):
    """Whether two attributes will be the same once the arrays of a file are filled in."""
    if isinstance(a, Parameter) or is_buffer:
        return type(a) is type(b) and np.shape(a) == np.shape(b)
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, tuple) and isinstance(b, tuple) and any(isinstance(x, Module) for x in a):
        return len(a) == len(b) and all(x is y for x, y in zip(a, b, strict=True))
    if a is b or isinstance(b, UnknownInitialiser):
        return True
    try:
        return json.dumps(_plain(a)) == json.dumps(_plain(b))
    except _NoJSON:
        return False


def _option(value, name):
    """An option as JSON has it: an initialiser by its name, lists and arrays as tuples, which constructors take as well."""
    if name == "init" and callable(value):
        known = next((n for n, function in INITIALISERS.items() if function is value), None)
        return known or {"function": str(getattr(value, "__name__", type(value).__name__))}
    return _plain(frozen(value.tolist() if isinstance(value, np.ndarray) else value), name)


def _plain(value, name=""):
    """A value as JSON has it, an object with one key for what it has not; _NoJSON if there is no way."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        raise _NoJSON(
            f"its {name or 'option'} is a whole number of {value.bit_length():,} bits, which a file cannot hold"
        )
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": str(value)}
    if type(value) in (tuple, list):  # and not of a subclass, which may do more
        inside = [_plain(v, name) for v in value]
        return inside if isinstance(value, tuple) else {"list": inside}
    if type(value) is dict:
        return {"dict": [[_plain(k, name), _plain(v, name)] for k, v in value.items()]}
    raise _NoJSON(f"its {name or 'option'} is a {type(value).__name__}, which a file cannot hold")


# ---- making again -----------------------------------------------------------------------------------------------------
def rebuilt(what, modules, arrays, parameter):
    """The model of a description: {path: entry} and {name: array} -> a Module with these numbers.

    `parameter(name)` gives the Parameter of a name, the same one each time. CheckpointError that begins with `what` for a
    model that cannot be made, saying all that stands in the way.
    """
    if not isinstance(modules, dict) or not all(isinstance(entry, dict) for entry in modules.values()):
        raise CheckpointError(f"{what} describes no model: its modules are no dicts")
    unknown = [f"{_place(path, e)}: {e['unknown']}" for path, e in modules.items() if "unknown" in e]
    if unknown:
        raise CheckpointError(
            f"{what} holds what tg.load cannot make: {'; '.join(unknown)}. Make the model yourself and fill it: "
            "tg.load(path, into=model)"
        )
    made: dict = {}
    allowance = Allowance(2**20 + 4 * sum(x.size for x in arrays.values()))
    for path, entry in modules.items():
        try:
            made[path] = _remade(entry, made, arrays, parameter, allowance)
        except Exception as error:  # a description that somebody has made to be wrong can fail anywhere
            raise CheckpointError(f"{what} describes no model: {_place(path, entry)}: {error}") from error
    model = made.get("")
    if model is None:
        raise CheckpointError(f"{what} describes no model: it has no module without a path")
    own = dict(model.named_parameters()) | dict(model.named_buffers())
    if own.keys() != arrays.keys():
        raise CheckpointError(
            f"{what} describes another model: its arrays are {[*own]}, and those of the file {[*arrays]}"
        )
    return model


def _place(path, entry):
    return f"{path or 'the model'} ({entry.get('class')})"


def _remade(entry, made, arrays, parameter, allowance):
    """The module of one entry."""
    kind = choose("class", "name", entry["class"], CLASSES)
    children = {name: made[path] for name, path in entry.get("modules", {}).items()}
    names = entry.get("arrays", {})
    module = _made(kind, entry["options"], children, allowance, [arrays[name].shape for name in names.values()])
    mine, inside = _arrays(module), dict(module.children())
    if names.keys() != mine.keys() or children.keys() != inside.keys():
        raise OptionError(f"it has {[*mine, *inside]}, and in the file {[*names, *children]}")
    for own, name in names.items():
        array, x = arrays[name], mine[own]
        if array.shape != x.shape or array.dtype not in FLOATS:
            raise ShapeError(f"its {own} has shape {x.shape}, and in the file {name} has {array.shape}, {array.dtype}")
        vars(module)[own] = parameter(name) if isinstance(x, Parameter) else array.copy()
    for name, value in entry.get("attributes", {}).items():
        if name.startswith("_") or name in vars(module) or hasattr(kind, name):
            raise OptionError(f"it cannot have an attribute {name!r} beside its options")
        setattr(module, name, _value(value))
    penalties = [(name, *(number("penalise", "l", x, 0) for x in sizes)) for name, *sizes in entry.get("penalties", ())]
    if not {(name, len(sizes)) for name, *sizes in penalties} <= {(name, 2) for name in module.own_parameters()}:
        raise OptionError(f"it cannot have penalties {penalties}")
    if penalties:
        module._penalties = tuple(penalties)
    module.switch(flag("training", "on", entry["training"]))
    return module


def _made(kind, options, children, allowance, shapes=()):
    """A module of a class with options, and of the modules inside it, whose arrays have these shapes; nothing is drawn."""
    signature, inside, options = _signature(kind), dict(children), {name: _value(x) for name, x in options.items()}
    many = next((name for name, p in signature.items() if p.kind is p.VAR_POSITIONAL), None)
    args = options.pop(many, ()) if many else ()
    if issubclass(kind, nn.Sequential):
        args = [inside.pop(str(i)) for i in range(len(inside)) if str(i) in inside]
    with made_from(allowance, shapes):
        return kind(*args, **options, **inside)


def _value(plain):
    """What `_plain` or `_option` was given."""
    if isinstance(plain, list):
        return tuple(map(_value, plain))
    if not isinstance(plain, dict):
        return plain
    ((kind, of),) = plain.items()
    return choose("option", "kind", kind, _KINDS)(of)


_KINDS = {
    "float": float,
    "function": UnknownInitialiser,
    "list": lambda of: list(_value(of)),
    "dict": lambda of: {_value(key): _value(value) for key, value in of},
}
