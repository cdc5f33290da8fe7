"""What layers are given, by constructors, attributes, hooks and states, that cannot be: errors that say so."""

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad.errors import DTypeError, OptionError, ShapeError

LAYERS = {
    "Dense": lambda **o: nn.Dense(4, 2, **o), "Conv2d": lambda **o: nn.Conv2d(3, 4, 2, **o), "BatchNorm": lambda **o: nn.BatchNorm(4, **o),
    "LayerNorm": lambda **o: nn.LayerNorm(4, **o), "Embedding": lambda **o: nn.Embedding(4, 2, **o), "PReLU": lambda **o: nn.PReLU(4, **o),
    "AvgPool2d": lambda **o: nn.AvgPool2d(2, **o), "Conv1d": lambda **o: nn.Conv1d(3, 4, 2, **o),
}  # fmt: skip


def model():
    return nn.Sequential(nn.Dense(4, 6), nn.BatchNorm(6), nn.Dropout(0.2, rng=1), nn.Dense(6, 2), rng=0)


@pytest.mark.parametrize("dtype", [-1, 2.0, None, True, "int64", np.array(3), object, [], complex])
@pytest.mark.parametrize("name", ["Dense", "Conv2d", "BatchNorm", "LayerNorm", "Embedding", "PReLU"])
def test_a_dtype_that_is_none(name, dtype):
    with pytest.raises(OptionError, match=f"^{name}: unknown dtype"):
        LAYERS[name](dtype=dtype)


@pytest.mark.parametrize("dtype", ["float32", np.float64, np.dtype("float32"), float])
def test_a_dtype_by_name_or_type(dtype):
    assert all(LAYERS[n](dtype=dtype).dtype == np.dtype(dtype) for n in LAYERS if n != "AvgPool2d")
    assert model().astype(dtype).dtype == np.dtype(dtype)


@pytest.mark.parametrize("dtype", [-1, None, "x", "int64", np.array(3)])
def test_a_model_as_a_dtype_that_is_none(dtype):
    with pytest.raises(OptionError, match="^astype: unknown dtype"):
        model().astype(dtype)


@pytest.mark.parametrize("value", [None, -1, "x", 2.0, [], np.array([0, 1])])
@pytest.mark.parametrize(
    ("name", "option"),
    [("Dense", "bias"), ("Conv2d", "bias"), ("Conv1d", "bias"), ("BatchNorm", "affine"), ("LayerNorm", "affine"),
     ("AvgPool2d", "count_include_pad")],
)  # fmt: skip
def test_a_flag_is_true_or_false(name, option, value):
    with pytest.raises(OptionError, match=f"^{name}: {option} must be True or False, got"):
        LAYERS[name](**{option: value})


def test_training_is_on_or_off():
    with pytest.raises(OptionError, match="^train: on must be True or False, got 'off'"):
        model().train("off")
    assert model().train(np.False_)[0].training is False


@pytest.mark.parametrize("size", [2**31, 2**70])
def test_a_size_that_is_too_large(size):
    for make in (
        lambda: nn.Dense(4, size),
        lambda: nn.Embedding(size, 3),
        lambda: nn.Conv2d(3, 4, size),
        lambda: nn.BatchNorm(size),
    ):
        with pytest.raises(OptionError, match="positive whole number"):
            make()


@pytest.mark.parametrize(("value", "error"), [
    ([[1], [1, 2]], DTypeError), (None, DTypeError), (np.full((4, 6), "a"), ShapeError), (np.ones((3, 3)), ShapeError),
    (np.ma.masked_array(np.ones((4, 6)), True), DTypeError)])  # fmt: skip
@pytest.mark.parametrize("engine", ["tensor", "scalar"])
def test_a_state_that_does_not_fit_changes_nothing(value, error, engine):
    m = model().to(engine)
    before = m.state_dict()
    with pytest.raises(error, match="^load_state_dict of Sequential: "):
        m.load_state_dict({**{n: a + 1 for n, a in before.items()}, "0.weight": value})
    assert all(np.array_equal(a, before[n]) for n, a in m.state_dict().items())


@pytest.mark.parametrize("state", [None, [1], "x", 3])
def test_a_state_is_a_dict(state):
    with pytest.raises(OptionError, match="^load_state_dict of Sequential: expected a dict of arrays by name"):
        model().load_state_dict(state)


@pytest.mark.parametrize("wrap", [tg.tensor, tg.Parameter, memoryview, np.ndarray.tolist])
def test_a_state_of_tensors_parameters_and_lists(wrap):
    m = model()
    m.load_state_dict({**m.state_dict(), "0.weight": wrap(np.full((4, 6), 2.0, np.float32))})
    assert (m[0].weight.data == 2).all()


@pytest.mark.parametrize("value", [[[1], [1, 2]], None, np.full(6, "a"), np.ma.masked_array(np.ones(6), True)])
def test_a_buffer_takes_numbers(value):
    with pytest.raises((DTypeError, ShapeError), match="^BatchNorm: running_mean"):
        model()[1].running_mean = value


@pytest.mark.parametrize("value", [[[1], [1, 2]], np.ma.masked_array(np.ones((4, 6)), True)])
@pytest.mark.parametrize("engine", ["tensor", "scalar"])
def test_a_parameter_takes_numbers_of_one_shape(value, engine):
    with pytest.raises(DTypeError, match="^a parameter"):
        model().to(engine)[0].weight.data = value


@pytest.mark.parametrize("value", [np.ones((4, 6), np.float32), tg.tensor(np.ones((4, 6))), 1.0])
def test_numbers_do_not_take_the_place_of_a_parameter(value):
    layer = model()[0]
    with pytest.raises(OptionError, match="^Dense: weight is a Parameter, which .* would put out of training"):
        layer.weight = value
    assert type(layer.weight) is tg.Parameter
    layer.weight = tg.Parameter(np.ones((4, 6)))
    layer.bias = None


@pytest.mark.parametrize("gradient", [
    lambda g: g * 1j, lambda g: np.full(g.shape, "a"), lambda g: np.full(g.shape, None), lambda g: [[1], [1, 2]]])  # fmt: skip
def test_a_hook_gives_a_gradient_of_numbers(gradient):
    m = model()
    m[0].on_gradient(lambda _, g: gradient(g))
    y = m(np.ones((3, 4), np.float32)).sum()
    with pytest.raises(DTypeError, match="^on_gradient of Dense: "):
        y.backward()


@pytest.mark.parametrize("momentum", [5, None, "x", np.nan])
@pytest.mark.parametrize("engine", ["tensor", "scalar"])
def test_a_momentum_that_was_changed_is_looked_at(momentum, engine):
    m = model().to(engine)
    m[1].momentum = momentum
    with pytest.raises(OptionError, match="^batch_norm: momentum must be a number from 0 to 1"):
        m(np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32))


@pytest.mark.parametrize("engine", ["tensor", "scalar"])
@pytest.mark.parametrize("p", [2.0, None, np.nan, "x", -0.5])
def test_a_probability_that_was_changed_is_looked_at(p, engine):
    m = model().to(engine)
    m[2].p = p
    with pytest.raises(OptionError, match="^dropout: p must be a probability"):
        m(np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32))
