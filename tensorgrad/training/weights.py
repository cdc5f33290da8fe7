"""Weights of rows: what fit is given for samples and for classes, as one array beside the data."""

import inspect

import numpy as np

from .._options import is_whole
from ..data.batches import checked_rows
from ..errors import DataError, OptionError
from ..nn import Module
from ..nn.losses.loss import check_weights


def row_weights(owner, sample_weight, class_weight, targets, dtype, loss):
    """sample_weight times the weight of each row's class, in `dtype`, or None where neither is given."""
    weights, ignored = None, getattr(loss, "ignore_index", None)
    if sample_weight is not None:
        weights = checked_rows(sample_weight, dtype, f"{owner}: sample_weight")
        if len(weights) != len(targets):
            raise DataError(f"{owner}: sample_weight has {len(weights)} rows and y has {len(targets)}")
        if (weights < 0).any():
            where = int(np.argwhere(weights < 0)[0][0])
            raise DataError(f"{owner}: a weight must be at least 0, got {weights[where]} in row {where}")
    if class_weight is not None:
        labels = _labels(owner, targets)
        if reads_one_hot(targets) and not getattr(loss, "takes_one_hot", True):
            raise OptionError(
                f"{owner}: class_weight reads y of shape {targets.shape} as one-hot rows, and to {loss!r} a row may be "
                "several answers; give sample_weight= of y's shape, or of (n,), or a loss of classes"
            )
        of_rows = _by_class(owner, class_weight, labels)[labels]
        weights = of_rows if weights is None else _product(owner, weights, of_rows)
    if weights is None:
        return None
    weights = np.ascontiguousarray(weights, dtype)
    check_weights(owner, weights)
    if not weights.any():
        raise DataError(f"{owner}: all rows weigh 0; there is nothing to learn from")
    if ignored is not None and not weights[_kept(targets, ignored, weights.ndim)].any():
        raise DataError(
            f"{owner}: all rows whose label is not the ignored {ignored} weigh 0; there is nothing to learn from"
        )
    return weights


def _kept(targets, ignored, axes):
    """Which weights are of a label that is not ignored."""
    kept = targets != ignored
    return kept if kept.ndim <= axes else kept.any(axis=tuple(range(axes, kept.ndim)))


def _product(owner, weights, of_rows):
    """sample_weight times class weights; the one of fewer axes goes along the other's last ones."""
    axes = max(weights.ndim, of_rows.ndim)
    a, b = (w.reshape(*w.shape, *[1] * (axes - w.ndim)) for w in (weights, of_rows))
    if any(m != n and 1 not in (m, n) for m, n in zip(a.shape, b.shape, strict=True)):
        raise DataError(f"{owner}: sample_weight has shape {weights.shape}, and the labels have {of_rows.shape}")
    return a * b


def reads_one_hot(targets):
    """Whether class weights take targets for one-hot rows, and not for labels."""
    return targets.ndim == 2 and targets.shape[1] > 1 and (targets.dtype.kind not in "iu" or targets.max() <= 1)


def check_one_hot(owner, outputs, targets):
    """Raise OptionError where rows of this shape, read as one-hot, turn out to be labels beside outputs of that."""
    if len(outputs) != len(targets):
        raise OptionError(
            f"{owner}: class_weight reads y of shape {targets}, all 0 and 1, as one-hot rows, and beside outputs of shape "
            f"{outputs} they are labels; give nn.CrossEntropyLoss(weight=[...]) in its place"
        )


def _labels(owner, targets):
    """The class of each row: int (n, ...), from labels or one-hot rows."""
    if reads_one_hot(targets):
        if not (((targets == 0) | (targets == 1)).all() and (targets.sum(axis=1) == 1).all()):
            raise OptionError(
                f"{owner}: class_weight needs labels or one-hot rows; give sample_weight= for other targets"
            )
        return targets.argmax(axis=1)
    if targets.dtype.kind in "iu":
        labels = targets
    else:
        labels = targets.astype(np.int64)
        if not (labels == targets).all():
            raise OptionError(
                f"{owner}: class_weight needs labels or one-hot rows, and y has numbers that are not whole"
            )
    if labels.min() < 0:
        raise OptionError(f"{owner}: class_weight needs labels of at least 0, and y has {labels.min()}")
    return labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels


def _by_class(owner, class_weight, labels):
    """A weight for each class as an array; one that a dict leaves out weighs 1."""
    count = int(labels.max()) + 1
    if isinstance(class_weight, dict):
        for key in class_weight:
            if not is_whole(key, 0):
                raise OptionError(f"{owner}: class_weight has the key {key!r}; keys are labels 0, 1, ...")
        listed = list(class_weight.values())
    else:
        listed = class_weight
    try:
        found = np.asarray(listed, np.float64)
    except (TypeError, ValueError, OverflowError):
        found = np.array(np.nan)
    if found.ndim != 1 or not ((found >= 0) & (found < np.inf)).all():
        raise OptionError(
            f"{owner}: class_weight must be a dict label -> weight, or a weight for each class, of numbers of at least 0, "
            f"got {class_weight!r}"
        )
    if isinstance(class_weight, dict):
        given = {int(label): weight for label, weight in zip(class_weight, found, strict=True)}
        return np.array([given.get(label, 1.0) for label in range(count)])
    if len(found) < count:
        raise OptionError(f"{owner}: class_weight has {len(found)} weights, and y has the label {count - 1}")
    return found


def check_takes_weights(owner, loss):
    """Raise OptionError for a loss that cannot be called with sample_weight=."""
    try:
        parameters = inspect.signature(loss.forward if isinstance(loss, Module) else loss).parameters.values()
    except (TypeError, ValueError):  # written in another language: it says nothing of its parameters
        return
    if not any(p.name == "sample_weight" or p.kind is p.VAR_KEYWORD for p in parameters):
        raise OptionError(
            f"{owner}: sample_weight= and class_weight= need a loss(output, target, sample_weight), as those of nn are; "
            f"{loss!r} takes no sample_weight"
        )
