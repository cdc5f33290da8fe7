"""Every activation layer against the one of the same name in torch.nn."""

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle
OPTIONS = {
    "CELU": [(), (0.5,)], "ELU": [(), (0.3,)], "GELU": [(), ("tanh",)], "Hardtanh": [(), (-0.5, 2.0)],
    "LeakyReLU": [(), (0.2,)], "LogSoftmax": [(-1,), (0,)], "Softmax": [(-1,), (0,)], "PReLU": [(), (4, 0.1)],
}  # fmt: skip
PLAIN = [
    "Hardsigmoid",
    "Hardswish",
    "LogSigmoid",
    "Mish",
    "ReLU",
    "ReLU6",
    "SELU",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Softsign",
    "Tanh",
]
CASES = [(name, ()) for name in PLAIN] + [(name, given) for name, several in OPTIONS.items() for given in several]


def test_all_activations_are_compared():
    here = {n for n, c in vars(nn).items() if getattr(c, "__module__", "") == "tensorgrad.nn.activations"}
    assert here == {name for name, _ in CASES}


@pytest.mark.parametrize(("name", "options"), CASES)
def test_layer(name, options):
    rng = np.random.default_rng(0)
    x, g = rng.normal(size=(6, 4)) * 3, rng.normal(size=(6, 4))
    ours, theirs = getattr(nn, name)(*options).astype("float64"), getattr(torch.nn, name)(*options).double()
    a, b = tg.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, expected = ours(a), theirs(b)
    y.backward(g)
    expected.backward(torch.tensor(g))
    limits = {
        "rtol": 3e-8 if name == "Hardsigmoid" else 1e-9,
        "atol": 1e-13,
    }  # its slope, 1 / 6, is PyTorch's in float32
    np.testing.assert_allclose(y.numpy(), expected.detach().numpy(), **limits)
    np.testing.assert_allclose(a.grad, b.grad.numpy(), **limits)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.grad, q.grad.numpy(), rtol=1e-9)
