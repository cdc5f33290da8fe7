"""Right and finite, value and gradient, at magnitudes up to 1e4 and beyond: against the twin in 50 digits."""

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import ops
from tensorgrad.check.truth import many_digits, twin_gradients

NORMAL = np.random.default_rng(0).normal(size=(7, 5))
LARGE = {
    "of both signs": NORMAL * 1e4,
    "around 10000": 1e4 + NORMAL,
    "around -10000": NORMAL - 1e4,
    "equal": np.full((7, 5), 1e4),
    "one far above": np.where(np.arange(5) == 2, 1e4, NORMAL),
    "one far below": np.where(np.arange(5) == 2, -1e4, NORMAL),
    "small": NORMAL * 1e-4,
}
CALLS = {
    "softmax": [{}, {"axis": 0}, {"axis": None}],
    "log_softmax": [{}, {"axis": 0}, {"axis": None}],
    "logsumexp": [{}, {"axis": 0}, {"axis": None}],
    "norm": [{}, {"axis": 0}, {"axis": 1}],
    "vector_norm": [{"ord": p, "axis": a} for p in (1, 2, 3, 0.5, -1, np.inf) for a in (0, 1)],
    "var": [{"axis": 0}, {"axis": 1, "ddof": 1}, {}],
    "std": [{"axis": 0}, {"axis": 1, "ddof": 1}, {}],
}
# Over rounding errors of the input's own size stand: of a gradient's terms of both signs, those of 1.
ULPS = 32


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("numbers", LARGE)
@pytest.mark.parametrize("name", CALLS)
def test_large_numbers(name, numbers, dtype):
    op, x = ops.find(name), LARGE[numbers].astype(dtype)
    for options in CALLS[name]:
        t = tg.tensor(x, requires_grad=True)
        y = op(t, **options)
        g = np.linspace(0.5, 1.5, y.size).reshape(y.shape).astype(dtype)
        y.backward(g)
        value, (gradient,) = twin_gradients(op, [x], options, g.astype(float), many_digits(50))
        for got, truth in ((y.numpy(), value), (t.grad, gradient)):
            truth = np.asarray(truth).astype(float)
            assert got.dtype == dtype and np.isfinite(got).all(), options
            unit = np.finfo(dtype).eps * max(abs(truth).max(), 1e-3)
            assert (abs(got - truth) <= ULPS * unit).all(), (options, abs(got - truth).max() / unit)


@pytest.mark.parametrize("order", [2, 3, 1.5, 1, np.inf])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("scale", [1e30, 1e-30, 1e-40])
def test_squares_neither_overflow_nor_vanish(scale, axis, order):
    x = (NORMAL * scale).astype("float32")
    t = tg.tensor(x, requires_grad=True)
    ops.vector_norm(t, ord=order, axis=axis).sum().backward()
    exact = tg.tensor(x.astype(float) / scale, requires_grad=True)
    expected = ops.vector_norm(exact, ord=order, axis=axis)
    expected.sum().backward()
    rtol = 1e-5 if scale > 1e-38 else 1e-3  # subnormal numbers have few digits
    np.testing.assert_allclose(ops.vector_norm(x, ord=order, axis=axis) / scale, expected.numpy(), rtol)
    np.testing.assert_allclose(t.grad, exact.grad, rtol, rtol)


@pytest.mark.parametrize("axis", [None, 0, 1])
def test_the_variance_of_many_numbers_far_from_0(axis):
    x = (np.random.default_rng(1).normal(size=(513, 300)) + 1e4).astype("float32")
    exact = x.astype(float)
    t = tg.tensor(x, requires_grad=True)
    np.testing.assert_allclose(ops.var(x, axis), exact.var(axis), 1e-4)
    ops.std(t, axis).sum().backward()
    middle = exact.mean(axis, keepdims=True)
    count = x.size if axis is None else x.shape[axis]
    np.testing.assert_allclose(t.grad, (exact - middle) / exact.std(axis, keepdims=True) / count, 1e-3, 1e-4 / count)


@pytest.mark.parametrize("axis", [None, 0, 1])
def test_the_deviation_of_equal_numbers_has_gradient_0(axis):
    t = tg.tensor(np.full((3, 4), 0.1), requires_grad=True)
    y = ops.std(t, axis)
    y.sum().backward()
    assert not y.numpy().any() and not t.grad.any()


@pytest.mark.parametrize("order", [1, 2, 3, 1.5, np.inf])
def test_the_norm_of_the_zero_vector_has_gradient_0_twice(order):
    slope = tg.grad(lambda x: ops.vector_norm(x, ord=order))
    x = np.zeros(3)
    assert not slope(x).numpy().any()
    assert not tg.grad(lambda x: (slope(x) * np.arange(3.0)).sum())(x).numpy().any()


@pytest.mark.parametrize("zeros", [[], [1], [1, 3], [0, 1, 2, 3]])
def test_the_gradient_of_a_product_with_zeros_and_its_gradient(zeros):
    x = np.array([2.0, -3.0, 0.5, 4.0])
    x[zeros] = 0

    def others(*gone):
        return np.prod(np.delete(x, gone))

    slope = tg.grad(ops.prod)
    np.testing.assert_allclose(slope(x).numpy(), [others(i) for i in range(4)])
    for i in range(4):
        expected = [others(i, j) if i != j else 0 for j in range(4)]
        np.testing.assert_allclose(tg.grad(lambda x, i=i: slope(x)[i])(x).numpy(), expected)


def test_a_product_at_the_ends_of_the_range():
    x = np.array([1e-30, 1e-30, 1e25], "float32")
    t = tg.tensor(x, requires_grad=True)
    ops.prod(t).backward()
    np.testing.assert_allclose(t.grad, [1e-5, 1e-5, 0], 1e-5)


NAMES = ["sum", "prod", "cumsum", "max", "min", "mean", "var", "std", "argmax", "argmin"]


@pytest.mark.parametrize("x", [[True, False, True], [[3, -1], [2, 5]], np.arange(1, 4, dtype="uint8")], ids=range(3))
@pytest.mark.parametrize("name", NAMES)
def test_integers_and_booleans_as_in_numpy(name, x):
    expected = np.asarray(getattr(np, name)(x))
    for got in (getattr(ops, name)(x), getattr(np, name)(tg.tensor(np.array(x)))):
        got = got.numpy() if isinstance(got, tg.Tensor) else np.asarray(got)
        assert got.dtype == expected.dtype
        np.testing.assert_allclose(got, expected)


CALLS_OF_NUMPY = {
    "var": lambda x: np.var(x, ddof=1), "std": lambda x: np.std(x, axis=(0, 1), keepdims=True),
    "var by a method": lambda x: x.var(axis=0, ddof=1), "std by a method": lambda x: x.std(),
    "prod": lambda x: np.prod(x, 1), "prod by a method": lambda x: x.prod(axis=-1), "cumsum": lambda x: np.cumsum(x),
    "cumsum of an axis": lambda x: np.cumsum(x, 1), "cumsum by a method": lambda x: x.cumsum(axis=0),
    "argmin": lambda x: np.argmin(x, 0), "argmin by a method": lambda x: x.argmin(),
    "argmax": lambda x: np.argmax(x, axis=1, keepdims=True), "norm": lambda x: np.linalg.norm(x),
    "norm of columns": lambda x: np.linalg.norm(x, 1, 0), "Frobenius": lambda x: np.linalg.norm(x, "fro"),
    "vector_norm": lambda x: np.linalg.vector_norm(x, ord=3), "no axes": lambda x: np.sum(x, axis=()),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS_OF_NUMPY)
def test_numpys_functions_and_methods(name):
    call, x = CALLS_OF_NUMPY[name], NORMAL
    got, expected = call(tg.tensor(x)), call(x)
    got = got.numpy() if isinstance(got, tg.Tensor) else np.asarray(got)
    assert got.shape == expected.shape and got.dtype == expected.dtype
    np.testing.assert_allclose(got, expected, 1e-12)
