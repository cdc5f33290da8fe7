"""Functions that watch a module: its outputs, and the gradients of them."""

import contextlib

import numpy as np

from .._coerce import as_array, is_grid
from .._parameter import Parameter
from .._tape import Node, mode
from .._tensor import Tensor
from ..errors import DTypeError, OptionError, ShapeError
from ..kernels import current

FORWARD, GRADIENT = "on_forward", "on_gradient"


class Handle:
    """One hook on a module. `.remove()` takes it off; so does the end of a `with` block."""

    def __init__(self, module, kind, function):
        if not callable(function):
            raise OptionError(f"{kind}: expected a function, got {function!r}")
        self.module, self.kind, self.function = module, kind, function
        module._hooks = (*module._hooks, self)

    def remove(self):
        """Take the hook off its module; the second time nothing happens."""
        self.module._hooks = tuple(h for h in self.module._hooks if h is not self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.remove()

    def __repr__(self):
        off = "" if self in self.module._hooks else ", removed"
        return f"<hook {self.kind} of {type(self.module).__name__}{off}>"


def call_with_hooks(module, args, kwargs):
    """module.forward(*args, **kwargs), watched by its hooks in the order in which they were added."""
    name, hooks = type(module).__name__, module._hooks
    if current.log is not None and any(hook.kind in (FORWARD, GRADIENT) for hook in hooks):
        current.log.fail(f"a hook on {name} is Python")
    with contextlib.nullcontext() if mode.watch is None else mode.watch.inside(module):
        y = module.forward(*args, **kwargs)
    for hook in hooks:
        if hook.kind != GRADIENT:
            other = hook.function(module, args, y)
            y = y if other is None else other
    watchers = [hook.function for hook in hooks if hook.kind == GRADIENT]
    return watched(module, y, watchers) if watchers else y


def watched(module, y, functions):
    """The output, of which each function is told the gradient, when a backward comes by."""
    y = y.value if type(y) is Parameter else y

    def look(g):
        """The gradient to go on with."""
        for function in functions:
            other = function(module, g)
            if other is not None:
                what = f"on_gradient of {type(module).__name__}"
                other = as_array(what, getattr(other, "_array", other))
                if other.shape != np.shape(g):
                    raise ShapeError(f"{what}: a gradient keeps its shape, got shape {other.shape} for {np.shape(g)}")
                if other.dtype.kind not in "fiub" and other.dtype != g.dtype:
                    raise DTypeError(f"{what}: a gradient is made of numbers, got dtype {other.dtype}")
                g = np.array(other, g.dtype)
        return g

    if type(y) is Tensor:
        return Tensor(y._array, True, Node(_Watch(look), [y], {}, y._array, [True])) if _recorded(y) else y
    if is_grid(y):
        return _watched_grid(y, look)
    if type(y) is np.ndarray:
        return y
    raise OptionError(
        f"on_gradient of {type(module).__name__}: its output is a {type(y).__name__}; only one output can be watched"
    )


def _recorded(y):
    return y.requires_grad and mode.recording


class _Watch:
    """An op that gives its input as it is, and shows its gradient to a function."""

    name, fused, backward = "on_gradient", None, ()

    def __init__(self, look):
        self.look = look

    def reads(self, needs):
        """No numbers of its input."""
        return ()

    def pull(self, node, g, recorded):
        view = _read_only(g._array if type(g) is Tensor else g)
        seen = self.look(view)
        return [g if seen is view else Tensor(seen) if recorded else seen]


def _read_only(g):
    view = np.asarray(g).view()
    view.flags.writeable = False
    return view


# ---- on the scalar engine ---------------------------------------------------------------------------------------------
class _Nothing:
    """A slope for waiting: the hub below comes after all elements of the output, and gets nothing from them."""

    def __mul__(self, g):
        return 0


class _Whole:
    """A slope that stands for the whole gradient, whatever it is multiplied with."""

    def __init__(self, g):
        self.g = g

    def __mul__(self, _):
        return self.g


def _watched_grid(y, look):
    """Copies of Values, all made of one node, whose parents are the Values: at its turn, all gradients are known."""
    from microgrid import Value

    whole = np.empty(np.shape(y), object)
    whole[...] = y
    flat = whole.ravel().tolist()

    class Hub(Value):
        __slots__ = ()

        @property
        def local(self):  # type: ignore[override]
            given = np.empty(whole.shape, object)
            given.ravel()[:] = [0 if v.grad is None else v.grad for v in copies]
            numbers = np.array([getattr(g, "data", g) for g in given.ravel()])
            numbers = _read_only(numbers.astype(float) if numbers.dtype.kind in "fiub" else numbers).reshape(
                whole.shape
            )
            seen = look(numbers)
            if seen is numbers:
                return [_Whole(g) for g in given.ravel()]
            return [_Whole(g.item() if isinstance(g, np.generic) else g) for g in np.ravel(seen)]

        @local.setter
        def local(self, _):
            pass

    hub = Hub(0.0, tuple(flat), (), "on_gradient")
    copies = [Value(v.data, (hub,), (_Nothing(),), "on_gradient") for v in flat]
    out = np.empty(whole.shape, object)
    out.ravel()[:] = copies
    return out if whole.ndim else copies[0]
