"""The backward pass as a table: the same numbers as `backward`, in its order, and nothing else changes."""

import math
import sys
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import microgrid
from microgrid import Value, trace


def neuron():
    x, w, b = (Value(n, label=label) for n, label in ((2.0, "x"), (-1.5, "w"), (1.0, "b")))
    return x, w, b, (x * w + b).tanh()


@st.composite
def graphs(draw):
    """Leaves, and a Value made of them in some random way, with nodes used several times."""
    leaves = [Value(draw(st.floats(-2, 2))) for _ in range(draw(st.integers(1, 4)))]
    nodes = list(leaves)
    for _ in range(draw(st.integers(1, 12))):
        a, b = (nodes[draw(st.integers(0, len(nodes) - 1))] for _ in range(2))
        make = draw(st.sampled_from([lambda a, b: a + b, lambda a, b: a * b, lambda a, b: a - b, lambda a, b: a.tanh(),
                                     lambda a, b: a.relu() * 2, lambda a, b: Value.dot([a, b, a], [b, a, 3.0]),
                                     lambda a, b: Value.sum([a, a, b])]))  # fmt: skip
        nodes.append(make(a, b))
    return leaves, nodes[-1]


@given(graphs())
def test_the_numbers_are_those_of_backward(made):
    leaves, root = made
    rows = trace(root).rows
    root.backward()
    last = {row.parent: row.total for row in rows}
    assert all(row.gradient == row.node.grad and row.local * row.gradient == row.contribution for row in rows)
    for v, total in last.items():  # bit for bit
        assert math.copysign(1, total) == math.copysign(1, v.grad) and total == v.grad
    assert all(v.grad is None for v in leaves if v not in last)


def test_the_order_is_that_of_backward():
    x, w, _, y = neuron()
    assert [row.node.op for row in trace(y).rows] == ["tanh", "+", "+", "*", "*"]
    assert [row.parent for row in trace(y).rows[1:]] == [*y.parents[0].parents, x, w]


def test_a_node_that_is_used_twice_shows_both_contributions():
    x = Value(3.0, label="x")
    table = trace(x * x + 2 * x)
    into_x = [(row.local, row.contribution, row.total) for row in table.rows if row.parent is x]
    assert len(into_x) == 3 and sorted(c for _, c, _ in into_x) == [2.0, 3.0, 3.0] and into_x[-1][2] == 8.0
    assert table.leaves == {"x": 8.0}


def test_gradients_stay_as_they_are():
    x, w, b, y = neuron()
    y.backward()
    y.backward()
    held = [v.grad for v in (x, w, b, y)]
    assert held[3] == 1 and trace(y).leaves["x"] == held[0] / 2
    assert [v.grad for v in (x, w, b, y)] == held


def test_gradients_stay_also_where_a_pass_fails():
    x = Value(2.0)
    bad = Value(1.0, (x,), ("not a number at all",), "bad")
    y = bad * bad
    x.grad = y.grad = 5.0
    with pytest.raises(TypeError):
        trace(y)
    assert x.grad == y.grad == 5.0 and bad.grad is None


def test_a_planted_bug_in_a_local_derivative_is_seen(monkeypatch):
    monkeypatch.setattr(Value, "exp", lambda self: Value(math.exp(self.data), (self,), (1.0,), "exp"))
    x = Value(2.0, label="x")
    (row,) = trace(x.exp()).rows
    assert row.local == 1.0 != row.node.data and "exp" in str(trace(x.exp()))


def test_exact_and_other_numbers():
    x = Value(Fraction(1, 3), label="x")
    assert trace(x**3).leaves == {"x": Fraction(1, 3)} and "1/9" in str(trace(x * x * x))
    mpmath = pytest.importorskip("mpmath")
    with mpmath.workdps(50):
        y = Value(mpmath.mpf(2), label="y")
        assert abs(trace(y.log()).leaves["y"] - mpmath.mpf(1) / 2) < 1e-49
    inner = Value(0.7)
    z = Value(inner, label="z")
    found = trace(z.exp() * z).leaves["z"]
    found.backward()
    assert inner.grad == pytest.approx(math.exp(0.7) * 2.7) and "z" in str(trace(z.exp() * z))
    assert isinstance(trace(z + z).leaves["z"], Value)
    not_finite = Value(0.0, label="x").log()
    assert "inf" in str(trace(not_finite))


def test_a_deep_graph():
    v = Value(1.0, label="x")
    for _ in range(100_000):
        v = v + 1.0
    table = trace(v)
    text = str(table).splitlines()
    assert len(table.rows) == 100_000 and len(text) == 64 and "99,940 more" in text[32]
    assert text[33].split()[0] == "v30" and table.leaves == {"x": 1}


def test_what_changes_later_is_not_in_the_table():
    x, w, b, y = neuron()
    table = trace(y)
    text = str(table)
    for v in (x, w, b):
        v.data, v.label = 100.0, "other"
    assert str(table) == text


def test_threads_may_trace_the_same_graph():
    x = y = Value(2.0, label="x")
    for _ in range(300):
        y = y * 1.01 + x
    expected = [row.total for row in trace(y).rows]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda _: [row.total for row in trace(y).rows], range(60)))
    finally:
        sys.setswitchinterval(interval)
    assert all(totals == expected for totals in found) and x.grad is None


# ---- as text -----------------------------------------------------------------------------------------------------------
def test_text():
    first, heads, *rows, last = str(trace(neuron()[-1])).splitlines()
    assert first == "backward from v3 = \N{MINUS SIGN}0.964028" and last.startswith("gradients of the leaves: ")
    end = heads.index("gradient") + len("gradient")
    first_of_a_node = [True, True, False, True, False]  # which alone has the gradient
    assert [bool(row[end - 1].strip()) for row in rows] == first_of_a_node
    assert {len(row) for row in rows} == {len(heads)} and len(heads) <= 100


def test_each_node_has_a_line_of_its_own_also_beside_one_of_the_same_number():
    x = Value(1.0, label="x")
    y = x * x * x * x
    lines = str(trace(y)).splitlines()[2:-1]
    assert [line.split()[0] for line in lines] == ["v3", "x", "v2", "x", "v1", "x"]


def test_names():
    x, other, y = Value(1.0, label="x"), Value(2.0, label="x"), Value(3.0)
    table = trace((x + other) * y)
    assert [table.name(v) for v in (x, other, y)] == ["x", "x#2", "v2"] and table.name(table.root) == "v3"
    with pytest.raises(KeyError):
        table.name(Value(1.0))
    long = Value(1.0, label="a very long label\nof two lines")
    assert trace(long * 2).name(long) == "a very long lab…" and len(str(trace(long * 2)).splitlines()) == 4


def test_no_two_values_have_one_name():
    x, y = Value(2.0, label="v1"), Value(3.0)
    assert trace(x * y).leaves == {"v1": 3.0, "v2": 2.0}
    labels = ["x", "x#2", "x", "x", "", "v1", "v1#2", "v1", "", "one very long label", "one very long label too"]
    leaves = [Value(1.0, label=label) for label in labels]
    table = trace(Value.dot(leaves, range(len(leaves))))
    assert [table.leaves[table.name(v)] for v in leaves] == [*range(len(leaves))]
    assert [table.name(v) for v in leaves[:2]] == ["x", "x#2"]


@pytest.mark.parametrize("label", ["\x1b[31mred", "\ud800", "a\0b", "\N{RIGHT-TO-LEFT OVERRIDE}abc"])
def test_labels_that_cannot_be_printed(label):
    table = trace(Value(1.0, label=label) * 2)
    for text in (str(table), table._repr_html_(), *table.leaves):
        assert text.encode() and "\N{REPLACEMENT CHARACTER}" in text and text.replace("\n", "").isprintable()


def test_many_leaves():
    text = str(trace(Value.sum([Value(1.0, label=f"x{i}") for i in range(20)])))
    assert text.endswith("and 12 more") and "x7" in text.splitlines()[-1]


def test_repr_is_short():
    assert repr(trace(neuron()[-1])) == "<Transcript of 5 contributions; print it>"


@pytest.mark.parametrize("op", ["x" * 500, "two\nlines", "\ud800", 3])
def test_ops_of_any_name(op):
    text = str(trace(Value(1.0, (Value(2.0),), (3.0,), op)))
    assert text.encode() and len(text.splitlines()) == 4 and max(map(len, text.splitlines())) <= 100


# ---- as HTML -----------------------------------------------------------------------------------------------------------
class Cells(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.rows = [], []

    def handle_starttag(self, tag, _):
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += text


def test_html():
    x = Value(2.0, label="<b>&x")
    table = trace(x * x + 1)
    page = Cells()
    page.feed(table._repr_html_())
    assert not page.open and all(len(row) == 8 for row in page.rows) and len(page.rows) == 1 + len(table.rows)
    assert page.rows[2][4] == "<b>&x = 2" and "<b>" not in table._repr_html_()
    v = x
    for _ in range(500):
        v = v * 1.0
    page = Cells()
    page.feed(trace(v)._repr_html_())
    assert len(page.rows) == 62 and page.rows[31] == ["... 440 more, in .rows ..."]


# ---- bad input ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("root", [3.0, None, "x", [Value(1.0)], np.ones(2)])
def test_what_is_no_value(root):
    with pytest.raises(TypeError, match=f"trace: expected a Value, got {type(root).__name__}"):
        trace(root)


def test_what_was_not_computed():
    with pytest.raises(ValueError, match=r"trace: Value\(2.0\) was not computed from other Values"):
        trace(Value(2.0))
    with pytest.raises(TypeError, match=r"of a grid, give one: grid\[0, 0\]"):
        trace(microgrid.grid(np.ones((2, 2))))


@pytest.mark.parametrize("walk", [trace, microgrid.draw])
def test_values_that_were_put_together_wrongly(walk):
    x, name = Value(3.0, label="x"), walk.__name__
    for local in ((3.0,), (3.0, 3.0, 3.0)):
        bad = Value(9.0, (x, x), local, "*")
        text = rf"^{name}: a Value of op '\*' has 2 parents and {len(local)} local derivatives; it needs one for each$"
        with pytest.raises(ValueError, match=text):
            walk(bad + x)
    with pytest.raises(TypeError, match=rf"^{name}: Value\(9.0, op='\*'\) has a parent 3.0, which is no Value$"):
        walk(Value(9.0, (x, 3.0), (3.0, 3.0), "*") + x)
    assert x.grad is None
