"""Files that are not what tg.save wrote: always a CheckpointError that says what is wrong, never a wrong number."""

import inspect
import io
import json
import pickle
import struct
import tracemalloc

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad.checkpoint import _format
from tensorgrad.errors import CheckpointError


def network():
    layers = nn.Conv1d(2, 3, 2), nn.BatchNorm(3), nn.Flatten(), nn.Dropout(0.25), nn.Residual(nn.Dense(6, 6), nn.ReLU())
    return nn.Sequential(*layers, rng=0).penalise(l2=0.5)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """The bytes of a file."""
    return tg.save(network(), tmp_path_factory.mktemp("good") / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("bad") / "model.safetensors"


def loaded(path, data, into=None):
    path.write_bytes(data)
    return tg.load(path, into=into)


# ---- by chance ----------------------------------------------------------------------------------------------------------
KINDS = ["flip", "cut", "truncate", "insert", "overwrite", "swap", "zero", "digits"]


@st.composite
def changed(draw, data, kind):
    """Bytes that differ: a bit flipped, some cut out, put in, overwritten, or two ranges swapped; often in the header."""
    header = 8 + int.from_bytes(data[:8], "little")
    at = draw(st.integers(0, (header if draw(st.booleans()) else len(data)) - 1))
    size = draw(st.integers(1, 40))
    if kind == "flip":
        return data[:at] + bytes([data[at] ^ (1 << draw(st.integers(0, 7)))]) + data[at + 1 :]
    if kind == "truncate":
        return data[:at]
    if kind == "cut":
        return data[:at] + data[at + size :]
    if kind == "insert":
        return (
            data[:at]
            + draw(st.binary(min_size=1, max_size=40) | st.sampled_from([b" ", b"\n", b"0", b'"', b"[]"]))
            + data[at:]
        )
    if kind == "overwrite":
        new = draw(st.binary(min_size=1, max_size=40))
        return (data[:at] + new + data[at + len(new) :])[: len(data)]
    if kind == "zero":
        return data[:at] + bytes(len(data[at : at + size])) + data[at + size :]
    if kind == "digits":
        places = [i for i, byte in enumerate(data[:header]) if chr(byte).isdigit()]
        i = draw(st.sampled_from(places))
        return data[:i] + str(draw(st.integers(0, 9))).encode() + data[i + 1 :]
    other = draw(st.integers(0, len(data) - 1))
    a, b = sorted((at, other))
    size = min(size, b - a, len(data) - b)
    return data[:a] + data[b : b + size] + data[a + size : b] + data[a : a + size] + data[b + size :]


def check_changed(data, good, path):
    """Raise AssertionError unless a file with these bytes is refused, or has those that were saved."""
    model = network()
    before = {name: x.tobytes() for name, x in model.state_dict().items()}
    for into in (None, model):
        if data == good:
            loaded(path, data, into)
            continue
        with pytest.raises(CheckpointError) as error:
            loaded(path, data, into)
        assert str(path) in str(error.value)
    assert {name: x.tobytes() for name, x in model.state_dict().items()} == before


@pytest.mark.parametrize("kind", KINDS)
@given(drawn=st.data())
def test_no_change_goes_unnoticed(kind, drawn, good, path):
    check_changed(drawn.draw(changed(good, kind)), good, path)


def test_every_bit_of_the_header_counts(good, path):
    for i in range(0, (8 + int.from_bytes(good[:8], "little")) * 8, 3):
        data = bytearray(good)
        data[i // 8] ^= 1 << i % 8
        with pytest.raises(CheckpointError):
            loaded(path, bytes(data))


def test_a_checksum_that_is_not_looked_at_is_noticed(good, path, monkeypatch):
    monkeypatch.setattr(_format, "_has_checksum", lambda *_: True)
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        check_changed(good[:-1] + bytes([good[-1] ^ 1]), good, path)


# ---- of another kind ----------------------------------------------------------------------------------------------------
def npz():
    file = io.BytesIO()
    np.savez(file, **network().state_dict())
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", " is no safetensors file: it is empty$"),
        (b"hello, world", " is no safetensors file$"),
        (npz(), r" is no safetensors file: a zip archive: if np.savez wrote it, model.load_state_dict\(np.load\(path\)\) takes it$"),
        (pickle.dumps({"w": 1}), " is no safetensors file: a pickle, which is not read, as that would run what is in it$"),
        (b"\x89HDF\r\n\x1a\n" + bytes(99), " is no safetensors file: an HDF5 file, as Keras writes them$"),
        (b"\xff" * 8 + b"{}", " is truncated or damaged: its header is longer than the 10 bytes there are$"),
        (struct.pack("<Q", 9) + b'{"a": [1}', " is damaged: its header cannot be read"),
        (struct.pack("<Q", 9) + b'{"a": 12}', " is damaged: its header cannot be read"),
        (struct.pack("<Q", 200_001) + b'{"a":' + b"[" * 199_996, " is damaged: its header cannot be read"),
        (safetensors.numpy.save({"fc.weight": np.ones((3, 2))}), r" was not written by tg.save: it has no entry 'tensorgrad', only "
         r"arrays \(fc.weight\).*safetensors.numpy.load_file\(path\).*model.load_state_dict\(arrays\)$"),
        (safetensors.numpy.save({}, {"format": "pt"}), r" was not written by tg.save: it has no entry 'tensorgrad', only arrays \(none\)"),
        (safetensors.numpy.save({}, {"tensorgrad": "{"}), " is damaged: its description cannot be read"),
        (safetensors.numpy.save({}, {"tensorgrad": "[" * 200_000}), " is damaged: its description cannot be read"),
        (safetensors.numpy.save({}, {"tensorgrad": "[]"}), " is damaged: its description is no dict$"),
        (safetensors.numpy.save({}, {"tensorgrad": "{}"}), " is damaged: its checksum"),
        (safetensors.numpy.save({}, {"tensorgrad": '{"format": 2}'}),
         " has format 2, and this tensorgrad reads formats up to 1: pip install --upgrade microgrid-tensorgrad$"),
        (safetensors.numpy.save({}, {"tensorgrad": '{"format": true, "checksum": ""}'}), " is damaged: its checksum"),
        (safetensors.numpy.save({}, {"tensorgrad": '{"format": 1, "checksum": ""}'}), " is damaged: its checksum"),
        (safetensors.numpy.save({}, {"tensorgrad": '{"format": 1, "checksum": 64}'}), " is damaged: its checksum"),
        (safetensors.numpy.save({}, {"tensorgrad": '{"format": 1, "checksum": "%s"}' % (r"\ud800" * 64)}), " is damaged: its checksum"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(data, text, path):
    for into in (None, network()):
        with pytest.raises(CheckpointError, match=f"^load: '.*model.safetensors'{text}"):
            loaded(path, data, into)


def test_what_is_missing_or_too_much_is_said(good, path):
    with pytest.raises(
        CheckpointError, match=rf"is truncated: it has {len(good) - 5:,} bytes, and its header speaks of {len(good):,}"
    ):
        loaded(path, good[:-5])
    with pytest.raises(CheckpointError, match=rf"is damaged: it has {len(good) + 1:,} bytes, and its header speaks of"):
        loaded(path, good + b"\0")


# ---- on purpose, with a checksum that fits --------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def forged(good):
    """Makes the bytes of a file whose description, and arrays, somebody has changed."""

    def make(change, arrays=None):
        found, description = _format.decoded("", good)
        description = {n: v for n, v in json.loads(json.dumps(description)).items() if n not in ("format", "checksum")}
        change(description)
        return bytes(_format.encoded(arrays or found, description))

    return make


def set_at(*places, value):
    def change(description):
        *inside, last = places
        for place in inside:
            description = description[place]
        description[last] = value

    return change


CONV = ("modules", "0")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (set_at("modules", value=3), "describes no model: its modules are no dicts"),
        (set_at("modules", value={}), "describes no model: it has no module without a path"),
        (set_at("modules", value={"": 3}), "describes no model: its modules are no dicts"),
        (set_at("engine", value="quantum"), "describes no model: engine 'quantum'"),
        (set_at("frozen", value=None), "describes no model: engine 'tensor', frozen None"),
        (set_at(*CONV, "class", value="Dense"), r"0 \(Dense\): Dense: unknown option 'in_channels'"),
        (set_at(*CONV, "class", value="os.system"), r"0 \(os.system\): class: unknown name 'os.system'"),
        (set_at(*CONV, "class", value="functional_call"), r"unknown name 'functional_call'"),
        (set_at(*CONV, "class", value=["Dense"]), r"class: unknown name \['Dense'\]"),
        (
            set_at(*CONV, "options", "out_channels", value=4),
            r"its options ask for an array of shape|its weight has shape",
        ),
        (set_at(*CONV, "options", "kernel_size", value={"eval": "1"}), r"option: unknown kind 'eval'"),
        (set_at(*CONV, "options", "forward", value=1), "unknown option 'forward'"),
        (set_at(*CONV, "options", value=[]), "describes no model: 0"),
        (
            set_at(*CONV, "arrays", "weight", value="1.weight"),
            r"0 \(Conv1d\): its weight has shape \(2, 2, 3\), and in the file 1.weight ",
        ),
        (
            set_at(*CONV, "arrays", "other", value="0.weight"),
            r"it has \['weight', 'bias'\], and in the file \['weight', 'bias', 'other'\]",
        ),
        (set_at(*CONV, "arrays", value={}), r"it has \['weight', 'bias'\], and in the file \[\]"),
        (set_at(*CONV, "arrays", "bias", value="1.bias"), "describes another model: its arrays are"),
        (set_at(*CONV, "attributes", value={"forward": "x"}), "it cannot have an attribute 'forward'"),
        (set_at(*CONV, "attributes", value={"_hooks": [1]}), "it cannot have an attribute '_hooks'"),
        (set_at(*CONV, "attributes", value={"options": 1}), "it cannot have an attribute 'options'"),
        (set_at(*CONV, "penalties", value=[["gain", 1.0, 1.0]]), "it cannot have penalties"),
        (set_at(*CONV, "penalties", value=[["weight", 1.0]]), "it cannot have penalties"),
        (
            set_at(*CONV, "penalties", value=[["weight", -1.0, 0.0]]),
            "penalise: l must be a number of at least 0, got -1.0",
        ),
        (set_at(*CONV, "training", value="yes"), "on must be True or False, got 'yes'"),
        (set_at(*CONV, "modules", value={"0": "1"}), r"0 \(Conv1d\): "),
        (set_at("modules", "", "modules", "7", value=""), r"the model \(Sequential\): "),
        (set_at("modules", "", "modules", "0", value="4"), "describes another model"),
        (set_at("modules", "3", "options", "p", value=2.0), "must be"),
    ],
)
def test_a_description_that_fits_no_model(change, text, path, forged):
    with pytest.raises(CheckpointError, match=text):
        loaded(path, forged(change))


def test_arrays_of_other_dtypes(path, forged):
    arrays = {name: x.astype(np.int32) if name == "0.weight" else x for name, x in network().state_dict().items()}
    with pytest.raises(CheckpointError, match=r"0 \(Conv1d\): .* and in the file 0.weight has \(2, 2, 3\), int32"):
        loaded(path, forged(lambda d: None, arrays))


CLASSES = [c for n in nn.__all__ if isinstance(c := getattr(nn, n), type) and issubclass(c, nn.Module)]
SIZES = {"in_features", "out_features", "in_channels", "out_channels", "kernel_size", "channels", "features", "count", "groups",
         "num_parameters", "multiplier", "output_size", "scale_factor", "std"}  # fmt: skip


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("kind", CLASSES)
def test_a_huge_layer_in_a_small_file_is_not_made(kind, affine, path, forged):
    names = {} if kind.__init__ is object.__init__ else [*inspect.signature(kind.__init__).parameters]
    options = {name: 4_000_000 for name in names if name in SIZES}
    options |= {"kernel_size": 3} if "kernel_size" in names else {}
    options |= {"groups": 1} if "groups" in names else {}
    options |= {"affine": affine} if "affine" in names else {}
    data = forged(set_at(*CONV, value={"class": kind.__name__, "options": options, "training": True}))
    path.write_bytes(data)
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError):
            tg.load(path)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_many_layers_that_share_one_array(path, forged):
    """Each may have arrays of its own beside those of the file, but not all of them."""
    norm = {"class": "LayerNorm", "options": {"features": 1000, "affine": False}, "training": True}
    modules = {str(i): norm for i in range(3000)}
    with pytest.raises(
        CheckpointError, match=r"(5\d\d) \(LayerNorm\): its options ask for an array of shape \(1000,\), which the file"
    ):
        loaded(path, forged(set_at("modules", value=modules)))


def test_a_deep_model_is_no_trouble(path):
    model = nn.Sequential(nn.Dense(2, 2, rng=0))
    for _ in range(300):
        model = nn.Sequential(model)
    model = nn.Sequential(model, nn.ReLU())
    again = loaded(path, tg.save(model, path).read_bytes())
    assert len([*again.named_modules()]) == 304
    assert [(n, p.numpy().tobytes()) for n, p in again.named_parameters()] == [
        (n, p.numpy().tobytes()) for n, p in model.named_parameters()
    ]
