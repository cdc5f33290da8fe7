"""NumPy's protocols: its functions on Tensors give Tensors with gradients, or a clear TypeError."""

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad._op import Op
from tensorgrad._registry import BY_NUMPY

ELSE = "; take plain numbers with .numpy(), or use an op of tensorgrad.ops"


@pytest.fixture
def t():
    return tg.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)


UFUNCS = [f for f, op in BY_NUMPY.items() if isinstance(f, np.ufunc) and isinstance(op, Op)]


@pytest.mark.parametrize("ufunc", UFUNCS, ids=lambda f: f.__name__)
def test_ufuncs_give_tensors(ufunc, t):
    x = t if ufunc is np.arccosh else t / 5  # where the function is defined
    y = ufunc(*[x] * ufunc.nin)
    assert isinstance(y, tg.Tensor)
    np.testing.assert_allclose(y.numpy(), ufunc(*[x.numpy()] * ufunc.nin), rtol=1e-6)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.sum(x, axis=0),
        lambda x: np.sum(x, 1, keepdims=True),
        lambda x: np.mean(x),
        lambda x: np.max(x, 0),
        lambda x: np.amax(x, axis=0),
        lambda x: np.amin(x, axis=0),
        lambda x: np.concatenate([x, x]),
        lambda x: np.concatenate((x, np.ones((1, 2)))),
        lambda x: np.stack([x, x], axis=1),
        lambda x: np.reshape(x, -1),
        lambda x: np.transpose(x),
        lambda x: np.where(np.eye(2) > 0, x, 0),
        lambda x: np.add(1.0, x),
        lambda x: np.matmul(x, np.ones(2)),
        lambda x: np.multiply(np.ones(2), x),
        lambda x: np.float64(2) * x,
        lambda x: np.float32(2) - x,
    ],
    ids=range(17),
)
def test_functions_give_tensors_with_gradients(f, t):
    y = f(t)
    assert isinstance(y, tg.Tensor)
    assert y.requires_grad
    assert y.dtype == np.float32
    np.testing.assert_allclose(y.numpy(), f(t.numpy()))


@pytest.mark.parametrize("f", [np.shape, np.ndim, np.size, np.argmax, lambda x: np.argmax(x, axis=1)], ids=range(5))
def test_functions_without_gradient_give_plain_numbers(f, t):
    np.testing.assert_array_equal(f(t), f(t.numpy()))
    assert not isinstance(f(t), tg.Tensor)


@pytest.mark.parametrize("make", [np.ones, lambda s: np.ones(s, "float32")], ids=["float64", "float32"])
@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "true_divide", "power", "matmul"])
def test_array_op_tensor_both_ways(name, make, t):
    for y in (getattr(np, name)(t, make((2, 2))), getattr(np, name)(make((2, 2)), t)):
        assert isinstance(y, tg.Tensor)
        assert y.dtype == np.float32


@pytest.mark.parametrize(
    ("f", "text"),
    [
        (lambda t: np.add.reduce(t), "np.add.reduce has no gradient here"),
        (lambda t: np.add.accumulate(t), "np.add.accumulate has no gradient here"),
        (lambda t: np.add.at(t, 0, 1), "np.add.at has no gradient here"),
        (lambda t: np.multiply.outer(t, t), "np.multiply.outer has no gradient here"),
        (lambda t: np.add(t, 1, out=np.ones((2, 2))), "np.add with out= has no gradient here"),
        (lambda t: np.add(np.ones((2, 2)), 1, out=t), "np.add with out= has no gradient here"),
        (lambda t: np.exp(t, where=np.eye(2) > 0), "np.exp with where= has no gradient here"),
        (lambda t: np.exp(t, dtype=float), "np.exp with dtype= has no gradient here"),
        (lambda t: np.sum(t, dtype=float), "np.sum with dtype= has no gradient here"),
        (lambda t: np.sum(t, out=np.ones(())), "np.sum with out= has no gradient here"),
        (lambda t: np.sum(t, initial=1.0), "np.sum with initial= has no gradient here"),
        (lambda t: np.reshape(t, 4, order="F"), "np.reshape with order= has no gradient here"),
        (lambda t: np.concatenate([t, t], dtype=float), "np.concatenate with dtype= has no gradient here"),
        (lambda t: np.floor(t), "np.floor has no gradient here"),
        (lambda t: np.ones((2, 2)) // t, "np.floor_divide has no gradient here"),
        (lambda t: np.linalg.svd(t), "np.linalg.svd has no gradient here"),
        (lambda t: np.cumprod(t), "np.cumprod has no gradient here"),
        (lambda t: np.allclose(t, t), "np.allclose has no gradient here"),
    ],
)
def test_what_is_not_supported_is_a_clear_type_error(f, text, t):
    with pytest.raises(TypeError) as error:
        f(t)
    assert str(error.value) == text + ELSE


def test_where_without_choices_is_a_clear_type_error(t):
    with pytest.raises(TypeError, match=r"^where takes 3 inputs, got 1"):
        np.where(t)
    with pytest.raises(TypeError, match=r"^where takes 3 inputs, got 2"):
        tg.ops.where(t > 0, t)


@pytest.mark.parametrize(
    ("f", "text"),
    [
        (lambda t: tg.ops.add(t), "add takes 2 inputs, got 1"),
        (lambda t: tg.ops.add(t, t, t), "add takes 2 inputs and 0 options, got 3 arguments"),
        (lambda t: tg.ops.relu(), "relu takes 1 input, got 0"),
        (lambda t: tg.ops.sum(t, axes=1), "sum has no option 'axes'; did you mean 'axis'?"),
    ],
)
def test_wrong_arguments_name_the_op(f, text, t):
    with pytest.raises(TypeError) as error:
        f(t)
    assert str(error.value).startswith(text)


def test_arrays_are_not_changed_in_place_by_a_tensor(t):
    x = np.ones((2, 2))
    with pytest.raises(TypeError, match=r"np\.add with out= has no gradient here"):
        x += t
    assert x.tolist() == [[1, 1], [1, 1]]


def test_parameters_have_the_same_protocols():
    p = tg.Parameter(np.array([1.0, 2.0], "float32"))
    for y in (np.exp(p), np.sum(p, axis=0), np.ones(2) * p, p @ np.ones(2), np.concatenate([p, p])):
        assert isinstance(y, tg.Tensor)
        assert y.requires_grad
        assert y.dtype == np.float32


def test_engines_do_not_mix():
    from microgrid import Value, grid

    message = r"^add: a Tensor and a grid of Values cannot be mixed; bring the whole model to one engine with model\.to"
    for other in (grid(np.ones(2)), Value(1.0)):
        with pytest.raises(tg.errors.EngineError, match=message):
            tg.tensor([1.0, 2.0]) + other
