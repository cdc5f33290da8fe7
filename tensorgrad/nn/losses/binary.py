"""Losses of yes or no."""

import numpy as np

from ... import ops
from ...errors import DataError, ShapeError
from .loss import Loss, check_between, check_one_of, checked_weights, fixed, seen, shape_of


class _OfProbability(Loss):
    """A loss of targets between 0 and 1."""

    def check_values(self, shape, targets):
        check_between(self.name, "targets", targets, 0, 1)


class BCELoss(_OfProbability):
    """-(t log(p) + (1 - t) log(1 - p)) of probabilities p: equal shapes -> () or, with reduction="none", that shape.

    Logarithms are at least -100, so that p of exactly 0 and 1 are allowed. On logits BCEWithLogitsLoss is more accurate.
    Raises LabelError for targets outside 0..1, DataError for predictions outside 0..1.

    >>> BCELoss()(np.array([0.5, 1.0]), np.array([1.0, 1.0]))
    array(0.34657359)
    """

    def values(self, prediction, target):
        check_probabilities(self.name, prediction)
        return ops.binary_cross_entropy(prediction, target)


def check_probabilities(name, prediction):
    """Raise DataError for predictions that are no probabilities; NaN is left to what follows from it."""
    p = seen(prediction)
    wrong = (p < 0) | (p > 1)
    if wrong.any():
        where = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise DataError(
            f"{name}: predictions must be probabilities between 0 and 1, got {p[where]:g} at index {where}; does the model "
            "end with a Sigmoid or Softmax?"
        )


class BCEWithLogitsLoss(_OfProbability):
    """-(pos_weight t log(p) + (1 - t) log(1 - p)) of p = sigmoid(logits), for logits of any size.

    Equal shapes -> () or, with reduction="none", that shape. pos_weight, one number for each element of the last axis or
    one for all, makes positives count for more. Raises LabelError for targets outside 0..1, ShapeError for another number
    of weights, OptionError for negative ones.

    >>> BCEWithLogitsLoss()(np.array([0.0, 1e4]), np.array([1.0, 1.0]))
    array(0.34657359)
    """

    def __init__(self, pos_weight=None, reduction="mean"):
        super().__init__(reduction)
        given = np.ravel(pos_weight) if pos_weight is not None and not np.ndim(pos_weight) else pos_weight
        self.pos_weight = checked_weights(self.name, "pos_weight", given)

    def check_shapes(self, shape, target):
        super().check_shapes(shape, target)
        if self.pos_weight is not None and len(self.pos_weight) not in (1, *shape[-1:]):
            raise ShapeError(
                f"{self.name}: pos_weight has {len(self.pos_weight)} numbers for predictions of shape {shape}"
            )

    def values(self, prediction, target):
        weight = fixed(1.0 if self.pos_weight is None else self.pos_weight, prediction)
        return ops.binary_cross_entropy_with_logits(
            prediction, target, weight if shape_of(prediction) else weight.ravel()[0]
        )


class _OfSign(Loss):
    """A loss of targets -1 and 1."""

    def check_values(self, shape, targets):
        check_one_of(self.name, targets, -1, 1)

    def margin(self, prediction, target):
        """max(0, 1 - t y)."""
        return ops.relu(ops.subtract(1.0, ops.multiply(prediction, target)))


class HingeLoss(_OfSign):
    """max(0, 1 - t y) of targets t = -1 or 1: equal shapes -> () or, with reduction="none", that shape.

    The loss of support vector machines (Cortes and Vapnik 1995). Raises LabelError for other targets.

    >>> HingeLoss()(np.array([2.0, 0.5]), np.array([1, -1]))
    array(0.75)
    """

    def values(self, prediction, target):
        return self.margin(prediction, target)


class SquaredHingeLoss(_OfSign):
    """max(0, 1 - t y)**2 of targets t = -1 or 1: equal shapes -> () or, with reduction="none", that shape.

    Raises LabelError for other targets.

    >>> SquaredHingeLoss()(np.array([2.0, 0.5]), np.array([1, -1]))
    array(1.125)
    """

    def values(self, prediction, target):
        return ops.square(self.margin(prediction, target))
