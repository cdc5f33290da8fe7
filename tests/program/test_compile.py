"""tg.compile: what may change between calls is seen, and what rows would not repeat keeps a step eager."""

import copy

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn, optim
from tensorgrad.errors import GraphError, LabelError, OptionError, ShapeError

ONES = np.ones((2, 3), np.float32)
X = np.arange(6, dtype=np.float32).reshape(2, 3)


def parameter(value=1.0):
    return tg.Parameter(np.full(3, value, np.float32))


def numbers(step, *inputs):
    return [step(x).item() for x in inputs]


class Scaled(nn.Module):
    """Reads everything that a module may hold."""

    def __init__(self):
        self.w, self.k = parameter(), np.float32(1)
        self.list, self.dict, self.several = [1.0], {"a": 1.0}, [parameter()]

    def forward(self, x):
        return x * self.w * self.k * self.list[0] * self.dict["a"] * self.several[0]


def test_a_step_trains_as_it_does_eagerly():
    def made():
        model, target = (nn.Sequential(nn.Dense(3, 8), nn.ReLU(), nn.Dense(8, 2), rng=seed) for seed in (0, 1))
        optimizer = optim.Adam(model.parameters(), lr=0.01)

        def step(s, a, r, done):
            optimizer.zero_grad()
            with tg.no_grad():
                wanted = r + 0.9 * (1 - done) * target(s).max(axis=1)
            loss = ((model(s)[np.arange(len(a)), a] - wanted) ** 2).mean()
            loss.backward()
            optimizer.step()
            return loss

        return model, optimizer, step

    (eager, _, by_hand), (model, optimizer, step) = made(), made()
    compiled, rng = tg.compile(step), np.random.default_rng(0)
    for i, n in enumerate([5, 5, 5, 4, 5, 4]):
        batch = rng.normal(size=(n, 3)), rng.integers(0, 2, n), rng.normal(size=n), rng.integers(0, 2, n)
        batch = [b.astype("float32") if b.dtype == float else b for b in batch]
        assert np.isclose(by_hand(*batch).item(), compiled(*batch).item(), rtol=1e-6), i
        assert compiled.reason == ""
    assert [p.grad for p in model.parameters()] == [None] * 4
    for mine, theirs in zip(model.parameters(), eager.parameters(), strict=True):
        np.testing.assert_allclose(mine.data, theirs.data, rtol=1e-5, atol=1e-7)
    optimizer.lr = 0.0  # read at each call
    before = model.state_dict()
    compiled(*batch)
    assert all(np.array_equal(before[k], v) for k, v in model.state_dict().items())


def test_changes_of_a_model_are_seen():
    model = Scaled()
    compiled = tg.compile(model)
    for _ in range(3):
        compiled(ONES)
    changes = [
        lambda: setattr(model, "w", parameter(2)), lambda: setattr(model, "k", np.float32(3)),
        lambda: model.list.__setitem__(0, 5.0), lambda: model.dict.update(a=7.0),
        lambda: model.several.__setitem__(0, parameter(11)), lambda: setattr(model.w, "data", np.full(3, 4.0)),
    ]  # fmt: skip
    for expected, change in zip([2, 6, 30, 210, 2310, 4620], changes, strict=True):
        change()
        assert compiled(ONES)[0, 0] == expected
    assert compiled.reason == ""


def test_models_that_are_not_called_are_looked_at_too():
    class Encoder(nn.Module):
        def __init__(self):
            self.dense, self.k = nn.Dense(3, 2, rng=0), 1.0

        def encode(self, x):
            return self.dense(x) * self.k

    model = Encoder()
    step = tg.compile(lambda x: model.encode(x).sum())
    step(X)
    model.k = 5.0
    assert step(X).item() == model.encode(X).sum().item()
    model.dense = nn.Dense(3, 2, rng=1)
    assert step(X).item() == model.encode(X).sum().item()


def test_other_functions_and_parameters_are_other_recordings():
    step = tg.compile(lambda x, f: f(x).sum())
    assert [step(ONES, lambda x, k=k: x * k).item() for k in (1, 2, 3)] == [6, 12, 18]
    step = tg.compile(lambda x, p: (x * p).sum())
    assert [step(ONES, parameter(k)).item() for k in (1, 2, 3)] == [6, 12, 18]


def test_a_compiled_method():
    class Agent:
        def __init__(self, seed):
            self.model = nn.Dense(3, 1, rng=seed)

        @tg.compile
        def act(self, x):
            return self.model(x).sum()

    for agent in (Agent(0), Agent(1), Agent(0)):
        assert numbers(agent.act, X, X + 1) == numbers(lambda x, a=agent: a.model(x).sum(), X, X + 1)


def test_reading_a_number_means_eager():
    p = parameter()
    optimizer = optim.SGD([p], lr=0.1)

    def trained(look):
        def step(x):
            optimizer.zero_grad()
            loss = (p * x).sum()
            loss.backward()
            seen = look(x, loss)
            optimizer.step()
            return loss * float(seen)

        return step

    looks = {
        "a comparison's elements": lambda x, _: sum(1 for b in (x.sum(axis=1) > 2.5) if b),
        "any": lambda x, _: (x > 0.5).any(),
        "argmax": lambda x, _: x.argmax(),
        "a gradient": lambda x, _: p.grad[0].item(),
        "an array of a gradient": lambda x, _: np.asarray(p.grad)[0],
        "the loss": lambda _, loss: loss.item(),
        "the steps": lambda *_: optimizer.steps,
        "the rate": lambda *_: optimizer.lr,
        "NumPy's generator": lambda *_: np.random.random() * 0 + 1,
    }
    for name, look in looks.items():
        runs = []
        for compiled in (False, True):
            p.data, optimizer.lr = np.ones(3), 0.1
            optimizer.load_state_dict(optim.SGD([p], lr=0.1).state_dict())
            step = trained(look)
            step = tg.compile(step) if compiled else step
            runs.append(numbers(step, *(np.full((2, 3), k, np.float32) for k in (1, 2, 0.1, 3))))
        assert runs[0] == runs[1], name
        assert step.reason, name


def test_gradients_from_elsewhere():
    p = parameter()
    optimizer = optim.SGD([p], lr=0.1)

    def step(x):
        loss = (p * x).sum()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    step = tg.compile(step)
    step(ONES), step(ONES)
    (p * 10).sum().backward()
    step(ONES)
    assert p.grad is None
    np.testing.assert_allclose(p.data, -0.6, rtol=1e-5)
    first = tg.compile(lambda x: (p.__setattr__("grad", None), (p * x).sum().backward())[0])
    first(ONES), first(ONES)
    (p * 10).sum().backward()
    first(ONES)
    assert p.grad is None


def test_constants_are_read_where_they_are_and_checked():
    c = tg.constant(np.array([300, 2, 1], np.int32))
    step = tg.compile(lambda x: (x * c).sum())
    assert numbers(step, ONES, ONES) == [606, 606]
    c.data[...] = 1
    assert numbers(step, ONES) == [6]
    labels, model, loss = tg.constant(np.array([0, 1])), nn.Dense(3, 3, rng=0), nn.CrossEntropyLoss()
    step = tg.compile(lambda x: loss(model(x), labels))
    numbers(step, X, X)
    labels.data[...] = 10**10
    with pytest.raises(LabelError):
        step(X)


def test_bad_indices_and_targets_raise_in_every_call():
    model, loss = nn.Dense(3, 3, rng=0), nn.CrossEntropyLoss()
    step = tg.compile(lambda x, y: loss(model(x), y))
    step(X, np.array([0, 1])), step(X, np.array([0, 1]))
    with pytest.raises(LabelError, match="label 7 at row 1"):
        step(X, np.array([0, 7]))
    with pytest.raises(LabelError, match="neither one-hot"):
        tg.compile(lambda x, y: loss(model(x), y))(X, np.full((2, 3), 1 / 2, np.float32))


def test_the_function_runs_once_when_it_is_recorded():
    model, runs = nn.Dense(3, 2, rng=0), []
    step = tg.compile(lambda x: (runs.append(1), model(x).sum())[1])
    step(np.ones((2, 3)))  # float64, of which a float32 model makes float32
    step(np.ones((2, 3)))
    assert len(runs) == 1 and step.reason == ""


def test_verify_finds_what_was_fixed():
    scale = [1.0]
    step = tg.compile(lambda x: (x * scale[0]).sum(), verify=2)
    assert numbers(step, ONES, ONES) == [6, 6]
    scale[0] = 2.0
    assert numbers(step, ONES) == [6]  # as documented: Python state is fixed
    with pytest.raises(GraphError, match="verify found that the program and the function differ"):
        step(ONES)


def test_a_model_for_inference():
    model = nn.Sequential(nn.Dense(3, 8), nn.ReLU(), nn.Dense(8, 2), rng=0)
    compiled = tg.compile(model)
    with pytest.raises(ShapeError):
        compiled(np.ones((1, 5)))
    for x in (X, X, X + 1, X.astype("float64"), X[:1], X):
        got = compiled(x)
        np.testing.assert_array_equal(got, model(x).numpy())
        got[...] = 0  # of the caller's own
    assert compiled.reason == "" and model.training


def test_copies_of_an_optimizer_train_copies_of_the_model():
    model = nn.Dense(3, 2, rng=0)
    optimizer = optim.Adam(model.parameters())
    model(X).sum().backward()
    optimizer.step()
    other, its = copy.deepcopy((model, optimizer))
    before = model.weight.data.copy()
    other.zero_grad()
    other(X).sum().backward()
    its.step()
    assert np.array_equal(before, model.weight.data) and not np.array_equal(before, other.weight.data)


def test_bad_arguments():
    with pytest.raises(OptionError, match="expected a function or a model, got 3"):
        tg.compile(3)
    with pytest.raises(OptionError, match="verify must be a whole number of at least 0, got -1"):
        tg.compile(lambda x: x, verify=-1)
    step = tg.compile(lambda x, k: x.sum() * k)
    assert step(ONES, 2).item() == 12
    tangled = tg.compile(lambda rows: sum(rows))
    assert tangled([1, 2]) == 3 and "pass arrays, numbers or models" in tangled.reason


# ---- weights of samples ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf, 1e-40])
def test_weights_are_looked_at_in_every_call(bad):
    loss_of = nn.MSELoss()
    p = tg.Parameter(np.ones(3, np.float32))

    @tg.compile
    def step(x, w):
        p.grad = None
        loss = loss_of(p * x, x, sample_weight=w)
        loss.backward()
        return loss

    x, good = np.ones(3, np.float32), np.array([1, 2, 0], np.float32)
    for _ in range(3):
        step(x, good)
    assert not step.reason
    with pytest.raises(tg.errors.DataError, match="MSELoss: (sample_weight must be|a weight of)"):
        step(x, np.array([1, bad, 1], np.float32))
    with pytest.raises(tg.errors.DataError, match="the weights sum to 0"):
        step(x, np.zeros(3, np.float32))
    assert step(x, good).item() == 0 and not step.reason


def test_a_sum_may_have_no_weight():
    loss_of, calls = nn.MSELoss("sum"), []

    @tg.compile
    def step(x, w):
        calls.append(w)
        return loss_of(x * 2, x, sample_weight=w)

    x = np.array([1, 2], np.float32)
    for _ in range(3):
        assert step(x, np.array([1, 2], np.float32)).item() == 9
    made = len(calls)
    assert step(x, np.zeros(2, np.float32)).item() == 0 and len(calls) == made  # the program ran


def test_weights_that_are_computed_in_the_step():
    loss_of = nn.MSELoss()

    @tg.compile
    def step(x, w):
        return loss_of(x * 2, x, sample_weight=w * w)

    x, w = np.array([1, 2], np.float32), np.array([1, 3], np.float32)
    for _ in range(3):
        assert step(x, w).item() == pytest.approx((1 + 9 * 4) / 10)
    assert not step.reason
