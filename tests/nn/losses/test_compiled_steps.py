"""Losses in compiled steps: targets and predictions are looked at in every call."""

import numpy as np
import pytest
from loss_data import BITS, LABELS, NUMBERS, SHARES, SIGNS, WEIGHT, C, N, X

import tensorgrad as tg
from tensorgrad import nn, ops, optim
from tensorgrad.errors import DataError, LabelError

RNG = np.random.default_rng(1)


@pytest.mark.parametrize(
    ("loss", "good", "wrong", "error", "text"),
    [
        (nn.BCEWithLogitsLoss(), BITS, NUMBERS, LabelError, "targets must be between 0 and 1"),
        (nn.HingeLoss(), SIGNS, BITS, LabelError, "targets must be -1 or 1"),
        (nn.CrossEntropyLoss(), np.eye(C)[LABELS], 2 * BITS, LabelError, "neither one-hot"),
        (nn.CrossEntropyLoss(), SHARES, 2 * SHARES, LabelError, "neither one-hot"),
        (nn.CrossEntropyLoss(weight=WEIGHT), LABELS, LABELS + 1, LabelError, "outside the 3 classes"),
        (nn.CrossEntropyLoss(ignore_index=-1), LABELS, LABELS * 0 - 1, DataError, "all 60 labels are ignore_index=-1"),
    ],
    ids=lambda x: repr(x) if isinstance(x, nn.Loss) else "",
)
def test_a_compiled_step_looks_at_the_targets_of_every_call(network, loss, good, wrong, error, text):
    model, _ = network()
    step = tg.compile(lambda x, y: loss(model(x), y))
    values = [step(X, good).item() for _ in range(3)]
    assert not step.reason and values == [loss(model(X), good).item()] * 3
    with pytest.raises(error, match=text):
        step(X, wrong)
    assert step(X, good[::-1].copy()).item() == loss(model(X), good[::-1]).item() and not step.reason


def test_a_compiled_step_takes_one_hot_rows_and_others_in_turn(network):
    (model, _), loss = network(), nn.CrossEntropyLoss()
    step = tg.compile(lambda x, y: loss(model(x), y))
    for y in (np.eye(C)[LABELS], SHARES, np.eye(C)[LABELS], SHARES):
        np.testing.assert_allclose(step(X, y).item(), -(ops.log_softmax(model(X)).numpy() * y).sum() / N, rtol=1e-12)


def test_images_of_labels_train_compiled_and_eager():
    images, y = RNG.normal(size=(20, 5, 4, 2)), RNG.integers(0, C, (20, 5, 4))
    runs = []
    for loss in (nn.CrossEntropyLoss(), nn.CrossEntropyLoss(ignore_index=1, weight=WEIGHT)):
        for options in ({}, {"compile": False}, {"class_weight": WEIGHT}, {"class_weight": WEIGHT, "compile": False}):
            model = nn.Sequential(nn.Conv2d(2, C, 3, padding="same"), rng=0)
            history = tg.fit(model, (images, y), loss=loss, optimizer=optim.SGD(model.parameters(), lr=0.1),
                             epochs=3, batch_size=8, progress=False, **options)  # fmt: skip
            assert history.compiled == ("compile" not in options), history.eager_because
            runs.append(history.steps)
    assert runs[0] == runs[1] and runs[2] == runs[3] and runs[4] == runs[5] and runs[6] == runs[7]
    assert runs[0] != runs[2]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("loss", [nn.BCELoss(), nn.DiceLoss()], ids=repr)
def test_predictions_that_leave_0_to_1_end_the_training(loss, compiled):
    class Line(nn.Module):
        def __init__(self):
            self.p = tg.Parameter(np.full(3, 0.5))

        def forward(self, x):
            return x * self.p

    model, ones = Line(), np.ones((8, 3))
    sgd = optim.SGD(model.parameters(), lr=1.0)

    def train():
        return tg.fit(
            model, (ones, ones), loss=loss, optimizer=sgd, epochs=9, batch_size=None, progress=False, compile=compiled
        )

    if not compiled:
        with pytest.raises(DataError, match="predictions must be probabilities"):
            train()
        return
    with pytest.warns(RuntimeWarning, match="the loss became nan"):
        history = train()
    assert history.stopped and not history.eager_because and 0 < len(history.loss) < 9
    assert min(history.loss) >= 0


def test_what_is_no_probability_or_variance_gives_nan_in_a_compiled_step():
    """The loss and the gradient, so that neither goes on as a number."""
    one, apart = np.array([[0.5, 0.25], [0.5, 0.25]]), np.array([[1.0, 0.0], [0.0, 0.0]])
    for loss, place, good, wrong in (
        (nn.GaussianNLLLoss(reduction="none"), 2, (one, one, one), -one),
        (nn.BCELoss("none"), 0, (one, one), one + apart),
        (nn.BCELoss("none"), 0, (one, one), one - apart),
        (nn.DiceLoss(reduction="none"), 0, (one, one), one - apart),
        (nn.DiceLoss(reduction="none"), 0, (one, one), one + apart),
    ):
        p = tg.Parameter(good[place])

        @tg.compile
        def step(*given, loss=loss, place=place, p=p):
            p.grad = None
            inputs = [*given]
            inputs[place] = p * 1.0
            values = loss(*inputs)
            values.sum().backward()
            return values, p.grad * 1.0

        values, gradient = step(*good)
        assert np.isfinite(values.numpy()).all()
        p.data = wrong
        values, gradient = step(*good)
        assert step.reason == ""
        assert np.isnan(values.numpy()).any() and np.isnan(gradient.numpy()).any()
