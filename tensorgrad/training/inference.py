"""predict and evaluate: a model's outputs and scores as plain numbers, on either engine."""

import numpy as np

from .._program.callable import CompiledModel, evaluating
from .._tensor import plain
from ..data import checked
from ..data.batches import batches, checked_rows
from ..errors import OptionError
from .arguments import checked_loss, checked_model, checked_size, number_dtype
from .metrics import named_metrics, score


def predict(model, X, batch_size=1024):
    """The model's outputs for all rows, as an array: (n, ...) -> (n, ...). Works in batches; records nothing.

    Raises DataError for data that is empty or has NaN in it.

    >>> from tensorgrad import nn
    >>> predict(nn.Sequential(nn.Dense(2, 3), rng=0), np.zeros((5, 2))).shape
    (5, 3)
    """
    X = checked_rows(X, number_dtype(checked_model("predict", model)), "predict: X")
    model.check_inputs(X)
    size = checked_size("predict", batch_size, len(X))
    run = runner(model)
    return np.concatenate([run(X[rows]) for rows in batches(len(X), size)])


def runner(model):
    """What computes a model's outputs as arrays: on the tensor engine a program, once a shape has come twice."""
    if model.engine == "tensor":
        return CompiledModel(model, patient=True)

    def run(x):
        with evaluating(model):
            return plain(model(x))

    return run


def evaluate(model, data, loss=None, metrics=(), batch_size=1024, run=None):
    """Loss and metrics over (X, y), as a dict of numbers: {"loss": ..., "accuracy": ...}.

    >>> from tensorgrad import nn
    >>> model = nn.Sequential(nn.Dense(2, 3), rng=0)
    >>> evaluate(model, (np.zeros((4, 2)), np.array([0, 0, 0, 1])), metrics=["accuracy"])
    {'accuracy': 0.75}

    The loss is that of all rows at once, as its mean may be one of weights. `run`, if given, computes the model's outputs:
    fit keeps one from epoch to epoch.
    """
    X, y = checked(data, number_dtype(checked_model("evaluate", model)), "evaluate")
    model.check_inputs(X)
    loss = None if loss is None else checked_loss("evaluate", loss)
    size = checked_size("evaluate", batch_size, len(X))
    if loss is None and not metrics:
        raise OptionError(
            'evaluate: nothing to evaluate; pass loss=nn.CrossEntropyLoss(), say, or metrics=["accuracy"]'
        )
    metrics = named_metrics(metrics)
    run = run or runner(model)
    together = np.concatenate([run(X[rows]) for rows in batches(len(X), size)])
    result = {}
    if loss is not None:
        with evaluating(model):
            result["loss"] = float(plain(loss(together, y)))
    return result | {name: score(name, metric, together, y) for name, metric in metrics.items()}
