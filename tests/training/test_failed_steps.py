"""A step whose numbers are not finite, or that raises, leaves the model as it was: also statistics and states of noise."""

import copy

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn, optim
from tensorgrad.training import compiled

RNG = np.random.default_rng(0)
X, T = RNG.normal(size=(60, 6)), RNG.normal(size=(60, 3))
WAYS = {
    "eager": {"compile": False},
    "1 thread": {"threads": 1},
    "2 threads": {"threads": 2},
    "3 threads": {"threads": 3},
}
each_way = pytest.mark.parametrize("way", WAYS)


@pytest.fixture(autouse=True)
def as_many_threads_as_are_given(monkeypatch):
    monkeypatch.setattr(compiled, "threads_for", lambda trace, most, batch: most)
    monkeypatch.setattr(compiled, "pays", lambda program: True)


def model_of(dtype="float32", width=40):
    layers = nn.BatchNorm(6), nn.Dropout(0.3), nn.Dense(6, width), nn.BatchNorm(width), nn.ReLU(), nn.GaussianNoise(0.1)
    return nn.Sequential(*layers, nn.Dense(width, 3), rng=0).astype(dtype)


def train(model, targets, rows=60, loss=None, **options):
    sgd = optim.SGD(model.parameters(), lr=0.01)
    options = {"batch_size": 16, "shuffle": False, "progress": False} | options
    return tg.fit(model, (X[:rows], targets[:rows]), loss=loss or nn.MSELoss(), optimizer=sgd, **options)


def check(step, way, why, targets, make=model_of, **options):
    """The model ends as one that was trained on the rows before only."""
    model, again = make(), make()
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning, match=f"{why} at step {step}; the model is as it was"):
        history = train(model, targets, **WAYS[way], **options)
    assert len(history.steps) == step
    if step:
        train(again, targets, 16 * step, **WAYS[way], **options)
        assert history.compiled == (way != "eager"), history.eager_because
        assert history.threads == WAYS[way].get("threads", 1)
    same(model, again)


def same(model, other):
    for name, numbers in other.state_dict().items():
        np.testing.assert_array_equal(model.state_dict()[name], numbers, err_msg=name, strict=True)


@each_way
@pytest.mark.parametrize("dtype, much", [("float32", 1e30), ("float64", 1e200)])
@pytest.mark.parametrize("width", [8, 40, 1100])
@pytest.mark.parametrize("step", [0, 1, 2, 3])  # the last one has fewer rows
def test_a_loss_that_is_not_finite(step, width, dtype, much, way):
    targets = T.copy()
    targets[16 * step + 5] = much
    check(step, way, "the loss became inf", targets, lambda: model_of(dtype, width))


@each_way
@pytest.mark.parametrize("step", [0, 2])
def test_a_gradient_that_is_not_finite(step, way):
    targets = T.copy()
    targets[16 * step : 16 * step + 16] = 0  # the slope of |s| as the root of s * s has no number at 0

    def loss(output, target):
        s = (output * target).mean()
        return (s * s).sqrt()

    check(step, way, "a gradient was not finite", targets, loss=loss)


@each_way
def test_a_training_that_fails_at_the_same_step_time_after_time(way):
    """What a program keeps of the step before is that of its last run."""
    targets = T.copy()
    targets[40] = 1e30
    model, again = model_of(), model_of()
    for _ in range(2):
        with pytest.warns(RuntimeWarning, match="the loss became inf at step 2"), np.errstate(all="ignore"):
            train(model, targets, epochs=3, **WAYS[way])
        train(again, targets, 32, **WAYS[way])
    same(model, again)


def test_a_step_that_raises():
    def loss(output, target):
        raise ValueError("no loss")

    model, before = model_of(), model_of()
    for options in WAYS.values():
        with pytest.raises(ValueError, match="no loss"):
            train(model, T, loss=loss, **options)
        same(model, before)


def test_on_the_scalar_engine():
    model, targets = model_of("float64", 4).to("scalar"), T.copy()
    before = copy.deepcopy(model)
    targets[3] = 1e200
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning, match="the loss became inf at step 0"):
        train(model, targets, 6, batch_size=6)
    same(model, before)
