"""Normalisation layers against PyTorch: values, gradients, running statistics, and training step by step."""

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn, optim

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle

SHAPES = [(8, 5), (17, 33), (4, 7, 6), (5, 3, 2, 8), (6, 4, 4, 1), (1, 9, 3), (3, 1, 1, 4)]
LAYERS = {
    "batch": (nn.BatchNorm, lambda c, ndim, **o: (torch.nn.BatchNorm1d if ndim < 4 else torch.nn.BatchNorm2d)(c, **o)),
    "layer": (nn.LayerNorm, lambda c, ndim, eps=1e-5, affine=True: torch.nn.LayerNorm(c, eps, affine)),
    "rms": (nn.RMSNorm, lambda c, ndim, eps=1e-5, affine=True: torch.nn.RMSNorm(c, eps, affine)),
    "group": (lambda c, **o: nn.GroupNorm(groups_of(c), c, **o), lambda c, ndim, **o: torch.nn.GroupNorm(groups_of(c), c, **o)),
    "instance": (lambda c, **o: nn.InstanceNorm(c, **o),
                 lambda c, ndim, **o: (torch.nn.InstanceNorm1d if ndim < 4 else torch.nn.InstanceNorm2d)(c, **o)),
}  # fmt: skip


def groups_of(channels):
    return next(g for g in (3, 2, 1) if channels % g == 0)


def channels_second(x):
    """(n, ..., c) -> (n, c, ...), as PyTorch has it."""
    return x.movedim(-1, 1)


def theirs_on(kind, module, x):
    """PyTorch's layer on our layout."""
    if kind in ("layer", "rms") or x.ndim == 2:
        return module(x)
    return module(channels_second(x)).movedim(1, -1)


def pair(kind, channels, ndim, dtype, **options):
    ours, theirs = LAYERS[kind]
    mine, other = ours(channels, **options).astype(dtype), theirs(channels, ndim, **options).to(getattr(torch, dtype))
    rng = np.random.default_rng(1)
    with torch.no_grad():
        for p, q in zip(mine.parameters(), other.parameters(), strict=True):
            p.data = rng.normal(size=p.shape)
            q.copy_(torch.tensor(p.data))
    return mine, other


CASES = [(kind, shape) for kind in LAYERS for shape in SHAPES
         if not (kind == "instance" and np.prod(shape[1:-1]) < 2) and not (kind == "batch" and shape[0] == 1 and len(shape) > 3)]  # fmt: skip


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-9), ("float32", 2e-5)])
@pytest.mark.parametrize(("kind", "shape"), CASES)
def test_layer(kind, shape, dtype, tolerance, affine):
    mine, other = pair(kind, shape[-1], len(shape), dtype, affine=affine, eps=1e-3)
    rng = np.random.default_rng(0)
    x, g = (rng.normal(size=shape).astype(dtype) * scale for scale in (3, 1))
    a, b = tg.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    for training in (True, True, False):
        mine.train(training)
        other.train(training)
        for p in [a, b, *mine.parameters(), *other.parameters()]:
            p.grad = None
        y, expected = mine(a), theirs_on(kind, other, b)
        y.backward(g)
        expected.backward(torch.tensor(g))
        close(y.numpy(), expected, tolerance)
        close(a.grad, b.grad, tolerance)
        for p, q in zip(mine.parameters(), other.parameters(), strict=True):
            close(p.grad, q.grad, tolerance)
        for name, array in mine.named_buffers():
            close(array, getattr(other, name), tolerance)


def close(got, expected, tolerance):
    expected = expected.detach().numpy()
    assert got.dtype == expected.dtype
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance * max(1, np.abs(expected).max()))


def test_training_is_equal_step_by_step():
    rng = np.random.default_rng(0)
    X, labels = rng.normal(size=(32, 5)), rng.integers(0, 3, 32)
    model = nn.Sequential(
        nn.Dense(5, 8),
        nn.BatchNorm(8, momentum=0.3),
        nn.Tanh(),
        nn.Dense(8, 8),
        nn.LayerNorm(8),
        nn.ReLU(),
        nn.Dense(8, 3),
        rng=0,
    ).astype("float64")
    theirs = torch.nn.Sequential(
        torch.nn.Linear(5, 8), torch.nn.BatchNorm1d(8, momentum=0.3), torch.nn.Tanh(), torch.nn.Linear(8, 8), torch.nn.LayerNorm(8),
        torch.nn.ReLU(), torch.nn.Linear(8, 3)).double()  # fmt: skip
    with torch.no_grad():
        for p, q in zip(model.parameters(), theirs.parameters(), strict=True):
            q.copy_(torch.tensor(p.data.T))
    optimizer, their_optimizer = optim.SGD(model.parameters(), lr=0.1), torch.optim.SGD(theirs.parameters(), lr=0.1)
    for step in range(20):
        optimizer.zero_grad()
        value = nn.CrossEntropyLoss()(model(X), labels)
        value.backward()
        optimizer.step()
        their_optimizer.zero_grad()
        expected = torch.nn.functional.cross_entropy(theirs(torch.tensor(X)), torch.tensor(labels))
        expected.backward()
        their_optimizer.step()
        np.testing.assert_allclose(value.item(), expected.item(), rtol=1e-9, err_msg=f"loss of step {step}")
    close(model[1].running_mean, theirs[1].running_mean, 1e-9)
    close(model[1].running_var, theirs[1].running_var, 1e-9)
    close(model.eval()(X).numpy(), theirs.eval()(torch.tensor(X)), 1e-9)


@pytest.mark.parametrize(
    ("kind", "shape"),
    [("batch", (6, 3)), ("batch", (4, 3, 2)), ("layer", (4, 5)), ("rms", (4, 5)), ("group", (3, 4, 4))],
)
def test_second_derivative(kind, shape):
    mine, other = pair(kind, shape[-1], len(shape), "float64")
    rng = np.random.default_rng(0)
    x, direction = rng.normal(size=shape), rng.normal(size=shape)
    got = tg.grad(lambda x: (tg.grad(lambda z: (mine(z) ** 3).sum())(x) * direction).sum())(x)
    b = torch.tensor(x, requires_grad=True)
    (slope,) = torch.autograd.grad((theirs_on(kind, other, b) ** 3).sum(), b, create_graph=True)
    (expected,) = torch.autograd.grad((slope * torch.tensor(direction)).sum(), b)
    close(got.numpy(), expected, 1e-9)
