"""fit: what it gives, what callbacks may do, and how a training that diverges ends."""

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn, optim

X = np.sin(np.arange(20.0)).reshape(10, 2)
LABELS = np.arange(10) % 3


def test_history_counts_epochs_and_steps(fit):
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
def test_batches_cover_all_rows(fit, batch_size, steps):
    seen = []
    loss = nn.CrossEntropyLoss()
    fit(epochs=1, batch_size=batch_size, loss=lambda o, t: (seen.append(t), loss(o, t))[1], compile=False)
    assert len(seen) == steps
    assert sorted(np.concatenate(seen)) == sorted(LABELS)


def test_shuffle(fit):
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


def test_epoch_numbers_are_means_over_rows(fit):
    _, history = fit(epochs=1, shuffle=False, lr=0)
    np.testing.assert_allclose(history.loss[0], np.average(history.steps, weights=[4, 4, 2]))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int64, np.bool_, list])
def test_plain_data_is_cast_to_the_model(fit, bits, dtype):
    whole = np.arange(20).reshape(10, 2) % 2
    given = whole.tolist() if dtype is list else whole.astype(dtype)
    model, _ = fit((given, LABELS))
    assert bits(model) == bits(fit((whole.astype(np.float32), LABELS))[0])
    assert model.dtype == np.float32


def test_same_seed_same_bits(fit, bits):
    runs = [fit(seed=s, epochs=3) for s in (3, 3, 4)]
    assert bits(runs[0][0]) == bits(runs[1][0]) != bits(runs[2][0])
    assert runs[0][1].steps == runs[1][1].steps


def test_global_random_state_is_not_touched(fit):
    np.random.seed(1)
    fit()
    after = np.random.random()
    np.random.seed(1)
    assert after == np.random.random()


def test_no_epochs(fit, make, bits):
    model, history = fit(epochs=0, callbacks=[lambda h: 1 / 0])
    assert (history.loss, history.steps, history.stopped) == ([], [], "")
    assert bits(model) == bits(make()[0])
    assert repr(history) == "<History of 0 epochs: nothing yet>"


@pytest.mark.parametrize("fails", [False, True])
def test_each_layer_is_in_the_mode_that_it_was_in_before(fit, fails):
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


def test_data_are_not_changed(fit):
    x, y = X.astype(np.float32), LABELS.copy()
    fit((x, y))
    assert np.array_equal(x, X.astype(np.float32))
    assert np.array_equal(y, LABELS)


def test_one_hot_targets_train_the_same(fit, bits):
    assert bits(fit((X, np.eye(3)[LABELS]))[0]) == bits(fit()[0])


@pytest.mark.parametrize("yes", [True, np.True_], ids=["True", "np.True_"])
def test_callback_ends_training(fit, yes):
    _, history = fit(epochs=9, callbacks=[lambda h: yes if len(h) == 3 else None])
    assert len(history) == 3
    assert history.stopped == "a callback asked for it"


def test_every_callback_is_called_after_each_epoch(fit):
    calls = []
    fit(epochs=2, callbacks=[lambda h: calls.append(("a", len(h))), lambda h: calls.append(("b", len(h)))])
    assert calls == [("a", 1), ("b", 1), ("a", 2), ("b", 2)]


def test_one_callback_needs_no_list(fit):
    calls = []
    fit(callbacks=lambda h: calls.append(len(h)))
    assert calls == [1, 2]


@pytest.mark.parametrize("lr", [1e3, 1e20, 1e30])
def test_diverging_training_stops_before_damage(fit, lr):
    with pytest.warns(
        RuntimeWarning, match=r"^fit: the loss became (inf|nan) at step \d+; the model is as it was before that"
    ):
        model, history = fit((X, np.hstack([X, X[:, :1]])), loss=nn.MSELoss(), lr=lr, epochs=200)
    assert history.stopped.startswith("the loss became ")
    assert np.isfinite(history.steps).all()
    assert all(np.isfinite(p.data).all() for p in model.parameters())


def test_a_finite_loss_with_a_nan_gradient_does_not_damage_the_model(fit):
    with pytest.warns(RuntimeWarning, match=r"^fit: .*gradient.* at step 0"):
        model, _ = fit(loss=lambda o, t: np.sqrt((o * 0).sum()), epochs=1)
    assert all(np.isfinite(p.data).all() for p in model.parameters())


def test_callbacks_see_a_history_with_an_epoch(fit):
    with pytest.warns(RuntimeWarning, match="the loss became nan"):
        _, history = fit(loss=lambda o, t: (o * np.nan).sum(), callbacks=[lambda h: h.loss[-1] < 1])
    assert len(history) == 0
