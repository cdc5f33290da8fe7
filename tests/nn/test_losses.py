"""Losses: on both engines, eager and compiled, their reductions and weights, and what they refuse."""

import numpy as np
import pytest

import tensorgrad as tg
from microgrid import grid, values
from tensorgrad import nn, ops, optim
from tensorgrad._program import threads
from tensorgrad.errors import DataError, DTypeError, LabelError, OptionError, ShapeError

RNG = np.random.default_rng(0)
N, C = 60, 3
X = RNG.normal(size=(N, 4))
LABELS = RNG.integers(0, C, N)
NUMBERS = RNG.normal(size=(N, C))
BITS = (NUMBERS > 0).astype(float)
SHARES = np.exp(NUMBERS) / np.exp(NUMBERS).sum(1, keepdims=True)
SIGNS = 2 * BITS - 1
WEIGHT = [0.5, 1.0, 2.0]

# Of every loss of (prediction, target): options, what a model ends with before it, and targets.
TRAINED = [
    ("CrossEntropyLoss", {}, [], LABELS),
    ("CrossEntropyLoss", {}, [], np.eye(C)[LABELS]),
    ("CrossEntropyLoss", {}, [], SHARES),
    ("CrossEntropyLoss", {"label_smoothing": 0.1, "weight": WEIGHT}, [], SHARES),
    ("CrossEntropyLoss", {"label_smoothing": 0.1, "weight": WEIGHT, "ignore_index": 1}, [], LABELS),
    ("CrossEntropyLoss", {"ignore_index": -100}, [], np.where(np.arange(N) % 4, LABELS, -100)),
    ("CrossEntropyLoss", {"reduction": "sum"}, [], LABELS),
    ("NLLLoss", {"weight": WEIGHT, "ignore_index": 0}, [nn.LogSoftmax()], LABELS),
    ("BCELoss", {}, [nn.Sigmoid()], BITS),
    ("BCEWithLogitsLoss", {"pos_weight": WEIGHT}, [], BITS),
    ("BCEWithLogitsLoss", {}, [], BITS.astype(int)),
    ("FocalLoss", {"alpha": 0.25}, [], BITS),
    ("FocalLoss", {"gamma": 0.5, "alpha": WEIGHT}, [], LABELS),
    ("MSELoss", {}, [], NUMBERS),
    ("L1Loss", {}, [], NUMBERS),
    ("HuberLoss", {"delta": 0.5}, [], NUMBERS),
    ("SmoothL1Loss", {"beta": 0.5}, [], NUMBERS),
    ("LogCoshLoss", {}, [], NUMBERS),
    ("KLDivLoss", {}, [nn.LogSoftmax()], SHARES),
    ("KLDivLoss", {}, [nn.LogSoftmax()], np.eye(C, dtype=int)[LABELS]),
    ("CrossEntropyLoss", {"label_smoothing": 0.1}, [], np.eye(C, dtype=int)[LABELS]),
    ("KLDivLoss", {"log_target": True, "reduction": "batchmean"}, [nn.LogSoftmax()], np.log(SHARES)),
    ("HingeLoss", {}, [], SIGNS),
    ("SquaredHingeLoss", {"reduction": "sum"}, [], SIGNS.astype(int)),
    ("MultiMarginLoss", {"p": 2, "weight": WEIGHT}, [], LABELS),
    ("PoissonNLLLoss", {"full": True}, [], np.floor(3 * abs(NUMBERS))),
    ("PoissonNLLLoss", {"log_input": False}, [nn.Softplus()], np.floor(3 * abs(NUMBERS)).astype(int)),
    ("PoissonNLLLoss", {"full": True}, [], np.floor(3 * abs(NUMBERS)).astype(int)),
    ("DiceLoss", {}, [nn.Sigmoid()], BITS),
    ("DiceLoss", {}, [nn.Sigmoid()], BITS > 0),
]
IDS = [f"{name}-{'-'.join(options)}-{i}" for i, (name, options, *_) in enumerate(TRAINED)]
# Those that take other arguments: options, and the inputs beside a model's outputs.
OTHERS = {
    "GaussianNLLLoss": ({"full": True}, lambda p: (p, NUMBERS[: len(p)], np.exp(p * 0.5))),
    "CosineEmbeddingLoss": ({"margin": 0.2}, lambda p: (p, NUMBERS[: len(p)], SIGNS[: len(p), 0])),
    "TripletMarginLoss": ({"swap": True}, lambda p: (p, NUMBERS[: len(p)], NUMBERS[-len(p) :])),
}


def made(case, dtype="float64"):
    """(loss, model, optimizer, targets)."""
    name, options, end, y = case
    model = nn.Sequential(nn.Dense(4, 8), nn.Tanh(), nn.Dense(8, C), *end, rng=0).astype(dtype)
    rate = 0.001 if options.get("reduction") == "sum" else 0.05
    return getattr(nn, name)(**options), model, optim.SGD(model.parameters(), lr=rate, momentum=0.9), y


def test_every_loss_is_in_a_table():
    ours = {n for n in nn.__all__ if isinstance(getattr(nn, n), type) and issubclass(getattr(nn, n), nn.Loss)}
    assert ours - {"Loss"} == {name for name, *_ in TRAINED} | OTHERS.keys()


# ---- engines ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("case", TRAINED, ids=IDS)
def test_engines_agree(case):
    loss, model, _, y = made(case)
    found = tg.compare(model, X[:8], y[:8], loss=loss)
    assert found.ok, str(found)


@pytest.mark.parametrize("name", OTHERS)
def test_engines_agree_on_losses_of_more_inputs(name):
    options, inputs = OTHERS[name]
    loss, (_, model, _, _) = getattr(nn, name)(**options), made(TRAINED[13])

    found = tg.compare(model, X[:8], NUMBERS[:8], loss=lambda output, t: loss(*inputs(output)))
    assert found.ok, str(found)


# ---- compiled ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("case", TRAINED, ids=IDS)
def test_compiled_training_is_eager_training(case, weighted, count, monkeypatch):
    for cost in ("MEETING", "SUMMED"):  # so that several threads pay
        monkeypatch.setattr(threads, cost, 1e-9)
    weights = {"sample_weight": RNG.integers(0, 3, N) * 0.7} if weighted else {}
    runs = []
    for compiled in (False, True):
        loss, model, optimizer, y = made(case, "float64" if weighted else "float32")
        history = tg.fit(model, (X, y), loss=loss, optimizer=optimizer, epochs=4, batch_size=24, progress=False,
                         compile=compiled, threads=count, **weights)  # fmt: skip
        assert history.compiled == compiled, history.eager_because
        runs.append((np.array(history.steps), [p.data for p in model.parameters()]))
    assert history.threads == count
    (eager, expected), (steps, found) = runs
    assert len(steps) == 12 and np.isfinite(steps).all()
    if count == 1:
        assert steps.tobytes() == eager.tobytes()
        assert [p.tobytes() for p in found] == [p.tobytes() for p in expected]
    np.testing.assert_allclose(steps, eager, rtol=1e-4)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-4)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("case", TRAINED, ids=IDS)
def test_the_loss_of_a_step_is_the_loss(case, compiled):
    loss, model, optimizer, y = made(case)
    for w in ({}, {"sample_weight": np.arange(N)}):
        expected = loss(model(X), y, **w).item()
        history = tg.fit(model, (X, y), loss=loss, optimizer=optimizer, epochs=1, batch_size=None, progress=False,
                         compile=compiled, **w)  # fmt: skip
        np.testing.assert_allclose(history.steps, [expected], rtol=1e-12)


@pytest.mark.parametrize("name", OTHERS)
def test_losses_of_more_inputs_in_a_compiled_step(name):
    def run(compiled):
        loss, (_, model, optimizer, _) = getattr(nn, name)(**OTHERS[name][0]), made(TRAINED[13])

        def step(x, a, b):
            optimizer.zero_grad()
            p = model(x)
            value = loss(p, a, np.exp(p * 0.5)) if name == "GaussianNLLLoss" else loss(p, a, b)
            value.backward()
            optimizer.step()
            return value

        step = tg.compile(step) if compiled else step
        last = NUMBERS[::-1].copy() if name == "TripletMarginLoss" else SIGNS[:, 0].copy()
        return [step(X, NUMBERS, last).item() for _ in range(4)], step

    (eager, _), (compiled, step) = run(False), run(True)
    assert eager == compiled
    assert not step.reason


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
def test_a_compiled_step_looks_at_the_targets_of_every_call(loss, good, wrong, error, text):
    _, model, _, _ = made(TRAINED[0])
    step = tg.compile(lambda x, y: loss(model(x), y))
    values = [step(X, good).item() for _ in range(3)]
    assert not step.reason and values == [loss(model(X), good).item()] * 3
    with pytest.raises(error, match=text):
        step(X, wrong)
    assert step(X, good[::-1].copy()).item() == loss(model(X), good[::-1]).item() and not step.reason


def test_a_compiled_step_takes_one_hot_rows_and_others_in_turn():
    (_, model, _, _), loss = made(TRAINED[0]), nn.CrossEntropyLoss()
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


# ---- reductions and weights -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("case", TRAINED, ids=IDS)
def test_reductions_and_weights(case):
    name, options, _, y = case
    _, model, _, _ = made(case)
    p = model(X).numpy()
    options = {k: v for k, v in options.items() if k != "reduction"}
    each, total, mean = (getattr(nn, name)(**options, reduction=r) for r in ("none", "sum", "mean"))
    values = each(p, y)
    assert values.shape in (p.shape, p.shape[:1])
    np.testing.assert_allclose(total(p, y), values.sum(), rtol=1e-12)
    w = RNG.uniform(0, 2, N)
    beside = w.reshape(-1, *[1] * (values.ndim - 1))
    np.testing.assert_allclose(each(p, y, sample_weight=w), values * beside, rtol=1e-12)
    np.testing.assert_allclose(total(p, y, sample_weight=w), (values * beside).sum(), rtol=1e-12)
    share = np.ones(N)  # what a row counts for
    if name in ("CrossEntropyLoss", "NLLLoss") and y.ndim == 1:
        share = share if "weight" not in options else np.append(WEIGHT, 0.0)[np.where(y < 0, C, y)]
        share = np.where(y == options.get("ignore_index"), 0, share)
    np.testing.assert_allclose(mean(p, y), values.sum() / share.sum() / (values.size // N), rtol=1e-12)
    expected = (values * beside).sum() / (share * w).sum() / (values.size // N)
    np.testing.assert_allclose(mean(p, y, sample_weight=w), expected, rtol=1e-12)
    np.testing.assert_allclose(mean(p, y, sample_weight=tg.tensor(w)), expected, rtol=1e-12)


def test_batchmean_is_the_divergence():
    p = RNG.dirichlet(np.ones(C), size=N)
    divergence = (SHARES * np.log(SHARES / p)).sum(1)
    loss = nn.KLDivLoss("batchmean")
    np.testing.assert_allclose(loss(np.log(p), SHARES), divergence.mean(), rtol=1e-12)
    w = np.arange(N)
    np.testing.assert_allclose(loss(np.log(p), SHARES, sample_weight=w), (w * divergence).sum() / w.sum(), rtol=1e-12)


def test_weights_of_single_elements():
    w = RNG.uniform(0, 2, (N, C))
    found = nn.MSELoss()(NUMBERS * 2, NUMBERS, sample_weight=w)
    np.testing.assert_allclose(found, (w * NUMBERS**2).sum() / w.sum(), rtol=1e-12)


@pytest.mark.parametrize("compiled", [False, True])
def test_rows_of_weight_0_teach_nothing(compiled):
    """Training with weights is training on the rows that weigh something, here with one batch."""
    keep = np.arange(N) % 3 > 0
    runs = []
    for data, more in ((X, NUMBERS), {"sample_weight": keep}), ((X[keep], NUMBERS[keep]), {}):
        loss, model, optimizer, _ = made(TRAINED[13])
        tg.fit(
            model,
            data,
            loss=loss,
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
def test_class_weight_is_the_weight_of_a_cross_entropy(classes, y):
    w = RNG.uniform(0.5, 2, N)
    runs = []
    for loss, more in ((nn.CrossEntropyLoss(), {"class_weight": classes}), (nn.CrossEntropyLoss(weight=WEIGHT), {})):
        _, model, optimizer, _ = made(TRAINED[0])
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
def test_a_batch_without_weight_teaches_nothing(compiled):
    w = np.where(np.arange(N) < 10, 0.0, 1.0)  # the first batch weighs nothing
    _, model, _, _ = made(TRAINED[0])
    before = [p.data.copy() for p in model.parameters()]
    history = tg.fit(model, (X[:20], LABELS[:20]), loss=nn.CrossEntropyLoss(ignore_index=-1), batch_size=10, epochs=1,
                     optimizer=optim.SGD(model.parameters(), lr=0.1), sample_weight=w[:20], shuffle=False, progress=False,
                     compile=compiled)  # fmt: skip
    assert history.steps[0] == 0 and history.steps[1] > 0 and not history.stopped
    assert any((p.data != b).any() for p, b in zip(model.parameters(), before, strict=True))


# ---- stability --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("loss", "y"),
    [
        (nn.CrossEntropyLoss(label_smoothing=0.1), [0, 1]),
        (nn.CrossEntropyLoss(ignore_index=-1), [0, 1]),
        (nn.CrossEntropyLoss(), [[0.5, 0.5], [0.25, 0.75]]),
        (nn.BCEWithLogitsLoss(), [[1.0, 0.0], [1.0, 0.5]]),
        (nn.FocalLoss(), [0, 1]),
        (nn.FocalLoss(gamma=0.5), [[1, 0], [1, 0]]),
        (nn.HuberLoss(), [[1.0, 0.0], [1.0, 0.5]]),
        (nn.LogCoshLoss(), [[1.0, 0.0], [1.0, 0.5]]),
        (nn.MultiMarginLoss(), [0, 1]),
        (nn.HingeLoss(), [[1, -1], [1, -1]]),
    ],
    ids=lambda x: repr(x) if isinstance(x, nn.Loss) else "",
)
def test_logits_up_to_10000(loss, y, dtype):
    x = tg.tensor(np.array([[1e4, -1e4], [1e4, -1e4]], dtype), requires_grad=True)
    value = loss(x, np.array(y))
    value.backward()
    assert np.isfinite(value.item()) and np.isfinite(x.grad).all()
    truth = tg.compare(Fixed(x.numpy().astype("float64")), np.zeros((2, 1)), np.array(y), loss=loss)
    assert truth.ok, str(truth)


class Fixed(nn.Module):
    """A model whose output is a parameter."""

    def __init__(self, output):
        self.output = tg.Parameter(output)

    def forward(self, x):
        return self.output * 1


@pytest.mark.parametrize("loss", [nn.BCELoss(), nn.DiceLoss()], ids=repr)
def test_probabilities_of_exactly_0_and_1(loss):
    p, y = np.array([[0.0, 1.0, 0.0, 1.0]]), np.array([[0.0, 1.0, 1.0, 0.0]])
    found = tg.compare(Fixed(p), np.zeros((1, 1)), y, loss=loss)
    assert found.ok, str(found)
    x = tg.tensor(p, requires_grad=True)
    loss(x, y).backward()
    assert np.isfinite(x.grad).all() and (x.grad[0, 2:] * [-1, 1] > 0).all()  # towards the targets
    assert np.isfinite(loss(p, y)) and np.isnan(loss(p * np.nan, y))


def test_an_ignored_row_may_have_a_logit_of_minus_infinity():
    for label in (0, -100):
        x = tg.tensor(np.array([[-np.inf, 0.0, 0.0], [1.0, 0.0, 1.0]]), requires_grad=True)
        value = nn.CrossEntropyLoss(ignore_index=label)(x, np.array([label, 1]))
        value.backward()
        np.testing.assert_allclose(value.item(), np.log(1 + 2 * np.e), rtol=1e-12)
        assert (x.grad[0] == 0).all() and (x.grad[1] != 0).all()


def test_a_class_of_probability_0_may_have_a_logit_of_minus_infinity():
    logits = np.array([[-np.inf, 0.0, 0.0]])
    for loss, y in ((nn.CrossEntropyLoss(), [[0.0, 1.0, 0.0]]), (nn.CrossEntropyLoss(ignore_index=-1), [1])):
        x = tg.tensor(logits, requires_grad=True)
        value = loss(x, np.array(y))
        value.backward()
        np.testing.assert_allclose(value.item(), np.log(2), rtol=1e-12)
        np.testing.assert_allclose(x.grad, [[0, -0.5, 0.5]], atol=1e-12)


# ---- what is refused --------------------------------------------------------------------------------------------------
P = np.full((4, 3), 0.5)
I = np.array([0, 1, 2, 0])  # noqa: E741
BAD_CALLS = {
    "never broadcast": (nn.HuberLoss(), (P, P[:, 0]), ShapeError, "HuberLoss: prediction has shape (4, 3) and target (4,)"),
    "a column": (nn.HingeLoss(), (P[:, :1], np.ones(4)), ShapeError, "HingeLoss: prediction has shape (4, 1) and target (4,)"),
    "nothing": (nn.L1Loss(), (P[:0], P[:0]), ShapeError, "L1Loss: the mean over no elements is not defined"),
    "weights": (nn.L1Loss(), (P, P, np.ones(3)), ShapeError, "L1Loss: sample_weight must have the shape of the losses (4, 3)"),
    "a number": (nn.L1Loss(), (P, P, 1.0), ShapeError, "L1Loss: sample_weight must have the shape of the losses (4, 3)"),
    "no weight": (nn.L1Loss(), (P, P, np.zeros(4)), DataError, "L1Loss: the weights sum to 0, and a mean needs a positive"),
    "negative": (nn.L1Loss(), (P, P, -np.ones(4)), DataError, "L1Loss: sample_weight must be finite and at least 0, got -1"),
    "negative, sum": (nn.L1Loss("sum"), (P, P, [1, 1, 1, -1]), DataError, "L1Loss: sample_weight must be finite and at least 0"),
    "infinite": (nn.L1Loss("none"), (P, P, [1, 1, 1, np.inf]), DataError, "L1Loss: sample_weight must be finite and at least 0"),
    "masked weights": (nn.L1Loss(), (P, P, np.ma.masked_array(np.ones(4), [0, 0, 0, 1])), DTypeError, "L1Loss: sample_weight: a masked"),
    "all ignored": (nn.CrossEntropyLoss(ignore_index=9), (P, I * 0 + 9), DataError, "all 4 labels are ignore_index=9"),
    "all ignored, nll": (nn.NLLLoss(ignore_index=9), (P, I * 0 + 9), DataError, "NLLLoss: all 4 labels are ignore_index=9"),
    "class of weight 0": (nn.NLLLoss([0, 1, 1]), (P, I * 0), DataError, "NLLLoss: the weights sum to 0"),
    "label": (nn.CrossEntropyLoss(label_smoothing=0.1), (P, I + 1), LabelError, "label 3 at row 2 is outside the 3 classes"),
    "ignored label": (nn.NLLLoss(ignore_index=-1), (P, I - 2), LabelError, "NLLLoss: label -2 at row 0 is outside the 3"),
    "of pixels": (nn.CrossEntropyLoss(), (P.reshape(2, 2, 3), I.reshape(2, 2) + 1), LabelError, "label 3 at index (1, 0)"),
    "floats": (nn.MultiMarginLoss(), (P, I * 1.0), DTypeError, "MultiMarginLoss: expected integer labels, got dtype float64"),
    "shape of labels": (nn.NLLLoss(), (P, P), ShapeError, "NLLLoss: expected labels of shape (4,) beside predictions (4, 3)"),
    "one axis": (nn.NLLLoss(), (P[0], 1), ShapeError, "NLLLoss: expected predictions of shape (n, ..., classes), got (3,)"),
    "weights of classes": (nn.CrossEntropyLoss([1, 2]), (P, I), OptionError, "weight has 2 numbers for 3 classes"),
    "weights, soft": (nn.CrossEntropyLoss([1, 2]), (P, P / 1.5), OptionError, "weight has 2 numbers for 3 classes"),
    "ignore, soft": (nn.CrossEntropyLoss(ignore_index=1), (P, P / 1.5), OptionError, "ignore_index is for integer labels"),
    "sum": (nn.CrossEntropyLoss(), (P, P), LabelError, "row 0 of the targets is neither one-hot nor probabilities that sum"),
    "negative share": (nn.CrossEntropyLoss(), (P, P * [3, -1, 0]), LabelError, "row 0 of the targets is neither one-hot"),
    "NaN": (nn.CrossEntropyLoss(), (P, P * np.nan), LabelError, "row 0 of the targets is neither one-hot"),
    "bce": (nn.BCELoss(), (P, P * 3), LabelError, "BCELoss: targets must be between 0 and 1, got 1.5 at index (0, 0)"),
    "bce NaN": (nn.BCELoss(), (P, P * np.nan), LabelError, "BCELoss: targets must be between 0 and 1, got nan"),
    "bce p": (nn.BCELoss(), (P * 3, P), DataError, "BCELoss: predictions must be probabilities between 0 and 1, got 1.5"),
    "dice p": (nn.DiceLoss(), (-P, P), DataError, "DiceLoss: predictions must be probabilities between 0 and 1, got -0.5"),
    "dice row": (nn.DiceLoss(), (P[0], P[0]), ShapeError, "DiceLoss: expected masks of shape (n, ...) with at least two axes"),
    "logits": (nn.BCEWithLogitsLoss(), (P, -P), LabelError, "BCEWithLogitsLoss: targets must be between 0 and 1, got -0.5"),
    "pos_weight": (nn.BCEWithLogitsLoss([1, 2]), (P, P), ShapeError, "pos_weight has 2 numbers for predictions of shape"),
    "focal": (nn.FocalLoss(), (P, P), LabelError, "FocalLoss: targets must be 0 or 1, got 0.5 at index (0, 0)"),
    "alpha": (nn.FocalLoss(alpha=[1, 2]), (P, I), OptionError, "FocalLoss: alpha has 2 numbers for 3 classes"),
    "alpha, binary": (nn.FocalLoss(alpha=[1, 2]), (P, P), OptionError, "FocalLoss: alpha must be one number where targets"),
    "alpha, classes": (nn.FocalLoss(alpha=0.5), (P, I), OptionError, "FocalLoss: alpha must have a number for each class"),
    "hinge": (nn.HingeLoss(), (P, P * 0), LabelError, "HingeLoss: targets must be -1 or 1, got 0 at index (0, 0)"),
    "hinge 2": (nn.SquaredHingeLoss(), (P, P), LabelError, "SquaredHingeLoss: targets must be -1 or 1, got 0.5"),
    "kl": (nn.KLDivLoss(), (P, -P), LabelError, "KLDivLoss: targets must be between 0 and 1, got -0.5"),
    "kl log": (nn.KLDivLoss(log_target=True), (P, P), LabelError, "KLDivLoss: targets, logarithms of probabilities, must be"),
    "counts": (nn.PoissonNLLLoss(), (P, -P), LabelError, "PoissonNLLLoss: targets, which are counts, must be at least 0"),
    "variance": (nn.GaussianNLLLoss(), (P, P, -P), DataError, "GaussianNLLLoss: a variance must be at least 0, got -0.5"),
    "variances": (nn.GaussianNLLLoss(), (P, P, P[0]), ShapeError, "GaussianNLLLoss: var must have the shape of the mean"),
    "cosine": (nn.CosineEmbeddingLoss(), (P, P, I), LabelError, "CosineEmbeddingLoss: targets must be -1 or 1, got 0"),
    "cosine y": (nn.CosineEmbeddingLoss(), (P, P, P), ShapeError, "CosineEmbeddingLoss: expected targets of shape (4,)"),
    "cosine rows": (nn.CosineEmbeddingLoss(), (P, P[:3], I), ShapeError, "CosineEmbeddingLoss: x1 has shape (4, 3) and x2"),
    "triplet": (nn.TripletMarginLoss(), (P[0], P[0], P[0]), ShapeError, "TripletMarginLoss: expected rows (n, features)"),
    "triplets": (nn.TripletMarginLoss(), (P, P, P[:, :2]), ShapeError, "TripletMarginLoss: anchor has shape (4, 3) and negative"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD_CALLS)
def test_bad_calls(what):
    loss, inputs, error, text = BAD_CALLS[what]
    for tensors in (False, True):
        given = [tg.tensor(inputs[0], requires_grad=True), *inputs[1:]] if tensors else inputs
        with pytest.raises(error) as caught:
            loss(*given)
        assert text in str(caught.value) and str(caught.value).startswith(type(loss).__name__)


BAD_OPTIONS = {
    "MSELoss: unknown reduction 'means'; did you mean 'mean'?": lambda: nn.MSELoss(reduction="means"),
    "KLDivLoss: unknown reduction 'batch_mean'; did you mean 'batchmean'?": lambda: nn.KLDivLoss("batch_mean"),
    "HuberLoss: delta must be a number above 0, got 0": lambda: nn.HuberLoss(0),
    "SmoothL1Loss: beta must be a number of at least 0, got -1": lambda: nn.SmoothL1Loss(-1),
    "CrossEntropyLoss: label_smoothing must be a number from 0 to 1, got 2":
        lambda: nn.CrossEntropyLoss(label_smoothing=2),
    "CrossEntropyLoss: weight must be one number for each class": lambda: nn.CrossEntropyLoss([1, -1]),
    "NLLLoss: weight must be one number for each class": lambda: nn.NLLLoss([[1, 1]]),
    "NLLLoss: ignore_index must be a whole number or None, got 1.5": lambda: nn.NLLLoss(ignore_index=1.5),
    "FocalLoss: gamma must be a number of at least 0, got nan": lambda: nn.FocalLoss(gamma=np.nan),
    "FocalLoss: alpha must be a number from 0 to 1, got 2": lambda: nn.FocalLoss(alpha=2),
    "BCEWithLogitsLoss: pos_weight must be one number for each class": lambda: nn.BCEWithLogitsLoss("a"),
    "MultiMarginLoss: p must be 1 or 2, got 3": lambda: nn.MultiMarginLoss(p=3),
    "GaussianNLLLoss: eps must be a number above 0, got 0": lambda: nn.GaussianNLLLoss(eps=0),
    "PoissonNLLLoss: eps must be a number of at least 0, got '1'": lambda: nn.PoissonNLLLoss(eps="1"),
    "DiceLoss: smooth must be a number above 0, got 0": lambda: nn.DiceLoss(smooth=0),
    "CosineEmbeddingLoss: margin must be a number from -1 to 1, got 2":
        lambda: nn.CosineEmbeddingLoss(margin=2),
    "TripletMarginLoss: p must be a number of at least 1, got 0.5": lambda: nn.TripletMarginLoss(p=0.5),
    "TripletMarginLoss: swap must be True or False, got 'no'": lambda: nn.TripletMarginLoss(swap="no"),
    "GaussianNLLLoss: full must be True or False, got 'no'": lambda: nn.GaussianNLLLoss(full="no"),
    "PoissonNLLLoss: full must be True or False, got None": lambda: nn.PoissonNLLLoss(full=None),
    "PoissonNLLLoss: log_input must be True or False, got 'no'": lambda: nn.PoissonNLLLoss(log_input="no"),
    "KLDivLoss: log_target must be True or False, got array([1., 1.])": lambda: nn.KLDivLoss(log_target=np.ones(2)),
    "HuberLoss: delta must be a number above 0, got 1000": lambda: nn.HuberLoss(10**400),
    "CrossEntropyLoss: weight must be one number for each class, of at least 0": lambda: nn.CrossEntropyLoss([10**400, 1]),
    "NLLLoss: ignore_index must be a whole number or None, got 1000": lambda: nn.NLLLoss(ignore_index=10**40),
    "MultiMarginLoss: p must be 1 or 2, got array([1, 2])": lambda: nn.MultiMarginLoss(p=np.array([1, 2])),
}  # fmt: skip


@pytest.mark.parametrize("text", BAD_OPTIONS)
def test_bad_options(text):
    with pytest.raises(OptionError) as caught:
        BAD_OPTIONS[text]()
    assert str(caught.value).startswith(text)


BAD_TRAININGS = {
    "rows": (nn.MSELoss(), NUMBERS, {"sample_weight": np.ones(9)}, DataError, "sample_weight has 9 rows and y has 60"),
    "negative": (nn.MSELoss(), NUMBERS, {"sample_weight": -np.ones(N)}, DataError, "a weight must be at least 0, got -1.0 in row 0"),
    "none": (nn.MSELoss(), NUMBERS, {"sample_weight": np.zeros(N)}, DataError, "all rows weigh 0"),
    "NaN": (nn.MSELoss(), NUMBERS, {"sample_weight": np.full(N, np.nan)}, DataError, "sample_weight has nan"),
    "no labels": (nn.MSELoss(), NUMBERS, {"class_weight": WEIGHT}, OptionError, "class_weight needs labels or one-hot rows"),
    "too few": (nn.CrossEntropyLoss(), LABELS, {"class_weight": [1, 1]}, OptionError, "class_weight has 2 weights, and y has the label 2"),
    "a key": (nn.CrossEntropyLoss(), LABELS, {"class_weight": {"a": 1}}, OptionError, "class_weight has the key 'a'"),
    "a weight that no float holds": (nn.CrossEntropyLoss(), LABELS, {"class_weight": {0: 10**400}}, OptionError, "class_weight must be a dict"),
    "two shapes": (nn.CrossEntropyLoss(), np.stack([LABELS, LABELS], 1), {"sample_weight": np.ones((N, 3)), "class_weight": WEIGHT}, DataError, "sample_weight has shape (60, 3), and the labels have (60, 2)"),
    "several labels": (nn.BCEWithLogitsLoss(), np.eye(C)[LABELS], {"class_weight": WEIGHT}, OptionError, "class_weight reads y of shape (60, 3) as one-hot rows, and to BCEWithLogitsLoss()"),
    "too large": (nn.MSELoss(), NUMBERS, {"sample_weight": np.full(N, 3e38)}, DataError, "the weights sum to 1.8e+40"),
    "a weight": (nn.CrossEntropyLoss(), LABELS, {"class_weight": {0: -1}}, OptionError, "class_weight must be a dict label -> weight"),
    "a function": (lambda o, t: (o - t).mean(), NUMBERS, {"sample_weight": np.ones(N)}, OptionError, "takes no sample_weight"),
    "ignored": (nn.CrossEntropyLoss(ignore_index=1), LABELS * 0 + 1, {}, DataError, "all 60 labels are ignore_index=1"),
    "hinge": (nn.HingeLoss(), BITS, {}, LabelError, "HingeLoss: targets must be -1 or 1, got 0"),
    "bce": (nn.BCEWithLogitsLoss(), NUMBERS, {}, LabelError, "BCEWithLogitsLoss: targets must be between 0 and 1"),
    "last row": (nn.FocalLoss(), np.where(np.arange(N) == 59, 3, LABELS), {}, LabelError, "label 3 at row 59"),
}  # fmt: skip


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("what", BAD_TRAININGS)
def test_bad_targets_and_weights_are_found_before_training(what, compiled):
    loss, y, options, error, text = BAD_TRAININGS[what]
    _, model, optimizer, _ = made(TRAINED[0])
    with pytest.raises(error) as caught:
        tg.fit(
            model, (X, y), loss=loss, optimizer=optimizer, shuffle=False, progress=False, compile=compiled, **options
        )
    assert text in str(caught.value)
    assert optimizer.steps == 0


def test_representations_show_what_is_not_as_usual():
    assert repr(nn.MSELoss()) == "MSELoss()"
    assert repr(nn.HuberLoss(0.5, reduction="sum")) == "HuberLoss(delta=0.5, reduction='sum')"
    assert repr(nn.CrossEntropyLoss([1, 2], ignore_index=0)) == "CrossEntropyLoss(weight=[1.0, 2.0], ignore_index=0)"


# ---- derivatives of derivatives ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("case", TRAINED, ids=IDS)
def test_second_derivatives(case):
    """A product with the Hessian against differences of gradients."""
    loss, _, _, y = made(case)
    y, x, v = y[:5], RNG.normal(size=(5, C)), RNG.normal(size=(5, C))
    of = {nn.Sigmoid: ops.sigmoid, nn.LogSoftmax: ops.log_softmax, nn.Softplus: ops.softplus}
    ends = [of[type(layer)] for layer in case[2]]

    def value(x):
        for end in ends:
            x = end(x)
        return loss(x, y)

    h = 1e-5
    near = [tg.grad(value)(x + s * h * v).numpy() for s in (-1, 1)]
    (found,) = np.atleast_2d([tg.hvp(value, x, v).numpy()])
    np.testing.assert_allclose(found, (near[1] - near[0]) / (2 * h), rtol=1e-5, atol=1e-7)


# ---- later runs of a compiled step, whose predictions nobody looks at ------------------------------------------------------
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


def test_the_reference_of_what_is_no_probability_or_variance_is_nan_too():
    found = ops.binary_cross_entropy(grid([1.5, -0.5, 0.0]), np.array([0.0, 1.0, 1.0]))
    np.testing.assert_array_equal(values(found), [np.nan, np.nan, 100])
    found = ops.gaussian_nll(np.zeros(2), np.zeros(2), grid([-1.0, 1.0]))
    np.testing.assert_array_equal(values(found), [np.nan, 0])


def test_a_target_of_log_probability_minus_infinity_adds_nothing():
    x = tg.tensor(np.log([[0.5, 0.5]]), requires_grad=True)
    loss = nn.KLDivLoss("sum", log_target=True)(x, np.array([[-np.inf, 0.0]]))
    loss.backward()
    np.testing.assert_allclose(loss.item(), np.log(2))
    np.testing.assert_allclose(x.grad, [[0, -1]])


def test_masked_targets_are_refused():
    for loss, prediction, target in (
        (nn.MSELoss(), P[:, 0], I), (nn.NLLLoss(), P, I), (nn.CrossEntropyLoss(), P, np.eye(3)[I]), (nn.HingeLoss(), P[:, 0], I * 0 + 1)
    ):  # fmt: skip
        with pytest.raises(DTypeError, match="a masked array would lose its mask"):
            loss(prediction, np.ma.masked_array(target, target == 1))
    with pytest.raises(DTypeError, match="targets of a loss must be numbers"):
        nn.PoissonNLLLoss()(P[:, 0], np.array(["1", "2", "3", "4"]))


def test_batchmean_over_no_rows_is_named():
    with pytest.raises(ShapeError, match="^KLDivLoss: the mean over no elements"):
        nn.KLDivLoss("batchmean")(P[:0], P[:0])


def test_weights_of_samples_in_a_column_go_with_those_of_classes():
    """Each row by its own class, not by every other's."""
    y = BITS[:, :1]
    losses = []
    for weight in (np.arange(N) + 1.0, (np.arange(N) + 1.0)[:, None]):
        model = nn.Sequential(nn.Dense(4, 1), rng=0)
        sgd = optim.SGD(model.parameters(), lr=0.1)
        losses.append(tg.fit(model, (X, y), loss=nn.MSELoss(), optimizer=sgd, epochs=2, sample_weight=weight,
                             class_weight={0: 2.0, 10**9: 1.0}, progress=False).loss)  # fmt: skip
    assert losses[0] == losses[1]
