"""Rows: kernel calls as numbers run the very code that a call runs; what threads need to work on one program."""

import itertools
import threading

import numpy as np
import pytest

from tensorgrad import kernels
from tensorgrad.kernels import Kernel, Segment, call_row, walk

# Lengths of extents: unequal, around the width of vectors; those that are counted through by a cursor are long.
LENGTHS = dict(zip("MNmnkfhSt", (9, 37, 5, 4, 7, 3, 6, 2, 53), strict=True)) | {
    "s": 201,
    "a": 2,
    "K": 7,
    "B": 3,
    "c": 9,
    "r": 4,
    "p": 2,
    "q": 3,
    "w": 5,
}
KINDS = {"": None, ":i": np.int64, ":u": np.uint8, ":b": np.bool_, ":d": np.float64, ":f": np.float32}
INTEGERS = {"failed": 0, "alone": 0}  # what is read as an integer is 1, but here
RUNNING = {name: k for name, k in Kernel.registry.items() if getattr(kernels, name, None) is k}


def arrays_of(kernel, real, one=()):
    """Arrays that fit the declaration; buffers named in `one` hold the single number that stands for all."""
    rng = np.random.default_rng(len(kernel.name))
    if "plan" in [b.name for b in kernel.buffers]:
        return arrays_of_a_convolution(kernel, real, rng)

    def made(b):
        shape = []
        for extent in b.extents:
            name, _, alone = extent.partition("|")
            shape.append(int(name) if name.isdigit() else 1 if alone and b.name in one else LENGTHS[name])
        if b.name == "work" and b.extents == ("s",):
            shape = [kernels.workspace(*(LENGTHS[e] for e in "Mkn"))]
        if b.kind == ":b":
            return rng.random(shape) < 0.5
        if b.kind == ":i":
            below = LENGTHS.get(b.below)
            return rng.integers(0, below, shape) if below else np.full(shape, INTEGERS.get(b.name, 1))
        return rng.uniform(0.1, 0.9, shape).astype(KINDS[b.kind] or real)

    return [made(b) for b in kernel.buffers]


def arrays_of_a_convolution(kernel, real, rng):
    """The buffers of a convolution whose shapes the plan, a table of positions, is made for."""
    g, item = kernels.Geometry(6, 5, 3, (3, 2), 4, (1, 2), padding=((1, 0), (0, 1))), np.dtype(real).itemsize
    plan, images, pixels = kernels.backward_plan(g, item), (2, 90), (2, g.size[0] * g.size[1], 4)
    shapes = {"x": images, "dx": images, "g": pixels, "y": pixels, "out": pixels, "w": (18, 4), "dw": (18, 4), "b": (4,), "db": (4,),
              "turned": kernels.turned_shape(g, item), "work": (kernels.convolution_workspace(plan, pixels[1] * 4),)}  # fmt: skip
    return [
        plan.copy() if b.name == "plan" else rng.uniform(-0.9, 0.9, shapes[b.name]).astype(real) for b in kernel.buffers
    ]


def run(*rows, steps=1):
    """Walk rows; the number of whole steps done."""
    segment = Segment([call_row(kernel, arrays) for kernel, arrays in rows])
    plan = np.array(segment(steps), np.int64)
    return walk(plan.ctypes.data, 1)


@pytest.mark.parametrize("real", ["float32", "float64"])
@pytest.mark.parametrize("name", sorted(RUNNING))
def test_a_row_runs_the_code_of_a_call(name, real):
    kernel = RUNNING[name]
    alone = [b.name for b in kernel.buffers if any("|" in e for e in b.extents)]
    for one in itertools.chain.from_iterable(itertools.combinations(alone, n) for n in range(len(alone) + 1)):
        mine, theirs = arrays_of(kernel, real, one), arrays_of(kernel, real, one)
        kernel.check(mine)
        kernel(*mine)
        assert run((kernel, theirs)) == 1
        assert [a.tobytes() for a in mine] == [a.tobytes() for a in theirs]


@pytest.mark.parametrize("real", ["float32", "float64"])
@pytest.mark.parametrize(
    "name", ["add", "subtract", "multiply", "divide", "power", "maximum", "minimum", "less", "where"]
)
def test_single_numbers_stand_for_all(name, real):
    """Every way to give an operand as one number gives what the expanded operands give."""
    kernel = Kernel.registry[name]
    names = [b.name for b in kernel.buffers[:-1]]
    for one in itertools.chain.from_iterable(itertools.combinations(names, n) for n in range(len(names) + 1)):
        arrays = arrays_of(kernel, real, one)
        expanded = [np.array(np.broadcast_to(a, LENGTHS["N"])) for a in arrays]
        kernel(*arrays)
        kernel(*expanded)
        assert arrays[-1].tobytes() == expanded[-1].tobytes(), one


def test_rows_run_in_order_and_steps_one_after_another():
    x, y = np.array([2.0]), np.array([0.0])
    rows = [(kernels.square, (x, y)), (kernels.copy, (y, x))]
    assert run(*rows, steps=3) == 3
    assert x[0] == 2.0**8


@pytest.mark.parametrize("failed", [0, 1])
def test_a_row_that_raises_ends_the_walk(failed):
    ticks, stops = np.zeros(1, np.int64), np.zeros(1, np.int64)
    tick = (kernels.advance, (np.ones(1, np.int64), ticks))
    rows = [tick, (kernels.stop_if, (np.array([failed]), stops)), tick]
    assert run(*rows, steps=5) == (0 if failed else 5)
    assert ticks[0] == (1 if failed else 10)
    assert stops[0] == failed


def test_segments_count_together_and_the_step_that_raised_does_not_count():
    ticks, by, failed = np.zeros(1, np.int64), np.ones(1, np.int64), np.zeros(1, np.int64)
    good = Segment([call_row(kernels.advance, (by, ticks))])
    number, stops = np.array([np.nan]), np.zeros(1, np.int64)
    bad = Segment([call_row(kernels.check_finite, (number, failed)), call_row(kernels.stop_if, (failed, stops))])
    plan = np.array([*good(4), *bad(3), *good(5)], np.int64)
    assert walk(plan.ctypes.data, 3) == 4
    number[0], failed[0] = 1, 0
    assert walk(plan.ctypes.data, 3) == 12
    assert ticks[0] == 13


def test_a_row_of_many_words():
    """Twelve matrices are 110 words, most of which a call passes on the stack."""
    names = [f"x{i}" for i in range(11)]
    scope = {}
    exec(
        f"def many({', '.join(names)}, out):\n    out[...] = {' + '.join(f'{i + 1} * {x}' for i, x in enumerate(names))}",
        scope,
    )
    kernel = Kernel(scope["many"], f"{' '.join(f'{x}[m,n]' for x in names)} -> out[m,n]")
    Kernel.registry.pop("many")
    arrays = [np.full((2, 3), 10.0**i) for i in range(11)] + [np.empty((2, 3))]
    assert run((kernel, arrays)) == 1
    assert np.array_equal(arrays[-1], sum((i + 1) * a for i, a in enumerate(arrays[:11])))


def test_empty_arrays():
    assert (
        run((kernels.exp, (np.empty(0), np.empty(0))), (kernels.sum_rows, (np.empty((2, 0)), out := np.ones(2)))) == 1
    )
    assert out.tolist() == [0, 0]


# ---- threads ----------------------------------------------------------------------------------------------------------
THREADS, STEPS = 3, 2000


def walked_by_threads(rows_of, steps):
    """Walk `rows_of(thread)` in threads at once; how many steps each did."""
    rows = [rows_of(t) for t in range(THREADS)]
    segments = [Segment([call_row(kernel, arrays) for kernel, arrays in mine], mine) for mine in rows]
    plans, done = [np.array(s(steps), np.int64) for s in segments], [None] * THREADS

    def work(t):
        done[t] = walk(plans[t].ctypes.data, 1)

    together = [threading.Thread(target=work, args=(t,)) for t in range(THREADS)]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join(60)
    return done


def exchange(meetings):
    """Each step every thread adds t + 1 to its part; all sum the parts up and add to their total. The totals."""
    parts, meeting = np.zeros((THREADS, 8)), np.zeros(16, np.int64)
    sums, totals = np.zeros((THREADS, 8)), np.zeros((THREADS, 8))
    meet = (kernels.meet, (np.array([THREADS]), meeting[:8], meeting[8:]))

    def rows_of(t):
        increase = (kernels.add, (parts[t], np.array([t + 1.0]), parts[t]))
        collect = [
            (kernels.sum_parts, (parts, np.zeros(1, np.int64), sums[t])),
            (kernels.add, (totals[t], sums[t], totals[t])),
        ]
        return [increase, *[meet] * meetings, *collect, *[meet] * meetings]

    assert walked_by_threads(rows_of, STEPS) == [STEPS] * THREADS
    assert meeting[0] == 2 * meetings * THREADS * STEPS
    return totals


def test_threads_meet():
    """Each sees all that the others wrote before the meeting, and nothing that they write after it."""
    each = sum(range(THREADS + 1)) * STEPS * (STEPS + 1) / 2
    assert np.array_equal(exchange(meetings=1), np.full((THREADS, 8), each))
    assert np.array_equal(exchange(meetings=2), np.full((THREADS, 8), each))
    assert not np.array_equal(exchange(meetings=0), np.full((THREADS, 8), each))


def test_a_thread_that_waits_gives_up_when_it_is_told_to():
    meeting, done = np.zeros(16, np.int64), []
    arrays = (np.array([2]), meeting[:8], meeting[8:])
    segment = Segment([call_row(kernels.meet, arrays)])
    plan = np.array(segment(1), np.int64)
    waiting = threading.Thread(target=lambda: done.append(walk(plan.ctypes.data, 1)))
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive()
    meeting[8] = 1
    waiting.join(10)
    assert done == [0]


@pytest.mark.parametrize("real", ["float32", "float64"])
def test_parts_are_summed_in_the_order_of_threads(real):
    parts = (np.random.default_rng(0).normal(size=(3, 40)) * 10.0 ** np.arange(-3, 37, 1) % 1e6).astype(real)
    out = np.empty(7, real)
    kernels.sum_parts(parts, np.array([20]), out)
    assert np.array_equal(out, (parts[0] + parts[1] + parts[2])[20:27])
