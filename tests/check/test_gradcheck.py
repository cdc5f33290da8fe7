"""gradcheck: right gradients pass, wrong ones are named element by element."""

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import ops
from tensorgrad._registry import OPS


@pytest.mark.parametrize(
    "f, arrays",
    [
        (lambda x: (ops.tanh(x) * x).sum(), [np.array([0.3, -1.2, 2.0])]),
        (lambda x, w, b: ops.softmax(ops.dense(x, w, b))[:, 0].mean(), [np.eye(3), np.eye(3, 4), np.ones(4)]),
        (lambda x, y: ops.logsumexp(x / y, axis=0).sum(), [np.arange(6.0).reshape(2, 3), np.array([1.0, 2.0, 3.0])]),
        (lambda x: x * x, [np.array(3.0)]),
        (lambda x, y: x.sum(), [np.ones(2), np.ones(3)]),
        (lambda x: (x.exp() * x.sigmoid()).sum(), [np.ones(2)]),
    ],
)
def test_right_gradients_pass(f, arrays):
    before = [a.copy() for a in arrays]
    assert tg.gradcheck(f, *arrays) is True
    assert all(np.array_equal(a, b) for a, b in zip(arrays, before, strict=True))


def test_tensors_are_taken_too():
    assert tg.gradcheck(lambda x: ops.exp(x).sum(), tg.tensor([0.5, 1.0], dtype="float64"))


def test_a_wrong_gradient_is_named(monkeypatch):
    monkeypatch.setattr(OPS["square"], "fused", None)
    monkeypatch.setattr(OPS["square"], "backward", [lambda g, _y, x: g * x])
    with pytest.raises(tg.errors.GradientError) as caught:
        tg.gradcheck(lambda x, y: (x.sum() + ops.square(y)).sum(), np.ones(2), np.array([[0.0, 0.0], [0.0, 2.0]]))
    assert str(caught.value) == "gradcheck: argument 1, element (1, 1): the gradient is 2, central differences give 4"


def test_a_detached_part_is_found():
    with pytest.raises(tg.errors.GradientError, match=r"argument 0, element \(0,\): the gradient is 3, "):
        tg.gradcheck(lambda x: (x * x.detach()).sum(), np.array([3.0]))


def test_a_gradient_of_nan_is_found(monkeypatch):
    monkeypatch.setattr(OPS["square"], "fused", None)
    monkeypatch.setattr(OPS["square"], "backward", [lambda g, _y, x: g * x * np.nan])
    with pytest.raises(tg.errors.GradientError, match="the gradient is nan"):
        tg.gradcheck(lambda x: ops.square(x).sum(), np.array([3.0]))


@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_other_dtypes_are_refused(dtype):
    with pytest.raises(tg.errors.DTypeError) as caught:
        tg.gradcheck(lambda x, y: (x * y).sum(), np.ones(2), np.ones(2, dtype))
    assert str(caught.value) == f"gradcheck: argument 1 has dtype {dtype}; central differences need float64"
