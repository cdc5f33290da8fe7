"""tg.show_program: a table, a profile and a picture of a step, which train nothing."""

import numpy as np

import tensorgrad as tg
from tensorgrad import nn, optim
from tensorgrad.training import program


def view():
    model = nn.Sequential(nn.Dense(2, 8), nn.ReLU(), nn.Dense(8, 3), rng=0)
    before = model.state_dict()
    shown = tg.show_program(
        model, nn.CrossEntropyLoss(), optim.Adam(model.parameters()), np.ones((6, 2)), np.zeros(6, int)
    )
    return shown, lambda: all(np.array_equal(before[k], v) for k, v in model.state_dict().items())


def test_the_table_and_the_profile_train_nothing():
    shown, unchanged = view()
    assert "dense_relu " in str(shown) and "x[6,2] w[2,8] b[8] -> out[6,8]" in str(shown)
    profile = shown.profile(steps=3)
    assert profile.step > 0 and len(profile.rows) == len(shown.program.jobs) and unchanged()
    assert profile.plot().patches


def test_rows_too_quick_to_be_timed(monkeypatch):
    """They have no speed, and no warning."""
    shown, _ = view()
    monkeypatch.setattr(program, "_timed", lambda p, _: (np.zeros(len(p.jobs)), 1.0))
    assert "dense_relu_backward_first" in str(shown.profile())
    assert "%" in shown.profile().plot().get_xlabel()
