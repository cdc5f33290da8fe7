"""Convolution layers: shapes, both engines, eager and compiled, and what they refuse."""

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn, ops
from tensorgrad.errors import OptionError, ShapeError

LAYERS = {
    "Conv2d": (lambda **o: nn.Conv2d(2, 3, 3, **o), (2, 5, 4, 2), (2, 3, 2, 3)),
    "Conv2d, strided": (lambda **o: nn.Conv2d(2, 4, (3, 2), stride=2, padding=1, groups=2, **o), (2, 5, 4, 2), (2, 3, 3, 4)),
    "Conv2d, same": (lambda **o: nn.Conv2d(2, 3, 2, padding="same", dilation=2, **o), (2, 5, 4, 2), (2, 5, 4, 3)),
    "Conv2d, 1x1": (lambda **o: nn.Conv2d(3, 2, 1, **o), (2, 1, 1, 3), (2, 1, 1, 2)),
    "Conv1d": (lambda **o: nn.Conv1d(2, 3, 3, padding="same", **o), (2, 5, 2), (2, 5, 3)),
    "ConvTranspose2d": (lambda **o: nn.ConvTranspose2d(2, 3, 3, stride=2, padding="same", **o), (2, 2, 3, 2), (2, 4, 6, 3)),
    "ConvTranspose1d": (lambda **o: nn.ConvTranspose1d(2, 3, 2, stride=2, output_padding=1, **o), (2, 3, 2), (2, 7, 3)),
    "DepthwiseConv2d": (lambda **o: nn.DepthwiseConv2d(3, 3, padding=1, **o), (2, 4, 3, 3), (2, 4, 3, 3)),
    "DepthwiseConv2d, 2": (lambda **o: nn.DepthwiseConv2d(2, 2, multiplier=2, **o), (2, 3, 3, 2), (2, 2, 2, 4)),
}  # fmt: skip


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", LAYERS)
def test_both_engines_agree(name, bias):
    make, shape, out = LAYERS[name]
    layer = make(bias=bias, rng=0, dtype="float64")
    assert (layer.bias is not None) == bias and len(layer.parameters()) == 1 + bias
    x = np.random.default_rng(1).normal(size=shape)
    assert layer(x).shape == out
    report = tg.compare(nn.Sequential(layer, nn.Tanh()), x, np.zeros(out), nn.MSELoss())
    assert report.ok, str(report)


@pytest.mark.parametrize("name", LAYERS)
def test_of_an_empty_batch(name):
    make, shape, out = LAYERS[name]
    layer = make(rng=0)
    y = layer(np.zeros((0, *shape[1:]), np.float32))
    y.sum().backward()
    assert y.shape == (0, *out[1:]) and y.dtype == np.float32
    assert all(not p.grad.any() for p in layer.parameters())


def test_relu_is_fused_and_gives_the_same():
    x = np.random.default_rng(1).normal(size=(2, 5, 4, 2))
    for make in (
        lambda: nn.Conv2d(2, 3, 3, rng=0, dtype="float64"),
        lambda: nn.Conv2d(2, 3, 3, bias=False, rng=0, dtype="float64"),
    ):
        fused, apart = nn.Sequential(make(), nn.ReLU()), make()
        y, z = fused(x), ops.relu(apart(x))
        assert y._node.op is ops.conv2d and np.array_equal(y.numpy(), z.numpy())
        for t in (y, z):
            (t * t).sum().backward()
        np.testing.assert_array_equal(fused[0].weight.grad, apart.weight.grad)


def test_a_forward_of_ones_own_is_not_fused():
    class Doubled(nn.Conv2d):
        def forward(self, x):
            return 2 * super().forward(x)

    assert Doubled(1, 1, 1).fused_with(nn.ReLU()) is None
    assert nn.ConvTranspose2d(1, 1, 1).fused_with(nn.ReLU()) is None
    assert nn.Conv2d(1, 1, 1).fused_with(nn.Tanh()) is None


def test_initial_weights():
    layer = nn.Conv2d(16, 64, 5, rng=0)
    assert layer.weight.shape == (5, 5, 16, 64) and not layer.bias.data.any()
    assert abs(layer.weight.data.std() / np.sqrt(2 / (5 * 5 * 16)) - 1) < 0.02
    assert np.array_equal(layer.weight.data, nn.Conv2d(16, 64, 5, rng=0).weight.data)
    assert nn.DepthwiseConv2d(6, 3, multiplier=2).weight.shape == (3, 3, 1, 12)
    assert nn.ConvTranspose2d(6, 4, 3, groups=2).weight.shape == (3, 3, 2, 6)


def test_repr():
    assert repr(nn.Conv2d(1, 8, 3)) == "Conv2d(1, 8, 3)"
    assert repr(nn.Conv2d(2, 8, (3, 1), stride=2, padding="same", groups=2, bias=False)) == (
        "Conv2d(2, 8, (3, 1), stride=2, padding='same', groups=2, bias=False)"
    )
    assert repr(nn.DepthwiseConv2d(8, 3, multiplier=2)) == "DepthwiseConv2d(8, 3, multiplier=2)"
    assert (
        repr(nn.ConvTranspose1d(8, 2, 4, stride=2, output_padding=1))
        == "ConvTranspose1d(8, 2, 4, stride=2, output_padding=1)"
    )


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: nn.Conv2d(0, 1, 3), "Conv2d: in_channels must be a positive whole number, got 0"),
        (lambda: nn.Conv2d(1, 1, 0), "Conv2d: kernel_size must be a positive whole number, or two of them, got 0"),
        (lambda: nn.Conv1d(1, 1, (3, 3)), "Conv1d: kernel_size must be a positive whole number, got (3, 3)"),
        (lambda: nn.Conv2d(3, 4, 3, groups=2), "Conv2d: groups=2 must divide in_channels=3 and out_channels=4"),
        (
            lambda: nn.Conv2d(1, 1, 3, stride=0),
            "Conv2d: stride must be a positive whole number, or two of them, got 0",
        ),
        (lambda: nn.Conv2d(1, 1, 3, padding="sane"), "Conv2d: unknown padding 'sane'; did you mean 'same'?"),
        (lambda: nn.Conv1d(1, 1, 3, padding=-1), "Conv1d: padding must be"),
        (lambda: nn.Conv2d(1, 1, 3, init="he"), "Conv2d: unknown init 'he'"),
        (
            lambda: nn.ConvTranspose2d(1, 1, 3, stride=2, output_padding=2),
            "output_padding must be less than the stride (2, 2)",
        ),
        (
            lambda: nn.ConvTranspose1d(2, 2, 3, stride=2, output_padding=(1, 0)),
            "ConvTranspose1d: output_padding must be a whole",
        ),
        (
            lambda: nn.ConvTranspose2d(1, 1, 3, stride=2, output_padding=-1),
            "ConvTranspose2d: output_padding must be a whole",
        ),
        (
            lambda: nn.ConvTranspose2d(1, 1, 3, stride=2, padding="same", output_padding=1),
            'ConvTranspose2d: output_padding has no meaning with padding="same", got 1',
        ),
        (lambda: nn.Conv2d(2, 2, 3, groups=0), "Conv2d: groups must be a positive whole number, got 0"),
        (lambda: nn.DepthwiseConv2d(4, 3, multiplier=0), "multiplier must be a positive whole number, got 0"),
        (lambda: nn.DepthwiseConv2d("a", 3), "DepthwiseConv2d: channels must be a positive whole number, got 'a'"),
    ],
)
def test_bad_options(make, match):
    with pytest.raises(OptionError) as error:
        make()
    assert match in str(error.value)


@pytest.mark.parametrize(
    ("layer", "shape", "match"),
    [
        (
            nn.Conv2d(2, 3, 3),
            (1, 5, 5, 3),
            "Conv2d(2, 3, 3): conv2d: a weight of shape (3, 3, 2, 3) in 1 group takes 2 channels",
        ),
        (
            nn.Conv2d(2, 3, 6, padding=0),
            (1, 5, 5, 2),
            "the kernel covers 6 x 6 pixels, images of shape (1, 5, 5, 2) have, padded, 5 x 5",
        ),
        (nn.Conv2d(2, 3, 3), (5, 5, 2), "expected images (N, height, width, channels)"),
        (nn.Conv1d(2, 3, 3), (1, 5, 5, 2), "Conv1d(2, 3, 3): conv1d: expected sequences (N, length, channels)"),
        (
            nn.ConvTranspose2d(2, 3, 3),
            (1, 5, 5, 3),
            "conv_transpose2d: a weight of shape (3, 3, 3, 2) takes 2 channels",
        ),
    ],
)
def test_bad_images(layer, shape, match):
    for x in (np.zeros(shape, np.float32), tg.tensor(np.zeros(shape, np.float32))):
        with pytest.raises(ShapeError) as error:
            layer(x)
        assert match in str(error.value)


@pytest.mark.parametrize(
    ("layer", "shape", "order"),
    [
        (nn.Conv2d(3, 8, 3), (2, 3, 8, 9), "0, 2, 3, 1"),
        (nn.DepthwiseConv2d(3, 3), (2, 3, 8, 9), "0, 2, 3, 1"),
        (nn.ConvTranspose2d(3, 8, 3), (2, 3, 8, 9), "0, 2, 3, 1"),
        (nn.Conv1d(3, 8, 3), (2, 3, 8), "0, 2, 1"),
        (nn.ConvTranspose1d(3, 8, 3), (2, 3, 8), "0, 2, 1"),
    ],
)
def test_images_with_their_channels_second(layer, shape, order):
    with pytest.raises(ShapeError) as error:
        layer(np.zeros(shape, np.float32))
    assert str(error.value).endswith(f"; channels are last: x.transpose({order})")
    with pytest.raises(ShapeError) as error:
        layer(np.zeros((*shape[:-1], 5), np.float32)[:, :2])
    assert "channels are last" not in str(error.value)


def test_lists_given_as_options_are_copied():
    stride, padding = [2, 1], [[1, 0], [0, 1]]
    layer = nn.Conv2d(1, 1, 2, stride=stride, padding=padding, rng=0)
    before, shown = layer(np.ones((1, 4, 4, 1))).numpy(), repr(layer)
    stride[0], padding[0][0] = 0, -1
    assert np.array_equal(layer(np.ones((1, 4, 4, 1))).numpy(), before) and repr(layer) == shown


@pytest.mark.parametrize("kind", [nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d, nn.ConvTranspose2d])
def test_options_behind_padding_are_named(kind):
    """Their order differs from PyTorch's."""
    assert kind(2, 2, 3, 1, 1).options["padding"] == 1
    with pytest.raises(TypeError):
        kind(2, 2, 3, 1, 1, 1)


# ---- training ---------------------------------------------------------------------------------------------------------
class Features(nn.Module):
    """Convolutions of many kinds one after another, and a mean over the pixels."""

    def __init__(self):
        self.layers = [
            nn.Conv2d(2, 8, 3, padding=1), nn.ReLU(), nn.DepthwiseConv2d(8, 3), nn.Conv2d(8, 16, 2, stride=2, groups=2, bias=False),
            nn.Tanh(), nn.ConvTranspose2d(16, 4, 2, stride=2), nn.Conv2d(4, 3, 1), nn.ReLU(),
        ]  # fmt: skip
        self.head = nn.Dense(3, 3)

    def forward(self, x):
        return self.head(nn.Sequential(*self.layers)(x).mean((1, 2)))


def losses(threads, compiled, dtype="float64"):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(48, 7, 6, 2)), rng.integers(0, 3, size=48)
    model = Features().reset(0).astype(dtype)
    history = tg.fit(
        model, (X, y), loss=nn.CrossEntropyLoss(), optimizer=tg.optim.Adam(model.parameters(), lr=1e-2), epochs=3, batch_size=16,
        threads=threads, compile=compiled, progress=False,
    )  # fmt: skip
    assert history.compiled == compiled, str(history)
    return np.array(history.steps)


def test_training_is_the_same_eager_and_compiled_on_one_thread_and_two():
    eager = losses(1, False)
    assert eager[-1] < eager[0]
    for threads in (1, 2):
        np.testing.assert_allclose(losses(threads, True), eager, rtol=1e-10)


def test_a_compiled_function_of_images():
    layer = nn.Conv2d(2, 3, 3, rng=0)
    compiled = tg.compile(lambda x: ops.relu(layer(x)))
    for seed in (0, 1, 2):
        x = np.random.default_rng(seed).normal(size=(4, 6, 5, 2)).astype(np.float32)
        np.testing.assert_array_equal(compiled(x).numpy(), ops.relu(layer(x)).numpy())
