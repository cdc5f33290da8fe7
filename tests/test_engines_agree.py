"""One script, two engines: training on microgrid's Values and on Tensors gives the same numbers, in float64."""

import itertools
import subprocess
import sys
import textwrap
import threading
from fractions import Fraction

import numpy as np
import pytest

import tensorgrad as tg
from microgrid import grid
from tensorgrad import nn, ops, optim

OPTIMIZERS = {
    "adam": lambda p: optim.Adam(p, lr=0.01),
    "adam with weight decay": lambda p: optim.Adam(p, lr=0.01, weight_decay=1e-3),
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
}


def spiral(points, classes=3, seed=0):
    """Points on `classes` arms that wind around each other: (n, 2), int (n,)."""
    rng = np.random.default_rng(seed)
    radius = np.tile(np.linspace(0.05, 1, points), classes)
    labels = np.repeat(np.arange(classes), points)
    angle = 4 * (radius + labels) + rng.normal(size=len(labels)) * 0.2
    return np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1), labels


def mlp(*widths, activation=nn.ReLU):
    layers = []
    for n, m in itertools.pairwise(widths):
        layers += [nn.Dense(n, m), activation()]
    return nn.Sequential(*layers[:-1], rng=0).astype("float64")


class Gated(nn.Module):
    """A module of one's own: a parameter that broadcasts, an input that is used twice, a plain function of ops."""

    def __init__(self):
        self.inner = nn.Dense(2, 8, rng=1, dtype="float64")
        self.gate = tg.Parameter(np.linspace(-1.0, 1.0, 8))
        self.out = nn.Dense(8, 3, bias=False, rng=2, dtype="float64")

    def forward(self, x):
        h = self.inner(x)
        return self.out(np.tanh(h) * ops.sigmoid(self.gate) + h)


def convolutional():
    """A layer of every kind: (n, 6, 6, 1) -> (n, 3)."""
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, padding="same", bias=False), nn.BatchNorm(3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25),
        nn.Flatten(), nn.Dense(27, 3), rng=0,
    ).astype("float64")  # fmt: skip


def train(model, data, loss, make_optimizer, epochs=5, batch_size=16):
    return tg.fit(
        model, data, loss=loss, optimizer=make_optimizer(model.parameters()), epochs=epochs, batch_size=batch_size,
        seed=3, metrics=["accuracy"] if data[1].ndim == 1 else (), progress=False,
    )  # fmt: skip


def assert_equal_parameters(a, b, rtol=1e-10):
    for (name, p), (_, q) in zip(a.named_parameters(), b.named_parameters(), strict=True):
        np.testing.assert_allclose(p.data, q.data, rtol=rtol, atol=rtol * np.abs(q.data).max(), err_msg=name)


# ---- training ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(
    "make, loss, targets",
    [
        (lambda: mlp(2, 16, 16, 3), nn.CrossEntropyLoss(), "labels"),
        (lambda: mlp(2, 8, 3), nn.CrossEntropyLoss(), "one-hot"),
        (lambda: mlp(2, 8, 3, activation=nn.Tanh), nn.MSELoss(), "one-hot"),
        (lambda: mlp(2, 8, 3, activation=nn.Sigmoid), nn.CrossEntropyLoss(), "labels"),
        (Gated, nn.CrossEntropyLoss(), "labels"),
    ],
    ids=["relu", "one-hot", "tanh and mse", "sigmoid", "custom module"],
)
def test_every_loss_and_the_final_parameters(make, loss, targets, optimizer):
    X, labels = spiral(20)
    y = labels if targets == "labels" else np.eye(3)[labels]
    model = make()
    scalars = model.to("scalar")
    start = model.state_dict()
    history = train(model, (X, y), loss, OPTIMIZERS[optimizer])
    expected = train(scalars, (X, y), loss, OPTIMIZERS[optimizer])
    assert len(history.steps) == len(expected.steps) == 20
    np.testing.assert_allclose(history.steps, expected.steps, rtol=1e-12)
    np.testing.assert_allclose(history.loss, expected.loss, rtol=1e-12)
    if targets == "labels":
        assert history["accuracy"] == expected["accuracy"]
    assert_equal_parameters(model, scalars)
    assert all(not np.array_equal(start[name], p.data) for name, p in model.named_parameters())


def test_the_spiral_model():
    """2-64-64-3, the model of the examples, on fewer points."""
    model = mlp(2, 64, 64, 3)
    scalars = model.to("scalar")
    history = train(model, spiral(10), nn.CrossEntropyLoss(), OPTIMIZERS["adam"], epochs=3, batch_size=15)
    expected = train(scalars, spiral(10), nn.CrossEntropyLoss(), OPTIMIZERS["adam"], epochs=3, batch_size=15)
    np.testing.assert_allclose(history.steps, expected.steps, rtol=1e-12)
    assert_equal_parameters(model, scalars)


def test_a_loop_written_by_hand():
    """Nothing in it names an engine: it is the same function, called with either model."""

    def loop(model, X, y):
        loss, optimizer, losses = nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.1, momentum=0.9), []
        for _ in range(5):
            value = loss(model(X), y)
            value.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(value.item())
        return losses

    X, y = spiral(6)
    model = mlp(2, 8, 3)
    scalars = model.to("scalar")
    losses, expected = loop(model, X, y), loop(scalars, X, y)
    np.testing.assert_allclose(losses, expected, rtol=1e-12)
    assert losses[-1] < losses[0]
    assert_equal_parameters(model, scalars)


def test_gradients_of_two_losses_add_up():
    X, y = spiral(4)
    model = mlp(2, 8, 3)
    scalars = model.to("scalar")
    for m in (model, scalars):
        m.zero_grad()
        nn.CrossEntropyLoss()(m(X), y).backward()
        nn.MSELoss()(m(X), np.eye(3)[y]).backward()
    for p, q in zip(model.parameters(), scalars.parameters(), strict=True):
        np.testing.assert_allclose(p.grad, q.grad, rtol=1e-10, atol=1e-14)


def test_predict_and_evaluate():
    X, y = spiral(8)
    model = mlp(2, 8, 3)
    scalars = model.to("scalar")
    output = tg.predict(scalars, X, batch_size=5)
    assert output.dtype == np.float64 and output.shape == (24, 3)
    np.testing.assert_allclose(tg.predict(model, X, batch_size=7), output, rtol=1e-12, atol=1e-14)
    scores = [tg.evaluate(m, (X, y), loss=nn.CrossEntropyLoss(), metrics=["accuracy"]) for m in (model, scalars)]
    np.testing.assert_allclose(scores[0]["loss"], scores[1]["loss"], rtol=1e-12)
    assert scores[0]["accuracy"] == scores[1]["accuracy"] and scores[0].keys() == scores[1].keys()


# ---- from one engine to the other -------------------------------------------------------------------------------------
@pytest.mark.parametrize("make", [lambda: mlp(2, 8, 3), Gated])
def test_there_and_back_again(make):
    model = make()
    back = model.to("scalar").to("tensor")
    assert back.engine == "tensor" and back.dtype == np.float64
    for (name, p), (other, q) in zip(model.named_parameters(), back.named_parameters(), strict=True):
        assert name == other
        np.testing.assert_array_equal(p.data, q.data)
        assert not np.shares_memory(p.data, q.data)


def test_training_goes_on_after_a_change_of_engine():
    X, y = spiral(6)
    model, sgd = mlp(2, 8, 3), (lambda p: optim.SGD(p, lr=0.1))
    scalars = model.to("scalar")
    train(model, (X, y), nn.CrossEntropyLoss(), sgd, epochs=4)
    train(scalars, (X, y), nn.CrossEntropyLoss(), sgd, epochs=2)
    there = scalars.to("tensor")
    train(there, (X, y), nn.CrossEntropyLoss(), sgd, epochs=2)
    again = mlp(2, 8, 3)
    for _ in range(2):
        train(again, (X, y), nn.CrossEntropyLoss(), sgd, epochs=2)
    assert_equal_parameters(there, again)


# ---- exact numbers ----------------------------------------------------------------------------------------------------
def test_fractions_give_the_exact_gradient():
    """The loss is quadratic in each parameter as long as no ReLU switches: central differences are then exact."""
    X, y = np.array([[1.0, 2.0], [0.5, -1.0], [-3.0, 0.25]]), np.array([[1.0], [2.0], [-0.5]])
    model = mlp(2, 4, 1).to("scalar", number=Fraction)

    def loss():
        return nn.MSELoss()(model(grid(X, number=Fraction)), grid(y, number=Fraction))

    loss().backward()
    h = Fraction(1, 10**9)
    for p in model.parameters():
        gradient = p.grad
        for index in np.ndindex(p.shape):
            leaf = p.value[index]
            middle = leaf.data
            leaf.data = middle + h
            up = loss().item()
            leaf.data = middle - h
            down = loss().item()
            leaf.data = middle
            assert isinstance(up, Fraction)
            assert gradient[index] == (up - down) / (2 * h)


def test_a_model_of_fractions_takes_plain_data_exactly():
    """A float is a fraction: computing with it must not fall back to floats."""
    X, y = np.array([[1.0, 2.0], [0.1, -1.0]]), np.array([[1.0], [0.3]])
    model = mlp(2, 4, 1).to("scalar", number=Fraction)
    value = nn.MSELoss()(model(X), y)
    assert value.item() == nn.MSELoss()(model(grid(X, number=Fraction)), grid(y, number=Fraction)).item()
    assert isinstance(value.item(), Fraction)


# ---- the same bits ----------------------------------------------------------------------------------------------------
RUN = """
import numpy as np
import tensorgrad as tg
from tensorgrad import nn, optim

def run(dtype="float32"):
    rng = np.random.default_rng(5)
    X, y = rng.normal(size=(60, 2)).astype(dtype), rng.integers(0, 3, 60)
    model = nn.Sequential(nn.Dense(2, 32), nn.ReLU(), nn.Dense(32, 32), nn.Tanh(), nn.Dense(32, 3), rng=0).astype(dtype)
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    history = tg.fit(model, (X, y), loss=nn.CrossEntropyLoss(), optimizer=optimizer, epochs=4, batch_size=16, progress=False)
    return b"".join([np.array(history.steps).tobytes(), *(p.data.tobytes() for p in model.parameters())])
"""


@pytest.fixture(scope="module")
def run():
    scope = {}
    exec(RUN, scope)
    return scope["run"]


def in_subprocess(script):
    """The standard output of a Python process that runs RUN and then the script."""
    command = [sys.executable, "-W", "ignore", "-c", RUN + textwrap.dedent(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_seed_same_bits(run, dtype):
    assert run(dtype) == run(dtype)


def test_another_seed_gives_other_numbers():
    data = spiral(8)
    losses = []
    for seed in (0, 1):
        model = mlp(2, 8, 3)
        sgd = optim.SGD(model.parameters(), lr=0.1)
        losses += tg.fit(
            model, data, loss=nn.CrossEntropyLoss(), optimizer=sgd, batch_size=8, seed=seed, progress=False
        ).loss
    assert losses[0] != losses[1]


def test_global_random_state_is_neither_read_nor_changed(run):
    np.random.seed(1)
    before, first = np.random.get_state()[1].copy(), run()
    assert np.array_equal(np.random.get_state()[1], before)
    np.random.seed(2)
    assert run() == first


def test_same_bits_in_another_process(run):
    assert in_subprocess("print(run().hex())") == run().hex()


def test_same_bits_after_nnfs_init(run):
    """nnfs.init() replaces np.dot, np.zeros and others by versions that make float32 of everything."""
    pytest.importorskip("nnfs")
    for dtype in ("float32", "float64"):
        assert in_subprocess(f"import nnfs; nnfs.init(); print(run({dtype!r}).hex())") == run(dtype).hex()


def test_same_bits_when_nnfs_came_first(run):
    pytest.importorskip("nnfs")
    script = "import nnfs\nnnfs.init()\n" + RUN + "\nprint(run('float64').hex())"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == run("float64").hex()


def test_same_bits_from_several_threads_at_once(run):
    expected, found = run(), []
    threads = [threading.Thread(target=lambda: found.append(run())) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert found == [expected] * 4


def test_no_grad_in_one_thread_leaves_the_others_recording():
    entered, seen = threading.Event(), []

    def record():
        entered.wait()
        seen.append((tg.tensor(2.0, requires_grad=True) * 3.0).requires_grad)

    thread = threading.Thread(target=record)
    thread.start()
    with tg.no_grad():
        entered.set()
        thread.join()
    assert seen == [True]


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="the platform has no fork")
def test_same_bits_after_fork_on_both_sides(run):
    output = in_subprocess("""
        import os
        first = run()
        child = os.fork()
        same = run() == first
        if not child:
            os._exit(0 if same else 1)
        _, status = os.waitpid(child, 0)
        print(same, os.waitstatus_to_exitcode(status), first.hex())
    """)
    assert output == f"True 0 {run().hex()}"


def test_ten_steps_of_a_network_of_many_layers_are_equal_on_both_engines_eager_and_compiled():
    rng = np.random.default_rng(5)
    X, y = rng.normal(size=(40, 6, 6, 1)), rng.integers(0, 3, 40)
    losses, parameters = [], []
    for engine, options in (
        ("scalar", {}),
        ("tensor", {"compile": False}),
        ("tensor", {"threads": 1}),
        ("tensor", {"threads": 2}),
    ):
        model = convolutional().to(engine)
        adam = optim.Adam(model.parameters(), lr=0.01)
        history = tg.fit(model, (X, y), loss=nn.CrossEntropyLoss(), optimizer=adam, epochs=2, batch_size=8, seed=1,
                         progress=False, **options)  # fmt: skip
        assert history.compiled == ("threads" in options), history.eager_because
        losses.append(history.steps)
        parameters.append(model.state_dict())
    for other, state in zip(losses[1:], parameters[1:], strict=True):
        assert len(other) == 10
        np.testing.assert_allclose(other, losses[0], rtol=1e-10)
        for name, value in state.items():
            np.testing.assert_allclose(value, parameters[0][name], rtol=1e-8, atol=1e-10, err_msg=name)
