"""The focal loss: a cross-entropy that leaves out what is easy."""

from typing import Any

import numpy as np

from ... import ops
from ..._options import number
from ...errors import OptionError
from .classification import _OfLabels, of_label, onehot
from .loss import check_count, check_one_of, checked_weights, fixed, shape_of


class FocalLoss(_OfLabels):
    """-alpha (1 - p)**gamma log(p) of the probability p of what is right, from logits (Lin et al. 2017, equation 5).

    With labels int (n, ...) beside logits (n, ..., classes) p is softmax(logits)[label], and alpha has a number for each
    class: -> (), or (n, ...) with reduction="none". With targets 0 and 1 of the logits' shape every element is a problem of
    its own, p is sigmoid(logit) or 1 - sigmoid(logit), and alpha is a number between 0 and 1 for the positives, whose rest
    1 - alpha is for the negatives. The mean is over all rows or elements, whatever their alpha.

    Raises LabelError for a label outside the classes or a target that is not 0 or 1, OptionError for a negative gamma or an
    alpha of the wrong kind.

    >>> FocalLoss(gamma=0)(np.zeros((2, 4)), np.array([0, 3]))
    array(1.38629436)
    >>> FocalLoss(alpha=0.25)(np.array([0.0, 5.0]), np.array([1, 1]))
    array(0.02166089)
    """

    def __init__(self, gamma=2.0, alpha=None, reduction="mean"):
        super().__init__(reduction)
        self.gamma = number(self.name, "gamma", gamma, 0)
        self.alpha: Any = None
        if alpha is not None:
            one = np.ndim(alpha) == 0
            self.alpha = (
                number(self.name, "alpha", alpha, 0, most=1) if one else checked_weights(self.name, "alpha", alpha)
            )

    def check_shapes(self, shape, target):
        if target == shape:
            if np.ndim(self.alpha):
                raise OptionError(
                    f"{self.name}: alpha must be one number where targets are 0 and 1, got {self.alpha!r}"
                )
            return
        super().check_shapes(shape, target)
        if isinstance(self.alpha, float):
            raise OptionError(f"{self.name}: alpha must have a number for each class, got {self.alpha!r}")
        check_count(self.name, "alpha", self.alpha, shape[-1])

    def check_values(self, shape, targets):
        if targets.shape == shape:
            check_one_of(self.name, targets, 0, 1)
        else:
            super().check_values(shape, targets)

    def values(self, prediction, target):
        if shape_of(target) == shape_of(prediction):
            right = ops.greater(target, 0.5)
            losses = ops.focal(ops.where(right, prediction, ops.negative(prediction)), gamma=self.gamma)
            shares = None if self.alpha is None else ops.where(
                right, fixed(self.alpha, prediction), fixed(1 - self.alpha, prediction))  # fmt: skip
        else:
            hot = onehot(target, prediction)
            others = ops.logsumexp(ops.where(hot, fixed(-np.inf, prediction), prediction), axis=-1)
            losses = ops.focal(ops.subtract(of_label(prediction, hot), others), gamma=self.gamma)
            shares = None if self.alpha is None else of_label(fixed(self.alpha, prediction), hot)
        return losses if shares is None else ops.multiply(losses, shares)
