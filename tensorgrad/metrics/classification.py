"""How often predicted classes are right."""

import math

import numpy as np

from .._options import is_real, is_whole
from .._tensor import plain
from ..errors import DataError, LabelError, OptionError, ShapeError, choose


def accuracy(outputs, targets, *, threshold=None):
    """The share of rows whose class is right.

    Outputs (n, classes), of which the largest counts, or labels (n,); targets labels (n,) or one-hot (n, classes). Of one
    score a row, (n,) or (n, 1), those above `threshold` are class 1: 0 for logits, 0.5 for probabilities. Raises ShapeError
    for other shapes, DataError where there are no rows or outputs are NaN. scikit-learn's accuracy_score.

    >>> float(accuracy(np.array([[0.1, 0.9], [0.8, 0.2]]), np.array([1, 1])))
    0.5
    """
    predicted, true, _ = _labels("accuracy", outputs, targets, threshold)
    return np.mean(predicted == true)


def top_k_accuracy(outputs, targets, *, k=2):
    """The share of rows whose right class is among the k with the largest outputs; of equal ones the last count.

    Outputs (n, classes), targets labels (n,) or one-hot (n, classes). Raises as `accuracy` does, LabelError for labels that
    are no class, OptionError for a k that is not from 1 to the number of classes. scikit-learn's top_k_accuracy_score.

    >>> float(top_k_accuracy(np.array([[0.1, 0.6, 0.3], [0.8, 0.1, 0.1]]), np.array([2, 1]), k=2))
    0.5
    """
    outputs = np.asarray(plain(outputs))
    _, true, classes = _labels("top_k_accuracy", outputs, targets, None)
    if classes is None:
        raise ShapeError(f"top_k_accuracy: expected outputs of shape (n, classes), got {outputs.shape}")
    if not is_whole(k, 1) or k > classes:
        raise OptionError(f"top_k_accuracy: k must be a whole number from 1 to the {classes} classes, got {k!r}")
    best = np.argsort(outputs, axis=1, kind="stable")[:, -int(k) :]
    return np.mean((best == true[:, None]).any(axis=1))


def confusion_matrix(outputs, targets, *, threshold=None):
    """How many rows of each class (down) were taken for each class (across), int (classes, classes).

    Outputs and targets as in `accuracy`. The classes are those of the columns of the outputs; where outputs are labels,
    those that occur, in order. scikit-learn's confusion_matrix.

    >>> confusion_matrix(np.array([0, 1, 1, 1]), np.array([0, 0, 1, 1]))
    array([[1, 1],
           [0, 2]])
    """
    predicted, true, classes = _labels("confusion_matrix", outputs, targets, threshold)
    found, numbers = np.unique(np.concatenate([true, predicted]), return_inverse=True)
    if classes is not None:
        found, numbers = np.arange(classes), np.concatenate([true, predicted])
    count, n = len(found), len(true)
    return np.bincount(numbers[:n] * count + numbers[n:], minlength=count**2).reshape(count, count)


def precision(outputs, targets, *, average="binary", pos_label=1, zero_division=0.0, threshold=None):
    """Of the rows taken for a class, the share that is of it: TP / (TP + FP).

    Outputs and targets as in `accuracy`. average: "binary" looks at the class `pos_label` of two; "macro" is the mean over
    the classes that occur, "weighted" weighs them by their rows, "micro" counts rows of all classes together; None gives an
    array, a number for each class. 0 / 0 is `zero_division`: 0, 1 or NaN, which means leave out. Raises OptionError for an
    unknown average, and for "binary" with more than two classes. scikit-learn's precision_score.

    >>> float(precision(np.array([1, 1, 0, 0]), np.array([1, 0, 0, 1])))
    0.5
    """
    tp, taken, _, weights = _counts("precision", outputs, targets, average, pos_label, threshold)
    return _averaged("precision", tp, taken, weights, average, zero_division)


def recall(outputs, targets, *, average="binary", pos_label=1, zero_division=0.0, threshold=None):
    """Of the rows of a class, the share that was taken for it: TP / (TP + FN).

    Options and errors as in `precision`. scikit-learn's recall_score.

    >>> float(recall(np.array([1, 0, 0, 0]), np.array([1, 1, 0, 1])).round(3))
    0.333
    """
    tp, _, there, weights = _counts("recall", outputs, targets, average, pos_label, threshold)
    return _averaged("recall", tp, there, weights, average, zero_division)


def f1(outputs, targets, *, average="binary", pos_label=1, zero_division=0.0, threshold=None):
    """The harmonic mean of precision and recall: 2 TP / (2 TP + FP + FN).

    Options and errors as in `precision`. scikit-learn's f1_score.

    >>> float(f1(np.array([[2.0, 1.0], [0.0, 1.0], [3.0, 5.0]]), np.array([1, 1, 1])))
    0.8
    """
    tp, taken, there, weights = _counts("f1", outputs, targets, average, pos_label, threshold)
    return _averaged("f1", 2 * tp, taken + there, weights, average, zero_division)


def _labels(owner, outputs, targets, threshold):
    """(predicted labels (n,), true labels (n,), the number of classes if the outputs say so)."""
    outputs, targets = np.asarray(plain(outputs)), np.asarray(plain(targets))
    shape, wanted = outputs.shape, targets.shape
    if threshold is not None:
        if not is_real(threshold) or math.isnan(threshold):
            raise OptionError(f"{owner}: threshold must be a number, got {threshold!r}")
        if shape not in (wanted, (*wanted, 1)) or shape[1:] not in ((), (1,)):
            raise ShapeError(
                f"{owner}: with a threshold expected outputs of shape (n,) or (n, 1), and as many targets, "
                f"got {shape} and {wanted}"
            )
    elif not (len(shape) == 1 == len(wanted) and shape == wanted) and not (
        len(shape) == 2 and shape[1] > 1 and wanted in (shape, shape[:1])
    ):
        raise ShapeError(
            f"{owner}: expected outputs of shape (n, classes) and targets of shape (n,) or (n, classes), "
            f"or labels (n,) and (n,), got {shape} and {wanted}; of one score a row, threshold=0 (logits) or 0.5 "
            "(probabilities) makes labels"
        )
    if not shape[0]:
        raise DataError(f"{owner}: there are no rows")
    for name, array in (("outputs", outputs), ("targets", targets)):
        if array.dtype.kind == "f" and np.isnan(array).any():
            raise DataError(f"{owner}: the {name} have NaN in them, first in row {np.argwhere(np.isnan(array))[0][0]}")
    if threshold is not None:
        return (outputs.reshape(-1) > threshold).astype(np.int64), _classes(owner, targets.reshape(-1), None), None
    if len(shape) == 1:
        return _classes(owner, outputs, None), _classes(owner, targets, None), None
    true = targets.argmax(axis=1) if len(wanted) == 2 else _classes(owner, targets, shape[1])
    return outputs.argmax(axis=1), true, shape[1]


def _classes(owner, labels, count):
    """Labels as they are, or as integers below `count`; errors for what is no label."""
    if labels.dtype.kind == "f" and (labels != np.floor(labels)).any():
        raise LabelError(
            f"{owner}: expected labels, got {labels[labels != np.floor(labels)][0]:g}; "
            "threshold=0 (logits) or 0.5 (probabilities) makes labels of scores"
        )
    if count is None:
        return labels.astype(np.int64) if labels.dtype.kind in "fb" else labels
    if labels.dtype.kind not in "iufb" or labels.min() < 0 or labels.max() >= count:
        wrong = labels[0] if labels.dtype.kind not in "iufb" else labels[(labels < 0) | (labels >= count)][0]
        raise LabelError(f"{owner}: targets must be labels from 0 to {count - 1}, one for each output, got {wrong!r}")
    return labels.astype(np.int64)


def _counts(owner, outputs, targets, average, pos_label, threshold):
    """For each class (TP, rows taken for it, rows of it, its weight), float (classes,); of the positive class for "binary"."""
    choose(owner, "average", average, {k: k for k in ("binary", "macro", "micro", "weighted", None)})
    predicted, true, _ = _labels(owner, outputs, targets, threshold)
    labels, numbers = np.unique(np.concatenate([true, predicted]), return_inverse=True)
    if average == "binary":
        if len(labels) > 2:
            raise OptionError(
                f"{owner}: there are {len(labels)} classes; choose average='macro', 'micro', 'weighted' or None "
                f"(by name: '{owner}_macro', ...)"
            )
        if len(labels) == 2 and pos_label not in labels.tolist():
            raise OptionError(f"{owner}: pos_label {pos_label!r} is not among the labels {labels.tolist()}")
        labels, numbers = np.array([pos_label]), np.where(np.concatenate([true, predicted]) == pos_label, 0, 1)
    n, count = len(true), len(labels)
    true, predicted = numbers[:n], numbers[n:]
    tp, taken, there = (
        np.bincount(a, minlength=count)[:count].astype(np.float64) for a in (true[true == predicted], predicted, true)
    )
    if average == "micro":
        return tp.sum(keepdims=True), taken.sum(keepdims=True), there.sum(keepdims=True), None
    return tp, taken, there, there if average == "weighted" else None


def _averaged(owner, part, whole, weights, average, zero_division):
    """part / whole of each class, and the mean over those that are not NaN."""
    if not is_real(zero_division) or not (zero_division in (0, 1) or math.isnan(zero_division)):
        raise OptionError(f"{owner}: zero_division must be 0, 1 or NaN, got {zero_division!r}")
    each = np.divide(part, whole, out=np.full(len(part), float(zero_division)), where=whole > 0)
    if average is None:
        return each
    there = ~np.isnan(each)
    if not there.any():
        return np.float64(np.nan)
    weights = None if weights is None or not weights[there].any() else weights[there]
    return np.average(each[there], weights=weights)
