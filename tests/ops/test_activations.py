"""Activations where it is hard to be right: far from 0, at infinities, at bounds; and clip as NumPy has it."""

import mpmath
import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import ops

mp = mpmath.MPContext()
mp.dps = 60
A = 2 * mp.sqrt(2 / mp.pi)
B = A * mp.mpf("0.044715")


def sigmoid(x):
    return 1 / (1 + mp.exp(-x))


def log1p(x):
    return mp.log1p(x)


def normal(x):
    """The probability of less than x, and its density."""
    return mp.erfc(-x / mp.sqrt(2)) / 2, mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)


def of_gelu(x):
    probability, density = normal(x)
    return x * probability, probability + x * density


def of_gelu_tanh(x):
    s = A * x + B * x**3
    return x * sigmoid(s), sigmoid(s) + x * sigmoid(s) * sigmoid(-s) * (A + 3 * B * x * x)


def of_mish(x):
    e = mp.exp(x)
    bottom = e * e + 2 * e + 2
    return x * e * (e + 2) / bottom, e * (e + 2) / bottom + 4 * x * e * (1 + e) / bottom**2


TRUTH = {  # value and slope
    "softplus": lambda x: (log1p(mp.exp(x)), sigmoid(x)),
    "log_sigmoid": lambda x: (-log1p(mp.exp(-x)), sigmoid(-x)),
    "silu": lambda x: (x * sigmoid(x), sigmoid(x) + x * sigmoid(x) * sigmoid(-x)),
    "mish": of_mish,
    "gelu_erf": of_gelu,
    "gelu_tanh": of_gelu_tanh,
    "elu": lambda x: (x, mp.mpf(1)) if x > 0 else (mp.expm1(x), mp.exp(x)),
    "softsign": lambda x: (x / (1 + abs(x)), 1 / (1 + abs(x)) ** 2),
}
# Left of their minimum near -1 the slopes have all their digits again.
RANGES = [(-1e-3, 1e-3), (-0.6, 1), (-8, -2), (-40, -8), (-110, -40), (-760, -110), (-1e4, -760), (1, 40), (40, 1e4)]


def worst(got, truth):
    """The largest error in units in the last place; results below the normal numbers count in the smallest step."""
    places = np.spacing(np.abs(np.array(truth, float)).astype(got.dtype))
    return max(float(abs(mp.mpf(float(a)) - t)) / float(p) for a, t, p in zip(got, truth, places, strict=True))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", TRUTH)
def test_value_and_slope_keep_their_digits(name, dtype):
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(low, high, 67) for low, high in RANGES]).astype(dtype)
    t = tg.tensor(x, requires_grad=True)
    y = getattr(ops, name)(t)
    y.sum().backward()
    values, slopes = zip(*(TRUTH[name](mp.mpf(float(v))) for v in x), strict=True)
    assert worst(y.numpy(), values) <= 4
    assert worst(t.grad, slopes) <= 6


LIMITS = {  # at -inf and inf: values, slopes
    "softplus": ([0, np.inf], [0, 1]), "log_sigmoid": ([-np.inf, 0], [1, 0]), "silu": ([0, np.inf], [0, 1]),
    "mish": ([0, np.inf], [0, 1]), "gelu": ([0, np.inf], [0, 1]), "gelu_tanh": ([0, np.inf], [0, 1]),
    "elu": ([-1, np.inf], [0, 1]), "celu": ([-1, np.inf], [0, 1]), "hard_swish": ([0, np.inf], [0, 1]),
    "selu": ([-1.0507009873554805 * 1.6732632423543772, np.inf], [0, 1.0507009873554805]), "softsign": ([-1, 1], [0, 0]),
    "relu6": ([0, 6], [0, 0]), "hardtanh": ([-1, 1], [0, 0]), "hard_sigmoid": ([0, 1], [0, 0]),
    "leaky_relu": ([-np.inf, np.inf], [0.01, 1]),
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LIMITS)
def test_limits_at_infinity(name, dtype):
    x = tg.tensor(np.array([-np.inf, np.inf] * 9, dtype), requires_grad=True)
    y = getattr(ops, name)(x)
    y.sum().backward()
    for got, expected in zip((y.numpy(), x.grad), LIMITS[name], strict=True):
        np.testing.assert_array_equal(got, np.array(expected * 9, dtype))


def test_logaddexp_of_infinities():
    x, y = (np.array(a) for a in ([np.inf, -np.inf, np.inf, 1.0, np.nan], [np.inf, -np.inf, -np.inf, -np.inf, 0.0]))
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(ops.logaddexp(x, y), np.logaddexp(x, y))


@pytest.mark.parametrize("name", TRUTH)
def test_zeros_keep_their_sign(name):
    y = getattr(ops, name)(np.array([0.0, -0.0] * 9))
    if name not in ("softplus", "log_sigmoid"):
        assert np.signbit(y).tolist() == [False, True] * 9 and not y.any()


# ---- clip ------------------------------------------------------------------------------------------------------------
X = np.array([[-2.0, -0.5, 0.25], [0.5, 1.0, 3.0]])


@pytest.mark.parametrize(
    ("args", "options"),
    [
        ((-1, 1), {}), ((None, 1), {}), ((0.25, None), {}), ((), {"min": 0}), ((), {"max": 0}), ((), {"a_min": 0, "a_max": 1}),
        ((np.array([-1.0, 0, 1]), 2), {}), ((1, -1), {}), ((np.array([[0.0], [1.0]]), np.array([1.0, 2.0, 0.0])), {}), ((), {}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_clip_is_numpys(args, options, dtype):
    x = X.astype(dtype)
    y = np.clip(tg.tensor(x), *args, **options)
    expected = np.clip(x, *(a if a is None else np.asarray(a, dtype) for a in args), **options)
    assert y.dtype == dtype
    np.testing.assert_array_equal(y.numpy(), expected)
    if "a_min" not in options:
        np.testing.assert_array_equal(tg.tensor(x).clip(*args, **options).numpy(), expected)


def test_clip_gives_gradients_to_bounds():
    x, low = tg.tensor(X, requires_grad=True), tg.tensor([0.25, -1.0, 5.0], requires_grad=True, dtype="float64")
    ops.clip(x, low, 6).sum().backward()
    np.testing.assert_array_equal(x.grad, [[0, 1, 0], [1, 1, 0]])
    np.testing.assert_array_equal(low.grad, [1, 0, 2])


def test_swish_is_silu():
    assert ops.swish is ops.silu
