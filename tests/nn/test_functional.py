"""nn.functional_call: a model computed with other tensors in place of its parameters."""

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad.errors import EngineError, OptionError, ShapeError

X = np.ones((4, 2), np.float32)


def made():
    return nn.Sequential(nn.Dense(2, 3), nn.ReLU(), nn.Dense(3, 2), rng=0)


def test_it_computes_with_what_is_given_and_leaves_the_model_alone():
    model, other = made(), made().reset(1)
    before, values = model.state_dict(), [p.value for p in model.parameters()]
    got = nn.functional_call(model, other.state_dict(), X)
    np.testing.assert_array_equal(got.numpy(), other(X).numpy())
    assert all(np.array_equal(before[name], p.data) for name, p in model.named_parameters())
    assert all(v is p.value for v, p in zip(values, model.parameters(), strict=True))
    part = nn.functional_call(model, {"2.bias": [5.0, 6.0]}, X)
    np.testing.assert_allclose(part.numpy(), model(X).numpy() + np.array([5, 6]), rtol=1e-6)


@pytest.mark.parametrize("kind", [lambda p: p, lambda p: p.value, lambda p: tg.tensor(p.data, requires_grad=True)])
def test_gradients_go_to_what_is_given(kind):
    model, given = made(), kind(made().reset(1)[0].weight)
    nn.functional_call(model, {"0.weight": given}, X).sum().backward()
    assert given.grad.shape == (2, 3)
    assert model[0].weight.grad is None and model[2].weight.grad is not None


def test_a_shared_parameter_is_replaced_in_both_places():
    layer = nn.Dense(2, 2, rng=0)
    model = nn.Sequential(layer, layer)
    new = np.array([[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_allclose(nn.functional_call(model, {"0.weight": new}, X).numpy(), X @ new @ new)


def test_further_arguments_and_a_frozen_parameter():
    layer = nn.Dense(2, 2, rng=0)
    layer.weight.requires_grad = False
    slope = tg.grad(lambda w: nn.functional_call(layer, {"weight": w}, X, activation="relu").sum())(layer.weight)
    assert slope.shape == (2, 2) and np.any(slope.numpy())


def test_the_model_is_left_alone_when_its_forward_fails():
    model = made()
    values = [p.value for p in model.parameters()]
    with pytest.raises(ShapeError, match="expected input of shape"):
        nn.functional_call(model, {"0.bias": np.ones(3)}, np.ones((4, 7)))
    assert all(v is p.value for v, p in zip(values, model.parameters(), strict=True))


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda m: nn.functional_call(m, {"0.wieght": X}, X), OptionError, "^functional_call: unknown parameter '0.wieght'; did you mean '0.weight'?"),
        (lambda m: nn.functional_call(m, {"0.bias": [1.0]}, X), ShapeError, r"^functional_call: '0.bias' has shape \(3,\), got \(1,\)$"),
        (lambda m: nn.functional_call(m.to("scalar"), {}, X), EngineError, "^functional_call: expected a model on the tensor engine"),
    ],
)  # fmt: skip
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call(made())


def test_in_a_program():
    model = made()
    step = tg.compile(lambda x, b: nn.functional_call(model, {"0.bias": b}, x))
    for k in (1.0, 2.0):
        b = np.full(3, k, np.float32)
        np.testing.assert_allclose(step(X, b).numpy(), nn.functional_call(model, {"0.bias": b}, X).numpy(), rtol=1e-6)
    assert step.reason == "functional_call replaces '0.bias' by numbers without a gradient"
