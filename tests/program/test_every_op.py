"""Every op can be recorded: its kernel calls alone, run again on other numbers, do what the op does, to the bit.

So every buffer that a kernel reads is an input, or was written by a kernel before it.
"""

import contextlib
import warnings

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import kernels, ops
from tensorgrad._op import Op
from tensorgrad._program.record import record, traced
from tensorgrad._program.run import Program, run
from tensorgrad._program.trace import NotCompilable
from tensorgrad._registry import OPS
from tensorgrad._tensor import Tensor

pytestmark = pytest.mark.sampled(6)

CASES = [(name, i) for name, op in sorted(OPS.items()) if isinstance(op, Op) for i in range(len(op.samples))]
# (op, sample): why the step of this test runs eagerly.
TURNED = "is not in C order"  # it returns the view itself
EAGER = {("broadcast_to", i): TURNED for i in (0, 1, 2, 5, 6, 7)}
for _name in ("cholesky", "cofactors", "det", "einsum", "inv", "slogdet", "solve"):
    EAGER |= {(_name, i): "is computed by (LAPACK|NumPy)" for i in range(len(OPS[_name].samples))}
# Eager gradients of these are made of NumPy's own exp, log, sums or products, recorded ones of kernels.
ROUNDED = {"dot", "tensordot", "log_softmax", "matmul", "power", "softmax", "repeat", "tile"}


def inputs(op, sample, dtype, seed):
    """The sample's arrays in this precision; those that it gives as numbers are put in another order by each seed."""
    rng = np.random.default_rng(seed)
    casts = op.casts * len(sample.inputs) if op.variadic else op.casts
    arrays = []
    for given, a, cast in zip(sample.inputs, sample.arrays(rng), casts, strict=True):
        a = a.astype(dtype) if cast else a
        known = not isinstance(given, tuple) and not callable(given)
        arrays.append(rng.permutation(a.reshape(-1)).reshape(a.shape) if known else np.array(a, order="C"))
    return [a.astype(np.int64) if a.dtype.kind in "iu" else a for a in arrays]


def step_of(op, sample, weighted):
    """A function of the op's inputs that returns its output and the gradients of all that have one."""
    differentiable = op.differentiable * len(sample.inputs) if op.variadic else op.differentiable

    def step(*arrays):
        *arrays, weight = arrays
        leaves = [
            tg.Parameter(np.zeros(a.shape, a.dtype)) if d else None for a, d in zip(arrays, differentiable, strict=True)
        ]
        y = op(*(a if p is None else a + p for a, p in zip(arrays, leaves, strict=True)), **sample.options)
        if not sample.gradient or not any(differentiable):
            return [y]
        for p in leaves:
            if p is not None:
                p.grad = None
        (y * weight if weighted else y).sum().backward()
        return [y, *(p.grad for p in leaves if p is not None)]

    return step


def outcome(results):
    """Results as plain arrays; one NaN is like another."""
    arrays = [r._array if isinstance(r, Tensor) else np.asarray(r) for r in results]
    return [np.where(np.isnan(a), np.array(np.nan, a.dtype), a) if a.dtype.kind == "f" else a.copy() for a in arrays]


def bits(results):
    return [(a.shape, a.dtype, a.tobytes()) for a in results]


def assert_near(results, expected):
    """Equal values, and gradients that differ in the last places of their largest number, or of 1."""
    assert bits(results[:1]) == bits(expected[:1])
    for a, b in zip(results[1:], expected[1:], strict=True):
        finite = np.isfinite(b)
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_array_equal(a[~finite], b[~finite])
        assert np.all(abs(a - b)[finite] <= 8 * np.spacing(abs(b[finite]).max(initial=1)))


def program_of(step, arrays):
    """The recorded step as a Program, and what it returned."""
    results, log = record(step, [a.copy() for a in arrays])
    return Program(traced(log, results)), outcome(results)


def rerun(program, arrays):
    """What the program gives for these inputs, from memory that holds nothing useful."""
    program.arena.fill(255)
    for i, a in enumerate(arrays):
        program.argument(0, i)[...] = a.reshape(program.argument(0, i).shape)
    (segment,) = program.segments()
    assert run([segment(1)], [program]) == 1
    return outcome([program.output(0, i) for i in range(len(program.trace.outputs))])


def check(step, rounded, *inputs):
    """Record the step on the first inputs; then its program does what the step does on each of the others."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        program, found = program_of(step, inputs[0])
        for arrays in (*inputs[1:], inputs[0]):
            again = rerun(program, arrays)
            eager = outcome(step(*map(Tensor, arrays)))
            if rounded:
                recorded = outcome(record(step, [a.copy() for a in arrays])[0])
                assert bits(again) == bits(recorded)
                assert_near(again, eager)
            else:
                assert bits(again) == bits(eager)
        assert bits(found) == bits(again)


def cases_of(name, i, dtype):
    """The op, its sample, two sets of inputs: the sample's, and weights for the output."""
    op, sample = OPS[name], OPS[name].samples[i]
    arrays = [inputs(op, sample, dtype, seed) for seed in (0, 1)]
    with np.errstate(all="ignore"):
        y = op(*arrays[0], **sample.options)
    return op, sample, [[*a, np.random.default_rng(9).normal(size=y.shape).astype(y.dtype)] for a in arrays]


@pytest.mark.parametrize("weighted", [False, True], ids=["sum", "weighted"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "i"), CASES)
def test_a_recorded_op_runs_on_other_numbers(name, i, dtype, weighted):
    op, sample, arrays = cases_of(name, i, dtype)
    step = step_of(op, sample, weighted)
    if (name, i) in EAGER:
        with pytest.raises(NotCompilable, match=EAGER[name, i]):
            program_of(step, arrays[0])
    elif all(a.size for a in arrays[0]):
        check(step, name in ROUNDED, *arrays)
    else:  # nothing to compute: it may be recorded or not
        with contextlib.suppress(NotCompilable):
            check(step, True, *arrays)


# ---- what has no record, and indices that come with the batch ---------------------------------------------------------
def chosen(x, y):
    """The gradient of a choice, from a backward."""
    p = tg.Parameter(np.zeros(x.shape, x.dtype))
    p.grad = None
    np.where(x > y, (x + p) ** 2, y * p).sum().backward()
    return p.grad


LABELS = [np.array([0, 2, 1, 2]), np.array([2, 2, 0, 1])]
PAIRS = [[np.random.default_rng(s).normal(size=shape) for shape in ((4, 3), (4, 3), (4, 1))] for s in (0, 1)]
NEGATIVE = [labels - 3 for labels in LABELS]
STEPS = {
    **{name: (lambda x, y, z, compare=OPS[name]: [np.where(compare(x, y), x, y), compare(x, 0.25)])
       for name in ("less", "less_equal", "greater", "greater_equal", "equal", "not_equal")},
    "argmax": lambda x, y, z: [ops.argmax(x, axis=1), ops.argmax(x, axis=0), ops.argmax(y)],
    "comparison as a number": lambda x, y, z: [(x > y) * x, np.where(x > 0, x, 0.0)],
    "gradient through a choice": lambda x, y, z: [tg.grad(lambda x: np.where(x > y, x * x, y).sum())(x), chosen(x, y)],
    "broadcasting": lambda x, y, z: [x * z + 1.0, (x - z) / 3, z * x.sum(0)],
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", STEPS)
def test_plain_functions_are_recorded(name, dtype):
    check(STEPS[name], False, *([a.astype(dtype) for a in arrays] for arrays in PAIRS))


@pytest.mark.parametrize("labels", [LABELS, NEGATIVE], ids=["", "negative"])
def test_indices_may_come_with_the_batch(labels):
    table = tg.Parameter(np.random.default_rng(3).normal(size=(3, 5)))

    def step(x, t):
        table.grad = None
        taken = table[t]
        picked = x[np.arange(4), t]
        (taken.sum() * picked.mean()).backward()
        return [taken, picked, table.grad]

    check(step, True, *([a[0], t] for a, t in zip(PAIRS, labels, strict=True)))
    _, log = record(step, [PAIRS[0][0], labels[0]])
    assert {(low, high) for _, low, high in traced(log, []).limits} == {(-3, 2)}


@pytest.mark.parametrize(
    "pick",
    [
        lambda x, t: x[t, t],
        lambda x, t: x[:, t],
        lambda x, t: x[..., t, 1:],
        lambda x, t: x[[3, 0, 0, 1], :, t],
        lambda x, t: x[t, ..., None, -1],
        lambda x, t: x[None, 1:, t],
        lambda x, t: x[t, ::-2, 1],
        lambda x, t: x[[True, True, True, True], :, t],
        lambda x, t: x[t, [[0], [2]]],
        lambda x, t: np.take(x, t, axis=1),
        lambda x, t: ops.take(x, t),
        lambda x, t: np.take_along_axis(x[:, :, 0], ops.argmax(x, axis=1), axis=1),
    ],
    ids=range(12),
)
def test_indices_of_the_batch_beside_any_others(pick):
    def step(x, t):
        p = tg.Parameter(np.zeros(x.shape))
        p.grad = None
        y = pick(x + p, t)
        (y * y).sum().backward()
        return [y, p.grad]

    x = [np.random.default_rng(s).normal(size=(4, 3, 3)) for s in (0, 1)]
    check(step, True, *([a, t] for a, t in zip(x, LABELS, strict=True)))


def test_a_mask_of_the_batch_runs_eagerly():
    with pytest.raises(NotCompilable, match="that are not integers choose elements: how many may change"):
        program_of(lambda x: [x[x > 0] * 2], [PAIRS[0][0]])


# ---- a checker that never fails checks nothing -----------------------------------------------------------------------
def planted(monkeypatch, name, forward):
    monkeypatch.setattr(OPS[name], "forward", forward)
    op, sample, arrays = cases_of(name, 4, "float64")
    return step_of(op, sample, True), arrays


def test_work_that_no_kernel_did_is_noticed(monkeypatch):
    step, arrays = planted(monkeypatch, "exp", lambda x: np.exp(x))
    with pytest.raises(NotCompilable, match="that is neither an argument, a parameter nor a tg.constant"):
        program_of(step, arrays[0])


def test_numbers_that_are_wrongly_called_constant_are_noticed(monkeypatch):
    step, arrays = planted(monkeypatch, "exp", lambda x: kernels.constant(np.exp(x)))
    with pytest.raises(AssertionError):
        check(step, True, *arrays)


def test_a_buffer_that_is_only_partly_written_is_noticed(monkeypatch):
    def forward(x):
        y = np.exp(x)
        kernels.exp(x.reshape(-1)[1:], y.reshape(-1)[1:])
        return y

    step, arrays = planted(monkeypatch, "exp", forward)
    with pytest.raises(AssertionError):
        check(step, True, *arrays)
