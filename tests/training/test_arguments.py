"""What fit refuses, and that nothing is changed then."""

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn, optim
from tensorgrad.errors import DataError, DTypeError, GraphError, LabelError, OptionError, ShapeError

X = np.sin(np.arange(20.0)).reshape(10, 2)
LABELS = np.arange(10) % 3


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda fit: tg.fit(nn.Dense(2, 3, rng=0), X, LABELS),
         "fit: expected a model and its data as one pair, fit(model, (X, y), ...), and options by name, got 3 arguments"),
        (lambda fit: fit(callback=print), "fit: unknown option 'callback'; use callbacks (known: model, data, loss, "),
        (lambda fit: fit(validation_data=(X, LABELS)), "fit: unknown option 'validation_data'; use validation (known: "),
        (lambda fit: fit(learning_rate=1), "fit: unknown option 'learning_rate'; use an optimizer's lr= (known: "),
        (lambda fit: fit(batchsize=1), "fit: unknown option 'batchsize'; did you mean 'batch_size'? (known: "),
    ],
)  # fmt: skip
def test_arguments_of_another_name(fit, call, text):
    with pytest.raises(OptionError) as error:
        call(fit)
    assert str(error.value).startswith(text)


def test_float_labels_are_named_by_the_dtype_that_was_given(fit):
    with pytest.raises(DTypeError, match="expected integer labels, got dtype float64"):
        fit((X, LABELS.astype(np.float64)))


def with_bad(value, index):
    x = X.copy()
    x[index] = value
    return x


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (
            (with_bad(np.nan, (3, 1)), LABELS),
            "fit: X has nan at index (3, 1); remove or fill such rows before training",
        ),
        (
            (with_bad(-np.inf, (0, 1)), LABELS),
            "fit: X has -inf at index (0, 1); remove or fill such rows before training",
        ),
        (
            (X, np.where(LABELS == 2, np.nan, 0.0)),
            "fit: y has nan at index (2,); remove or fill such rows before training",
        ),
        ((X * 1e300, LABELS), "fit: X has numbers too large for float32, up to 1e+300; scale the data"),
        ((X[:0], LABELS[:0]), "fit: X is empty, shape (0, 2); expected at least one row"),
        ((X, LABELS[:4]), "fit: X has 10 rows and y has 4; they must be equally many"),
        ((X, LABELS, LABELS), "fit: expected a pair (X, y), got 3 items"),
        (X, "fit: expected a pair (X, y), got ndarray"),
        ((X.astype(str), LABELS), "fit: X has dtype <U"),
        ((X, None), "fit: y has dtype object; expected numbers"),
        ((3.0, LABELS), "fit: X is a single number; expected at least one row"),
        (([[1.0, 2.0], [1.0]], LABELS), "fit: X has rows of different lengths"),
        ((np.ma.masked_greater(X, 0.5), LABELS), "fit: X has masked elements"),
    ],
    ids=[
        "nan",
        "-inf",
        "nan in y",
        "large",
        "empty",
        "rows",
        "three",
        "array",
        "text",
        "None",
        "number",
        "ragged",
        "masked",
    ],
)
def test_data_errors(fit, data, text):
    with pytest.raises(DataError) as error:
        fit(data)
    assert str(error.value).startswith(text)
    with pytest.raises(DataError) as error:
        fit(validation=data)
    assert str(error.value).startswith(text.replace("fit", "fit: validation"))


OTHER = nn.Dense(2, 3, rng=0)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"model": nn.Dense}, "fit: expected a model (nn.Module), got type"),
        ({"optimizer": None}, "fit: expected an optimizer, got None"),
        (
            {"optimizer": optim.SGD},
            "fit: expected an optimizer, got <class 'tensorgrad.optim.sgd.SGD'>; "
            "make one: optim.SGD(model.parameters())",
        ),
        (
            {"optimizer": optim.SGD(OTHER.parameters(), lr=1)},
            "fit: 2 of the optimizer's 2 parameters are not of this model; "
            "make the optimizer from model.parameters(), after",
        ),
        ({"loss": None}, "fit: expected a loss, such as nn.MSELoss(), got None"),
        ({"loss": "mse"}, "fit: expected a loss, such as nn.MSELoss(), got 'mse'"),
        (
            {"loss": nn.MSELoss},
            "fit: expected a loss, such as nn.MSELoss(), got <class 'tensorgrad.nn.losses.regression.MSELoss'>; "
            "call the class: MSELoss()",
        ),
        ({"loss": lambda o, t: 1.0}, "fit: the loss must be a tensor that depends on the model, got float"),
        ({"loss": lambda o, t: np.float64(1)}, "fit: the loss must be a tensor that depends on the model, got float64"),
        ({"epochs": -1}, "fit: epochs must be a whole number of at least 0, got -1"),
        ({"epochs": 1.5}, "fit: epochs must be a whole number of at least 0, got 1.5"),
        ({"epochs": True}, "fit: epochs must be a whole number of at least 0, got True"),
        ({"batch_size": 0}, "fit: batch_size must be a positive whole number or None for all rows, got 0"),
        ({"batch_size": 2.5}, "fit: batch_size must be a positive whole number or None for all rows, got 2.5"),
        ({"batch_size": True}, "fit: batch_size must be a positive whole number or None for all rows, got True"),
        ({"threads": 0}, "fit: threads must be a whole number of at least 1, or None for all processors, got 0"),
        ({"threads": 1.5}, "fit: threads must be a whole number of at least 1, or None for all processors, got 1.5"),
        ({"threads": True}, "fit: threads must be a whole number of at least 1, or None for all processors, got True"),
        ({"schedule": 0.1}, "fit: schedule must be a function step -> learning rate, or None, got 0.1"),
        ({"schedule": lambda step: -1}, "fit: the schedule must give a number of at least 0, got -1 for step 0"),
        ({"schedule": lambda step: None}, "fit: the schedule must give a number of at least 0, got None for step 0"),
        ({"callbacks": ["x"]}, "fit: expected callbacks to be functions of the History, got 'x'"),
    ],
    ids=lambda o: next(iter(o)) if isinstance(o, dict) else "",
)
def test_option_errors(fit, make, bits, options, text):
    model, sgd = make()
    with pytest.raises(OptionError) as error:
        fit(**({"model": model, "optimizer": sgd} | options))
    assert str(error.value).startswith(text)
    assert bits(model) == bits(make()[0])


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        (
            {"loss": lambda o, t: o},
            ShapeError,
            "fit: the loss must be a scalar, got shape (4, 3); reduce it with .mean()",
        ),
        ({"loss": lambda o, t: (o * o).mean().detach()}, GraphError, "backward: nothing was recorded"),
        ({"data": (X, LABELS + 1)}, LabelError, "softmax_cross_entropy: label 3 at row "),
        ({"data": (X[:, :1], LABELS)}, ShapeError, "Dense(2, 4): expected input of shape (..., 2), got (4, 1)"),
        (
            {"data": (X, X[:, 0]), "loss": nn.MSELoss()},
            ShapeError,
            "MSELoss: prediction has shape (10, 3) and target (10,)",
        ),
    ],
    ids=["not scalar", "detached", "label", "columns", "mse"],
)
def test_errors_of_the_first_step_change_nothing(fit, make, bits, options, error, text):
    model, sgd = make()
    with pytest.raises(error) as caught:
        fit(model=model, optimizer=sgd, **options)
    assert str(caught.value).startswith(text)
    assert bits(model) == bits(make()[0])


def test_a_wrong_label_is_named_by_its_row_before_anything_is_trained(fit, make, bits):
    model, sgd = make()
    before, labels = bits(model), np.arange(10) % 3
    labels[7] = 3
    with pytest.raises(LabelError, match="label 3 at row 7 is outside the 3 classes"):
        fit((X, labels), model=model, optimizer=sgd, batch_size=2)
    assert bits(model) == before
