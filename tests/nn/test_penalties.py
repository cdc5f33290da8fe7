"""Penalties on large weights, and freezing: the same in fit and by hand, eager and compiled, on both engines."""

from itertools import pairwise

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn, optim
from tensorgrad._program import threads
from tensorgrad.errors import OptionError

RNG = np.random.default_rng(0)
X, LABELS = RNG.normal(size=(40, 4)), RNG.integers(0, 3, 40)
RATES = {"weight_l1": 1e-3, "weight_l2": 2e-2, "bias_l1": 3e-3, "bias_l2": 4e-2}


@pytest.fixture(autouse=True)
def threads_cost_nothing(monkeypatch):
    for cost in ("MEETING", "SUMMED"):
        monkeypatch.setattr(threads, cost, 1e-9)


def make(engine="tensor", penalised=True):
    model = nn.Sequential(nn.Dense(4, 6), nn.ReLU(), nn.Dense(6, 6), nn.Tanh(), nn.Dense(6, 3), rng=0)
    model[0].bias.data = np.linspace(-1, 1, 6)
    if penalised:
        model[0].penalise(RATES["weight_l1"], RATES["weight_l2"])
        model[0].penalise(RATES["bias_l1"], RATES["bias_l2"], parameters="bias")
        model[2].penalise(l2=0.1)
    return model.astype("float64").to(engine)


def by_numpy(model):
    """What the penalties come to, written out as in "Neural Networks from Scratch", and the gradients."""
    w, b, v = (p.data for p in (model[0].weight, model[0].bias, model[2].weight))
    total = RATES["weight_l1"] * np.abs(w).sum() + RATES["weight_l2"] * (w * w).sum()
    total += RATES["bias_l1"] * np.abs(b).sum() + RATES["bias_l2"] * (b * b).sum() + 0.1 * (v * v).sum()
    slopes = {
        "0.weight": RATES["weight_l1"] * np.sign(w) + 2 * RATES["weight_l2"] * w,
        "0.bias": RATES["bias_l1"] * np.sign(b) + 2 * RATES["bias_l2"] * b,
        "2.weight": 0.2 * v,
    }
    return total, slopes


def number(loss):
    return float(loss.data) if not isinstance(loss, tg.Tensor) else loss.item()


@pytest.mark.parametrize("engine", ["tensor", "scalar"])
def test_penalty_and_its_gradient(engine):
    model = make(engine)
    expected, slopes = by_numpy(model)
    penalty = model.penalty()
    np.testing.assert_allclose(number(penalty), expected, rtol=1e-14)
    penalty.backward()
    for name, p in model.named_parameters():
        if name in slopes:
            np.testing.assert_allclose(p.grad, slopes[name], rtol=1e-13, err_msg=name)
        else:
            assert p.grad is None or not p.grad.any()


def by_hand(model, compiled=False, epochs=3):
    adam, loss = optim.Adam(model.parameters(), lr=0.02), nn.CrossEntropyLoss()

    def step(x, target):
        adam.zero_grad()
        cost = loss(model(x), target) + model.penalty()
        cost.backward()
        adam.step()
        return cost

    run = tg.compile(step) if compiled else step
    found = [number(run(X[i : i + 20], LABELS[i : i + 20])) for _ in range(epochs) for i in range(0, 40, 20)]
    assert not compiled or run.reason == ""
    return found


def by_fit(model, epochs=3, **options):
    adam = optim.Adam(model.parameters(), lr=0.02)
    return tg.fit(model, (X, LABELS), loss=nn.CrossEntropyLoss(), optimizer=adam, epochs=epochs, batch_size=20, shuffle=False,
                  progress=False, **options)  # fmt: skip


def test_fit_and_a_loop_by_hand_agree_eager_and_compiled_on_both_engines():
    expected = by_hand(make())
    for count in (1, 2):
        history = by_fit(make(), threads=count)
        assert (history.compiled, history.threads) == (True, count), history.eager_because
        np.testing.assert_allclose(history.steps, expected, rtol=1e-12)
    for found in (by_fit(make(), compile=False).steps, by_hand(make(), compiled=True), by_hand(make("scalar")),
                  by_fit(make("scalar")).steps):  # fmt: skip
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_penalty_makes_weights_smaller():
    model, free = make(), make(penalised=False)
    by_fit(model, epochs=30)
    by_fit(free, epochs=30)
    assert np.abs(model[2].weight.data).sum() < 0.2 * np.abs(free[2].weight.data).sum()


def test_evaluation_counts_no_penalty():
    model = make()
    history = by_fit(model, epochs=1, validation=(X, LABELS))
    found = tg.evaluate(model, (X, LABELS), loss=nn.CrossEntropyLoss())["loss"]
    np.testing.assert_allclose(history["val_loss"], [found], rtol=1e-12)
    np.testing.assert_allclose(found, nn.CrossEntropyLoss()(model(X), LABELS).item(), rtol=1e-12)


def test_a_penalty_that_changes_while_fit_runs_is_noticed():
    def change(history):
        if len(history) == 2:
            model.penalise(l2=0.5)
        if len(history) == 4:
            model.penalise()  # none

    found = []
    for compiled in (True, False):
        model = make(penalised=False)
        found.append(by_fit(model, epochs=6, callbacks=change, compile=compiled, threads=1).steps)
    assert found[0] == found[1]
    assert found[0][4] > found[0][3] + 1
    assert found[0][8] < found[0][7] - 1


def test_penalise_reaches_all_weights_inside_and_replaces():
    model = nn.Sequential(nn.Dense(2, 2), nn.Residual(nn.Dense(2, 2)), nn.PReLU(), nn.BatchNorm(2), rng=0)
    assert model.penalise(l1=1.0) is model
    everything = sum(np.abs(layer.weight.data).sum() for layer in (model[0], model[1][0]))  # not PReLU, nor BatchNorm
    np.testing.assert_allclose(model.penalty().item(), everything, rtol=1e-6)
    model[0].penalise(l1=0.0)
    np.testing.assert_allclose(model.penalty().item(), everything - np.abs(model[0].weight.data).sum(), rtol=1e-6)
    model.penalise(l2=2.0, parameters=["weight"])
    squares = sum((p.data**2).sum() for n, p in model.named_parameters() if n.endswith("weight"))
    np.testing.assert_allclose(model.penalty().item(), 2 * squares, rtol=1e-6)
    assert model.penalise(parameters="weight").penalty() == 0.0


def test_a_layer_of_which_nothing_is_penalised_unless_it_is_named():
    with pytest.raises(OptionError, match=r"BatchNorm has no parameter to penalise \(it has: weight, bias\)"):
        nn.BatchNorm(2).penalise(l2=1.0)
    assert nn.BatchNorm(2).penalise(l2=1.0, parameters="weight").penalty().item() == 2


def test_a_shared_weight_costs_once_also_in_copies():
    a, b = nn.Dense(2, 2, rng=0), nn.Dense(2, 2, rng=1)
    b.weight = a.weight
    model = nn.Sequential(a, b).penalise(l1=1.0)
    for copy in (model, model.astype("float64"), model.to("scalar").to("tensor")):
        np.testing.assert_allclose(copy.penalty().item(), np.abs(a.weight.data).sum(), rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda m: m.penalise(l1=-1), "penalise: l1 must be a number of at least 0, got -1"),
        (lambda m: m.penalise(l2=True), "penalise: l2 must be a number of at least 0, got True"),
        (lambda m: m.penalise(l2=np.inf), "penalise: l2 must be a number of at least 0, got inf"),
        (lambda m: m.penalise(l2=1, parameters="wieght"),
         "penalise: Sequential has no parameter 'wieght' (it has: weight, bias)"),
        (lambda m: m[1].penalise(l2=1), "penalise: ReLU has no parameter to penalise (it has: none)"),
    ],
    ids=range(5),
)  # fmt: skip
def test_what_penalise_refuses(call, text):
    model = make(penalised=False)
    with pytest.raises(OptionError) as error:
        call(model)
    assert str(error.value) == text
    assert model.penalty() == 0.0


# ---- freezing ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("options", [{}, {"compile": False}, {"threads": 2}], ids=str)
@pytest.mark.parametrize("engine", ["tensor", "scalar"])
def test_fit_leaves_what_is_frozen(engine, options):
    model = make(engine)
    assert model[2].freeze() is model[2]
    before = model.state_dict()
    history = by_fit(model, **options)
    assert engine == "scalar" or history.compiled is options.get("compile", True)
    after = model.state_dict()
    assert {k for k in before if np.array_equal(before[k], after[k])} == {"2.weight", "2.bias"}


@pytest.mark.parametrize("options", [{}, {"compile": False}, {"threads": 2}], ids=str)
def test_what_is_frozen_while_fit_runs_stays_from_then_on(options):
    states = []

    def callback(history):
        states.append(model.state_dict())
        if len(history) == 1:
            model[0].freeze()
        if len(history) == 3:
            model[0].unfreeze()

    model = make()
    by_fit(model, epochs=5, callbacks=callback, **options)
    changed = [not np.array_equal(a["0.weight"], b["0.weight"]) for a, b in pairwise(states)]
    assert changed == [False, False, True, True]
    assert not np.array_equal(states[0]["2.weight"], states[1]["2.weight"])


def test_a_frozen_weight_still_costs():
    model = make()
    expected = number(model.penalty())
    model.freeze()
    assert number(model.penalty()) == expected
    assert not any(p.requires_grad for p in model.parameters())
    assert all(p.requires_grad for p in model.unfreeze().parameters())
