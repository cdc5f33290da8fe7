"""Initial weights: their variance, bounds and shapes, and what is refused. PyTorch's are compared in tests/oracle."""

import functools
import pickle

import numpy as np
import pytest

from tensorgrad import nn
from tensorgrad.errors import OptionError, ShapeError
from tensorgrad.nn import initialisers
from tensorgrad.nn.initialisers import INITIALISERS, fans

SHAPES = {"dense": (200, 300), "convolution": (3, 3, 40, 50), "depthwise": (3, 3, 1, 800), "1d": (5, 60, 40)}
FANS = {"dense": (200, 300), "convolution": (360, 450), "depthwise": (9, 7200), "1d": (300, 200)}
VARIANCE = {
    "glorot_normal": lambda i, o: 2 / (i + o),
    "glorot_uniform": lambda i, o: 2 / (i + o),
    "he_normal": lambda i, o: 2 / i,
    "he_uniform": lambda i, o: 2 / i,
    "lecun_normal": lambda i, o: 1 / i,
    "lecun_uniform": lambda i, o: 1 / i,
    "normal": lambda i, o: 0.05**2,
    "truncated_normal": lambda i, o: (0.05 * 0.87962566) ** 2,
    "uniform": lambda i, o: 0.1**2 / 12,
}


@pytest.mark.parametrize("shape", [*SHAPES])
def test_fans_of_dense_and_convolution_weights(shape):
    assert fans(SHAPES[shape]) == FANS[shape]


def test_fans_of_vectors_and_numbers():
    assert (fans((7,)), fans(())) == ((7, 7), (1, 1))


@pytest.mark.parametrize("shape", [*SHAPES])
@pytest.mark.parametrize("name", VARIANCE)
def test_variance_and_mean(name, shape):
    w = INITIALISERS[name](np.random.default_rng(0), SHAPES[shape])
    variance = VARIANCE[name](*FANS[shape])
    bound = np.abs(w).max() / np.sqrt(variance)
    assert w.shape == SHAPES[shape]
    assert abs(w.var() / variance - 1) < 4 * np.sqrt(2 / w.size)  # standard errors of a normal sample; others have less
    assert abs(w.mean()) < 4 * np.sqrt(variance / w.size)
    if name.endswith("uniform"):
        assert np.sqrt(3) * 0.98 < bound <= np.sqrt(3)
    elif name == "truncated_normal":
        assert 0.99 * 2 / 0.87962566 < bound <= 2 / 0.87962566
    else:
        assert bound > 3


@pytest.mark.parametrize("name", ["he_normal", "he_uniform", "glorot_normal", "glorot_uniform", "lecun_normal",
                                  "lecun_uniform", "orthogonal"])  # fmt: skip
def test_gain_is_a_factor(name):
    plain, twice = (INITIALISERS[name](np.random.default_rng(0), (6, 4), **o) for o in ({}, {"gain": 2.0}))
    np.testing.assert_allclose(twice, 2 * plain, rtol=1e-15)


@pytest.mark.parametrize("shape", [(5, 5), (7, 3), (3, 7), (3, 3, 2, 8), (3, 3, 2, 40), (1, 1)])
def test_orthogonal(shape):
    w = initialisers.orthogonal(np.random.default_rng(0), shape, gain=1.5).reshape(-1, shape[-1])
    few = w.T @ w if len(w) >= w.shape[1] else w @ w.T
    np.testing.assert_allclose(few, 1.5**2 * np.eye(len(few)), atol=1e-14)


def test_orthogonal_matrices_are_drawn_evenly():
    """Without the signs of R's diagonal, the first number of Q would always be negative."""
    first = [initialisers.orthogonal(np.random.default_rng(i), (3, 3))[0, 0] for i in range(200)]
    assert 70 < np.sum(np.array(first) > 0) < 130


def test_truncated_normal_is_not_clipped():
    x = np.abs(initialisers.truncated_normal(np.random.default_rng(0), (200, 300), std=1.0))
    assert len(np.unique(x)) == x.size
    assert 0 < np.mean(x > 1.9) < 0.02


def test_zeros_and_constant():
    assert not initialisers.zeros(None, (3, 2)).any()
    assert (initialisers.constant(None, (3, 2), 0.5) == 0.5).all()


@pytest.mark.parametrize("name", INITIALISERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_layers_take_names(name, dtype):
    layer = nn.Dense(20, 30, init=name, rng=3, dtype=dtype)
    expected = INITIALISERS[name](np.random.default_rng(3), (20, 30)).astype(dtype)
    np.testing.assert_array_equal(layer.weight.data, expected)
    assert not layer.bias.data.any()
    np.testing.assert_array_equal(nn.Sequential(layer).reset(3)[0].weight.data, expected)


def test_layers_take_functions():
    layer = nn.Dense(20, 30, init=functools.partial(initialisers.normal, mean=5.0, std=0.1), rng=0)
    assert abs(layer.weight.data.mean() - 5) < 0.02
    again = pickle.loads(pickle.dumps(layer)).reset(0)
    np.testing.assert_array_equal(again.weight.data, layer.weight.data)
    assert (nn.Dense(2, 3, init=lambda rng, shape: np.full(shape, 7)).weight.data == 7).all()


@pytest.mark.parametrize(
    ("draw", "error", "text"),
    [
        (lambda r: initialisers.uniform(r, (2,), 1, -1), OptionError, "uniform: low must not be above high, got 1 and -1"),
        (lambda r: initialisers.normal(r, (2,), std=-1), OptionError,
         "normal: std must be a number of at least 0, got -1"),
        (lambda r: initialisers.normal(r, (2,), mean="0"), OptionError, "normal: mean must be a finite number, got '0'"),
        (lambda r: initialisers.truncated_normal(r, (2,), std=np.nan), OptionError,
         "truncated_normal: std must be a number of at least 0, got nan"),
        (lambda r: initialisers.constant(r, (2,), None), OptionError, "constant: value must be a finite number, got None"),
        (lambda r: initialisers.he_normal(r, (2, 2), gain=np.inf), OptionError,
         "he_normal: gain must be a finite number, got inf"),
        (lambda r: initialisers.orthogonal(r, (2,)), ShapeError,
         "orthogonal: expected a weight with at least 2 axes, got shape (2,)"),
        (lambda r: nn.Dense(2, 3, init=lambda rng, shape: np.ones(2)), ShapeError,
         "Dense: init <lambda> gave numbers of shape (2,), expected (2, 3)"),
        (lambda r: nn.Embedding(2, 3, init="he"), OptionError,
         "Embedding: unknown init 'he' (known: 'he_normal', 'he_uniform', 'glorot_uniform', 'glorot_normal', 'lecun_normal', "
         "'lecun_uniform', 'orthogonal', 'normal', 'truncated_normal', 'uniform', 'constant', 'ones', 'zeros')"),
        (lambda r: nn.Dense(2, 3, init=np.ones((2, 3))), OptionError,
         "Dense: init must be a name or a function (rng, shape) -> numbers, got an array of shape (2, 3); "
         "set numbers afterwards: layer.weight.data = array"),
        (lambda r: nn.Dense(2, 3, init=initialisers.normal(std=0.02)), OptionError,
         "normal: expected (rng, shape) and options; a layer calls it with those two, and gets options by "
         "init=functools.partial(nn.initialisers.normal, std=0.02)"),
    ],
    ids=range(11),
)  # fmt: skip
def test_what_is_refused(draw, error, text):
    with pytest.raises(error) as raised:
        draw(np.random.default_rng(0))
    assert str(raised.value) == text


@pytest.mark.parametrize("groups", [1, 2])
def test_a_transposed_convolution_keeps_the_size_of_signals(groups):
    """With stride 1 it is a convolution, from its inputs to its outputs: with ReLU in mind, of twice their variance."""
    layer = nn.ConvTranspose2d(256, 4, 3, groups=groups, padding=1, rng=0)
    x = np.random.default_rng(0).normal(size=(2, 20, 20, 256)).astype("float32")
    assert layer(x)[:, 1:-1, 1:-1].std() == pytest.approx(2**0.5, rel=0.1)


def test_each_group_of_a_transposed_convolution_has_the_weights_that_were_drawn_for_it():
    def numbered(rng, shape):
        assert shape == (1, 1, 2, 6)  # height, width, in / groups, out
        return np.arange(12).reshape(shape)

    layer = nn.ConvTranspose2d(4, 6, 1, groups=2, init=numbered)
    assert layer.weight.data[0, 0].tolist() == [[0, 6, 3, 9], [1, 7, 4, 10], [2, 8, 5, 11]]  # out / groups, in


def test_what_is_public_are_the_initialisers():
    assert set(initialisers.__all__) == {"fans", *initialisers.INITIALISERS}
