"""Convolutions: ways to call them, and how they are made of each other."""

import numpy as np
import pytest

import tensorgrad as tg
from microgrid import grid, values
from tensorgrad import ops
from tensorgrad.errors import OptionError

RNG = np.random.default_rng(0)
X, W, B = RNG.normal(size=(2, 6, 5, 4)), RNG.normal(size=(3, 2, 4, 6)), RNG.normal(size=6)


@pytest.mark.parametrize("relu", [None, "relu"])
def test_the_bias_may_be_left_out(relu):
    expected = ops.conv2d(X, W, np.zeros(6), activation=relu)
    for b in ((), (None,), (np.zeros(0),)):
        np.testing.assert_array_equal(ops.conv2d(X, W, *b, activation=relu), expected)
        w = tg.tensor(W, requires_grad=True)
        y = ops.conv2d(X, w, *b, activation=relu)
        y.sum().backward()
        assert y.dtype == np.float64 and w.grad.shape == W.shape
    y = ops.conv2d(grid(X[:1, :3, :2]), W, activation=relu)
    np.testing.assert_allclose(values(y), ops.conv2d(X[:1, :3, :2], W, activation=relu), rtol=1e-12, atol=1e-12)
    assert ops.conv2d(X.astype("f"), W.astype("f")).dtype == np.float32
    assert ops.conv_transpose2d(X, W.transpose(0, 1, 3, 2)).shape == (2, 8, 6, 6)
    assert ops.conv1d(X[0], W[0]).shape == (6, 4, 6)


def test_options_as_lists_and_by_position():
    expected = ops.conv2d(X, W, B, stride=(2, 1), padding=((1, 0), (0, 2)))
    np.testing.assert_array_equal(ops.conv2d(X, W, B, [2, 1], [[1, 0], [0, 2]]), expected)
    np.testing.assert_array_equal(ops.conv2d(X, W, B, stride=np.int64(1)), ops.conv2d(X, W, B))
    with pytest.raises(OptionError, match="stride must be a positive whole number, or two of them, got True"):
        ops.conv2d(X, W, B, stride=True)


@pytest.mark.parametrize(
    ("size", "kernel", "stride"), [(5, 3, 1), (5, 2, 1), (5, 3, 2), (6, 3, 2), (7, 2, 3), (4, 1, 3), (3, 5, 2)]
)
def test_same_padding_gives_size_over_stride_rounded_up(size, kernel, stride):
    x, w = np.ones((1, size, size, 1)), np.ones((kernel, kernel, 1, 1))
    y = ops.conv2d(x, w, stride=stride, padding="same")
    assert y.shape[1] == -(-size // stride)
    total = max((y.shape[1] - 1) * stride + kernel - size, 0)
    pads = (total // 2, total - total // 2)
    np.testing.assert_array_equal(y, ops.conv2d(x, w, stride=stride, padding=(pads, pads)))


def test_groups_are_convolutions_side_by_side():
    w = W[:, :, :2]
    halves = [ops.conv2d(X[..., 2 * i : 2 * i + 2], w[..., 3 * i : 3 * i + 3]) for i in (0, 1)]
    np.testing.assert_allclose(ops.conv2d(X, w, groups=2), np.concatenate(halves, -1), rtol=1e-12, atol=1e-12)


def test_a_filter_as_large_as_the_image_is_a_dense_layer():
    w = RNG.normal(size=(6, 5, 4, 3))
    expected = ops.dense(X.reshape(2, -1), w.reshape(-1, 3), B[:3])
    np.testing.assert_allclose(ops.conv2d(X, w, B[:3]).reshape(2, 3), expected, rtol=1e-12, atol=1e-12)


def test_images_are_not_changed_and_may_be_of_whole_numbers():
    whole = np.arange(2 * 6 * 5 * 4).reshape(2, 6, 5, 4)
    np.testing.assert_allclose(ops.conv2d(whole, W, B, padding=1), ops.conv2d(whole.astype(float), W, B, padding=1))
    assert whole[-1, -1, -1, -1] == whole.size - 1


def test_transposed_is_the_adjoint():
    """<conv(x), g> = <x, transposed(g)>, for every x and g."""
    for options in ({}, {"stride": 2, "padding": 1}, {"stride": (2, 1), "padding": "same"}):
        y = ops.conv2d(X, W, **options)
        g = RNG.normal(size=y.shape)
        back = ops.conv2d_input_gradient(g, W, size=(6, 5), **options)
        np.testing.assert_allclose((y * g).sum(), (X * back).sum(), rtol=1e-12)
