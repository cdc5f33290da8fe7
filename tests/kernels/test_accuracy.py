"""exp, tanh and sigmoid against more digits than they have: dense ranges, special numbers, signs of zero."""

import mpmath
import numpy as np
import pytest

from tensorgrad import kernels

mp = mpmath.MPContext()
mp.prec = 120


def run(name, x):
    out = np.empty_like(x)
    getattr(kernels, name)(x, out)
    return out


def truth32(name, x):
    """float64 is truth enough for float32: 29 bits more."""
    wide = x.astype(np.float64)
    with np.errstate(over="ignore"):
        return {"exp": np.exp, "tanh": np.tanh, "sigmoid": lambda v: 1 / (1 + np.exp(-v))}[name](wide)


def truth64(name, x):
    f = {"exp": mp.exp, "tanh": mp.tanh, "sigmoid": lambda v: 1 / (1 + mp.exp(-v))}[name]
    return [f(mp.mpf(float(v))) for v in x]


def worst(y, truth):
    """The largest error in units in the last place of the true value; subnormal results count in the smallest step."""
    places = np.spacing(np.abs(np.asarray(truth, float)).astype(y.dtype))
    errors = [abs(mp.mpf(float(a)) - t) / mp.mpf(float(p)) for a, t, p in zip(y, truth, places, strict=True)]
    return float(max(errors))


ULPS = {"exp": 1.5, "tanh": 3, "sigmoid": 3}
RANGES32 = {
    "exp": [(-103.9, 88.72), (-1, 1), (-87.4, -87.2), (-103.97, -87.3), (88.3, 88.72)],
    "tanh": [(-10, 10), (-0.7, 0.7), (0.6249, 0.6251), (8, 10)],
    "sigmoid": [(-87, 20), (-1, 1), (-103, -87)],
}
RANGES64 = {
    "exp": [(-745.1, 709.7), (-1, 1), (-745.13, -708), (709, 709.78)],
    "tanh": [(-20, 20), (-0.7, 0.7), (0.62499, 0.62501)],
    "sigmoid": [(-700, 40), (-1, 1), (-745, -708)],
}


@pytest.mark.parametrize("name", ULPS)
def test_float32_over_dense_ranges(name):
    for low, high in RANGES32[name]:
        x = np.linspace(low, high, 400_001).astype(np.float32)
        y, truth = run(name, x), truth32(name, x)
        with np.errstate(over="ignore", under="ignore"):
            places = np.spacing(np.abs(truth).astype(np.float32)).astype(float)
        finite = np.isfinite(places)
        assert (np.abs(y.astype(float) - truth) / places)[finite].max() <= ULPS[name], (low, high)
        if name != "exp" or high < 88:
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


@pytest.mark.parametrize("name", ["exp", "tanh", "sigmoid"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_number_has_the_same_bits_at_every_place(name, dtype):
    x = np.linspace(-5, 5, 67).astype(dtype)
    together = run(name, x)
    for offset in (0, 1, 13, 64, 66):
        np.testing.assert_array_equal(run(name, x[offset:].copy()), together[offset:])
