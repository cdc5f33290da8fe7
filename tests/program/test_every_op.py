"""Every op can be recorded: its kernel calls alone, run again on other numbers, do what the op does, to the bit."""

import warnings

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import ops
from tensorgrad._op import Op
from tensorgrad._program.record import record, traced
from tensorgrad._program.run import Program, run
from tensorgrad._program.trace import NotCompilable
from tensorgrad._registry import OPS
from tensorgrad._tensor import Tensor

CASES = [(name, i) for name, op in sorted(OPS.items()) if isinstance(op, Op) for i in range(len(op.samples))]
# What runs eagerly, and why.
EAGER = {"dense": "a dense layer got an empty batch"}


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
        leaves = [tg.Parameter(np.zeros(a.shape, a.dtype)) if d else None for a, d in zip(arrays, differentiable, strict=True)]
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
    """Results as shapes and bytes: equal if all bits are."""
    arrays = [r._array if isinstance(r, Tensor) else np.asarray(r) for r in results]
    return [(a.shape, a.dtype, a.tobytes()) for a in arrays]


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


def check(step, *inputs):
    """Record the step on the first inputs; then its program does what the step does on each of the others."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        program, found = program_of(step, inputs[0])
        assert found == outcome(step(*map(Tensor, inputs[0])))
        for arrays in (*inputs[1:], inputs[0]):
            assert rerun(program, arrays) == outcome(step(*map(Tensor, arrays)))


def cases_of(name, i, dtype):
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
    try:
        check(step_of(op, sample, weighted), *arrays)
    except NotCompilable as reason:
        assert str(reason) == EAGER.get(name), f"{name}: {reason}"
