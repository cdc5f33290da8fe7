"""Models built twice: ours, and the same layers in PyTorch with the same weights."""

import numpy as np
import pytest

from tensorgrad import nn

MODELS = {
    "spiral": ([nn.Dense(2, 64), nn.ReLU(), nn.Dense(64, 64), nn.ReLU(), nn.Dense(64, 3)], nn.CrossEntropyLoss()),
    "digits": ([nn.Dense(64, 128), nn.ReLU(), nn.Dense(128, 10)], nn.CrossEntropyLoss()),
    "regression": (
        [nn.Dense(5, 16), nn.Tanh(), nn.Dense(16, 8, bias=False), nn.Sigmoid(), nn.Dense(8, 2)],
        nn.MSELoss(),
    ),
}


def in_torch(torch, layer, dtype):
    if not isinstance(layer, nn.Dense):
        return getattr(torch.nn, type(layer).__name__)()
    linear = torch.nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None, dtype=dtype)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor(layer.weight.data.T))
        if layer.bias is not None:
            linear.bias.copy_(torch.tensor(layer.bias.data))
    return linear


@pytest.fixture(params=MODELS)
def twins(request):
    """A maker, dtype -> (model, loss, torch model, torch loss, X, y): one model on both sides, and one batch."""
    torch = pytest.importorskip("torch")

    def make(dtype="float64"):
        layers, loss = MODELS[request.param]
        model = nn.Sequential(*layers, rng=0).astype(dtype)
        rng = np.random.default_rng(1)
        for p in model.parameters():  # biases that start at 0 would hide a sign
            p.data = p.data + rng.normal(size=p.shape) * 0.1
        kind = getattr(torch, dtype)
        theirs = torch.nn.Sequential(*(in_torch(torch, layer, kind) for layer in model))
        X = rng.normal(size=(32, layers[0].in_features)).astype(dtype)
        classes = layers[-1].out_features
        y = (
            rng.normal(size=(32, classes)).astype(dtype)
            if request.param == "regression"
            else rng.integers(0, classes, 32)
        )
        return model, loss, theirs, getattr(torch.nn, type(loss).__name__)(), X, y

    return make
