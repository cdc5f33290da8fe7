"""Grids: NumPy object arrays of Values, which make the scalar engine a batched one.

NumPy runs ufuncs, sums, `@`, einsum, indexing and sliding windows on an object array by calling the methods
of its elements: np.exp(g) is `exp` of each Value. So a formula written for arrays of numbers gives, on grids,
the same numbers together with their gradients. Results without axes are bare Values, where NumPy has scalars.
"""

from __future__ import annotations

import contextlib
import operator
from typing import Any

import numpy as np

from ._numbers import number as as_number
from .value import Value


def grid(array, number=float) -> Any:
    """Leaf Values of the numbers of an array, in its shape: numbers (...) -> object array (...).

    `number` turns each element (Python's own float, int or bool) into the number to compute with: float,
    fractions.Fraction or the mpf of an mpmath context, which take it over exactly, or Value, for second
    derivatives. A single number or a 0-d array gives a bare Value. TypeError for what is not a number and for
    Values: new leaves would cut them off from what they were made of.

    >>> g = grid([[1, 2], [3, 4]])
    >>> (g * g).sum().backward()
    >>> grads(g)
    array([[2., 4.],
           [6., 8.]])
    >>> from fractions import Fraction
    >>> grid(0.5, number=Fraction)
    Value(Fraction(1, 2))
    """

    def leaf(x) -> Value:
        if isinstance(x, Value):
            raise TypeError(
                "grid: expected numbers, got Values, which new leaves would cut off from what they were made "
                "of; use them as they are, or grid(values(x)) to start anew"
            )
        return Value(number(as_number(x, "grid")))

    array = np.asarray(array)
    return _array([leaf(x) for x in array.ravel().tolist()], array.shape)


def lift(array) -> Any:
    """A grid of Values, numbers or a mix, in its shape: Values stay as they are, numbers become constants.

    NumPy mixes numbers in where it pads, selects or sums over nothing. An array of Values alone is returned
    itself, not copied. TypeError for elements that are neither.

    >>> lift(np.where([True, False], grid([1.0, 2.0]), 0.0))
    array([Value(1.0), Value(0.0)], dtype=object)
    """
    if isinstance(array, Value):
        return array
    array = np.asarray(array)
    elements = array.ravel().tolist()
    if array.dtype == object and array.ndim and all(isinstance(x, Value) for x in elements):
        return array
    return _array([x if isinstance(x, Value) else Value(as_number(x, "lift")) for x in elements], array.shape)


def is_grid(x) -> bool:
    """Whether x is a Value, or an object array that holds a Value or nothing at all.

    >>> is_grid(Value(1.0)), is_grid(grid([1.0])), is_grid(np.ones(1)), is_grid([Value(1.0)])
    (True, True, False, False)
    """
    if isinstance(x, np.ndarray):
        return x.dtype == object and (x.size == 0 or any(isinstance(v, Value) for v in x.flat))
    return isinstance(x, Value)


def values(g) -> Any:
    """The plain numbers of a grid, in its shape: float64 for floats and ints, else object, of the numbers.

    Plain numbers count as themselves, and a bare Value gives a bare number. TypeError for other elements.

    >>> values(grid([1, 2]) * 3)
    array([3., 6.])
    >>> values(Value(2.0) ** 3)
    8.0
    """
    return _numbers(g, lambda x: x.item() if isinstance(x, Value) else as_number(x, "values"))


def grads(g) -> Any:
    """The gradients of a grid, in the form that `values` gives its numbers: 0 where no backward arrived.

    Plain numbers have gradient 0, and a bare Value gives a bare number. TypeError for other elements.

    >>> g = grid([1.0, 2.0])
    >>> (g[0] * 5).backward()
    >>> grads(g)
    array([5., 0.])
    """

    def grad(x):
        if not isinstance(x, Value):
            return as_number(x, "grads") * 0
        if x.grad is None:
            return 0
        return x.grad.item() if isinstance(x.grad, Value) else x.grad

    return _numbers(g, grad)


def matmul(a, b) -> Any:
    """a @ b of grids or plain arrays, each element one `dot` node: (..., n, k), (..., k, m) -> (..., n, m).

    As in NumPy, a 1-d array is a row on the left and a column on the right, leading axes broadcast, and k = 0
    gives zeros. ValueError for shapes that do not fit. Several times faster than `@` of object arrays.

    >>> matmul(grid([[1.0, 2.0]]), np.array([3.0, 4.0]))
    array([Value(11.0, op='dot')], dtype=object)
    """
    a, b = np.asarray(a), np.asarray(b)
    shape = _matmul_shape(a.shape, b.shape)
    if not is_grid(a) and not is_grid(b):
        return np.matmul(a, b)
    left = _lines(a if a.ndim > 1 else a[None])
    right = _lines(b.swapaxes(-1, -2) if b.ndim > 1 else b[None])
    lead = np.broadcast_shapes(left.shape[:-1], right.shape[:-1])
    left = np.broadcast_to(left, lead + left.shape[-1:])
    right = np.broadcast_to(right, lead + right.shape[-1:])
    out = []
    for batch in np.ndindex(lead):
        for x_parents, x in left[batch]:
            for y_parents, y in right[batch]:
                # The slope to x1 is y1, the slope to y1 is x1, and numbers are constants (see Value.dot).
                local = (y if x_parents else ()) + (x if y_parents else ())
                out.append(Value(sum(map(operator.mul, x, y)), x_parents + y_parents, local, "dot"))
    return _array(out, shape)


def _lines(array):
    """The lines along the last axis, (..., k) -> object (...): of each its Values (if any) and numbers."""
    lines = np.empty(array.shape[:-1], dtype=object)
    for at in np.ndindex(lines.shape):
        line = array[at]
        if is_grid(line):
            parents = tuple(lift(line).tolist())
            lines[at] = parents, tuple([v.data for v in parents])
        else:
            lines[at] = (), tuple(line.tolist())
    return lines


def _matmul_shape(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a @ b from the shapes of a and b; ValueError if they do not fit."""
    expected = "expected (..., n, k) and (..., k, m), where (k,) may stand for either"
    if not a or not b:
        raise ValueError(f"matmul: {expected}, got {a} and {b}; multiply by a single number with *")
    k = b[-2] if len(b) > 1 else b[0]
    if a[-1] != k:
        raise ValueError(f"matmul: {expected}, got {a} and {b}, in which k is {a[-1]} and {k}")
    try:
        lead = np.broadcast_shapes(a[:-2], b[:-2])
    except ValueError:
        raise ValueError(f"matmul: {expected}, got {a} and {b}, whose leading axes do not broadcast") from None
    return lead + a[-2:-1] + (b[-1:] if len(b) > 1 else ())


def _array(elements: list, shape: tuple[int, ...]) -> Any:
    """The elements as an object array of a shape, or the only element if the shape has no axes."""
    if not shape:
        return elements[0]
    out = np.empty(len(elements), dtype=object)
    out[:] = elements
    return out.reshape(shape)


def _numbers(g, number_of) -> Any:
    """number_of each element, as float64 if they are all floats or ints."""
    if isinstance(g, Value):
        return number_of(g)
    g = np.asarray(g)
    numbers = [number_of(x) for x in g.ravel().tolist()]
    if g.ndim and all(isinstance(x, (float, int)) for x in numbers):
        with contextlib.suppress(OverflowError):  # of an int that no float holds
            return np.array(numbers, dtype=np.float64).reshape(g.shape)
    return _array(numbers, g.shape)
