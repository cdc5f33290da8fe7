"""Names that modules do not have, and places in a model: what errors say to people who come from other libraries."""

import copy
import pickle

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad.errors import OptionError, ShapeError


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: nn.Dense(3, 4, activation="relu"),
         "Dense: unknown option 'activation'; use the activation as the next layer, nn.ReLU() say (known: in_features, "),
        (lambda: nn.Dense(in_feature=3, out_features=4), "Dense: unknown option 'in_feature'; did you mean 'in_features'? ("),
        (lambda: nn.Dense(units=4), "Dense: unknown option 'units'; use out_features (known: in_features, out_features, "),
        (lambda: nn.Conv2d(1, filters=8), "Conv2d: unknown option 'filters'; use out_channels (known: in_channels, "),
        (lambda: nn.MaxPool2d(pool_size=2),
         "MaxPool2d: unknown option 'pool_size'; use kernel_size (known: kernel_size, stride, padding)"),
        (lambda: nn.LayerNorm(3, seed=1), "LayerNorm: unknown option 'seed' (known: features, eps, affine, dtype)"),
        (lambda: nn.ReLU(inplace=True), "ReLU: it takes no options, got 'inplace'"),
        (lambda: nn.Tanh(3), "Tanh: it takes no options, got 3"),
        (lambda: nn.CrossEntropyLoss(weights=[1.0]),
         "CrossEntropyLoss: unknown option 'weights'; did you mean 'weight'? (known: "),
    ],
)  # fmt: skip
def test_an_option_of_another_name(make, text):
    with pytest.raises(OptionError) as error:
        make()
    assert str(error.value).startswith(text)


class Sized:
    def __new__(cls, size, **options):
        self = super().__new__(cls)
        self.made = (size, options)
        return self


class Mixed(nn.Module, Sized):
    def __init__(self, size, **options):
        self.options = options


def test_modules_of_ones_own_take_what_they_like():
    mixed = Mixed(3, colour="red")
    assert (mixed.made, mixed.options) == ((3, {"colour": "red"}), {"colour": "red"})


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("fit", "; use tg.fit(model, (X, y), loss=..., optimizer=...)"),
        ("predict", "; use tg.predict(model, X)"),
        ("save", "; use tg.save(model, path)"),
        ("register_forward_hook", "; use model.on_forward(function)"),
        ("add", "; use model.append(layer)"),
        ("wieght", ""),
        ("__length_hint__", ""),
    ],
)
def test_an_attribute_of_another_name(name, instead):
    with pytest.raises(AttributeError) as error:
        getattr(nn.Sequential(nn.Dense(2, 2)), name)
    assert str(error.value) == f"'Sequential' object has no attribute {name!r}{instead}"
    assert error.value.name == name


def test_a_layer_has_nothing_to_add_to():
    assert not hasattr(nn.ReLU(), "add")
    with pytest.raises(AttributeError, match="^'ReLU' object has no attribute 'add'$"):
        nn.ReLU().add


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_are_whole(duplicate):
    model, x = nn.Sequential(nn.Dense(2, 3), nn.ReLU(), rng=0), np.ones((1, 2), np.float32)
    np.testing.assert_array_equal(duplicate(model)(x).numpy(), model(x).numpy())


@pytest.mark.parametrize("name", ["requires_grad", "trainable"])
@pytest.mark.parametrize("on", [True, False])
def test_a_module_is_not_frozen_by_an_attribute(name, on):
    model = nn.Sequential(nn.Dense(2, 3))
    with pytest.raises(OptionError) as error:
        setattr(model, name, on)
    assert str(error.value) == (
        f"Sequential: a module has no {name} of its own; {'un' if on else ''}freeze() sets that of all its parameters"
    )
    assert model[0].weight.requires_grad


class Own(nn.Module):
    trainable = True


def test_a_module_of_ones_own_may_have_such_an_attribute():
    own = Own()
    own.trainable = False
    assert not own.trainable


def test_setting_training_reaches_everything():
    model = nn.Sequential(nn.Dense(2, 3), nn.Residual(nn.Dropout(0.5)))
    model.training = False
    assert not any(m.training for _, m in model.named_modules())
    model[1].training = True
    assert [m.training for _, m in model.named_modules()] == [False, False, True, True]
    with pytest.raises(OptionError, match="^train: on must be True or False, got 2$"):
        model.training = 2


def test_inference_leaves_each_layer_in_its_mode():
    model = nn.Sequential(nn.Dense(2, 3), nn.BatchNorm(3), rng=0)
    model[1].eval()
    tg.predict(model, np.ones((4, 2)))
    assert [m.training for _, m in model.named_modules()] == [True, True, False]


def test_an_error_says_in_which_layer_it_arose():
    model = nn.Sequential(nn.Dense(2, 3), nn.ReLU(), nn.Sequential(nn.Identity(), nn.Dense(4, 5)), nn.Dense(4, 5))
    with pytest.raises(ShapeError) as error:
        model(np.zeros((7, 2), np.float32))
    assert error.value.__notes__ == [
        "in layer 1 of Sequential: Dense, given an input of shape (7, 3)",
        "in layer 2 of Sequential: Sequential, given an input of shape (7, 3)",
    ]


@pytest.mark.parametrize(
    ("function", "hint"),
    [(np.tanh, "use nn.Tanh()"), (tg.ops.leaky_relu, "use nn.LeakyReLU()"), (abs, "a function becomes a layer by nn.Lambda(function)")],
)  # fmt: skip
def test_a_function_is_no_layer(function, hint):
    with pytest.raises(OptionError) as error:
        nn.Sequential(function)
    assert str(error.value) == f"Sequential: expected a layer (nn.Module), got {function!r}; {hint}"


IMAGES = np.zeros((5, 6, 6, 2), np.float32)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: nn.Dense(72, 3)(IMAGES),
         "Dense(72, 3): expected input of shape (..., 72), got (5, 6, 6, 2); rows as vectors: put nn.Flatten() before it"),
        (lambda: nn.Dense(71, 3)(IMAGES), "Dense(71, 3): expected input of shape (..., 71), got (5, 6, 6, 2)"),
        (lambda: nn.CrossEntropyLoss()(IMAGES, np.zeros(5, int)),
         "CrossEntropyLoss: expected labels of shape (5, 6, 6) beside predictions (5, 6, 6, 2), got (5,); one label for each "
         "row: put nn.Flatten() or a global pooling before the last nn.Dense"),
        (lambda: tg.ops.softmax_cross_entropy(IMAGES, np.zeros(5, int)),
         "softmax_cross_entropy: expected logits of shape (n, classes), got (5, 6, 6, 2); put nn.Flatten() or a global "
         "pooling before the last nn.Dense"),
    ],
)  # fmt: skip
def test_a_forgotten_flatten(call, text):
    with pytest.raises(ShapeError) as error:
        call()
    assert str(error.value) == text
