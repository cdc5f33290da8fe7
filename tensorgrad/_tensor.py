"""Tensor: a NumPy array, its gradient, and the node of the graph that made it."""

import numpy as np

from . import _tape
from ._registry import OPS, Operators
from .errors import DTypeError, GraphError, ShapeError
from .kernels import copy, current, kept, readable

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def _noted(what):
    """A number was asked for: rows that are run again would not ask anew."""
    if current.log is not None:
        current.log.fail(f"{what} asked a tensor of the step for its numbers")


class Tensor(Operators):
    """An array that remembers how it was made; make one with `tg.tensor`.

    It has NumPy's names and protocols: `t.sum(axis=0)`, `t @ u`, `t[1:, 0]` and `np.exp(t)` are Tensors with gradients.

    >>> import tensorgrad as tg
    >>> x = tg.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    array([[2., 4.],
           [6., 8.]], dtype=float32)
    """

    __slots__ = ("__weakref__", "_array", "_changed", "_node", "grad", "requires_grad")

    def __init__(self, array, requires_grad=False, node=None):
        if type(array) is not np.ndarray:
            raise DTypeError(
                f"Tensor: expected a NumPy array, got {type(array).__name__}; make tensors with tg.tensor(...)"
            )
        self._array = array
        self.grad = None
        self.requires_grad = requires_grad
        self._node = node
        self._changed = 0  # when the numbers were last changed in place, on the tape's clock

    # ---- the array ------------------------------------------------------------------------------------------------
    @property
    def data(self):
        """The numbers: of a leaf the array itself, of a result a read-only view. Assigning copies into a leaf."""
        if self._node is not None:
            return self.numpy()
        _noted(".data")
        return self._array

    @data.setter
    def data(self, new):
        self[...] = new

    def numpy(self):
        """The numbers as a read-only NumPy array that shares the tensor's memory."""
        _noted(".numpy()")
        view = self._array.view()
        view.flags.writeable = False
        return view

    def item(self):
        """The Python number of a tensor of size 1."""
        if self._array.size != 1:
            raise ShapeError(f"item: a tensor of shape {self.shape} is not one number; use .numpy()")
        _noted(".item()")
        return self._array.item()

    def detach(self):
        """A copy of the numbers, outside the graph."""
        return Tensor(OPS["positive"](self)._array) if current.log is not None else Tensor(self._array.copy())

    def __setitem__(self, index, new):
        """Change a leaf in place; a graph that still needs the old numbers will raise in its backward."""
        if self._node is not None:
            raise GraphError(
                f"in-place change of the result of {self._node.op.name!r}: it is part of a graph; "
                "use tg.ops.where, or change a .detach()ed copy: tg.tensor(t.numpy())"
            )
        new, given = new._array if isinstance(new, Tensor) else np.asarray(new), new
        if not self._array.flags.writeable:
            raise GraphError("this tensor is read-only; change a copy: tg.tensor(t.numpy())")
        if not np.can_cast(new.dtype, self.dtype, "same_kind"):
            raise DTypeError(
                f"a tensor of dtype {self.dtype} cannot take numbers of dtype {new.dtype} without losing some"
            )
        if current.log is not None:
            self._set_by_kernel(index, new, given)
        try:
            self._array[index] = new
        except (ValueError, IndexError) as error:
            raise ShapeError(f"assigning {new.shape} to a tensor of shape {self.shape}: {error}") from None
        _tape.changed([self])

    def _set_by_kernel(self, index, new, given):
        """Log the assignment of a whole tensor; anything else cannot be run again."""
        if index is not ... or not isinstance(given, Tensor) or new.shape != self.shape or new.dtype != self.dtype:
            current.log.fail("numbers were assigned that are not a whole Tensor of the step")
            return
        kept(self._array)
        current.log.touched[id(self)] = self
        copy(np.ascontiguousarray(new).reshape(-1), self._array.reshape(-1))

    def _in_place(self, op, other):
        """`t -= x`: changes the numbers of a leaf; of a result it makes a new tensor, which has a gradient."""
        if self._node is not None:
            return OPS[op](self, other)
        if isinstance(other, Tensor) and other.requires_grad and _tape.mode.recording:
            raise GraphError(
                f"in-place {op} of a tensor that requires a gradient would not be recorded: "
                f"write t = t ..., or do it under tg.no_grad()"
            )
        with _tape.no_grad():
            self[...] = OPS[op](self, other)
        return self

    # ---- the graph ------------------------------------------------------------------------------------------------
    def backward(self, g=None, retain_graph=False):
        """Add the gradient of this tensor with respect to every leaf to that leaf's `.grad`.

        g is the gradient of this tensor, of its shape; a scalar has 1. The graph is freed, unless `retain_graph`.
        Raises ShapeError for a missing or misshapen g, GraphError where nothing was recorded or the graph was freed.
        """
        _tape.backward(self, g, retain_graph)

    # ---- NumPy's attributes and methods ---------------------------------------------------------------------------
    shape = property(lambda self: self._array.shape, doc="The lengths of the axes.")
    dtype = property(lambda self: self._array.dtype, doc="NumPy's dtype of the numbers.")
    ndim = property(lambda self: self._array.ndim, doc="The number of axes.")
    size = property(lambda self: self._array.size, doc="The number of elements.")
    T = property(lambda self: OPS["transpose"](self), doc="The axes in reverse order.")

    def reshape(self, *shape):
        return OPS["reshape"](self, shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes):
        axes = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
        return OPS["transpose"](self, axes or None)

    def ravel(self):
        return OPS["ravel"](self)

    def flatten(self):
        """NumPy's other name for `ravel`."""
        return OPS["ravel"](self)

    def swapaxes(self, axis1, axis2):
        return OPS["swapaxes"](self, axis1, axis2)

    def squeeze(self, axis=None):
        return OPS["squeeze"](self, axis)

    def repeat(self, repeats, axis=None):
        return OPS["repeat"](self, repeats, axis)

    def take(self, indices, axis=None):
        return OPS["take"](self, indices, axis)

    def diagonal(self, offset=0, axis1=0, axis2=1):
        return OPS["diagonal"](self, offset, axis1, axis2)

    def astype(self, dtype):
        return OPS["astype"](self, dtype)

    def sum(self, axis=None, keepdims=False):
        return OPS["sum"](self, axis, keepdims)

    def mean(self, axis=None, keepdims=False):
        return OPS["mean"](self, axis, keepdims)

    def max(self, axis=None, keepdims=False):
        return OPS["max"](self, axis, keepdims)

    def min(self, axis=None, keepdims=False):
        return OPS["min"](self, axis, keepdims)

    def dot(self, b):
        return OPS["dot"](self, b)

    def trace(self, offset=0, axis1=0, axis2=1):
        return OPS["trace"](self, offset, axis1, axis2)

    def prod(self, axis=None, keepdims=False):
        return OPS["prod"](self, axis, keepdims)

    def var(self, axis=None, ddof=0, keepdims=False):
        return OPS["var"](self, axis, ddof, keepdims)

    def std(self, axis=None, ddof=0, keepdims=False):
        return OPS["std"](self, axis, ddof, keepdims)

    def cumsum(self, axis=None):
        return OPS["cumsum"](self, axis)

    def argmax(self, axis=None, keepdims=False):
        """The index of the largest element, as a plain array: it has no gradient."""
        return OPS["argmax"](self, axis, keepdims)

    def argmin(self, axis=None, keepdims=False):
        """The index of the smallest element, as a plain array: it has no gradient."""
        return OPS["argmin"](self, axis, keepdims)

    def clip(self, min=None, max=None):
        return OPS["clip"](self, min, max)

    def exp(self):
        return OPS["exp"](self)

    def log(self):
        return OPS["log"](self)

    def sqrt(self):
        return OPS["sqrt"](self)

    def tanh(self):
        return OPS["tanh"](self)

    def sigmoid(self):
        return OPS["sigmoid"](self)

    def relu(self):
        return OPS["relu"](self)

    def __getattr__(self, name):
        """While a log is open comparisons are Tensors, where they otherwise are arrays: their methods leave a note."""
        if current.log is None or name.startswith("_") or not hasattr(np.ndarray, name):
            raise AttributeError(f"a Tensor has no attribute {name!r}")
        _noted(f".{name}")
        return getattr(self._array, name)

    def _bitwise(self, operation, *others):
        _noted(f"np.{operation.__name__}")
        return operation(self._array, *(getattr(o, "_array", o) for o in others))

    def __and__(self, other):
        return self._bitwise(np.bitwise_and, other)

    def __or__(self, other):
        return self._bitwise(np.bitwise_or, other)

    def __xor__(self, other):
        return self._bitwise(np.bitwise_xor, other)

    def __invert__(self):
        return self._bitwise(np.invert)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    # ---- Python ---------------------------------------------------------------------------------------------------
    def __len__(self):
        if not self._array.ndim:
            raise TypeError("len() of a tensor without axes; use .item()")
        return len(self._array)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __float__(self):
        return float(self.item())

    def __int__(self):
        return int(self.item())

    def __bool__(self):
        return bool(self.item())

    def __index__(self):
        _noted("using it as an index of a list or array")
        return self._array.__index__()

    def __array__(self, dtype=None, copy=None):
        if self.requires_grad:
            raise GraphError("np.asarray of a tensor that requires a gradient would lose it: use .numpy() or .detach()")
        return np.asarray(self.numpy(), dtype=dtype, copy=copy)

    def __reduce__(self):
        if self._node is not None:
            raise GraphError("only leaves can be copied; this tensor is a result: use .detach()")
        return Tensor, (self._array.copy(), self.requires_grad)

    def __format__(self, spec):
        return format(self.item(), spec) if spec else str(self)

    def __repr__(self):
        _noted("printing it")
        body = np.array2string(self._array, separator=", ", prefix="tensor(")
        kind = "" if self.dtype == np.float32 else f", dtype={self.dtype}"
        made = f", op={self._node.op.name!r}" if self._node else ", requires_grad=True" if self.requires_grad else ""
        return f"tensor({body}{kind}{made})"


def tensor(x, requires_grad=False, dtype=None):
    """Copy numbers into a new Tensor: any array, nested list or number -> Tensor of the same shape.

    Arrays keep their dtype; Python's floats become float32. Gradients need float32 or float64.
    Raises DTypeError for what is not numbers, and for gradients of integers.

    >>> tensor([1, 2, 3], dtype="float64")
    tensor([1., 2., 3.], dtype=float64)
    """
    if isinstance(x, np.ma.MaskedArray):
        raise DTypeError("tensor: a masked array would lose its mask; fill it first, x.filled(0), say")
    keep = x.dtype if isinstance(x, np.ndarray | np.generic | Tensor) else None
    try:
        array = np.array(x._array if isinstance(x, Tensor) else x, dtype=dtype, order="C", ndmin=0)
    except (ValueError, TypeError) as error:
        raise DTypeError(f"tensor: expected numbers of one shape, got {type(x).__name__}: {error}") from None
    if array.dtype == np.float64 and keep is None and dtype is None:
        array = array.astype(np.float32)
    if array.dtype not in FLOATS and array.dtype.kind not in "iub":
        raise DTypeError(f"tensor: dtype {array.dtype} is not supported; use float32, float64, integers or bool")
    if requires_grad and array.dtype not in FLOATS:
        raise DTypeError(f'tensor: only float32 and float64 have gradients, got {array.dtype}; pass dtype="float32"')
    return Tensor(array, bool(requires_grad))


def constant(x, dtype=None):
    """A Tensor of fixed numbers that a step given to `tg.compile` may read from outside: any numbers -> Tensor.

    >>> import tensorgrad as tg
    >>> scale = tg.constant([1.0, 10.0])
    >>> step = tg.compile(lambda x: (x * scale).sum())
    >>> step(np.ones((3, 2), np.float32)).item(), step(np.zeros((3, 2), np.float32)).item(), step.reason
    (33.0, 0.0, '')
    """
    t = tensor(x, dtype=dtype)
    if t.dtype.kind in "iu":
        t = Tensor(t._array.astype(np.int64))
    readable(t._array)
    return t


def plain(x):
    """The plain numbers of a Tensor, a grid of Values or a bare Value; an array of numbers is returned as it is.

    >>> plain(tensor([1.0, 2.0]))
    array([1., 2.], dtype=float32)
    """
    if isinstance(x, Tensor):
        return x.numpy()
    if isinstance(x, np.ndarray | np.generic) and x.dtype != object:
        return x
    from microgrid import values

    return np.asarray(values(x))
