"""Modules, layers and losses: structure, state, conversion, and what they refuse."""

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import _names, nn
from tensorgrad.errors import EngineError, LabelError, OptionError, ShapeError


def mlp(rng=0, dtype="float32"):
    return nn.Sequential(nn.Dense(2, 4, dtype=dtype), nn.ReLU(), nn.Dense(4, 3, dtype=dtype), rng=rng)


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


# ---- state -----------------------------------------------------------------------------------------------------------
def test_state_dict_is_a_copy_both_ways():
    model = mlp()
    state = model.state_dict()
    state["0.weight"][...] = 9
    assert not (model[0].weight.data == 9).any()
    memory = model[0].weight.data
    model.load_state_dict(state)
    state["0.weight"][...] = 5
    assert (model[0].weight.data == 9).all()
    assert model[0].weight.data is memory


def test_load_state_dict_lists_all_problems_and_changes_nothing():
    model, state = mlp(), mlp(rng=1).state_dict()
    before = model.state_dict()
    state["extra"] = state.pop("0.bias")
    state["2.weight"] = np.zeros((3, 4))
    with pytest.raises(ShapeError) as error:
        model.load_state_dict(state)
    assert str(error.value) == (
        "load_state_dict of Sequential: missing 0.bias; unknown extra; 2.weight has shape (3, 4), expected (4, 3)"
    )
    assert all(np.array_equal(before[k], v) for k, v in model.state_dict().items())


@pytest.mark.parametrize(
    "bad", [np.array(["a", "b", "c"]), [1j, 2, 3], np.array([None, 1, 2])], ids=["text", "complex", "object"]
)
def test_load_state_dict_of_something_else_than_numbers_changes_nothing(bad):
    model, state = mlp(), mlp(rng=1).state_dict()
    before = model.state_dict()
    state["2.bias"] = bad
    with pytest.raises((ShapeError, TypeError), match=r"^load_state_dict of Sequential: 2\.bias has dtype"):
        model.load_state_dict(state)
    assert all(np.array_equal(before[k], v) for k, v in model.state_dict().items())


@pytest.mark.parametrize("name", ["1.running_var", "2.weight"])
def test_load_state_dict_into_what_is_read_only_changes_nothing(name):
    model = nn.Sequential(nn.Dense(3, 4, rng=0), nn.BatchNorm(4), nn.Dense(4, 2, rng=0))
    arrays = {n: p.data for n, p in model.named_parameters()} | dict(model.named_buffers())
    arrays[name].flags.writeable = False
    before = model.state_dict()
    with pytest.raises(ShapeError, match=f"^load_state_dict of Sequential: {name} has an array that is read-only$"):
        model.load_state_dict({n: a + 1 for n, a in before.items()})
    assert all(np.array_equal(a, before[n]) for n, a in model.state_dict().items())


def test_load_state_dict_of_numbers_that_would_overflow_changes_nothing():
    model, state = mlp(), mlp(rng=1).state_dict()
    before = model.state_dict()
    state["2.bias"] = np.array([1.0, 1e300, np.inf])
    with pytest.raises(ShapeError, match=r"^load_state_dict of Sequential: 2\.bias has numbers too large for float32$"):
        model.load_state_dict(state)
    assert all(np.array_equal(before[k], v) for k, v in model.state_dict().items())
    state["2.bias"][1] = np.nan
    assert model.load_state_dict(state)[2].bias.data.tolist()[::2] == [1, np.inf]  # what the model had is not judged


def test_reset_gives_the_same_bits():
    a, b = mlp(rng=5), mlp(rng=None)
    assert b.reset(5) is b
    for p, q in zip(a.parameters(), b.parameters(), strict=True):
        np.testing.assert_array_equal(p.data, q.data)
    assert not np.array_equal(mlp(rng=6)[0].weight.data, a[0].weight.data)


def test_initial_weights_do_not_touch_numpys_global_state():
    np.random.seed(3)
    mlp().reset(0)
    after = np.random.random()
    np.random.seed(3)
    assert after == np.random.random()


def test_frozen_parameters_get_no_gradient():
    model = mlp()
    model[0].weight.requires_grad = False
    model(np.ones((1, 2), "float32")).sum().backward()
    assert model[0].weight.grad is None
    assert model[2].weight.grad is not None
    assert repr(model[0].weight) == "Parameter(shape=(2, 4), dtype=float32, frozen)"


@pytest.mark.parametrize("name", ["data", "grad"])
def test_parameters_keep_their_shape(name):
    p = tg.Parameter(np.ones((2, 3)))
    with pytest.raises(
        ShapeError, match=r"^a parameter of shape \(2, 3\) cannot take (numbers|a gradient) of shape \(3,\)$"
    ):
        setattr(p, name, np.ones(3))


def test_astype_and_to():
    model = mlp()
    wide = model.astype("float64")
    assert wide.dtype == np.float64
    assert model.dtype == np.float32
    scalar = model.to("scalar")
    assert scalar.engine == "scalar"
    back = scalar.to("tensor").astype("float32")
    for p, q in zip(model.parameters(), back.parameters(), strict=True):
        np.testing.assert_array_equal(p.data, q.data)
    with pytest.raises(OptionError, match=r"^astype: unknown dtype 'float16'; did you mean 'float64'"):
        model.astype("float16")
    with pytest.raises(EngineError, match=r"^astype: the scalar engine computes with Python numbers; "):
        scalar.astype("float64")
    with pytest.raises(
        OptionError, match=r"^to: unknown engine 'scaler'; did you mean 'scalar'\? \(known: 'scalar', 'tensor'\)$"
    ):
        model.to("scaler")


def test_frozen_stays_frozen_in_copies():
    model = mlp()
    model[0].weight.requires_grad = False
    for copy in (model.astype("float64"), model.to("scalar"), model.to("scalar").to("tensor")):
        assert not copy[0].weight.requires_grad
        assert copy[0].bias.requires_grad


# ---- Dense -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("shape", [(2,), (5, 2), (4, 5, 2), (0, 2)])
@pytest.mark.parametrize("bias", [True, False])
def test_dense_is_x_w_plus_b(shape, bias):
    layer, x = nn.Dense(2, 3, bias=bias, rng=0, dtype="float64"), np.sin(np.arange(np.prod(shape))).reshape(shape)
    expected = x @ layer.weight.data + (np.array([1.0, 2, 3]) if bias else 0)
    if bias:
        layer.bias.data = [1, 2, 3]
    np.testing.assert_allclose(layer(x).numpy(), expected, rtol=1e-14)


@pytest.mark.parametrize("bias", [True, False])
def test_dense_with_activation(bias):
    layer, x = nn.Dense(2, 3, bias=bias, rng=0), np.array([[1, -1], [-2, 1]], "float32")
    np.testing.assert_array_equal(layer(x, activation="relu").numpy(), np.maximum(layer(x).numpy(), 0))
    with pytest.raises(OptionError, match=r"unknown activation 'rellu'; did you mean 'relu'\?"):
        layer(x, activation="rellu")


@pytest.mark.parametrize("shape", [(32, 2), (), (64, 1)])
def test_dense_names_the_shape_it_expected(shape):
    with pytest.raises(ShapeError) as error:
        nn.Dense(64, 3)(np.zeros(shape, "float32"))
    assert str(error.value) == f"Dense(64, 3): expected input of shape (..., 64), got {shape}"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"in_features": 0}, "Dense: in_features must be a positive whole number, got 0"),
        ({"out_features": 2.0}, "Dense: out_features must be a positive whole number, got 2.0"),
        ({"out_features": True}, "Dense: out_features must be a positive whole number, got True"),
        ({"init": "he_norml"},
         "Dense: unknown init 'he_norml'; did you mean 'he_normal'? (known: 'he_normal', 'he_uniform', 'glorot_uniform', "),
        ({"init": None}, "Dense: unknown init None (known: 'he_normal', 'he_uniform', 'glorot_uniform', "),
        ({"dtype": "float16"}, "Dense: unknown dtype 'float16'"),
        ({"dtype": "flaot32"}, "Dense: unknown dtype 'flaot32'; did you mean 'float32'? (known: 'float32', 'float64')"),
    ],
    ids=str,
)  # fmt: skip
def test_dense_options(options, text):
    with pytest.raises(OptionError) as error:
        nn.Dense(**({"in_features": 2, "out_features": 3} | options))
    assert str(error.value).startswith(text)


@pytest.mark.parametrize(("init", "variance"), [("he_normal", 2 / 200), ("glorot_uniform", 2 / 500)])
def test_initial_weights_have_their_variance(init, variance):
    w = nn.Dense(200, 300, init=init, rng=0).weight.data
    assert abs(w.var() / variance - 1) < 0.03
    assert abs(w.mean()) < 0.002


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dense_and_relu_are_fused_without_a_difference(dtype):
    model, x = mlp(dtype=dtype), np.sin(np.arange(14)).reshape(7, 2).astype(dtype)
    step = x
    for layer in model:
        step = layer(step)
    np.testing.assert_array_equal(model(x).numpy(), step.numpy())


def test_an_activation_that_was_changed_is_not_fused_away():
    model = mlp()
    model[1].forward = lambda x: x * 0
    np.testing.assert_array_equal(model(np.ones((1, 2), "float32")).numpy(), [model[2].bias.data])


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
