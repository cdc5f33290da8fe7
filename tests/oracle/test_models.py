"""Whole models against PyTorch: the loss, every parameter's gradient, and training step by step."""

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn, optim

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle


def weights(module):
    """The parameters in order, in our layout: (in, out)."""
    return [p.T if p.ndim == 2 else p for p in module.parameters()]


def gradients(module):
    return [p.grad.T if p.ndim == 2 else p.grad for p in module.parameters()]


@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-10), ("float32", 1e-5)])
def test_loss_and_every_gradient(twins, dtype, tolerance):
    model, loss, theirs, their_loss, X, y = twins(dtype)
    value, expected = loss(model(X), y), their_loss(theirs(torch.tensor(X)), torch.tensor(y))
    value.backward()
    expected.backward()
    np.testing.assert_allclose(value.item(), expected.item(), rtol=tolerance)
    for (name, p), g in zip(model.named_parameters(), gradients(theirs), strict=True):
        largest = g.abs().max().item()
        np.testing.assert_allclose(p.grad, g.numpy(), rtol=tolerance, atol=tolerance * largest, err_msg=name)


@pytest.mark.parametrize(
    "make, make_theirs",
    [
        (
            lambda p: optim.Adam(p, lr=0.01, weight_decay=1e-3),
            lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=1e-3),
        ),
        (lambda p: optim.SGD(p, lr=0.1, momentum=0.9), lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9)),
    ],
    ids=["adam", "sgd"],
)
def test_training_is_equal_step_by_step(twins, make, make_theirs):
    model, loss, theirs, their_loss, X, y = twins()
    optimizer, their_optimizer = make(model.parameters()), make_theirs(theirs.parameters())
    batch, targets = torch.tensor(X), torch.tensor(y)
    for step in range(20):
        optimizer.zero_grad()
        value = loss(model(X), y)
        value.backward()
        optimizer.step()
        their_optimizer.zero_grad()
        expected = their_loss(theirs(batch), targets)
        expected.backward()
        their_optimizer.step()
        np.testing.assert_allclose(value.item(), expected.item(), rtol=1e-9, err_msg=f"loss of step {step}")
    for (name, p), w in zip(model.named_parameters(), weights(theirs), strict=True):
        np.testing.assert_allclose(p.data, w.detach().numpy(), rtol=1e-8, atol=1e-9, err_msg=name)


def test_second_derivative(twins):
    """The derivative of (gradient of the loss by the input . direction): a Hessian times a vector."""
    model, loss, theirs, their_loss, X, y = twins()
    direction = np.random.default_rng(2).normal(size=X.shape)
    got = tg.grad(lambda x: (tg.grad(lambda z: loss(model(z), y))(x) * direction).sum())(X)
    batch = torch.tensor(X, requires_grad=True)
    (slope,) = torch.autograd.grad(their_loss(theirs(batch), torch.tensor(y)), batch, create_graph=True)
    (expected,) = torch.autograd.grad((slope * torch.tensor(direction)).sum(), batch)
    np.testing.assert_allclose(got.numpy(), expected.numpy(), rtol=1e-9, atol=1e-12 * expected.abs().max().item())


def test_losses_of_one_hot_targets_equal_those_of_labels():
    logits, labels = np.random.default_rng(0).normal(size=(7, 4)), np.array([0, 1, 2, 3, 0, 1, 2])
    expected = torch.nn.CrossEntropyLoss()(torch.tensor(logits), torch.tensor(np.eye(4)[labels]))
    np.testing.assert_allclose(nn.CrossEntropyLoss()(logits, np.eye(4)[labels]), expected.item(), rtol=1e-12)
