"""Pictures of scalar graphs: what they say, what they refuse, and that they come within seconds."""

import html
import random
import re
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import mpmath
import pytest

from microgrid import Value, _drawing, draw, grid
from microgrid._draw import number_text
from microgrid._drawing import Drawing

NODE = re.compile(r"^  (\d+) \[label=<(<TABLE.*)>\]$", re.MULTILINE)
EDGE = re.compile(r'^  (\d+):e -> (\d+):op:w \[label="([^"]*)"', re.MULTILINE)
ASCII = str.maketrans({"\N{MINUS SIGN}": "-", "\N{MULTIPLICATION SIGN}": "*", "\N{SET MINUS}": "\\"})


def words(table):
    """The text of a box, without markup, in ASCII."""
    return html.unescape(re.sub(r"<[^>]*>", " ", table)).translate(ASCII).split()


def read(drawing):
    """([words of each box], [(words of the tail, words of the head, label)])"""
    nodes = {number: words(table) for number, table in NODE.findall(drawing.dot)}
    return list(nodes.values()), [
        (nodes[a], nodes[b], label.translate(ASCII)) for a, b, label in EDGE.findall(drawing.dot)
    ]


def test_boxes_have_label_data_and_grad_and_edges_the_local_derivative():
    x, y = Value(2.0, label="x"), Value(-3.0, label="y")
    z = x * y + x
    z.label = "z"
    z.backward()
    nodes, edges = read(draw(z))
    box_x, box_y = ["x", "data", "2", "grad", "-2"], ["y", "data", "-3", "grad", "2"]
    product, box_z = ["*", "data", "-6", "grad", "1"], ["+", "z", "data", "-4", "grad", "1"]
    assert sorted(nodes) == sorted([box_x, box_y, product, box_z])
    assert sorted(edges) == sorted(
        [(box_x, product, "-3"), (box_y, product, "2"), (product, box_z, "1"), (box_x, box_z, "1")]
    )


def test_colours_say_leaf_or_result():
    x = Value(2.0, label="leaf")
    y = x.exp()
    y.label = "middle"
    z = y.tanh()
    z.label = "result"
    colours = {}
    for _, table in NODE.findall(draw(z).dot):
        colours[re.search(r"<B>(leaf|middle|result)</B>", table)[1]] = re.search(r'BGCOLOR="([^"]*)"', table)[1]
    assert colours == {"leaf": _drawing.PALE_BLUE, "middle": "white", "result": _drawing.PALE_ORANGE}


def test_a_leaf_with_the_number_of_the_result_is_a_leaf():
    x = Value(2.0)
    for root in (x * 1.0, [x * 1.0]):
        assert draw(root).dot.count(_drawing.PALE_ORANGE) == 1


def test_a_value_that_is_used_twice_has_two_edges():
    x = Value(3.0, label="x")
    drawing = draw(x * x)
    assert [label for _, _, label in read(drawing)[1]] == ["3", "3"]
    assert (drawing.nodes, drawing.edges) == (2, 2)


def test_random_graphs_have_every_node_and_every_edge():
    for seed in range(20):
        rng = random.Random(seed)
        made = [Value(rng.uniform(-2, 2), label=f"leaf{i}") for i in range(4)]
        for i in range(20):
            a, b = rng.choice(made), rng.choice(made)
            made.append(rng.choice([a * b, a - b, a.tanh(), Value.sum([a, b, a])]))
            made[-1].label = f"v{i}"
        made[-1].backward()
        reached, todo = set(), [made[-1]]
        while todo:
            v = todo.pop()
            if v not in reached:
                reached.add(v)
                todo += v.parents
        said = {v.label: f"data {number_text(v.data)} grad {number_text(v.grad)}".translate(ASCII) for v in reached}
        expected = [
            (p.label, v.label, number_text(slope).translate(ASCII))
            for v in reached
            for p, slope in zip(v.parents, v.local, strict=True)
        ]
        nodes, edges = read(draw(made[-1]))
        label = [next(word for word in node if word in said) for node in nodes]
        assert {name: " ".join(node[-4:]) for name, node in zip(label, nodes, strict=True)} == said
        named = [tuple(next(w for w in box if w in said) for box in edge[:2]) + edge[2:] for edge in edges]
        assert sorted(named) == sorted(expected)


def test_gradients_stand_there_once_a_backward_brought_them_unless_they_are_not_wanted():
    x = Value(3.0)
    y = x * 2
    assert all("grad" not in node for node in read(draw(y))[0])
    y.backward()
    assert all("grad" in node for node in read(draw(y))[0])
    assert all("grad" not in node for node in read(draw(y, grads=False))[0])


def test_drawing_changes_nothing():
    x = Value(3.0, label="x")
    y = x * x
    y.backward()
    draw(y), draw(y, depth=0)
    assert (x.grad, y.grad, x.label, y.parents) == (6.0, 1, "x", (x, x))


def test_several_roots_and_grids():
    x = grid([1.0, 2.0])
    y = x * 3
    assert draw(y).nodes == draw(list(y)).nodes == draw(tuple(y)).nodes == 4
    assert draw([y[0], y[0]]).nodes == 2
    assert draw(x[0]).nodes == 1


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (2.0, "2"),
        (-0.123456, "-0.1235"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (123456789, "123456789"),
        (10**400, "1.000e+400"),
        (Fraction(-1, 3), "-1/3"),
        (Fraction(10**12, 3), "≈ 3.333e+11"),
        (Fraction(10**400 + 1, 10**399), "≈ 10.00"),
        (mpmath.mp.mpf("0.1234567"), "0.1235"),
        (Value(Value(0.5)), "0.5"),
    ],
)
def test_numbers_have_four_digits(number, text):
    assert number_text(number).translate(ASCII) == text


def test_other_kinds_of_numbers_are_drawn():
    x = Value(Fraction(1, 3))
    y = x * x
    y.backward()
    assert read(draw(y))[0][1] == ["data", "1/3", "grad", "2/3"]
    x = Value(Value(2.0))
    y = x * x * x
    y.backward()
    assert draw(y).nodes == 3
    assert draw(x.grad).nodes > 3


NASTY = [
    'a<b>&"c"',
    "back\\slash \\N \\G \\E \\l",
    "it's",
    "{x|y}",
    "&amp; &#65;",
    "<B>bold",
    "]; 0 -> 1",
    "é ∂ 日本",
    "-->",
    "%s {}",
]


def test_labels_arrive_as_they_are():
    nodes = [Value(1.0, label=label) for label in NASTY]
    root = Value.sum([*nodes, Value(0.0, label="a\nb\tc"), Value(0.0, label="\0\ud800"), Value(0.0, label="n" * 1000)])
    root.op = '"]\\N>'
    texts = [t.text.replace("\xa0", "") for t in ElementTree.fromstring(draw(root).svg).iter() if t.text]
    assert not {*NASTY, root.op, "a b c", "\ufffd\ufffd", "n" * 39 + "…"} - set(texts)


def test_tooltips_hold_any_label():
    x = Value(1.0, label='<"\\E\\N&')
    tree = ElementTree.fromstring(draw(x.exp()).svg)
    titles = {v.translate(ASCII) for e in tree.iter() for k, v in e.attrib.items() if k.endswith("title")}
    assert 'd(exp) / d(<"\\E\\N&) = 2.718' in titles


# ---- large graphs -----------------------------------------------------------------------------------------------------
def chain(n):
    x = Value(1.0)
    for _ in range(n):
        x = x * 1.01
    return x


def test_a_graph_that_is_too_large_is_refused_with_a_depth_that_fits():
    root, start = chain(100_000), time.perf_counter()
    with pytest.raises(ValueError, match=r"draw: the graph has 100,001 nodes and 100,000 edges, .* with depth=499"):
        draw(root)
    assert draw(root, depth=499).nodes == draw(chain(499)).nodes == 500
    with pytest.raises(ValueError, match=r"has 501 nodes .* depth=499"):
        draw(root, depth=500)
    assert time.perf_counter() - start < 10


def test_a_node_with_too_many_parents_is_refused():
    many = Value.sum([Value(1.0)] * 1501)
    with pytest.raises(ValueError, match="has 2 nodes and 1,501 edges, and a picture takes 500 and 1,500"):
        draw(many)


def test_depth_shows_that_more_is_there():
    x = Value(2.0, label="x")
    y = x * x + 1
    drawing = draw(y, depth=1)
    assert (drawing.nodes, drawing.dot.count("⋯"), drawing.dot.count("style=dashed")) == (2, 1, 1)
    assert "1 more node, " in drawing.dot
    assert "⋯" not in draw(y, depth=2).dot
    assert draw(y, depth=0).nodes == 1
    assert draw(y, depth=0).svg


def test_the_largest_graphs_are_laid_out_within_seconds():
    def long(n):  # every node also leads to the last one, past all others
        steps = [Value(1.0)]
        for _ in range(n):
            steps.append(steps[-1] * 1.01)
        return Value.sum(steps)

    ladder = [Value(1.0), Value(1.0)]
    for _ in range(200):
        ladder.append(ladder[-1] + ladder[-2])
    rows = [Value(1.0) for _ in range(38)]
    dense = Value.sum([Value.sum(rows) for _ in range(38)])
    for root in (chain(499), long(120), ladder[-1], dense):
        start = time.perf_counter()
        assert draw(root).svg.startswith("<svg")
        assert time.perf_counter() - start < 20
    assert "splines=line" in draw(long(120)).dot
    assert "splines=line" not in draw(long(20)).dot


def test_graphviz_is_stopped_when_it_takes_too_long(monkeypatch):
    monkeypatch.setattr(_drawing, "SECONDS", 0.001)
    with pytest.raises(RuntimeError, match=r"no place for <Drawing of 500 nodes .*> within 0.001 seconds; draw a part"):
        _ = draw(chain(499)).svg


def test_a_picture_that_would_be_shrunk_beyond_reading_is_refused(tmp_path):
    drawing = draw(chain(499))
    with pytest.raises(RuntimeError, match=r"<Drawing of 500 nodes .*> is too large for PNG; save it as .svg, or draw"):
        drawing.save(tmp_path / "g.png")
    assert not list(tmp_path.iterdir())
    assert drawing.save(tmp_path / "g.svg").exists()


def test_what_graphviz_cannot_read_is_an_error():
    with pytest.raises(RuntimeError, match=r"Drawing: Graphviz failed \(exit code 1\): "):
        _ = Drawing("digraph { ", 0, 0).svg


def test_graphviz_that_cannot_be_started_is_an_error(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(RuntimeError, match="Drawing: Graphviz could not be started: .*No such file"):
        _ = draw(Value(1.0)).svg


# ---- files ------------------------------------------------------------------------------------------------------------
def test_saved_files_are_what_their_names_say(tmp_path):
    drawing = draw(Value(1.0, label="x").exp())
    for name, begin in (("g.dot", b"digraph {"), ("new/folder/g.svg", b"<svg"), ("G.PNG", b"\x89PNG\r\n\x1a\n")):
        path = drawing.save(tmp_path / name)
        assert path == tmp_path / name
        assert path.read_bytes().startswith(begin)
    assert (tmp_path / "g.dot").read_text(encoding="utf-8") == drawing.dot
    assert (tmp_path / "new/folder/g.svg").read_text(encoding="utf-8") == drawing.svg == drawing._repr_svg_()
    assert repr(drawing) == "<Drawing of 2 nodes and 1 edge>"


def test_a_file_is_replaced_only_by_a_complete_one(tmp_path, monkeypatch):
    path = draw(Value(1.0)).save(tmp_path / "g.dot")
    before = path.read_bytes()

    def fails(path, data):
        with open(path, "wb") as file:
            file.write(data[:9])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fails)
    with pytest.raises(OSError, match=r"cannot write '.*g.dot': No space left on device"):
        draw(Value(2.0)).save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("g.sgv", r"got '.*g.sgv'; did you mean 'g.svg'\?"),
        ("g", "got '.*g'$"),
        ("g.pdf", "got '.*g.pdf'$"),
    ],
)
def test_other_suffixes_are_refused(tmp_path, name, match):
    with pytest.raises(ValueError, match=f"Drawing.save: expected a path that ends in .svg, .png, .dot, {match}"):
        draw(Value(1.0)).save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_paths_that_cannot_be_written_are_named(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.dot").mkdir()
    for name in ("file/g.dot", "folder.dot", "n" * 300 + ".dot", "nu\0ll.dot"):
        with pytest.raises(OSError, match=r"Drawing.save: cannot write '.*': .*; give a path in a folder that you may"):
            draw(Value(1.0)).save(tmp_path / name)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder.dot"]


@pytest.mark.parametrize("path", [None, 3, b"g.dot", ["g.dot"]])
def test_what_is_no_path(path):
    with pytest.raises(ValueError, match="Drawing.save: expected a path, as a string or a pathlib.Path, got "):
        draw(Value(1.0)).save(path)


def test_links_are_kept_and_names_may_be_long(tmp_path):
    (tmp_path / "link.dot").symlink_to("file.dot")
    drawing = draw(Value(1.0))
    drawing.save(tmp_path / "link.dot")
    drawing.save(tmp_path / ("\N{UNICORN FACE}" * 62 + ".dot"))
    assert (tmp_path / "link.dot").is_symlink() and (tmp_path / "file.dot").read_text(encoding="utf-8") == drawing.dot
    assert len(list(tmp_path.iterdir())) == 3


def test_threads_may_write_the_same_file(tmp_path, monkeypatch):
    together, write = threading.Barrier(4), Path.write_bytes

    def slow(path, data):
        write(path, data)
        together.wait(30)  # until each has written its own

    monkeypatch.setattr(Path, "write_bytes", slow)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(draw(Value(1.0)).save, [tmp_path / "g.dot"] * 4))
    assert [p.name for p in tmp_path.iterdir()] == ["g.dot"]


def test_without_pygraphviz_there_is_still_dot(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    drawing = draw(Value(1.0))
    assert drawing.save(tmp_path / "g.dot").read_text(encoding="utf-8") == drawing.dot
    for call in (
        lambda: drawing.svg,
        lambda: drawing.save(tmp_path / "g.svg"),
        lambda: drawing.save(tmp_path / "g.png"),
    ):
        with pytest.raises(ImportError, match=r'pip install "microgrid-tensorgrad\[viz\]"; .dot and'):
            call()
    assert drawing._repr_svg_() is None
    assert repr(drawing) == '<Drawing of 1 node and 0 edges; to see it: pip install "microgrid-tensorgrad[viz]">'
    assert [p.name for p in tmp_path.iterdir()] == ["g.dot"]


def test_dot_needs_the_standard_library_alone():
    code = """
import sys
before = set(sys.modules)
sys.modules["numpy"] = sys.modules["pygraphviz"] = None
import microgrid
assert "digraph" in microgrid.draw(microgrid.Value(2.0).exp()).dot
new = {name.partition(".")[0] for name in set(sys.modules) - before}
assert new - {"microgrid", "numpy", "pygraphviz"} <= sys.stdlib_module_names
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr


# ---- bad input --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("root", "error", "match"),
    [
        ([], ValueError, r"draw: expected at least one Value, got \[\]: there is nothing to draw"),
        (
            3.0,
            TypeError,
            r"draw: expected a Value, or a list or grid of Values, got float '3.0'; numbers become Values",
        ),
        ("x", TypeError, "got str 'x'"),
        (None, TypeError, "got NoneType"),
        ([Value(1.0), 2], TypeError, "got one with int '2'"),
    ],
)
def test_what_is_no_graph_is_refused(root, error, match):
    with pytest.raises(error, match=match):
        draw(root)


@pytest.mark.parametrize("depth", [-1, 1.5, True, "3"])
def test_what_is_no_depth_is_refused(depth):
    with pytest.raises(
        ValueError, match=f"draw: depth must be a whole number from 0 on, or None for all, got {depth!r}"
    ):
        draw(Value(1.0), depth=depth)
