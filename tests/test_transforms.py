"""tg.grad and tg.value_and_grad: functions in, functions out."""

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad.errors import DTypeError, GraphError, OptionError, ShapeError


def product(x, y):
    return (x * x * y).sum()


X, Y = np.array([1.0, 2.0]), np.array([3.0, 5.0])


@pytest.mark.parametrize(
    ("argnums", "expected"), [(0, 2 * X * Y), (1, X * X), (-1, X * X), ((0, 1), (2 * X * Y, X * X)), ((1,), (X * X,)),
                              ([1, 0], (X * X, 2 * X * Y)), (np.int64(1), X * X)], ids=str
)  # fmt: skip
def test_argnums(argnums, expected):
    value, slope = tg.value_and_grad(product, argnums)(X, Y)
    assert value.item() == (X * X * Y).sum()
    assert isinstance(slope, tuple) == isinstance(expected, tuple)
    for s, e in zip(
        slope if isinstance(slope, tuple) else [slope],
        expected if isinstance(expected, tuple) else [expected],
        strict=True,
    ):
        np.testing.assert_array_equal(s.numpy(), e)


@pytest.mark.parametrize("argnums", [2, -3, (0, 2)])
def test_argnums_that_do_not_exist(argnums):
    with pytest.raises(OptionError, match=r"^grad: argnums .* the function got 2 arguments"):
        tg.grad(product, argnums)(X, Y)


def test_same_argument_twice_in_argnums_is_the_same_gradient():
    a, b = tg.grad(product, (0, 0))(X, Y)
    assert a.numpy().tolist() == b.numpy().tolist() == (2 * X * Y).tolist()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_three_deep(dtype):
    f = tg.grad(tg.grad(tg.grad(lambda x: x**4 + np.exp(2 * x))))
    y = f(np.array(0.5, dtype))
    assert y.dtype == dtype
    np.testing.assert_allclose(y.item(), 24 * 0.5 + 8 * np.e, rtol=1e-6)


def test_hessian_of_a_mixed_function():
    mixed = tg.grad(lambda x, y: tg.grad(lambda a, b: (a * a * b**3).sum())(x, y).sum(), 1)
    np.testing.assert_allclose(mixed(X, Y).numpy(), 2 * X * 3 * Y**2)


@pytest.mark.parametrize(
    "f", [lambda x, y: (y * y).sum(), lambda x, y: tg.tensor(3.0), lambda x, y: (x.detach() * y).sum()]
)
def test_argument_that_does_not_matter_has_gradient_zero(f):
    slope = tg.grad(f)(X, tg.tensor(Y, requires_grad=True))
    assert slope.numpy().tolist() == [0, 0]


def test_closure_over_parameters_leaves_their_gradients_alone():
    p = tg.Parameter(np.array([2.0, 4.0]))
    slope = tg.grad(lambda x: (p * x).sum())(X)
    assert slope.numpy().tolist() == [2, 4]
    assert p.grad is None


def test_parameters_as_arguments():
    p = tg.Parameter(np.array([2.0, 4.0]))
    assert tg.grad(lambda w: (w * w).sum())(p).numpy().tolist() == [4, 8]
    assert p.grad is None


def test_value_can_be_differentiated_further():
    p = tg.Parameter(np.array([2.0, 4.0]))
    penalty = (tg.grad(lambda x: (p * x * x).sum())(X) ** 2).sum()  # sum of (2 p x)**2
    penalty.backward()
    np.testing.assert_allclose(p.grad, 8 * p.data * X**2)


def test_arguments_are_not_changed_or_shared():
    x = X.copy()
    slope = tg.grad(lambda t: t.sum() + (t * t).sum())(x)
    x[...] = 100
    assert slope.numpy().tolist() == [3, 5]


def test_outer_leaf_gets_its_gradient_through_grad():
    x = tg.tensor(X, requires_grad=True)
    tg.grad(lambda t: (t**3).sum())(x).sum().backward()
    np.testing.assert_allclose(x.grad, 6 * X)


@pytest.mark.parametrize(
    ("f", "got"),
    [(lambda x: x * 2, r"a tensor of shape \(2,\)"), (lambda x: 3.0, "float"), (lambda x: None, "NoneType")],
)
def test_function_must_return_a_scalar(f, got):
    with pytest.raises(ShapeError, match=f"^grad: the function must return a scalar Tensor, got {got}"):
        tg.grad(f)(X)


@pytest.mark.parametrize("x", [np.array([1, 2]), 3, [True]], ids=str)
def test_integers_have_no_gradient(x):
    with pytest.raises(
        DTypeError,
        match=r"^grad: argument 0 has dtype (int64|bool); gradients need float32 or float64: write 2.0 for 2$",
    ):
        tg.grad(lambda t: t.sum())(x)


def test_python_numbers_are_float32_as_in_tensor():
    assert tg.grad(lambda x: x * x)(2.0).dtype == tg.tensor(2.0).dtype


def test_not_under_no_grad():
    with tg.no_grad(), pytest.raises(GraphError, match=r"^grad: nothing can be recorded under tg\.no_grad\(\)$"):
        tg.grad(lambda x: x.sum())(X)


def test_keyword_arguments_and_name_are_kept():
    assert tg.grad(lambda x, scale: (x * scale).sum())(X, scale=3.0).numpy().tolist() == [3, 3]
    assert tg.grad(product).__name__ == "product"


@pytest.mark.parametrize("f", [lambda x: (x @ [[1.0], [2.0]]).sum(), lambda x: (x * np.ones(2)).sum(),
                               lambda x: ([1.0, 2.0] * x).sum()], ids=["matmul list", "float64", "list"])  # fmt: skip
def test_plain_operands_do_not_change_the_dtype(f):
    assert tg.grad(f)(X.astype("float32")).dtype == np.float32


def test_the_gradient_is_no_part_of_a_graph_unless_an_argument_is():
    assert not tg.grad(lambda x: (x * x).sum())(X).requires_grad


def test_gradcheck_sees_a_wrong_gradient():
    with pytest.raises(tg.errors.GradientError, match=r"^gradcheck: argument 0, element \(1,\): the gradient is 0, "):
        tg.gradcheck(lambda x: (x[0] * x[1].detach()).sum(), X)
