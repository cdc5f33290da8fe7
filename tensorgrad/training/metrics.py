"""Metrics: numbers a person reads, from predictions and targets as plain arrays."""

import numpy as np

from ..errors import ShapeError, choose


def accuracy(prediction, target):
    """The share of rows whose largest output is the right class: (n, classes), int (n,) or one-hot (n, classes) -> number.

    >>> float(accuracy(np.array([[0.1, 0.9], [0.8, 0.2]]), np.array([1, 1])))
    0.5
    """
    if np.ndim(prediction) != 2 or len(prediction) != len(target):
        raise ShapeError(
            f"accuracy: expected outputs of shape (n, classes) and n targets, got {np.shape(prediction)} and {np.shape(target)}"
        )
    if np.ndim(target) == 2:
        target = np.argmax(target, axis=1)
    return np.mean(np.argmax(prediction, axis=1) == target)


METRICS = {"accuracy": accuracy}


def named_metrics(metrics):
    """{name: function} from names and functions."""
    metrics = (metrics,) if isinstance(metrics, str) or callable(metrics) else metrics
    return {
        (m.__name__ if callable(m) else m): (m if callable(m) else choose("metrics", "metric", m, METRICS))
        for m in metrics
    }
