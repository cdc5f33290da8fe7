"""Hooks: what they are told, what they may change, on both engines; steps with hooks run eagerly and say so."""

import copy
import gc
import pickle
import weakref
from itertools import pairwise

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn, optim
from tensorgrad.errors import OptionError, ShapeError

RNG = np.random.default_rng(0)
X, LABELS = RNG.normal(size=(12, 3)), RNG.integers(0, 2, 12)


def make(engine="tensor"):
    model = nn.Sequential(nn.Dense(3, 4), nn.ReLU(), nn.Residual(nn.Dense(4, 4), nn.Tanh()), nn.Dense(4, 2), rng=0)
    return model.astype("float64").to(engine)


def numbers(y):
    if isinstance(y, tg.Tensor):
        return y.numpy()
    from microgrid import values

    return values(y)


def step(model):
    model.zero_grad()
    loss = nn.CrossEntropyLoss()(model(X), LABELS)
    loss.backward()
    return [np.array(p.grad) for p in model.parameters()]


# ---- forward ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("engine", ["tensor", "scalar"])
def test_a_forward_hook_sees_what_goes_in_and_out(engine):
    model, seen = make(engine), []
    expected = numbers(model(X))
    for layer in model:
        layer.on_forward(lambda module, inputs, output: seen.append((module, inputs, output)))
    np.testing.assert_array_equal(numbers(model(X)), expected)
    assert [module for module, *_ in seen] == list(model)
    np.testing.assert_array_equal(seen[0][1][0], X)
    for (_, _, before), (_, (given,), _) in pairwise(seen):
        assert given is before
    np.testing.assert_array_equal(numbers(seen[1][2]), np.maximum(numbers(seen[0][2]), 0))


@pytest.mark.parametrize("engine", ["tensor", "scalar"])
def test_what_a_forward_hook_returns_takes_the_place_of_the_output(engine):
    model = make(engine)
    model[3].on_forward(lambda module, inputs, output: output * 2)
    model[3].on_forward(lambda module, inputs, output: output + 1)
    y = numbers(model(X))
    np.testing.assert_allclose(y, numbers(make(engine)(X)) * 2 + 1, rtol=1e-14)


def test_a_handle_takes_its_hook_off_once():
    model, seen = make(), []
    handle, other = (model[1].on_forward(lambda *_, name=name: seen.append(name)) for name in "ab")
    model(X)
    handle.remove()
    handle.remove()
    model(X)
    with model[0].on_forward(lambda *_: seen.append("with")):
        model(X)
    model(X)
    assert seen == ["a", "b", "b", "with", "b", "b"]
    assert (repr(handle), repr(other)) == ("<hook on_forward of ReLU, removed>", "<hook on_forward of ReLU>")


# ---- gradients --------------------------------------------------------------------------------------------------------
def test_a_gradient_hook_sees_the_same_on_both_engines_and_changes_nothing():
    found = []
    for engine in ("tensor", "scalar"):
        model, seen = make(engine), {}
        expected = step(model)
        for name, layer in model.named_modules():
            layer.on_gradient(lambda module, g, name=name, seen=seen: seen.update({name: g.copy()}))
        for g, e in zip(step(model), expected, strict=True):
            np.testing.assert_allclose(g, e, rtol=1e-13, atol=1e-16)
        assert seen.keys() == dict(model.named_modules()).keys()
        found.append(seen)
    for name in found[0]:
        np.testing.assert_allclose(found[0][name], found[1][name], rtol=1e-12, atol=1e-15, err_msg=name)
    model = make()
    logits = model(X).numpy()
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found[0][""], (p - np.eye(2)[LABELS]) / len(X), rtol=1e-12)
    np.testing.assert_allclose(found[0]["1"] * (model[0](X).numpy() > 0), found[0]["0"], rtol=1e-12)


@pytest.mark.parametrize("engine", ["tensor", "scalar"])
def test_what_a_gradient_hook_returns_goes_on(engine):
    plain, model = make(engine), make(engine)
    model[2].on_gradient(lambda module, g: g * 3)
    model[2].on_gradient(lambda module, g: -g)
    below, above = slice(0, 4), slice(4, None)
    expected, found = step(plain), step(model)
    for part, factor in ((below, -3), (above, 1)):
        for g, e, name in zip(found[part], expected[part], [n for n, _ in model.named_parameters()][part], strict=True):
            if name.startswith("3"):
                np.testing.assert_allclose(g, e, rtol=1e-13)
            else:
                np.testing.assert_allclose(g, factor * e, rtol=1e-12, atol=1e-16, err_msg=name)


@pytest.mark.parametrize("engine", ["tensor", "scalar"])
def test_infinite_gradients_reach_a_hook_and_go_on(engine):
    layer, seen = nn.Dense(1, 2, init=lambda rng, shape: np.ones(shape), bias=False, dtype="float64").to(engine), []
    layer.on_gradient(lambda module, g: seen.append(g.copy()))
    y = layer(np.ones((1, 1)))
    (y * np.array([[np.inf, 2.0]])).sum().backward()
    np.testing.assert_array_equal(seen[0], [[np.inf, 2.0]])
    np.testing.assert_array_equal(layer.weight.grad, [[np.inf, 2.0]])


@pytest.mark.parametrize("engine", ["tensor", "scalar"])
def test_an_element_that_the_loss_does_not_use_has_gradient_0(engine):
    layer, seen = nn.Dense(3, 2, rng=0, dtype="float64").to(engine), []
    layer.on_gradient(lambda module, g: seen.append(g.copy()))
    layer(X)[0, 1].backward()
    np.testing.assert_array_equal(seen[0], np.eye(24)[1].reshape(12, 2))


def test_hooks_leave_higher_derivatives_as_they_are():
    weight = RNG.normal(size=(3, 2))
    layer, seen = nn.Dense(3, 2, rng=0, dtype="float64"), []

    def loss(w):
        return (nn.functional_call(layer, {"weight": w}, X) ** 3).sum()

    expected = tg.hessian(loss)(weight).numpy()
    layer.on_gradient(lambda module, g: seen.append(g.shape))
    np.testing.assert_allclose(tg.hessian(loss)(weight).numpy(), expected, rtol=1e-12)
    assert set(seen) == {(12, 2)}


def test_nothing_is_watched_where_nothing_is_recorded():
    model = make()
    model.on_gradient(lambda module, g: g * np.nan)
    with tg.no_grad():
        assert not model(X).requires_grad
    assert type(tg.predict(model, X)) is np.ndarray
    assert type(nn.Identity()(X)) is np.ndarray


def test_the_gradient_is_read_only():
    model = make()
    model.on_gradient(lambda module, g: g.__setitem__(0, 0.0))
    with pytest.raises(ValueError, match="read-only"):
        step(model)


class Pair(nn.Module):
    def forward(self, x):
        return x, x


REFUSED = {
    "no function": (lambda m: m.on_forward(3), OptionError, "on_forward: expected a function, got 3"),
    "another shape": (lambda m: (m[0].on_gradient(lambda _, g: g[0]), step(m)), ShapeError,
        "on_gradient of Dense: a gradient keeps its shape, got shape (4,) for (12, 4)"),
    "two outputs": (lambda m: (lambda p: (p.on_gradient(print), p(X)))(Pair()), OptionError,
        "on_gradient of Pair: its output is a tuple; only one output can be watched"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case):
    call, error, text = REFUSED[case]
    with pytest.raises(error) as raised:
        call(make())
    assert str(raised.value) == text


# ---- training and copies ----------------------------------------------------------------------------------------------
def fit(model, **options):
    sgd = optim.SGD(model.parameters(), lr=0.1)
    defaults = {"epochs": 3, "batch_size": 6, "progress": False}
    return tg.fit(model, (X, LABELS), loss=nn.CrossEntropyLoss(), optimizer=sgd, **(defaults | options))


@pytest.mark.parametrize("kind", ["on_forward", "on_gradient"])
def test_steps_with_hooks_run_eagerly_and_say_so(kind):
    model, seen = make(), []
    getattr(model[2], kind)(lambda module, *_: seen.append(module))
    history = fit(model)
    assert (history.compiled, history.eager_because) == (False, "a hook on Residual is Python")
    assert seen == [model[2]] * 6
    assert history.steps == fit(make()).steps


def test_a_hook_that_comes_while_fit_runs_is_noticed():
    model, seen = make(), []

    def callback(history):
        if len(history) == 1:
            model[0].on_forward(lambda *_: seen.append(1))

    history = fit(model, callbacks=callback)
    assert len(seen) == 4
    assert (history.compiled, history.eager_because) == (False, "a hook on Dense is Python")


def test_predict_calls_a_hook_once_a_batch():
    model, seen = make(), []
    with model[0].on_forward(lambda *_: seen.append(1)):
        for _ in range(3):
            tg.predict(model, X, batch_size=4)
    assert len(seen) == 9
    compiled = tg.compile(model)
    with model[0].on_forward(lambda *_: seen.append(1)):
        compiled(X)
    compiled(X)
    assert (len(seen), len(compiled.calls), compiled.reason) == (10, 1, "")


@pytest.mark.parametrize("how", ["deepcopy", "pickle", "astype", "to"])
def test_copies_have_no_hooks(how):
    model, seen = make(), []
    model[0].on_forward(lambda *_: seen.append(1))
    model.on_gradient(lambda *_: seen.append(1))
    copies = {"deepcopy": copy.deepcopy, "pickle": lambda m: pickle.loads(pickle.dumps(m)),
              "astype": lambda m: m.astype("float32"), "to": lambda m: m.to("scalar")}  # fmt: skip
    twin = copies[how](model)
    step(twin)
    assert not seen
    step(model)
    assert len(seen) == 2


def test_a_watched_graph_is_freed():
    model = make()
    model[0].on_gradient(lambda module, g: None)
    gc.collect()
    gc.disable()
    try:
        y = model[0](X)
        alive = weakref.ref(y)
        y.sum().backward()
        del y
        assert alive() is None
    finally:
        gc.enable()
