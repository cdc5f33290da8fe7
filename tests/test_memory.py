"""Memory: graphs are freed by reference counting alone, and training does not grow."""

import gc
import os
import tracemalloc
import weakref

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn, optim


@pytest.fixture
def no_gc():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def resident():
    """Memory in use, in MB."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="the system does not tell memory in /proc")
@pytest.mark.usefixtures("no_gc")
@pytest.mark.parametrize(
    ("length", "differentiate"), [(1_000_000, True), (200_000, False)], ids=["backward", "dropped"]
)
def test_a_chain_of_a_million_tensors_is_built_differentiated_and_freed(length, differentiate):
    x = tg.tensor(0.0, requires_grad=True)
    (x + x).backward()
    before, y, nodes = resident(), x, []
    for i in range(length):
        y = y + x
        if not i % 50_000:
            nodes.append(weakref.ref(y))
    built = resident() - before
    if differentiate:
        y.backward()
        assert x.grad == length + 3
    del y
    assert not any(node() for node in nodes)
    assert resident() - before < 0.15 * built
    assert built > 100e-6 * length


@pytest.mark.usefixtures("no_gc")
def test_backward_frees_what_the_forward_saved():
    x = tg.tensor(np.ones(1000), requires_grad=True)
    hidden = np.exp(x)
    saved = weakref.ref(hidden)
    loss = (hidden * hidden).sum()
    del hidden
    assert saved() is not None
    loss.backward()
    assert saved() is None  # though the loss is still there


def small():
    model = nn.Sequential(nn.Dense(2, 8), nn.ReLU(), nn.Dense(8, 3), rng=0)
    return model, optim.Adam(model.parameters(), lr=1e-3)


X, LABELS = np.sin(np.arange(16.0)).reshape(8, 2).astype("float32"), np.arange(8) % 3


@pytest.mark.usefixtures("no_gc")
def test_ten_thousand_steps_do_not_grow():
    model, adam = small()
    loss = nn.CrossEntropyLoss()

    def steps(n):
        for _ in range(n):
            adam.zero_grad()
            loss(model(X), LABELS).backward()
            adam.step()

    steps(3000)  # also fills Python's own lists of free tuples
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        steps(10_000)
        assert tracemalloc.get_traced_memory()[0] - before < 20_000
    finally:
        tracemalloc.stop()


@pytest.mark.usefixtures("no_gc")
def test_fit_keeps_only_its_history():
    model, adam = small()
    options = {"loss": nn.CrossEntropyLoss(), "optimizer": adam, "batch_size": None, "progress": False}
    tg.fit(model, (X, LABELS), epochs=10, **options)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        history = tg.fit(model, (X, LABELS), epochs=3000, **options)
        grown = tracemalloc.get_traced_memory()[0] - before
        assert grown < 3000 * 150
        del history
        assert tracemalloc.get_traced_memory()[0] - before < 50_000
    finally:
        tracemalloc.stop()


@pytest.mark.usefixtures("no_gc")
@pytest.mark.parametrize(
    "f",
    [
        lambda x: (x @ x.T).sum(),
        lambda x: tg.ops.softmax(x).max(),
        lambda x: np.concatenate([x, x])[0].sum(),
        lambda x: tg.grad(lambda t: (t**3).sum())(x).sum(),
    ],
    ids=["matmul", "softmax", "join", "grad"],
)
def test_no_cycles(f):
    x = tg.tensor(np.ones((3, 3)), requires_grad=True)
    y = f(x)
    seen = weakref.ref(y)
    del y
    assert seen() is None


@pytest.mark.usefixtures("no_gc")
def test_errors_in_backward_do_not_keep_the_graph():
    x = tg.tensor(np.ones(3), requires_grad=True)
    y = (x * x).sum()
    seen = weakref.ref(y)
    x[...] = 2
    with pytest.raises(tg.errors.GraphError):
        y.backward()
    del y
    assert seen() is None
