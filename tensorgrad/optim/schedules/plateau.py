"""ReduceOnPlateau: a smaller learning rate where the loss no longer falls."""

import math
from typing import Any

import numpy as np

from ..._options import number, whole
from ..._tensor import plain
from ...errors import OptionError, choose
from ..optimizer import Optimizer
from .schedule import at_least_0, one_of

__all__ = ["ReduceOnPlateau"]


class ReduceOnPlateau:
    """Multiplies the optimizer's lr by `factor` after more than `patience` epochs without progress: a callback for `fit`.

    `monitor` names the curve of the History that is looked at ("loss", "val_loss", a metric); `mode` is "min" or "max".
    Progress is a number better than the best by `threshold`: times it (threshold_mode "rel") or by it ("abs"). For
    `cooldown` epochs after a reduction none is counted; `lr` stays at least `min_lr`. PyTorch's ReduceLROnPlateau, whose
    rule this is. In a loop of your own: `plateau.step(loss)`. Not together with `schedule=`, which sets the rate itself.

    Raises OptionError for numbers out of range.

    >>> import numpy as np, tensorgrad as tg
    >>> sgd = tg.optim.SGD([tg.Parameter(np.ones(2))], lr=1.0)
    >>> plateau = ReduceOnPlateau(sgd, factor=0.5, patience=1)
    >>> for loss in (3.0, 2.0, 2.0, 2.0, 2.0):
    ...     plateau.step(loss)
    >>> sgd.lr
    0.5
    """

    def __init__(self, optimizer, monitor="loss", mode="min", factor=0.1, patience=10, threshold=1e-4, threshold_mode="rel",
                 cooldown=0, min_lr=0.0):  # fmt: skip
        name = "ReduceOnPlateau"
        if not isinstance(optimizer, Optimizer):
            raise OptionError(f"{name}: expected an optimizer, got {optimizer!r}")
        if not isinstance(monitor, str):
            raise OptionError(f"{name}: monitor must be the name of a curve, such as 'val_loss', got {monitor!r}")
        self.optimizer: Any = optimizer  # every subclass has an lr
        self.monitor = monitor
        self.mode = one_of("min", "max")(name, "mode", mode)
        self.factor = number(name, "factor", factor, 0, above=True, below=1)
        self.patience, self.cooldown = whole(name, "patience", patience, 0), whole(name, "cooldown", cooldown, 0)
        self.threshold = at_least_0(name, "threshold", threshold)
        self.threshold_mode = one_of("rel", "abs")(name, "threshold_mode", threshold_mode)
        self.min_lr = at_least_0(name, "min_lr", min_lr)
        self.best, self.bad_epochs, self.cooling = math.inf if mode == "min" else -math.inf, 0, 0

    def __call__(self, history):
        """What fit calls after each epoch."""
        choose("ReduceOnPlateau", "monitor", self.monitor, history.epochs)
        self.step(history[self.monitor][-1])

    def step(self, value):
        """Look at a number, a loss say, and reduce the rate if it is time."""
        try:
            value = float(np.asarray(plain(value), dtype=np.float64).item())
        except (TypeError, ValueError):
            raise OptionError(f"ReduceOnPlateau.step: expected a number, got {value!r}") from None
        if self.is_better(value):
            self.best, self.bad_epochs = value, 0
        else:
            self.bad_epochs += 1
        if self.cooling > 0:
            self.cooling -= 1
            self.bad_epochs = 0
        if self.bad_epochs > self.patience:
            lr = self.optimizer.lr
            smaller = max(lr * self.factor, self.min_lr)
            if lr - smaller > 1e-8:  # PyTorch's eps: too small a change is none
                self.optimizer.lr = smaller
            self.cooling, self.bad_epochs = self.cooldown, 0

    def is_better(self, value):
        """Whether a number is better than the best by the threshold."""
        relative = self.threshold_mode == "rel"
        if self.mode == "min":
            return value < (self.best * (1 - self.threshold) if relative else self.best - self.threshold)
        return value > (self.best * (1 + self.threshold) if relative else self.best + self.threshold)

    def __repr__(self):
        return f"ReduceOnPlateau(monitor={self.monitor!r}, factor={self.factor:g}, patience={self.patience})"
