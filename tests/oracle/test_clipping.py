"""Clipping by hand against torch.nn.utils.clip_grad_norm_ and clip_grad_value_."""

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import optim

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle

SHAPES = ((5, 3), (67,), ())


@pytest.mark.parametrize("limit", [1e-6, 0.3, 8.0, 1e3])
@pytest.mark.parametrize("name", ["norm", "value"])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("float64", 1e-14)])
def test_clipping(dtype, tolerance, name, limit):
    rng = np.random.default_rng(0)
    mine = [tg.Parameter(np.zeros(s, dtype)) for s in SHAPES]
    theirs = [torch.nn.Parameter(torch.zeros(s, dtype=getattr(torch, dtype))) for s in SHAPES]
    for p, q in zip(mine, theirs, strict=True):
        p.grad = rng.normal(size=p.shape)
        q.grad = torch.tensor(p.grad)
    found = getattr(optim, f"clip_grad_{name}")(mine, limit)
    expected = getattr(torch.nn.utils, f"clip_grad_{name}_")(theirs, limit)
    if name == "norm":
        np.testing.assert_allclose(found.item(), expected.item(), rtol=tolerance)
    for p, q in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(p.grad, q.grad.numpy(), rtol=tolerance)
