"""What a classifier's outputs and targets mean, as probabilities and labels."""

import numpy as np

from ..errors import DataError, LabelError, ShapeError


def probabilities(outputs, owner):
    """Class probabilities from outputs: (n, classes) -> (n, classes), of at least two classes.

    Rows that are probabilities already stay as they are; all else is taken as logits.
    """
    outputs = np.asarray(outputs, dtype=np.float64)
    if outputs.ndim != 2 or outputs.shape[1] < 2:
        raise ShapeError(
            f"{owner}: expected outputs of shape (n, classes), one for each of at least two classes, got {outputs.shape}"
        )
    if not np.isfinite(outputs).all():
        row = int(np.argmin(np.isfinite(outputs).all(axis=1)))
        raise DataError(f"{owner}: the model's outputs for row {row} are {outputs[row]}; they must be finite numbers")
    if (outputs >= 0).all() and np.allclose(outputs.sum(axis=1), 1, atol=1e-3):
        return outputs
    e = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def labels(target, count, classes, owner):
    """Labels from targets: int (n,), (n, 1) or one-hot (n, classes) -> int (n,), checked."""
    target = np.asarray(target)
    if target.ndim == 2:
        target = target[:, 0] if target.shape[1] == 1 else target.argmax(axis=1)
    if target.shape != (count,):
        raise ShapeError(f"{owner}: expected {count} labels of shape ({count},), got {target.shape}")
    found = target.astype(np.int64)
    for row in np.flatnonzero((found != target) | (found < 0) | (found >= classes))[:1]:
        raise LabelError(
            f"{owner}: label {target[row]} at row {row} is not one of the {classes} classes, 0 to {classes - 1}"
        )
    return found
