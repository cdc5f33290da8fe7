"""Losses of distributions: how unlikely what came is to a predicted one, and how far two are from each other."""

import math

import numpy as np

from ... import ops
from ..._options import flag, number
from ...errors import DataError, ShapeError
from .loss import Loss, as_target, check_between, check_equal, fixed, seen, shape_of


class KLDivLoss(Loss):
    """t (log(t) - log_p) of log-probabilities: equal shapes -> () or, with reduction="none", that shape; 0 where t = 0.

    The sum over the classes is the Kullback-Leibler divergence of p from the target (1951): reduction="batchmean" divides
    it by the number of rows, while "mean" divides by that of all elements. log_target=True: targets are logarithms, too.
    Raises LabelError for targets that are no probabilities.

    >>> KLDivLoss("batchmean")(np.log([[0.5, 0.5]]), np.array([[1.0, 0.0]]))
    array(0.69314718)
    """

    reductions = ("mean", "batchmean", "sum", "none")

    def __init__(self, reduction="mean", log_target=False):
        super().__init__(reduction)
        self.log_target = flag(self.name, "log_target", log_target)

    def check_values(self, shape, targets):
        if self.log_target:
            check_between(
                self.name, "targets, logarithms of probabilities,", -targets, 0, np.inf, " of their negatives"
            )
        else:
            check_between(self.name, "targets", targets, 0, 1)

    def values(self, prediction, target):
        if self.log_target:
            apart = ops.subtract(target, prediction)
            apart = ops.where(ops.greater(target, -np.inf), apart, fixed(0.0, prediction))
            return ops.multiply(ops.exp(target), apart)
        return ops.kl_div(prediction, target)

    def reduced(self, values, sample_weight=None, share=None):
        if self.reduction == "batchmean":
            shape = shape_of(values)
            values = ops.sum(values, axis=tuple(range(1, len(shape)))) if len(shape) > 1 else values
        return super().reduced(values, sample_weight, share)


class PoissonNLLLoss(Loss):
    """exp(x) - t x, the negative logarithm of a Poisson probability of counts t with rate exp(x), less log(t!).

    Equal shapes -> () or, with reduction="none", that shape. log_input=False: predictions are rates r, and the loss is
    r - t log(r + eps). full=True adds Stirling's t log(t) - t + log(2 pi t) / 2 for log(t!), where t > 1.
    Raises LabelError for negative counts.

    >>> PoissonNLLLoss()(np.array([0.0, 1.0]), np.array([2, 3]))
    array(0.35914091)
    """

    def __init__(self, log_input=True, full=False, eps=1e-8, reduction="mean"):
        super().__init__(reduction)
        self.log_input, self.full = flag(self.name, "log_input", log_input), flag(self.name, "full", full)
        self.eps = number(self.name, "eps", eps, 0)

    def check_values(self, shape, targets):
        check_between(self.name, "targets, which are counts,", targets, 0, np.inf)

    def values(self, prediction, target):
        if self.log_input:
            losses = ops.subtract(ops.exp(prediction), ops.multiply(target, prediction))
        else:
            losses = ops.subtract(prediction, ops.multiply(target, ops.log(ops.add(prediction, self.eps))))
        if not self.full:
            return losses
        t = ops.maximum(target, fixed(1.0, prediction))
        stirling = ops.multiply(t, ops.log(t)) - t + ops.multiply(ops.log(ops.multiply(t, 2 * math.pi)), 0.5)
        return ops.add(losses, ops.where(ops.greater(target, 1.0), stirling, fixed(0.0, prediction)))


class GaussianNLLLoss(Loss):
    """`loss(mean, target, var)`: (log(v) + (mean - target)**2 / v) / 2 with v = max(var, eps) (Nix and Weigend 1994).

    Equal shapes -> () or, with reduction="none", that shape; var may have length 1 along the last axis, one variance for
    each row. full=True adds log(2 pi) / 2. Raises DataError for a negative variance, ShapeError for other shapes.

    >>> GaussianNLLLoss()(np.array([0.0, 2.0]), np.array([0.0, 0.0]), np.array([1.0, 1.0]))
    array(1.)
    """

    def __init__(self, full=False, eps=1e-6, reduction="mean"):
        super().__init__(reduction)
        self.full = flag(self.name, "full", full)
        self.eps = number(self.name, "eps", eps, 0, above=True)

    def forward(self, mean, target, var, sample_weight=None):  # type: ignore[override]
        shape = shape_of(mean)
        check_equal(self.name, "mean", shape, "target", shape_of(target))
        if shape_of(var) not in (shape, (*shape[:-1], 1)):
            raise ShapeError(
                f"{self.name}: var must have the shape of the mean {shape}, or length 1 along its last axis, "
                f"got {shape_of(var)}"
            )
        v = seen(var)
        if (v < 0).any():
            where = tuple(int(i) for i in np.argwhere(v < 0)[0])
            raise DataError(
                f"{self.name}: a variance must be at least 0, got {v[where]:g} at index {where}; predict its logarithm and "
                "take np.exp of it, or use a Softplus"
            )
        values = ops.gaussian_nll(mean, as_target(target, mean), var, eps=self.eps)
        return self.reduced(values + math.log(2 * math.pi) / 2 if self.full else values, sample_weight)
