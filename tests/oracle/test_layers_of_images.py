"""Layers of convolution and pooling against PyTorch's, with every option: values, and gradients of input and parameters."""

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle

T = torch.nn
CONVOLUTIONS = {
    "Conv2d": (
        lambda: nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2),
        lambda: T.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2),
        (2, 7, 8, 4),
    ),
    "Conv2d, same": (
        lambda: nn.Conv2d(3, 2, 3, padding="same", dilation=2, bias=False),
        lambda: T.Conv2d(3, 2, 3, padding="same", dilation=2, bias=False),
        (2, 6, 5, 3),
    ),
    "Conv1d": (
        lambda: nn.Conv1d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2),
        lambda: T.Conv1d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2),
        (2, 9, 4),
    ),
    "ConvTranspose2d": (
        lambda: nn.ConvTranspose2d(4, 6, (3, 2), stride=(2, 3), padding=(1, 0), output_padding=(1, 2), dilation=(1, 2), groups=2),
        lambda: T.ConvTranspose2d(4, 6, (3, 2), stride=(2, 3), padding=(1, 0), output_padding=(1, 2), dilation=(1, 2), groups=2),
        (2, 4, 3, 4),
    ),
    "ConvTranspose1d": (
        lambda: nn.ConvTranspose1d(4, 6, 3, stride=2, padding=1, output_padding=1, dilation=2, groups=2),
        lambda: T.ConvTranspose1d(4, 6, 3, stride=2, padding=1, output_padding=1, dilation=2, groups=2),
        (2, 5, 4),
    ),
    "DepthwiseConv2d": (
        lambda: nn.DepthwiseConv2d(3, 3, multiplier=2, stride=2, padding=1, dilation=2),
        lambda: T.Conv2d(3, 6, 3, stride=2, padding=1, dilation=2, groups=3),
        (2, 7, 6, 3),
    ),
}  # fmt: skip
POOLINGS = {
    "MaxPool2d": (
        lambda: nn.MaxPool2d((3, 2), stride=(2, 1), padding=1),
        lambda: T.MaxPool2d((3, 2), stride=(2, 1), padding=1),
        (2, 6, 7, 3),
    ),
    "MaxPool1d": (lambda: nn.MaxPool1d(3, stride=2, padding=1), lambda: T.MaxPool1d(3, stride=2, padding=1), (2, 8, 3)),
    "AvgPool2d": (
        lambda: nn.AvgPool2d((3, 2), stride=(2, 1), padding=1),
        lambda: T.AvgPool2d((3, 2), stride=(2, 1), padding=1),
        (2, 6, 7, 3),
    ),
    "AvgPool2d, inside": (
        lambda: nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False),
        lambda: T.AvgPool2d(3, stride=2, padding=1, count_include_pad=False),
        (2, 6, 7, 3),
    ),
    "AvgPool1d": (lambda: nn.AvgPool1d(3, stride=2, padding=1), lambda: T.AvgPool1d(3, stride=2, padding=1), (2, 8, 3)),
    "AvgPool1d, inside": (
        lambda: nn.AvgPool1d(3, stride=1, padding=1, count_include_pad=False),
        lambda: T.AvgPool1d(3, stride=1, padding=1, count_include_pad=False),
        (2, 8, 3),
    ),
    "AdaptiveMaxPool2d": (lambda: nn.AdaptiveMaxPool2d((3, 2)), lambda: T.AdaptiveMaxPool2d((3, 2)), (2, 7, 5, 3)),
    "AdaptiveMaxPool1d": (lambda: nn.AdaptiveMaxPool1d(4), lambda: T.AdaptiveMaxPool1d(4), (2, 9, 3)),
    "AdaptiveAvgPool2d": (lambda: nn.AdaptiveAvgPool2d((3, 2)), lambda: T.AdaptiveAvgPool2d((3, 2)), (2, 7, 5, 3)),
    "AdaptiveAvgPool1d": (lambda: nn.AdaptiveAvgPool1d(4), lambda: T.AdaptiveAvgPool1d(4), (2, 9, 3)),
    "GlobalMaxPool2d": (nn.GlobalMaxPool2d, lambda: T.Sequential(T.AdaptiveMaxPool2d(1), T.Flatten()), (2, 3, 4, 5)),
    "GlobalMaxPool1d": (nn.GlobalMaxPool1d, lambda: T.Sequential(T.AdaptiveMaxPool1d(1), T.Flatten()), (2, 6, 5)),
    "GlobalAvgPool2d": (nn.GlobalAvgPool2d, lambda: T.Sequential(T.AdaptiveAvgPool2d(1), T.Flatten()), (2, 3, 4, 5)),
    "GlobalAvgPool1d": (nn.GlobalAvgPool1d, lambda: T.Sequential(T.AdaptiveAvgPool1d(1), T.Flatten()), (2, 6, 5)),
    "Upsample": (lambda: nn.Upsample((2, 3)), lambda: T.Upsample(scale_factor=(2, 3)), (2, 3, 4, 5)),
    "Upsample, sequence": (lambda: nn.Upsample(3), lambda: T.Upsample(scale_factor=3), (2, 4, 5)),
}
CASES = CONVOLUTIONS | POOLINGS


def test_every_layer_is_compared():
    public = {n for module in (nn.convolution, nn.pooling) for n in module.__all__}
    assert {name.partition(",")[0] for name in CASES} == public


@pytest.mark.parametrize("name", CASES)
def test_layer(name):
    make, make_theirs, shape = CASES[name]
    ours, theirs = make().astype("float64"), make_theirs().double()
    rng = np.random.default_rng(0)
    with torch.no_grad():
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            p.data = rng.normal(size=p.shape)
            q.copy_(torch.tensor(in_their_layout(p.data)))
    x = rng.permutation(int(np.prod(shape))).reshape(shape) / 10  # no two numbers alike
    a, b = tg.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, expected = ours(a), theirs(b.movedim(-1, 1))
    expected = expected.movedim(1, -1)
    assert y.shape == tuple(expected.shape)
    g = rng.normal(size=y.shape)
    y.backward(g)
    expected.backward(torch.tensor(g))
    close(y.numpy(), expected.detach().numpy())
    close(a.grad, b.grad.numpy())
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        close(in_their_layout(p.grad), q.grad.numpy())


def in_their_layout(array):
    """A weight (*kernel, in, out) as (out, in, *kernel); a bias as it is."""
    return np.moveaxis(array, (-1, -2), (0, 1)) if array.ndim > 1 else array


def close(got, expected):
    np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-12)
