"""fit, predict and evaluate: what they give, what they refuse, and how they end."""

import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn, optim
from tensorgrad.errors import DataError, DTypeError, GraphError, LabelError, OptionError, ShapeError, TensorgradError
from tensorgrad.kernels import compiling

X = np.sin(np.arange(20.0)).reshape(10, 2)
LABELS = np.arange(10) % 3


def make(lr=0.05, dtype="float32"):
    model = nn.Sequential(nn.Dense(2, 4), nn.ReLU(), nn.Dense(4, 3), rng=0).astype(dtype)
    return model, optim.SGD(model.parameters(), lr=lr)


def fit(data=(X, LABELS), model=None, **options):
    """(model, history) of a short training, with any option replaced."""
    fresh, sgd = make(options.pop("lr", 0.05))
    model = fresh if model is None else model
    defaults = {"loss": nn.CrossEntropyLoss(), "optimizer": sgd, "epochs": 2, "batch_size": 4, "progress": False}
    return model, tg.fit(model, data, **(defaults | options))


def bits(model):
    return [p.data.tobytes() for p in model.parameters()]


# ---- what fit gives --------------------------------------------------------------------------------------------------
def test_history_counts_epochs_and_steps():
    _, history = fit(epochs=3, validation=(X, LABELS), metrics=["accuracy"])
    assert len(history) == len(history.loss) == len(history["val_loss"]) == len(history["accuracy"]) == 3
    assert len(history.steps) == 9  # batches of 4, 4 and 2
    assert "val_accuracy" in history
    assert history.stopped == ""
    assert history.engine == "tensor"
    assert history.seconds > 0
    with pytest.raises(KeyError, match="no 'acc' in this history; it has loss, accuracy, val_loss, val_accuracy"):
        history["acc"]


@pytest.mark.parametrize(("batch_size", "steps"), [(None, 1), (1, 10), (3, 4), (10, 1), (1000, 1), (np.int64(5), 2)])
def test_batches_cover_all_rows(batch_size, steps):
    seen = []
    loss = nn.CrossEntropyLoss()
    fit(epochs=1, batch_size=batch_size, loss=lambda o, t: (seen.append(t), loss(o, t))[1], compile=False)
    assert len(seen) == steps
    assert sorted(np.concatenate(seen)) == sorted(LABELS)


def test_shuffle():
    def order(**options):
        seen = []
        rows = np.arange(10)[:, None]
        fit(
            data=(X, np.hstack([rows, rows, rows])),
            epochs=2,
            loss=lambda o, t: (seen.append(t[:, 0]), (o * o).mean())[1],
            compile=False,
            **options,
        )
        return np.concatenate(seen).reshape(2, 10).tolist()

    assert order(shuffle=False) == [list(range(10))] * 2
    first, second = order(seed=1)
    assert first != second != list(range(10))
    assert order(seed=1) == [first, second] != order(seed=2)
    assert order(batch_size=10) == [list(range(10))] * 2  # nothing to shuffle


def test_epoch_numbers_are_means_over_rows():
    _, history = fit(epochs=1, shuffle=False, lr=0)
    np.testing.assert_allclose(history.loss[0], np.average(history.steps, weights=[4, 4, 2]))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int64, np.bool_, list])
def test_plain_data_is_cast_to_the_model(dtype):
    whole = np.arange(20).reshape(10, 2) % 2
    given = whole.tolist() if dtype is list else whole.astype(dtype)
    model, _ = fit((given, LABELS))
    assert bits(model) == bits(fit((whole.astype(np.float32), LABELS))[0])
    assert model.dtype == np.float32


def test_same_seed_same_bits():
    runs = [fit(seed=s, epochs=3) for s in (3, 3, 4)]
    assert bits(runs[0][0]) == bits(runs[1][0]) != bits(runs[2][0])
    assert runs[0][1].steps == runs[1][1].steps


def test_global_random_state_is_not_touched():
    np.random.seed(1)
    fit()
    after = np.random.random()
    np.random.seed(1)
    assert after == np.random.random()


def test_no_epochs():
    model, history = fit(epochs=0, callbacks=[lambda h: 1 / 0])
    assert (history.loss, history.steps, history.stopped) == ([], [], "")
    assert bits(model) == bits(make()[0])
    assert repr(history) == "<History of 0 epochs: nothing yet>"


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: tg.fit(make()[0], X, LABELS),
         "fit: expected a model and its data as one pair, fit(model, (X, y), ...), and options by name, got 3 arguments"),
        (lambda: fit(callback=print), "fit: unknown option 'callback'; use callbacks (known: model, data, loss, "),
        (lambda: fit(validation_data=(X, LABELS)), "fit: unknown option 'validation_data'; use validation (known: "),
        (lambda: fit(learning_rate=1), "fit: unknown option 'learning_rate'; use an optimizer's lr= (known: "),
        (lambda: fit(batchsize=1), "fit: unknown option 'batchsize'; did you mean 'batch_size'? (known: "),
    ],
)  # fmt: skip
def test_arguments_of_another_name(call, text):
    with pytest.raises(OptionError) as error:
        call()
    assert str(error.value).startswith(text)


def test_float_labels_are_named_by_the_dtype_that_was_given():
    with pytest.raises(DTypeError, match="expected integer labels, got dtype float64"):
        fit((X, LABELS.astype(np.float64)))


@pytest.mark.parametrize("fails", [False, True])
def test_each_layer_is_in_the_mode_that_it_was_in_before(fails):
    model = nn.Sequential(nn.Dense(2, 4), nn.BatchNorm(4), nn.Dense(4, 3), rng=0).eval()
    model[1].train()
    modes = []

    def note(_):
        modes.append([m.training for _, m in model.named_modules()])
        return 1 / (not fails)

    try:
        fit(model=model, optimizer=optim.SGD(model.parameters(), lr=0.1), callbacks=note, epochs=1)
    except ZeroDivisionError:
        assert fails
    assert modes == [[True] * 4]
    assert [m.training for _, m in model.named_modules()] == [False, False, True, False]


def test_a_history_is_read_like_a_dict_of_its_curves():
    history = tg.History("tensor")
    history.append(loss=0.5, accuracy=0.9)
    history.append(loss=0.25, accuracy=1.0)
    assert (list(history), list(history.keys()), len(history)) == (["loss", "accuracy"], ["loss", "accuracy"], 2)
    assert dict(history) == dict(history.items()) == {"loss": [0.5, 0.25], "accuracy": [0.9, 1.0]}


def test_data_are_not_changed():
    x, y = X.astype(np.float32), LABELS.copy()
    fit((x, y))
    assert np.array_equal(x, X.astype(np.float32))
    assert np.array_equal(y, LABELS)


def test_one_hot_targets_train_the_same():
    assert bits(fit((X, np.eye(3)[LABELS]))[0]) == bits(fit()[0])


# ---- metrics and callbacks -------------------------------------------------------------------------------------------
def share_of_zero(outputs, targets):
    assert type(outputs) is np.ndarray
    return np.mean(targets == 0)


def test_metrics_as_names_and_functions():
    _, history = fit(metrics=["accuracy", share_of_zero])
    assert history["share_of_zero"] == [0.4, 0.4]
    assert fit(metrics="accuracy")[1]["accuracy"] == history["accuracy"]
    assert fit(metrics=share_of_zero)[1]["share_of_zero"] == [0.4, 0.4]


def recall_of_2(outputs, targets):
    return tg.metrics.recall(outputs.argmax(axis=1) == 2, targets == 2)


@pytest.mark.parametrize("compile", [True, False])
def test_metrics_are_of_the_whole_epoch(compile):
    """With a learning rate of 0 the outputs of all steps are those of the model at the end."""
    names = ["accuracy", "f1_macro", "precision_weighted", "top_k_accuracy"]
    options = {"metrics": [*names, recall_of_2], "lr": 0, "compile": compile}
    model, history = fit(epochs=3, batch_size=3, **options)
    whole = tg.evaluate(model, (X, LABELS), metrics=options["metrics"], batch_size=4)
    assert {name: history[name] for name in whole} == {name: [value] * 3 for name, value in whole.items()}
    outputs = tg.predict(model, X)
    assert whole["f1_macro"] == tg.metrics.f1(outputs, LABELS, average="macro")
    assert whole["recall_of_2"] == recall_of_2(outputs, LABELS)


def test_a_partial_is_named_by_its_function():
    assert "top_k_accuracy" in fit(metrics=[partial(tg.metrics.top_k_accuracy, k=1)])[1]


def loss(outputs, targets):
    return 100.0


class Scorer:
    def __call__(self, outputs, targets):
        return 1.0


def test_metrics_without_a_name_are_named_by_their_class():
    assert fit(metrics=[Scorer()])[1]["Scorer"] == [1, 1]
    assert "CrossEntropyLoss" in fit(metrics=[nn.CrossEntropyLoss()])[1]


@pytest.mark.parametrize(
    ("metrics", "text"),
    [
        (["acuracy"], "metrics: unknown metric 'acuracy'; did you mean 'accuracy'? (known: 'accuracy', "),
        ([3], "metrics: unknown metric 3 (known: 'accuracy', "),
        ([loss], "metrics: a metric cannot be named 'loss'"),
        ([lambda o, t: 1, lambda o, t: 2], "metrics: two metrics are named '<lambda>'"),
        (None, "metrics: expected names or functions, got None"),
        ([lambda o, t: np.ones(2)], "metrics: '<lambda>' must return a number, got an array of shape (2,)"),
    ],
    ids=["misspelt", "number", "loss", "twice", "None", "array"],
)
def test_metric_errors(metrics, text):
    with pytest.raises(OptionError) as error:
        fit(metrics=metrics)
    assert str(error.value).startswith(text)


@pytest.mark.parametrize("yes", [True, np.True_], ids=["True", "np.True_"])
def test_callback_ends_training(yes):
    _, history = fit(epochs=9, callbacks=[lambda h: yes if len(h) == 3 else None])
    assert len(history) == 3
    assert history.stopped == "a callback asked for it"


def test_every_callback_is_called_after_each_epoch():
    calls = []
    fit(epochs=2, callbacks=[lambda h: calls.append(("a", len(h))), lambda h: calls.append(("b", len(h)))])
    assert calls == [("a", 1), ("b", 1), ("a", 2), ("b", 2)]


def test_one_callback_needs_no_list():
    calls = []
    fit(callbacks=lambda h: calls.append(len(h)))
    assert calls == [1, 2]


# ---- what fit refuses ------------------------------------------------------------------------------------------------
def with_bad(value, index):
    x = X.copy()
    x[index] = value
    return x


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (
            (with_bad(np.nan, (3, 1)), LABELS),
            "fit: X has nan at index (3, 1); remove or fill such rows before training",
        ),
        (
            (with_bad(-np.inf, (0, 1)), LABELS),
            "fit: X has -inf at index (0, 1); remove or fill such rows before training",
        ),
        (
            (X, np.where(LABELS == 2, np.nan, 0.0)),
            "fit: y has nan at index (2,); remove or fill such rows before training",
        ),
        ((X * 1e300, LABELS), "fit: X has numbers too large for float32, up to 1e+300; scale the data"),
        ((X[:0], LABELS[:0]), "fit: X is empty, shape (0, 2); expected at least one row"),
        ((X, LABELS[:4]), "fit: X has 10 rows and y has 4; they must be equally many"),
        ((X, LABELS, LABELS), "fit: expected a pair (X, y), got 3 items"),
        (X, "fit: expected a pair (X, y), got ndarray"),
        ((X.astype(str), LABELS), "fit: X has dtype <U"),
        ((X, None), "fit: y has dtype object; expected numbers"),
        ((3.0, LABELS), "fit: X is a single number; expected at least one row"),
        (([[1.0, 2.0], [1.0]], LABELS), "fit: X has rows of different lengths"),
        ((np.ma.masked_greater(X, 0.5), LABELS), "fit: X has masked elements"),
    ],
    ids=[
        "nan",
        "-inf",
        "nan in y",
        "large",
        "empty",
        "rows",
        "three",
        "array",
        "text",
        "None",
        "number",
        "ragged",
        "masked",
    ],
)
def test_data_errors(data, text):
    with pytest.raises(DataError) as error:
        fit(data)
    assert str(error.value).startswith(text)
    with pytest.raises(DataError) as error:
        fit(validation=data)
    assert str(error.value).startswith(text.replace("fit", "fit: validation"))


OTHER = nn.Dense(2, 3, rng=0)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"model": nn.Dense}, "fit: expected a model (nn.Module), got type"),
        ({"optimizer": None}, "fit: expected an optimizer, got None"),
        (
            {"optimizer": optim.SGD},
            "fit: expected an optimizer, got <class 'tensorgrad.optim.sgd.SGD'>; "
            "make one: optim.SGD(model.parameters())",
        ),
        (
            {"optimizer": optim.SGD(OTHER.parameters(), lr=1)},
            "fit: 2 of the optimizer's 2 parameters are not of this model; "
            "make the optimizer from model.parameters(), after",
        ),
        ({"loss": None}, "fit: expected a loss, such as nn.MSELoss(), got None"),
        ({"loss": "mse"}, "fit: expected a loss, such as nn.MSELoss(), got 'mse'"),
        (
            {"loss": nn.MSELoss},
            "fit: expected a loss, such as nn.MSELoss(), got <class 'tensorgrad.nn.losses.regression.MSELoss'>; "
            "call the class: MSELoss()",
        ),
        ({"loss": lambda o, t: 1.0}, "fit: the loss must be a tensor that depends on the model, got float"),
        ({"loss": lambda o, t: np.float64(1)}, "fit: the loss must be a tensor that depends on the model, got float64"),
        ({"epochs": -1}, "fit: epochs must be a whole number of at least 0, got -1"),
        ({"epochs": 1.5}, "fit: epochs must be a whole number of at least 0, got 1.5"),
        ({"epochs": True}, "fit: epochs must be a whole number of at least 0, got True"),
        ({"batch_size": 0}, "fit: batch_size must be a positive whole number or None for all rows, got 0"),
        ({"batch_size": 2.5}, "fit: batch_size must be a positive whole number or None for all rows, got 2.5"),
        ({"batch_size": True}, "fit: batch_size must be a positive whole number or None for all rows, got True"),
        ({"threads": 0}, "fit: threads must be a whole number of at least 1, or None for all processors, got 0"),
        ({"threads": 1.5}, "fit: threads must be a whole number of at least 1, or None for all processors, got 1.5"),
        ({"threads": True}, "fit: threads must be a whole number of at least 1, or None for all processors, got True"),
        ({"schedule": 0.1}, "fit: schedule must be a function step -> learning rate, or None, got 0.1"),
        ({"schedule": lambda step: -1}, "fit: the schedule must give a number of at least 0, got -1 for step 0"),
        ({"schedule": lambda step: None}, "fit: the schedule must give a number of at least 0, got None for step 0"),
        ({"callbacks": ["x"]}, "fit: expected callbacks to be functions of the History, got 'x'"),
    ],
    ids=lambda o: next(iter(o)) if isinstance(o, dict) else "",
)
def test_option_errors(options, text):
    model, sgd = make()
    with pytest.raises(OptionError) as error:
        fit(**({"model": model, "optimizer": sgd} | options))
    assert str(error.value).startswith(text)
    assert bits(model) == bits(make()[0])


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        (
            {"loss": lambda o, t: o},
            ShapeError,
            "fit: the loss must be a scalar, got shape (4, 3); reduce it with .mean()",
        ),
        ({"loss": lambda o, t: (o * o).mean().detach()}, GraphError, "backward: nothing was recorded"),
        ({"data": (X, LABELS + 1)}, LabelError, "softmax_cross_entropy: label 3 at row "),
        ({"data": (X[:, :1], LABELS)}, ShapeError, "Dense(2, 4): expected input of shape (..., 2), got (4, 1)"),
        (
            {"data": (X, X[:, 0]), "loss": nn.MSELoss()},
            ShapeError,
            "MSELoss: prediction has shape (10, 3) and target (10,)",
        ),
    ],
    ids=["not scalar", "detached", "label", "columns", "mse"],
)
def test_errors_of_the_first_step_change_nothing(options, error, text):
    model, sgd = make()
    with pytest.raises(error) as caught:
        fit(model=model, optimizer=sgd, **options)
    assert str(caught.value).startswith(text)
    assert bits(model) == bits(make()[0])


# ---- diverging -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("lr", [1e3, 1e20, 1e30])
def test_diverging_training_stops_before_damage(lr):
    with pytest.warns(
        RuntimeWarning, match=r"^fit: the loss became (inf|nan) at step \d+; the model is as it was before that"
    ):
        model, history = fit((X, np.hstack([X, X[:, :1]])), loss=nn.MSELoss(), lr=lr, epochs=200)
    assert history.stopped.startswith("the loss became ")
    assert np.isfinite(history.steps).all()
    assert all(np.isfinite(p.data).all() for p in model.parameters())


def test_a_finite_loss_with_a_nan_gradient_does_not_damage_the_model():
    with pytest.warns(RuntimeWarning, match=r"^fit: .*gradient.* at step 0"):
        model, _ = fit(loss=lambda o, t: np.sqrt((o * 0).sum()), epochs=1)
    assert all(np.isfinite(p.data).all() for p in model.parameters())


# ---- Ctrl-C ----------------------------------------------------------------------------------------------------------
def press_ctrl_c(*_):
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def default_handler():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    after = signal.signal(signal.SIGINT, before)
    assert after is signal.default_int_handler, "fit did not restore the signal handler"


@pytest.mark.usefixtures("default_handler")
@pytest.mark.parametrize("epochs", [9, 2], ids=["in the middle", "in the last epoch"])
def test_ctrl_c_in_a_callback_ends_before_the_next_step(epochs):
    _, history = fit(epochs=epochs, callbacks=[lambda h: press_ctrl_c() if len(h) == 2 else None])
    assert history.stopped == "interrupted by Ctrl-C"
    assert len(history.steps) == 6
    assert len(history) == 2


@pytest.mark.usefixtures("default_handler")
def test_ctrl_c_in_a_step_finishes_that_step():
    model, sgd = make()
    loss, calls = nn.CrossEntropyLoss(), []

    def pressed(o, t):
        calls.append(1)
        if len(calls) == 5:
            press_ctrl_c()
        return loss(o, t)

    _, history = fit(model=model, optimizer=sgd, epochs=9, loss=pressed, compile=False)
    assert len(history.steps) == len(calls) == sgd.steps == 5
    assert history.stopped == "interrupted by Ctrl-C"
    assert len(history) == 2  # the second epoch as far as it went
    same, _ = fit(
        epochs=9,
        compile=False,
        loss=lambda o, t: (calls.append(1), loss(o, t) if len(calls) <= 10 else (o * 0).sum())[1],
    )
    assert bits(model) == bits(same)  # what is left are steps with gradient 0


@pytest.mark.usefixtures("default_handler")
def test_ctrl_c_at_any_time_leaves_a_consistent_model():
    model, sgd = make()
    timer = threading.Timer(0.2, press_ctrl_c)
    timer.start()
    _, history = fit(model=model, optimizer=sgd, epochs=10**6, validation=(X, LABELS))
    assert history.stopped == "interrupted by Ctrl-C"
    assert len(history.steps) == sgd.steps > 0
    assert all(np.isfinite(p.data).all() for p in model.parameters())
    again, optimizer = make()
    loss = stop_after(sgd.steps, nn.CrossEntropyLoss())
    fit(model=again, optimizer=optimizer, epochs=10**6, loss=loss, compile=False)
    assert bits(again) == bits(model)


def stop_after(steps, loss):
    """A loss that presses Ctrl-C in its last step."""
    calls = []

    def wrapped(o, t):
        calls.append(1)
        if len(calls) == steps:
            press_ctrl_c()
        return loss(o, t)

    return wrapped


@pytest.mark.usefixtures("default_handler")
def test_handler_is_restored_after_an_exception():
    with pytest.raises(ZeroDivisionError):
        fit(callbacks=[lambda h: 1 / 0])


def test_a_handler_of_somebody_else_is_left_alone():
    seen = []
    before = signal.signal(signal.SIGINT, lambda *_: seen.append(1))
    try:
        _, history = fit(callbacks=[press_ctrl_c])
    finally:
        signal.signal(signal.SIGINT, before)
    assert (len(seen), history.stopped, len(history)) == (2, "", 2)


def test_fit_in_another_thread():
    results = []
    thread = threading.Thread(target=lambda: results.append(fit()))
    thread.start()
    thread.join()
    assert bits(results[0][0]) == bits(fit()[0])


SCRIPT = """
import numpy as np, signal, sys, tensorgrad as tg
from tensorgrad import nn, optim
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a job in the background does not inherit
model = nn.Sequential(nn.Dense(2, 4), nn.ReLU(), nn.Dense(4, 1), rng=0)
X = np.ones((64, 2))
said = []
sgd = optim.SGD(model.parameters(), lr=1e-6)
history = tg.fit(model, (X, X[:, :1]), loss=nn.MSELoss(), optimizer=sgd, epochs=10**7, progress=False,
                 callbacks=[lambda h: said or said.append(print("ready", flush=True))])
print(history.stopped, signal.getsignal(signal.SIGINT) is signal.default_int_handler, np.isfinite(history.loss).all())
"""


def test_ctrl_c_in_a_script():
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert out == "interrupted by Ctrl-C True True\n", err
    assert process.returncode == 0


# ---- progress --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("progress", [True, False])
def test_progress_is_on_stderr_or_nowhere(progress, capfd):
    fit(epochs=4, progress=progress, callbacks=[lambda h: time.sleep(0.2)])
    out, err = capfd.readouterr()
    assert out == ""
    assert bool(err) is progress
    if progress:
        assert "training" in err
        assert "4/4" in err


# ---- predict and evaluate --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("batch_size", [None, 1, 3, 1024])
def test_predict_in_batches(batch_size):
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
def test_inference_leaves_the_model_as_it_was(call):
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
def test_evaluate(batch_size):
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
        (lambda m: tg.predict(m, with_bad(np.nan, (1, 0))), "predict: X has nan at index (1, 0)"),
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
def test_inference_errors(call, text):
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


def test_a_wrong_label_is_named_by_its_row_before_anything_is_trained():
    model, sgd = make()
    before, labels = bits(model), np.arange(10) % 3
    labels[7] = 3
    with pytest.raises(LabelError, match="label 3 at row 7 is outside the 3 classes"):
        fit((X, labels), model=model, optimizer=sgd, batch_size=2)
    assert bits(model) == before


def test_callbacks_see_a_history_with_an_epoch():
    with pytest.warns(RuntimeWarning, match="the loss became nan"):
        _, history = fit(loss=lambda o, t: (o * np.nan).sum(), callbacks=[lambda h: h.loss[-1] < 1])
    assert len(history) == 0


def test_nothing_to_evaluate():
    with pytest.raises(OptionError, match="^evaluate: nothing to evaluate; pass loss="):
        tg.evaluate(make()[0], (X, LABELS))


def test_progress_without_a_standard_error(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert len(fit(progress=True)[1]) == 2


class Slow(nn.Module):
    def forward(self, x):
        time.sleep(0.3)
        return x


def test_the_bar_moves_within_an_epoch(capfd):
    model = nn.Sequential(nn.Dense(2, 3, rng=0), Slow())
    fit(
        model=model,
        optimizer=optim.SGD(model.parameters(), lr=0.1),
        epochs=1,
        batch_size=4,
        compile=False,
        progress=True,
    )
    assert "step=2/3" in capfd.readouterr().err


def test_compiling_is_no_part_of_the_time_of_training(capfd):
    """Neither of `seconds` nor of the bar's clock; a callback stands for compiling here."""

    def compile_for_a_second(_):
        time.sleep(1)
        compiling.seconds += 1

    before = compiling.seconds
    _, history = fit(epochs=1, callbacks=compile_for_a_second, progress=True)
    assert history.compile_seconds == compiling.seconds - before >= 1
    assert history.seconds < 0.9
    assert "[00:00<" in capfd.readouterr().err.rpartition("1/1")[2]


# ---- weights -----------------------------------------------------------------------------------------------------------
def test_the_loss_of_evaluate_is_that_of_all_rows():
    rng = np.random.default_rng(0)
    model, X, y = nn.Sequential(nn.Dense(2, 3), rng=0), rng.normal(size=(50, 2)), rng.integers(0, 3, 50)
    loss = nn.CrossEntropyLoss(weight=[0.1, 1.0, 5.0], ignore_index=0)
    wanted = float(loss(tg.predict(model, X), y))
    assert tg.evaluate(model, (X, y), loss=loss, batch_size=7)["loss"] == pytest.approx(wanted, rel=1e-6)
    optimizer = tg.optim.SGD(model.parameters(), lr=0.0001)
    history = tg.fit(model, (X, y), loss=loss, optimizer=optimizer, validation=(X, y), batch_size=7, progress=False)
    assert history["val_loss"][0] == pytest.approx(float(loss(tg.predict(model, X), y)), rel=1e-6)


def test_weights_of_sequences_that_teach_nothing():
    model, X, y = nn.Sequential(nn.Dense(2, 2), rng=0), np.ones((2, 3, 2)), np.array([[0, 0, 0], [0, 1, 0]])
    loss, optimizer = nn.CrossEntropyLoss(ignore_index=0), tg.optim.SGD(model.parameters(), lr=0.1)
    tg.fit(model, (X, y), loss=loss, optimizer=optimizer, sample_weight=[0, 1], progress=False)
    with pytest.raises(DataError, match="all rows whose label is not the ignored 0 weigh 0"):
        tg.fit(model, (X, y), loss=loss, optimizer=optimizer, sample_weight=[1, 0], progress=False)


@pytest.mark.parametrize(
    "weights, y, said",
    [
        ([1, 1e-40, 1, 1], [0, 1, 1, 0], "a weight of 1e-40 is less than float32 can divide by"),
        ([1, 0, 0, 1], [0, 1, 1, 0], "all rows whose label is not the ignored 0 weigh 0"),
    ],
)
def test_weights_that_teach_nothing(weights, y, said):
    model = nn.Sequential(nn.Dense(2, 2), rng=0).astype("float64" if "1e-40" in said else "float32")
    optimizer = tg.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(tg.errors.DataError, match=said):
        tg.fit(model, (np.ones((4, 2)), np.array(y)), loss=nn.CrossEntropyLoss(ignore_index=0), optimizer=optimizer,
               sample_weight=np.array(weights), progress=False)  # fmt: skip
