"""The elementary functions against more digits than they have: dense ranges, special numbers, signs of zero."""

import mpmath
import numpy as np
import pytest
import scipy.special

from tensorgrad.kernels import Kernel
from tensorgrad.kernels._functions import LIMIT32, LIMIT64

mp = mpmath.MPContext()
mp.prec = 120
WIDE = {"sigmoid": lambda v: 1 / (1 + np.exp(-v)), "erf": scipy.special.erf}
EXACT = {
    "sigmoid": lambda v: 1 / (1 + mp.exp(-v)), "log2": lambda v: mp.log(v) / mp.ln2, "reciprocal": lambda v: 1 / v,
    "arcsin": mp.asin, "arccos": mp.acos, "arctan": mp.atan,
}  # fmt: skip


def run(name, x):
    out = np.empty_like(x)
    Kernel.registry[name](x, out)
    return out


def truth32(name, x):
    """float64 is truth enough for float32: 29 bits more."""
    with np.errstate(all="ignore"):
        return (WIDE.get(name) or getattr(np, name))(x.astype(np.float64))


def truth64(name, x):
    f = EXACT.get(name) or getattr(mp, name)
    return [f(mp.mpf(float(v))) for v in x]


def worst(y, truth):
    """The largest error in units in the last place of the true value; subnormal results count in the smallest step."""
    places = np.spacing(np.abs(np.asarray(truth, float)).astype(y.dtype))
    errors = [abs(mp.mpf(float(a)) - t) / mp.mpf(float(p)) for a, t, p in zip(y, truth, places, strict=True)]
    return float(max(errors))


ULPS = {
    "exp": 1.5, "tanh": 3, "sigmoid": 3, "sqrt": 0.51, "reciprocal": 0.51, "log": 1, "log2": 2, "log1p": 1, "expm1": 2,
    "sinh": 2.5, "cosh": 2, "sin": 2.5, "cos": 2.5, "tan": 3.5, "arcsin": 2.5, "arccos": 1.5, "arctan": 2.5, "erf": 1.5,
}  # fmt: skip
MONOTONE = {"exp", "tanh", "sigmoid", "sqrt", "log", "log2", "log1p", "expm1", "sinh", "arcsin", "arctan", "erf"}
RANGES32 = {
    "exp": [(-103.9, 88.72), (-1, 1), (-87.4, -87.2), (-103.97, -87.3), (88.3, 88.72)],
    "tanh": [(-10, 10), (-0.7, 0.7), (0.6249, 0.6251), (8, 10)],
    "sigmoid": [(-87, 20), (-1, 1), (-103, -87)],
    "sqrt": [(0, 3), (0, 1e-38), (1, 3e38)],
    "reciprocal": [(1e-3, 3), (-3e38, -1)],
    "log": [(0.5, 2), (0.99, 1.01), (1e-45, 1e-38), (1e-30, 1), (1, 3e38)],
    "log2": [(0.5, 2), (0.99, 1.01), (1e-45, 1e-38), (1e-30, 1), (1, 3e38)],
    "log1p": [(-1 + 1e-7, 1), (-1e-3, 1e-3), (-0.5, -0.2), (0.3, 0.6), (-1e-38, 1e-38), (1, 3e38)],
    "expm1": [(-20, 20), (-1, 1), (-0.4, -0.3), (0.3, 0.4), (-1e-38, 1e-38), (80, 88.72)],
    "sinh": [(-20, 20), (-1, 1), (-1e-3, 1e-3), (-1e-38, 1e-38), (80, 89.41), (-89.41, -80)],
    "cosh": [(-20, 20), (-1, 1), (80, 89.41)],
    "sin": [(-3.2, 3.2), (-100, 100), (-12800, 12800), (9000, 9001), (3.1415, 3.1417), (-1e-38, 1e-38)],
    "cos": [(-3.2, 3.2), (-100, 100), (-12800, 12800), (9000, 9001), (1.5707, 1.5709), (-1e-38, 1e-38)],
    "tan": [(-3.2, 3.2), (-100, 100), (-12800, 12800), (9000, 9001), (1.5707, 1.5709), (-1e-38, 1e-38)],
    "arcsin": [(-1, 1), (0.49, 0.51), (-1e-3, 1e-3), (0.9999, 1), (-1e-38, 1e-38)],
    "arccos": [(-1, 1), (0.49, 0.51), (-1e-3, 1e-3), (0.9999, 1), (-1, -0.9999)],
    "arctan": [(-3, 3), (0.41, 0.42), (2.40, 2.43), (-1e4, 1e4), (1, 3e38), (-1e-38, 1e-38)],
    "erf": [(-4.5, 4.5), (0.91, 0.93), (-1e-3, 1e-3), (3.8, 4.2), (-1e-38, 1e-38)],
}
RANGES64 = {
    "exp": [(-745.1, 709.7), (-1, 1), (-745.13, -708), (709, 709.78)],
    "tanh": [(-20, 20), (-0.7, 0.7), (0.62499, 0.62501)],
    "sigmoid": [(-700, 40), (-1, 1), (-745, -708)],
    "sqrt": [(0, 3), (0, 1e-308), (1, 1e308)],
    "reciprocal": [(1e-3, 3), (-1e307, -1)],
    "log": [(0.5, 2), (0.99, 1.01), (1e-322, 1e-308), (1e-200, 1), (1, 1e308)],
    "log2": [(0.5, 2), (0.99, 1.01), (1e-322, 1e-308), (1e-200, 1), (1, 1e308)],
    "log1p": [(-1 + 1e-15, 1), (-1e-3, 1e-3), (-0.5, -0.2), (0.3, 0.6), (-1e-308, 1e-308), (1, 1e308)],
    "expm1": [(-40, 40), (-1, 1), (-0.4, -0.3), (0.3, 0.4), (-1e-308, 1e-308), (700, 709.78)],
    "sinh": [(-40, 40), (-1, 1), (-1e-3, 1e-3), (-1e-308, 1e-308), (700, 710.47), (-710.47, -700)],
    "cosh": [(-40, 40), (-1, 1), (700, 710.47)],
    "sin": [(-3.2, 3.2), (-100, 100), (-1e6, 1e6), (3.1415926, 3.1415927), (-1e-308, 1e-308)],
    "cos": [(-3.2, 3.2), (-100, 100), (-1e6, 1e6), (1.5707963, 1.5707964), (-1e-308, 1e-308)],
    "tan": [(-3.2, 3.2), (-100, 100), (-1e6, 1e6), (1.5707963, 1.5707964), (-1e-308, 1e-308)],
    "arcsin": [(-1, 1), (0.49, 0.51), (-1e-3, 1e-3), (0.9999, 1), (-1e-308, 1e-308)],
    "arccos": [(-1, 1), (0.49, 0.51), (-1e-3, 1e-3), (0.9999, 1), (-1, -0.9999)],
    "arctan": [(-3, 3), (0.41, 0.42), (2.40, 2.43), (-1e4, 1e4), (1, 1e308), (-1e-308, 1e-308)],
    "erf": [(-6, 6), (-1e-3, 1e-3), (-1e-308, 1e-308)],
}


@pytest.mark.parametrize("name", ULPS)
def test_float32_over_dense_ranges(name):
    for low, high in RANGES32[name]:
        x = np.linspace(low, high, 400_001).astype(np.float32)
        y, truth = run(name, x), truth32(name, x)
        with np.errstate(all="ignore"):
            places = np.spacing(np.abs(truth).astype(np.float32)).astype(float)
        finite = np.isfinite(places)
        assert (np.abs(y[finite].astype(float) - truth[finite]) / places[finite]).max() <= ULPS[name], (low, high)
        if name in MONOTONE and (name != "exp" or high < 88):
            assert (np.diff(y.astype(float)) >= -2 * places[1:]).all(), (low, high)


@pytest.mark.parametrize("name", ULPS)
def test_float64_over_ranges(name):
    for low, high in RANGES64[name]:
        x = np.linspace(low, high, 1501)
        assert worst(run(name, x), truth64(name, x)) <= ULPS[name], (low, high)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("length", [1, 7, 8, 33])
def test_special_numbers(dtype, length):
    """In every lane of a vector and in the rest behind the last whole one."""
    info = np.finfo(dtype)
    x = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, info.smallest_subnormal, -info.tiny, info.max, info.min], dtype)
    expected = {
        "exp": [np.inf, 0, np.nan, 1, 1, 1, 1, np.inf, 0],
        "tanh": [1, -1, np.nan, 0.0, -0.0, x[5], x[6], 1, -1],
        "sigmoid": [1, 0, np.nan, 0.5, 0.5, 0.5, 0.5, 1, 0],
    }
    for name, numbers in expected.items():
        for value, number in zip(x, numbers, strict=True):
            y = run(name, np.full(length, value))
            np.testing.assert_array_equal(y, np.full(length, number, dtype), err_msg=f"{name}({value})")
            if name != "tanh" or value != 0:  # -0.0 may become 0.0 under "nsz"
                assert not np.signbit(y[0]) or number < 0 or np.isnan(number)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("length", [1, 8, 33])
@pytest.mark.parametrize("name", sorted(ULPS.keys() - {"exp", "tanh", "sigmoid"}))
def test_special_numbers_as_numpy_has_them(name, length, dtype):
    """Infinities, NaN, both zeros with their signs, and the ends of the range and of the domains."""
    info = np.finfo(dtype)
    ends = [np.inf, np.nan, 0.0, info.smallest_subnormal, info.tiny, info.max, 0.5, 1, 2]
    for value in np.array([*ends, *np.negative(ends)], dtype):
        y = run(name, np.full(length, value))
        with np.errstate(all="ignore"):
            expected = np.full(length, (WIDE.get(name) or getattr(np, name))(value), dtype)
        np.testing.assert_array_equal(np.isnan(y), np.isnan(expected), f"{name}({value})")
        np.testing.assert_array_max_ulp(y[~np.isnan(y)], expected[~np.isnan(y)], 4, dtype)
        assert (np.isnan(y) | (np.signbit(y) == np.signbit(expected))).all(), f"{name}({value}) is {y[0]}"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_angles_beyond_the_vectorised_range(name, dtype):
    """A number that is far away is right, and changes no bit of the numbers beside it."""
    limit = {"float32": LIMIT32, "float64": LIMIT64}[dtype]
    near = np.linspace(-limit, limit, 67).astype(dtype)
    far = np.array([limit * 1.01, -1e7, 1e10, 3.3e38, np.inf, -np.inf, np.nan], dtype)
    y = run(name, np.concatenate([far, near]))
    np.testing.assert_array_equal(y[far.size :], run(name, near))
    assert worst(y[:4], truth64(name, far[:4])) <= 2
    assert np.isnan(y[4 : far.size]).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_log2_of_powers_of_two_is_exact(dtype):
    k = np.arange(*{"float32": (-149, 128), "float64": (-1074, 1024)}[dtype])
    np.testing.assert_array_equal(run("log2", np.ldexp(np.ones(k.size, dtype), k)), k)


@pytest.mark.parametrize(("dtype", "low"), [("float32", -87.5), ("float64", -708.5)])
def test_exp_reaches_subnormals_and_its_ends(dtype, low):
    real = np.dtype(dtype).type
    y = run("exp", np.array([low], dtype))
    assert 0 < y[0] < np.finfo(dtype).tiny
    top = real(np.log(np.finfo(dtype).max))
    while np.isinf(np.exp(float(top))) or np.exp(float(top)) > np.finfo(dtype).max:
        top = np.nextafter(top, real(0))
    assert np.isfinite(run("exp", np.array([top], dtype)))[0]
    assert np.isinf(run("exp", np.array([top * real(1.001)], dtype)))[0]


@pytest.mark.parametrize("name", ULPS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_number_has_the_same_bits_at_every_place(name, dtype):
    x = np.linspace(-5, 5, 67).astype(dtype)
    together = run(name, x)
    for offset in (0, 1, 13, 64, 66):
        np.testing.assert_array_equal(run(name, x[offset:].copy()), together[offset:])
