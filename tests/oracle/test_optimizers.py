"""Optimizers against torch.optim: the same gradients, step by step, and a learning rate that changes on the way."""

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import optim
from tensorgrad.optim import Optimizer

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle

CASES = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.05, "momentum": 0.5, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.05, "weight_decay": 0.1}),
    ("Adam", {}),
    ("Adam", {"lr": 0.05, "betas": (0.8, 0.9)}),
    ("Adam", {"lr": 0.02, "eps": 1e-3}),
    ("Adam", {"lr": 0.02, "weight_decay": 0.1, "betas": (0.0, 0.99)}),
]


def test_every_optimizer_is_compared():
    ours = {
        n for n, c in vars(optim).items() if isinstance(c, type) and issubclass(c, Optimizer) and c is not Optimizer
    }
    assert ours == {name for name, _ in CASES}


# float32: 50 steps, each of which rounds the parameter, its state and the step to 6e-8 of their size.
@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-9), ("float32", 1e-5)])
@pytest.mark.parametrize("name, options", CASES)
def test_fifty_steps(name, options, dtype, tolerance):
    rng = np.random.default_rng(0)
    starts = [rng.normal(size=shape).astype(dtype) for shape in [(7, 5), (67,), ()]]
    ours, theirs = [tg.Parameter(x) for x in starts], [torch.tensor(x, requires_grad=True) for x in starts]
    optimizer, their_optimizer = getattr(optim, name)(ours, **options), getattr(torch.optim, name)(theirs, **options)
    for step in range(50):
        if step == 25:
            optimizer.lr *= 0.5
            their_optimizer.param_groups[0]["lr"] *= 0.5
        for p, q in zip(ours, theirs, strict=True):
            g = rng.normal(size=p.shape).astype(dtype) * 10.0 ** rng.integers(-3, 3)
            p.grad, q.grad = g, torch.tensor(np.asarray(g, dtype))
        optimizer.step()
        their_optimizer.step()
        for p, q in zip(ours, theirs, strict=True):
            scale = np.abs(p.data).max()
            np.testing.assert_allclose(
                p.data, q.detach().numpy(), rtol=tolerance, atol=tolerance * scale, err_msg=f"step {step}"
            )
