"""Pooling beside its definition: which windows there are, ties and NaN, padding, and the sizes at which kernels turn."""

import itertools

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import kernels, ops
from tensorgrad.errors import ShapeError

RNG = np.random.default_rng(0)


def windows(x, kernel, stride, padding, fill):
    """(n, h', w', c, kernel numbers) of an image."""
    around = np.pad(x, ((0, 0), (padding[0],) * 2, (padding[1],) * 2, (0, 0)), constant_values=fill)
    views = np.lib.stride_tricks.sliding_window_view(around, kernel, (1, 2))[:, :: stride[0], :: stride[1]]
    return views.reshape(*views.shape[:4], -1)


SHAPES = [(1, 1, 1, 1), (2, 7, 5, 3), (1, 8, 8, 8), (2, 6, 9, 16), (1, 5, 5, 31), (1, 4, 6, 40)]
KERNELS = [((1, 1), (1, 1), (0, 0)), ((2, 2), (2, 2), (0, 0)), ((2, 2), (2, 2), (1, 1)), ((3, 2), (1, 2), (1, 0)),
           ((2, 3), (3, 3), (0, 1)), ((3, 3), (2, 2), (1, 1)), ((2, 2), (3, 3), (0, 0))]  # fmt: skip
CASES = [(s, *k) for s, k in itertools.product(SHAPES, KERNELS)
         if all(n + 2 * p >= size for n, size, p in zip(s[1:3], k[0], k[2], strict=True))]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("shape", "kernel", "stride", "padding"), CASES)
def test_values_and_gradients_of_every_window(shape, kernel, stride, padding, dtype):
    x = RNG.normal(size=shape).astype(dtype)
    largest, means = (windows(x, kernel, stride, padding, fill) for fill in (-np.inf, 0))
    options = {"kernel_size": kernel, "stride": stride, "padding": padding}
    np.testing.assert_array_equal(ops.max_pool2d(x, **options), largest.max(-1))
    np.testing.assert_allclose(ops.avg_pool2d(x, **options), means.mean(-1), rtol=1e-5, atol=1e-6)
    g = RNG.normal(size=largest.shape[:-1]).astype(dtype)
    places = windows(np.arange(x.size).reshape(shape), kernel, stride, padding, -1)
    winner = np.take_along_axis(places, largest.argmax(-1)[..., None], -1)
    for op, share, at in ((ops.max_pool2d, g[..., None], winner),
                          (ops.avg_pool2d, np.repeat(g[..., None] / places.shape[-1], places.shape[-1], -1), places)):  # fmt: skip
        leaf = tg.tensor(x, requires_grad=True)
        op(leaf, **options).backward(g)
        expected = np.zeros(x.size + 1)
        np.add.at(expected, at, share)
        np.testing.assert_allclose(leaf.grad, expected[:-1].reshape(shape), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [4, 16, 17])
def test_ties_and_nan_on_both_sides_of_a_byte(size):
    """The first of equal numbers, the last NaN: also in windows that are too large to note where it was."""
    assert (size * size > kernels.MANY) == (size == 17)
    for numbers, winner in (({}, 0), ({5: 1.0, 7: 1.0}, 5), ({3: np.nan, 9: np.nan, 11: 2.0}, 9), ({2: np.inf}, 2)):
        x = np.zeros(size * size)
        x[list(numbers)] = list(numbers.values())
        leaf = tg.tensor(x.reshape(1, size, size, 1), requires_grad=True)
        y = ops.max_pool2d(leaf, size)
        np.testing.assert_array_equal(y.numpy().ravel(), x[winner])
        y.sum().backward()
        np.testing.assert_array_equal(leaf.grad.ravel(), np.eye(size * size)[winner])


def test_what_a_number_gets_from_windows_that_overlap():
    x = tg.tensor(np.array([0.0, 9, 0, 0]).reshape(1, 4, 1), requires_grad=True)
    ops.max_pool1d(x, 2, stride=1).backward(np.array([1.0, 10, 100]).reshape(1, 3, 1))
    np.testing.assert_array_equal(x.grad.ravel(), [0, 11, 100, 0])


@pytest.mark.parametrize(("n", "count"), [(7, 3), (3, 7), (10, 4), (5, 5), (1, 3), (12, 1)])
def test_adaptive_windows(n, count):
    x = RNG.normal(size=(2, n, 3))
    cuts = [(i * n // count, -(-(i + 1) * n // count)) for i in range(count)]
    for op, reduce in ((ops.adaptive_max_pool1d, np.max), (ops.adaptive_avg_pool1d, np.mean)):
        expected = np.stack([reduce(x[:, a:b], axis=1) for a, b in cuts], 1)
        np.testing.assert_allclose(op(x, output_size=count), expected, rtol=1e-12)


def test_upsampling_repeats_and_sums_back():
    x = tg.tensor(RNG.normal(size=(2, 3, 4, 5)), requires_grad=True)
    y = ops.upsample(x, (2, 3))
    np.testing.assert_array_equal(y.numpy(), x.numpy().repeat(2, 1).repeat(3, 2))
    g = RNG.normal(size=y.shape)
    y.backward(g)
    np.testing.assert_allclose(x.grad, g.reshape(2, 3, 2, 4, 3, 5).sum((2, 4)), rtol=1e-12)


def test_images_that_are_not_in_order():
    x = RNG.normal(size=(2, 3, 6, 4))
    turned, ordered = x.transpose(0, 2, 3, 1), np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    for op in (ops.max_pool2d, ops.avg_pool2d):
        np.testing.assert_array_equal(op(turned, 2), op(ordered, 2))
    np.testing.assert_array_equal(ops.upsample(turned, 2), ops.upsample(ordered, 2))


@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
def test_derivatives_of_derivatives(name):
    x, op = RNG.normal(size=(1, 5, 5, 2)), getattr(ops, name)
    report = tg.gradcheck(lambda x: (tg.grad(lambda x: (op(x, 3, stride=2, padding=1) ** 3).sum())(x) ** 2).sum(), x)
    assert report, str(report)


def test_images_without_numbers():
    for op in (ops.max_pool2d, ops.avg_pool2d):
        x = tg.tensor(np.zeros((0, 4, 4, 3)), requires_grad=True)
        op(x, 2).sum().backward()
        assert x.grad.shape == (0, 4, 4, 3)
        with pytest.raises(ShapeError, match=r"the kernel 1 is larger than the image \(0, 4\) with padding 0"):
            op(np.zeros((1, 0, 4, 3)), 1)
    assert ops.upsample(np.zeros((1, 0, 3)), 2).shape == (1, 0, 3)
