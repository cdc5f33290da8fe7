"""Modules, layers and losses: structure, names, and what they refuse."""

import numpy as np
import pytest
from small_models import mlp

import tensorgrad as tg
from tensorgrad import _names, nn
from tensorgrad.errors import LabelError, OptionError, ShapeError


class Branches(nn.Module):
    """Modules in attributes, lists and tuples, a Parameter of its own, and one layer used twice."""

    def __init__(self):
        self.scale = tg.Parameter(np.ones(2, "float32"))
        self.blocks = [nn.Dense(2, 2, rng=1), nn.Sequential(nn.Dense(2, 2, rng=2))]
        self.pair = (nn.Dense(2, 2, rng=3), nn.Tanh())
        self.again = self.blocks[0]

    def forward(self, x):
        return self.again(self.blocks[0](x * self.scale))


# ---- structure -------------------------------------------------------------------------------------------------------
def test_named_parameters_are_paths_and_shared_ones_come_once():
    assert [name for name, _ in Branches().named_parameters()] == [
        "scale",
        "blocks.0.weight",
        "blocks.0.bias",
        "blocks.1.0.weight",
        "blocks.1.0.bias",
        "pair.0.weight",
        "pair.0.bias",
    ]
    assert [name for name, _ in mlp().named_parameters()] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert len(Branches().parameters()) == 7


@pytest.mark.parametrize("container", [list, tuple, lambda ps: {"a": ps[0], "b": ps[1]}], ids=["list", "tuple", "dict"])
def test_parameters_in_containers_are_found(container):
    model = nn.Module()
    model.ws = container([tg.Parameter(np.ones(2)), tg.Parameter(np.ones(3))])
    assert [p.shape for p in model.parameters()] == [(2,), (3,)]


def test_modules_in_a_dict_are_found():
    model = nn.Module()
    model.heads = {"a": nn.Dense(2, 1)}
    assert [name for name, _ in model.named_parameters()] == ["heads.a.weight", "heads.a.bias"]


def test_a_sequential_with_another_part_has_its_parameters():
    class Net(nn.Sequential):
        def __init__(self):
            super().__init__(nn.Dense(2, 2))
            self.head = nn.Dense(2, 1)

    assert [name for name, _ in Net().named_parameters()] == ["0.weight", "0.bias", "head.weight", "head.bias"]


@pytest.mark.parametrize("convert", [lambda m: m.to("scalar"), lambda m: m.to("tensor"), lambda m: m.astype("float64")])
def test_shared_parameters_stay_shared_in_a_copy(convert):
    model = Branches()
    copy = convert(model)
    assert copy.again is copy.blocks[0]
    assert len(copy.parameters()) == 7
    assert not {id(p) for p in copy.parameters()} & {id(p) for p in model.parameters()}


def test_tied_weight_gets_both_gradients_and_stays_tied():
    a, b = nn.Dense(2, 2, rng=0), nn.Dense(2, 2, rng=1)
    b.weight = a.weight
    model = nn.Sequential(a, b).astype("float64")
    assert len(model.parameters()) == 3
    assert model[0].weight is model[1].weight
    x = np.array([[1.0, 2.0]])
    model(x).sum().backward()
    w = model[0].weight.data
    np.testing.assert_allclose(model[0].weight.grad, np.outer(x, w.sum(1)) + (x @ w).T * np.ones(2))


def test_train_and_eval_reach_everything():
    model = Branches()
    assert model.eval() is model
    assert not any(m.training for _, m in model.named_modules())
    assert all(m.training for _, m in model.train().named_modules())


def test_module_without_forward():
    with pytest.raises(NotImplementedError, match=r"^Module has no forward\(self, "):
        nn.Module()(1)


def test_sequential_add_length_index_and_repr():
    model = nn.Sequential(nn.Dense(2, 3)).append(nn.ReLU()).append(nn.Sequential(nn.Tanh(), nn.Softmax(axis=0)))
    assert len(model) == 3
    assert model[1] is list(model)[1]
    assert repr(model) == (
        "Sequential(\n  (0) Dense(2, 3)\n  (1) ReLU()\n"
        "  (2) Sequential(\n    (0) Tanh()\n    (1) Softmax(axis=0)\n  )\n)"
    )
    assert repr(nn.Sequential()) == "Sequential()"
    assert repr(nn.Dense(2, 3, bias=False)) == "Dense(2, 3, bias=False)"


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (
            nn.ReLU,
            "Sequential: expected a layer (nn.Module), got <class 'tensorgrad.nn.activations.ReLU'>; "
            "call the class: ReLU(...)",
        ),
        (3, "Sequential: expected a layer (nn.Module), got 3"),
        ([], "Sequential: expected a layer (nn.Module), got []; give the layers one by one: Sequential(*layers)"),
    ],
)
def test_sequential_takes_layers_only(layer, text):
    with pytest.raises(OptionError) as error:
        nn.Sequential(layer)
    assert str(error.value) == text


# ---- losses ----------------------------------------------------------------------------------------------------------
LOGITS = np.array([[1.0, 2, 3], [0, 0, 0], [5, -5, 1]])


def test_cross_entropy_of_labels_and_one_hot_rows():
    labels = np.array([2, 0, 1])
    expected = np.mean(np.log(np.exp(LOGITS).sum(1)) - LOGITS[range(3), labels])
    for target in (labels, labels.tolist(), np.eye(3)[labels], np.eye(3, dtype=int)[labels], tg.tensor(labels)):
        np.testing.assert_allclose(nn.CrossEntropyLoss()(LOGITS, target), expected, rtol=1e-14)


@pytest.mark.parametrize(
    ("target", "error", "text"),
    [
        ([0, 1, 3], LabelError, "softmax_cross_entropy: label 3 at row 2 is outside the 3 classes 0..2"),
        ([0, -1, 2], LabelError, "softmax_cross_entropy: label -1 at row 1 is outside the 3 classes 0..2"),
        ([0, 1], ShapeError, "softmax_cross_entropy: expected labels of shape (3,), got (2,)"),
        ([0.0, 1, 2], TypeError, "softmax_cross_entropy: expected integer labels, got dtype float64"),
        (
            [[0], [1], [2]],
            ShapeError,
            "CrossEntropyLoss: one-hot targets and probabilities must have the shape of the logits (3, 3), got (3, 1)",
        ),
        (
            [[1, 0, 0], [0, 1, 1], [0, 0, 1]],
            LabelError,
            "CrossEntropyLoss: row 1 of the targets is neither one-hot nor probabilities that sum to 1: [0 1 1]",
        ),
        (
            [[1, 0, 0], [0, 0.5, 0.6], [0, 0, 1]],
            LabelError,
            "CrossEntropyLoss: row 1 of the targets is neither one-hot",
        ),
        (
            [[1, 0, 0], [0, 1, 0], [0, 0, np.nan]],
            LabelError,
            "CrossEntropyLoss: row 2 of the targets is neither one-hot",
        ),
        ([[0, 1, 0], [0, 1, 0], [2, -1, 0]], LabelError, "CrossEntropyLoss: row 2 of the targets is neither one-hot"),
    ],
    ids=str,
)
def test_cross_entropy_errors(target, error, text):
    for logits in (LOGITS, tg.tensor(LOGITS)):
        with pytest.raises(error) as caught:
            nn.CrossEntropyLoss()(logits, np.array(target))
        assert str(caught.value).startswith(text)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cross_entropy_of_sure_and_wrong_logits(dtype):
    loss = nn.CrossEntropyLoss()
    x = tg.tensor(np.array([[1000.0, 0.0], [1000.0, 0.0]], dtype), requires_grad=True)
    value = loss(x, np.array([0, 1]))
    value.backward()
    assert value.item() == 500
    np.testing.assert_array_equal(x.grad, [[0, 0], [0.5, -0.5]])
    assert np.isnan(loss(np.array([[np.nan, 0]], dtype), np.array([1])))


@pytest.mark.parametrize("shapes", [((4, 1), (4,)), ((4,), (4, 1)), ((4, 3), (3,)), ((1, 3), (4, 3))], ids=str)
def test_mse_never_broadcasts(shapes):
    with pytest.raises(ShapeError) as error:
        nn.MSELoss()(tg.tensor(np.ones(shapes[0])), np.ones(shapes[1]))
    assert str(error.value) == (
        f"MSELoss: prediction has shape {shapes[0]} and target {shapes[1]}; they must be equal, "
        "as broadcasting them would compare every row with every other: reshape one"
    )


def test_mse_is_the_mean_of_squares():
    x = tg.tensor([[1.0, 2.0]], requires_grad=True)
    loss = nn.MSELoss()(x, [[1.0, 4.0]])
    loss.backward()
    assert loss.item() == 2
    assert x.grad.tolist() == [[0, -2]]


@pytest.mark.parametrize(("layer", "f"), [(nn.ReLU(), lambda x: np.maximum(x, 0)), (nn.Tanh(), np.tanh),
                                          (nn.Sigmoid(), lambda x: 1 / (1 + np.exp(-x))),
                                          (nn.Softmax(), lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True)),
                                          (nn.Softmax(axis=0), lambda x: np.exp(x) / np.exp(x).sum(0))])  # fmt: skip
def test_activations(layer, f):
    x = np.linspace(-3, 3, 12).reshape(3, 4)
    np.testing.assert_allclose(layer(x), f(x), rtol=1e-14)
    np.testing.assert_allclose(layer(tg.tensor(x)).numpy(), f(x), rtol=1e-14)


def test_a_model_with_a_reference_to_its_parent_is_walked_once():
    model = mlp()
    model.layers[0].parent = model
    assert [name for name, _ in model.named_parameters()] == ["0.weight", "0.bias", "2.weight", "2.bias"]


@pytest.mark.parametrize(
    ("module", "name", "meant"),
    [
        (nn, "Linear", "nn.Dense"), (nn, "BatchNorm2d", "nn.BatchNorm"), (nn, "Dropout2d", "nn.ChannelDropout"),
        (nn, "Conv2DTranspose", "nn.ConvTranspose2d"), (nn, "Conv2D", "nn.Conv2d"), (nn, "MaxPooling2D", "nn.MaxPool2d"),
        (nn, "Densse", "nn.Dense"), (nn, "CrossEntropyLos", "nn.CrossEntropyLoss"), (tg.optim, "AdamWW", "optim.AdamW"),
        (tg.optim, "Sgd", "optim.SGD"), (tg, "tensr", "tg.tensor"), (tg, "relu", "ops.relu"), (tg, "Dense", "nn.Dense"), (tg, "Linear", "nn.Dense"), (tg, "adam", "optim.Adam"), (tg, "ReLU", "nn.ReLU"),
    ],
)  # fmt: skip
def test_a_name_that_does_not_exist_says_which_was_meant(module, name, meant):
    with pytest.raises(AttributeError) as error:
        getattr(module, name)
    assert str(error.value) == f"{module.__name__} has no {name!r}; did you mean {meant}?"


@pytest.mark.parametrize("module", [nn, tg.optim, tg])
def test_a_name_like_none_says_what_there_is(module):
    with pytest.raises(AttributeError, match=f"has no 'qqq'; it has .*{module.__all__[-1]}"):
        module.qqq
    assert not hasattr(module, "__path_of_nothing__")


def test_names_of_other_libraries_are_none_of_ours():
    for ours, theirs in _names._SAME.items():
        assert ours in nn.__all__ and not set(theirs) & set(nn.__all__)


LAYERS = [
    getattr(nn, n) for n in nn.__all__ if isinstance(getattr(nn, n), type) and not issubclass(getattr(nn, n), nn.Loss)
]


@pytest.mark.parametrize("kind", LAYERS, ids=lambda kind: kind.__name__)
def test_every_layer_says_its_shapes_and_shows_an_example(kind):
    text = kind.__doc__ or ""
    assert "->" in text.split(">>>")[0], "its shapes, (n, ...) -> (n, ...)"
    assert ">>>" in text, "an example"


def test_every_layer_is_exported():
    kinds = [nn.Module]
    for kind in kinds:
        kinds += kind.__subclasses__()
    ours = {kind.__name__ for kind in kinds if kind.__module__.startswith("tensorgrad.nn.")}
    assert {name for name in ours if name[0] != "_"} == {name for name in nn.__all__ if name[0].isupper()}


@pytest.mark.parametrize("seed", [-1, "a", 1.5])
def test_seeds(seed):
    with pytest.raises(OptionError, match="^Dense: a seed is a whole number of at least 0, a numpy Generator, or None"):
        nn.Dense(2, 3, rng=seed)
