"""Pooling layers: on both engines, in training on one thread and on two, what they show and what they refuse."""

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad._program import threads
from tensorgrad.errors import OptionError, ShapeError

IMAGES = [
    nn.MaxPool2d(2), nn.MaxPool2d(3, stride=2, padding=1), nn.AvgPool2d(2), nn.AvgPool2d((2, 3), stride=1),
    nn.AvgPool2d(3, padding=1, count_include_pad=False), nn.AdaptiveMaxPool2d(2), nn.AdaptiveAvgPool2d((1, 3)),
    nn.GlobalMaxPool2d(), nn.GlobalAvgPool2d(), nn.Upsample(2), nn.Upsample((1, 2)),
]  # fmt: skip
SEQUENCES = [
    nn.MaxPool1d(2), nn.MaxPool1d(3, stride=1, padding=1), nn.AvgPool1d(2), nn.AvgPool1d(4, stride=3, padding=2),
    nn.AdaptiveMaxPool1d(3), nn.AdaptiveAvgPool1d(5), nn.GlobalMaxPool1d(), nn.GlobalAvgPool1d(), nn.Upsample(3),
]  # fmt: skip
CASES = [(layer, (2, 4, 5, 2)) for layer in IMAGES] + [(layer, (2, 9, 2)) for layer in SEQUENCES]
each_layer = pytest.mark.parametrize(("layer", "shape"), CASES, ids=[repr(layer) for layer, _ in CASES])
RNG = np.random.default_rng(0)


class Flat(nn.Module):
    def forward(self, x):
        return x.reshape(x.shape[0], -1)


@each_layer
def test_both_engines_agree(layer, shape):
    from microgrid import grads, grid, values

    numbers = RNG.normal(size=shape)
    x, g = tg.tensor(numbers, requires_grad=True), grid(numbers)
    y, found = layer(x), layer.to("scalar")(g)
    weight = RNG.normal(size=y.shape)
    (y * weight).sum().backward()
    (found * weight).sum().backward()
    np.testing.assert_allclose(values(found), y.numpy(), rtol=1e-12)
    np.testing.assert_allclose(grads(g), x.grad, rtol=1e-12, atol=1e-15)


@each_layer
@pytest.mark.parametrize("count", [1, 2])
def test_a_compiled_training_is_an_eager_one(layer, shape, count, monkeypatch):
    for cost in ("MEETING", "SUMMED"):
        monkeypatch.setattr(threads, cost, 1e-9)
    X = RNG.normal(size=(48, *shape[1:]))
    Y = RNG.integers(0, 3, 48)
    results = []
    for compiled in (False, True):
        features = np.prod(layer(np.zeros(shape)).shape[1:])
        model = nn.Sequential(nn.Dense(2, 2), layer, Flat(), nn.Dense(features, 3), rng=3).astype("float64")
        sgd = tg.optim.SGD(model.parameters(), lr=0.1)
        history = tg.fit(model, (X, Y), loss=nn.CrossEntropyLoss(), optimizer=sgd, epochs=2, batch_size=16,
                         compile=compiled, threads=count, progress=False)  # fmt: skip
        results.append(history)
    eager, quick = results
    assert quick.compiled, quick.eager_because
    assert quick.threads == count
    np.testing.assert_allclose(quick.steps, eager.steps, rtol=1e-10)


def test_repr_shows_what_is_set():
    assert repr(nn.MaxPool2d(2)) == "MaxPool2d(2)"
    assert repr(nn.AvgPool2d((2, 3), stride=1, padding=1, count_include_pad=False)) == (
        "AvgPool2d((2, 3), stride=1, padding=1, count_include_pad=False)"
    )
    assert repr(nn.AdaptiveAvgPool2d(1)) == "AdaptiveAvgPool2d(1)"
    assert repr(nn.Upsample((2, 3))) == "Upsample((2, 3))"


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: nn.MaxPool2d(0), "MaxPool2d: kernel_size must be a positive whole number, or two of them, got 0"),
        (lambda: nn.MaxPool1d((2, 2)), r"MaxPool1d: kernel_size must be .* got \(2, 2\)"),
        (lambda: nn.AvgPool2d(2, stride=0), "AvgPool2d: stride must be"),
        (lambda: nn.AvgPool1d(2, padding=-1), "AvgPool1d: padding must be"),
        (lambda: nn.MaxPool2d(2, padding=2), "MaxPool2d: padding 2 is more than half of the kernel 2"),
        (lambda: nn.AvgPool1d(3, padding=2), "AvgPool1d: padding 2 is more than half of the kernel 3"),
        (lambda: nn.Upsample((2, 2, 2)), r"Upsample: scale_factor must be .* two of them, got \(2, 2, 2\)"),
        (lambda: nn.AdaptiveMaxPool2d(1.5), "AdaptiveMaxPool2d: output_size must be"),
        (lambda: nn.Upsample(True), "Upsample: scale_factor must be"),
    ],
)
def test_options_are_looked_at_when_the_layer_is_made(make, match):
    with pytest.raises(OptionError, match=match):
        make()


def test_wrong_images_are_named():
    with pytest.raises(ShapeError, match=r"max_pool2d: the kernel 5 is larger than the image \(4, 4\) with padding 0"):
        nn.MaxPool2d(5)(np.zeros((1, 4, 4, 1)))
    with pytest.raises(ShapeError, match=r"GlobalAvgPool2d: expected input of shape \(n, height, width, channels\)"):
        nn.GlobalAvgPool2d()(np.zeros((4, 4, 1)))


def test_lists_given_as_options_are_copied():
    size, stride, factors = [2, 2], [1, 2], [2, 3]
    layers = [nn.MaxPool2d(size, stride), nn.AvgPool2d(size, stride), nn.AdaptiveAvgPool2d(size), nn.Upsample(factors)]
    x = RNG.normal(size=(1, 4, 6, 2))
    before = [layer(x) for layer in layers]
    size[0] = stride[0] = factors[0] = 0
    for layer, y in zip(layers, before, strict=True):
        np.testing.assert_array_equal(layer(x), y)


def test_what_stands_elsewhere_in_pytorch_is_named():
    with pytest.raises(TypeError):
        nn.AvgPool2d(3, 1, 1, True)


def test_pooling_of_images_is_no_pooling_of_sequences():
    assert not isinstance(nn.AvgPool2d(2), nn.AvgPool1d)
