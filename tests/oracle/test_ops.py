"""Every op against PyTorch, on the samples of its own record: value, gradient and second derivative."""

import functools

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad._op import Op
from tensorgrad._registry import OPS

torch = pytest.importorskip("torch")
F = torch.nn.functional
pytestmark = pytest.mark.oracle


def positions(shape, index):
    """Which elements x[index] takes, as flat positions: PyTorch's own indexing knows no negative steps."""
    return torch.tensor(np.array(np.arange(int(np.prod(shape))).reshape(shape)[index]))


def dense(x, w, b, activation=None):
    y = F.linear(x, w.T, b)
    return F.relu(y) if activation == "relu" else y


def scatter_add(g, shape, index):
    at = positions(shape, index)
    return g.new_zeros(int(np.prod(shape))).index_add(0, at.reshape(-1), g.reshape(-1)).reshape(shape)


def axes(axis):
    return () if axis is None else axis


COUNTERPARTS = {
    "abs": torch.abs,
    "add": torch.add,
    "astype": lambda x, dtype: x.to(getattr(torch, dtype)),
    "broadcast_to": lambda x, shape: torch.broadcast_to(x, np.atleast_1d(shape).tolist()),
    "concatenate": lambda *arrays, axis=0: torch.cat(arrays, axis),
    "cos": torch.cos,
    "dense": dense,
    "divide": torch.divide,
    "exp": torch.exp,
    "getitem": lambda x, index: torch.take(x, positions(x.shape, index)),
    "log": torch.log,
    "log_softmax": lambda x, axis=-1: torch.log_softmax(x, axis),
    "logsumexp": lambda x, axis=-1, keepdims=False: torch.logsumexp(x, axis, keepdims),
    "matmul": torch.matmul,
    "max": lambda x, axis=None, keepdims=False: torch.amax(x, axes(axis), keepdims),
    "maximum": torch.maximum,
    "mean": lambda x, axis=None, keepdims=False: torch.mean(x, axes(axis), keepdims),
    "min": lambda x, axis=None, keepdims=False: torch.amin(x, axes(axis), keepdims),
    "minimum": torch.minimum,
    "mse_loss": F.mse_loss,
    "multiply": torch.multiply,
    "negative": torch.negative,
    "positive": torch.positive,
    "power": torch.pow,
    "relu": F.relu,
    "relu_backward": lambda g, y: torch.ops.aten.threshold_backward(g, y, 0),
    "reshape": lambda x, shape: torch.reshape(x, np.atleast_1d(shape).tolist()),
    "scatter_add": scatter_add,
    "sigmoid": torch.sigmoid,
    "sigmoid_backward": torch.ops.aten.sigmoid_backward,
    "sign": torch.sign,
    "sin": torch.sin,
    "softmax": lambda x, axis=-1: torch.softmax(x, axis),
    "softmax_cross_entropy": lambda logits, labels: F.cross_entropy(logits, labels.long()),
    "sqrt": torch.sqrt,
    "square": torch.square,
    "stack": lambda *arrays, axis=0: torch.stack(arrays, axis),
    "subtract": torch.subtract,
    "sum": lambda x, axis=None, keepdims=False: torch.sum(x, axes(axis), keepdims),
    "tanh": torch.tanh,
    "tanh_backward": torch.ops.aten.tanh_backward,
    "transpose": lambda x, axes=None: x.permute(axes or tuple(range(x.ndim))[::-1]),
    "where": torch.where,
}
WITHOUT_COUNTERPART = {}  # name -> the reason
NAMES = sorted(name for name, op in OPS.items() if isinstance(op, Op) and name not in WITHOUT_COUNTERPART)

# Each element within rtol of its own size plus atol of the array's largest: in sums of terms of both signs, and in
# 1 - y * y, an element's own last places are lost to its neighbours' rounding, in PyTorch as here.
TOLERANCE = {"float64": {"rtol": 1e-9, "atol": 1e-13}, "float32": {"rtol": 2e-5, "atol": 1e-6}}


def test_the_table_covers_every_op():
    ops = {name for name, op in OPS.items() if isinstance(op, Op)}
    assert ops == COUNTERPARTS.keys() | WITHOUT_COUNTERPART.keys()


def assert_close(got, expected, dtype, what):
    got, expected = np.asarray(got), expected.detach().numpy(force=True)
    assert got.shape == expected.shape and got.dtype == expected.dtype, what
    limits = TOLERANCE[dtype]
    largest = np.max(np.abs(expected), initial=0, where=np.isfinite(expected))
    np.testing.assert_allclose(got, expected, limits["rtol"], limits["atol"] * largest, err_msg=what)


def cases(name, dtype, rng):
    """(what, op, sample, arrays, which inputs have gradients) for every sample of the op's record."""
    op = OPS[name]
    for number, sample in enumerate(op.samples):
        arrays = [a.astype(dtype) if a.dtype.kind == "f" else a for a in sample.arrays(rng)]
        kinds = op.differentiable * len(arrays) if op.variadic else op.differentiable
        yield f"{name}, sample {number}, {dtype}", op, sample, arrays, kinds


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_value_and_gradient(name, dtype):
    rng = np.random.default_rng(1)
    for what, op, sample, arrays, kinds in cases(name, dtype, rng):
        ours = [tg.tensor(a, requires_grad=k) for a, k in zip(arrays, kinds, strict=True)]
        theirs = [torch.tensor(a, requires_grad=k) for a, k in zip(arrays, kinds, strict=True)]
        with np.errstate(all="ignore"):  # samples go to infinity, and to where only NaN is right
            y, expected = op(*ours, **sample.options), COUNTERPARTS[name](*theirs, **sample.options)
        assert_close(y.numpy(), expected, dtype, f"{what}: value")
        if not (sample.gradient and any(kinds)):
            continue
        g = rng.normal(size=y.shape).astype(y.dtype)
        with np.errstate(all="ignore"):
            y.backward(g)
        expected.backward(torch.tensor(g))
        for i in (i for i, k in enumerate(kinds) if k):
            assert_close(ours[i].grad, theirs[i].grad, dtype, f"{what}: gradient of input {i}")


def hessian_times(f, arrays, chosen, directions):
    """The derivative of (gradient of f . directions), by each chosen input."""

    def slope(*inputs):
        grads = tg.grad(f, argnums=chosen)(*inputs)
        return sum((d * v).sum() for d, v in zip(grads, directions, strict=True))

    return tg.grad(slope, argnums=chosen)(*arrays)


def torch_hessian_times(f, arrays, chosen, directions):
    """The same by PyTorch; None where the gradient itself is NaN (by the exponent of a negative base)."""
    inputs = [torch.tensor(a, requires_grad=i in chosen) for i, a in enumerate(arrays)]
    wanted = [inputs[i] for i in chosen]
    first = torch.autograd.grad(f(*inputs), wanted, create_graph=True)
    if any(d.isnan().any() for d in first):
        return None
    total = sum((d * torch.tensor(v)).sum() for d, v in zip(first, directions, strict=True))
    return torch.autograd.grad(total, wanted, allow_unused=True, materialize_grads=True)


@pytest.mark.parametrize("name", [n for n in NAMES if any(OPS[n].differentiable)])
def test_second_derivative(name):
    """Of the sum of cubes of the output, so that the incoming gradient depends on the inputs too."""
    rng = np.random.default_rng(2)
    compared = 0
    for what, op, sample, arrays, kinds in cases(name, "float64", rng):
        chosen = [i for i, k in enumerate(kinds) if k]
        if not sample.gradient:
            continue
        directions = [rng.normal(size=arrays[i].shape) for i in chosen]

        def cubes(*inputs, op=op, options=sample.options):
            y = op(*inputs, **options)
            return (y * y * y).sum()

        ours = hessian_times(cubes, arrays, chosen, directions)
        theirs = torch_hessian_times(functools.partial(cubes, op=COUNTERPARTS[name]), arrays, chosen, directions)
        for i, got, expected in zip(chosen, ours, theirs or [], strict=bool(theirs)):
            got = np.where(expected.isnan(), np.nan, got.numpy())  # PyTorch gets NaN for 0**2, by way of log(0)
            assert_close(got, expected, "float64", f"{what}: second derivative by input {i}")
            compared += got.size - np.isnan(got).sum()
    assert compared


@pytest.mark.parametrize(
    "name, inputs, options",
    [
        ("relu", [[0.0, -0.0, 1.0, -1.0]], {}),
        ("dense", [[[0.0, 1.0]], [[1.0, 2.0], [0.0, -1.0]], [0.0, 1.0]], {"activation": "relu"}),
        ("relu_backward", [[1.0, 2.0, 3.0], [0.0, -0.0, 1.0]], {}),
        ("abs", [[0.0, -0.0, 2.0, -2.0]], {}),
        ("maximum", [[1.0, 0.0, 3.0], [1.0, -0.0, 2.0]], {}),
        ("minimum", [[1.0, 0.0, 3.0], [1.0, -0.0, 2.0]], {}),
        ("max", [[[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]]], {"axis": 1}),
        ("max", [[[1.0, 3.0, 3.0], [3.0, 2.0, 2.0]]], {}),
        ("min", [[[1.0, 1.0, 3.0], [2.0, 2.0, 2.0]]], {"axis": 1}),
        ("sqrt", [[0.0, 4.0]], {}),
        ("power", [[0.0, 2.0, 0.0, 0.0], [2.0, 0.0, 0.0, 1.0]], {}),
        ("getitem", [[1.0, 2.0]], {"index": np.array([0, 0, 1])}),
    ],
)
def test_gradient_conventions_at_ties_and_kinks(name, inputs, options):
    kinds = OPS[name].differentiable
    ours = [tg.tensor(np.array(x), requires_grad=k) for x, k in zip(inputs, kinds, strict=True)]
    theirs = [torch.tensor(x, requires_grad=k, dtype=torch.float64) for x, k in zip(inputs, kinds, strict=True)]
    with np.errstate(divide="ignore"):
        OPS[name](*ours, **options).sum().backward()
    COUNTERPARTS[name](*theirs, **options).sum().backward()
    for x, expected, k in zip(ours, theirs, kinds, strict=True):
        if k:
            np.testing.assert_array_equal(x.grad, expected.grad.numpy())
