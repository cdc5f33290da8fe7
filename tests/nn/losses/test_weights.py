"""Weights of samples and of classes, in losses and in fit."""

import numpy as np
import pytest
from loss_data import LABELS, NUMBERS, WEIGHT, C, N, X

import tensorgrad as tg
from tensorgrad import nn, optim
from tensorgrad.errors import OptionError

RNG = np.random.default_rng(1)


def test_batchmean_is_the_divergence():
    p, shares = RNG.dirichlet(np.ones(C), size=(2, N))
    divergence = (shares * np.log(shares / p)).sum(1)
    loss = nn.KLDivLoss("batchmean")
    np.testing.assert_allclose(loss(np.log(p), shares), divergence.mean(), rtol=1e-12)
    w = np.arange(N)
    np.testing.assert_allclose(loss(np.log(p), shares, sample_weight=w), (w * divergence).sum() / w.sum(), rtol=1e-12)


def test_weights_of_single_elements():
    w = RNG.uniform(0, 2, (N, C))
    found = nn.MSELoss()(NUMBERS * 2, NUMBERS, sample_weight=w)
    np.testing.assert_allclose(found, (w * NUMBERS**2).sum() / w.sum(), rtol=1e-12)


@pytest.mark.parametrize("compiled", [False, True])
def test_rows_of_weight_0_teach_nothing(network, compiled):
    """Training with weights is training on the rows that weigh something, here with one batch."""
    keep = np.arange(N) % 3 > 0
    runs = []
    for data, more in ((X, NUMBERS), {"sample_weight": keep}), ((X[keep], NUMBERS[keep]), {}):
        model, optimizer = network()
        tg.fit(
            model,
            data,
            loss=nn.MSELoss(),
            optimizer=optimizer,
            epochs=5,
            batch_size=None,
            progress=False,
            compile=compiled,
            **more,
        )
        runs.append([p.data for p in model.parameters()])
    for a, b in zip(*runs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("classes", [{2: 2.0, 0: 0.5}, np.array(WEIGHT), WEIGHT], ids=["dict", "array", "list"])
@pytest.mark.parametrize(
    "y", [LABELS, np.eye(C)[LABELS], np.eye(C, dtype=int)[LABELS]], ids=["labels", "one-hot", "integers"]
)
def test_class_weight_is_the_weight_of_a_cross_entropy(network, classes, y):
    w = RNG.uniform(0.5, 2, N)
    runs = []
    for loss, more in ((nn.CrossEntropyLoss(), {"class_weight": classes}), (nn.CrossEntropyLoss(weight=WEIGHT), {})):
        model, optimizer = network()
        data = (X, y if more else LABELS)
        history = tg.fit(
            model,
            data,
            loss=loss,
            optimizer=optimizer,
            epochs=3,
            batch_size=16,
            sample_weight=w,
            progress=False,
            **more,
        )
        runs.append(history.steps)
    np.testing.assert_allclose(*runs, rtol=1e-9)


@pytest.mark.parametrize("compiled", [False, True])
def test_labels_at_places_are_not_weighed_as_one_hot_rows(compiled):
    """Two labels of two classes a row look like one-hot rows, until the outputs are known."""
    model = nn.Sequential(nn.Dense(4, 4), nn.Reshape(2, 2), rng=0)
    sgd = optim.SGD(model.parameters(), lr=0.1)
    data = X, np.eye(2, dtype=int)[LABELS % 2]
    with pytest.raises(OptionError, match=r"class_weight reads y of shape \(60, 2\), all 0 and 1, as one-hot rows"):
        tg.fit(
            model,
            data,
            loss=nn.CrossEntropyLoss(),
            optimizer=sgd,
            class_weight=[1, 2],
            progress=False,
            compile=compiled,
        )
    assert sgd.steps == 0


@pytest.mark.parametrize("compiled", [False, True])
def test_a_batch_without_weight_teaches_nothing(network, compiled):
    w = np.where(np.arange(N) < 10, 0.0, 1.0)  # the first batch weighs nothing
    model, _ = network()
    before = [p.data.copy() for p in model.parameters()]
    history = tg.fit(model, (X[:20], LABELS[:20]), loss=nn.CrossEntropyLoss(ignore_index=-1), batch_size=10, epochs=1,
                     optimizer=optim.SGD(model.parameters(), lr=0.1), sample_weight=w[:20], shuffle=False, progress=False,
                     compile=compiled)  # fmt: skip
    assert history.steps[0] == 0 and history.steps[1] > 0 and not history.stopped
    assert any((p.data != b).any() for p, b in zip(model.parameters(), before, strict=True))


def test_weights_of_samples_in_a_column_go_with_those_of_classes():
    """Each row by its own class, not by every other's."""
    y = (NUMBERS[:, :1] > 0).astype(float)
    losses = []
    for weight in (np.arange(N) + 1.0, (np.arange(N) + 1.0)[:, None]):
        model = nn.Sequential(nn.Dense(4, 1), rng=0)
        sgd = optim.SGD(model.parameters(), lr=0.1)
        losses.append(tg.fit(model, (X, y), loss=nn.MSELoss(), optimizer=sgd, epochs=2, sample_weight=weight,
                             class_weight={0: 2.0, 10**9: 1.0}, progress=False).loss)  # fmt: skip
    assert losses[0] == losses[1]
