"""Copies, also by pickle, of models and optimizers train as the originals do."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn, ops, optim
from tensorgrad.errors import GraphError

X, Y = np.sin(np.arange(12.0)).reshape(6, 2), np.arange(6) % 2
COPIES = {"deepcopy": copy.deepcopy, "copy": copy.copy, "pickle": lambda m: pickle.loads(pickle.dumps(m))}


def make():
    model = nn.Sequential(nn.Dense(2, 4), nn.ReLU(), nn.Dense(4, 2), rng=0)
    return model, optim.Adam(model.parameters(), lr=0.05)


def train(model, optimizer, epochs=3):
    tg.fit(model, (X, Y), loss=nn.CrossEntropyLoss(), optimizer=optimizer, epochs=epochs, progress=False)
    return [p.data.tobytes() for p in model.parameters()]


@pytest.mark.parametrize("how", ["deepcopy", "pickle"])
def test_a_copied_model_trains_and_the_original_does_not(how):
    model, _ = make()
    twin = COPIES[how](model)
    before = [p.data.tobytes() for p in model.parameters()]
    assert train(twin, optim.Adam(twin.parameters(), lr=0.05)) == train(*make())
    assert [p.data.tobytes() for p in model.parameters()] == before


@pytest.mark.parametrize("how", COPIES)
def test_a_copied_parameter_has_its_own_numbers(how):
    p = tg.Parameter(np.ones(3, "float32"))
    twin = COPIES[how](p)
    assert not COPIES[how](tg.Parameter(p.data, requires_grad=False)).requires_grad
    numbers = twin.take()
    numbers += 1
    twin.put(numbers)
    assert (p.data.tolist(), twin.data.tolist()) == ([1, 1, 1], [2, 2, 2])


@pytest.mark.parametrize("how", ["deepcopy", "pickle"])
def test_a_copied_optimizer_goes_on_where_the_original_was(how):
    model, optimizer = make()
    train(model, optimizer)
    twin, its_optimizer = COPIES[how]((model, optimizer))
    assert train(twin, its_optimizer) == train(model, optimizer)
    mine, its = optimizer.state_dict()["state"], its_optimizer.state_dict()["state"]
    assert all(np.array_equal(a[k], b[k]) for a, b in zip(mine, its, strict=True) for k in a)


def test_a_model_that_is_unpickled_in_another_process_trains():
    model, optimizer = make()
    train(model, optimizer)
    code = (
        "import pickle, sys, numpy as np, tensorgrad as tg; from tensorgrad import nn\n"
        "model = pickle.loads(sys.stdin.buffer.read())\n"
        "nn.CrossEntropyLoss()(model(np.ones((2, 2))), np.array([0, 1])).backward()\n"
        "print(all(p.grad is not None for p in model.parameters()))"
    )
    done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(model), capture_output=True, timeout=60)
    assert done.stdout == b"True\n", done.stderr.decode()


def test_results_are_not_copied():
    y = tg.tensor([1.0], requires_grad=True) * 2
    with pytest.raises(GraphError, match=r"only leaves can be copied; this tensor is a result: use \.detach\(\)"):
        copy.deepcopy(y)


@pytest.mark.parametrize("how", COPIES)
def test_a_copied_op_is_the_op(how):
    assert COPIES[how](ops.exp) is ops.exp
    assert COPIES[how](ops.sinh) is ops.sinh
