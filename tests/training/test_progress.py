"""The progress bar, and the times of a History."""

import sys
import time

import pytest

from tensorgrad import nn, optim
from tensorgrad.kernels import compiling


@pytest.mark.parametrize("progress", [True, False])
def test_progress_is_on_stderr_or_nowhere(fit, progress, capfd):
    fit(epochs=4, progress=progress, callbacks=[lambda h: time.sleep(0.2)])
    out, err = capfd.readouterr()
    assert out == ""
    assert bool(err) is progress
    if progress:
        assert "training" in err
        assert "4/4" in err


def test_progress_without_a_standard_error(fit, monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert len(fit(progress=True)[1]) == 2


class Slow(nn.Module):
    def forward(self, x):
        time.sleep(0.3)
        return x


def test_the_bar_moves_within_an_epoch(fit, capfd):
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


def test_compiling_is_no_part_of_the_time_of_training(fit, capfd):
    """Neither of `seconds` nor of the bar's clock; a callback stands for compiling here."""

    def compile_for_a_second(_):
        time.sleep(1)
        compiling.seconds += 1

    before = compiling.seconds
    _, history = fit(epochs=1, callbacks=compile_for_a_second, progress=True)
    assert history.compile_seconds == compiling.seconds - before >= 1
    assert history.seconds < 0.9
    assert "[00:00<" in capfd.readouterr().err.rpartition("1/1")[2]
