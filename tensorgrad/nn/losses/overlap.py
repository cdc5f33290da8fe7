"""Losses of how much two masks overlap."""

import numpy as np

from ... import ops
from ..._options import number
from ...errors import ShapeError
from .binary import _OfProbability, check_probabilities
from .loss import fixed, shape_of


class DiceLoss(_OfProbability):
    """1 - (2 sum(p t) + smooth) / (sum(p) + sum(t) + smooth) of each row: probabilities and masks (n, ...) -> ().

    The sums run over all axes but the first; reduction="none" gives (n,). 0 where the masks are equal, 1 (but for smooth)
    where they do not meet (Dice 1945; Milletari et al. 2016). Raises LabelError for targets outside 0..1, DataError for
    predictions outside 0..1, OptionError unless smooth is positive.

    >>> import numpy as np
    >>> DiceLoss()(np.array([[1.0, 0.0, 1.0]]), np.array([[1, 1, 0]]))
    array(0.4)
    """

    def __init__(self, smooth=1.0, reduction="mean"):
        super().__init__(reduction)
        self.smooth = number(self.name, "smooth", smooth, 0, above=True)

    def check_shapes(self, shape, target):
        super().check_shapes(shape, target)
        if len(shape) < 2:
            raise ShapeError(f"{self.name}: expected masks of shape (n, ...) with at least two axes, got {shape}")

    def values(self, prediction, target):
        check_probabilities(self.name, prediction)
        inside = ops.equal(ops.clip(prediction, 0.0, 1.0), prediction)
        prediction = ops.where(inside, prediction, fixed(np.nan, prediction))  # in later runs of a compiled step
        axes = tuple(range(1, len(shape_of(prediction))))
        both = ops.sum(ops.multiply(prediction, target), axis=axes)
        sizes = ops.sum(ops.add(prediction, target), axis=axes)
        return ops.subtract(1.0, ops.divide(2.0 * both + self.smooth, sizes + self.smooth))
