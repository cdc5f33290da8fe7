"""How far predicted numbers are from the right ones. Outputs and targets (n, ...); several numbers a row count alike."""

import numpy as np

from .._tensor import plain
from ..errors import DataError, DTypeError, ShapeError


def mae(outputs, targets):
    """The mean absolute error, mean |output - target|: (n, ...), (n, ...) -> number in the targets' units.

    Raises ShapeError for shapes that are not equal, DataError where there are no rows or NaN. scikit-learn's
    mean_absolute_error.

    >>> float(mae(np.array([1.0, 2.0]), np.array([1.0, 5.0])))
    1.5
    """
    outputs, targets = _columns("mae", outputs, targets)
    return np.mean(np.abs(outputs - targets))


def rmse(outputs, targets):
    """The root of the mean squared error, sqrt(mean (output - target)**2): (n, ...), (n, ...) -> number in the targets' units.

    Of several numbers a row, the mean of the roots. Errors as of `mae`. scikit-learn's root_mean_squared_error.

    >>> float(rmse(np.array([1.0, 2.0]), np.array([4.0, 5.0])))
    3.0
    """
    outputs, targets = _columns("rmse", outputs, targets)
    return np.mean(np.sqrt(np.mean((outputs - targets) ** 2, axis=0)))


def r2(outputs, targets):
    """R squared, 1 - sum (target - output)**2 / sum (target - mean)**2: (n, ...), (n, ...) -> number, at best 1.

    0 is as good as the mean of the targets. Where all targets are equal it is 1 for exact outputs, else 0; of a single row
    it is NaN. Of several numbers a row, the mean. Errors as of `mae`. scikit-learn's r2_score.

    >>> float(r2(np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 3.0])))
    0.5
    """
    outputs, targets = _columns("r2", outputs, targets)
    if len(targets) < 2:
        return np.float64(np.nan)
    left = ((targets - outputs) ** 2).sum(axis=0)
    total = ((targets - targets.mean(axis=0)) ** 2).sum(axis=0)
    same = np.where(left == 0, 1.0, 0.0)
    return np.mean(1 - np.divide(left, total, out=1 - same, where=total > 0))


def _columns(owner, outputs, targets):
    """Outputs and targets as float64 (n, columns)."""
    outputs, targets = (np.asarray(plain(a)) for a in (outputs, targets))
    if outputs.shape != targets.shape or not outputs.ndim:
        raise ShapeError(
            f"{owner}: expected outputs and targets of one shape (n, ...), got {outputs.shape} and {targets.shape}"
        )
    for name, array in (("outputs", outputs), ("targets", targets)):
        if array.dtype.kind not in "iufb":
            raise DTypeError(f"{owner}: the {name} must be real numbers, got {array.dtype}")
        if not array.size:
            raise DataError(f"{owner}: the {name} are empty, shape {array.shape}")
        if np.isnan(array).any():
            raise DataError(f"{owner}: the {name} have NaN in them, first in row {np.argwhere(np.isnan(array))[0][0]}")
    return (a.reshape(len(a), -1).astype(np.float64) for a in (outputs, targets))
