"""Losses forward and backward in one pass: the gradient is nearly free while the forward is at hand."""

import numpy as np

from ._compile import jit, kernel
from ._math import exp


@jit
def first_outside(labels, classes):
    """The first row whose label is not in 0..classes-1, or -1."""
    for i in range(labels.size):
        if labels[i] < 0 or labels[i] >= classes:
            return i
    return -1


@kernel("logits[m,n] labels:i[m] loss[1] dlogits[m,n]")
def softmax_cross_entropy(logits, labels, loss, dlogits):
    """Mean over rows of log(sum(exp(x))) - x[label]; its gradient is (softmax(x) - onehot) / m.

    The label's part of the sum is kept apart from the others: where the model is nearly sure, 1 - p and log(p) come from
    the small sum of the others and lose no digits.
    """
    m, n = logits.shape
    one, total = logits.dtype.type(1), logits.dtype.type(0)
    scale = one / logits.dtype.type(m)
    for i in range(m):
        top = logits[i, 0]
        for j in range(1, n):
            v = logits[i, j]
            top = v if v > top or v != v else top
        for j in range(n):
            dlogits[i, j] = logits[i, j] - top
        total -= dlogits[i, labels[i]]
    flat = dlogits.reshape(-1)
    for k in range(flat.size):  # one long loop, so that short rows fill whole vectors
        flat[k] = exp(flat[k])
    for i in range(m):
        right = dlogits[i, labels[i]]
        dlogits[i, labels[i]] = 0
        others = logits.dtype.type(0)
        for j in range(n):
            others += dlogits[i, j]
        total += np.log1p(others) if right == one else np.log(others + right)
        factor = scale / (others + right)
        for j in range(n):
            dlogits[i, j] *= factor
        dlogits[i, labels[i]] = -others * factor
    loss[0] = total * scale
