"""Activations as layers."""

from .. import ops
from .module import Module


class ReLU(Module):
    """max(x, 0): any shape.

    >>> import numpy as np
    >>> ReLU()(np.array([-1.0, 2.0]))
    array([0., 2.])
    """

    def forward(self, x):
        return ops.relu(x)


class Tanh(Module):
    """tanh(x), between -1 and 1: any shape.

    >>> import numpy as np
    >>> Tanh()(np.array([0.0]))
    array([0.])
    """

    def forward(self, x):
        return ops.tanh(x)


class Sigmoid(Module):
    """1 / (1 + exp(-x)), between 0 and 1: any shape.

    >>> import numpy as np
    >>> Sigmoid()(np.array([0.0]))
    array([0.5])
    """

    def forward(self, x):
        return ops.sigmoid(x)


class Softmax(Module):
    """exp(x) / sum(exp(x)) over an axis: probabilities. CrossEntropyLoss takes logits, so leave it out for training.

    >>> import numpy as np
    >>> Softmax()(np.array([[0.0, 0.0]]))
    array([[0.5, 0.5]])
    """

    def __init__(self, axis=-1):
        self.axis = axis

    def forward(self, x):
        return ops.softmax(x, axis=self.axis)

    def __repr__(self):
        return f"Softmax(axis={self.axis})" if self.axis != -1 else "Softmax()"
