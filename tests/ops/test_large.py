"""Large calls are shared between threads: the same bits on any number of them."""

import functools

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import ops
from tensorgrad._op import Op
from tensorgrad._registry import OPS
from tensorgrad.kernels import _share

ELEMENTWISE = sorted(
    name for name, op in OPS.items()
    if isinstance(op, Op) and op.tolerance.per == "element" and not op.variadic and len(op.inputs) < 4
    and op.forward.__module__.rpartition(".")[2] in ("elementwise", "functions", "activations", "_pointwise")
)  # fmt: skip


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Calls are large early, so that the test is quick."""
    monkeypatch.setattr(_share, "LARGE", 8192)
    yield
    tg.set_threads(None)


def results(op, arrays, differentiable):
    leaves = [tg.tensor(a, requires_grad=k) for a, k in zip(arrays, differentiable, strict=True)]
    y = op(*leaves)
    if y.requires_grad:
        y.backward(np.cos(y.numpy() * 0 + np.arange(y.size).reshape(y.shape)).astype(y.dtype))
    return [y.numpy().tobytes(), *(t.grad.tobytes() for t in leaves if t.grad is not None)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_the_same_bits_on_any_number_of_threads(name, dtype):
    op, rng = OPS[name], np.random.default_rng(0)
    arrays = [rng.normal(size=(7, 4097)).astype(dtype) * 3 for _ in op.inputs]
    arrays[0][0, :4] = np.inf, -np.inf, np.nan, 0
    found = []
    with np.errstate(all="ignore"):
        for threads in (1, 2, 3, 7):
            tg.set_threads(threads)
            found.append(results(op, arrays, op.differentiable))
    assert found[1:] == found[:-1]


def test_a_single_number_goes_to_every_thread():
    x = np.random.default_rng(0).normal(size=30_000)
    tg.set_threads(2)
    assert np.array_equal(ops.multiply(x, 3.0), x * 3.0) and np.array_equal(ops.where(x > 0, x, 0.0), np.maximum(x, 0))


@pytest.mark.parametrize("name", [
    "softmax", "log_softmax", "logsumexp", "max", "min", "sum", "mean", "prod", "var", "std", "vector_norm", "cumsum",
])  # fmt: skip
@pytest.mark.parametrize("shape, axis", [((301, 67), 1), ((301, 67), 0), ((37, 20, 31), 1)])
def test_rows_have_the_same_bits_on_any_number_of_threads(name, shape, axis):
    x, found = np.random.default_rng(0).normal(size=shape).astype("float32"), []
    for threads in (1, 2, 3):
        tg.set_threads(threads)
        found.append(results(functools.partial(OPS[name], axis=axis), [x], [True]))
    assert found[1:] == found[:-1]
