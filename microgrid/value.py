"""The whole engine: one `Value` is one number that remembers how it was made.

    >>> x, y = Value(2.0, label="x"), Value(3.0, label="y")
    >>> z = x * y + x
    >>> z.backward()
    >>> x.grad, y.grad  # dz/dx = y + 1, dz/dy = x
    (4.0, 2.0)

Each operation computes its number and stores beside it the parents (the Values it was made of) and the local
derivative to each parent, as numbers. `backward` walks from the result to the leaves and applies the chain
rule, which is one line: the gradient of a parent grows by slope * gradient of the node.
"""

import operator

from ._numbers import Number, call, data_of, divide, inverse, log_slope, number, operand, pi_of, plain, power

TYPE_CHECKING = False  # for type checkers alone: typing takes longer to import than all of this
if TYPE_CHECKING:
    from typing import Any


class Value(Number):
    """One number of a calculation, with the parents it was made of and the local derivative to each.

    `data` is a float, int, fractions.Fraction (exact), mpmath.mpf (as many digits as wanted), or another
    Value: gradients of x = Value(Value(0.7)) are Values, whose backward gives second derivatives. Other data
    raise TypeError. `grad` is None until a backward arrives. `op` and `label` are names for pictures.
    """

    __slots__ = ("data", "grad", "label", "local", "op", "parents")

    def __init__(self, data, parents=(), local=(), op: str = "", label: str = ""):
        if not parents and type(data) is not float and not isinstance(data, Value):
            data = number(data, "Value")
        self.data = data
        self.grad: Any = None
        self.parents = parents
        self.local = local
        self.op, self.label = op, label

    # Arithmetic. The other side is a Value, a second parent, or a number, a constant. For all else (a NumPy
    # array) the answer is NotImplemented, which lets the other side do it: element by element, for an array.

    def __add__(self, other):  # d(x + y) = dx + dy
        if isinstance(other, Value):
            return Value(self.data + other.data, (self, other), (1, 1), "+")
        c = plain(other)
        return NotImplemented if c is None else Value(self.data + c, (self,), (1,), "+")

    def __sub__(self, other):  # d(x - y) = dx - dy
        if isinstance(other, Value):
            return Value(self.data - other.data, (self, other), (1, -1), "-")
        c = plain(other)
        return NotImplemented if c is None else Value(self.data - c, (self,), (1,), "-")

    def __rsub__(self, other):
        c = plain(other)
        return NotImplemented if c is None else Value(c - self.data, (self,), (-1,), "-")

    def __mul__(self, other):  # d(x y) = y dx + x dy
        if isinstance(other, Value):
            return Value(self.data * other.data, (self, other), (other.data, self.data), "*")
        c = plain(other)
        return NotImplemented if c is None else Value(self.data * c, (self,), (c,), "*")

    def __truediv__(self, other):  # z = x / y: dz = 1 / y dx - z / y dy
        if isinstance(other, Value):
            z, y = divide(self.data, other.data), other.data
            return Value(z, (self, other), (inverse(y, z), -divide(z, y)), "/")
        x, c = self.data, plain(other)
        return NotImplemented if c is None else Value(z := divide(x, c), (self,), (inverse(c, z),), "/")

    def __rtruediv__(self, other):
        c, y = plain(other), self.data
        return NotImplemented if c is None else Value(z := divide(c, y), (self,), (-divide(z, y),), "/")

    def __pow__(self, other):  # z = x^k: dz = k x^(k-1) dx + z log(x) dk
        x, k = self.data, operand(other)
        if k is None:
            return NotImplemented
        z, slope = power(x, k), 0 if k == 0 and x == 0 else k * power(x, k - 1)
        if isinstance(other, Value):
            return Value(z, (self, other), (slope, log_slope(x, k, z)), "**")
        return Value(z, (self,), (slope,), "**")

    def __rpow__(self, other):
        c, k = plain(other), self.data
        return NotImplemented if c is None else Value(z := power(c, k), (self,), (log_slope(c, k, z),), "**")

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> "Value":
        return Value(-self.data, (self,), (-1,), "neg")

    def __abs__(self) -> "Value":  # the slope is the sign of x, 0 at 0
        return Value(abs(self.data), (self,), ((self.data > 0) - (self.data < 0),), "abs")

    @staticmethod
    def sum(values) -> "Value":
        """The sum of Values, or numbers, as one node."""
        values = list(values)
        parents = tuple(v for v in values if isinstance(v, Value))
        return Value(sum(data_of(values, "Value.sum")), parents, (1,) * len(parents), "sum")

    @staticmethod
    def dot(xs, ys) -> "Value":
        """x1 y1 + x2 y2 + ... as one node, Values or numbers; ValueError unless equally many."""
        xs, ys = list(xs), list(ys)
        if len(xs) != len(ys):
            raise ValueError(f"Value.dot: expected two equal lengths, got {len(xs)} and {len(ys)}")
        x, y = data_of(xs, "Value.dot"), data_of(ys, "Value.dot")
        # The slope to x1 is y1, the slope to y1 is x1, and numbers are constants.
        edges = [(v, slope) for v, slope in zip(xs + ys, y + x, strict=True) if isinstance(v, Value)]
        parents, local = zip(*edges, strict=True) if edges else ((), ())
        return Value(sum(map(operator.mul, x, y)), parents, local, "dot")

    # Functions of one number. NumPy finds them by name: np.exp of an array of Values calls exp of each.

    def exp(self) -> "Value":  # its own derivative
        y = call("exp", self.data)
        return Value(y, (self,), (y,), "exp")

    def log(self) -> "Value":  # 1 / x
        return Value(call("log", self.data), (self,), (divide(1, self.data),), "log")

    def sqrt(self) -> "Value":  # 1 / (2 sqrt(x)), infinite at 0
        y = call("sqrt", self.data)
        return Value(y, (self,), (divide(1, 2 * y),), "sqrt")

    def sin(self) -> "Value":
        return Value(call("sin", self.data), (self,), (call("cos", self.data),), "sin")

    def cos(self) -> "Value":
        return Value(call("cos", self.data), (self,), (-call("sin", self.data),), "cos")

    def tanh(self) -> "Value":  # 1 - tanh(x)^2
        y = call("tanh", self.data)
        return Value(y, (self,), (1 - y * y,), "tanh")

    def arctan(self) -> "Value":  # 1 / (1 + x^2)
        return Value(call("arctan", self.data), (self,), (divide(1, 1 + self.data * self.data),), "arctan")

    def erf(self) -> "Value":  # 2 / sqrt(pi) exp(-x^2)
        y, slope_at_0 = call("erf", self.data), 2 / call("sqrt", pi_of(self.data))
        return Value(y, (self,), (slope_at_0 * call("exp", -self.data * self.data),), "erf")

    def sigmoid(self) -> "Value":  # 1 / (1 + e), slope e / (1 + e)^2 with e = exp(-x), and -|x| keeps e small
        e = call("exp", -self.data if self.data > 0 else self.data)
        return Value((e if self.data < 0 else 1) / (1 + e), (self,), (e / ((1 + e) * (1 + e)),), "sigmoid")

    def relu(self) -> "Value":  # x with slope 1 where x > 0, else 0 with slope 0; nan stays nan
        x, off = self.data, self.data <= 0
        return Value(type(x)(0) if off else x, (self,), (0 if off else 1,), "relu")

    def backward(self, seed=1) -> None:
        """Put seed * d(self)/d(node) into the grad of every node that self was made of.

        Leaves add it to what they hold, so several losses, or several calls, sum up; others start afresh.
        """
        seed = seed if isinstance(seed, Value) else number(seed, "backward")
        if isinstance(self.data, Value) and not isinstance(seed, Value):
            seed = Value(seed)  # makes every gradient a Value
        order = self._order()
        # Walk back from self: at its turn a node has got its share from all that was made of it.
        self.grad = seed if self.grad is None else self.grad + seed
        for node in reversed(order):
            grad, slopes = node.grad, iter(node.local)  # (a zip of parents and slopes would take twice as long)
            for parent in node.parents:
                share = next(slopes) * grad
                parent.grad = share if parent.grad is None else parent.grad + share

    def _order(self) -> "list[Value]":
        """The nodes that self was made of, with it, each after its parents, but no leaves; they forget their gradients."""
        order: list[Value] = []
        seen: set[Value] = set()
        stack: list[Any] = [self] if self.parents else []  # as recursion fails at a depth of 1,000
        while stack:
            node = stack.pop()
            if node is None:  # below it waits a node whose parents are all in order by now
                order.append(stack.pop())
            elif node not in seen:
                seen.add(node)
                node.grad = None
                stack.append(node)
                stack.append(None)
                for parent in node.parents:
                    if parent.parents:
                        stack.append(parent)
        return order

    def zero_grad(self) -> None:
        """Forget the gradient (grad = None) of self and of every node that it was made of."""
        seen, stack = {self}, [self]
        for node in stack:  # which grows until all are found
            node.grad = None
            new = set(node.parents) - seen
            seen |= new
            stack += new

    def __repr__(self) -> str:
        said = [f"{k}={v!r}" for k in ("grad", "op", "label") if (v := getattr(self, k)) not in (None, "")]
        return f"Value({', '.join([repr(self.data), *said])})"
