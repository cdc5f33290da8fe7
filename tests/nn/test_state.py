"""The state of modules: dictionaries of numbers, seeds, freezing, conversion."""

import numpy as np
import pytest
from small_models import mlp

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad.errors import EngineError, OptionError, ShapeError


def test_state_dict_is_a_copy_both_ways():
    model = mlp()
    state = model.state_dict()
    state["0.weight"][...] = 9
    assert not (model[0].weight.data == 9).any()
    memory = model[0].weight.data
    model.load_state_dict(state)
    state["0.weight"][...] = 5
    assert (model[0].weight.data == 9).all()
    assert model[0].weight.data is memory


def test_load_state_dict_lists_all_problems_and_changes_nothing():
    model, state = mlp(), mlp(rng=1).state_dict()
    before = model.state_dict()
    state["extra"] = state.pop("0.bias")
    state["2.weight"] = np.zeros((3, 4))
    with pytest.raises(ShapeError) as error:
        model.load_state_dict(state)
    assert str(error.value) == (
        "load_state_dict of Sequential: missing 0.bias; unknown extra; 2.weight has shape (3, 4), expected (4, 3)"
    )
    assert all(np.array_equal(before[k], v) for k, v in model.state_dict().items())


@pytest.mark.parametrize(
    "bad", [np.array(["a", "b", "c"]), [1j, 2, 3], np.array([None, 1, 2])], ids=["text", "complex", "object"]
)
def test_load_state_dict_of_something_else_than_numbers_changes_nothing(bad):
    model, state = mlp(), mlp(rng=1).state_dict()
    before = model.state_dict()
    state["2.bias"] = bad
    with pytest.raises((ShapeError, TypeError), match=r"^load_state_dict of Sequential: 2\.bias has dtype"):
        model.load_state_dict(state)
    assert all(np.array_equal(before[k], v) for k, v in model.state_dict().items())


@pytest.mark.parametrize("name", ["1.running_var", "2.weight"])
def test_load_state_dict_into_what_is_read_only_changes_nothing(name):
    model = nn.Sequential(nn.Dense(3, 4, rng=0), nn.BatchNorm(4), nn.Dense(4, 2, rng=0))
    arrays = {n: p.data for n, p in model.named_parameters()} | dict(model.named_buffers())
    arrays[name].flags.writeable = False
    before = model.state_dict()
    with pytest.raises(ShapeError, match=f"^load_state_dict of Sequential: {name} has an array that is read-only$"):
        model.load_state_dict({n: a + 1 for n, a in before.items()})
    assert all(np.array_equal(a, before[n]) for n, a in model.state_dict().items())


def test_load_state_dict_of_numbers_that_would_overflow_changes_nothing():
    model, state = mlp(), mlp(rng=1).state_dict()
    before = model.state_dict()
    state["2.bias"] = np.array([1.0, 1e300, np.inf])
    with pytest.raises(ShapeError, match=r"^load_state_dict of Sequential: 2\.bias has numbers too large for float32$"):
        model.load_state_dict(state)
    assert all(np.array_equal(before[k], v) for k, v in model.state_dict().items())
    state["2.bias"][1] = np.nan
    assert model.load_state_dict(state)[2].bias.data.tolist()[::2] == [1, np.inf]  # what the model had is not judged


def test_reset_gives_the_same_bits():
    a, b = mlp(rng=5), mlp(rng=None)
    assert b.reset(5) is b
    for p, q in zip(a.parameters(), b.parameters(), strict=True):
        np.testing.assert_array_equal(p.data, q.data)
    assert not np.array_equal(mlp(rng=6)[0].weight.data, a[0].weight.data)


def test_initial_weights_do_not_touch_numpys_global_state():
    np.random.seed(3)
    mlp().reset(0)
    after = np.random.random()
    np.random.seed(3)
    assert after == np.random.random()


def test_frozen_parameters_get_no_gradient():
    model = mlp()
    model[0].weight.requires_grad = False
    model(np.ones((1, 2), "float32")).sum().backward()
    assert model[0].weight.grad is None
    assert model[2].weight.grad is not None
    assert repr(model[0].weight) == "Parameter(shape=(2, 4), dtype=float32, frozen)"


@pytest.mark.parametrize("name", ["data", "grad"])
def test_parameters_keep_their_shape(name):
    p = tg.Parameter(np.ones((2, 3)))
    with pytest.raises(
        ShapeError, match=r"^a parameter of shape \(2, 3\) cannot take (numbers|a gradient) of shape \(3,\)$"
    ):
        setattr(p, name, np.ones(3))


def test_astype_and_to():
    model = mlp()
    wide = model.astype("float64")
    assert wide.dtype == np.float64
    assert model.dtype == np.float32
    scalar = model.to("scalar")
    assert scalar.engine == "scalar"
    back = scalar.to("tensor").astype("float32")
    for p, q in zip(model.parameters(), back.parameters(), strict=True):
        np.testing.assert_array_equal(p.data, q.data)
    with pytest.raises(OptionError, match=r"^astype: unknown dtype 'float16'; did you mean 'float64'"):
        model.astype("float16")
    with pytest.raises(EngineError, match=r"^astype: the scalar engine computes with Python numbers; "):
        scalar.astype("float64")
    with pytest.raises(
        OptionError, match=r"^to: unknown engine 'scaler'; did you mean 'scalar'\? \(known: 'scalar', 'tensor'\)$"
    ):
        model.to("scaler")


def test_frozen_stays_frozen_in_copies():
    model = mlp()
    model[0].weight.requires_grad = False
    for copy in (model.astype("float64"), model.to("scalar"), model.to("scalar").to("tensor")):
        assert not copy[0].weight.requires_grad
        assert copy[0].bias.requires_grad
