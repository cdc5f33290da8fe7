"""Layers of noise: the same on both engines, eager or compiled, on one thread or two; none in evaluation."""

import copy

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn, optim
from tensorgrad._program import threads
from tensorgrad.errors import OptionError, ShapeError

LAYERS = [lambda: nn.Dropout(0.4, rng=1), lambda: nn.ChannelDropout(0.4, rng=2), lambda: nn.GaussianNoise(0.3, rng=3)]
each_layer = pytest.mark.parametrize("make", LAYERS, ids=["dropout", "channels", "gaussian"])
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(72, 6)), RNG.integers(0, 3, 72)
LOSS = nn.CrossEntropyLoss()


@pytest.fixture(autouse=True)
def threads_cost_nothing(monkeypatch):
    for cost in ("MEETING", "SUMMED"):
        monkeypatch.setattr(threads, cost, 1e-9)


def model_of(*layers, width=70):
    """Noise on the data, on a hidden layer, and on the outputs."""
    data, hidden, outputs = layers
    model = nn.Sequential(data, nn.Dense(6, width), hidden, nn.ReLU(), nn.Dense(width, 3), outputs, rng=0)
    return model.astype("float64")


def train(model, epochs=3, batch_size=24, **options):
    adam = optim.Adam(model.parameters(), lr=0.01)
    return tg.fit(
        model, (X, Y), loss=LOSS, optimizer=adam, epochs=epochs, batch_size=batch_size, progress=False, **options
    )


@each_layer
@pytest.mark.parametrize("batch_size", [24, 20, None])
def test_training_is_the_same_in_every_way(make, batch_size):
    outcomes = []
    for options in ({"compile": False}, {"threads": 1}, {"threads": 2}, {"threads": 3}):
        model = model_of(make(), make(), make())
        history = train(model, batch_size=batch_size, **options)
        if history.compiled:
            assert history.threads == min(options["threads"], (batch_size or 72) // 8)
        else:
            assert "compile" in options, history.eager_because
        outcomes.append((history.steps, [model[i].state for i in (0, 2, 5)]))
    steps, states = outcomes[0]
    assert states[0][2] == len(steps)
    for found, ends in outcomes[1:]:
        np.testing.assert_allclose(found, steps, rtol=1e-10)
        np.testing.assert_array_equal(ends, states)


@each_layer
def test_the_engines_have_the_same_noise(make):
    model = model_of(make(), make(), make(), width=5)
    scalars = model.to("scalar")
    tensor, scalar = (train(m, epochs=2, batch_size=36).steps for m in (model, scalars))
    np.testing.assert_allclose(tensor, scalar, rtol=1e-10)
    assert tg.compare(model, X[:8], Y[:8], LOSS).ok


@each_layer
def test_no_noise_in_evaluation(make):
    model = model_of(make(), make(), make())
    states = [model[i].state.copy() for i in (0, 2, 5)]
    still = nn.Sequential(model[1], model[3], model[4])
    expected = still(X).numpy()
    np.testing.assert_allclose(tg.predict(model, X), expected, rtol=1e-12)
    score = LOSS(still(X), Y).item()
    assert tg.evaluate(model, (X, Y), loss=LOSS)["loss"] == pytest.approx(score, rel=1e-12)
    np.testing.assert_allclose(tg.compile(model)(X), expected, rtol=1e-12)
    np.testing.assert_array_equal(model.eval()(X).numpy(), expected)
    np.testing.assert_array_equal([model[i].state for i in (0, 2, 5)], states)
    assert not np.array_equal(model.train()(X).numpy(), expected)


@each_layer
def test_steps_layers_seeds_and_copies(make):
    x, layer = np.ones((4, 50)), make()
    other = copy.deepcopy(layer)
    first, second = layer(x), layer(x)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(other(x), first)
    np.testing.assert_array_equal(make()(x), first)
    layer.reset(7)
    again = make().reset(7)
    np.testing.assert_array_equal(layer(x), again(x))
    assert not np.array_equal(again.reset(8)(x), first)
    model = nn.Sequential(make(), make(), rng=0)
    assert not np.array_equal(model[0].state, model[1].state)
    np.testing.assert_array_equal(model[1].state, nn.Sequential(make(), make(), rng=0)[1].state)
    unseeded = [type(layer)(0.5)(x) for _ in range(2)]
    assert not np.array_equal(*unseeded)


@each_layer
def test_a_compiled_step(make):
    """Each call has noise of its own, also the one that is recorded; a layer may be used twice in a step."""
    results = []
    for wrap in (lambda f: f, tg.compile, lambda f: tg.compile(f, verify=2)):
        layer = make()
        step = wrap(step_of(layer))
        results.append([step(X, Y).item() for _ in range(6)])
        assert getattr(step, "reason", "") == ""
        assert layer.state[2] == 12
    for losses in results[1:]:
        np.testing.assert_allclose(losses, results[0], rtol=1e-12)


def step_of(layer):
    model = nn.Dense(6, 3, rng=0).astype("float64")
    sgd = optim.SGD(model.parameters(), lr=0.1)

    def step(x, y):
        sgd.zero_grad()
        loss = LOSS(layer(model(layer(x))), y)
        loss.backward()
        sgd.step()
        return loss

    return step


def slopes_of(layer):
    def cubes(x):
        y = layer(x)
        return (y * y * y).sum()

    def slopes(x):
        p = tg.Parameter(np.zeros(x.shape, np.float32))
        return tg.grad(lambda p: (tg.grad(cubes)(x + p) ** 2).sum())(p)

    return slopes


@each_layer
def test_derivatives_of_derivatives_in_a_compiled_step(make):
    """The second walk meets the noise of the first, though the layer has gone on."""
    eager, compiled = slopes_of(make()), tg.compile(slopes_of(make()))
    single = X.astype(np.float32)
    for x in (single, single, single + 1):
        np.testing.assert_allclose(compiled(x).numpy(), eager(x).numpy(), rtol=2e-5, atol=1e-4)
    assert compiled.reason == ""


@each_layer
def test_a_recording_that_fails_uses_no_noise_up(make):
    """Parameters of double precision that the recording does not see: single precision is tried first, in vain."""
    layer, like = make(), make()
    hidden = {"model": nn.Dense(6, 3, rng=0).astype("float64")}
    step = tg.compile(lambda x: hidden["model"](layer(x)).sum())
    for _ in range(3):
        assert step(X).item() == pytest.approx(hidden["model"](like(X)).sum().item(), rel=1e-12)
    assert layer.state[2] == 3


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: nn.Dropout(1.0), r"Dropout: p must be a probability, 0 <= p < 1, got 1.0"),
        (lambda: nn.Dropout(-0.1), "got -0.1"),
        (lambda: nn.ChannelDropout(True), "ChannelDropout: p must be a probability, 0 <= p < 1, got True"),
        (lambda: nn.GaussianNoise(-1), "GaussianNoise: std must be a number of at least 0, got -1"),
        (lambda: nn.GaussianNoise(np.inf), "got inf"),
        (lambda: nn.Dropout(0.5, rng="a"), "Dropout: a seed is a whole number"),
    ],
)
def test_bad_options(make, match):
    with pytest.raises(OptionError, match=match):
        make()


@each_layer
def test_state_dict_carries_the_state(make):
    first, second = nn.Sequential(make(), nn.Dense(6, 3)), nn.Sequential(make().reset(9), nn.Dense(6, 3))
    first(X), first(X)
    state, memory = first.state_dict(), second[0].state
    assert state["0.state"].tolist()[2] == 2
    second.load_state_dict(state)
    assert second[0].state is memory
    np.testing.assert_array_equal(first(X).numpy(), second(X).numpy())
    assert state["0.state"][2] == 2
    second.load_state_dict({**state, "0.state": [5, 2**32 - 1, 7]})
    assert memory.tolist() == [5, 2**32 - 1, 7]


@pytest.mark.parametrize(
    "wrong",
    [np.array([3e9, 1, 0], np.float32), [0.5, 0, 0], [-1, 0, 0], [np.nan, 0, 0], [0, 0, np.inf], [0, 0, 2.0**60]],
)
def test_a_state_that_is_none_is_refused(wrong):
    model = nn.Sequential(nn.Dense(6, 3), nn.Dropout(rng=0))
    before = model.state_dict()
    with pytest.raises(
        ShapeError, match=r"Sequential: 1\.state has other numbers, or of another dtype, than whole ones"
    ):
        model.load_state_dict({k: v + 1 for k, v in before.items()} | {"1.state": np.array(wrong)})
    with pytest.raises(ShapeError, match=r"missing 1\.state"):
        model.load_state_dict({k: v for k, v in before.items() if k != "1.state"})
    assert all(np.array_equal(before[k], v) for k, v in model.state_dict().items())


def test_the_state_is_the_same_in_every_dtype_and_on_both_engines():
    model = nn.Sequential(nn.Dropout(0.5, rng=3), nn.Dense(6, 3), nn.Sequential(nn.GaussianNoise(0.1, rng=4)), rng=0)
    model(X)
    for other in (model.astype("float64"), model.astype("float64").astype("float32"), model.to("scalar"),
                  model.to("scalar").to("tensor"), copy.deepcopy(model)):  # fmt: skip
        for i in (0, 2):
            mine, its = ((m[i] if i == 0 else m[2][0]).state for m in (model, other))
            assert its.dtype == np.float64 and its is not mine
            np.testing.assert_array_equal(its, mine)
    assert nn.Sequential(nn.Dropout(0.5)).dtype == np.float32


def test_names():
    model = model_of(nn.Dropout(0.5), nn.Dropout(0.2), nn.Dropout(0))
    assert set(model.state_dict()) == {"1.weight", "1.bias", "4.weight", "4.bias", "0.state", "2.state", "5.state"}
    assert [repr(model[i]) for i in (0, 2, 5)] == ["Dropout(0.5)", "Dropout(0.2)", "Dropout(0.0)"]
    assert repr(nn.GaussianNoise(0.1)) == "GaussianNoise(0.1)"
