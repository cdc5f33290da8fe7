"""Arithmetic on any kind of number, with IEEE results where Python raises or turns complex.

The kinds are float, int, fractions.Fraction, mpmath.mpf and Value (a Value may hold another Value). Neither
fractions nor mpmath is imported here: a number brings what it needs, `x.context` for an mpf.

Floats, ints and mpfs give inf and nan, never an exception and never a complex number. Fractions stay exact
and raise instead: TypeError for exp, log and the like, ZeroDivisionError for a division by zero. One thing is
as in Python: an int too large for a float, added to a float or multiplied by one, raises OverflowError.
"""

from __future__ import annotations

import math
import operator
from numbers import Complex, Rational, Real

TYPE_CHECKING = False  # for type checkers alone: typing takes longer to import than all of microgrid.value
if TYPE_CHECKING:
    from typing import Any


class Number:
    """What holds a number as its `data`, and compares and converts as that number does."""

    __slots__ = ()
    data: Any

    def __lt__(self, other):
        return _compare(operator.lt, self, other)

    def __le__(self, other):
        return _compare(operator.le, self, other)

    def __gt__(self, other):
        return _compare(operator.gt, self, other)

    def __ge__(self, other):
        return _compare(operator.ge, self, other)

    def __eq__(self, other):
        return _compare(operator.eq, self, other)

    def __ne__(self, other):
        return _compare(operator.ne, self, other)

    __hash__ = object.__hash__  # two of equal data are still two keys

    def __bool__(self) -> bool:
        return bool(self.data)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)

    def __float__(self) -> float:
        return float(self.data)

    def item(self):
        """The plain number: the data, or the innermost data where Values are nested."""
        return self.data.item() if isinstance(self.data, Number) else self.data


def _compare(relation, x, other):
    c = operand(other)
    return NotImplemented if c is None else relation(x.data, c)


def operand(x):
    """The data of a Value, else `plain`."""
    return x.data if isinstance(x, Number) else plain(x)


def data_of(xs, name) -> list:
    """The data of Values, and numbers as they are; TypeError, in the name of a function, for other things."""
    return [x.data if isinstance(x, Number) else number(x, name) for x in xs]


def plain(x):
    """x if it is a real number (a NumPy scalar or bool as Python's own number), None if it is anything else.

    >>> plain(2.5), plain(True), plain("2.5")
    (2.5, 1, None)
    """
    if type(x) is float or type(x) is int:
        return x
    if not isinstance(x, Real):
        return None
    if hasattr(x, "item"):  # a NumPy scalar, which would warn where a Python number is quiet, and spread
        x = x.item()
    return int(x) if isinstance(x, bool) else x


def number(x, name):
    """x as `plain` gives it; TypeError, in the name of a function, if x is not a real number.

    >>> number("2.5", "Value")
    Traceback (most recent call last):
    TypeError: Value: expected a real number (float, int, Fraction or mpf), got str '2.5'; use float(x)
    """
    c = plain(x)
    if c is not None:
        return c
    got, todo = f"{type(x).__name__} {x!r}", "use float(x)"
    if x is None:
        got, todo = "None", "pass a number"
    elif hasattr(x, "shape"):
        got, todo = f"{type(x).__name__} of shape {tuple(x.shape)}", "microgrid.grid makes an array of Values"
    elif isinstance(x, Complex):
        todo = "use two Values, its real and its imaginary part"
    elif hasattr(x, "__iter__") and not isinstance(x, (str, bytes)):
        got, todo = type(x).__name__, "microgrid.grid makes an array of Values"
    raise TypeError(f"{name}: expected a real number (float, int, Fraction or mpf), got {got}; {todo}")


def exact(*numbers):
    """Whether the numbers are Fractions, or Fractions and ints: their arithmetic stays exact."""
    return all(isinstance(x, Rational) for x in numbers) and not all(isinstance(x, int) for x in numbers)


def rounded(x):
    """An int as the nearest float, infinite if it is too large for one; other numbers as they are."""
    try:
        return float(x) if isinstance(x, int) else x
    except OverflowError:
        return math.inf if x > 0 else -math.inf


def like(z, c):
    """A constant as a number of z's kind, so that its quotients and logs have all the digits of z.

    >>> like(0.5, 1)
    1.0
    """
    while isinstance(z, Number):
        z = z.data
    return type(z)(c)


def divide(x, y):
    """x / y; division by zero gives inf, -inf or nan, and raises for Fractions.

    >>> divide(1.0, 0.0), divide(1, -0.0), divide(0, 0)
    (inf, -inf, nan)
    """
    try:
        return x / y
    except ZeroDivisionError:
        if exact(x, y):
            raise
        return x * (y + math.copysign(math.inf, y))  # y + inf is infinity as a number of y's kind
    except OverflowError:  # ints
        if math.isinf(rounded(x)) or math.isinf(rounded(y)):
            return divide(rounded(x), rounded(y))
        raise


def inverse(y, z):
    """1 / y as a number of z's kind."""
    return divide(like(z, 1), y)


def power(x, k):
    """x ** k; zero to a negative power and results too large are infinite, results that are complex are nan.

    >>> power(0.0, -1), power(-10.0, 401), power(-8.0, 1 / 3)
    (inf, -inf, nan)
    """
    try:
        z = x**k
    except ZeroDivisionError:
        if exact(x, k):
            raise
        return divide(1, power(x, -k))
    except OverflowError:
        if math.isinf(rounded(x)) or math.isinf(rounded(k)):
            return rounded(x) ** rounded(k)
        return -math.inf if x < 0 and k % 2 == 1 else math.inf
    if isinstance(z, Complex) and not isinstance(z, Real):
        return z.real * math.nan  # type: ignore[operator]  # nan as a number of z's kind
    return z


def log_slope(x, k, z):
    """The slope of z = x ** k to k, z log(x); 0 where x is 0 and z stays 0."""
    if x == 0 and k >= 0:
        return 0
    return z * call("log", x if isinstance(x, Number) else like(z, x))


def call(name, x):
    """A function of x by name: x's own method (a Value has one), else its mpmath context's, else math's.

    >>> call("exp", 1000.0), call("log", 0), call("sqrt", -1.0)
    (inf, -inf, nan)
    """
    if isinstance(x, Number):
        return getattr(x, name)()
    name = "atan" if name == "arctan" else name  # called arctan by NumPy, atan by math and mpmath
    if isinstance(x, (float, int)):
        try:
            return getattr(math, name)(rounded(x))
        except OverflowError:
            return math.inf  # exp of a large number
        except ValueError:
            return -math.inf if name == "log" and x == 0 else math.nan
    if not hasattr(x, "context"):
        raise TypeError(f"{name}: a {type(x).__name__} stays exact and has no {name}; use a float or an mpmath.mpf")
    y = getattr(x.context, name)(x)
    return y if isinstance(y, x.context.mpf) else x.context.nan  # a complex result is nan


def pi_of(x):
    """pi in as many digits as x has."""
    while isinstance(x, Number):
        x = x.data
    return +x.context.pi if hasattr(x, "context") else math.pi
