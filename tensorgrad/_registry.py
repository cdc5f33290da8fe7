"""Every op by name. It stands below Tensor and the ops, so that neither has to import the other."""

from inspect import signature

from .errors import choose

OPS: dict = {}
BY_NUMPY: dict = {}  # NumPy's function or ufunc -> the op that takes its place on Tensors


def find(name):
    """The op of that name, or an OptionError that names the nearest one."""
    return choose("ops", "op", name, OPS)


class Operators:
    """Python's operators and NumPy's protocols, for whatever ops accept: Tensor and Parameter share them."""

    __slots__ = ()

    def __add__(self, other):
        return OPS["add"](self, other)

    def __radd__(self, other):
        return OPS["add"](other, self)

    def __sub__(self, other):
        return OPS["subtract"](self, other)

    def __rsub__(self, other):
        return OPS["subtract"](other, self)

    def __mul__(self, other):
        return OPS["multiply"](self, other)

    def __rmul__(self, other):
        return OPS["multiply"](other, self)

    def __truediv__(self, other):
        return OPS["divide"](self, other)

    def __rtruediv__(self, other):
        return OPS["divide"](other, self)

    def __pow__(self, other):
        return OPS["square"](self) if type(other) is int and other == 2 else OPS["power"](self, other)

    def __rpow__(self, other):
        return OPS["power"](other, self)

    def __matmul__(self, other):
        return OPS["matmul"](self, other)

    def __rmatmul__(self, other):
        return OPS["matmul"](other, self)

    def __neg__(self):
        return OPS["negative"](self)

    def __pos__(self):
        return OPS["positive"](self)

    def __abs__(self):
        return OPS["abs"](self)

    def __iadd__(self, other):
        return self._in_place("add", other)

    def __isub__(self, other):
        return self._in_place("subtract", other)

    def __imul__(self, other):
        return self._in_place("multiply", other)

    def __itruediv__(self, other):
        return self._in_place("divide", other)

    def _in_place(self, op, other):
        raise NotImplementedError(f"{type(self).__name__} says how it changes in place")

    def __getitem__(self, index):
        return OPS["getitem"](self, index)

    def __lt__(self, other):
        return OPS["less"](self, other)

    def __le__(self, other):
        return OPS["less_equal"](self, other)

    def __gt__(self, other):
        return OPS["greater"](self, other)

    def __ge__(self, other):
        return OPS["greater_equal"](self, other)

    def __eq__(self, other):
        return OPS["equal"](self, other)

    def __ne__(self, other):
        return OPS["not_equal"](self, other)

    __hash__ = object.__hash__  # a tensor is a key by identity, as two equal tensors stay two nodes

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        op = BY_NUMPY.get(ufunc)
        if op is None or method != "__call__" or options:
            how = f"np.{ufunc.__name__}" + (f".{method}" if method != "__call__" else "")
            raise _no_gradient(how, options)
        return op(*inputs)

    def __array_function__(self, function, types, args, options):
        op = BY_NUMPY.get(function)
        inputs, known = getattr(op, "inputs", None), getattr(op, "options", ())
        if op is not None and inputs is None:  # a plain function in place of NumPy's
            known = signature(op).parameters
        strange = [name for name in options if name not in known]
        if inputs is not None and len(args) > len(inputs) + 1 and len(args) > _same_positions(function, op):
            strange.append(f"{len(args)} positional arguments")
        if op is None or strange:
            raise _no_gradient(f"{function.__module__.replace('numpy', 'np', 1)}.{function.__name__}", strange)
        return op(*args, **options)


def _same_positions(function, op):
    """How many arguments mean the same by position in NumPy's function and in the op that takes its place."""
    ours, theirs, same = [*op.inputs, *op.options], list(signature(function).parameters), len(op.inputs)
    while same < min(len(ours), len(theirs)) and ours[same] == theirs[same]:
        same += 1
    return same


def _no_gradient(function, options):
    """The error for a function of NumPy, or for options of it, that no op takes the place of."""
    options = f" with {', '.join(options)}=" if options else ""
    return TypeError(
        f"{function}{options} has no gradient here; take plain numbers with .numpy(), or use an op of tensorgrad.ops"
    )
