"""Metrics against scikit-learn's, random and at the edges; and what they refuse."""

import warnings

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import metrics
from tensorgrad.errors import DataError, DTypeError, LabelError, OptionError, ShapeError

theirs = pytest.importorskip("sklearn.metrics")

RNG = np.random.default_rng(0)
LABELS = {  # name: (predicted, true)
    "two classes": (RNG.integers(0, 2, 50), RNG.integers(0, 2, 50)),
    "four classes": (RNG.integers(0, 4, 60), RNG.integers(0, 4, 60)),
    "never predicted": (RNG.integers(0, 2, 60), RNG.integers(0, 4, 60)),
    "never there": (RNG.integers(0, 4, 60), RNG.integers(1, 3, 60)),
    "nothing right": (np.zeros(5, int), np.ones(5, int)),
    "all 0": (np.zeros(5, int), np.zeros(5, int)),
    "all 1": (np.ones(5, int), np.ones(5, int)),
    "one row": (np.array([1]), np.array([0])),
    "labels far apart": (np.array([-3, 7, 1]), np.array([7, 7, 1])),
    "words": (np.array(["cat", "dog", "cat"]), np.array(["cat", "cat", "eel"])),
    "booleans": (np.array([True, False, True]), np.array([True, True, False])),
    "whole floats": (np.array([1.0, 0.0, 2.0]), np.array([1.0, 1.0, 2.0])),
}
of_labels = pytest.mark.parametrize("name", LABELS)


def same(ours, wanted):
    np.testing.assert_allclose(ours, wanted, rtol=1e-14, atol=1e-15)


@of_labels
def test_accuracy_and_confusion_matrix(name):
    predicted, true = LABELS[name]
    same(metrics.accuracy(predicted, true), theirs.accuracy_score(true, predicted))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is a single label
        wanted = theirs.confusion_matrix(true, predicted)
    np.testing.assert_array_equal(metrics.confusion_matrix(predicted, true), wanted)


@of_labels
@pytest.mark.parametrize("zero_division", [0, 1, np.nan])
@pytest.mark.parametrize("average", ["macro", "micro", "weighted", None, "binary"])
@pytest.mark.parametrize("metric", ["precision", "recall", "f1"])
def test_precision_recall_and_f1(name, average, zero_division, metric):
    predicted, true = LABELS[name]
    options = {"average": average, "zero_division": zero_division}
    try:
        wanted = getattr(theirs, f"{metric}_score")(true, predicted, **options)
    except ValueError:
        with pytest.raises(OptionError, match="classes; choose average=|pos_label 1 is not among"):
            getattr(metrics, metric)(predicted, true, **options)
    else:
        same(getattr(metrics, metric)(predicted, true, **options), wanted)


def test_outputs_of_models():
    scores, true = RNG.normal(size=(40, 3)), RNG.integers(0, 3, 40)
    predicted = scores.argmax(axis=1)
    for targets in (true, np.eye(3)[true], true.astype(float)):
        for outputs in (scores, tg.tensor(scores)):
            same(metrics.accuracy(outputs, targets), theirs.accuracy_score(true, predicted))
            same(metrics.f1(outputs, targets, average="macro"), theirs.f1_score(true, predicted, average="macro"))
            for k in (1, 2):
                wanted = theirs.top_k_accuracy_score(true, scores, k=k, labels=range(3))
                same(metrics.top_k_accuracy(outputs, targets, k=k), wanted)
    assert metrics.confusion_matrix(scores[:1], np.array([2])).shape == (3, 3)
    tied = np.round(scores)
    same(metrics.top_k_accuracy(tied, true), theirs.top_k_accuracy_score(true, tied, k=2))


@pytest.mark.parametrize("shape", [(40,), (40, 1)])
def test_one_score_a_row(shape):
    logits, true = RNG.normal(size=40), RNG.integers(0, 2, 40)
    for targets in (true, true.reshape(shape), true.reshape(shape).astype(float)):
        same(metrics.accuracy(logits.reshape(shape), targets, threshold=0), theirs.accuracy_score(true, logits > 0))
        same(metrics.recall(logits.reshape(shape), targets, threshold=0.5), theirs.recall_score(true, logits > 0.5))


NUMBERS = {
    "a column": (RNG.normal(size=30), RNG.normal(size=30)),
    "three columns": (RNG.normal(size=(30, 3)), RNG.normal(size=(30, 3)) * [1, 10, 100]),
    "equal targets": (np.array([[1.0, 2.0], [1.0, 3.0]]), np.array([[1.0, 2.0], [1.0, 2.0]])),
    "whole numbers": (np.array([1, 2, 3]), np.array([1, 2, 5])),
    "large": (RNG.normal(size=30) * 1e150, RNG.normal(size=30) * 1e150),
    "float32": (RNG.normal(size=30).astype("float32"), (RNG.normal(size=30) + 1000).astype("float32")),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_regression(name):
    outputs, targets = NUMBERS[name]
    for ours, of_sklearn in [("mae", "mean_absolute_error"), ("rmse", "root_mean_squared_error"), ("r2", "r2_score")]:
        wanted = getattr(theirs, of_sklearn)(targets.astype(float), outputs.astype(float))
        np.testing.assert_allclose(getattr(metrics, ours)(outputs, targets), wanted, rtol=1e-12)


def test_edges_of_regression():
    assert np.isnan(metrics.r2(np.ones(1), np.ones(1)))  # as scikit-learn's, which warns
    images = RNG.normal(size=(2, 4, 3, 3))
    assert metrics.mae(*images) == metrics.mae(*images.reshape(2, 4, 9))


SCORES, TWO, THREE = np.ones((3, 2)), np.array([0, 1, 1]), np.array([0, 1, 2])


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: metrics.accuracy(np.ones((3, 1)), TWO), ShapeError, "accuracy: expected outputs of shape (n, classes)"),
        (lambda: metrics.accuracy(SCORES, np.ones((3, 3))), ShapeError, "accuracy: expected outputs of shape (n, classes)"),
        (lambda: metrics.accuracy(THREE, THREE[:2]), ShapeError, "accuracy: expected outputs"),
        (lambda: metrics.accuracy(1.0, 1), ShapeError, "accuracy: expected outputs"),
        (lambda: metrics.accuracy(SCORES, TWO, threshold=0), ShapeError, "accuracy: with a threshold expected outputs of"),
        (lambda: metrics.accuracy(TWO, TWO, threshold="0"), OptionError, "accuracy: threshold must be a number, got '0'"),
        (lambda: metrics.accuracy(np.array([0.2, 0.7, 1]), TWO), LabelError, "accuracy: expected labels, got 0.2; threshold"),
        (lambda: metrics.accuracy(SCORES, THREE), LabelError, "accuracy: targets must be labels from 0 to 1"),
        (lambda: metrics.accuracy(SCORES, -TWO), LabelError, "accuracy: targets must be labels from 0 to 1"),
        (lambda: metrics.accuracy(SCORES[:0], TWO[:0]), DataError, "accuracy: there are no rows"),
        (lambda: metrics.accuracy(SCORES * np.nan, TWO), DataError, "accuracy: the outputs have NaN in them, first in row 0"),
        (lambda: metrics.f1(THREE, THREE), OptionError, "f1: there are 3 classes; choose average='macro'"),
        (lambda: metrics.f1(TWO, TWO, average="makro"), OptionError, "f1: unknown average 'makro'; did you mean 'macro'?"),
        (lambda: metrics.recall(TWO, TWO, pos_label=2), OptionError, "recall: pos_label 2 is not among the labels [0, 1]"),
        (lambda: metrics.precision(TWO, TWO, zero_division="warn"), OptionError, "precision: zero_division must be 0, 1 or NaN"),
        (lambda: metrics.top_k_accuracy(SCORES, TWO, k=3), OptionError, "top_k_accuracy: k must be a whole number from 1 to"),
        (lambda: metrics.top_k_accuracy(SCORES, TWO, k=0), OptionError, "top_k_accuracy: k must be a whole number from 1 to"),
        (lambda: metrics.top_k_accuracy(TWO, TWO), ShapeError, "top_k_accuracy: expected outputs of shape (n, classes)"),
        (lambda: metrics.mae(SCORES, TWO), ShapeError, "mae: expected outputs and targets of one shape (n, ...), got (3, 2)"),
        (lambda: metrics.rmse(SCORES[:0], SCORES[:0]), DataError, "rmse: the outputs are empty, shape (0, 2)"),
        (lambda: metrics.r2(TWO, TWO * np.nan), DataError, "r2: the targets have NaN in them, first in row 0"),
        (lambda: metrics.r2(TWO, TWO.astype(str)), DTypeError, "r2: the targets must be real numbers, got <U21"),
    ],
)  # fmt: skip
def test_errors(call, error, text):
    with pytest.raises(error) as found:
        call()
    assert str(found.value).startswith(text)
