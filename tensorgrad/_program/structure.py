"""What a program takes for granted about models: their structure and settings."""


def fingerprint(modules, tensors=(), without=()):
    """Everything about these modules that a recording depends on, apart from numbers of parameters and some attributes."""
    parts: list = [(id(t), t.requires_grad) for t in tensors]
    for m in modules:
        parts.append((id(m), *((name, _mark(value)) for name, value in vars(m).items() if name not in without)))
    return parts


class _Same:
    """An object for comparing by identity; it stays alive, so that no other can take its place."""

    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return type(other) is _Same and self.value is other.value

    __hash__ = None  # type: ignore[assignment]


def _mark(value):
    """A value for comparing: itself if it is simple, else the identity of what it holds."""
    if isinstance(value, int | float | str | bytes | None):
        return value
    if isinstance(value, list | tuple):
        return [_mark(v) for v in value]
    if isinstance(value, dict):
        return [(k, _mark(v)) for k, v in value.items()]
    if hasattr(value, "requires_grad"):
        return _Same(value), value.requires_grad
    return _Same(value)


def lists(modules):
    """(list or dict, what it holds) of those that are attributes of modules: they change without a word."""
    return [(value, _mark(value)) for m in modules for value in vars(m).values() if isinstance(value, list | dict)]


def same_lists(found):
    """Whether the lists and dicts hold what they held."""
    return all(_mark(value) == held for value, held in found)
