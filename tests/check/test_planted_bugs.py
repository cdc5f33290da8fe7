"""A checker that never fails checks nothing: each bug below is planted in every op that can have it, and found."""

import warnings

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import _tape
from tensorgrad._op import Op
from tensorgrad._registry import OPS
from tensorgrad._tensor import Tensor

pytestmark = pytest.mark.sampled(3)
NAMES = sorted(name for name, op in OPS.items() if isinstance(op, Op))
DIFFERENTIABLE = [n for n in NAMES if any(OPS[n].differentiable)]
GRADIENTS = [(n, i) for n in DIFFERENTIABLE for i, k in enumerate(OPS[n].differentiable) if k and not OPS[n].composed]
COMPOSED = [n for n in NAMES if OPS[n].composed]
SMALL = 1e-9  # a relative error of this size is millions of ulps in float64


def failures(name, dtype="float64"):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # wrong numbers may warn on their way
        return tg.check_op(name, dtypes=[dtype]).failures


def assert_found(name, *words, dtype="float64"):
    found = failures(name, dtype)
    assert any(all(w in sentence for w in words) for sentence in found), found or f"the bug in {name} was not found"


def kinds(op, count):
    return op.differentiable * count if op.variadic else op.differentiable


def cases(op):
    """(sample, float64 arrays) of every sample with a gradient and some numbers."""
    rng = np.random.default_rng(0)
    for sample in op.samples:
        arrays = [a.astype(float) if a.dtype.kind == "f" else a for a in sample.arrays(rng)]
        if sample.gradient and all(a.size for a in arrays):
            yield sample, arrays


# ---- planting ---------------------------------------------------------------------------------------------------------
def as_result(y):
    """NumPy's arithmetic turns arrays without axes into numbers; ops do not."""
    return y if y is None or isinstance(y, Tensor) else np.asarray(y)


def plant_in_value(patch, name, bug):
    """Let `bug(y)` stand for the output, arrays and (in composed ops) Tensors alike."""
    forward = OPS[name].forward

    def wrong(*inputs, **options):
        y = forward(*inputs, **options)
        return (as_result(bug(y[0])), *y[1:]) if type(y) is tuple else as_result(bug(y))

    patch.setattr(OPS[name], "forward", wrong)


def plant_in_gradient(patch, name, i, bug):
    """Let `bug(gradient)` stand for the gradient that the op gives for input i."""
    op = OPS[name]
    if op.fused is not None:
        fused = op.fused

        def wrong_fused(*args, **options):
            grads = list(fused(*args, **options))
            grads[i] = as_result(bug(grads[i]))
            return grads

        patch.setattr(op, "fused", wrong_fused)
        return
    rules = list(op.backward)
    rule = rules[i]
    rules[i] = lambda *args, **options: as_result(bug(rule(*args, **options)))
    patch.setattr(op, "backward", rules)


def last_element(y):
    """y with the last element off by a little, as a loop that stops too early or a bad vector tail leaves it."""
    off = np.zeros(y.shape)
    off.reshape(-1)[-1:] = SMALL
    return y + off * (1 + abs(y)) if isinstance(y, Tensor) else y + (off * (1 + np.abs(y))).astype(y.dtype)


# ---- the value --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("bug", [last_element, lambda y: y * (1 + SMALL)], ids=["last element wrong", "wrong factor"])
@pytest.mark.parametrize("name", NAMES)
def test_wrong_value(monkeypatch, name, bug):
    plant_in_value(monkeypatch, name, bug)
    assert_found(name, "the value is")


@pytest.mark.parametrize("name", NAMES)
def test_other_dtype(monkeypatch, name):
    """float32 becomes float64; or float64 becomes float32, where an option asks for float64."""
    plant_in_value(monkeypatch, name, lambda y: y.astype("float32" if y.dtype == "float64" else "float64"))
    assert_found(name, "dtype", dtype="float32")


@pytest.mark.parametrize("name", NAMES)
def test_input_modified_in_place(monkeypatch, name):
    forward = OPS[name].forward

    def wrong(*inputs, **options):
        y = forward(*inputs, **options)
        for x in inputs:
            if isinstance(x, np.ndarray) and x.dtype.kind == "f":
                x[...] = x + 1
        return y

    monkeypatch.setattr(OPS[name], "forward", wrong)
    assert_found(name, "an input was modified")


def has_strided_sample(name):
    return any(not a.flags.c_contiguous for s in OPS[name].samples for a in s.arrays(np.random.default_rng(0)))


@pytest.mark.parametrize("name", [n for n in NAMES if has_strided_sample(n)])
def test_strides_ignored(monkeypatch, name):
    """The numbers are read one after another from memory, where the array skips some."""
    forward = OPS[name].forward

    def packed(x):
        contiguous = not isinstance(x, np.ndarray) or x.flags.c_contiguous
        return x if contiguous else np.lib.stride_tricks.as_strided(x, x.shape, np.empty(x.shape, x.dtype).strides)

    monkeypatch.setattr(OPS[name], "forward", lambda *inputs, **options: forward(*map(packed, inputs), **options))
    assert_found(name)


# ---- the gradient -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("bug", [last_element, lambda g: g * (1 + SMALL)], ids=["last element wrong", "wrong factor"])
@pytest.mark.parametrize("name, i", GRADIENTS)
def test_wrong_gradient(monkeypatch, name, i, bug):
    plant_in_gradient(monkeypatch, name, i, bug)
    assert_found(name, f"gradient {i} is")


@pytest.mark.parametrize("name", COMPOSED)
def test_wrong_gradient_of_a_composed_op(monkeypatch, name):
    """The value is right; a part of it is counted twice in the gradient."""
    plant_in_value(monkeypatch, name, lambda y: y + SMALL * (y - y.detach()) if isinstance(y, Tensor) else y)
    assert_found(name, "gradient 0 is")


@pytest.mark.parametrize("name, i", GRADIENTS)
def test_missing_gradient(monkeypatch, name, i):
    """The op hands no gradient on to input i."""
    op, pull = OPS[name], OPS[name].pull

    def forgetful(node, g, recorded):
        node.needs[i] = False
        return pull(node, g, recorded)

    monkeypatch.setattr(op, "pull", forgetful, raising=False)
    assert_found(name, f"gradient {i} is missing")


@pytest.mark.parametrize("name", ["tanh", "dense", "concatenate"])
def test_backward_that_gives_none(monkeypatch, name):
    """A crash is a failure of the op, to be reported with its sample like any other."""
    plant_in_gradient(monkeypatch, name, 0, lambda g: None)
    assert_found(name, "sample 0")


def test_forward_that_raises(monkeypatch):
    plant_in_value(monkeypatch, "tanh", lambda y: 1 / 0)
    assert_found("tanh", "sample 0", "ZeroDivisionError")


@pytest.mark.parametrize("name", [n for n in DIFFERENTIABLE if n not in COMPOSED])
def test_incoming_gradient_modified_in_place(monkeypatch, name):
    """The op's own gradient is right; but somebody else, further on in the backward, holds the array that it changed."""
    op, pull = OPS[name], OPS[name].pull

    def careless(node, g, recorded):
        pulled = [(x, np.array(gx)) for x, gx in pull(node, g, recorded)]
        if g.flags.writeable:
            g += 1
        return pulled

    monkeypatch.setattr(op, "pull", careless, raising=False)
    assert_found(name)


# ---- the tape ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_overwrite_instead_of_accumulate(monkeypatch, name):
    monkeypatch.setattr(_tape, "accumulate", lambda total, g: g)
    assert_found(name, "gradient 0 is" if OPS[name].differentiable[0] else "gradient 1 is")


def broadcasts(name):
    """Whether a gradient of this op, on its samples, ever has to be summed back to an input's shape."""
    calls, unbroadcast = [], _tape.unbroadcast
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_tape, "unbroadcast", lambda g, shape: calls.append(shape) or unbroadcast(g, shape))
        for sample, arrays in cases(OPS[name]):
            leaves = [tg.tensor(a, requires_grad=k) for a, k in zip(arrays, kinds(OPS[name], len(arrays)), strict=True)]
            y = OPS[name](*leaves, **sample.options)
            y.backward(np.ones(y.shape))
    return bool(calls)


# Found by `broadcasts`, but not while tests are collected: that would compile all kernels.
BROADCASTING = """
    add binary_cross_entropy binary_cross_entropy_with_logits broadcast_to clamp divide gaussian_nll kl_div logaddexp matmul
    maximum minimum multiply power prelu solve subtract where
"""


def first_slice(g, shape):
    """The gradient of one of the copies for that of all."""
    if not g.size:
        return np.zeros(shape)
    return g[(0,) * (g.ndim - len(shape))][tuple(slice(0, n) for n in shape)]


@pytest.mark.parametrize("bug", [lambda g, shape: g, first_slice], ids=["left out", "first slice alone"])
@pytest.mark.parametrize("name", BROADCASTING.split())
def test_unbroadcasting(monkeypatch, name, bug):
    monkeypatch.setattr(_tape, "unbroadcast", bug)
    assert_found(name, "gradient", "")


def test_ops_whose_gradients_are_summed_back_are_known():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert [n for n in DIFFERENTIABLE if not OPS[n].composed and broadcasts(n)] == BROADCASTING.split()


# ---- ties and kinks ---------------------------------------------------------------------------------------------------
def first_of_ties(arg):
    """All of the gradient to the first of the largest, not even shares."""

    def fused(_needs, g, _y, x, axis=None, keepdims=False):
        axes = tuple(range(x.ndim)) if axis is None else tuple(np.atleast_1d(axis) % x.ndim)
        kept = np.asarray(g).reshape([1 if i in axes else n for i, n in enumerate(x.shape)])
        rows = np.moveaxis(x, axes, range(-len(axes), 0)).reshape(
            *(n for i, n in enumerate(x.shape) if i not in axes), -1
        )
        first = np.arange(rows.shape[-1]) == arg(rows, axis=-1)[..., None]
        order = [i for i in range(x.ndim) if i not in axes] + list(axes)
        hit = first.reshape([x.shape[i] for i in order]).transpose(np.argsort(order))
        return (np.where(hit, kept, 0.0),)

    return fused


def dense_passing_at_zero(needs, g, _y, x, w, b, activation=None):
    y = x @ w + b
    g = np.where(y >= 0, g, 0) if activation else g
    count = int(np.prod(x.shape[:-1]))
    rows, flat = x.reshape(count, len(w)), g.reshape(count, len(b))
    return g @ w.T, rows.T @ flat, flat.sum(0)


def beside_the_kink(name, towards):
    """The slope of the next number towards -inf or inf in place of the slope of each number of the first input."""
    original = OPS[name].fused

    def fused(needs, g, y, x, *others, **options):
        return original(needs, g, y, np.nextafter(x, x.dtype.type(towards)), *others, **options)

    return "fused", fused


def selu_of_the_right(needs, g, y, x, *, original=OPS["selu"].fused):
    return [np.where(x == 0, g * 1.0507009873554805, original(needs, g, y, x)[0])]


def one_at_zero(name):
    original = OPS[name].fused

    def fused(needs, g, y, x, **options):
        return (np.where(x == 0, 1.0, original(needs, g, y, x, **options)[0]),)

    return fused


def last_of_ties(name):
    """The largest of numbers that rise by next to nothing from one to the next: of equal ones the last."""
    forward, original = OPS[name].forward, OPS[name].fused

    def fused(needs, g, _saved, x, **options):
        tilted = x + 1e-10 * np.arange(x.size).reshape(x.shape)
        return original(needs, g, forward(tilted, **options), tilted, **options)

    return fused


# op -> what of its record is replaced, and by what: right everywhere but at the tie or kink
OTHER_RULE = {
    "relu": ("backward", [lambda g, _y, x: g * (x >= 0)]),
    "relu_backward": ("forward", lambda g, y: np.where(y >= 0, g, 0)),
    "dense": ("fused", dense_passing_at_zero),
    "abs": ("fused", lambda _needs, g, _y, x: [np.where(x >= 0, g, -g)]),
    "elastic_net": ("fused", lambda _needs, g, _y, x, l1=0, l2=0: [g * (np.where(x >= 0, l1, -l1) + 2 * l2 * x)]),
    "sign": ("forward", lambda x: np.where(x >= 0, 1.0, -1.0)),
    "maximum": ("fused", lambda _needs, g, _z, x, y: [np.where(x >= y, g, 0), np.where(y > x, g, 0)]),
    "minimum": ("fused", lambda _needs, g, _z, x, y: [np.where(x <= y, g, 0), np.where(y < x, g, 0)]),
    **{
        name: beside_the_kink(name, np.inf)
        for name in ("clamp", "hard_sigmoid", "hardtanh", "leaky_relu", "prelu", "relu6")
    },
    "selu": ("fused", selu_of_the_right),
    **{name: ("fused", one_at_zero(name)) for name in ("norm", "vector_norm")},
    **{name: ("fused", last_of_ties(name)) for name in ("max_pool1d", "max_pool2d")},
    "max": ("fused", first_of_ties(np.argmax)),
    "min": ("fused", first_of_ties(np.argmin)),
}


@pytest.mark.parametrize("name", OTHER_RULE)
def test_other_tie_rule(monkeypatch, name):
    monkeypatch.setattr(OPS[name], *OTHER_RULE[name])
    assert_found(name)


@pytest.mark.parametrize("name", OTHER_RULE)
def test_the_other_rule_is_right_elsewhere(monkeypatch, name):
    """So it is the tie that is found: without the samples that have one, the other rule passes."""
    op = OPS[name]
    monkeypatch.setattr(op, "samples", [s for s in op.samples if s.gradient and not on_kink(op, s)])
    monkeypatch.setattr(op, *OTHER_RULE[name])
    assert not failures(name)


def on_kink(op, sample):
    """Whether the op bends or jumps at this sample: the slopes to both sides, along some direction, differ."""
    rng = np.random.default_rng(0)
    arrays = [a.astype(float) if a.dtype.kind == "f" else a for a in sample.arrays(rng)]

    def value(directions, t):
        moved = (a + t * d if d is not None else a for a, d in zip(arrays, directions, strict=True))
        y = op.forward(*moved, **sample.options)
        return np.asarray(y[0] if type(y) is tuple else y, float)

    for _ in range(4 if sample.gradient and all(a.size for a in arrays) else 0):
        moves = [a.dtype.kind == "f" and k for a, k in zip(arrays, op.for_each(op.casts, arrays), strict=True)]
        directions = [rng.normal(size=a.shape) if m else None for a, m in zip(arrays, moves, strict=True)]
        y, up, down = (value(directions, t) for t in (0.0, 1e-7, -1e-7))
        bend, change = np.abs(up - 2 * y + down), np.abs(up - y) + np.abs(y - down)
        if np.any(bend > 0.01 * change + 1e-10 * np.abs(y) + 1e-12) or np.any(change > 0.1 + 0.1 * np.abs(y)):
            return True
    return False


def test_the_table_of_other_rules_covers_every_op_with_ties_or_kinks():
    with np.errstate(all="ignore"):
        found = {n for n in NAMES if not OPS[n].composed and any(on_kink(OPS[n], s) for s in OPS[n].samples)}
    assert found == OTHER_RULE.keys()


# ---- errors -----------------------------------------------------------------------------------------------------------
WITH_ERRORS = [n for n in NAMES if OPS[n].errors]


def around(patch, name, on_error):
    """Handle the errors of an op with `on_error`, also those about inputs that never get as far as its check."""
    op, call = OPS[name], Op.__call__

    def wrapped(self, *inputs, **options):
        if self is not op:
            return call(self, *inputs, **options)
        try:
            return call(self, *inputs, **options)
        except Exception as error:
            return on_error(error)

    patch.setattr(Op, "__call__", wrapped)


@pytest.mark.parametrize("name", WITH_ERRORS)
def test_error_of_other_text(monkeypatch, name):
    def reworded(error):
        raise type(error)("something is wrong")

    around(monkeypatch, name, reworded)
    assert_found(name, "bad input 0", "the error says 'something is wrong', expected")


@pytest.mark.parametrize("name", WITH_ERRORS)
def test_error_of_other_type(monkeypatch, name):
    def other(error):
        raise ArithmeticError(str(error))

    around(monkeypatch, name, other)
    assert_found(name, "bad input 0", "ArithmeticError")


@pytest.mark.parametrize("name", WITH_ERRORS)
def test_bad_input_accepted(monkeypatch, name):
    around(monkeypatch, name, lambda error: np.zeros(()))
    assert_found(name, "bad input 0", "no error, expected")


# ---- the report -------------------------------------------------------------------------------------------------------
def test_report_of_a_wrong_op(monkeypatch):
    plant_in_gradient(monkeypatch, "tanh", 0, lambda g: g * 2)
    report = tg.check_op("tanh", dtypes=["float64"])
    assert not report.ok
    assert str(report).startswith("tanh: WRONG, ")
    assert "gradient 0 is " in str(report) and "from the twin's, allowed " in str(report)


def test_unknown_op():
    with pytest.raises(tg.errors.OptionError) as caught:
        tg.check_op("sofmax")
    known = ", ".join(map(repr, OPS))
    assert str(caught.value) == f"ops: unknown op 'sofmax'; did you mean 'softmax'? (known: {known})"


@pytest.mark.parametrize("name", sorted(OPS.keys() - set(NAMES)))
def test_function_without_a_record(name):
    with pytest.raises(tg.errors.OptionError, match=f"'{name}'"):
        tg.check_op(name)


@pytest.mark.parametrize(
    "name", ["add", "clamp", "divide", "maximum", "minimum", "multiply", "power", "prelu", "where"]
)
def test_ten_ulps_in_one_sum_over_broadcast_inputs(monkeypatch, name):
    """In the least of the sums, counted in the last place of what its terms come to without their signs."""
    unbroadcast = _tape.unbroadcast

    def wrong(g, shape):
        y = unbroadcast(g, shape)
        if not isinstance(y, np.ndarray) or y.shape == g.shape or not y.size:
            return y
        y, sizes = y.copy().reshape(-1), unbroadcast(np.abs(g), shape).reshape(-1)
        least = np.argmin(np.abs(y))
        y[least] += 10 * np.spacing(sizes[least])
        return y.reshape(shape)

    monkeypatch.setattr(_tape, "unbroadcast", wrong)
    assert_found(name, "gradient", "ulps from the twin's", dtype="float32")
