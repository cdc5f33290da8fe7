"""Every class of nn, found by inspection, with each of its options, is loaded as it was saved."""

import inspect

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad._tensor import plain
from tensorgrad.checkpoint import _architecture
from tensorgrad.errors import CheckpointError, TensorgradError

CLASSES = [c for n in nn.__all__ if isinstance(c := getattr(nn, n), type) and issubclass(c, nn.Module)]
REQUIRED = {
    "in_features": 4, "out_features": 3, "in_channels": 4, "out_channels": 4, "kernel_size": 2, "channels": 4, "count": 9,
    "features": 4, "groups": 2, "output_size": 2, "scale_factor": 2, "std": 0.5,
}  # fmt: skip
OTHERS = {  # for each option another value than it has where nothing is said
    "bias": False, "init": "orthogonal", "dtype": "float64", "stride": 2, "padding": 1, "dilation": 2, "groups": 4,
    "output_padding": 1, "multiplier": 3, "eps": 0.25, "momentum": 0.75, "affine": False, "num_parameters": 4, "p": 0.25,
    "axis": 1, "approximate": "tanh", "alpha": 0.375, "min_val": -0.5, "max_val": float("inf"), "negative_slope": 0.5,
    "count_include_pad": False, "combine": "add", "reduction": "sum", "weight": [0.5, 2.0, 1.0], "ignore_index": 1,
    "label_smoothing": 0.25, "gamma": 1.5, "delta": 0.125, "beta": 0.125, "log_target": True, "log_input": False, "full": True,
    "margin": 0.25, "swap": True, "smooth": 0.25, "pos_weight": 2.0, "shortcut": nn.Dense(4, 4, rng=5),
} | {name: value + 1 if isinstance(value, int) else value / 2 for name, value in REQUIRED.items() if name != "groups"}  # fmt: skip
OF_CLASS = {
    ("TripletMarginLoss", "p"): 3.0, ("MultiMarginLoss", "p"): 2, ("PReLU", "init"): 0.75, ("DiceLoss", "eps"): 0.25,
    ("GroupNorm", "channels"): 6, ("ConvTranspose1d", "output_padding"): (1,), ("AdaptiveAvgPool2d", "output_size"): (2, 3),
}  # fmt: skip
POSITIONAL = {"Reshape": (2, 2), "Lambda": (np.tanh,), "Parallel": (nn.Dense(4, 4, rng=1), nn.Tanh()),
              "Residual": (nn.Dense(4, 4, rng=2), nn.ReLU()), "Sequential": (nn.Dense(4, 4, rng=3), nn.ReLU())}  # fmt: skip
WITH = {"output_padding": {"stride": 2}, "count_include_pad": {"padding": 1}}  # without which there is no such option

CASES = []
for kind in CLASSES:
    parameters = (
        [*inspect.signature(kind.__init__).parameters.values()][1:] if kind.__init__ is not object.__init__ else []
    )
    named = [p for p in parameters if p.kind is not p.VAR_POSITIONAL and p.name != "rng" and kind.__name__ != "Lambda"]
    needed = {p.name: REQUIRED[p.name] for p in named if p.default is p.empty}
    CASES.append(pytest.param(kind, needed, None, id=kind.__name__))
    for p in named:
        value = OF_CLASS.get((kind.__name__, p.name), OTHERS.get(p.name))
        options = needed | WITH.get(p.name, {}) | {p.name: value}
        CASES.append(pytest.param(kind, options, p.name, id=f"{kind.__name__}-{p.name}"))

RNG = np.random.default_rng(0)
SIGNED, SHARES = RNG.normal(size=(6, 3)), np.full((6, 3), 1 / 3)
INPUTS = [
    (RNG.normal(size=shape),) for shape in ((6, 4), (2, 6, 4), (2, 6, 6, 4), (6, 5), (2, 6, 6, 5), (2, 6, 5), (6, 6))
]
INPUTS += [(RNG.integers(0, 9, (2, 3)),)]
LOSS_INPUTS = [
    (SIGNED, np.array([0, 1, 2, 2, 1, 0])), (SIGNED, RNG.normal(size=(6, 3))), (SIGNED / 9 + 0.5, SHARES),
    (SIGNED, (SIGNED > 0) * 1), (SIGNED / 9 + 0.5, (SIGNED > 0) * 1), (SIGNED, np.sign(SIGNED)), (np.abs(SIGNED), np.arange(18.0).reshape(6, 3)),
    (SIGNED, RNG.normal(size=(6, 3)), SHARES), (SIGNED, RNG.normal(size=(6, 3)), SHARES * 1e-3),
    (SIGNED, RNG.normal(size=(6, 3)), np.array([1, -1] * 3)), (np.log(SHARES), np.log(SHARES * 0.5)), (SIGNED, SIGNED[::-1], SIGNED + 0.25),
]  # fmt: skip


def answers(module):
    """What a module answers to each of some inputs, in the mode that it is in: bytes, or the text of an error."""
    for inputs in LOSS_INPUTS if isinstance(module, nn.Loss) else INPUTS:
        try:
            y = module(*inputs)
            yield np.asarray(y if isinstance(y, np.ndarray) and y.dtype != object else plain(y)).tobytes()
        except (TensorgradError, NotImplementedError, TypeError) as error:
            yield str(error)


def content(x):
    """All that a module, or an attribute of one, is, for comparing by ==."""
    if isinstance(x, nn.Module):
        state = {n: content(v) for n, v in vars(x).items() if n not in ("_given", "training")}
        return type(x), x.training, state
    if isinstance(x, tg.Parameter):
        return x.requires_grad, x.engine, content(np.asarray(x.data))
    if isinstance(x, np.ndarray):
        return str(x.dtype), x.shape, x.tobytes()
    return (type(x), [content(v) for v in x]) if isinstance(x, tuple | list) else x


def check_round_trip(module, path):
    """Raise AssertionError unless a module that is loaded again is the one that was saved, bit for bit."""
    tg.save(module, path)
    again = tg.load(path)
    assert content(again) == content(module)
    assert repr(again) == repr(module)
    expected = list(answers(module))
    assert list(answers(again)) == expected
    assert any(isinstance(y, bytes) for y in expected) or type(module) in (nn.Module, nn.Loss)


def made(kind, options):
    return kind(*POSITIONAL.get(kind.__name__, ()), **options)


@pytest.mark.parametrize(("kind", "options", "name"), CASES)
def test_a_class_is_loaded_as_it_was_saved(kind, options, name, tmp_path):
    path = tmp_path / "module.safetensors"
    module = made(kind, options)
    if kind is nn.Lambda:
        with pytest.raises(
            CheckpointError, match=r"the model \(Lambda\): its function is a ufunc, which a file cannot hold"
        ):
            check_round_trip(module, path)
        return
    for p in module.parameters():
        p.data = RNG.normal(size=p.shape)
    check_round_trip(module, path)
    check_round_trip(module.eval(), path)
    check_round_trip(module.to("scalar"), path)


@pytest.mark.parametrize(("kind", "options", "name"), [c for c in CASES if c.values[2] not in (None, "dtype")])
def test_an_option_that_is_forgotten_is_noticed(kind, options, name, tmp_path, monkeypatch):
    of = _architecture._options

    def forgetful(module, children):
        plain, attributes = of(module, children)
        return {n: v for n, v in plain.items() if n != name}, attributes

    module = made(kind, options)
    monkeypatch.setattr(_architecture, "_options", forgetful)
    if name == "shortcut":
        monkeypatch.setattr(_architecture, "_made", lambda k, o, inside, *rest: k(inside["0"], inside["1"]))
    with pytest.raises((AssertionError, CheckpointError)):
        check_round_trip(module, tmp_path / "module.safetensors")
