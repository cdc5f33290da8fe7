"""Metrics: numbers a person reads, from predictions and targets as plain arrays."""

import numpy as np

from .._tensor import plain
from ..errors import OptionError, ShapeError, choose


def accuracy(prediction, target):
    """The share of rows whose largest output is the right class.

    Outputs (n, classes), targets int (n,) or one-hot (n, classes) -> number. Raises ShapeError for other shapes.

    >>> float(accuracy(np.array([[0.1, 0.9], [0.8, 0.2]]), np.array([1, 1])))
    0.5
    """
    shape, wanted = np.shape(prediction), np.shape(target)
    if len(shape) != 2 or shape[1] < 2 or wanted not in (shape, shape[:1]):
        raise ShapeError(
            "accuracy: expected outputs of shape (n, classes) and targets of shape (n,) or (n, classes), "
            f"got {shape} and {wanted}"
        )
    target = np.argmax(target, axis=1) if len(wanted) == 2 else target
    return np.mean(np.argmax(prediction, axis=1) == target)


accuracy.by_rows = True  # type: ignore[attr-defined]  # a mean over rows: that of an epoch can be taken at once

METRICS = {"accuracy": accuracy}


def named_metrics(metrics):
    """{name: function} from a name, a function, or several; a function goes by its own name or that of its class."""
    if metrics is None:
        raise OptionError("metrics: expected names or functions, got None")
    named = {}
    for metric in (metrics,) if isinstance(metrics, str) or callable(metrics) else metrics:
        function = metric if callable(metric) else choose("metrics", "metric", metric, METRICS)
        name = getattr(metric, "__name__", type(metric).__name__) if callable(metric) else metric
        if name == "loss":
            raise OptionError("metrics: a metric cannot be named 'loss', as the loss is; rename the function")
        if name in named:
            raise OptionError(f"metrics: two metrics are named {name!r}; give the functions names of their own")
        named[name] = function
    return named


def score(name, metric, outputs, targets):
    """One metric as a number."""
    value = metric(outputs, targets)
    if value is None:
        raise OptionError(f"metrics: {name!r} must return a number, got None; did it forget its return?")
    value = plain(value)
    if np.size(value) != 1:
        raise OptionError(f"metrics: {name!r} must return a number, got an array of shape {np.shape(value)}")
    return float(value)
