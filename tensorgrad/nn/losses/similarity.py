"""Losses of how near rows are to each other."""

import numpy as np

from ... import ops
from ..._options import flag, number
from ...errors import ShapeError
from ...kernels import current
from .loss import Loss, as_target, check_equal, check_one_of, look_at, shape_of

LEAST = 1e-12  # PyTorch's: added to each squared length, so that rows of zeros have a cosine


def check_rows(name, **inputs):
    """Raise ShapeError unless these are matrices (n, features) of one shape."""
    (first, a), *others = inputs.items()
    if np.ndim(a) != 2:
        raise ShapeError(f"{name}: expected rows (n, features), got {first} of shape {shape_of(a)}")
    for other, b in others:
        check_equal(name, first, shape_of(a), other, shape_of(b))


class CosineEmbeddingLoss(Loss):
    """`loss(x1, x2, target)`: 1 - cos where the target is 1, max(0, cos - margin) where it is -1.

    Rows (n, features), targets (n,) -> (), or (n,) with reduction="none"; cos = x1 @ x2 / (|x1| |x2|), with 1e-12 added to
    both squares. Raises LabelError for other targets, OptionError for a margin outside -1..1.

    >>> CosineEmbeddingLoss()(np.eye(2), np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([1, -1]))
    array(0.5)
    """

    def __init__(self, margin=0.0, reduction="mean"):
        super().__init__(reduction)
        self.margin = number(self.name, "margin", margin, -1, most=1)

    def forward(self, x1, x2, target, sample_weight=None):  # type: ignore[override]
        check_rows(self.name, x1=x1, x2=x2)
        if shape_of(target) != shape_of(x1)[:1]:
            raise ShapeError(f"{self.name}: expected targets of shape {shape_of(x1)[:1]}, got {shape_of(target)}")
        if current.targets is None:
            look_at(target, lambda t: check_one_of(self.name, t, -1, 1))
        target = as_target(target, x1)
        squares = [ops.sum(ops.square(x), axis=1) + LEAST for x in (x1, x2)]
        cosine = ops.divide(ops.sum(ops.multiply(x1, x2), axis=1), ops.sqrt(ops.multiply(*squares)))
        apart = ops.relu(cosine - self.margin)
        return self.reduced(ops.where(ops.greater(target, 0.0), 1.0 - cosine, apart), sample_weight)


class TripletMarginLoss(Loss):
    """`loss(anchor, positive, negative)`: max(0, |a - p| - |a - n| + margin), with eps added to every difference.

    Rows (n, features) -> (), or (n,) with reduction="none"; distances are p-norms. swap=True takes |p - n| for |a - n| where
    it is smaller (Balntas et al. 2016). Raises OptionError for p below 1 or a margin that is not positive.

    >>> TripletMarginLoss(eps=0)(np.zeros((1, 2)), np.array([[3.0, 4.0]]), np.array([[0.0, 1.0]]))
    array(5.)
    """

    def __init__(self, margin=1.0, p=2.0, eps=1e-6, swap=False, reduction="mean"):
        super().__init__(reduction)
        self.margin = number(self.name, "margin", margin, 0, above=True)
        self.p, self.eps = number(self.name, "p", p, 1), number(self.name, "eps", eps, 0)
        self.swap = flag(self.name, "swap", swap)

    def forward(self, anchor, positive, negative, sample_weight=None):  # type: ignore[override]
        check_rows(self.name, anchor=anchor, positive=positive, negative=negative)
        near, far = self.distance(anchor, positive), self.distance(anchor, negative)
        if self.swap:
            far = ops.minimum(far, self.distance(positive, negative))
        return self.reduced(ops.relu(ops.subtract(near, far) + self.margin), sample_weight)

    def distance(self, a, b):
        return ops.vector_norm(ops.subtract(a, b) + self.eps, ord=self.p, axis=-1)
