"""Dense: what it computes, its options and initial weights, and its activation in the same kernel."""

import numpy as np
import pytest
from small_models import mlp

from tensorgrad import nn
from tensorgrad.errors import OptionError, ShapeError


@pytest.mark.parametrize("shape", [(2,), (5, 2), (4, 5, 2), (0, 2)])
@pytest.mark.parametrize("bias", [True, False])
def test_dense_is_x_w_plus_b(shape, bias):
    layer, x = nn.Dense(2, 3, bias=bias, rng=0, dtype="float64"), np.sin(np.arange(np.prod(shape))).reshape(shape)
    expected = x @ layer.weight.data + (np.array([1.0, 2, 3]) if bias else 0)
    if bias:
        layer.bias.data = [1, 2, 3]
    np.testing.assert_allclose(layer(x).numpy(), expected, rtol=1e-14)


@pytest.mark.parametrize("bias", [True, False])
def test_dense_with_activation(bias):
    layer, x = nn.Dense(2, 3, bias=bias, rng=0), np.array([[1, -1], [-2, 1]], "float32")
    np.testing.assert_array_equal(layer(x, activation="relu").numpy(), np.maximum(layer(x).numpy(), 0))
    with pytest.raises(OptionError, match=r"unknown activation 'rellu'; did you mean 'relu'\?"):
        layer(x, activation="rellu")


@pytest.mark.parametrize("shape", [(32, 2), (), (64, 1)])
def test_dense_names_the_shape_it_expected(shape):
    with pytest.raises(ShapeError) as error:
        nn.Dense(64, 3)(np.zeros(shape, "float32"))
    assert str(error.value) == f"Dense(64, 3): expected input of shape (..., 64), got {shape}"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"in_features": 0}, "Dense: in_features must be a positive whole number, got 0"),
        ({"out_features": 2.0}, "Dense: out_features must be a positive whole number, got 2.0"),
        ({"out_features": True}, "Dense: out_features must be a positive whole number, got True"),
        ({"init": "he_norml"},
         "Dense: unknown init 'he_norml'; did you mean 'he_normal'? (known: 'he_normal', 'he_uniform', 'glorot_uniform', "),
        ({"init": None}, "Dense: unknown init None (known: 'he_normal', 'he_uniform', 'glorot_uniform', "),
        ({"dtype": "float16"}, "Dense: unknown dtype 'float16'"),
        ({"dtype": "flaot32"}, "Dense: unknown dtype 'flaot32'; did you mean 'float32'? (known: 'float32', 'float64')"),
    ],
    ids=str,
)  # fmt: skip
def test_dense_options(options, text):
    with pytest.raises(OptionError) as error:
        nn.Dense(**({"in_features": 2, "out_features": 3} | options))
    assert str(error.value).startswith(text)


@pytest.mark.parametrize(("init", "variance"), [("he_normal", 2 / 200), ("glorot_uniform", 2 / 500)])
def test_initial_weights_have_their_variance(init, variance):
    w = nn.Dense(200, 300, init=init, rng=0).weight.data
    assert abs(w.var() / variance - 1) < 0.03
    assert abs(w.mean()) < 0.002


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dense_and_relu_are_fused_without_a_difference(dtype):
    model, x = mlp(dtype=dtype), np.sin(np.arange(14)).reshape(7, 2).astype(dtype)
    step = x
    for layer in model:
        step = layer(step)
    np.testing.assert_array_equal(model(x).numpy(), step.numpy())


def test_an_activation_that_was_changed_is_not_fused_away():
    model = mlp()
    model[1].forward = lambda x: x * 0
    np.testing.assert_array_equal(model(np.ones((1, 2), "float32")).numpy(), [model[2].bias.data])
