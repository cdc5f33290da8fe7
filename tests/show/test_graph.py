"""Pictures of models and tensors: every op in its layer, nothing changed by drawing, and what is refused."""

import html
import re
import sys
import threading
import time

import numpy as np
import pytest

import tensorgrad as tg
from microgrid._drawing import PALE_BLUE, PALE_ORANGE
from tensorgrad import errors, nn, ops
from tensorgrad.check.trace import Trace
from tensorgrad.errors import OptionError
from tensorgrad.show.graph import PALE_GREEN

X = np.random.default_rng(0).random((4, 8)).astype(np.float32)


def text(markup):
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", markup)).replace("\xa0", " ").split())


def boxes(drawing):
    """{number: text of its box}"""
    found = re.findall(r"^ +(\d+) \[label=<(<TABLE.*)>\]$", drawing.dot, re.MULTILINE)
    return {number: text(table) for number, table in found}


def edges(drawing):
    """{(text of the tail, text of the head)}, parameters beside their op among them"""
    box = boxes(drawing)
    down = re.findall(r"^ +(\d+):s -> (\d+):n", drawing.dot, re.MULTILINE)
    aside = re.findall(r"rank=same; (\d+) -> (\d+) \[dir=back\]", drawing.dot)
    return {(box[a], box[b]) for a, b in down} | {(box[b], box[a]) for a, b in aside}


def layers(drawing):
    """The titles of layers as a tree: [title, [layers and boxes inside]]"""
    root = []
    stack = [root]
    for line in drawing.dot.splitlines():
        if "subgraph" in line:
            stack[-1].append([])
            stack.append(stack[-1][-1])
        elif line.strip().startswith("graph [label=<"):
            stack[-1].append(text(line.partition("label=<")[2].partition(">, ")[0]))
        elif line.strip() == "}" and len(stack) > 1:
            stack.pop()
        elif "<TABLE" in line and len(stack) > 1:
            stack[-1].append(text(line.partition("label=<")[2].rpartition(">]")[0]))
    return root


def test_a_network_has_its_ops_shapes_dtypes_and_parameters():
    model = nn.Sequential(nn.Dense(8, 16), nn.ReLU(), nn.Dense(16, 3), rng=0)
    drawing = tg.draw(model, X)
    given, out = "input (4, 8) float32", "dense (4, 3) float32"
    first, relu = "dense (4, 16) float32", "(1) ReLU() relu (4, 16) float32"
    one, two = (f"weight {w} float32 bias {b} float32" for w, b in (("(8, 16)", "(16,)"), ("(16, 3)", "(3,)")))
    assert sorted(boxes(drawing).values()) == sorted([given, first, one, relu, out, two])
    assert edges(drawing) == {(given, first), (one, first), (first, relu), (relu, out), (two, out)}
    assert sorted(map(sorted, layers(drawing))) == [["(0) Dense(8, 16)", first, one], ["(2) Dense(16, 3)", out, two]]
    assert (drawing.nodes, drawing.edges) == (8, 7)
    assert "(4, 3) float64" in "".join(boxes(tg.draw(model.astype("float64"), X)).values())


def test_colours_say_what_an_array_is():
    dot = tg.draw(nn.Sequential(nn.Dense(8, 2), nn.Tanh()), X).dot
    colours = dict(re.findall(r'BGCOLOR="([^"]*)".*?<B>(input|weight|dense|tanh)</B>', dot))
    assert colours == {PALE_GREEN: "input", PALE_BLUE: "weight", "#FFFFFF": "dense", PALE_ORANGE: "tanh"}


MODELS = {
    "images": (
        nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm(4), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.5), nn.Flatten(),
            nn.Dense(36, 3), rng=0,
        ),
        np.ones((4, 8, 8, 1), np.float32),
    ),
    "branches": (nn.Sequential(nn.Parallel(nn.Dense(8, 2), nn.Residual(nn.Dense(8, 8))), nn.LayerNorm(10)), X),
    "words": (nn.Sequential(nn.Embedding(10, 4), nn.Flatten(), nn.Dense(12, 2)), np.array([[1, 2, 3]])),
    "function": (nn.Sequential(nn.Lambda(lambda x: np.exp(x) * x[:, :1]), nn.Dense(8, 1)), X),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_every_op_of_a_model_is_drawn(name):
    model, x = MODELS[name]
    watched = model.astype("float32")
    for _, module in watched.named_modules():
        module.on_forward(lambda *_: None)  # each is called by itself, as in a picture
    with Trace(watched) as trace:
        watched(tg.tensor(x) if x.dtype.kind == "f" else tg.Tensor(x))
    expected = sorted(f"{call.op.name} {call.y.shape} {call.y.dtype}" for call in trace.calls)
    drawn = [said.partition(") ")[2] if said.startswith("(") else said for said in boxes(tg.draw(model, x)).values()]
    drawn = [re.sub(r"^\w+\([^)]*\) ", "", said) for said in drawn]  # without the layer around it
    assert [said for said in sorted(drawn) if said in expected] == expected
    assert tg.draw(model, x).svg.startswith("<svg")


def test_layers_nest_as_modules_do():
    model = nn.Sequential(nn.Residual(nn.Sequential(nn.Dense(8, 8), nn.ReLU())))
    [[title, *inside]] = layers(tg.draw(model, X))
    assert title == "(0) Residual"
    assert inside[0] == "add (4, 8) float32"
    [inner] = inside[1:]
    assert inner[:2] == ["(0) Sequential", "(1) ReLU() relu (4, 8) float32"]
    assert inner[2][0] == "(0) Dense(8, 8)"


class Tied(nn.Module):
    """A layer that is called twice, and two layers that share a weight."""

    def __init__(self):
        self.a, self.b = nn.Dense(8, 8, rng=0), nn.Dense(8, 8, rng=1)
        self.b.weight = self.a.weight

    def forward(self, x):
        return {"out": self.b(self.a(self.a(x))), "sum": [x.sum()]}


def test_what_is_shared_is_drawn_once_and_calls_each():
    drawing = tg.draw(Tied(), X)
    said = list(boxes(drawing).values())
    assert sum("weight" in box for box in said) == 1
    assert sum(box.endswith("dense (4, 8) float32") for box in said) == 3
    assert drawing.dot.count(PALE_ORANGE) == 2  # both results
    [weight] = [number for number, box in boxes(drawing).items() if box == "weight (8, 8) float32"]
    assert len(re.findall(rf"^ +{weight}:s -> ", drawing.dot, re.MULTILINE)) == 3
    assert drawing.svg


def test_several_inputs_are_numbered():
    class Sum(nn.Module):
        def forward(self, a, b):
            return a + b * 2

    assert {"input 0 (4, 8) float32", "input 1 (8,) float32"} < set(boxes(tg.draw(Sum(), (X, X[0]))).values())


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", MODELS)
def test_drawing_changes_nothing(name, training):
    model, x = MODELS[name]
    model.train(training)
    p = model.parameters()[0]
    p.grad = np.ones_like(p.data)
    before, given = model.state_dict(), x.copy()
    with model[0].on_forward(lambda *_: pytest.fail("drawing called a hook")) as handle:
        tg.draw(model, x)
        assert model[0]._hooks == (handle,)
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[k], after[k]) for k in before)
    assert np.array_equal(x, given)
    assert [m.training for _, m in model.named_modules()] == [training] * len(list(model.named_modules()))
    assert np.array_equal(p.grad, np.ones_like(p.data))
    assert all(q.grad is None for q in model.parameters()[1:])
    p.grad = None


def test_the_mode_of_the_model_is_drawn():
    model = nn.Sequential(nn.BatchNorm(8), nn.Dropout(0.5), nn.Dense(8, 1))
    training = " ".join(boxes(tg.draw(model, X)).values())
    inference = " ".join(boxes(tg.draw(model.eval(), X)).values())
    assert "batch_norm (4, 8)" in training
    assert "dropout" in training
    assert "batch_norm_inference (4, 8)" in inference
    assert "running_mean (8,)" in inference
    assert "dropout" not in inference


def test_frozen_models_those_without_a_tape_and_those_of_values_are_drawn():
    model = nn.Sequential(nn.Dense(8, 2), nn.Tanh(), rng=0)
    expected = boxes(tg.draw(model, X))
    assert boxes(tg.draw(model.freeze(), X)) == expected
    with tg.no_grad():
        assert boxes(tg.draw(model, tg.tensor(X))) == expected
    scalar = boxes(tg.draw(model.to("scalar"), X))
    assert {n: said.replace("float64", "float32") for n, said in scalar.items()} == expected


def test_views_are_what_they_are_views_of():
    drawing = tg.draw(nn.Sequential(nn.Lambda(lambda x: ops.exp(x.numpy()[:2]), name="exp")), X)
    assert edges(drawing) == {("input (4, 8) float32", "(0) Lambda(exp) exp (2, 8) float32")}


def test_an_array_that_lies_where_another_was_is_another():
    def forward(x):
        for _ in range(9):
            ops.exp(x.numpy())  # which nobody keeps
        y = ops.add(ops.tanh(np.full((4, 8), 0.5, np.float32)), np.ones((1, 8), np.float32))
        return ops.multiply(y, np.ones((4, 1), np.float32))

    drawing = tg.draw(nn.Sequential(nn.Lambda(forward)), X)
    said = ["multiply (4, 8)", "y (4, 1)", "add (4, 8)", "y (1, 8)", "tanh (4, 8)", "x (4, 8)"]
    assert sorted(boxes(drawing).values()) == sorted(f"{box} float32" for box in said)


def test_a_parameter_that_is_also_a_result_is_drawn_as_one():
    class Both(nn.Module):
        def __init__(self):
            self.w = tg.Parameter(np.ones(8, np.float32))

        def forward(self, x):
            return x * self.w, self.w

    assert tg.draw(Both(), X).dot.count(PALE_ORANGE) == 2


def test_a_model_that_changes_its_input_changes_a_copy():
    def clear(x):
        x[...] = 0.0
        return x + 1.0

    given = X.copy()
    tg.draw(nn.Sequential(nn.Lambda(clear)), given)
    assert np.array_equal(given, X)


def test_a_watch_ends_where_the_model_raises():
    with pytest.raises(errors.ShapeError, match=r"Dense\(7, 2\): expected input of shape \(\.\.\., 7\), got \(4, 8\)"):
        tg.draw(nn.Dense(7, 2), X)
    assert tg._tape.mode.watch is None


def test_what_a_model_raises_arrives_as_it_is():
    def refuse(x):
        raise ValueError("not today")

    with pytest.raises(ValueError, match=r"^not today$") as error:
        tg.draw(nn.Sequential(nn.Lambda(refuse)), X)
    assert error.type is ValueError


# ---- large models -----------------------------------------------------------------------------------------------------
def test_large_models_are_folded_to_one_box_a_layer():
    blocks = [nn.Sequential(nn.Dense(8, 8), nn.ReLU()) for _ in range(150)]
    drawing = tg.draw(nn.Sequential(*blocks), X)
    assert (drawing.nodes, drawing.edges) == (301, 300)
    said = set(boxes(drawing).values())
    assert "(0) Dense(8, 8) (4, 8) float32 72 parameters" in said
    assert "(1) ReLU() (4, 8) float32" in said
    start = time.perf_counter()
    assert drawing.svg
    assert time.perf_counter() - start < 20
    folded = boxes(tg.draw(nn.Sequential(*blocks), X, depth=1))
    assert len(folded) == 151
    assert "(149) Sequential (4, 8) float32 72 parameters" in folded.values()


def test_depth_counts_levels_of_layers():
    model = nn.Sequential(nn.Sequential(nn.Dense(8, 4), nn.Sequential(nn.Tanh(), nn.Dense(4, 3))), nn.ReLU())
    assert sorted(boxes(tg.draw(model, X, depth=0)).values()) == [
        "Sequential (4, 3) float32 51 parameters",
        "input (4, 8) float32",
    ]
    assert [tg.draw(model, X, depth=d).nodes for d in (0, 1, 2, 3, 4, 9)] == [2, 3, 4, 7, 9, 9]
    assert tg.draw(model, X).dot == tg.draw(model, X, depth=9).dot
    twice = tg.draw(nn.Sequential(nn.Parallel(nn.Dense(8, 2), nn.Dense(8, 3))), X, depth=1)
    assert (twice.nodes, twice.edges) == (2, 1)


def test_models_of_too_many_layers_say_what_to_draw():
    model = nn.Sequential(*[nn.Dense(8, 8) for _ in range(600)])
    with pytest.raises(errors.OptionError, match=r"at depth=1 the model has 601 nodes .*; draw a part .* model\[:20\]"):
        tg.draw(model, X)
    with pytest.raises(
        errors.OptionError, match=r"at depth=3 the model has 1,801 nodes and 1,800 edges, .*; depth=1 fits"
    ):
        tg.draw(nn.Sequential(model), X, depth=3)
    assert tg.draw(nn.Sequential(model), X).nodes == 2


# ---- tensors ----------------------------------------------------------------------------------------------------------
def test_a_tensor_has_the_ops_that_it_was_made_by():
    model = nn.Dense(8, 3, rng=0)
    loss = nn.CrossEntropyLoss()(model(X), np.array([0, 1, 2, 0])) * 2
    drawing = tg.draw(loss)
    x, w, b = "x (4, 8) float32", "w (8, 3) float32", "b (3,) float32"
    dense, entropy, out = "dense (4, 3) float32", "softmax_cross_entropy () float32", "multiply () float32"
    labels = "labels (4,) int64"
    assert edges(drawing) == {(x, dense), (f"{w} {b}", dense), (dense, entropy), (labels, entropy), (entropy, out)}
    assert drawing.svg


def test_a_tensor_that_is_used_twice_has_two_edges():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    drawing = tg.draw(x * x)
    assert len(re.findall(r"\d+:s -> \d+:n", drawing.dot)) == drawing.edges == 2
    assert list(boxes(tg.draw(x)).values()) == ["tensor (2,) float32"]
    assert list(boxes(tg.draw(tg.tensor(1.0))).values()) == ["tensor () float32"]
    assert list(boxes(tg.draw(tg.Parameter(np.zeros((2, 3))))).values()) == ["tensor (2, 3) float64"]


def test_long_tapes_are_drawn_in_parts():
    x = y = tg.tensor([1.0, 2.0], requires_grad=True)
    for _ in range(20_000):
        y = y + x
    with pytest.raises(
        errors.OptionError, match=r"draw: the graph has 20,001 nodes and 40,000 edges, .* with depth=\d+"
    ):
        tg.draw(y)
    drawing = tg.draw(y, depth=3)
    assert (drawing.nodes, drawing.dot.count("⋯")) == (5, 1)


def test_a_freed_graph_is_refused():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    loss = (x * x).sum()
    loss.backward(retain_graph=True)
    assert tg.draw(loss).nodes == 3
    loss.backward()
    with pytest.raises(errors.GraphError, match="draw: the graph of 'sum' was freed by a backward; draw before it, or"):
        tg.draw(loss)


def test_grids_are_drawn_as_values():
    out = nn.Dense(2, 1, rng=0).to("scalar")(np.ones((2, 2)))
    drawing = tg.draw(out)
    assert "dot" in drawing.dot
    with pytest.raises(errors.OptionError, match="ends in .svg"):
        drawing.save("g.gif")
    with pytest.raises(errors.OptionError, match="draw: expected at least one Value"):
        tg.draw(np.empty(0, object))


def test_drawing_values_calls_no_hook_on_gradients():
    layer = nn.Dense(2, 1, rng=0).to("scalar")
    with layer.on_gradient(lambda *_: pytest.fail("drawing called a hook")):
        out = layer(np.ones((2, 2)))
    drawing = tg.draw(out)
    assert drawing.dot.count('label=""') == 4  # two copies of the output, each made of what is asked once for both
    assert drawing.svg


@pytest.mark.parametrize("kept", [threading.Lock(), (i for i in "ab")])
def test_a_model_that_cannot_be_copied(kept):
    layer = nn.Dense(8, 2)
    layer.kept = kept
    with pytest.raises(
        OptionError, match=r"draw: a copy of the model computes, and it cannot be copied: cannot pickle"
    ):
        tg.draw(layer, X)


def test_a_model_that_is_nested_too_deep():
    model = nn.Sequential(nn.ReLU())
    for _ in range(1000):
        model = nn.Sequential(model)
    with pytest.raises(OptionError, match="draw: a copy of the model computes, and it cannot be copied: .*recursion"):
        tg.draw(model, X)


# ---- bad input --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("args", "match"),
    [
        ((nn.Dense(8, 2),), r"draw: a model is drawn as it computes; give it an input, such as draw\(model, X\[:1\]\)"),
        ((nn.Sequential(), X), r"draw: Sequential\(\) called no op on its input, there is nothing to draw"),
        ((X,), r"draw: expected a model \(nn.Module\) and an input, a Tensor, or a grid of Values, got ndarray"),
        ((3,), "got int"),
        ((ops.exp,), "got Op"),
        ((tg.tensor(1.0), X), "draw: only a model takes an input, got Tensor and one"),
        ((nn.Dense(8, 2), X, "1"), "draw: depth must be a whole number of at least 0, got '1'"),
        ((nn.Dense(8, 2), X, -1), "draw: depth must be a whole number of at least 0, got -1"),
    ],
)
def test_what_cannot_be_drawn_is_refused(args, match):
    with pytest.raises(errors.OptionError, match=match):
        tg.draw(*args)


def test_data_that_are_no_numbers_are_refused():
    with pytest.raises(errors.DataError, match="draw: input has dtype <U3; expected numbers"):
        tg.draw(nn.Dense(8, 2), "abc")


def test_errors_of_files_are_tensorgrads(tmp_path, monkeypatch):
    drawing = tg.draw(nn.Dense(8, 2), X)
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.FileError, match="Drawing.save: cannot write"):
        drawing.save(tmp_path / "file" / "g.dot")
    with pytest.raises(errors.OptionError, match="did you mean 'g.png'"):
        drawing.save(tmp_path / "g.pgn")
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    with pytest.raises(errors.MissingPackage, match=r'pip install "microgrid-tensorgrad\[viz\]"'):
        drawing.save(tmp_path / "g.png")
    assert drawing.save(tmp_path / "g.dot").exists()
