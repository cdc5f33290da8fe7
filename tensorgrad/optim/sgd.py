"""Stochastic gradient descent, with momentum."""

from typing import ClassVar

from ..errors import OptionError
from ._numbers import Flag, Number
from .optimizer import Optimizer


class SGD(Optimizer):
    """v <- momentum v + (1 - dampening) g;  p <- p - lr v, with nesterov p - lr (g + momentum v).

    lr >= 0; momentum in [0, 1); dampening >= 0 counts from the second step on; nesterov needs momentum and no dampening.
    Momentum: Polyak 1964; in this form, and Nesterov's: Sutskever et al. 2013, equations 1 to 4. Further options and
    errors: `Optimizer`.

    >>> import numpy as np, tensorgrad as tg
    >>> p = tg.Parameter(np.array([1.0]))
    >>> optimizer = SGD([p], lr=0.1)
    >>> (p * p).backward()
    >>> optimizer.step()
    >>> p.data
    array([0.8])
    """

    slots = ("velocity",)
    hyper: ClassVar = {
        "lr": Number(1e-3),
        "momentum": Number(0.0, below=1),
        "dampening": Number(0.0),
        "nesterov": Flag(False),
    }

    def check_together(self, values):
        """Nesterov's step is defined with momentum and without dampening."""
        if values["nesterov"] and not (values["momentum"] > 0 and values["dampening"] == 0):
            raise OptionError(
                f"{type(self).__name__}: nesterov=True needs a momentum above 0 and dampening 0, "
                f"got {values['momentum']:g} and {values['dampening']:g}"
            )

    @staticmethod
    def constants(lr, momentum, dampening, nesterov, step):
        fresh = 1.0 if momentum == 0 or step == 1 else 1 - dampening
        return momentum, fresh, lr if nesterov else 0.0, lr * momentum if nesterov else lr

    @staticmethod
    def rule(p, g, velocity, momentum, fresh, by_gradient, by_velocity):
        velocity = momentum * velocity + fresh * g
        return p - by_gradient * g - by_velocity * velocity, velocity
