"""Layers that arrange others, or only shapes."""

import math

import numpy as np

from .. import ops
from .._options import is_whole, whole
from ..errors import OptionError, ShapeError, choose
from ..kernels import current
from .module import Module
from .sequential import Sequential

__all__ = ["Flatten", "Identity", "Lambda", "Parallel", "Reshape", "Residual"]


class Flatten(Module):
    """Each row of the batch as a vector: (n, ...) -> (n, numbers of a row).

    Raises ShapeError for a single number.

    >>> Flatten()(np.zeros((5, 8, 8, 3))).shape
    (5, 192)
    """

    def forward(self, x):
        shape = np.shape(x)
        if not shape:
            raise ShapeError("Flatten: expected an input of shape (n, ...), got a single number")
        return ops.reshape(x, (shape[0], math.prod(shape[1:])))


class Reshape(Module):
    """Each row of the batch in another shape, one length of which may be -1: (n, ...) -> (n, *shape).

    Raises OptionError for what is no shape, ShapeError for rows that do not fit it.

    >>> Reshape(8, 8, 1)(np.zeros((5, 64))).shape
    (5, 8, 8, 1)
    >>> Reshape(-1, 2)(np.zeros((5, 64))).shape
    (5, 32, 2)
    """

    def __init__(self, *shape):
        shape = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape
        if not all(is_whole(n, -1) for n in shape) or shape.count(-1) > 1:
            raise OptionError(f"Reshape: expected whole numbers, one of which may be -1, got {shape!r}")
        self.shape = tuple(map(int, shape))

    def forward(self, x):
        given = np.shape(x)
        if not given:
            raise ShapeError(f"{self!r}: expected an input of shape (n, ...), got a single number")
        have, known = math.prod(given[1:]), math.prod(n for n in self.shape if n >= 0)
        if have % known if -1 in self.shape and known else have != known:
            raise ShapeError(f"{self!r}: a row of shape {given[1:]} has {have} numbers, which do not fit {self.shape}")
        return ops.reshape(x, (given[0], *(have // max(known, 1) if n == -1 else n for n in self.shape)))

    def __repr__(self):
        return f"Reshape({', '.join(map(str, self.shape))})"


class Lambda(Module):
    """A function as a layer, without parameters of its own: `function(x)`, (...) -> whatever it gives.

    It is Python: what it reads, beside its input, is fixed when a step is recorded as a program. Raises OptionError for
    what cannot be called.

    >>> Lambda(np.square)(np.array([3.0]))
    array([9.])
    """

    def __init__(self, function, name=None):
        if not callable(function) or isinstance(function, Module):
            hint = "; a layer is taken as it is" if isinstance(function, Module) else ""
            raise OptionError(f"Lambda: expected a function, got {function!r}{hint}")
        self.function, self.name = function, name

    def forward(self, x):
        if current.log is not None:
            from .._program.record import around

            current.log.watch(around(self.function))
        return self.function(x)

    def __repr__(self):
        return f"Lambda({self.name or getattr(self.function, '__name__', type(self.function).__name__)})"


class Identity(Module):
    """The input as it is: (...) -> (...).

    >>> Identity()(np.array([1.0, 2.0]))
    array([1., 2.])
    """

    def forward(self, x):
        return x


class Residual(Sequential):
    """x + layers(x), or shortcut(x) + layers(x): (n, ...) -> (n, ...).

    What comes out of the layers must have the shape of what it is added to. He et al. 2016, "Deep Residual Learning",
    equations 1 and 2. `shortcut` is a layer for where shapes differ. `rng` draws all weights, as in Sequential. Raises
    ShapeError where the shapes differ.

    >>> from tensorgrad import nn
    >>> Residual(nn.Dense(4, 4), nn.ReLU(), rng=0)(np.zeros((5, 4), np.float32)).shape
    (5, 4)
    >>> Residual(nn.Dense(4, 8), shortcut=nn.Dense(4, 8, bias=False), rng=0)(np.zeros((5, 4), np.float32)).shape
    (5, 8)
    """

    __slots__ = ()

    def __init__(self, *layers, shortcut=None, rng=None):
        super().__init__(*layers)
        if shortcut is not None and not isinstance(shortcut, Module):
            raise OptionError(f"Residual: expected a layer (nn.Module) as shortcut, got {shortcut!r}")
        self.shortcut = shortcut
        if rng is not None:
            self.reset(rng)

    def check_inputs(self, X):
        """Raise an error if the first layer, or the shortcut, cannot take this data."""
        for layer in (*self.layers[:1], *([] if self.shortcut is None else [self.shortcut])):
            layer.check_inputs(X)

    def forward(self, x):
        y = super().forward(x)
        before = x if self.shortcut is None else self.shortcut(x)
        if np.shape(y) != np.shape(before):
            what = "the input has" if self.shortcut is None else "the shortcut gives"
            layer = "nn.Dense" if np.ndim(before) < 3 else "nn.Conv1d" if np.ndim(before) == 3 else "nn.Conv2d"
            layer += "(...)" if np.ndim(before) < 3 else "(..., kernel_size=1)"
            hint = f"; a shortcut={layer} can give it the same" if self.shortcut is None else ""
            raise ShapeError(
                f"Residual: the layers give shape {np.shape(y)} and {what} {np.shape(before)}; they must be equal{hint}"
            )
        return ops.add(before, y)


class Parallel(Sequential):
    """Branches that all get the input; their outputs are joined, or added: (n, ..., c) -> (n, ..., sum of the c').

    combine="concatenate" joins them along `axis` (the last: features, channels), "add" adds outputs of one shape. `rng`
    draws all weights, as in Sequential. Raises ShapeError where the shapes do not fit.

    >>> from tensorgrad import nn
    >>> Parallel(nn.Dense(4, 8), nn.Identity(), rng=0)(np.zeros((5, 4), np.float32)).shape
    (5, 12)
    >>> Parallel(nn.Dense(4, 8), nn.Dense(4, 8), combine="add", rng=0)(np.zeros((5, 4), np.float32)).shape
    (5, 8)
    """

    __slots__ = ()

    def __init__(self, *branches, combine="concatenate", axis=-1, rng=None):
        if not branches:
            raise OptionError("Parallel: expected at least one branch")
        axis = whole("Parallel", "axis", axis)
        choose("Parallel", "combine", combine, {"concatenate": 0, "add": 0})
        super().__init__(*branches, rng=rng)
        self.combine, self.axis = combine, axis

    def check_inputs(self, X):
        """Raise an error if a branch cannot take this data."""
        for branch in self.layers:
            branch.check_inputs(X)

    def forward(self, x):
        outputs = [branch(x) for branch in self.layers]
        shapes = [np.shape(y) for y in outputs]
        if self.combine == "add":
            if shapes.count(shapes[0]) != len(shapes):
                raise ShapeError(f"Parallel: the branches give {_listed(shapes)}; to be added they must be equal")
            y = outputs[0]
            for other in outputs[1:]:
                y = ops.add(y, other)
            return y
        fits = all(-len(s) <= self.axis < len(s) for s in shapes)
        if not fits or len({(len(s), *_without(s, self.axis)) for s in shapes}) > 1:
            wanted = f"to be joined along axis {self.axis} they must be equal in the others"
            raise ShapeError(f"Parallel: the branches give {_listed(shapes)}; {wanted}")
        return ops.concatenate(outputs, axis=self.axis)


def _without(shape, axis):
    return tuple(n for i, n in enumerate(shape) if i != axis % len(shape))


def _listed(shapes):
    return "shapes " + " and ".join(map(str, shapes))
