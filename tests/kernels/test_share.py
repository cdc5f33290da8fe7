"""Calls of kernels dealt out to threads that stay."""

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import kernels
from tensorgrad.kernels import _compile, _pool, _share, kernel, share

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


@pytest.fixture(autouse=True)
def two_threads():
    tg.set_threads(2)
    yield
    tg.set_threads(None)


def runs(monkeypatch):
    """What `Pool.run` returns from here on, where it took the arrays."""
    found, run = [], _pool.Pool.run

    def watched(*args):
        done = run(*args)
        if done is not None:
            found.append(done)
        return done

    monkeypatch.setattr(_pool.Pool, "run", watched)
    return found


def buffers(n=100_000, dtype=np.float32):
    x = np.random.default_rng(0).normal(size=n).astype(dtype)
    return x, np.full_like(x, 7)


def is_exp(x, out):
    alone = np.empty_like(x)
    kernels.exp(x, alone)
    return alone.tobytes() == out.tobytes()


# ---- what is dealt out ----------------------------------------------------------------------------------------------
@kernel("x[M,n,r] w[n] -> out[M,r]")
def weighted(x, w, out):
    for i in range(x.shape[0]):
        for k in range(x.shape[2]):
            total = x.dtype.type(0)
            for j in range(x.shape[1]):
                total += x[i, j, k] * w[j]
            out[i, k] = total


@kernel("x[N] -> total[1]")
def partial(x, total):
    total[0] = x.sum()


@kernel("x[n] -> out[n]")
def running(x, out):
    out[0] = x[0]
    for i in range(1, x.size):
        out[i] = out[i - 1] + x[i]


for _kernel in (weighted, partial, running):
    del kernels.Kernel.registry[_kernel.name]  # which other tests look at


def test_the_extent_of_a_kernel():
    named = {
        kernels.exp: "N",
        kernels.multiply: "N",
        kernels.softmax: "M",
        kernels.max_over: "M",
        kernels.sum_rows: "M",
    }
    assert {k: _pool.dealt(k) for k in named} == named
    for k in (weighted, kernels.sum_columns, partial, running, kernels.dense):
        assert _pool.dealt(k) == ("M" if k is weighted else None)


@pytest.mark.parametrize("threads", [2, 3, 5])
@pytest.mark.parametrize(
    "shape", [(2, 40_000, 1), (3, 1999, 20), (37, 2000, 1), (300, 228, 1), (2000, 5, 7), (70_000, 1, 1)]
)
def test_rows_are_dealt_out(monkeypatch, shape, threads):
    tg.set_threads(threads)
    rng, found = np.random.default_rng(0), runs(monkeypatch)
    x, w = rng.normal(size=shape), rng.normal(size=shape[1])
    out, alone = np.full((2, shape[0], shape[2]), 7.0)
    share(weighted, x, w, out)
    weighted(x, w, alone)
    assert found == [True] and out.tobytes() == alone.tobytes()
    tops, totals, outs = np.zeros((2, shape[0], shape[2])), np.zeros((2, shape[0], shape[2])), np.zeros((2, *shape))
    share(kernels.softmax, x, tops[0], totals[0], outs[0])
    kernels.softmax(x, tops[1], totals[1], outs[1])
    assert found[1:] == [True]
    assert all(a[0].tobytes() == a[1].tobytes() for a in (tops, totals, outs))


DEALT = [k for k in kernels.Kernel.registry.values()
         if _pool.dealt(k) == "M" and all(not b.kind or b.written for b in k.buffers)]  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("r", [1, 7])
@pytest.mark.parametrize("kernel", DEALT, ids=lambda k: k.name)
def test_every_kernel_gives_the_same_bits(monkeypatch, kernel, r, dtype):
    monkeypatch.setattr(_share, "LARGE", 1)
    sizes, rng, found = {"M": 301, "n": 53, "N": 53, "r": r, "1": 1}, np.random.default_rng(0), runs(monkeypatch)
    read = [rng.normal(size=[sizes[e] for e in b.extents]).astype(dtype) for b in kernel.buffers if not b.written]
    out = []
    for threads in (1, 2, 3):
        tg.set_threads(threads)
        written = [
            np.full([sizes[e] for e in b.extents], 7, (b.kind and np.int64) or dtype)
            for b in kernel.buffers
            if b.written
        ]
        share(kernel, *read, *written)
        out.append([a.tobytes() for a in written])
    assert found == [True, True] and out[1:] == out[:-1]


def test_partial_sums_stay_on_one_thread(monkeypatch):
    found, (x, _) = runs(monkeypatch), buffers(dtype=np.float64)
    total, sums, out = np.zeros(1), np.zeros(50), np.zeros(x.size)
    share(partial, x, total)
    share(kernels.sum_columns, x.reshape(-1, 50), sums)
    share(running, x, out)
    assert not found and np.allclose(total, x.sum()) and np.allclose(sums.sum(), total) and np.allclose(out[-1], total)


@pytest.mark.parametrize("n", [65_536, 65_537, 69_631, 73_728, 99_999, 1_000_003])
@pytest.mark.parametrize("threads", [2, 3, 5])
def test_every_number_once(monkeypatch, n, threads):
    tg.set_threads(threads)
    found, (x, out) = runs(monkeypatch), buffers(n)
    share(kernels.exp, x, out)
    assert found == [True] and is_exp(x, out)
    for _ in range(20):  # also when the threads are awake
        out[:] = 7
        share(kernels.exp, x, out)
        assert is_exp(x, out)


def test_arrays_that_may_not_be_written_are_read(monkeypatch):
    found, (x, out) = runs(monkeypatch), buffers()
    x.flags.writeable = False
    share(kernels.exp, x, out)
    assert found == [True] and is_exp(x, out)


def test_one_plan_serves_one_dtype():
    for dtype in (np.float32, np.float64, np.float32):
        x, out = buffers(dtype=dtype)
        share(kernels.exp, x, out)
        assert is_exp(x, out)


def test_numbers_of_other_dtypes_go_to_no_other_thread(monkeypatch):
    found, (x, _) = runs(monkeypatch), buffers()
    wide = np.zeros(x.size)
    share(kernels.exp, x, wide)
    assert not found and np.allclose(wide, np.exp(x.astype(float)))


# ---- when it is not -------------------------------------------------------------------------------------------------
def test_small_calls_and_one_thread_and_a_log(monkeypatch):
    found, (x, out) = runs(monkeypatch), buffers()
    share(kernels.exp, x[: _share.LARGE - 1], out[: _share.LARGE - 1])
    with kernels.logging() as log:
        share(kernels.exp, x, out)
    tg.set_threads(1)
    share(kernels.exp, x, out)
    assert not found and len(log.rows) == 1 and is_exp(x, out)


@pytest.mark.parametrize("where", ["thread", "files"])
def test_without_threads(monkeypatch, where):
    def fails(*_):
        raise (RuntimeError if where == "thread" else OSError)("none left")

    monkeypatch.setitem(_share._here, "pool", None)
    monkeypatch.setattr(*(threading.Thread, "start") if where == "thread" else (os, "pipe"), fails)
    x, out = buffers()
    share(kernels.exp, x, out)
    assert is_exp(x, out)


def test_from_several_threads_at_once():
    wrong = []

    def call(seed):
        x, out = np.random.default_rng(seed).normal(size=(2, 70_000 + seed))
        for _ in range(100):
            out[:] = 7
            share(kernels.exp, x, out)
            if not is_exp(x, out):
                wrong.append(seed)

    callers = [threading.Thread(target=call, args=(seed,)) for seed in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


# ---- the threads ----------------------------------------------------------------------------------------------------
def others():
    return [t for t in threading.enumerate() if t.name.startswith("tensorgrad-")]


def test_as_many_threads_as_asked_for():
    x, out = buffers()
    for threads in (3, 2, 4):
        tg.set_threads(threads)
        share(kernels.exp, x, out)
        until = time.monotonic() + 10
        while len(others()) != threads - 1 and time.monotonic() < until:
            time.sleep(0.01)
        assert len(others()) == threads - 1


def test_idle_threads_cost_nothing():
    x, out = buffers()
    share(kernels.exp, x, out)
    time.sleep(0.05)
    before = time.process_time()
    time.sleep(0.5)
    assert time.process_time() - before < 0.05


def test_asleep_and_awake(monkeypatch):
    found, (x, out) = runs(monkeypatch), buffers()
    for _ in range(50):
        time.sleep(0.001)
        out[:] = 7
        share(kernels.exp, x, out)
        assert is_exp(x, out)
    assert found == [True] * 50


def python(code, **kwargs):
    code = f"import numpy as np, tensorgrad as tg\nfrom tensorgrad.kernels import *\ntg.set_threads(2)\n{code}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, **kwargs)
    done.stderr = "".join(line for line in done.stderr.splitlines(True) if "compiling kernels" not in line)
    return done


CALL = "x = np.ones(100_000); share(exp, x, x)"


@pytest.mark.parametrize("code", [
    CALL,
    f"{CALL}; import sys; sys.exit(0)",
    f"import threading, time\ndef f():\n    while True: {CALL}\nthreading.Thread(target=f, daemon=True).start(); time.sleep(.3)",
])  # fmt: skip
def test_exit_is_clean(code):
    done = python(code)
    assert (done.returncode, done.stderr) == (0, "")


def test_no_threads_before_the_first_large_call():
    done = python("import threading; x = np.ones(100); share(exp, x, x); print(threading.active_count())")
    assert done.stdout == "1\n"


def test_calls_are_checked():
    done = python(
        """
x, positions, out = np.ones(100_000), np.zeros(100_000, np.int64), np.zeros(100_000)
try:
    share(larger_share, x, x, x[:5], out)
except AssertionError as error:
    print("refused", len(error.args[0]) > 0)
""",
        env=os.environ | {"TENSORGRAD_CHECK": "1"},
    )
    assert done.stdout == "refused True\n", done.stderr


@needs_fork
def test_after_a_fork():
    done = python(f"""
import os, threading
{CALL}
child = os.fork()
alone = np.zeros(100_000); exp(np.ones(100_000), alone)
for _ in range(100):
    out = np.zeros(100_000); share(exp, np.ones(100_000), out)
    assert (out == alone).all()
assert threading.active_count() == 2, threading.enumerate()
if child:
    assert os.waitpid(child, 0)[1] == 0
""")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(os.name == "nt", reason="signals are sent otherwise")
def test_an_interruption():
    code = f"""
import os, signal, threading, time
{CALL}
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a job in the background does not inherit
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    while True:
        share(exp, x, x)
except KeyboardInterrupt:
    pass
from tensorgrad.kernels import _pool
found, run = [], _pool.Pool.run
_pool.Pool.run = lambda *args: found.append(run(*args)) or found[-1]
share(exp, x, x)
print(found)
"""
    done = python(code)
    assert (done.stdout, done.stderr) == ("[True]\n", "")


# ---- partial sums -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("images", [1, 2, 7, 64])
def test_partial_sums_of_the_chunks_are_added_up(images):
    from tensorgrad.kernels import Geometry, convolve_backward, share_sums

    rng, g = np.random.default_rng(0), Geometry(12, 12, 8, (3, 3), 16)
    x, back = rng.normal(size=(images, 12 * 12 * 8)), rng.normal(size=(images, 100, 16))
    plan = kernels.backward_plan(g, 8)
    turned = rng.normal(size=kernels.turned_shape(g, 8))
    found = []
    for threads in (1, 2, 2, 3):
        tg.set_threads(threads)
        try:
            dx, dw, db = np.full(x.shape, np.nan), np.full((72, 16), np.nan), np.full(16, np.nan)
            work = np.full(kernels.convolution_workspace(plan), np.nan)
            share_sums(convolve_backward, back, x, turned, plan, dx, dw, db, work)
            found.append((dx, dw, db))
        finally:
            tg.set_threads(None)
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
    assert all(np.array_equal(a, b) for a, b in zip(found[1], found[2], strict=True))
    np.testing.assert_allclose(found[1][2], back.sum((0, 1)), rtol=1e-12)


def test_a_kernel_has_one_body_for_all_threads(monkeypatch):
    made = _compile.jit

    def slowly(function):
        time.sleep(0.02)
        return made(function)

    monkeypatch.setattr(_compile, "jit", slowly)
    first, found = _compile.Kernel(lambda x, out: None, "x[N] -> out[N]"), []
    threads = [threading.Thread(target=lambda: found.append(first.body)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    del _compile.Kernel.registry[first.name]
    assert len(found) == 6
    assert all(body is first.body for body in found)
