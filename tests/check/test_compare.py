"""compare: it agrees where the tensor engine is right, and names the op and the layer where it is not."""

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import _tape, nn
from tensorgrad._registry import OPS
from tensorgrad.check import Comparison
from tensorgrad.check.comparison import Row

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 4))
LABELS = np.array([0, 2, 1, 1, 0, 2])
TARGETS = RNG.normal(size=(6, 3))


def classifier(**options):
    return nn.Sequential(
        nn.Dense(4, 6, **options), nn.ReLU(), nn.Dense(6, 5, **options), nn.ReLU(), nn.Dense(5, 3, **options), rng=1
    )


def tanh_sigmoid(**options):
    return nn.Sequential(nn.Dense(4, 6, **options), nn.Tanh(), nn.Dense(6, 3, **options), nn.Sigmoid(), rng=1)


class Residual(nn.Module):
    """x is used twice, and the scale is broadcast: the gradients are added up, and summed back, between the ops."""

    def __init__(self):
        self.scale = tg.Parameter(np.array([1.0, -2.0, 0.5, 3.0]))
        self.inner = nn.Dense(4, 4, rng=0, dtype="float64")
        self.out = nn.Dense(4, 3, rng=0, dtype="float64")

    def forward(self, x):
        h = x * self.scale
        return self.out(h + tg.ops.tanh(self.inner(h)))


# ---- agreement --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("digits", [None, 50])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "make, loss, y",
    [
        (classifier, nn.CrossEntropyLoss(), LABELS),
        (classifier, nn.CrossEntropyLoss(), np.eye(3)[LABELS]),
        (lambda: classifier(bias=False), nn.CrossEntropyLoss(), LABELS),
        (tanh_sigmoid, nn.MSELoss(), TARGETS),
        (lambda: nn.Sequential(nn.Dense(4, 3), nn.Softmax(), rng=1), nn.MSELoss(), TARGETS),
        (Residual, nn.CrossEntropyLoss(), LABELS),
    ],
    ids=["labels", "one-hot", "no bias", "tanh and sigmoid", "softmax", "custom module"],
)
def test_the_engines_agree(make, loss, y, dtype, digits):
    model = make().astype(dtype)
    comparison = tg.compare(model, X, y, loss=loss, digits=digits)
    assert comparison.ok, str(comparison)
    assert [row.name for row in comparison.rows] == ["loss"] + [name for name, _ in model.named_parameters()]
    assert [row.shape for row in comparison.rows[1:]] == [p.shape for p in model.parameters()]
    assert comparison.max_ulp == max(row.ulps for row in comparison.rows) < 64
    assert (comparison.dtype, comparison.digits, comparison.batch, comparison.culprit) == (dtype, digits, 6, "")


def test_digits_show_the_true_error_of_float32():
    """float32 in 50 digits: the differences are rounding, neither zero nor more than a few last places."""
    rows = tg.compare(classifier(), X, LABELS, loss=nn.CrossEntropyLoss(), digits=50).rows
    assert all(0 < row.ulps < 16 for row in rows)


# ---- a bug in one op of one layer -------------------------------------------------------------------------------------
def plant_in_value(patch, name, when):
    """Make the last element of the op's output wrong by 0.1%, in the calls where `when(*inputs)`."""
    forward = OPS[name].forward

    def wrong(*inputs, **options):
        y = forward(*inputs, **options)
        value = y[0] if type(y) is tuple else y
        if when(*inputs):
            value.reshape(-1)[-1:] *= 1.001
        return y

    patch.setattr(OPS[name], "forward", wrong)


def plant_in_gradient(patch, name, i, when, bug=lambda g: g * 1.001):
    """Let `bug(gradient)` stand for the gradient of input i, in the calls where `when(*inputs)`: 0.1% too much."""
    op = OPS[name]
    if op.fused is not None:
        fused = op.fused

        def wrong_fused(needs, g, saved, *inputs, **options):
            grads = list(fused(needs, g, saved, *inputs, **options))
            if when(*inputs):
                grads[i] = bug(grads[i])
            return grads

        patch.setattr(op, "fused", wrong_fused)
        return
    rules = list(op.backward)
    rule = rules[i]

    def wrong(g, y, *inputs, **options):
        right = rule(g, y, *inputs, **options)
        return bug(right) if when(*inputs) else right

    rules[i] = wrong
    patch.setattr(op, "backward", rules)


def weight_is(*shape):
    return lambda x, w, *_: w.shape == shape


def always(*_):
    return True


@pytest.mark.parametrize("digits", [None, 30])
@pytest.mark.parametrize(
    "make, loss, y, op, when, place",
    [
        (classifier, nn.CrossEntropyLoss(), LABELS, "dense", weight_is(4, 6), "'dense' in layer '0'"),
        (classifier, nn.CrossEntropyLoss(), LABELS, "dense", weight_is(6, 5), "'dense' in layer '2'"),
        (classifier, nn.CrossEntropyLoss(), LABELS, "dense", weight_is(5, 3), "'dense' in layer '4'"),
        (classifier, nn.CrossEntropyLoss(), LABELS, "dense", always, "'dense' in layer '0'"),
        (classifier, nn.CrossEntropyLoss(), LABELS, "softmax_cross_entropy", always,
         "'softmax_cross_entropy' in layer 'CrossEntropyLoss'"),
        (lambda: classifier(bias=False), nn.CrossEntropyLoss(), LABELS, "matmul", weight_is(6, 5), "'matmul' in layer '2'"),
        (lambda: classifier(bias=False), nn.CrossEntropyLoss(), LABELS, "relu", lambda x: x.shape == (6, 5),
         "'relu' in layer '3'"),
        (tanh_sigmoid, nn.MSELoss(), TARGETS, "tanh", always, "'tanh' in layer '1'"),
        (tanh_sigmoid, nn.MSELoss(), TARGETS, "sigmoid", always, "'sigmoid' in layer '3'"),
        (tanh_sigmoid, nn.MSELoss(), TARGETS, "square", always, "'square' in layer 'MSELoss'"),
        (Residual, nn.CrossEntropyLoss(), LABELS, "add", always, "'add' in layer ''"),
        (Residual, nn.CrossEntropyLoss(), LABELS, "dense", weight_is(4, 3), "'dense' in layer 'out'"),
    ],
)  # fmt: skip
class TestPlantedBug:
    def test_in_the_value(self, monkeypatch, make, loss, y, op, when, place, digits):
        plant_in_value(monkeypatch, op, when)
        comparison = tg.compare(make().astype("float64"), X, y, loss=loss, digits=digits)
        place = place.removesuffix(" in layer ''")
        assert not comparison.ok
        assert comparison.culprit.startswith(f"the output of {place} is "), comparison.culprit

    def test_in_the_gradient(self, monkeypatch, make, loss, y, op, when, place, digits):
        i = next(i for i, k in reversed(list(enumerate(OPS[op].differentiable))) if k)
        plant_in_gradient(monkeypatch, op, i, when)
        comparison = tg.compare(make().astype("float64"), X, y, loss=loss, digits=digits)
        place = place.removesuffix(" in layer ''")
        assert not comparison.ok
        assert comparison.culprit.startswith(f"the gradient of input {i} of {place} is "), comparison.culprit


def test_the_first_of_two_bugs_is_named(monkeypatch):
    plant_in_value(monkeypatch, "sigmoid", always)
    plant_in_gradient(monkeypatch, "tanh", 0, always)
    comparison = tg.compare(tanh_sigmoid(), X, TARGETS, loss=nn.MSELoss())
    assert comparison.culprit.startswith("the gradient of input 0 of 'tanh' in layer '1' is ")


# ---- gradients of which most cancels ----------------------------------------------------------------------------------
def images():
    """A network whose convolution has a bias that its BatchNorm takes out again: the gradient is what rounding leaves."""
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm(2), nn.ReLU(), nn.Flatten(), nn.Dense(18, 3), rng=1)


IMAGES = RNG.normal(size=(6, 5, 5, 1))


@pytest.mark.parametrize("digits", [None, 30])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rounding_that_cancelling_terms_leave_is_nobodys_fault(dtype, digits):
    comparison = tg.compare(images().astype(dtype), IMAGES, LABELS, loss=nn.CrossEntropyLoss(), digits=digits)
    assert comparison.ok, str(comparison)
    assert comparison.max_ulp < 64, str(comparison)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_gradient_that_should_be_0_and_is_not_is_found(monkeypatch, dtype):
    """Between the ops: what arrives at the bias is a thousandth of the largest gradient."""
    hand_out = _tape._hand_out

    def wrong(found):
        largest = max(abs(g).max() for g in found.values())
        hand_out({x: g + largest / 1000 if x is bias.value else g for x, g in found.items()})

    model = images().astype(dtype)
    monkeypatch.setattr(nn.Module, "astype", lambda self, _: self)
    monkeypatch.setattr(_tape, "_hand_out", wrong)
    bias = model[0].bias
    comparison = tg.compare(model, IMAGES, LABELS, loss=nn.CrossEntropyLoss())
    assert [row.name for row in comparison.rows if not row.ok] == ["0.bias"]
    assert not comparison.culprit


@pytest.mark.parametrize("bug", [lambda g: g * 1.001, lambda g: np.zeros_like(g)], ids=["wrong factor", "nothing"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "op, layer, scale", [("conv2d", "0", 1), ("conv2d", "0", 1e-4), ("batch_norm", "1", 1), ("dense", "4", 1)]
)
def test_a_wrong_gradient_of_a_weight_is_found_beside_one_that_cancels(monkeypatch, op, layer, scale, dtype, bug):
    plant_in_gradient(monkeypatch, op, 1, always, bug)
    comparison = tg.compare(images().astype(dtype), IMAGES * scale, LABELS, loss=nn.CrossEntropyLoss())
    assert comparison.culprit.startswith(f"the gradient of input 1 of {op!r} in layer {layer!r} is "), comparison


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("op, layer", [("conv2d", "0"), ("batch_norm", "1"), ("dense", "4")])
def test_a_term_that_a_weights_gradient_lacks_is_found(monkeypatch, op, layer, dtype):
    """The first sample's, in the sum over the batch."""
    right = OPS[op].fused

    def forgetful(needs, g, saved, x, *others, **options):
        grads, without = (list(right(needs, h, saved, x, *others, **options)) for h in (g, np.r_[0 * g[:1], g[1:]]))
        grads[1] = without[1]
        return grads

    monkeypatch.setattr(OPS[op], "fused", forgetful)
    comparison = tg.compare(images().astype(dtype), IMAGES, LABELS, loss=nn.CrossEntropyLoss())
    assert comparison.culprit.startswith(f"the gradient of input 1 of {op!r} in layer {layer!r} is "), comparison


# ---- bugs between the ops ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "name, bug",
    [
        ("accumulate", lambda total, g: g),
        ("accumulate", lambda total, g: total),
        ("unbroadcast", lambda g, shape: g[0].reshape(shape)),
        ("unbroadcast", lambda g, shape: g.mean(0).reshape(shape)),
    ],
)
def test_a_bug_of_the_tape_is_no_ops_fault(monkeypatch, name, bug):
    monkeypatch.setattr(_tape, name, bug)
    comparison = tg.compare(Residual(), X, LABELS, loss=nn.CrossEntropyLoss())
    assert not comparison.ok and comparison.culprit == ""
    assert str(comparison).splitlines()[-1] == (
        "the engines DISAGREE: every op is right for the inputs that it was given: gradients were lost or added up "
        "wrongly between ops, or a number lies on the kink of an activation"
    )


def test_a_lost_gradient_is_found(monkeypatch):
    """A parameter that one engine has no gradient for, and the other has."""
    pull = OPS["dense"].pull

    def forgetful(node, g, recorded):
        node.needs[2] = False
        return pull(node, g, recorded)

    monkeypatch.setattr(OPS["dense"], "pull", forgetful, raising=False)
    comparison = tg.compare(classifier(), X, LABELS, loss=nn.CrossEntropyLoss())
    assert [row.name for row in comparison.rows if not row.ok] == ["0.bias", "2.bias", "4.bias"]


# ---- the model is left alone ------------------------------------------------------------------------------------------
def test_the_model_is_left_as_it_was():
    model = classifier()
    model[0].training = False
    before = model.state_dict()
    marks = [np.full(p.shape, i, p.dtype) for i, p in enumerate(model.parameters())]
    for p, mark in zip(model.parameters(), marks, strict=True):
        p.grad = mark
    tg.compare(model, X, LABELS, loss=nn.CrossEntropyLoss())
    assert all(np.array_equal(p.grad, mark) for p, mark in zip(model.parameters(), marks, strict=True))
    assert all(np.array_equal(model.state_dict()[name], numbers) for name, numbers in before.items())
    assert [layer.training for layer in model] == [False, True, True, True, True]
    assert model.engine == "tensor" and model.dtype == np.float32


def test_watching_ends_with_an_error():
    model, seen = classifier(), _tape.mode.watch
    with pytest.raises(tg.errors.LabelError):
        tg.compare(model, X, LABELS + 3, loss=nn.CrossEntropyLoss())
    assert _tape.mode.watch is seen is None


# ---- what it prints, and refuses --------------------------------------------------------------------------------------
def test_table():
    rows = [Row("loss", (), 1.25, 0.0, 0.0, True), Row("0.weight", (4, 6), 0.5, 3e-8, 1.5, True)]
    assert str(Comparison(rows, "", 50, "float32", 8)) == "\n".join(
        [
            "tensor engine (float32) against scalar engine (50 digits), 8 rows",
            "                 shape     largest  difference      ulps",
            "loss                ()        1.25           0      0.00",
            "0.weight        (4, 6)         0.5       3e-08      1.50",
            "the engines agree: within 1.5 units in the last place",
        ]
    )


def test_table_of_a_disagreement():
    rows = [Row("loss", (), 1.0, 0.0, 0.0, True), Row("0.bias", (6,), 0.5, 0.25, 4e6, False)]
    comparison = Comparison(rows, "the output of 'tanh' in layer '1' is wrong", None, "float64", 2)
    assert not comparison.ok and repr(comparison) == str(comparison)
    assert str(comparison).splitlines()[0] == "tensor engine (float64) against scalar engine (Python floats), 2 rows"
    assert str(comparison).splitlines()[3].endswith("4000000.00  WRONG")
    assert str(comparison).splitlines()[4] == "the engines DISAGREE: the output of 'tanh' in layer '1' is wrong"


@pytest.mark.parametrize("digits", [16, 30.0, "many"])
def test_digits_are_checked(digits):
    with pytest.raises(tg.errors.OptionError) as caught:
        tg.compare(classifier(), X, LABELS, loss=nn.CrossEntropyLoss(), digits=digits)
    expected = f"compare: digits must be a whole number of at least 17 (a float64 has 16), got {digits!r}"
    assert str(caught.value) == expected


def test_a_scalar_model_is_refused():
    with pytest.raises(tg.errors.EngineError) as caught:
        tg.compare(classifier().to("scalar"), X, LABELS, loss=nn.CrossEntropyLoss())
    assert str(caught.value) == 'compare: expected a model on the tensor engine; use model.to("tensor")'
