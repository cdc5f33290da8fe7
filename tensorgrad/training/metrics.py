"""Metrics as fit and evaluate are given them: names or functions."""

import numpy as np

from .._tensor import plain
from ..errors import OptionError, choose
from ..metrics import _BY_NAME


def named_metrics(metrics):
    """{name: function} from a name, a function, or several; a function goes by its own name or that of its class."""
    if metrics is None:
        raise OptionError("metrics: expected names or functions, got None")
    named = {}
    for metric in (metrics,) if isinstance(metrics, str) or callable(metrics) else metrics:
        function = metric if callable(metric) else choose("metrics", "metric", metric, _BY_NAME)
        named_by = getattr(metric, "func", metric)  # of functools.partial
        name = getattr(named_by, "__name__", type(metric).__name__) if callable(metric) else metric
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
