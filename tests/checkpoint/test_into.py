"""tg.load(path, into=model): numbers into a model of one's own, all of them or none."""

from fractions import Fraction

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad.errors import CheckpointError, OptionError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def network(dtype="float32", width=3, rng=0):
    return nn.Sequential(nn.Dense(2, width), nn.BatchNorm(width), nn.Dropout(0.5), nn.Dense(width, 2), rng=rng).astype(
        dtype
    )


def numbers(model):
    return {name: array.tobytes() for name, array in model.state_dict().items()}


def test_the_numbers_and_nothing_else(path):
    model, other = network().eval().freeze(), network(rng=1).penalise(l2=0.5)
    tg.save(model, path)
    weight, before = other[0].weight, other[0].weight.data
    assert tg.load(path, into=other) is other
    assert numbers(other) == numbers(model)
    assert other[0].weight is weight and np.shares_memory(before, weight.data)  # optimizers hold on to both
    assert other.training and weight.requires_grad and other.penalty().item() > 0


def test_every_name_that_does_not_fit_is_listed(path):
    tg.save(network(), path)
    other = nn.Sequential(
        nn.Dense(2, 4), nn.LayerNorm(4), nn.Tanh(), nn.Dense(4, 2, bias=False), nn.Dense(2, 1, bias=False)
    )
    before = numbers(other)
    with pytest.raises(CheckpointError) as error:
        tg.load(path, into=other)
    assert str(error.value) == (
        f"load: {str(path)!r} does not fit into this Sequential: missing 4.weight; unknown 1.running_mean; "
        "unknown 1.running_var; unknown 2.state; unknown 3.bias; 0.weight has shape (2, 3) in the file, and (2, 4) in the model; 0.bias has "
        "shape (3,) in the file, and (4,) in the model; 1.weight has shape (3,) in the file, and (4,) in the model; 1.bias has "
        "shape (3,) in the file, and (4,) in the model; 3.weight has shape (3, 2) in the file, and (4, 2) in the model"
    )
    assert numbers(other) == before


def test_a_smaller_dtype_is_refused(path):
    tg.save(network("float64"), path)
    other = network()
    before = numbers(other)
    text = (
        r"0.weight has dtype float64 in the file, which float32 would round: fill model.astype\('float64'\), and take "
    )
    with pytest.raises(CheckpointError, match=text + r".astype\('float32'\) of that"):
        tg.load(path, into=other)
    assert numbers(other) == before
    assert numbers(tg.load(path, into=other.astype("float64")).astype("float32")) == numbers(network())


def test_whole_numbers_that_would_be_rounded(path):
    class Counting(nn.Module):
        buffers = ("count",)

        def __init__(self, dtype):
            self.count = np.ones(2, dtype)

    tg.save(Counting(np.int64), path)
    with pytest.raises(
        CheckpointError, match="Counting: count has dtype int64 in the file, which float32 would round$"
    ):
        tg.load(path, into=Counting(np.float32))


def test_a_larger_dtype_holds_the_same_numbers(path):
    tg.save(network(), path)
    other = tg.load(path, into=network("float64", rng=1))
    assert other.dtype == np.float64
    for name, array in network().state_dict().items():
        assert np.array_equal(other.state_dict()[name], array), name


@pytest.mark.parametrize(("saved", "filled"), [("tensor", "scalar"), ("scalar", "tensor"), ("scalar", "scalar")])
def test_either_engine(saved, filled, path):
    tg.save(network("float64").to(saved), path)
    other = tg.load(path, into=network("float64", rng=1).to(filled))
    assert other.engine == filled and numbers(other) == numbers(network("float64"))


class Few(nn.Module):
    def __init__(self, number):
        self.none, self.one = tg.Parameter(np.zeros((0, 3))), tg.Parameter(np.float64(number))


@pytest.mark.parametrize("engine", ["tensor", "scalar"])
def test_arrays_without_numbers_or_without_axes(engine, path):
    tg.save(Few(2.5).to(engine), path)
    for other in (Few(0.0), Few(0.0).to("scalar")):
        tg.load(path, into=other)
        assert float(other.one.data) == 2.5 and other.none.shape == (0, 3) and other.one.dtype == np.float64


def test_a_model_of_fractions(path):
    tg.save(network()[:1], path)
    exact = network()[:1].to("scalar", number=Fraction)
    with pytest.raises(
        CheckpointError, match=r'0.weight has no floats in the model: fill one of floats, then model.to\("scalar", nu'
    ):
        tg.load(path, into=exact)
    assert isinstance(exact[0].weight.data[0, 0], Fraction)


def test_a_state_of_noise_that_is_none(path):
    other = network()
    before = numbers(other)
    model = network()
    model[2].state[:] = 0.5, -1, 2  # which no layer of noise has
    tg.save(model, path)
    with pytest.raises(CheckpointError, match="does not fit into this Sequential: .*2.state has other numbers"):
        tg.load(path, into=other)
    assert numbers(other) == before


def test_shared_parameters(path):
    model = nn.Sequential(nn.Dense(2, 2, rng=0), nn.Dense(2, 2, rng=1))
    tg.save(model, path)
    model[1].weight = model[0].weight
    with pytest.raises(CheckpointError, match=r"does not fit into this Sequential: unknown 1.weight$"):
        tg.load(path, into=model)


@pytest.mark.parametrize(
    ("into", "text"),
    [
        (nn.Dense, r"got the class Dense; make one: into=Dense\(...\)$"),
        ({}, "got dict$"),
        (0, "got int$"),
        (np.ones(2), "got ndarray$"),
    ],
)
def test_what_is_no_model(into, text, path):
    tg.save(network(), path)
    with pytest.raises(OptionError, match=r"^load: into must be a model \(nn.Module\), " + text):
        tg.load(path, into=into)
