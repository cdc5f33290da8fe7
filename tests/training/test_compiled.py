"""fit with programs: it ends, falls back, notices changes and lets others work just as the eager loop does."""

import os
import signal
import threading
import time
import warnings

import numpy as np
import pytest
import threadpoolctl

import tensorgrad as tg
from tensorgrad import nn, ops, optim
from tensorgrad._program import threads
from tensorgrad.errors import LabelError, ShapeError, TensorgradError

RNG = np.random.default_rng(0)
X, LABELS = RNG.normal(size=(90, 4)).astype("float32"), RNG.integers(0, 3, 90)
TARGETS = RNG.normal(size=(90, 3)).astype("float32")
CROSS_ENTROPY = nn.CrossEntropyLoss()


@pytest.fixture(autouse=True)
def threads_cost_nothing(monkeypatch):
    for cost in ("MEETING", "SUMMED"):
        monkeypatch.setattr(threads, cost, 1e-9)


def make(lr=0.1, adam=False, layers=()):
    model = nn.Sequential(*layers, nn.Dense(4, 16, rng=0), nn.Tanh(), nn.Dense(16, 3, rng=1))
    return model, (optim.Adam if adam else optim.SGD)(model.parameters(), lr=lr)


def train(data=(X, LABELS), made=None, prepare=None, lr=0.1, adam=False, **options):
    """(model, optimizer, history) of a short training; `prepare(model, optimizer)` gives further options."""
    model, optimizer = make(lr, adam) if made is None else made
    defaults = {"loss": CROSS_ENTROPY, "optimizer": optimizer, "epochs": 4, "batch_size": 32, "progress": False}
    more = prepare(model, optimizer) if prepare else {}
    return model, optimizer, tg.fit(model, data, **(defaults | options | more))


def bits(model):
    return [p.data.tobytes() for p in model.parameters()]


def assert_same(count=1, expected=None, compiled=True, **options):
    """Train eagerly and compiled on `count` threads: the same numbers, history and end. The compiled history."""
    (model, optimizer, eager), (other, second, history) = (
        train(compile=False, **options),
        train(threads=count, **options),
    )
    assert history.compiled is compiled, history.eager_because
    assert history.threads == (expected or (count if compiled else 1))
    assert (len(history.steps), history.stopped) == (len(eager.steps), eager.stopped)
    assert second.steps == optimizer.steps == len(history.steps)
    assert second.lr == optimizer.lr
    assert eager.epochs.keys() == history.epochs.keys()
    if history.threads == 1:
        assert bits(model) == bits(other)
        assert (history.steps, history.loss) == (eager.steps, eager.loss)
    for p, q in zip(model.parameters(), other.parameters(), strict=True):
        np.testing.assert_allclose(p.data, q.data, rtol=1e-4, atol=1e-5)
    for name in eager.epochs:
        np.testing.assert_allclose(history[name], eager[name], rtol=1e-4)
    if compiled:
        assert all(p.grad is None for p in other.parameters())
    return history


# ---- what is given ---------------------------------------------------------------------------------------------------
ONE_HOT = np.eye(3)[LABELS]
MSE = {"loss": nn.MSELoss()}
DATA = {
    "int X": {"data": (RNG.integers(-3, 3, (90, 4)), LABELS)},
    "bool X": {"data": (X > 0, LABELS)},
    "uint8 X": {"data": (RNG.integers(0, 255, (90, 4)).astype("uint8"), LABELS), "lr": 1e-5},
    "float64 X": {"data": (X.astype(float), LABELS)},
    "X not in C order": {"data": (np.asfortranarray(X), LABELS)},
    "int32 labels": {"data": (X, LABELS.astype("int32"))},
    "one-hot": {"data": (X, ONE_HOT)},
    "one-hot integers": {"data": (X, ONE_HOT.astype(int))},
    "one-hot booleans": {"data": (X, ONE_HOT > 0)},
    "integer targets": {"data": (X, RNG.integers(0, 2, (90, 3)))} | MSE,
    "boolean targets": {"data": (X, TARGETS > 0)} | MSE,
    "metrics": {"metrics": ["accuracy", lambda o, t: o.sum()]},
    "validation": {"validation": (X[:40], LABELS[:40]), "metrics": "accuracy"},
    "schedule": {"schedule": lambda step: 0.1 / (1 + step), "epochs": 30},
    "in order": {"shuffle": False, "epochs": 50},
    "Adam": {"adam": True, "lr": 0.01, "epochs": 30},
    "one batch": {"batch_size": None},
    "batch larger than the data": {"batch_size": 1000},
    "equal batches": {"batch_size": 45},
}


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("name", DATA)
def test_what_is_given(name, count):
    assert_same(count, **DATA[name])


@pytest.mark.parametrize("options", [{"batch_size": 1}, {"data": (X[:1], LABELS[:1])}, {"data": (X[:2], LABELS[:2])},
                                     {"data": (X[:65], LABELS[:65])}], ids=["batch of 1", "1 row", "2 rows", "1 row left"])  # fmt: skip
def test_batches_too_small_for_threads(options):
    assert_same(2, expected=1, **options)


def test_a_column_of_targets():
    with pytest.raises(ShapeError, match="integer labels have shape"):
        train((X, LABELS[:, None] * 2))
    with pytest.raises(ShapeError, match="they must be equal"):
        train((X, LABELS[:, None]), loss=nn.MSELoss())
    model = nn.Sequential(nn.Dense(4, 1, rng=0))
    made = model, optim.SGD(model.parameters(), lr=0.01)
    history = train((X, LABELS[:, None]), made=made, loss=nn.MSELoss(), threads=2)[2]
    assert (history.compiled, history.threads) == (True, 2)


# ---- callbacks that change things ------------------------------------------------------------------------------------
def after(epoch, change):
    """A callback that makes the change once, after that epoch."""
    return lambda history: change() if len(history) == epoch else None


def doubled(dense):
    dense.forward = lambda x: ops.dense(x, dense.weight, dense.bias) * 2.0


CALLBACKS = {
    "lr": lambda m, o: lambda h: setattr(o, "lr", 0.1 / len(h)),
    "momentum": lambda m, o: after(2, lambda: setattr(o, "momentum", 0.5)),
    "frozen": lambda m, o: lambda h: setattr(m.parameters()[0], "requires_grad", len(h) % 2 == 0),
    "layer": lambda m, o: after(2, lambda: setattr(m, "layers", (m[0], nn.ReLU(), m[2]))),
    "layer added": lambda m, o: after(2, lambda: m.append(nn.Sigmoid())),
    "forward": lambda m, o: after(2, lambda: doubled(m[0])),
    "setting": lambda m, o: after(2, lambda: setattr(m[1], "forward", ops.sigmoid)),
    "numbers": lambda m, o: after(2, lambda: setattr(m[0].weight, "data", m[0].weight.data * 0.5)),
    "state": lambda m, o: after(2, lambda: o.load_state_dict(o.state_dict() | {"steps": o.steps})),
    "stop": lambda m, o: lambda h: len(h) == 2,
}


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("name", CALLBACKS)
def test_callbacks_that_change(name, count):
    assert_same(count, prepare=lambda m, o: {"callbacks": CALLBACKS[name](m, o)}, epochs=5)


@pytest.mark.parametrize("batch_size", [32, None])
def test_data_changed_afterwards_is_not_looked_at(batch_size):
    data = X.copy(), LABELS.copy()
    model, _, _ = train(data, batch_size=batch_size, threads=2)
    before = bits(model)
    for a in data:
        a.fill(1)
    assert bits(model) == before == bits(train(batch_size=batch_size, threads=2)[0])


@pytest.mark.parametrize("batch_size", [32, None])
def test_a_callback_that_changes_the_data(batch_size):
    """As eagerly: what comes after sees the new numbers."""

    def steps(**options):
        x, y = X.copy(), LABELS.copy()
        return train((x, y), callbacks=after(2, lambda: (x.fill(1), y.fill(1))), batch_size=batch_size, **options)[
            2
        ].steps

    assert steps(threads=1) == steps(compile=False)


@pytest.mark.parametrize("batch_size", [32, None])
@pytest.mark.parametrize("count", [1, 2])
def test_a_callback_that_spoils_the_labels(batch_size, count):
    """They are looked at again before a program takes them for indices."""
    x, y = X.copy(), LABELS.copy()
    with pytest.raises(LabelError, match="label 9 at row"):
        train((x, y), callbacks=after(2, lambda: y.fill(9)), batch_size=batch_size, threads=count)


# ---- losses ----------------------------------------------------------------------------------------------------------
def looked_at(loss, x):
    return loss * (1.0 if x > 0 else 2.0)


WEIGHTS = tg.constant(np.array([1.0, 2.0, 3.0], "float32"))
COMPILED = {
    "mean": lambda o, t: ((o - 1.0) ** 2).mean(),
    "mean of means": lambda o, t: (o * o).mean(axis=1).mean(),
    "gather": lambda o, t: (ops.logsumexp(o, axis=1) - o[np.arange(len(o)), t]).mean(),
    "comparison": lambda o, t: np.where(o > 0, o * o, -o).mean(),
    "labels compared": lambda o, t: (o[:, 0] * (t == 1)).mean(),
    "constant": lambda o, t: ((o * WEIGHTS) ** 2).mean(),
    "penalty": lambda o, t: CROSS_ENTROPY(o, t) + 0.01 * (o**2).sum(),
}
NOT_COMPILED = {
    "NumPy": (lambda o, t: CROSS_ENTROPY(o, np.asarray(t)), ".numpy() asked a tensor of the step for its numbers"),
    "one-hot by NumPy": (
        lambda o, t: ((o - np.eye(3, dtype="float32")[t]) ** 2).mean(),
        "asked a tensor of the step for",
    ),
    "item": (lambda o, t: looked_at(CROSS_ENTROPY(o, t), o.sum().item()), ".item() asked a tensor of the step"),
    "branch": (
        lambda o, t: looked_at(CROSS_ENTROPY(o, t), o.sum()),
        ".item() asked a tensor of the step for its numbers",
    ),
    "array from outside": (
        lambda o, t: ((o * np.array([1, 2, 3], "float32")) ** 2).mean(),
        "neither an argument, a parameter",
    ),
}


@pytest.mark.parametrize("name", COMPILED)
def test_losses_that_are_compiled(name):
    assert_same(loss=COMPILED[name])
    assert_same(loss=COMPILED[name], batch_size=None)
    assert_same(loss=COMPILED[name], adam=True, lr=0.01)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("name", NOT_COMPILED)
def test_losses_that_run_eagerly_say_why(name, count):
    loss, why = NOT_COMPILED[name]
    history = assert_same(count, compiled=False, loss=loss)
    assert why in history.eager_because


@pytest.mark.parametrize("label", [3, -1])
@pytest.mark.parametrize("batch_size", [32, None])
def test_a_wrong_label_is_found_before_training(label, batch_size):
    labels = np.where(np.arange(90) == 80, label, LABELS)
    made = make()
    with pytest.raises(LabelError, match=f"label {label} at row 80 is outside the 3 classes"):
        train((X, labels), made=made, batch_size=batch_size)
    assert bits(made[0]) == bits(make()[0])
    assert made[1].steps == 0


@pytest.mark.parametrize(
    "loss", [COMPILED["gather"], lambda o, t: ops.softmax_cross_entropy(o, t)], ids=["getitem", "op"]
)
def test_a_loss_of_your_own_never_reads_beyond_its_classes(loss):
    """A wrong index in the data is an error when its batch comes, as it is eagerly; nothing is read out of bounds."""
    labels = np.where(np.arange(90) == 80, 3, LABELS)
    outcomes = []
    for options in ({}, {"compile": False}):
        made = make()
        with pytest.raises(TensorgradError):
            train((X, labels), made=made, shuffle=False, loss=loss, **options)
        outcomes.append((bits(made[0]), made[1].steps))
    assert outcomes[0] == outcomes[1]


# ---- modules that cannot be repeated -----------------------------------------------------------------------------------
class Noise(nn.Module):
    def __init__(self):
        self.rng = np.random.default_rng(0)

    def forward(self, x):
        return x * self.rng.random(x.shape).astype("float32")


def test_numbers_drawn_by_numpy_mean_eager():
    runs = [train(made=make(layers=[Noise()]), **options) for options in ({}, {"compile": False})]
    assert bits(runs[0][0]) == bits(runs[1][0])
    assert not runs[0][2].compiled
    assert "random numbers are drawn by NumPy in the step" in runs[0][2].eager_because


# ---- numbers that are not finite --------------------------------------------------------------------------------------
class Poison(nn.Module):
    """NaN in the rows that have a negative number."""

    def forward(self, x):
        return x + 0.0 * ops.log(x)


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("batch_size", [32, 45, None])
def test_a_nan_stops_before_its_step(batch_size, count):
    x = abs(X) + 0.1
    x[70, 0] = -1
    runs = []
    for options in ({"compile": False}, {"threads": count}):
        with pytest.warns(RuntimeWarning, match="the loss became nan at step"):
            made = make(adam=True, lr=0.01, layers=[Poison()])
            runs.append(train((x, LABELS), made=made, batch_size=batch_size, shuffle=False, **options))
    (model, adam, eager), (other, second, history) = runs
    step = 0 if batch_size is None else 70 // batch_size
    assert history.stopped == eager.stopped == f"the loss became nan at step {step}"
    assert len(history.steps) == second.steps == adam.steps == step
    assert history.threads == (count if batch_size else 1)  # the first step is always eager
    for p, q in zip(model.parameters(), other.parameters(), strict=True):
        np.testing.assert_allclose(p.data, q.data, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("batch_size", [32, None])
def test_diverging_leaves_the_model_as_it_was_before_that_step(batch_size, count):
    """The same training that ends one step earlier gives the same bits."""
    options = {"data": (X, TARGETS), "loss": nn.MSELoss(), "lr": 3.0, "batch_size": batch_size, "threads": count}
    with pytest.warns(RuntimeWarning, match="the loss became inf at step"):
        model, optimizer, history = train(epochs=60, **options)
    per_epoch = 3 if batch_size else 1
    whole = len(history.steps) // per_epoch
    assert history.stopped == f"the loss became inf at step {len(history.steps)}"
    assert optimizer.steps == len(history.steps)
    assert all(np.isfinite(p.data).all() for p in model.parameters())
    again = train(epochs=whole, **options)
    assert again[2].steps == history.steps[: whole * per_epoch]
    if whole * per_epoch == len(history.steps):
        assert bits(again[0]) == bits(model)


# ---- Ctrl-C ----------------------------------------------------------------------------------------------------------
@pytest.fixture
def default_handler():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler


@pytest.mark.usefixtures("default_handler")
@pytest.mark.parametrize("callbacks", [[], [lambda h: None]], ids=["", "callback"])
@pytest.mark.parametrize("batch_size", [32, None])
@pytest.mark.parametrize("count", [1, 2])
def test_ctrl_c_ends_between_two_steps(count, batch_size, callbacks):
    pressed = []

    def press():
        pressed.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(0.2, press)
    timer.start()
    options = {"threads": count, "batch_size": batch_size, "callbacks": callbacks}
    model, optimizer, history = train(epochs=10**7, **options)
    assert time.perf_counter() - pressed[0] < 5
    assert history.stopped == "interrupted by Ctrl-C"
    assert (history.compiled, history.threads) == (True, count)
    assert optimizer.steps == len(history.steps) > 0
    per_epoch = 3 if batch_size else 1
    assert len(history) == -(-len(history.steps) // per_epoch)
    last = len(history.steps) % per_epoch
    again = train(epochs=len(history.steps) // per_epoch, **options)
    assert again[2].steps == history.steps[: len(history.steps) - last]
    if not last:
        assert bits(again[0]) == bits(model)


# ---- beside others ---------------------------------------------------------------------------------------------------
def result(count=2):
    model, _, history = train(adam=True, lr=0.01, epochs=200, threads=count)
    return bits(model), history.steps, history.compiled, history.threads


def test_trainings_in_several_python_threads_do_not_disturb_each_other():
    expected, found = result(), []
    together = [threading.Thread(target=lambda: found.append(result())) for _ in range(4)]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()
    assert expected[2:] == (True, 2)
    assert found == [expected] * 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")
def test_training_goes_on_after_a_fork():
    expected = result()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that other threads are around
        child = os.fork()
    if not child:
        os._exit(0 if result() == expected else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert result() == expected


@pytest.mark.parametrize("count", [1, 2])
def test_products_too_large_for_the_register_tile(count):
    """They go to BLAS, which is held to one thread beside others of ours, and let go afterwards."""
    data = RNG.normal(size=(128, 784)), RNG.integers(0, 3, 128)

    def large():
        model = nn.Sequential(nn.Dense(784, 512, rng=0), nn.ReLU(), nn.Dense(512, 3, rng=1))
        return model, optim.SGD(model.parameters(), lr=0.01)

    before = [pool["num_threads"] for pool in threadpoolctl.threadpool_info()]
    _, _, history = train(data, made=large(), batch_size=None, threads=count)
    assert [pool["num_threads"] for pool in threadpoolctl.threadpool_info()] == before
    _, _, eager = train(data, made=large(), batch_size=None, compile=False)
    assert history.threads == count
    np.testing.assert_allclose(history.steps, eager.steps, rtol=1e-4)
