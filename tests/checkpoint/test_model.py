"""What tg.save keeps of a model, and what tg.load makes of it; nothing that differs goes unsaid."""

import collections
import copy
import functools
import json
import pickle
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import safetensors
import safetensors.numpy

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad.checkpoint import _architecture
from tensorgrad.errors import CheckpointError, DTypeError, OptionError

X = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def network():
    return nn.Sequential(
        nn.Dense(4, 8, init="orthogonal"),
        nn.BatchNorm(8),
        nn.Residual(nn.Dense(8, 8), nn.Dropout(0.5)),
        nn.Dense(8, 3),
        rng=0,
    )


def again(model, path):
    tg.save(model, path)
    return tg.load(path)


def description(path):
    with safetensors.safe_open(path, "np") as file:
        return json.loads(file.metadata()["tensorgrad"])


def test_what_the_file_says(path):
    model = nn.Sequential(nn.Dense(2, 3, bias=False, rng=0), nn.ReLU()).penalise(l2=0.5).eval()
    assert tg.save(model, str(path)) == path
    found = description(path)
    assert len(found.pop("checksum")) == 64
    assert found == {
        "format": 1, "version": tg.__version__, "engine": "tensor", "frozen": [],
        "modules": {
            "0": {"class": "Dense", "options": {"in_features": 2, "out_features": 3, "bias": False, "dtype": "float32"},
                  "arrays": {"weight": "0.weight"}, "penalties": [["weight", 0.0, 0.5]], "training": False},
            "1": {"class": "ReLU", "options": {}, "training": False},
            "": {"class": "Sequential", "options": {}, "modules": {"0": "0", "1": "1"}, "training": False},
        },
    }  # fmt: skip
    arrays = safetensors.numpy.load_file(path)  # which any other program of that format reads
    assert arrays.keys() == {"0.weight"} and arrays["0.weight"].tobytes() == model[0].weight.numpy().tobytes()


def test_the_same_model_is_the_same_file(tmp_path):
    a, b = (tg.save(network(), tmp_path / f"{i}.safetensors").read_bytes() for i in range(2))
    assert a == b


def test_a_trained_model_goes_on_as_it_would_have(path):
    model, y = network(), np.arange(6) % 3
    tg.fit(
        model,
        (X, y),
        loss=nn.CrossEntropyLoss(),
        optimizer=tg.optim.SGD(model.parameters(), lr=0.1),
        epochs=2,
        progress=False,
    )
    other = again(model, path)
    assert other.state_dict().keys() == model.state_dict().keys()
    for m in (model, other):
        tg.fit(
            m,
            (X, y),
            loss=nn.CrossEntropyLoss(),
            optimizer=tg.optim.SGD(m.parameters(), lr=0.1),
            epochs=2,
            progress=False,
        )
    for name, numbers in model.state_dict().items():
        assert other.state_dict()[name].tobytes() == numbers.tobytes(), name
    assert model[1].running_mean.any() and (model[2][1].state != network()[2][1].state).any()


def test_modes_frozen_parameters_and_penalties(path):
    model = network().penalise(l1=0.25)
    model[1].eval()
    model[3].bias.requires_grad = False
    other = again(model, path)
    assert [m.training for _, m in other.named_modules()] == [m.training for _, m in model.named_modules()]
    assert not other[1].training and other.training
    assert [n for n, p in other.named_parameters() if not p.requires_grad] == ["3.bias"]
    assert other.penalty().item() == model.penalty().item() > 0


def test_what_is_shared_stays_shared(path):
    shared = nn.Dense(4, 4, rng=1)
    model = nn.Sequential(shared, nn.Tanh(), shared, nn.Dense(4, 4, rng=2), nn.Parallel(shared, nn.Identity()))
    model[3].weight = shared.weight
    other = again(model, path)
    assert other[0] is other[2] is other[4][0] and other[3] is not other[0]
    assert other[3].weight is other[0].weight and other[3].bias is not other[0].bias
    assert len(safetensors.numpy.load_file(path)) == 3
    assert other(X).numpy().tobytes() == model(X).numpy().tobytes()


def test_parts_may_have_other_dtypes(path):
    model = nn.Sequential(nn.Dense(4, 3, dtype="float64"), nn.LayerNorm(3, affine=False), nn.LayerNorm(3))
    model[0].bias = tg.Parameter(np.ones(3, np.float32))
    other = again(model, path)
    assert [(p.dtype, p.shape) for p in other.parameters()] == [(p.dtype, p.shape) for p in model.parameters()]
    assert other[1]._ones.dtype == np.float32
    assert again(network().astype("float64"), path).dtype == np.float64


def test_any_bits_are_kept(path):
    model = nn.Sequential(nn.Dense(4, 2))
    odd = np.array([np.nan, np.inf, -np.inf, -0.0, 1e-45, 3e38, 1, 2], np.float32)
    odd[:1].view(np.int32)[:] += 5  # a NaN with something to say
    model[0].weight.data = odd.reshape(4, 2)
    assert again(model, path)[0].weight.numpy().tobytes() == model[0].weight.numpy().tobytes()
    assert np.isnan(model[0].weight.numpy()[0, 0])


class Turned(nn.Module):
    """With arrays that do not lie in C order, and of other dtypes."""

    buffers = ("table", "steps", "big")

    def __init__(self):
        self.table = np.arange(12.0).reshape(3, 4).T[::2]
        self.steps = np.array(7)
        self.big = np.arange(3, dtype=">i4")


def test_arrays_in_any_order(path):
    model = Turned()
    model.weight = tg.Parameter(np.asfortranarray(np.arange(6.0).reshape(2, 3)))
    tg.save(model, path)
    other = Turned()
    other.weight = tg.Parameter(np.zeros((2, 3)))
    other.table, other.steps, other.big = 0 * other.table, 0, 0 * other.big
    tg.load(path, into=other)
    assert other.table.tolist() == [[0, 4, 8], [2, 6, 10]] and other.steps == 7 and other.big.tolist() == [0, 1, 2]
    assert other.weight.data.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert safetensors.numpy.load_file(path)["table"].tolist() == [[0, 4, 8], [2, 6, 10]]


def test_the_scalar_engine(path):
    model = network()[:1].to("scalar")
    other = again(model, path)
    assert other.engine == "scalar" and description(path)["engine"] == "scalar"
    assert other[0].weight.data.tolist() == model[0].weight.data.tolist()
    assert safetensors.numpy.load_file(path)["0.weight"].dtype == np.float64


def test_numbers_that_are_no_floats(path):
    with pytest.raises(
        DTypeError, match=r"^save: 0.weight has numbers of type Fraction, .*; model.to\(\"tensor\"\) has float64$"
    ):
        tg.save(network()[:1].to("scalar", number=Fraction), path)
    model = network()[:1].to("scalar")
    model[0].weight.value[0, 0].data = 10**400
    with pytest.raises(DTypeError, match="^save: 0.weight has numbers of type int, "):
        tg.save(model, path)
    model = Turned()
    vars(model)["big"] = np.ones(2, np.complex64)
    with pytest.raises(
        DTypeError, match="^save: big has dtype complex64, and a file holds floats, whole numbers and booleans$"
    ):
        tg.save(model, path)
    assert not list(path.parent.iterdir())


# ---- options ----------------------------------------------------------------------------------------------------------
def test_options_that_have_changed_since(path):
    model = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm(4), nn.LeakyReLU(), nn.MSELoss(), nn.MSELoss("sum"))
    model[0].p, model[1].momentum, model[2].negative_slope, model[3].reduction = 0.25, 0.5, np.float32(0.1), "sum"
    model[4].reduction = "mean"
    other = again(model, path)
    assert (other[0].p, other[1].momentum, other[2].negative_slope) == (0.25, 0.5, float(np.float32(0.1)))
    assert (other[3].reduction, other[4].reduction) == ("sum", "mean")


def test_layers_that_were_put_in_later(path):
    model = network()
    model.append(nn.ReLU())
    model[0] = nn.Dense(4, 8, bias=False, rng=3)
    other = again(model[:1].append(nn.Residual(shortcut=nn.Dense(8, 8)).append(nn.ReLU())), path)
    assert repr(other[1]) == "Residual(\n  (0) ReLU()\n  (shortcut) Dense(8, 8)\n)"
    assert repr(again(model, path)) == repr(model)
    assert repr(again(nn.Sequential(), path)) == "Sequential()"


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m)),
                                       lambda m: m.to("scalar").to("tensor"), lambda m: m.astype("float64")])  # fmt: skip
def test_copies_know_their_options(duplicate, path):
    model = nn.Sequential(nn.Conv2d(1, 2, (3, 2), stride=[2, 1], padding="same", bias=False), nn.GELU("tanh"))
    other = again(duplicate(model), path)
    assert repr(other) == repr(model)


@pytest.mark.parametrize(
    "init",
    [lambda rng, shape: np.ones(shape), functools.partial(nn.initialisers.normal, std=2.0)],
    ids=["function", "partial"],
)
def test_a_function_of_ones_own_draws_no_weights_of_a_loaded_model(init, path):
    model = nn.Sequential(nn.Dense(4, 2, init=init), nn.Dense(2, 2, init=nn.initialisers.orthogonal))
    other = again(again(model, path), path)
    assert other(X).numpy().tobytes() == model(X).numpy().tobytes()
    with pytest.raises(
        OptionError, match="^init: these weights were drawn by a function '(<lambda>|partial)', which is not in the"
    ):
        other.reset(0)
    assert other[1]._initialise is nn.initialisers.orthogonal


def test_a_loaded_model_is_drawn_anew_as_the_saved_one(path):
    model = nn.Sequential(
        nn.Conv1d(2, 3, 2, init="glorot_normal"), nn.Embedding(4, 2), nn.Dense(2, 2, init="ones"), nn.Dropout(0.1)
    )
    other = again(model, path)
    for (name, a), (_, b) in zip(model.reset(5).named_parameters(), other.reset(5).named_parameters(), strict=True):
        assert a.numpy().tobytes() == b.numpy().tobytes(), name
    assert (other[2].weight.data == 1).all()


def test_attributes_of_ones_own(path):
    model = network()
    model.classes, model.scale, model.about = ["a", "b"], (1.5, -np.inf), {"epochs": 3, "by": None}
    other = again(model, path)
    assert (other.classes, other.scale, other.about) == (model.classes, model.scale, model.about)


# ---- what cannot be made again ------------------------------------------------------------------------------------------
class Scaled(nn.Module):
    def __init__(self, features=3):
        self.factor = tg.Parameter(np.full(features, 2.0, np.float32))

    def forward(self, x):
        return x * self.factor


class Named(nn.Sequential):
    __slots__ = ()


def changed(name, value):
    layer = nn.Conv2d(1, 2, 3)
    setattr(layer, name, value)
    return layer


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        (Scaled(), r"\(.*\.Scaled\): it is a class of your own"),
        (Named(nn.ReLU()), r"\(.*\.Named\): it is a class of your own"),
        (nn.Lambda(lambda x: x), r"\(Lambda\): its function is a function, which a file cannot hold"),
        (
            changed("options", {"stride": 1, "padding": 0, "dilation": 1, "groups": 2}),
            r"\(Conv2d\): its options was changed by hand",
        ),
        (changed("options", 3), r"\(Conv2d\): its options was changed by hand"),
        (changed("bias", None), r"\(Conv2d\): its options are refused: Conv2d: bias must be True or False, got None"),
        (changed("weight", tg.Parameter(np.zeros((2, 2)))), r"\(Conv2d\): its weight was changed by hand"),
        (
            changed("extra", tg.Parameter(np.zeros(2))),
            r"\(Conv2d\): its extra is a Parameter, which a file cannot hold",
        ),
        (changed("head", nn.ReLU()), r"\(Conv2d\): its head is a module that was put in by hand"),
        (changed("forward", abs), r"\(Conv2d\): its forward was changed by hand"),
        (changed("_secret", 1), r"\(Conv2d\): its _secret was changed by hand"),
        (
            changed("in_channels", -1),
            r"\(Conv2d\): its options are refused: Conv2d: in_channels must be a positive whole number",
        ),
        (changed("note", {1, 2}), r"\(Conv2d\): its note is a set, which a file cannot hold"),
        (changed("note", collections.Counter("ab")), r"\(Conv2d\): its note is a Counter, which a file cannot hold"),
        (changed("note", time.gmtime()), r"\(Conv2d\): its note is a struct_time, which a file cannot hold"),
        (changed("note", 10**5000), r"\(Conv2d\): its note is a whole number of 16,610 bits, which a file cannot hold"),
    ],
)
def test_what_tg_load_cannot_make_again(layer, why, path):
    model = nn.Sequential(nn.ReLU(), layer)
    tg.save(model, path)
    with pytest.raises(
        CheckpointError, match=rf"holds what tg.load cannot make: 1 {why}.*tg.load\(path, into=model\)$"
    ):
        tg.load(path)
    state = model.state_dict()
    model.load_state_dict({name: numbers + 1 for name, numbers in state.items()})
    assert tg.load(path, into=model) is model
    assert all(numbers.tobytes() == state[name].tobytes() for name, numbers in model.state_dict().items())


def test_all_that_cannot_be_made_is_named(path):
    tg.save(nn.Sequential(Scaled(), nn.Sequential(nn.Lambda(np.tanh), nn.ReLU())), path)
    with pytest.raises(CheckpointError, match=r"0 \(.*Scaled\): .*; 1.0 \(Lambda\): its function is a ufunc, .*"):
        tg.load(path)


def test_two_arrays_of_one_name(path):
    model = Scaled()
    model.parts = {"a": {"b": tg.Parameter([1.0])}, "a.b": tg.Parameter([2.0])}
    with pytest.raises(OptionError, match=r"^save: 'parts.a.b' cannot be the name of one array in the file; rename"):
        tg.save(model, path)
    other = Scaled()
    setattr(other, "__metadata__", tg.Parameter([1.0]))  # noqa: B010
    with pytest.raises(OptionError, match="^save: '__metadata__' cannot be the name"):
        tg.save(other, path)


def test_a_model_that_holds_itself(path):
    model = Scaled()
    model.inside = nn.Sequential(nn.Dense(2, 2))
    model.inside.owner = model
    tg.save(model, path)
    with pytest.raises(
        CheckpointError,
        match=r"inside \(Sequential\): its owner is a module .* by hand; the model \(.*Scaled\): it is a class",
    ):
        tg.load(path)


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (
            {"w": np.ones(2)},
            r"^save: expected a model \(nn.Module\), got dict; numbers by name are saved by np.savez",
        ),
        (nn.Dense, r"^save: expected a model \(nn.Module\), got the class Dense"),
        (None, r"^save: expected a model \(nn.Module\), got NoneType"),
    ],
)
def test_what_is_no_model(model, text, path):
    with pytest.raises(OptionError, match=text):
        tg.save(model, path)


def test_the_registry_is_all_of_nn():
    assert {*_architecture.CLASSES.values()} == {
        c for c in vars(nn).values() if isinstance(c, type) and issubclass(c, nn.Module)
    }
    assert Path(tg.checkpoint.__file__).parent.name == "checkpoint"
