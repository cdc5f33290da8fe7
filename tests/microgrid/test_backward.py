"""backward: the chain rule over graphs of any shape and size."""

import gc
import math
import operator
import sys
import time

import mpmath
import pytest

from microgrid import Value

ctx = mpmath.MPContext()  # a context of its own: its precision is no business of the rest of the program
ctx.dps = 50
inf, nan = math.inf, math.nan

# name: (on Values, the same on plain mpfs, points). One way of writing serves both where there is no method.# ---- backward ----


def test_two_losses_on_one_trunk_sum_up():
    x = Value(2.0)
    trunk = x * x
    (trunk * 3).backward()
    (trunk * 5).backward()
    assert (x.grad, trunk.grad) == (32.0, 5)


def test_backward_twice_counts_leaves_twice():
    x = Value(2.0)
    y = (x * x).exp()
    y.backward()
    once = x.grad
    y.backward()
    assert x.grad == 2 * once
    assert y.grad == 1


def test_a_node_that_is_reached_on_paths_of_different_length():
    x = Value(3.0)
    a = x * 2
    b = a * a
    c = a + b + b * a
    c.backward()  # 2x + 4x^2 + 8x^3
    assert (c.data, x.grad) == (258.0, 2 + 8 * 3 + 24 * 9)


def test_both_operands_the_same_node():
    for f, slope in [(operator.add, 2), (operator.sub, 0), (operator.mul, 6.0), (operator.truediv, 0.0)]:
        x = Value(3.0)
        f(x, x).backward()
        assert x.grad == slope


def test_leaf_as_root_accumulates_the_seed():
    x = Value(3.0)
    x.backward()
    x.backward(2.5)
    assert x.grad == 3.5


def test_seed():
    x = Value(3.0)
    y = x * x
    y.backward(seed=0.5)
    assert (y.grad, x.grad) == (0.5, 3.0)
    with pytest.raises(TypeError, match=r"^backward: expected a real number .*, got str '1'; use float"):
        y.backward("1")


def test_grad_is_none_until_a_backward_arrives_and_after_zero_grad():
    x, y, other = Value(2.0), Value(3.0), Value(4.0)
    loss = (x * y).sin() + x
    assert [v.grad for v in (x, y, loss)] == [None] * 3
    other.grad = 1.0
    loss.backward()
    inner = loss.parents[0]
    assert None not in (x.grad, y.grad, inner.grad, loss.grad)
    loss.zero_grad()
    assert [v.grad for v in (x, y, inner, loss)] == [None] * 4
    assert other.grad == 1.0


def test_contributions_are_local_times_grad_without_special_cases():
    x = Value(0.0)
    (x.log() * 0.0).backward()  # slope inf, times 0
    assert math.isnan(x.grad)


def test_gradients_of_the_graph_are_there_to_be_read():
    x, y = Value(2.0, label="x"), Value(3.0)
    z = x * y
    assert (z.parents, z.local, z.op, z.label, x.label) == ((x, y), (3.0, 2.0), "*", "", "x")
    z.backward()
    assert [slope * z.grad for slope in z.local] == [x.grad, y.grad]


def test_a_million_nodes_in_a_chain_are_built_differentiated_and_freed_without_gc():
    gc.collect()
    gc.disable()
    try:
        blocks, start = sys.getallocatedblocks(), time.perf_counter()
        x = Value(1.0)
        y = x
        for _ in range(1_000_000):
            y = y * 1.0
        y.backward()
        assert (y.data, x.grad) == (1.0, 1.0)
        assert sys.getallocatedblocks() - blocks > 3_000_000  # or the last line would show nothing
        del y
        assert time.perf_counter() - start < 20  # measured: 1.5 s
        assert sys.getallocatedblocks() - blocks < 10_000  # Python keeps a few thousand tuples and floats for reuse
    finally:
        gc.enable()


def test_a_diamond_of_many_levels_is_walked_once_a_node():
    x = Value(1.0)
    y = x
    for _ in range(200):
        y = y * 0.5 + y * 0.5  # 2 ** 200 paths
    y.backward()
    y.zero_grad()
    y.backward()
    assert x.grad == 1.0
