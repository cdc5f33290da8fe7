"""Ctrl-C ends a training after the step under way."""

import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from tensorgrad import nn

X = np.sin(np.arange(20.0)).reshape(10, 2)
LABELS = np.arange(10) % 3


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
def test_ctrl_c_in_a_callback_ends_before_the_next_step(fit, epochs):
    _, history = fit(epochs=epochs, callbacks=[lambda h: press_ctrl_c() if len(h) == 2 else None])
    assert history.stopped == "interrupted by Ctrl-C"
    assert len(history.steps) == 6
    assert len(history) == 2


@pytest.mark.usefixtures("default_handler")
def test_ctrl_c_in_a_step_finishes_that_step(fit, make, bits):
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
def test_ctrl_c_at_any_time_leaves_a_consistent_model(fit, make, bits):
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
def test_handler_is_restored_after_an_exception(fit):
    with pytest.raises(ZeroDivisionError):
        fit(callbacks=[lambda h: 1 / 0])


def test_a_handler_of_somebody_else_is_left_alone(fit):
    seen = []
    before = signal.signal(signal.SIGINT, lambda *_: seen.append(1))
    try:
        _, history = fit(callbacks=[press_ctrl_c])
    finally:
        signal.signal(signal.SIGINT, before)
    assert (len(seen), history.stopped, len(history)) == (2, "", 2)


def test_fit_in_another_thread(fit, bits):
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
