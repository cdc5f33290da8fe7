"""What a program takes for granted about models: their structure and settings."""

from ..nn.module import Module


def fingerprint(modules, tensors=(), without=()):
    """Everything about these modules that a recording depends on, apart from numbers of parameters and some attributes."""
    parts: list = [(id(t), t.requires_grad) for t in tensors]
    for m in modules:
        parts.append((id(m), *((name, _mark(value)) for name, value in vars(m).items() if name not in without)))
    return parts


def _mark(value):
    """A value for comparing: itself if it is simple, else the identity of what it holds."""
    if isinstance(value, int | float | str | bytes | None):
        return value
    if isinstance(value, list | tuple):
        return [_mark(v) for v in value]
    if isinstance(value, dict):
        return [(k, _mark(v)) for k, v in value.items()]
    if hasattr(value, "requires_grad"):
        return id(value), value.requires_grad
    return id(value)


def lists(modules):
    """(list, identities of its items) of the lists and dicts of modules in these: they change without a word."""
    found = []
    for m in modules:
        for value in vars(m).values():
            if isinstance(value, list | dict) and any(isinstance(v, Module) for v in _items(value)):
                found.append((value, [id(v) for v in _items(value)]))
    return found


def same_lists(found):
    """Whether the lists and dicts hold what they held."""
    return all([id(v) for v in _items(value)] == ids for value, ids in found)


def _items(value):
    return value.values() if isinstance(value, dict) else value
