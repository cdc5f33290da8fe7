"""A small classifier, and short trainings of it."""

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn, optim

X = np.sin(np.arange(20.0)).reshape(10, 2)
LABELS = np.arange(10) % 3


def made(lr=0.05, dtype="float32"):
    model = nn.Sequential(nn.Dense(2, 4), nn.ReLU(), nn.Dense(4, 3), rng=0).astype(dtype)
    return model, optim.SGD(model.parameters(), lr=lr)


def trained(data=(X, LABELS), model=None, **options):
    fresh, sgd = made(options.pop("lr", 0.05))
    model = fresh if model is None else model
    defaults = {"loss": nn.CrossEntropyLoss(), "optimizer": sgd, "epochs": 2, "batch_size": 4, "progress": False}
    return model, tg.fit(model, data, **(defaults | options))


@pytest.fixture
def make():
    """A maker of (model, optimizer)."""
    return made


@pytest.fixture
def fit():
    """(model, history) of a short training, with any option replaced."""
    return trained


@pytest.fixture
def bits():
    """The bytes of each parameter of a model."""
    return lambda model: [p.data.tobytes() for p in model.parameters()]
