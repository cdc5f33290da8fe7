"""Normalisation layers and the buffers of modules: state, modes, engines, programs, and numbers that are hard to take."""

import copy
import pickle

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn, ops, optim
from tensorgrad._program import threads
from tensorgrad._registry import OPS
from tensorgrad.errors import DTypeError, OptionError, ShapeError
from tensorgrad.training import compiled

RNG = np.random.default_rng(0)
X, LABELS = RNG.normal(size=(24, 4)), RNG.integers(0, 3, 24)
LOSS = nn.CrossEntropyLoss()


def model(**options):
    return nn.Sequential(nn.Dense(4, 6), nn.BatchNorm(6, **options), nn.Tanh(), nn.Dense(6, 3), rng=0).astype("float64")


class Counting(nn.Module):
    """Buffers of several dtypes, one of them missing."""

    buffers = ("seen", "scale", "none")

    def __init__(self):
        self.seen, self.scale, self.none = np.zeros(2, np.int64), np.ones(3, np.float32), None
        self.inner = nn.BatchNorm(2)
        self.again = self.inner


# ---- buffers ----------------------------------------------------------------------------------------------------------
def test_buffers_are_named_and_come_once():
    assert [name for name, _ in Counting().named_buffers()] == [
        "seen", "scale", "inner.running_mean", "inner.running_var"]  # fmt: skip
    assert [name for name, _ in model().named_buffers()] == ["1.running_mean", "1.running_var"]
    assert not list(nn.Dense(2, 2).named_buffers())


def test_state_dict_carries_buffers():
    first, second = model(), model()
    first(X)
    state = first.state_dict()
    assert list(state)[-2:] == ["1.running_mean", "1.running_var"]
    memory = second[1].running_mean
    second.load_state_dict(state)
    assert second[1].running_mean is memory
    np.testing.assert_array_equal(memory, first[1].running_mean)
    state["1.running_mean"][:] = 7
    assert (first[1].running_mean != 7).all()
    bad = {**state, "1.running_var": np.ones(5)}
    with pytest.raises(ShapeError, match=r"1\.running_var has shape \(5,\), expected \(6,\)"):
        second.load_state_dict(bad)
    with pytest.raises(ShapeError, match=r"missing 1\.running_var"):
        second.load_state_dict({k: v for k, v in state.items() if k != "1.running_var"})


def test_copies_have_buffers_of_their_own():
    first = model()
    first(X)
    copies = [
        copy.deepcopy(first),
        first.astype("float32"),
        first.to("scalar"),
        first.to("tensor"),
        pickle.loads(pickle.dumps(first)),
    ]
    for other in copies:
        layer = other[1]
        assert type(layer.running_mean) is np.ndarray and layer.running_mean is not first[1].running_mean
        np.testing.assert_allclose(layer.running_mean, first[1].running_mean, rtol=1e-6)
    assert [m[1].running_var.dtype for m in copies] == ["float64", "float32", "float64", "float64", "float64"]
    counting = Counting().astype("float64")
    assert counting.seen.dtype == np.int64 and counting.scale.dtype == np.float64
    assert counting.again is counting.inner


def test_assigning_to_a_buffer_fills_its_memory():
    layer = nn.BatchNorm(3)
    memory = layer.running_mean
    layer.running_mean = [1, 2, 3]
    assert layer.running_mean is memory and memory.tolist() == [1, 2, 3]
    with pytest.raises(
        ShapeError, match=r"BatchNorm: running_mean has shape \(3,\), it cannot take numbers of shape \(2,\)"
    ):
        layer.running_mean = np.zeros(2)


def test_reset_starts_the_statistics_anew():
    trained = model()
    trained(X)
    trained.reset(0)
    assert not trained[1].running_mean.any() and (trained[1].running_var == 1).all()


def test_the_dtype_of_a_model_without_parameters_is_that_of_its_buffers():
    assert nn.BatchNorm(3, affine=False, dtype="float64").dtype == np.float64


# ---- modes ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("shape", [(9, 3), (2, 5, 3), (2, 3, 4, 3)])
def test_running_statistics(shape):
    x = RNG.normal(size=shape) * 2 + 1
    layer, rows = nn.BatchNorm(3, momentum=0.25, dtype="float64"), x.reshape(-1, 3)
    layer(x)
    np.testing.assert_allclose(layer.running_mean, 0.25 * rows.mean(0), rtol=1e-12)
    np.testing.assert_allclose(layer.running_var, 0.75 + 0.25 * rows.var(0, ddof=1), rtol=1e-12)
    layer.eval()
    before = layer.state_dict()
    y = layer(x).numpy()
    np.testing.assert_allclose(y, (x - layer.running_mean) / np.sqrt(layer.running_var + 1e-5), rtol=1e-12)
    assert all((before[k] == v).all() for k, v in layer.state_dict().items())


def test_momentum_1_keeps_the_last_batch():
    layer = nn.BatchNorm(4, momentum=1.0, dtype="float64")
    layer(X)
    np.testing.assert_allclose(layer.running_var, X.var(0, ddof=1), rtol=1e-12)


@pytest.mark.parametrize("training", [True, False])
def test_a_frozen_layer_gives_the_gradient_of_its_input_alone(training):
    layer = nn.BatchNorm(4, dtype="float64").train(training)
    free = copy.deepcopy(layer)
    for p in layer.parameters():
        p.requires_grad = False
    slopes = []
    for m in (layer, free):
        x = tg.tensor(X, requires_grad=True)
        (m(x) ** 3).sum().backward()
        slopes.append(x.grad)
    assert all(p.grad is None for p in layer.parameters()) and all(p.grad is not None for p in free.parameters())
    np.testing.assert_array_equal(*slopes)


def test_only_weights_need_gradients():
    layer, data = nn.BatchNorm(4, dtype="float64"), tg.tensor(X)
    (layer(data) ** 3).sum().backward()
    x = tg.tensor(X, requires_grad=True)
    again = nn.BatchNorm(4, dtype="float64")
    (again(x) ** 3).sum().backward()
    for p, q in zip(layer.parameters(), again.parameters(), strict=True):
        np.testing.assert_array_equal(p.grad, q.grad)


def test_statistics_that_change_before_backward_do_not_change_the_gradient():
    layer = nn.BatchNorm(4, dtype="float64").eval()
    grads = []
    for change in (False, True):
        layer.reset(0)
        x = tg.tensor(X, requires_grad=True)
        y = (layer(x) ** 3).sum()
        if change:
            layer.running_mean, layer.running_var = np.full(4, 9.0), np.full(4, 9.0)
        layer.zero_grad()
        y.backward()
        grads.append([x.grad, *(p.grad for p in layer.parameters())])
    for a, b in zip(*grads, strict=True):
        np.testing.assert_array_equal(a, b)


# ---- engines and programs ---------------------------------------------------------------------------------------------
IMAGES = RNG.normal(size=(24, 2, 3, 4))


class Flat(nn.Module):
    def forward(self, x):
        return x.reshape(x.shape[0], -1)


NETWORKS = {
    "batch": (X, lambda: [nn.Dense(4, 6), nn.BatchNorm(6), nn.ReLU(), nn.Dense(6, 6), nn.BatchNorm(6, affine=False), nn.Dense(6, 3)]),
    "images": (IMAGES, lambda: [nn.Dense(4, 3), nn.BatchNorm(3), nn.GroupNorm(3, 3), nn.InstanceNorm(3), Flat(), nn.Dense(18, 3)]),
    "rows": (X, lambda: [nn.Dense(4, 6), nn.LayerNorm(6), nn.Tanh(), nn.RMSNorm(6), nn.Dense(6, 3)]),
    "sequences": (IMAGES.reshape(24, 6, 4), lambda: [nn.LayerNorm(4), nn.RMSNorm(4, affine=False), nn.BatchNorm(4), Flat(), nn.Dense(24, 3)]),
    "first": (X, lambda: [nn.BatchNorm(4), nn.Dense(4, 20), nn.BatchNorm(20), nn.Tanh(), nn.Dense(20, 3)]),
}  # fmt: skip


def train(name, monkeypatch, engine="tensor", dtype="float64", steps=10, **options):
    inputs, layers = NETWORKS[name]
    net = nn.Sequential(*layers(), rng=0).astype(dtype)
    net = net.to("scalar") if engine == "scalar" else net
    if options.get("threads", 1) > 1:
        monkeypatch.setattr(compiled, "threads_for", lambda trace, most, batch: most)
        monkeypatch.setattr(compiled, "pays", lambda program: True)
    history = tg.fit(net, (inputs, LABELS), loss=LOSS, optimizer=optim.SGD(net.parameters(), lr=0.05), epochs=steps // 2,
                     batch_size=12, progress=False, **options)  # fmt: skip
    return np.array(history.steps), net, history


@pytest.mark.parametrize("name", NETWORKS)
def test_engines_eager_and_compiled_on_1_and_2_threads_agree(name, monkeypatch):
    expected, reference, _ = train(name, monkeypatch, compile=False)
    assert len(expected) == 10
    for engine, options in [("scalar", {}), ("tensor", {"threads": 1}), ("tensor", {"threads": 2})]:
        losses, net, history = train(name, monkeypatch, engine, **options)
        if engine == "tensor":
            assert history.compiled, history.eager_because
            assert history.threads == options["threads"]
        np.testing.assert_allclose(losses, expected, rtol=1e-10, atol=1e-10)
        for path, array in reference.named_buffers():
            np.testing.assert_allclose(dict(net.named_buffers())[path], array, rtol=1e-10, atol=1e-10)
        if options == {"threads": 1}:
            np.testing.assert_array_equal(losses, expected)


@pytest.mark.parametrize("count", [2, 3])
def test_threads_train_in_float32(count, monkeypatch):
    expected, reference, _ = train("batch", monkeypatch, dtype="float32", compile=False)
    losses, net, history = train("batch", monkeypatch, dtype="float32", threads=count)
    assert history.threads == count
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    for (_, a), (_, b) in zip(net.named_buffers(), reference.named_buffers(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_a_compiled_step_updates_and_a_compiled_model_reads_the_statistics():
    net = model()
    optimizer = optim.SGD(net.parameters(), lr=0.1)

    @tg.compile
    def step(x, t):
        optimizer.zero_grad()
        loss = LOSS(net(x), t)
        loss.backward()
        optimizer.step()
        return loss

    memory, predict = net[1].running_mean, tg.compile(net)
    other = model()
    theirs = optim.SGD(other.parameters(), lr=0.1)
    for _ in range(4):
        step(X, LABELS)
        theirs.zero_grad()
        LOSS(other(X), LABELS).backward()
        theirs.step()
        np.testing.assert_array_equal(net[1].running_mean, other[1].running_mean)
        other.eval()
        np.testing.assert_allclose(predict(X), other(X).numpy(), rtol=1e-12)
        other.train()
    assert not step.reason and not predict.reason and net[1].running_mean is memory
    net[1].running_mean = np.full(6, 5.0)  # a compiled model sees what changes in between
    other[1].running_mean = np.full(6, 5.0)
    np.testing.assert_allclose(predict(X), other.eval()(X).numpy(), rtol=1e-12)


def test_a_step_in_evaluation_is_compiled_too():
    net = model()
    net(X)
    net[1].eval()
    before, optimizer = net[1].running_var.copy(), optim.SGD(net.parameters(), lr=0.1)

    @tg.compile
    def step(x, t):
        optimizer.zero_grad()
        loss = LOSS(net(x), t)
        loss.backward()
        optimizer.step()
        return loss

    losses = [step(X, LABELS).item() for _ in range(3)]
    assert not step.reason and losses[2] < losses[0]
    np.testing.assert_array_equal(net[1].running_var, before)


def test_momentum_may_change_between_steps():
    net, seen = model(), []
    step = tg.compile(lambda x: net(x).sum())
    for momentum in (0.1, 1.0):
        net[1].momentum = momentum
        step(X)
        seen.append(net[1].running_mean.copy())
    hidden = net[0](X).numpy()
    np.testing.assert_allclose(seen[0], 0.1 * hidden.mean(0), rtol=1e-12)
    np.testing.assert_allclose(seen[1], hidden.mean(0), rtol=1e-12)


def test_validation_uses_the_running_statistics():
    net = model()
    history = tg.fit(net, (X, LABELS), loss=LOSS, optimizer=optim.SGD(net.parameters(), lr=0.05), epochs=3, batch_size=8,
                     validation=(X, LABELS), progress=False)  # fmt: skip
    assert net.training
    np.testing.assert_allclose(history["val_loss"][-1], tg.evaluate(net, (X, LABELS), loss=LOSS)["loss"], rtol=1e-12)
    expected = LOSS(net.eval()(X), LABELS).item()
    np.testing.assert_allclose(history["val_loss"][-1], expected, rtol=1e-12)


# ---- hard numbers -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype, tolerance", [("float32", 2e-4), ("float64", 1e-9)])
@pytest.mark.parametrize("shape", [(257, 3), (4, 9, 7, 3)])
def test_numbers_far_from_0_keep_their_variance(shape, dtype, tolerance):
    x = (1e4 + RNG.normal(size=shape) * 0.1).astype(dtype)
    exact = x.astype(np.longdouble)
    axes = tuple(range(len(shape) - 1))
    layer = nn.BatchNorm(3, momentum=1.0, eps=0, dtype=dtype)
    expected = (exact - exact.mean(axes)) / exact.std(axes)
    np.testing.assert_allclose(layer(x).numpy(), expected, rtol=tolerance, atol=tolerance)
    count = x.size // 3
    np.testing.assert_allclose(layer.running_var, exact.var(axes) * count / (count - 1), rtol=tolerance)
    rows = np.ascontiguousarray(x.reshape(-1, 3).T)
    exact = rows.astype(np.longdouble)
    expected = (exact - exact.mean(1, keepdims=True)) / exact.std(1, keepdims=True)
    plain = nn.LayerNorm(rows.shape[1], eps=0, dtype=dtype)
    np.testing.assert_allclose(plain(rows).numpy(), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("engine", "wrong"), [("tensor", w) for w in (np.nan, np.inf, -np.inf, 1e38)]
                         + [("scalar", w) for w in (np.nan, np.inf, -np.inf, 1e200)])  # fmt: skip
def test_a_batch_that_is_not_finite_leaves_running_statistics_of_its_channel(wrong, engine):
    net = nn.Sequential(nn.BatchNorm(3, dtype="float32")).to(engine)
    x = RNG.normal(size=(6, 3)).astype("float32" if engine == "tensor" else "float64")
    x[2, 1] = wrong
    net(x)
    mean, var = net[0].running_mean, net[0].running_var
    assert mean[1] == 0 and var[1] == 1
    assert np.isfinite(var).all() and (var[[0, 2]] != 1).all()
    assert (mean[[0, 2]] != 0).all()


@pytest.mark.parametrize("compile", [True, False])
def test_a_training_that_meets_nan_keeps_its_statistics(compile):
    net, data = model(), X.copy()
    net[0].weight.data = np.full((4, 6), 10.0)
    data[20] = 1e308  # in the third batch
    statistics = []
    for epochs in (2, 2):
        with pytest.warns(RuntimeWarning, match="the loss became nan at step 2"), np.errstate(all="ignore"):
            history = tg.fit(net, (data, LABELS), loss=LOSS, compile=compile, progress=False, epochs=epochs, batch_size=8,
                             shuffle=False, threads=1, optimizer=optim.SGD(net.parameters(), lr=0.1))  # fmt: skip
        assert history.compiled == compile
        assert all(np.isfinite(v).all() for v in net.state_dict().values())
        statistics.append(net[1].running_mean.copy())
    assert (statistics[0] != statistics[1]).all()


def test_an_empty_batch_is_fine_where_no_statistics_of_it_are_needed():
    empty = np.zeros((0, 4), "float32")
    for layer in (nn.BatchNorm(4).eval(), nn.LayerNorm(4), nn.RMSNorm(4), nn.GroupNorm(2, 4)):
        y = layer(empty)
        y.sum().backward()
        assert y.shape == (0, 4) and all((p.grad == 0).all() for p in layer.parameters())


def test_inputs_stay_as_they_are_and_plain_arrays_come_out_plain():
    x = X.copy()
    for layer in (
        nn.BatchNorm(4, affine=False),
        nn.LayerNorm(4, affine=False),
        nn.RMSNorm(4, affine=False),
        nn.GroupNorm(2, 4, affine=False),
    ):
        assert type(layer(x)) is np.ndarray
    np.testing.assert_array_equal(x, X)


# ---- large calls are dealt out ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("shape", [(128, 520), (1024, 160), (16, 33, 9, 40), (1037, 160)])
@pytest.mark.parametrize("op", [ops.batch_norm, ops.layer_norm, ops.rms_norm, ops.group_norm])
def test_large_arrays_have_the_same_bits_on_any_number_of_threads(op, shape):
    x, g = (RNG.normal(size=shape).astype("float32") for _ in range(2))
    count = 1 if op is ops.rms_norm else 2
    found = []
    try:
        for n in (1, 2, 3):
            threads.set_threads(n)
            leaves = [
                tg.tensor(a, requires_grad=True)
                for a in (x, *[np.linspace(0.5, 2, shape[-1], dtype="float32")] * count)
            ]
            y = op(*leaves)
            y.backward(g)
            found.append([y.numpy(), *(t.grad for t in leaves)])
    finally:
        threads.set_threads(None)
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("op", [ops.layer_norm, ops.rms_norm])
def test_gradients_of_many_rows_are_those_of_their_parts(op):
    """Also of the last rows, which fill no block."""
    x, g = RNG.normal(size=(1037, 160)), RNG.normal(size=(1037, 160))

    def grads(rows):
        weights = [np.linspace(0.5, 2, 160)] * (1 if op is ops.rms_norm else 2)
        leaves = [tg.tensor(a, requires_grad=True) for a in (x[rows], *weights)]
        op(*leaves).backward(g[rows])
        return [t.grad for t in leaves]

    (dx, *sums), parts = grads(slice(None)), [grads(slice(i, i + 200)) for i in range(0, 1037, 200)]
    np.testing.assert_allclose(dx, np.concatenate([part[0] for part in parts]), rtol=1e-9, atol=1e-12)
    for i, found in enumerate(sums):
        np.testing.assert_allclose(found, sum(part[1 + i] for part in parts), rtol=1e-9, atol=1e-12)


# ---- errors -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("engine", ["tensor", "scalar"])
@pytest.mark.parametrize(
    ("make", "shape", "text"),
    [
        (lambda: nn.BatchNorm(3), (1, 3), r"BatchNorm\(3\): a batch needs two values of each channel or more in training, got input of shape \(1, 3\)"),
        (lambda: nn.BatchNorm(3), (1, 1, 1, 3), r"got input of shape \(1, 1, 1, 3\); use larger batches, or model.eval\(\)"),
        (lambda: nn.BatchNorm(3), (5, 4), r"BatchNorm\(3\): expected input of shape \(n, ..., 3\), got \(5, 4\)"),
        (lambda: nn.BatchNorm(3), (3,), r"expected input of shape \(n, ..., 3\), got \(3,\)"),
        (lambda: nn.LayerNorm(3), (5, 4), r"LayerNorm\(3\): expected input of shape \(..., 3\), got \(5, 4\)"),
        (lambda: nn.RMSNorm(3), (5, 4), r"RMSNorm\(3\): expected input of shape \(..., 3\), got \(5, 4\)"),
        (lambda: nn.GroupNorm(1, 3), (5, 4), r"GroupNorm\(1, 3\): expected input of shape \(n, ..., 3\), got \(5, 4\)"),
        (lambda: nn.InstanceNorm(3), (5, 1, 1, 3), r"InstanceNorm\(3\): a channel with one value has no variance, got input of shape"),
        (lambda: nn.InstanceNorm(3), (5, 3), r"InstanceNorm\(3\): expected input of shape"),
    ],
    ids=range(9),
)  # fmt: skip
def test_inputs_that_do_not_fit(make, shape, text, engine):
    layer = make().to(engine)
    before = layer.state_dict()
    with pytest.raises(ShapeError, match=text):
        layer(np.ones(shape))
    assert all((before[k] == v).all() for k, v in layer.state_dict().items())


def test_one_row_is_fine_in_evaluation():
    assert nn.BatchNorm(3).eval()(np.ones((1, 3), "float32")).shape == (1, 3)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: nn.BatchNorm(0), "BatchNorm: features must be a positive whole number, got 0"),
        (lambda: nn.LayerNorm((3, 4)), r"LayerNorm: features must be a positive whole number, got \(3, 4\)"),
        (lambda: nn.InstanceNorm(2.0), r"InstanceNorm: channels must be a positive whole number, got 2\.0"),
        (lambda: nn.GroupNorm(3, 4), "GroupNorm: groups must divide the 4 channels, got 3"),
        (lambda: nn.GroupNorm(True, 4), "GroupNorm: groups must divide the 4 channels, got True"),
        (lambda: nn.BatchNorm(3, momentum=1.5), "BatchNorm: momentum must be a number from 0 to 1, got 1.5"),
        (lambda: nn.BatchNorm(3, eps=-1), "BatchNorm: eps must be a number of at least 0, got -1"),
        (lambda: nn.LayerNorm(3, dtype="float16"), "LayerNorm: unknown dtype 'float16'"),
    ],
    ids=range(8),
)
def test_options_that_do_not_fit(make, text):
    with pytest.raises(OptionError, match=text):
        make()


def test_repr():
    layers = [
        nn.BatchNorm(3, momentum=0.2),
        nn.LayerNorm(4, eps=0.1),
        nn.GroupNorm(2, 4, affine=False),
        nn.RMSNorm(5),
        nn.InstanceNorm(2),
    ]
    assert [repr(m) for m in layers] == [
        "BatchNorm(3, momentum=0.2)", "LayerNorm(4, eps=0.1)", "GroupNorm(2, 4, affine=False)", "RMSNorm(5)", "InstanceNorm(2)"]  # fmt: skip


# ---- a checker that never fails checks nothing ------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["batch_norm", "layer_norm", "rms_norm", "group_norm", "batch_norm_inference"])
@pytest.mark.parametrize("which", [0, 1])
def test_a_wrong_gradient_is_found(name, which, monkeypatch):
    op = OPS[name]
    which = which and len(op.inputs) - 1
    right = op.fused

    def wrong(*args, **options):
        grads = list(right(*args, **options))
        if grads[which] is not None:
            grads[which] = grads[which] * (1 + 1e-6)
        return grads

    monkeypatch.setattr(op, "fused", wrong)
    assert any(f"gradient {which} is" in f for f in tg.check_op(name, dtypes=["float64"]).failures)


def test_compare_agrees_and_finds_a_gradient_without_its_mean(monkeypatch):
    net = nn.Sequential(
        nn.Dense(4, 6), nn.BatchNorm(6), nn.Tanh(), nn.Dense(6, 5), nn.LayerNorm(5), nn.Dense(5, 3), rng=0
    )
    before = net.state_dict()
    for digits in (None, 50):
        comparison = tg.compare(net.astype("float64"), X[:6], LABELS[:6], loss=LOSS, digits=digits)
        assert comparison.ok, str(comparison)
    assert all((before[k] == v).all() for k, v in net.state_dict().items())
    op = OPS["batch_norm"]

    def wrong(needs, g, saved, x, weight, bias, **options):
        dx, dweight, dbias = right(needs, g, saved, x, weight, bias, **options)
        return dx + 0.01 * g.mean(0), dweight, dbias

    right = op.fused
    monkeypatch.setattr(op, "fused", wrong)
    comparison = tg.compare(net.astype("float64"), X[:6], LABELS[:6], loss=LOSS)
    assert not comparison.ok and "batch_norm" in comparison.culprit


@pytest.mark.parametrize(
    "make", [nn.LayerNorm, nn.RMSNorm, nn.BatchNorm, nn.InstanceNorm, lambda c, **o: nn.GroupNorm(2, c, **o)]
)
@pytest.mark.parametrize("training", [True, False])
def test_without_weights_the_dtype_is_the_layers(make, training):
    x = np.arange(24).reshape(2, 3, 4) % 7
    for dtype, other in (("float32", "float64"), ("float64", "float32")):
        plain, weighted = (make(4, affine=affine, dtype=dtype).train(training) for affine in (False, True))
        for given in (x, x.tolist(), x.astype("float64"), x.astype("float32")):
            y = plain(given)
            assert y.dtype == weighted(given).dtype == np.dtype(dtype)
            np.testing.assert_array_equal(np.asarray(y), weighted(given).numpy())
        for layer in (plain, weighted):
            with pytest.raises(DTypeError):
                layer(tg.tensor(x.astype(other)))
        assert plain.astype(other)(x).dtype == np.dtype(other)
        assert plain.dtype == np.dtype(dtype) and "_ones" not in plain.state_dict()


@pytest.mark.parametrize("layer", [nn.BatchNorm(3), nn.GroupNorm(3, 3), nn.InstanceNorm(3)])
def test_images_with_their_channels_second(layer):
    with pytest.raises(ShapeError, match=r"got \(2, 3, 8, 9\); channels are last: x.transpose\(0, 2, 3, 1\)$"):
        layer(np.zeros((2, 3, 8, 9), np.float32))


def test_affine_of_instance_norm_is_named():
    with pytest.raises(TypeError):
        nn.InstanceNorm(3, 1e-5, False)
