"""Metrics of a training: names, functions, of all rows of an epoch."""

from functools import partial

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad.errors import OptionError

X = np.sin(np.arange(20.0)).reshape(10, 2)
LABELS = np.arange(10) % 3


def share_of_zero(outputs, targets):
    assert type(outputs) is np.ndarray
    return np.mean(targets == 0)


def test_metrics_as_names_and_functions(fit):
    _, history = fit(metrics=["accuracy", share_of_zero])
    assert history["share_of_zero"] == [0.4, 0.4]
    assert fit(metrics="accuracy")[1]["accuracy"] == history["accuracy"]
    assert fit(metrics=share_of_zero)[1]["share_of_zero"] == [0.4, 0.4]


def recall_of_2(outputs, targets):
    return tg.metrics.recall(outputs.argmax(axis=1) == 2, targets == 2)


@pytest.mark.parametrize("compile", [True, False])
def test_metrics_are_of_the_whole_epoch(fit, compile):
    """With a learning rate of 0 the outputs of all steps are those of the model at the end."""
    names = ["accuracy", "f1_macro", "precision_weighted", "top_k_accuracy"]
    options = {"metrics": [*names, recall_of_2], "lr": 0, "compile": compile}
    model, history = fit(epochs=3, batch_size=3, **options)
    whole = tg.evaluate(model, (X, LABELS), metrics=options["metrics"], batch_size=4)
    assert {name: history[name] for name in whole} == {name: [value] * 3 for name, value in whole.items()}
    outputs = tg.predict(model, X)
    assert whole["f1_macro"] == tg.metrics.f1(outputs, LABELS, average="macro")
    assert whole["recall_of_2"] == recall_of_2(outputs, LABELS)


def test_a_partial_is_named_by_its_function(fit):
    assert "top_k_accuracy" in fit(metrics=[partial(tg.metrics.top_k_accuracy, k=1)])[1]


def loss(outputs, targets):
    return 100.0


class Scorer:
    def __call__(self, outputs, targets):
        return 1.0


def test_metrics_without_a_name_are_named_by_their_class(fit):
    assert fit(metrics=[Scorer()])[1]["Scorer"] == [1, 1]
    assert "CrossEntropyLoss" in fit(metrics=[nn.CrossEntropyLoss()])[1]


@pytest.mark.parametrize(
    ("metrics", "text"),
    [
        (["acuracy"], "metrics: unknown metric 'acuracy'; did you mean 'accuracy'? (known: 'accuracy', "),
        ([3], "metrics: unknown metric 3 (known: 'accuracy', "),
        ([loss], "metrics: a metric cannot be named 'loss'"),
        ([lambda o, t: 1, lambda o, t: 2], "metrics: two metrics are named '<lambda>'"),
        (None, "metrics: expected names or functions, got None"),
        ([lambda o, t: np.ones(2)], "metrics: '<lambda>' must return a number, got an array of shape (2,)"),
    ],
    ids=["misspelt", "number", "loss", "twice", "None", "array"],
)
def test_metric_errors(fit, metrics, text):
    with pytest.raises(OptionError) as error:
        fit(metrics=metrics)
    assert str(error.value).startswith(text)
