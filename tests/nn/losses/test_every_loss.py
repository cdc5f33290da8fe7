"""Every loss: on both engines, eager and compiled, its reductions and weights, its second derivatives."""

import numpy as np
import pytest
from loss_data import BITS, LABELS, NUMBERS, SHARES, SIGNS, WEIGHT, C, N, X

import tensorgrad as tg
from tensorgrad import nn, ops
from tensorgrad._program import threads

RNG = np.random.default_rng(1)

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


@pytest.fixture
def made(network):
    """A maker of (loss, model, optimizer, targets) of a case."""

    def make(case, dtype="float64"):
        name, options, end, y = case
        rate = 0.001 if options.get("reduction") == "sum" else 0.05
        return getattr(nn, name)(**options), *network(*end, dtype=dtype, rate=rate), y

    return make


def test_every_loss_is_in_a_table():
    ours = {n for n in nn.__all__ if isinstance(getattr(nn, n), type) and issubclass(getattr(nn, n), nn.Loss)}
    assert ours - {"Loss"} == {name for name, *_ in TRAINED} | OTHERS.keys()


@pytest.mark.parametrize("case", TRAINED, ids=IDS)
def test_engines_agree(made, case):
    loss, model, _, y = made(case)
    found = tg.compare(model, X[:8], y[:8], loss=loss)
    assert found.ok, str(found)


@pytest.mark.parametrize("name", OTHERS)
def test_engines_agree_on_losses_of_more_inputs(made, name):
    options, inputs = OTHERS[name]
    loss, (_, model, _, _) = getattr(nn, name)(**options), made(TRAINED[13])

    found = tg.compare(model, X[:8], NUMBERS[:8], loss=lambda output, t: loss(*inputs(output)))
    assert found.ok, str(found)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("case", TRAINED, ids=IDS)
def test_compiled_training_is_eager_training(made, case, weighted, count, monkeypatch):
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
def test_the_loss_of_a_step_is_the_loss(made, case, compiled):
    loss, model, optimizer, y = made(case)
    for w in ({}, {"sample_weight": np.arange(N)}):
        expected = loss(model(X), y, **w).item()
        history = tg.fit(model, (X, y), loss=loss, optimizer=optimizer, epochs=1, batch_size=None, progress=False,
                         compile=compiled, **w)  # fmt: skip
        np.testing.assert_allclose(history.steps, [expected], rtol=1e-12)


@pytest.mark.parametrize("name", OTHERS)
def test_losses_of_more_inputs_in_a_compiled_step(made, name):
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


@pytest.mark.parametrize("case", TRAINED, ids=IDS)
def test_reductions_and_weights(made, case):
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


@pytest.mark.parametrize("case", TRAINED, ids=IDS)
def test_second_derivatives(made, case):
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
