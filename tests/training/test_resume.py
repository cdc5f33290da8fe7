"""A training that is saved and taken up again by other objects ends as one that was never interrupted.

With the same bits, but on several threads, where the first step of each call of `fit` adds up in the order of one.
"""

import io
import pickle

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn, optim
from tensorgrad.training import compiled

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(50, 6)), RNG.integers(0, 3, 50)
LOSS = nn.CrossEntropyLoss()


def objects(seed=None, dtype="float32"):
    """A model with states of every kind, and its optimizer; without a seed another model each time."""
    layers = nn.BatchNorm(6), nn.Dense(6, 40), nn.ReLU(), nn.Dropout(0.3), nn.GaussianNoise(0.1), nn.Dense(40, 3)
    model = nn.Sequential(*layers, nn.ChannelDropout(0.1), rng=seed).astype(dtype)
    return model, optim.Adam(model.parameters(), lr=0.01)


def saved(model, adam, rng):
    """The numbers of these as they would be on a disk."""
    file = io.BytesIO()
    np.savez(file, **model.state_dict())
    return file.getvalue(), pickle.dumps((adam.state_dict(), rng.bit_generator.state))


def loaded(numbers, others):
    """Other objects that go on from there; their own numbers were others."""
    rng = np.random.default_rng()
    with np.load(io.BytesIO(numbers)) as state:
        model, adam = objects(dtype=str(state["1.weight"].dtype))
        model.load_state_dict(state)
    state, rng.bit_generator.state = pickle.loads(others)
    adam.load_state_dict(state)
    return model, adam, rng


def by_fit(model, adam, rng, epochs, **options):
    history = tg.fit(
        model, (X, Y), loss=LOSS, optimizer=adam, epochs=epochs, batch_size=16, seed=rng, progress=False, **options
    )
    assert history.compiled == options.get("compile", True), history.eager_because
    assert history.threads == options.get("threads", 1)
    return history.steps


def by_hand(model, adam, rng, epochs):
    losses, dtype = [], model.dtype
    for _ in range(epochs):
        order = rng.permutation(len(X))
        for first in range(0, len(X), 16):
            rows = order[first : first + 16]
            adam.zero_grad()
            loss = LOSS(model(X[rows].astype(dtype)), Y[rows])
            loss.backward()
            adam.step()
            losses.append(loss.item())
    return losses


WAYS = {"eager": (by_fit, {"compile": False}), "1 thread": (by_fit, {"threads": 1}), "2 threads": (by_fit, {"threads": 2}),
        "by hand": (by_hand, {})}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("way", WAYS)
def test_a_training_goes_on_where_it_was_saved(way, dtype, monkeypatch):
    monkeypatch.setattr(compiled, "threads_for", lambda trace, most, batch: most)
    monkeypatch.setattr(compiled, "pays", lambda program: True)
    run, options = WAYS[way]
    whole, rng = objects(0, dtype), np.random.default_rng(1)
    expected = run(*whole, rng, 10, **options)
    first, rng = objects(0, dtype), np.random.default_rng(1)
    losses = run(*first, rng, 5, **options)
    *then, rng = loaded(*saved(*first, rng))
    losses += run(*then, rng, 5, **options)
    rounding = 0 if options.get("threads", 1) == 1 else 1e-4 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(losses, expected, rtol=rounding, atol=0)
    for name, numbers in whole[0].state_dict().items():
        exact = not rounding or name.endswith("state")
        np.testing.assert_allclose(then[0].state_dict()[name], numbers, 0 if exact else 10 * rounding, 0 if exact else rounding,
                                   err_msg=name, strict=True)  # fmt: skip
