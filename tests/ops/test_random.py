"""The counter generator: its published numbers, where shares begin, how often and how independently it drops."""

import numpy as np
import pytest
from scipy import stats

import tensorgrad as tg
from tensorgrad import kernels, ops
from tensorgrad.kernels._jit import jit
from tensorgrad.kernels.random import philox
from tensorgrad.ops import random

# Of Random123's kat_vectors: counter, key, words.
PUBLISHED = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]
STATE = np.array([123456789.0, 4294967295.0, 5.0])
N = 200_000


@jit
def _block(c, k, out):
    out[0], out[1], out[2], out[3] = philox(c[0], c[1], c[2], c[3], k[0], k[1])


@pytest.mark.parametrize(("counter", "key", "expected"), PUBLISHED)
def test_published_numbers(counter, key, expected):
    counter, key, expected = (
        np.array([int(word, 16) for word in text.split()], np.uint32) for text in (counter, key, expected)
    )
    np.testing.assert_array_equal(random.philox(counter, key), expected)
    found = np.empty(4, np.uint32)
    _block(counter, key, found)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("first", [0, 1, 15, 16, 63, 64, 100, 2**36 - 70])
@pytest.mark.parametrize("count", [0, 1, 17, 64, 200])
def test_a_share_begins_anywhere(first, count):
    """Elements first, first + 1 ... get what they get when all are made at once."""
    x, p = np.ones(count), np.array([0.3])
    dropped, noisy, factor = (np.empty(count) for _ in range(3))
    kernels.dropout(x, STATE, p, np.array([first]), dropped, factor)
    kernels.gaussian_noise(x, STATE, p, np.array([first]), noisy)
    block = first // 64 * 16
    element = np.arange(first % 64, first % 64 + count)
    counters = element // 64 * 16 + element % 16 + block
    counter = np.stack(np.broadcast_arrays(counters % 2**32, counters // 2**32, 5, 0), -1)
    words = random.philox(counter, STATE[:2])[np.arange(count), element % 64 // 16]
    np.testing.assert_array_equal(dropped, np.where(words < np.floor(0.3 * 2**32 + 0.5), 0, 1 / 0.7))
    np.testing.assert_array_equal(dropped, factor)
    if first < 2**20:
        expected = 1 + 0.3 * random.normals(STATE, first + count)[first:]
        np.testing.assert_allclose(noisy, expected, rtol=1e-14, atol=1e-15)


def dropped(p=0.5, key=(1, 2), step=0, count=N):
    return ops.dropout(np.ones(count, np.float32), np.array([*key, step], float), p=p) == 0


@pytest.mark.parametrize("p", [0.001, 0.1, 0.5, 0.9, 0.999])
def test_how_often(p):
    """Over keys, steps and the places of elements: counts that the binomial distribution does not all but rule out."""
    for counts, n in (
        ([dropped(p, key=(k, 7)).sum() for k in range(4)], N),
        ([dropped(p, step=s).sum() for s in range(4)], N),
        (np.sum([dropped(p, step=s, count=64 * 500).reshape(-1, 64) for s in range(6)], axis=(0, 1)), 3000),
    ):
        low, high = stats.binom.ppf([1e-6, 1 - 1e-6], n, p)
        assert low <= min(counts) <= max(counts) <= high


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_independence(p):
    """Of neighbours, of elements that share a block, of steps, of keys: both dropped as often as p * p says."""
    one = dropped(p)
    pairs = [(one[:-d], one[d:]) for d in (1, 2, 16, 32, 48, 64, 1024)]
    pairs += [(one, dropped(p, step=s)) for s in (1, 2, 2**31, 2**32)]
    pairs += [(one, dropped(p, key=key)) for key in ((2, 1), (1, 3), (0, 2), (1, 2 + 2**31))]
    for a, b in pairs:
        n, q = len(a), p * p
        assert abs((a & b).sum() - n * q) <= 4.5 * np.sqrt(n * q * (1 - q))


def test_normal_numbers():
    z = ops.gaussian_noise(np.zeros(N), STATE, std=1)
    assert stats.kstest(z, "norm").pvalue > 0.01
    assert abs(z.mean()) < 4.5 / np.sqrt(N)
    assert abs(z.var() - 1) < 4.5 * np.sqrt(2 / N)
    for d in (1, 16, 32, 64):
        assert abs(np.mean(z[:-d] * z[d:])) < 4.5 / np.sqrt(N)
        assert abs(np.mean(z[:-d] ** 2 * z[d:] ** 2) - 1) < 4.5 * np.sqrt(8 / N)
    np.testing.assert_allclose(z, random.normals(STATE, N), rtol=1e-13, atol=1e-15)
    single = ops.gaussian_noise(np.zeros(N, np.float32), STATE, std=1)
    np.testing.assert_array_equal(single, z.astype(np.float32))


def test_a_channel_is_dropped_as_a_whole():
    y = ops.channel_dropout(np.ones((200, 3, 3, 16)), STATE, p=0.25)
    assert np.all(y == y[:, :1, :1])
    flat = y[:, 0, 0].ravel()
    np.testing.assert_array_equal(flat, ops.dropout(np.ones(3200), STATE, p=0.25))


@pytest.mark.parametrize("op", [ops.dropout, ops.channel_dropout, ops.gaussian_noise])
def test_derivatives_of_derivatives(op):
    x = np.random.default_rng(0).normal(size=(4, 5))
    report = tg.gradcheck(lambda x: (tg.grad(lambda x: (op(x, STATE) ** 3).sum())(x) ** 2).sum(), x)
    assert report, str(report)


def test_a_gradient_is_zero_where_a_number_was_dropped():
    x = tg.tensor(np.ones(1000), requires_grad=True)
    y = ops.dropout(x, STATE, p=0.5)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad, y.numpy())
    assert set(np.unique(x.grad)) == {0.0, 2.0}


@pytest.mark.parametrize("p", [1 - 2**-53, 1 - 2**-33, 2**-34, 5e-324])
def test_probabilities_near_the_ends(p):
    y = ops.dropout(np.ones(1000), STATE, p=p)
    assert np.all((y == 0) | (y == 1 / (1 - p)))
    assert (y == 0).mean() == (p > 0.5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_arrays_have_the_same_noise_on_any_number_of_threads(dtype):
    x = np.ones((50, 60, 70), dtype)
    found = []
    for count in (1, 2, 3):
        tg.set_threads(count)
        try:
            found.append([op(x, STATE).tobytes() for op in (ops.dropout, ops.channel_dropout, ops.gaussian_noise)])
        finally:
            tg.set_threads(None)
    assert found[0] == found[1] == found[2]
    np.testing.assert_array_equal(np.frombuffer(found[2][0], dtype), random.factors(STATE, 0.5, x.size))
