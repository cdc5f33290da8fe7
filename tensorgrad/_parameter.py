"""Parameter: the numbers that training changes, on either engine."""

from typing import Any

import numpy as np

from . import _tape
from ._registry import OPS, Operators
from ._tensor import FLOATS, Tensor, plain, tensor
from .errors import DTypeError, EngineError, GraphError, ShapeError
from .kernels import current


class Changes:
    """Counts the changes of modules and of what is frozen, so that a program sees in passing whether to look again."""

    count = 0


changes = Changes()


class Parameter(Operators):
    """A weight of a layer. `.data` and `.grad` are number arrays on both engines; ops compute with `.value`.

    `.value` is a leaf Tensor (tensor engine) or a NumPy grid of microgrid Values (scalar engine).

    >>> p = Parameter(np.zeros((2, 3), np.float32))
    >>> p
    Parameter(shape=(2, 3), dtype=float32)
    """

    __slots__ = ("_flat", "_requires_grad", "value")

    def __init__(self, data, requires_grad=True):
        self.value: Any
        if isinstance(data, np.ndarray) and data.dtype == object:
            self.value, self._flat = data, None
        else:
            dtype = getattr(data, "dtype", np.dtype(np.float32))
            dtype = dtype if dtype in FLOATS else np.float32
            self.value = tensor(data, requires_grad, dtype=dtype)
            self._flat = self.value._array.reshape(-1)  # a view, which optimizers change
        self._requires_grad = requires_grad

    def __reduce__(self):
        """Copies (also by pickle) are made from the numbers, so that the flat view is a view again."""
        return Parameter, (self.value if self._flat is None else self.data, self._requires_grad)

    @property
    def engine(self):
        """ "tensor" or "scalar"."""
        return "tensor" if type(self.value) is Tensor else "scalar"

    @property
    def data(self):
        """The numbers. Assigning copies into the memory that the parameter keeps for life."""
        if type(self.value) is Tensor:
            return self.value.data
        from microgrid import values

        return values(self.value)

    @data.setter
    def data(self, new):
        if isinstance(new, np.ma.MaskedArray):
            raise DTypeError("a parameter cannot take a masked array, which would lose its mask; fill it first")
        try:
            new = new if isinstance(new, Tensor) else np.asarray(new)
        except ValueError as error:
            raise DTypeError(f"a parameter takes numbers of one shape, got {type(new).__name__}: {error}") from None
        if new.shape != self.shape:
            raise ShapeError(f"a parameter of shape {self.shape} cannot take numbers of shape {new.shape}")
        if type(self.value) is Tensor:
            self.value[...] = new
        else:
            for value, x in zip(self.value.flat, plain(new).flat, strict=True):
                value.data = x.item() if isinstance(x, np.generic) else x

    def take(self):
        """The numbers as a flat array to change in place; `put` it back afterwards. How optimizers see a parameter."""
        if self._flat is not None:
            return self._flat
        numbers = np.array(self.data).reshape(-1)
        if numbers.dtype == object:
            raise EngineError(f"training needs floats; this parameter holds {type(numbers[0]).__name__}s")
        return numbers

    def put(self, numbers):
        """Put back what `take` gave: a graph that still needs the old numbers will raise in its backward."""
        if self._flat is not None:
            _tape.changed([self.value])
        else:
            for value, x in zip(self.value.flat, numbers.tolist(), strict=True):
                value.data = x

    @property
    def grad(self):
        """The gradient, an array of the parameter's shape, or None before a backward reached it."""
        if not self._requires_grad:
            return None
        if type(self.value) is Tensor:
            g = self.value.grad
            return g if current.log is None or g is None else Tensor(g)  # what is done with it shows in the log
        from microgrid import grads

        return grads(self.value) if any(v.grad is not None for v in self.value.flat) else None

    @grad.setter
    def grad(self, new):
        if new is not None and np.shape(new) != self.shape:
            raise ShapeError(f"a parameter of shape {self.shape} cannot take a gradient of shape {np.shape(new)}")
        if type(self.value) is Tensor:
            if current.log is not None:
                current.log.cleared.add(id(self.value))
                if id(self.value) not in current.log.graded:
                    current.log.cleared_first.add(id(self.value))
            self.value.grad = None if new is None else np.array(new, dtype=self.dtype, order="C")
        else:
            numbers = [None] * self.size if new is None else np.asarray(new).flat
            for value, g in zip(self.value.flat, numbers, strict=True):
                value.grad = g.item() if isinstance(g, np.generic) else g

    @property
    def requires_grad(self):
        """False freezes the parameter: no gradient is computed, and optimizers leave it alone."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, on):
        self._requires_grad = bool(on)
        changes.count += 1
        if type(self.value) is Tensor:
            self.value.requires_grad = bool(on)
        if not on:
            self.grad = None

    shape = property(lambda self: self.value.shape, doc="The lengths of the axes.")
    ndim = property(lambda self: len(self.value.shape), doc="The number of axes.")
    size = property(lambda self: int(np.prod(self.value.shape)), doc="The number of elements.")

    @property
    def dtype(self):
        """float32 or float64; the scalar engine's numbers are Python floats, which are float64."""
        return self.value.dtype if type(self.value) is Tensor else np.asarray(self.data).dtype

    @property
    def T(self):
        """The axes in reverse order."""
        return OPS["transpose"](self)

    def numpy(self):
        """The numbers as a read-only array."""
        view = np.asarray(self.data).view()
        view.flags.writeable = False
        return view

    def __len__(self):
        return self.shape[0]

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.numpy(), dtype=dtype, copy=copy)

    def _in_place(self, op, other):
        """`p -= x` changes the numbers, where they are."""
        if getattr(other, "requires_grad", False) and _tape.mode.recording:
            raise GraphError(
                f"in-place {op} of a parameter would not be recorded: change it under tg.no_grad(), or set .data"
            )
        with _tape.no_grad():
            new = OPS[op](self, other)
            self.data = new if type(self.value) is Tensor else plain(new)
        return self

    def __repr__(self):
        frozen = "" if self._requires_grad else ", frozen"
        engine = ", engine='scalar'" if self.engine == "scalar" else ""
        return f"Parameter(shape={self.shape}, dtype={self.dtype}{engine}{frozen})"
