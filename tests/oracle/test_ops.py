"""Every op against PyTorch, on the samples of its own record: value, gradient and second derivative."""

import functools
import math

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


def dot(a, b):
    return torch.tensordot(a, b, ([-1], [max(-2, -b.ndim)])) if a.ndim and b.ndim else a * b


def tensordot(a, b, axes=2):
    return torch.tensordot(
        a, b, axes if isinstance(axes, int) else [np.atleast_1d(i).astype(int).tolist() for i in axes]
    )


def solve(a, b):
    return torch.linalg.solve(a, b) if b.ndim > 1 else torch.linalg.solve(a, b[:, None])[..., 0]


def pad(x, pad_width, mode="constant", constant_values=0):
    if mode != "constant":
        return torch.take(x, torch.tensor(np.pad(np.arange(x.numel()).reshape(x.shape), pad_width, mode)))
    at = torch.tensor(np.pad(np.arange(x.numel()).reshape(x.shape), pad_width, constant_values=-1))
    around = np.pad(np.zeros(x.shape), pad_width, constant_values=constant_values)
    return torch.where(at < 0, torch.tensor(around, dtype=x.dtype), torch.cat([x.reshape(-1), x.new_zeros(1)])[at])


def roll(x, shift, axis=None):
    if axis is None:
        return torch.roll(x, shift)
    shifts, dims = np.broadcast_arrays(shift, axis)
    return torch.roll(x, np.ravel(shifts).tolist(), np.ravel(dims).tolist())


def take(x, indices, axis=None):
    at = torch.tensor(np.array(indices, np.int64))
    return x.reshape(-1)[at] if axis is None else x[(slice(None),) * (axis % x.ndim) + (at,)]


def take_along_axis(x, indices, axis=-1):
    x, axis = (x.reshape(-1), 0) if axis is None else (x, axis)
    return torch.take_along_dim(x, torch.tensor(indices % x.shape[axis]), axis)


def axes(axis):
    return () if axis is None else axis


def every(x, axis):
    """Axes as PyTorch wants them where it knows no None."""
    return tuple(range(x.ndim)) if axis is None else axis


def over(f, x, axis):
    """A function of the last axis, applied to several together that PyTorch takes one by one."""
    axis = tuple(np.atleast_1d(np.array(every(x, axis), int)).tolist())
    last = tuple(range(-len(axis), 0))
    moved = x.movedim(axis, last)
    kept = moved.shape[: x.ndim - len(last)]
    y = f(moved.reshape(*kept, int(np.prod(moved.shape[len(kept) :]))))
    return y.reshape(moved.shape).movedim(last, axis) if y.ndim > len(kept) else y


def prod(x, axis=None, keepdims=False):
    y = over(lambda rows: torch.prod(rows, -1), x, axis)
    return y.reshape(torch.sum(x, axes(axis), True).shape) if keepdims else y


def cumsum_backward(g, axis=None):
    dims = (0,) if axis is None else (axis,)
    return torch.flip(torch.cumsum(torch.flip(g, dims), dims[0]), dims)


def channels_first(f):
    """A function of PyTorch, whose images have their channels first, for images with their channels last."""
    return lambda x, **options: f(x.movedim(-1, 1), **options).movedim(1, -1)


def with_noise(op, f, without):
    """PyTorch has noise of its own: f(x, what our op makes of the number that f leaves as it is)."""

    def noisy(x, state, **options):
        numbers = np.full(x.shape, without, x.numpy(force=True).dtype)
        return f(x, torch.tensor(op(numbers, state.numpy(), **options)))

    return noisy


def padding_of(x, w, stride, padding, dilation):
    """The zeros around an axis of each of these lengths, as PyTorch's pad takes them: the last axis first."""
    if padding == "valid":
        return [0] * 2 * len(x)
    if padding == "same":  # as TensorFlow counts it; PyTorch has it for stride 1
        totals = [
            max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
            for n, k, s, d in zip(x, w, stride, dilation, strict=True)
        ]
        pairs = [(n // 2, n - n // 2) for n in totals]
    else:
        pairs = [np.broadcast_to(p, 2).tolist() for p in np.broadcast_to(padding, (len(x), 2)).tolist()]
        if not isinstance(padding, int) and isinstance(padding[0], int):
            pairs = [(p, p) for p in padding] if len(x) == 2 else [padding]
    return [n for pair in reversed(pairs) for n in pair]


def conv(x, w, b=None, stride=1, padding="valid", dilation=1, groups=1, activation=None):
    axes = x.ndim - 2
    stride, dilation = (np.broadcast_to(o, axes).tolist() for o in (stride, dilation))
    around = padding_of(x.shape[1:-1], w.shape[:-2], stride, padding, dilation)
    x, w = F.pad(x.movedim(-1, 1), around), w.movedim((-1, -2), (0, 1))
    y = (F.conv1d if axes == 1 else F.conv2d)(x, w, None, stride, 0, dilation, groups).movedim(1, -1)
    if b is not None:
        y = y + b if b.numel() else y + b.sum()
    return F.relu(y) if activation == "relu" else y


def conv_input_gradient(g, w, size, **options):
    """By reverse mode twice: what is linear in x has the transposed map as the gradient of its gradient."""
    size = tuple(np.broadcast_to(size, g.ndim - 2).tolist())
    x = g.new_zeros((len(g), *size, w.shape[-2] * options.get("groups", 1)), requires_grad=True)
    back = torch.autograd.grad(conv(x, w, **options), x, g, create_graph=True)[0]
    return back + 0 * (g.sum() + w.sum())  # of an empty batch too


def conv_weight_gradient(x, g, kernel_size, **options):
    kernel = tuple(np.broadcast_to(kernel_size, g.ndim - 2).tolist())
    w = g.new_zeros((*kernel, x.shape[-1] // options.get("groups", 1), g.shape[-1]), requires_grad=True)
    return torch.autograd.grad(conv(x, w, **options), w, g, create_graph=True)[0] + 0 * (x.sum() + g.sum())


def conv_transpose(x, w, b, stride=1, padding="valid", output_padding=0, dilation=1, groups=1):
    """By PyTorch's own, all of it, with the borders cut off."""
    axes, size = x.ndim - 2, x.shape[1:-1]
    stride, dilation, more = (np.broadcast_to(o, axes).tolist() for o in (stride, dilation, output_padding))
    transpose = F.conv_transpose1d if axes == 1 else F.conv_transpose2d
    whole = transpose(x.movedim(-1, 1), w.movedim((-1, -2), (0, 1)), None, stride, 0, 0, groups, dilation).movedim(
        1, -1
    )
    full = [n * s for n, s in zip(size, stride, strict=True)] if padding == "same" else size
    around = padding_of(full, w.shape[:-2], stride, padding, dilation)[::-1]
    for axis in range(axes):
        behind, before = around[2 * axis : 2 * axis + 2]
        covers = (size[axis] - 1) * stride[axis] + (w.shape[axis] - 1) * dilation[axis] + 1
        length = full[axis] if padding == "same" else covers - before - behind + more[axis]
        whole = F.pad(whole.movedim(axis + 1, -1), (0, max(0, before + length - covers)))
        whole = whole[..., before : before + length].movedim(-1, axis + 1)
    return whole + b


def elementwise_of_torch(loss, *arrays, **options):
    """A loss of each number, of arrays that broadcast."""
    return loss(*torch.broadcast_tensors(*arrays), reduction="none", **options)


# Those that have another name in PyTorch, other options, or a flaw.
EXCEPTIONS = {
    "celu": lambda x, alpha=1.0: alpha * F.elu(x / alpha),  # F.celu divides by alpha in float32
    "clamp": lambda *arrays: torch.clamp(*torch.broadcast_tensors(*arrays)),
    "gelu_erf": F.gelu,
    "gelu_tanh": functools.partial(F.gelu, approximate="tanh"),
    "hard_sigmoid": lambda x: F.relu6(x + 3) / 6,  # F.hardsigmoid has its slope in float32
    "hard_swish": F.hardswish,
    "log_sigmoid": F.logsigmoid,
    "prelu": lambda x, weight: torch._prelu_kernel(*torch.broadcast_tensors(x, weight)),
    "channel_dropout": with_noise(tg.ops.channel_dropout, torch.multiply, 1),
    "dropout": with_noise(tg.ops.dropout, torch.multiply, 1),
    "gaussian_noise": with_noise(tg.ops.gaussian_noise, torch.add, 0),
    "adaptive_avg_pool1d": channels_first(F.adaptive_avg_pool1d),
    "adaptive_avg_pool2d": channels_first(F.adaptive_avg_pool2d),
    "adaptive_max_pool1d": channels_first(F.adaptive_max_pool1d),
    "adaptive_max_pool2d": channels_first(F.adaptive_max_pool2d),
    "avg_pool1d": channels_first(F.avg_pool1d),
    "avg_pool2d": channels_first(F.avg_pool2d),
    "max_pool1d": channels_first(F.max_pool1d),
    "max_pool2d": channels_first(F.max_pool2d),
    "upsample": channels_first(F.interpolate),
    "astype": lambda x, dtype: x.to(getattr(torch, dtype)),
    "binary_cross_entropy": lambda p, t: elementwise_of_torch(F.binary_cross_entropy, p, t),
    # F.binary_cross_entropy_with_logits has no gradient of pos_weight.
    "binary_cross_entropy_with_logits": lambda x, t, w: -(w * t * F.logsigmoid(x) + (1 - t) * F.logsigmoid(-x)),
    "focal": lambda z, gamma=2.0: torch.exp(gamma * F.logsigmoid(-z)) * -F.logsigmoid(z),  # of no namesake
    "gaussian_nll": lambda mean, t, var, eps=1e-6: elementwise_of_torch(F.gaussian_nll_loss, mean, t, var, eps=eps),
    "huber": lambda x, delta=1.0: F.huber_loss(x, torch.zeros_like(x), reduction="none", delta=delta),
    # The gradient of F.kl_div's target is NaN at 0.
    "kl_div": lambda x, t: torch.where(t == 0, 0 * t, t * (torch.log(torch.where(t == 0, 1, t)) - x)),
    "log_cosh": lambda x: torch.where(
        x.abs() < 1, torch.log1p(2 * torch.sinh(x.clamp(-1, 1) / 2) ** 2), torch.logaddexp(x, -x) - math.log(2)
    ),
    "batch_norm": lambda x, w, b, eps=1e-5: F.batch_norm(
        x.reshape(-1, x.shape[-1]), None, None, w, b, training=True, eps=eps
    ).reshape(x.shape),
    # F.batch_norm has no gradients of the statistics that it is given.
    "batch_norm_inference": lambda x, mean, var, w, b, eps=1e-5: (x - mean) / torch.sqrt(var + eps) * w + b,
    "broadcast_to": lambda x, shape: torch.broadcast_to(x, np.atleast_1d(shape).tolist()),
    "concatenate": lambda *arrays, axis=0: torch.cat(arrays, axis),
    "conv1d": conv,
    "conv2d": conv,
    "conv2d_input_gradient": conv_input_gradient,
    "conv2d_weight_gradient": conv_weight_gradient,
    "conv_transpose1d": conv_transpose,
    "conv_transpose2d": conv_transpose,
    "cumsum": lambda x, axis=None: torch.cumsum(x.reshape(-1) if axis is None else x, axis or 0),
    "cumsum_backward": cumsum_backward,
    "dense": dense,
    "elastic_net": lambda x, l1=0.0, l2=0.0: l1 * x.abs().sum() + l2 * (x * x).sum(),
    # Its second derivative of no rows is an error in PyTorch.
    "embedding": lambda indices, weight: (
        F.embedding(indices.long(), weight) if indices.numel() else weight[indices.long()]
    ),
    "embedding_backward": lambda g, indices, count: g.new_zeros(count, g.shape[-1]).index_add(
        0, indices.long().reshape(-1), g.reshape(indices.numel(), -1 if indices.numel() else g.shape[-1])
    ),
    "getitem": lambda x, index: torch.take(x, positions(x.shape, index)),
    "group_norm": lambda x, w, b, groups=1, eps=1e-5: F.group_norm(x.movedim(-1, 1), groups, w, b, eps).movedim(1, -1),
    "layer_norm": lambda x, w, b, eps=1e-5: F.layer_norm(x, x.shape[-1:], w, b, eps),
    "log_softmax": lambda x, axis=-1: over(lambda rows: torch.log_softmax(rows, -1), x, axis),
    "logsumexp": lambda x, axis=-1, keepdims=False: torch.logsumexp(x, every(x, axis), keepdims),
    "max": lambda x, axis=None, keepdims=False: torch.amax(x, axes(axis), keepdims),
    "mean": lambda x, axis=None, keepdims=False: torch.mean(x, axes(axis), keepdims),
    "min": lambda x, axis=None, keepdims=False: torch.amin(x, axes(axis), keepdims),
    "norm": lambda x, ord=None, axis=None, keepdims=False: torch.linalg.vector_norm(
        x, 2 if ord in (None, "fro") else ord, axis, keepdims
    ),
    "power": torch.pow,
    "prod": prod,
    "rms_norm": lambda x, w, eps=1e-5: F.rms_norm(x, x.shape[-1:], w, eps),
    "relu_backward": lambda g, y: torch.ops.aten.threshold_backward(g, y, 0),
    "reshape": lambda x, shape: torch.reshape(x, np.atleast_1d(shape).tolist()),
    "scatter_add": scatter_add,
    "sigmoid_backward": torch.ops.aten.sigmoid_backward,
    "softmax": lambda x, axis=-1: over(lambda rows: torch.softmax(rows, -1), x, axis),
    "softmax_cross_entropy": lambda logits, labels: F.cross_entropy(logits, labels.long()),
    "stack": lambda *arrays, axis=0: torch.stack(arrays, axis),
    "std": lambda x, axis=None, ddof=0, keepdims=False: torch.std(x, every(x, axis), correction=ddof, keepdim=keepdims),
    "sum": lambda x, axis=None, keepdims=False: torch.sum(x, axes(axis), keepdims),
    "tanh_backward": torch.ops.aten.tanh_backward,
    "transpose": lambda x, axes=None: x.permute(axes or tuple(range(x.ndim))[::-1]),
    "diagonal": lambda x, offset=0, axis1=0, axis2=1: torch.diagonal(x, offset, axis1, axis2),
    "expand_dims": lambda x, axis: x.reshape(np.expand_dims(np.empty(x.shape), axis).shape),
    "flip": lambda x, axis=None: torch.flip(x, tuple(range(x.ndim)) if axis is None else np.atleast_1d(axis).tolist()),
    "moveaxis": lambda x, source, destination: torch.movedim(x, source, destination),
    "pad": pad,
    "repeat": lambda x, repeats, axis=None: torch.repeat_interleave(x, torch.tensor(repeats), axis),
    "roll": roll,
    "squeeze": lambda x, axis=None: torch.squeeze(x) if axis is None else torch.squeeze(x, axis),
    "swapaxes": lambda x, axis1, axis2: torch.swapaxes(x, axis1, axis2),
    "take": take,
    "take_along_axis": take_along_axis,
    "tile": lambda x, reps: torch.tile(x, np.atleast_1d(np.array(reps, int)).tolist()),
    "tril": lambda x, k=0: torch.tril(x, k),
    "triu": lambda x, k=0: torch.triu(x, k),
    "var": lambda x, axis=None, ddof=0, keepdims=False: torch.var(x, every(x, axis), correction=ddof, keepdim=keepdims),
    "vector_norm": lambda x, ord=2, axis=None, keepdims=False: torch.linalg.vector_norm(x, ord, axis, keepdims),
    "cholesky": lambda x, upper=False: torch.linalg.cholesky(x, upper=upper),
    "cofactors": lambda x: torch.linalg.det(x)[..., None, None] * torch.linalg.inv(x).mT,
    "dot": dot,
    "einsum": lambda *operands, subscripts, optimize=False: torch.einsum(subscripts, *operands),
    "outer": lambda a, b: torch.outer(a.reshape(-1), b.reshape(-1)),
    "slogdet": lambda x: torch.stack(torch.linalg.slogdet(x)),
    "solve": solve,
    "tensordot": tensordot,
    "trace": lambda x, offset=0, axis1=0, axis2=1: torch.diagonal(x, offset, axis1, axis2).sum(-1),
}
NAMES = sorted(name for name, op in OPS.items() if isinstance(op, Op))

# Each element within rtol of its own size plus atol of the array's largest: in sums of terms of both signs, and in
# 1 - y * y, an element's own last places are lost to its neighbours' rounding, in PyTorch as here.
TOLERANCE = {"float64": {"rtol": 1e-9, "atol": 1e-13}, "float32": {"rtol": 2e-5, "atol": 1e-6}}


def counterpart(name):
    """PyTorch's function for an op: the exception, or its namesake."""
    if name in EXCEPTIONS:
        return EXCEPTIONS[name]
    found = [getattr(place, name) for place in (torch, F, torch.special, torch.linalg) if hasattr(place, name)]
    assert found, f"PyTorch has no {name}: say in EXCEPTIONS what it is compared with"
    return found[0]


def test_exceptions_are_of_ops():
    assert EXCEPTIONS.keys() <= set(NAMES)


# Their numbers cancel, and PyTorch then loses more digits in float32 than they do: it computes in float64 on the same
# numbers. Their gradients may be 0 but for rounding, as of a row of one number, so these are held to the last places of 1.
NORMALISATION = {name for name in NAMES if OPS[name].forward.__module__.endswith("normalisation")}


def unit_of(op):
    return 1.0 if op.name in NORMALISATION else 0.0


def assert_close(got, expected, dtype, what, unit=0.0):
    got, expected = np.asarray(got), expected.detach().numpy(force=True)
    assert got.shape == expected.shape and got.dtype == expected.dtype, what
    limits = TOLERANCE[dtype]
    largest = np.max(np.abs(expected), initial=unit, where=np.isfinite(expected))
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
    exactly = torch.float64 if name in NORMALISATION else None  # None: as the arrays are

    def rounded(theirs):
        return theirs if exactly is None else theirs.to(getattr(torch, dtype))

    rng = np.random.default_rng(1)
    for what, op, sample, arrays, kinds in cases(name, dtype, rng):
        ours = [tg.tensor(a, requires_grad=k) for a, k in zip(arrays, kinds, strict=True)]
        theirs = [torch.tensor(a, requires_grad=k, dtype=exactly) for a, k in zip(arrays, kinds, strict=True)]
        with np.errstate(all="ignore"):  # samples go to infinity, and to where only NaN is right
            y, expected = op(*ours, **sample.options), counterpart(name)(*theirs, **sample.options)
        assert_close(y.numpy(), rounded(expected), dtype, f"{what}: value")
        if not (sample.gradient and any(kinds)):
            continue
        g = rng.normal(size=y.shape).astype(y.dtype)
        with np.errstate(all="ignore"):
            y.backward(g)
        expected.backward(torch.tensor(g, dtype=exactly))
        for i in (i for i, k in enumerate(kinds) if k):
            assert_close(ours[i].grad, rounded(theirs[i].grad), dtype, f"{what}: gradient of input {i}", unit_of(op))


def cubes(op, options):
    """The sum of cubes of an op's output, so that the incoming gradient depends on the inputs too."""

    def f(*inputs):
        y = op(*inputs, **options)
        return (y * y * y).sum()

    return f


def of_the_chosen(f, arrays, chosen):
    """f as a function of some of its arguments, and those."""

    def g(*given):
        at = dict(zip(chosen, given, strict=True))
        return f(*(at.get(i, a) for i, a in enumerate(arrays)))

    return g, tuple(arrays[i] for i in chosen)


def torch_hessian_times(f, arrays, chosen, directions):
    """The same by PyTorch; None where the gradient itself is NaN (by the exponent of a negative base)."""
    inputs = [torch.tensor(a, requires_grad=i in chosen) for i, a in enumerate(arrays)]
    wanted = [inputs[i] for i in chosen]
    first = torch.autograd.grad(f(*inputs), wanted, create_graph=True)
    if any(d.isnan().any() for d in first):
        return None
    total = sum((d * torch.tensor(v)).sum() for d, v in zip(first, directions, strict=True))
    if not total.requires_grad:  # the gradient by no elements
        return [torch.zeros_like(x) for x in wanted]
    return torch.autograd.grad(total, wanted, allow_unused=True, materialize_grads=True)


@pytest.mark.parametrize("name", [n for n in NAMES if any(OPS[n].differentiable)])
def test_second_derivative(name):
    rng = np.random.default_rng(2)
    compared = 0
    for what, op, sample, arrays, kinds in cases(name, "float64", rng):
        chosen = [i for i, k in enumerate(kinds) if k]
        if not sample.gradient:
            continue
        if name == "power" and 0 in arrays[1]:
            continue  # PyTorch takes x**0 as a constant in the exponent too; the twin knows better
        directions = [rng.normal(size=arrays[i].shape) for i in chosen]

        ours = tg.hvp(*of_the_chosen(cubes(op, sample.options), arrays, chosen), tuple(directions))
        theirs = torch_hessian_times(cubes(counterpart(name), sample.options), arrays, chosen, directions)
        for i, got, expected in zip(chosen, ours, theirs or [], strict=bool(theirs)):
            got = np.where(expected.isnan(), np.nan, got.numpy())  # PyTorch gets NaN for 0**2, by way of log(0)
            assert_close(got, expected, "float64", f"{what}: second derivative by input {i}", unit_of(op))
            compared += got.size - np.isnan(got).sum()
    assert compared


@pytest.mark.parametrize("name", [n for n in NAMES if any(OPS[n].differentiable)])
def test_hessian(name):
    """The whole matrix, on the first sample of a few numbers."""
    rng = np.random.default_rng(3)
    for what, op, sample, arrays, kinds in cases(name, "float64", rng):
        chosen = [i for i, k in enumerate(kinds) if k]
        if not sample.gradient or not 2 <= sum(arrays[i].size for i in chosen) <= 40:
            continue

        f, given = of_the_chosen(cubes(op, sample.options), arrays, chosen)
        constants = [a if i in chosen else torch.tensor(a) for i, a in enumerate(arrays)]
        theirs, _ = of_the_chosen(cubes(counterpart(name), sample.options), constants, chosen)
        ours = tg.hessian(f, tuple(range(len(given))))(*given)
        expected = torch.autograd.functional.hessian(theirs, tuple(map(torch.tensor, given)))
        for row, their_row in zip(ours, expected, strict=True):
            for block, their_block in zip(row, their_row, strict=True):
                assert_close(block.numpy(), their_block, "float64", what, unit_of(op))
        return
    raise AssertionError(f"{name} has no sample of a few numbers")


@pytest.mark.parametrize(
    "name, inputs, options",
    [
        ("relu", [[0.0, -0.0, 1.0, -1.0]], {}),
        ("relu6", [[0.0, -0.0, 6.0, 3.0]], {}),
        ("leaky_relu", [[0.0, -0.0, 1.0, -1.0]], {}),
        ("prelu", [[0.0, -0.0, 1.0, -1.0], [0.5, 0.25, 0.5, -0.5]], {}),
        ("elu", [[0.0, -0.0, 1.0]], {"alpha": 0.5}),
        ("selu", [[0.0, -0.0, 1.0]], {}),
        ("celu", [[0.0, -0.0, 1.0]], {"alpha": 0.5}),
        ("hardtanh", [[-1.0, 1.0, 0.0]], {}),
        ("hard_sigmoid", [[-3.0, 3.0, 0.0]], {}),
        ("hard_swish", [[-3.0, 3.0, 0.0]], {}),
        ("softsign", [[0.0, -0.0, 1.0]], {}),
        ("clamp", [[0.0, 1.0, 1.0, 2.0], [0.0, 0.0, 1.0, 3.0], [1.0, 1.0, 1.0, 1.0]], {}),
        ("logaddexp", [[0.0, 1.0], [0.0, 1.0]], {}),
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
    counterpart(name)(*theirs, **options).sum().backward()
    for x, expected, k in zip(ours, theirs, kinds, strict=True):
        if k:
            np.testing.assert_array_equal(x.grad, expected.grad.numpy())
