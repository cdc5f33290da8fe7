"""predict and evaluate: what they give, and what they refuse."""

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad.errors import OptionError, ShapeError, TensorgradError

X = np.sin(np.arange(20.0)).reshape(10, 2)
LABELS = np.arange(10) % 3


@pytest.mark.parametrize("batch_size", [None, 1, 3, 1024])
def test_predict_in_batches(make, batch_size):
    model, _ = make()
    outputs = tg.predict(model, X, batch_size=batch_size)
    np.testing.assert_allclose(outputs, model(X).numpy(), rtol=1e-5, atol=1e-7)
    assert type(outputs) is np.ndarray
    assert outputs.dtype == np.float32
    assert outputs.flags.writeable


class Probe(nn.Module):
    """A layer that tells what it sees, and fails when it is told to."""

    def __init__(self):
        self.seen, self.fail = set(), False

    def forward(self, x):
        self.seen.add((self.training, x.requires_grad))
        return 1 / 0 if self.fail else x


@pytest.mark.parametrize(
    "call", [lambda m: tg.predict(m, X), lambda m: tg.evaluate(m, (X, LABELS), loss=nn.CrossEntropyLoss())]
)
def test_inference_leaves_the_model_as_it_was(make, call):
    probe = Probe()
    model = make()[0].append(probe).eval()
    model[2].train()
    flags = [m.training for _, m in model.named_modules()]
    call(model)
    assert probe.seen == {(False, False)}
    assert [m.training for _, m in model.named_modules()] == flags
    assert all(p.grad is None for p in model.parameters())
    probe.fail = True
    with pytest.raises(ZeroDivisionError):
        call(model)
    assert [m.training for _, m in model.named_modules()] == flags
    assert (tg.tensor([1.0], requires_grad=True) * 2).requires_grad


@pytest.mark.parametrize("batch_size", [None, 3])
def test_evaluate(make, batch_size):
    model, _ = make()
    result = tg.evaluate(model, (X, LABELS), loss=nn.CrossEntropyLoss(), metrics=["accuracy"], batch_size=batch_size)
    outputs = model(X)
    assert result["accuracy"] == np.mean(outputs.numpy().argmax(1) == LABELS)
    np.testing.assert_allclose(result["loss"], nn.CrossEntropyLoss()(outputs, LABELS).item(), rtol=1e-6)
    assert all(type(v) is float for v in result.values())


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda m: tg.predict(m, X[:0]), "predict: X is empty, shape (0, 2); expected at least one row"),
        (lambda m: tg.predict(m, np.where(X[1, 0] == X, np.nan, X)), "predict: X has nan at index (1, 0)"),
        (
            lambda m: tg.predict(m, X, batch_size=0),
            "predict: batch_size must be a positive whole number or None for all rows, got 0",
        ),
        (lambda m: tg.predict(3, X), "predict: expected a model (nn.Module), got int"),
        (lambda m: tg.evaluate("m", (X, LABELS)), "evaluate: expected a model (nn.Module), got str"),
        (lambda m: tg.evaluate(m, (X, LABELS[:3])), "evaluate: X has 10 rows and y has 3; they must be equally many"),
        (
            lambda m: tg.evaluate(m, (X, LABELS), loss="mse"),
            "evaluate: expected a loss, such as nn.MSELoss(), got 'mse'",
        ),
        (
            lambda m: tg.accuracy(np.ones((3, 1)), np.ones(3)),
            "accuracy: expected outputs of shape (n, classes) and targets of shape (n,) or (n, classes), or labels",
        ),
    ],
)
def test_inference_errors(make, call, text):
    with pytest.raises(TensorgradError) as error:
        call(make()[0])
    assert str(error.value).startswith(text)


@pytest.mark.parametrize("target", [[1, 0], [[0, 1], [1, 0]], [[1], [0]]], ids=["labels", "one-hot", "column"])
def test_accuracy(target):
    outputs = np.array([[0.1, 0.9], [0.2, 0.8]])
    if np.shape(target) == (2, 1):
        with pytest.raises(ShapeError, match=r"^accuracy: "):
            tg.accuracy(outputs, np.array(target))
    else:
        assert tg.accuracy(outputs, np.array(target)) == 0.5


def test_the_loss_of_evaluate_is_that_of_all_rows():
    rng = np.random.default_rng(0)
    model, X, y = nn.Sequential(nn.Dense(2, 3), rng=0), rng.normal(size=(50, 2)), rng.integers(0, 3, 50)
    loss = nn.CrossEntropyLoss(weight=[0.1, 1.0, 5.0], ignore_index=0)
    wanted = float(loss(tg.predict(model, X), y))
    assert tg.evaluate(model, (X, y), loss=loss, batch_size=7)["loss"] == pytest.approx(wanted, rel=1e-6)
    optimizer = tg.optim.SGD(model.parameters(), lr=0.0001)
    history = tg.fit(model, (X, y), loss=loss, optimizer=optimizer, validation=(X, y), batch_size=7, progress=False)
    assert history["val_loss"][0] == pytest.approx(float(loss(tg.predict(model, X), y)), rel=1e-6)


def test_nothing_to_evaluate(make):
    with pytest.raises(OptionError, match="^evaluate: nothing to evaluate; pass loss="):
        tg.evaluate(make()[0], (X, LABELS))
