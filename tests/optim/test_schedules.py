"""Schedules: rates step by step, in fit and by hand, made of others, drawn; and what they refuse."""

import dataclasses
import pickle
from itertools import pairwise

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn, optim
from tensorgrad.errors import OptionError
from tensorgrad.optim import schedules
from tensorgrad.optim.schedules import (
    Constant,
    Cosine,
    CosineRestarts,
    Cyclic,
    Exponential,
    InverseTime,
    Joined,
    MultiStep,
    OneCycle,
    Polynomial,
    ReduceOnPlateau,
    Scaled,
    Schedule,
    Step,
    Warmup,
)

EACH = [
    Constant(0.1),
    Step(0.1, every=3),
    MultiStep(0.1, milestones=(2, 5)),
    Exponential(0.1, gamma=0.987654321),
    InverseTime(0.1, decay=0.5),
    Polynomial(0.1, steps=10, power=2, end=0.01),
    Cosine(0.1, steps=10, min_lr=0.01),
    CosineRestarts(0.1, steps=2, factor=2),
    OneCycle(0.1, steps=12),
    Cyclic(0.01, 0.1, step_size_up=3, mode="triangular2"),
    Warmup(4, Cosine(0.1, steps=8)),
    Joined(Constant(0.1), Step(0.05, every=2), at=4),
    Scaled(Step(0.1, every=3), 0.5),
]
each = pytest.mark.parametrize("schedule", EACH, ids=lambda s: type(s).__name__)


def test_every_schedule_is_here():
    found = {c for c in vars(schedules).values() if isinstance(c, type) and issubclass(c, Schedule)} - {Schedule}
    assert found == {type(schedule) for schedule in EACH}


# ---- by hand ---------------------------------------------------------------------------------------------------------
@each
def test_rates_are_numbers_of_at_least_0_and_repr_makes_the_same_schedule(schedule):
    rates = schedule.rates(40)
    assert rates.shape == (40,) and rates.dtype == np.float64
    assert (rates >= 0).all() and rates[0] <= 0.1 and rates.max() <= 0.1
    assert [schedule(np.int64(step)) for step in range(40)] == rates.tolist()
    again = eval(repr(schedule), vars(schedules))
    assert again == schedule and hash(again) == hash(schedule) and again.rates(40).tolist() == rates.tolist()
    assert pickle.loads(pickle.dumps(schedule)) == schedule


@each
def test_a_schedule_does_not_change(schedule):
    name = dataclasses.fields(schedule)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(schedule, name, 1.0)


def test_formulas_that_pytorch_lacks():
    assert InverseTime(0.02, decay=1e-3)(500) == 0.02 / 1.5
    assert Polynomial(1.0, steps=4, power=2, end=0.2).rates(6).tolist() == pytest.approx(
        [1.0, 0.2 + 0.8 * 0.5625, 0.4, 0.25, 0.2, 0.2], rel=1e-15
    )
    assert OneCycle(1.0, steps=10)(50) == OneCycle(1.0, steps=10)(9) == pytest.approx(1 / 25e4)


def test_what_is_made_of_others():
    both = Warmup(2, Step(1.0, every=2, gamma=0.5)).then(lambda step: 0.01 * step, at=5)
    assert both.rates(8).tolist() == [0.0, 0.5, 1.0, 1.0, 0.5, 0.0, 0.01, 0.02]
    assert (both * 2).rates(8).tolist() == (2 * both.rates(8)).tolist()
    assert Warmup(4, lambda step: 2.0, start=0.5)(1) == 1.25


def test_the_line_of_a_warm_up_meets_what_follows():
    warm = Warmup(10, Cosine(0.3, steps=90))
    assert warm(10) == 0.3 and warm(9) == pytest.approx(0.27) and warm(100) == 0


# ---- in fit ----------------------------------------------------------------------------------------------------------
RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
Y = X @ RNG.normal(size=(3, 1)) + 0.1


def trained(schedule, dtype="float32", engine="tensor", optimizer="Adam", epochs=5, **options):
    model = nn.Sequential(nn.Dense(3, 4), nn.Tanh(), nn.Dense(4, 1), rng=0).astype(dtype).to(engine)
    optimizer = getattr(optim, optimizer)(model.parameters(), lr=0.7)
    history = tg.fit(model, (X, Y), loss=nn.MSELoss(), optimizer=optimizer, epochs=epochs, batch_size=25, schedule=schedule,
                     progress=False, **options)  # fmt: skip
    return model, optimizer, history


@pytest.mark.parametrize("optimizer", ["Adam", "SGD"])
@each
def test_fit_eager_compiled_and_by_hand(schedule, optimizer):
    eager, of_eager, history = trained(schedule, optimizer=optimizer, compile=False)
    compiled, of_compiled, programs = trained(schedule, optimizer=optimizer, threads=1)
    assert programs.compiled and not history.compiled
    assert history.steps == programs.steps and len(history.steps) == 15
    assert of_eager.lr == of_compiled.lr == schedule(14)
    for p, q in zip(eager.parameters(), compiled.parameters(), strict=True):
        assert p.data.tobytes() == q.data.tobytes()

    model = nn.Sequential(nn.Dense(3, 4), nn.Tanh(), nn.Dense(4, 1), rng=0)
    mine = getattr(optim, optimizer)(model.parameters(), lr=0.7)
    rng, step = np.random.default_rng(0), 0
    for _ in range(5):
        order = rng.permutation(60)
        for first in range(0, 60, 25):
            rows = order[first : first + 25]
            mine.lr = schedule(step)
            mine.zero_grad()
            loss = nn.MSELoss()(model(X[rows].astype("float32")), Y[rows].astype("float32"))
            loss.backward()
            mine.step()
            assert float(loss.numpy()) == pytest.approx(history.steps[step], rel=1e-5)
            step += 1


def test_fit_on_the_scalar_engine_and_on_two_threads():
    schedule = Warmup(3, Cosine(0.05, steps=20))
    _, _, tensor = trained(schedule, dtype="float64", epochs=2)
    _, _, scalar = trained(schedule, dtype="float64", engine="scalar", epochs=2)
    np.testing.assert_allclose(scalar.steps, tensor.steps, rtol=1e-10)
    _, of_two, two = trained(schedule, dtype="float64", epochs=2, threads=2)
    np.testing.assert_allclose(two.steps, tensor.steps, rtol=1e-10)
    assert of_two.lr == schedule(5)


# ---- ReduceOnPlateau -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("compile", [True, False])
@pytest.mark.parametrize("monitor", ["loss", "val_loss"])
def test_reduce_on_plateau_as_a_callback(monitor, compile):
    model = nn.Sequential(nn.Dense(3, 1), rng=0)
    optimizer = optim.SGD(model.parameters(), lr=0.5)
    rates = []
    plateau = ReduceOnPlateau(optimizer, monitor=monitor, factor=0.5, patience=2, threshold=0.5, min_lr=0.1)
    history = tg.fit(model, (X, Y), loss=nn.MSELoss(), optimizer=optimizer, epochs=30, progress=False, compile=compile,
                     validation=(X[:20], Y[:20]), callbacks=[plateau, lambda h: rates.append(optimizer.lr)])  # fmt: skip
    by_hand = optim.SGD([tg.Parameter(np.zeros(1))], lr=0.5)
    same, wanted = ReduceOnPlateau(by_hand, factor=0.5, patience=2, threshold=0.5, min_lr=0.1), []
    for value in history[monitor]:
        same.step(value)
        wanted.append(by_hand.lr)
    assert rates == wanted and set(rates) >= {0.5, 0.25, 0.1}
    assert plateau.best == same.best


def test_reduce_on_plateau_slows_the_steps_that_follow():
    model = nn.Sequential(nn.Dense(3, 1), rng=0)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    weights = []
    tg.fit(model, (X, Y), loss=nn.MSELoss(), optimizer=optimizer, epochs=4, progress=False, batch_size=None,
           callbacks=[ReduceOnPlateau(optimizer, factor=1e-9, patience=0, threshold=1.0, threshold_mode="abs"),
                      lambda h: weights.append(model.parameters()[0].data.copy())])  # fmt: skip
    moved = [np.abs(a - b).max() for a, b in pairwise(weights)]
    assert moved[0] > 1e-3 and max(moved[1:]) < 1e-7


def test_reduce_on_plateau_takes_losses_as_they_come():
    optimizer = optim.SGD([tg.Parameter(np.zeros(1))], lr=1.0)
    plateau = ReduceOnPlateau(optimizer, patience=0)
    for value in (np.float32(2), np.array([1.5]), tg.tensor(3.0)):
        plateau.step(value)
    assert optimizer.lr == 0.1 and plateau.best == 1.5
    assert repr(plateau) == "ReduceOnPlateau(monitor='loss', factor=0.1, patience=0)"


# ---- pictures --------------------------------------------------------------------------------------------------------
@each
def test_plot_draws_the_rates(schedule):
    axes = schedule.plot(50)
    assert axes.lines[0].get_ydata().tolist() == schedule.rates(50).tolist()
    assert axes.get_title(loc="left") == repr(schedule) and axes.get_ylabel() == "learning rate"
    assert schedule.plot(3, axes) is axes and len(axes.lines) == 2


# ---- what is refused -------------------------------------------------------------------------------------------------
def sgd():
    return optim.SGD([tg.Parameter(np.zeros(1))], lr=1.0)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Constant(-0.1), "Constant: lr must be a number of at least 0, got -0.1"),
        (lambda: Constant(np.nan), "Constant: lr must be a number of at least 0, got nan"),
        (lambda: Constant("0.1"), "Constant: lr must be a number of at least 0, got '0.1'"),
        (lambda: Step(0.1, every=0), "Step: every must be a positive whole number, got 0"),
        (lambda: Step(0.1, every=2.0), "Step: every must be a positive whole number, got 2.0"),
        (lambda: Step(0.1, every=2, gamma=0), "Step: gamma must be a number above 0, got 0"),
        (lambda: MultiStep(0.1, [3, 2]), "MultiStep: milestones must be steps of at least 1 in increasing order, got [3, 2]"),
        (lambda: MultiStep(0.1, []), "MultiStep: milestones must be steps"),
        (lambda: Exponential(0.1, gamma=-1), "Exponential: gamma must be a number above 0, got -1"),
        (lambda: Exponential(0.1, gamma=2)(10_000), "Exponential(lr=0.1, gamma=2.0): the rate of step 10000 is too large"),
        (lambda: InverseTime(0.1, decay=-1), "InverseTime: decay must be a number of at least 0, got -1"),
        (lambda: Cosine(0.1, steps=0), "Cosine: steps must be a positive whole number, got 0"),
        (lambda: Cosine(0.1, steps=5, min_lr=-1), "Cosine: min_lr must be a number of at least 0, got -1"),
        (lambda: OneCycle(0.1, steps=9, pct_start=1.5), "OneCycle: pct_start must be a number from 0 to 1, got 1.5"),
        (lambda: OneCycle(0.1, steps=9, anneal="cosine"), "OneCycle: unknown anneal 'cosine'; did you mean 'cos'?"),
        (lambda: Cyclic(0.1, 0.01), "Cyclic: max_lr 0.01 must not be below base_lr 0.1"),
        (lambda: Cyclic(0.1, 0.2, mode="triangle"), "Cyclic: unknown mode 'triangle'; did you mean 'triangular'?"),
        (lambda: Warmup(0, Constant(1)), "Warmup: steps must be a positive whole number, got 0"),
        (lambda: Warmup(5, 0.1), "Warmup: into must be a schedule or a function of the step, got 0.1"),
        (lambda: Warmup(5, Cosine), "Warmup: into must be a schedule or a function of the step, got <class"),
        (lambda: Constant(1).then(Constant(2), at=0), "Joined: at must be a positive whole number, got 0"),
        (lambda: Constant(1) * -2, "Scaled: factor must be a number of at least 0, got -2"),
        (lambda: Constant(1)(-1), "Constant: step must be a whole number of at least 0, got -1"),
        (lambda: Constant(1)(1.5), "Constant: step must be a whole number of at least 0, got 1.5"),
        (lambda: Constant(1).plot(0), "Constant: steps must be a positive whole number, got 0"),
        (lambda: ReduceOnPlateau(0.1), "ReduceOnPlateau: expected an optimizer, got 0.1"),
        (lambda: ReduceOnPlateau(sgd(), factor=1), "ReduceOnPlateau: factor must be a number above 0 and below 1, got 1"),
        (lambda: ReduceOnPlateau(sgd(), patience=-1), "ReduceOnPlateau: patience must be a whole number of at least 0, got -1"),
        (lambda: ReduceOnPlateau(sgd(), mode="mix"), "ReduceOnPlateau: unknown mode 'mix'; did you mean 'min'?"),
        (lambda: ReduceOnPlateau(sgd(), min_lr=-1), "ReduceOnPlateau: min_lr must be a number of at least 0, got -1"),
        (lambda: ReduceOnPlateau(sgd(), monitor=3), "ReduceOnPlateau: monitor must be the name of a curve, such as 'val_loss'"),
        (lambda: ReduceOnPlateau(sgd()).step([1, 2]), "ReduceOnPlateau.step: expected a number, got [1, 2]"),
        (lambda: ReduceOnPlateau(sgd()).step("low"), "ReduceOnPlateau.step: expected a number, got 'low'"),
        (lambda: trained(Cosine), "fit: schedule must be a function step -> learning rate, or None, got <class"),
        (lambda: trained(ReduceOnPlateau(sgd())), "fit: ReduceOnPlateau goes by losses; pass it in callbacks=[...]"),
        (lambda: trained(Constant(1), callbacks=ReduceOnPlateau(sgd())), "fit: schedule= sets the learning rate of every step"),
        (lambda: ReduceOnPlateau(sgd(), monitor="los")(tg.History("tensor")),
         "ReduceOnPlateau: unknown monitor 'los'; did you mean 'loss'?"),
        (lambda: trained(None, callbacks=ReduceOnPlateau(sgd())), "fit: ReduceOnPlateau was given another optimizer"),
    ],
)  # fmt: skip
def test_errors(make, text):
    with pytest.raises(OptionError) as error:
        make()
    assert str(error.value).startswith(text)
