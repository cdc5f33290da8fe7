"""Memory: graphs are freed by reference counting alone, and training does not grow."""

import gc
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


@pytest.mark.usefixtures("no_gc")
@pytest.mark.parametrize("differentiate", [True, False], ids=["after backward", "never differentiated"])
def test_a_million_tensors_build_differentiate_and_are_freed(differentiate):
    x = tg.tensor(0.0, requires_grad=True)
    y, middle = x, None
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for i in range(1_000_000 if differentiate else 200_000):
            y = y + x
            if i == 1000:
                middle = weakref.ref(y)
        built = tracemalloc.get_traced_memory()[0] - before
        if differentiate:
            y.backward()
            assert x.grad == 1_000_001
        assert built > 50_000_000
        del y
        assert middle() is None
        assert tracemalloc.get_traced_memory()[0] - before < 100_000
    finally:
        tracemalloc.stop()


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


def small(batch_norm=False):
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

    steps(100)
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
@pytest.mark.parametrize("f", [lambda x: (x @ x.T).sum(), lambda x: tg.ops.softmax(x).max(), lambda x: np.concatenate([x, x])[0].sum(),
                               lambda x: tg.grad(lambda t: (t**3).sum())(x).sum()], ids=["matmul", "softmax", "join", "grad"])
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
    assert gc.collect() is not None
    assert seen() is None
