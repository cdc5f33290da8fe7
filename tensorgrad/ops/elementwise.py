"""Elementwise ops: one number in, one number out, with NumPy's broadcasting.

Backward rules are in NumPy's words: on arrays they compute, on Tensors (for derivatives of derivatives) they record.
"""

import numpy as np

from .. import kernels
from .._op import op
from .._samples import NO_NUMBERS, bad, bounded, mask, sample, scaled, special, strided, uniform
from .._tensor import Tensor
from ..errors import ShapeError
from ..kernels import share
from ._shared import (
    binary,
    check_broadcast,
    check_same_shape,
    contiguous,
    flat,
    is_fixed,
    negated,
    operand,
    over,
    same_shape,
    times,
    unary,
)
from .comparisons import truth

# What every op of one input is tried on: one number, none, odd sizes around vector lanes, not contiguous, and specials.
ANY = [sample(()), sample((0, 3)), sample((1,)), sample((5, 3)), sample((2, 3, 17)), sample((67,)), sample(strided(4, 5)),
       sample(scaled((33,), 1e4)), special([np.inf, -np.inf, np.nan, 0.0, -1.0, 1.0]), sample((15,)),
       sample((16,))]  # fmt: skip
POSITIVE = [sample(uniform(0.1, 3)), sample(uniform(0.1, 3, 0, 3)), sample(uniform(0.1, 3, 5, 3)),
            sample(uniform(0.1, 3, 2, 3, 17)), sample(uniform(0.1, 3, 67)), sample(uniform(1e-4, 1e4, 33)),
            special([np.inf, -np.inf, np.nan, 0.0, -1.0, 1.0]), sample(uniform(0.1, 3, 15)), sample(uniform(0.1, 3, 4, 4)),
            sample(uniform(0.1, 3, 17))]  # fmt: skip
KINKS = [sample([0.0, -0.0, 1.0, -1.0])]
PAIRS = [
    sample((5, 3), (5, 3)), sample((5, 3), (3,)), sample((5, 1), (1, 3)), sample((), (2, 3)), sample((4, 1, 3), (2, 1)),
    sample((67,), (1,)), sample((0, 3), (3,)), sample(strided(4, 5), (4, 5)), sample((3, 17), ()), sample((15,), (15,)),
    sample((16,), (1, 16)), sample((1,), (33,)),
]  # fmt: skip
TIES = [sample([1.0, 2.0, 3.0, -1.0], [1.0, 3.0, 2.0, -1.0])]
MISMATCH = [
    bad((5, 3), (4,), error=ShapeError, match="shapes (5, 3) and (4,) do not broadcast"),
    bad((2, 3), (3, 2), error=ShapeError, match="shapes (2, 3) and (3, 2) do not broadcast"),
    bad((2, 0), (2, 3), error=ShapeError, match="shapes (2, 0) and (2, 3) do not broadcast"),
]


UNEQUAL = [
    bad((3,), (1,), error=ShapeError, match="the inputs must have one shape, got (3,) and (1,)"),
    bad((), (6,), error=ShapeError, match="the inputs must have one shape, got () and (6,)"),
    bad((2, 3), (6,), error=ShapeError, match="the inputs must have one shape, got (2, 3) and (6,)"),
]
BOTH = [sample((5, 3), (5, 3)), sample((0, 3), (0, 3)), sample((), ()), sample((1,), (1,)), sample((2, 3, 17), (2, 3, 17)),
        sample((15,), (15,)), sample((16,), (16,)), sample((33,), (33,)), sample((67,), (67,)),
        sample(strided(4, 5), (4, 5))]  # fmt: skip


# ---- arithmetic -------------------------------------------------------------------------------------------------------
@op(twin=lambda x, y: x + y, backward=[lambda g, _z, _x, _y: g, lambda g, _z, _x, _y: g],
    samples=PAIRS, errors=MISMATCH, check=check_broadcast("add"), numpy=(np.add,))  # fmt: skip
def add(x, y, /):
    """x + y, broadcast.

    >>> add(np.ones(2), 1.5)
    array([2.5, 2.5])
    """
    return binary(kernels.add, x, y)


@op(twin=lambda x, y: x - y, backward=[lambda g, _z, _x, _y: g, lambda g, _z, _x, _y: negated(g)],
    samples=PAIRS, errors=MISMATCH, check=check_broadcast("subtract"), numpy=(np.subtract,))  # fmt: skip
def subtract(x, y, /):
    """x - y, broadcast.

    >>> subtract(np.ones(2), 1.5)
    array([-0.5, -0.5])
    """
    return binary(kernels.subtract, x, y)


@op(twin=lambda x, y: x * y, backward=[lambda g, _z, _x, y: times(g, y), lambda g, _z, x, _y: times(g, x)],
    samples=PAIRS, errors=MISMATCH, check=check_broadcast("multiply"), numpy=(np.multiply,))  # fmt: skip
def multiply(x, y, /):
    """x * y, broadcast.

    >>> multiply(np.ones(2), 1.5)
    array([1.5, 1.5])
    """
    return binary(kernels.multiply, x, y)


@op(twin=lambda x, y: x / y, backward=[lambda g, _z, _x, y: over(g, y), lambda g, z, _x, y: over(times(negated(g), z), y)],
    samples=[sample(s.inputs[0], uniform(0.5, 2, *s.arrays(np.random.default_rng(0))[1].shape)) for s in PAIRS]
    + [special([1.0, -1.0, 0.0, np.inf], [0.0, 0.0, 0.0, 2.0])],
    errors=MISMATCH, check=check_broadcast("divide"), numpy=(np.divide,))  # fmt: skip
def divide(x, y, /):
    """x / y, broadcast; division by zero gives inf or nan.

    >>> divide(np.ones(2), 2.0)
    array([0.5, 0.5])
    """
    return binary(kernels.divide, x, y)


def _power_of_base(g, _z, x, y):
    tiny = np.finfo(x.dtype).tiny
    return (
        g * y * np.power(x, np.where(np.abs(x) < tiny, np.where(y == 0, 1, y - 1), y - 1))
    )  # x**0 is flat at x = 0 too


def _power_of_exponent(g, z, x, _y):
    return g * np.where(x == 0, 0, z * np.log(np.where(x == 0, 1, x)))


def _power_fused(needs, g, z, x, y):
    shape, g, grads = g.shape, flat(contiguous(g)), []
    for need, kernel, operands in ((needs[0], kernels.power_backward_base, (x, y)),
                                   (needs[1], kernels.power_backward_exponent, (x, z))):  # fmt: skip
        out = np.empty(shape, g.dtype) if need else None
        if out is not None and out.size:
            share(kernel, g, *(operand(a, shape) for a in operands), flat(out))
        grads.append(out)
    return grads


@op(twin=lambda x, y: x**y, fused=_power_fused, backward=[_power_of_base, _power_of_exponent],
    samples=[sample(uniform(0.5, 2, 5, 3), (5, 3)), sample(uniform(0.5, 2, 5, 3), (3,)), sample(uniform(0.5, 2, 67), ()),
             sample(uniform(0.5, 2, 0, 3), (3,)), sample((5, 3), [2.0]), sample((5, 3), 3.0), sample((5, 3), [0.0]),
             sample(uniform(0.5, 2), (2, 3)), sample([0.0, 2.0], [2.0, 0.0])],
    errors=MISMATCH, check=check_broadcast("power"), numpy=(np.power,), ties="0 for x**0 at 0")  # fmt: skip
def power(x, y, /):
    """x to the power y, broadcast; a negative x needs a whole y (else nan).

    >>> power(np.array([2.0, 3.0]), 2)
    array([4., 9.])
    """
    squares = y.size == 1 and y.ndim <= x.ndim and is_fixed(y) and y.item() == 2
    return unary(kernels.square, x) if squares else binary(kernels.power, x, y)


@op(twin=lambda x: x * 1, backward=[lambda g, _y, _x: g], samples=ANY, errors=NO_NUMBERS, numpy=(np.positive,))
def positive(x, /):
    """x itself as a new array, a new place in the graph.

    >>> positive(np.array([1.0, -2.0]))
    array([ 1., -2.])
    """
    return unary(kernels.copy, x)


@op(twin=lambda x: -x, backward=[lambda g, _y, _x: negated(g)], samples=ANY, errors=NO_NUMBERS, numpy=(np.negative,))
def negative(x, /):
    """-x.

    >>> negative(np.array([1.0, -2.0]))
    array([-1.,  2.])
    """
    return unary(kernels.negative, x)


# ---- functions --------------------------------------------------------------------------------------------------------
@op(twin=abs, fused=lambda needs, g, _y, x: [same_shape(kernels.absolute_backward, g, x)],
    backward=[lambda g, _y, x: g * np.sign(x)], samples=ANY + KINKS, errors=NO_NUMBERS, name="abs",
    numpy=(np.absolute,), ties="0 at 0")  # fmt: skip
def absolute(x, /):
    """|x|; the gradient at 0 is 0.

    >>> absolute(np.array([1.0, -2.0]))
    array([1., 2.])
    """
    return unary(kernels.absolute, x)


@op(ties="none", twin=lambda x: (x > 0) * 1 - (x < 0) * 1, backward=[None], numpy=(np.sign,),
    samples=[s for s in ANY if s.gradient] + KINKS, errors=NO_NUMBERS)  # fmt: skip
def sign(x, /):
    """-1, 0 or 1; without gradient.

    >>> sign(np.array([3.0, -2.0, 0.0]))
    array([ 1., -1.,  0.])
    """
    return unary(kernels.sign, x)


@op(twin=lambda x: x * x, fused=lambda needs, g, _y, x: [same_shape(kernels.square_backward, g, x)],
    backward=[lambda g, _y, x: g * (2 * x)], samples=ANY, errors=NO_NUMBERS, numpy=(np.square,))  # fmt: skip
def square(x, /):
    """x * x.

    >>> square(np.array([3.0, -2.0]))
    array([9., 4.])
    """
    return unary(kernels.square, x)


@op(twin=np.sqrt, fused=lambda needs, g, y, _x: [same_shape(kernels.sqrt_backward, g, y)], unread=("x",),
    backward=[lambda g, y, _x: g / (2 * y)], samples=POSITIVE, errors=NO_NUMBERS,
    numpy=(np.sqrt,), ties="infinite at 0")  # fmt: skip
def sqrt(x, /):
    """The square root; nan below 0, an infinite gradient at 0.

    >>> sqrt(np.array([9.0, 4.0]))
    array([3., 2.])
    """
    return unary(kernels.sqrt, x)


# ---- activations ------------------------------------------------------------------------------------------------------
@op(twin=lambda x: np.where(x != x, x, np.where(x > 0, x, 0)), samples=ANY + KINKS, errors=NO_NUMBERS, ties="0 at 0",
    backward=[lambda g, y, _x: relu_backward(g, y)])  # fmt: skip
def relu(x, /):
    """max(x, 0); the gradient at 0 is 0.

    >>> relu(np.array([3.0, -2.0]))
    array([3., 0.])
    """
    return unary(kernels.relu, x)


@op(ties="0 at 0", check=check_same_shape("relu_backward"), errors=UNEQUAL,
    twin=lambda g, y: np.where(y > 0, g, 0), backward=[lambda h, _z, _g, y: relu_backward(h, y), None],
    samples=[*BOTH, sample([1.0, 2.0, 3.0], [0.0, -0.0, 1.0])])  # fmt: skip
def relu_backward(g, y, /):
    """The gradient of relu's input, from that of its output and the output itself.

    >>> relu_backward(np.array([5.0, 6.0]), np.array([3.0, 0.0]))
    array([5., 0.])
    """
    return same_shape(kernels.relu_backward, g, y)


@op(twin=np.tanh, backward=[lambda g, y, _x: tanh_backward(g, y)], samples=ANY, errors=NO_NUMBERS, numpy=(np.tanh,),
    gradient_tolerance=bounded(4))  # fmt: skip
def tanh(x, /):
    """The hyperbolic tangent, between -1 and 1.

    >>> tanh(np.array([0.0, 1.0]))
    array([0.        , 0.76159416])
    """
    return unary(kernels.tanh, x)


@op(check=check_same_shape("tanh_backward"), errors=UNEQUAL,
    twin=lambda g, y: g * (1 - y * y), samples=BOTH,
    backward=[lambda h, _z, _g, y: tanh_backward(h, y), lambda h, _z, g, y: h * g * (-2 * y)])  # fmt: skip
def tanh_backward(g, y, /):
    """The gradient of tanh's input, from that of its output and the output itself.

    >>> tanh_backward(np.array([5.0]), np.array([0.5]))
    array([3.75])
    """
    return same_shape(kernels.tanh_backward, g, y)


@op(twin=np.frompyfunc(lambda x: x.sigmoid(), 1, 1), backward=[lambda g, y, _x: sigmoid_backward(g, y)], samples=ANY,
    errors=NO_NUMBERS,     gradient_tolerance=bounded(4))  # fmt: skip
def sigmoid(x, /):
    """1 / (1 + exp(-x)), between 0 and 1.

    >>> sigmoid(np.array([0.0, 2.0]))
    array([0.5       , 0.88079708])
    """
    return unary(kernels.sigmoid, x)


@op(check=check_same_shape("sigmoid_backward"), errors=UNEQUAL,
    twin=lambda g, y: g * (y * (1 - y)), samples=BOTH,
    backward=[lambda h, _z, _g, y: sigmoid_backward(h, y), lambda h, _z, g, y: h * g * (1 - 2 * y)])  # fmt: skip
def sigmoid_backward(g, y, /):
    """The gradient of sigmoid's input, from that of its output and the output itself.

    >>> sigmoid_backward(np.array([4.0]), np.array([0.5]))
    array([1.])
    """
    return same_shape(kernels.sigmoid_backward, g, y)


# ---- choosing ---------------------------------------------------------------------------------------------------------
def _shares(needs, g, pairs):
    """What each input of a maximum gets of the gradient: `pairs` are the input and the other one."""
    shape, g, grads = g.shape, flat(contiguous(g)), []
    for need, (mine, other) in zip(needs, pairs, strict=True):
        out = np.empty(shape, g.dtype) if need else None
        if out is not None and out.size:
            share(kernels.larger_share, g, operand(mine, shape), operand(other, shape), flat(out))
        grads.append(out)
    return grads


@op(twin=lambda x, y: np.where(x > y, x, np.where(x < y, y, (x + y) / 2)),
    fused=lambda needs, g, _z, x, y: _shares(needs, g, [(x, y), (y, x)]),
    backward=[lambda g, _z, x, y: np.where(x > y, g, np.where(x == y, g / 2, 0)),
              lambda g, _z, x, y: np.where(y > x, g, np.where(x == y, g / 2, 0))],
    samples=PAIRS + TIES + [special([np.nan, 1.0, np.inf], [1.0, np.nan, 0.0])],
    errors=MISMATCH, check=check_broadcast("maximum"), numpy=(np.maximum,), ties="halves")  # fmt: skip
def maximum(x, y, /):
    """The larger of x and y, broadcast; NaN wins, and a tie splits the gradient in halves.

    >>> maximum(np.array([1.0, 5.0]), 3.0)
    array([3., 5.])
    """
    return binary(kernels.maximum, x, y)


@op(twin=lambda x, y: np.where(x < y, x, np.where(x > y, y, (x + y) / 2)),
    fused=lambda needs, g, _z, x, y: _shares(needs, g, [(y, x), (x, y)]),
    backward=[lambda g, _z, x, y: np.where(x < y, g, np.where(x == y, g / 2, 0)),
              lambda g, _z, x, y: np.where(y < x, g, np.where(x == y, g / 2, 0))],
    samples=PAIRS + TIES + [special([np.nan, 1.0, np.inf], [1.0, np.nan, 0.0])],
    errors=MISMATCH, check=check_broadcast("minimum"), numpy=(np.minimum,), ties="halves")  # fmt: skip
def minimum(x, y, /):
    """The smaller of x and y, broadcast; NaN wins, and a tie splits the gradient in halves.

    >>> minimum(np.array([1.0, 5.0]), 3.0)
    array([1., 3.])
    """
    return binary(kernels.minimum, x, y)


def _zero(g):
    return 0.0 if isinstance(g, Tensor) else np.zeros((), g.dtype)


def _kept(condition, x, y):
    """np.where of a gradient and 0, by the kernel on arrays."""
    recorded = isinstance(x, Tensor) or isinstance(y, Tensor)
    return where(condition, x, y) if recorded else where.forward(condition, x, y)


@op(twin=lambda condition, x, y: np.where(condition, x, y), constants=("condition",),
    backward=[None, lambda g, _z, condition, _x, _y: _kept(condition, g, _zero(g)),
              lambda g, _z, condition, _x, _y: _kept(condition, _zero(g), g)],
    samples=[sample(mask(5, 3), (5, 3), (5, 3)), sample(mask(3), (5, 3), ()), sample(mask(5, 1), (1, 3), (3,)),
             sample(mask(0, 3), (0, 3), (3,)), sample(mask(67), (67,), (67,)), sample(mask(1), (2, 3), (2, 3)),
             sample(mask(15), (15,), ()), sample(mask(33), (), (33,)), sample(mask(4, 5), strided(4, 5), (4, 5)),
             special([True, False, True], [np.nan, np.nan, 1.0], [0.0, np.inf, np.nan])],
    errors=[bad(mask(4), (5, 3), (3,), error=ShapeError, match="shapes (4,) and (5, 3) and (3,) do not broadcast"),
            bad(mask(3), (3,), (2,), error=ShapeError, match="shapes (3,) and (3,) and (2,) do not broadcast"),
            bad(mask(2, 0), (2, 3), (), error=ShapeError, match="shapes (2, 0) and (2, 3) and () do not broadcast")],
    check=check_broadcast("where"), numpy=(np.where,))  # fmt: skip
def where(condition, x, y, /):
    """x where the condition holds and y elsewhere, broadcast.

    >>> where(np.array([True, False]), np.ones(2), 0.0)
    array([1., 0.])
    """
    shape = np.broadcast_shapes(condition.shape, x.shape, y.shape)
    out = np.empty(shape, x.dtype)
    if condition.dtype != bool:
        condition = truth(condition)
    if out.size:
        share(kernels.where, *(operand(a, shape) for a in (condition, x, y)), flat(out))
    return out
