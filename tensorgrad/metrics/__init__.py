"""Numbers that a person reads: how good predictions are. Functions (outputs, targets) -> number, on plain arrays.

The definitions are scikit-learn's; the outputs come first here, as in losses. `fit` and `evaluate` take their names, and
functions of your own: `metrics=["accuracy", "f1_macro", my_metric]`.
"""

from functools import partial

from .classification import accuracy, confusion_matrix, f1, precision, recall, top_k_accuracy
from .regression import mae, r2, rmse

__all__ = ["accuracy", "confusion_matrix", "f1", "mae", "precision", "r2", "recall", "rmse", "top_k_accuracy"]

# by the names that fit and evaluate take: also f1_macro and so on, as scikit-learn's scorers are called
_BY_NAME = {f.__name__: f for f in (accuracy, top_k_accuracy, precision, recall, f1, mae, rmse, r2)}
_BY_NAME |= {
    f"{f.__name__}_{average}": partial(f, average=average)
    for f in (precision, recall, f1)
    for average in ("macro", "micro", "weighted")
}
