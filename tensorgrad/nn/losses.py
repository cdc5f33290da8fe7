"""Losses: `loss(prediction, target)` -> a scalar to call `.backward()` on."""

import numpy as np

from .. import ops
from ..errors import LabelError, ShapeError
from ..kernels import current
from .module import Module

__all__ = ["CrossEntropyLoss", "MSELoss"]


class CrossEntropyLoss(Module):
    """The mean of -log(softmax(logits)[label]): logits (n, classes), target int (n,) or one-hot (n, classes) -> ().

    Raises LabelError for a label outside the classes or a row that is not one-hot, ShapeError for other shapes.

    >>> CrossEntropyLoss()(np.zeros((2, 4)), np.array([0, 3]))
    array(1.38629436)
    """

    def forward(self, prediction, target):
        if np.ndim(target) != 2:
            return ops.softmax_cross_entropy(prediction, target)
        if np.shape(target) != np.shape(prediction):
            raise ShapeError(
                f"CrossEntropyLoss: one-hot targets must have the shape of the logits {np.shape(prediction)}, "
                f"got {np.shape(target)}"
                + ("; integer labels have shape (n,): y.ravel()" if np.shape(target)[1] == 1 else "")
            )
        if current.log is not None and current.log.targets_checked:
            return ops.softmax_cross_entropy(prediction, ops.argmax(target, axis=1))
        return ops.softmax_cross_entropy(
            prediction, self.labels(np.asarray(target))
        )  # a step that is recorded stays eager

    def check_targets(self, shape, targets):
        """Check the targets of a whole data set before training, given the shape (n, classes) of one batch's outputs."""
        targets = np.asarray(targets)
        if targets.ndim == 2:
            self.labels(targets)
        else:
            ops.softmax_cross_entropy.check(np.broadcast_to(0.0, (len(targets), *shape[1:])), targets)

    @staticmethod
    def labels(onehot):
        """One-hot rows as labels: (n, classes) -> int (n,)."""
        wrong = ~(((onehot == 0) | (onehot == 1)).all(axis=1) & (onehot.sum(axis=1) == 1))
        if wrong.any():
            row = int(np.argmax(wrong))
            raise LabelError(
                f"CrossEntropyLoss: row {row} of the targets is not one-hot: {onehot[row]}; expected a single 1 among zeros, "
                "or integer labels of shape (n,)"
            )
        return onehot.argmax(axis=1)


class MSELoss(Module):
    """The mean of (prediction - target)**2: equal shapes -> (). Raises ShapeError where they would broadcast.

    >>> MSELoss()(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    array(2.)
    """

    def forward(self, prediction, target):
        return ops.mse_loss(prediction, target)
