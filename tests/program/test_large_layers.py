"""Layers so large that threads do not add up gradients of all weights: each thread makes a slice of them from all rows."""

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import kernels, nn, optim
from tensorgrad._program.deal import PARTIAL, SLICED
from tensorgrad._program.run import Program

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(88, 270)), RNG.integers(0, 5, 88)


def model(dtype):
    layers = nn.Dense(270, 260), nn.ReLU(), nn.Dense(260, 257), nn.Tanh(), nn.Dense(257, 5)
    return nn.Sequential(*layers, rng=0).astype(dtype)


def train(dtype="float64", optimizer=optim.Adam, **options):
    made = model(dtype)
    history = tg.fit(made, (X, Y), loss=nn.CrossEntropyLoss(), optimizer=optimizer(made.parameters(), lr=1e-3),
                     epochs=3, batch_size=32, progress=False, **options)  # fmt: skip
    return history, made


def shown(threads):
    made = model("float32")
    adam = optim.Adam(made.parameters(), lr=1e-3)
    return tg.show_program(made, nn.CrossEntropyLoss(), adam, X[:32].astype("float32"), Y[:32], threads=threads)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("optimizer", [optim.Adam, optim.SGD])
def test_programs_have_the_numbers_of_eager_training(threads, optimizer):
    """With a last batch of 24 rows, which the threads share too."""
    eager, expected = train(optimizer=optimizer, compile=False)
    compiled, found = train(optimizer=optimizer, threads=threads)
    assert compiled.compiled and compiled.threads == threads
    np.testing.assert_allclose(compiled.steps, eager.steps, rtol=1e-10)
    for p, q in zip(found.parameters(), expected.parameters(), strict=True):
        np.testing.assert_allclose(p.data, q.data, rtol=1e-7, atol=1e-9)


def test_the_same_threads_give_the_same_bits():
    first, second = (train("float32", threads=2)[1] for _ in range(2))
    for p, q in zip(first.parameters(), second.parameters(), strict=True):
        np.testing.assert_array_equal(p.data, q.data)


def test_only_small_gradients_are_added_up():
    jobs = shown(2).program.jobs
    slices = [job for job in jobs if getattr(job.row, "kernel", None) is kernels.weight_gradient]
    assert len(slices) == 2 and all(job.way == SLICED and job.extent == "K" for job in slices)
    assert max(job.row.size for job in jobs if job.way == PARTIAL) < kernels.LARGEST_W


def test_a_thread_that_is_told_the_wrong_slice_is_noticed(monkeypatch):
    eager, _ = train(compile=False)
    monkeypatch.setattr(Program, "_told", lambda self, job, b, thread: 0 if b.tells and self.threads > 1 else None)
    wrong, _ = train(threads=2)
    assert not np.allclose(wrong.steps, eager.steps, rtol=1e-6)


def test_a_step_of_one_thread_leaves_large_products_to_blas():
    made = model("float32")
    sgd = optim.SGD(made.parameters(), lr=1e-3)
    rows = np.zeros((2000, 270), "float32"), np.zeros(2000, int)
    assert "BLAS where they are large" in str(tg.show_program(made, nn.CrossEntropyLoss(), sgd, *rows, threads=1))
    assert "the register tile" in str(tg.show_program(made, nn.CrossEntropyLoss(), sgd, *rows, threads=2))
