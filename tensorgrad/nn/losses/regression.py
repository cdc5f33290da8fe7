"""Losses of the difference between predictions and targets."""

from ... import ops
from ..._options import number
from .loss import Loss


class _OfResidual(Loss):
    """A function of prediction - target, for each element."""

    def of(self, residual):
        """The losses of residuals; every subclass has its own."""
        raise NotImplementedError

    def values(self, prediction, target):
        return self.of(ops.subtract(prediction, target))


class MSELoss(_OfResidual):
    """(prediction - target)**2: equal shapes -> () or, with reduction="none", that shape. Raises as Loss does.

    >>> import numpy as np
    >>> MSELoss()(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    array(2.)
    """

    def of(self, residual):
        return ops.square(residual)


class L1Loss(_OfResidual):
    """|prediction - target|, whose gradient at 0 is 0: equal shapes -> () or, with reduction="none", that shape.

    >>> import numpy as np
    >>> L1Loss()(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    array(1.)
    """

    def of(self, residual):
        return ops.absolute(residual)


class HuberLoss(_OfResidual):
    """d**2 / 2 up to |d| = delta, else delta (|d| - delta / 2), of d = prediction - target (Huber 1964).

    Equal shapes -> () or, with reduction="none", that shape. Outliers pull with delta at most. Raises OptionError unless
    delta is positive.

    >>> import numpy as np
    >>> HuberLoss()(np.array([1.0, 2.0]), np.array([1.5, 4.0]))
    array(0.8125)
    """

    def __init__(self, delta=1.0, reduction="mean"):
        super().__init__(reduction)
        self.delta = number(self.name, "delta", delta, 0, above=True)

    def of(self, residual):
        return ops.huber(residual, delta=self.delta)


class SmoothL1Loss(_OfResidual):
    """Huber's loss with delta = beta, divided by beta: |d| - beta / 2 from |d| = beta on (Girshick 2015, equation 3).

    Equal shapes -> () or, with reduction="none", that shape; beta = 0 is L1Loss. Raises OptionError for a negative beta.

    >>> import numpy as np
    >>> SmoothL1Loss(beta=0.5)(np.array([1.0, 2.0]), np.array([1.5, 4.0]))
    array(1.)
    """

    def __init__(self, beta=1.0, reduction="mean"):
        super().__init__(reduction)
        self.beta = number(self.name, "beta", beta, 0)

    def of(self, residual):
        if not self.beta:
            return ops.absolute(residual)
        return ops.divide(ops.huber(residual, delta=self.beta), self.beta)


class LogCoshLoss(_OfResidual):
    """log(cosh(prediction - target)), smooth everywhere: equal shapes -> () or, with reduction="none", that shape.

    >>> import numpy as np
    >>> LogCoshLoss()(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    array(0.66250137)
    """

    def of(self, residual):
        return ops.log_cosh(residual)
