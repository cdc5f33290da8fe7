"""Activations as layers: on both engines, their gradients, in training, and what they refuse."""

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad.errors import OptionError, ShapeError

LAYERS = [
    nn.ReLU(), nn.Tanh(), nn.Sigmoid(), nn.Softmax(), nn.LogSoftmax(), nn.LogSoftmax(axis=0), nn.LogSigmoid(), nn.Softplus(),
    nn.SiLU(), nn.Mish(), nn.Softsign(), nn.GELU(), nn.GELU("tanh"), nn.ELU(), nn.ELU(0.5), nn.CELU(), nn.CELU(alpha=2),
    nn.SELU(), nn.ReLU6(), nn.Hardsigmoid(), nn.Hardswish(), nn.Hardtanh(), nn.Hardtanh(-0.5, 2), nn.LeakyReLU(),
    nn.LeakyReLU(0.2), nn.PReLU(dtype="float64"), nn.PReLU(4, 0.1, "float64"),
]  # fmt: skip
X = np.random.default_rng(0).normal(size=(3, 4)) * 3
WEIGHT = np.random.default_rng(1).normal(size=(3, 4))
each_layer = pytest.mark.parametrize("layer", LAYERS, ids=repr)


@each_layer
def test_both_engines_agree(layer):
    from microgrid import grid, values
    from microgrid._grid import grads

    x = tg.tensor(X, requires_grad=True)
    y = layer(x)
    layer.zero_grad()
    (y * WEIGHT).sum().backward()
    g, scalar = grid(X), layer.to("scalar")
    found = scalar(g)
    (found * WEIGHT).sum().backward()
    np.testing.assert_allclose(values(found), y.numpy(), rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(grads(g), x.grad, rtol=1e-9, atol=1e-14)
    for p, q in zip(layer.parameters(), scalar.parameters(), strict=True):
        np.testing.assert_allclose(q.grad, p.grad, rtol=1e-9)


@each_layer
def test_gradient(layer):
    report = tg.gradcheck(lambda x: (layer(x) * WEIGHT).sum(), X)
    assert report, str(report)


@each_layer
def test_a_compiled_epoch_is_an_eager_one(layer):
    rng = np.random.default_rng(2)
    x, t = rng.normal(size=(8, 2)).astype(np.float32), rng.normal(size=(8, 4)).astype(np.float32)
    results = []
    for compiled in (False, True):
        inside = layer if not layer.parameters() else nn.PReLU(layer.num_parameters, layer.init)
        model = nn.Sequential(nn.Dense(2, 4), inside, nn.Dense(4, 4), rng=3)
        sgd = tg.optim.SGD(model.parameters(), lr=0.1)
        history = tg.fit(model, (x, t), loss=nn.MSELoss(), optimizer=sgd, epochs=2, batch_size=4, compile=compiled)
        results.append((history.compiled, model.state_dict()))
    (_, eager), (was_compiled, quick) = results
    assert was_compiled
    for name, numbers in eager.items():
        np.testing.assert_allclose(quick[name], numbers, rtol=2e-5, atol=1e-6, err_msg=name)


def test_an_option_that_is_changed_counts_in_a_compiled_step():
    layer = nn.LeakyReLU(0.5)
    step = tg.compile(lambda x: layer(x))
    x = np.array([-2.0, 2.0], np.float32)
    assert step(x).numpy().tolist() == [-1, 2]
    layer.negative_slope = 0.25
    assert step(x).numpy().tolist() == [-0.5, 2]


def test_prelu_learns_its_weight():
    layer = nn.PReLU(2)
    (layer(np.array([[-1.0, 2.0], [-3.0, -4.0]], np.float32)) * 2).sum().backward()
    np.testing.assert_array_equal(layer.weight.grad, [-8, -8])
    layer.weight.data = [7, 7]
    np.testing.assert_array_equal(layer.reset(0).weight.data, [0.25, 0.25])


def test_repr_shows_options():
    shown = [
        nn.GELU("tanh"),
        nn.ELU(),
        nn.Hardtanh(max_val=2),
        nn.LeakyReLU(0.1),
        nn.PReLU(3),
        nn.SiLU(),
        nn.LogSoftmax(axis=0),
    ]
    assert [repr(layer) for layer in shown] == [
        "GELU(approximate='tanh')", "ELU(alpha=1.0)", "Hardtanh(min_val=-1.0, max_val=2)", "LeakyReLU(negative_slope=0.1)",
        "PReLU(num_parameters=3)", "SiLU()", "LogSoftmax(axis=0)",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: nn.GELU("tan"), "gelu: unknown approximation 'tan'; did you mean 'tanh'?"),
        (lambda: nn.ELU("1"), "elu: alpha must be a number, got '1'"),
        (lambda: nn.CELU(0), "celu: alpha must not be 0"),
        (lambda: nn.LeakyReLU(None), "leaky_relu: negative_slope must be a number, got None"),
        (lambda: nn.Hardtanh(1, -1), "hardtanh: min_val must not be above max_val, got 1 and -1"),
        (lambda: nn.PReLU(0), "PReLU: num_parameters must be a positive whole number, got 0"),
        (lambda: nn.PReLU(1, "a"), "PReLU: init must be a number, got 'a'"),
        (lambda: nn.PReLU(dtype="float16"), "float16"),
    ],
)
def test_wrong_options_are_refused(make, match):
    with pytest.raises(OptionError) as error:
        make()
    assert match in str(error.value)


def test_prelu_refuses_other_channels():
    with pytest.raises(ShapeError, match=r"PReLU\(3\): expected input of shape \(..., 3\), got \(5, 1\)"):
        nn.PReLU(3)(np.zeros((5, 1), np.float32))
