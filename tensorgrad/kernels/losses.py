"""Losses forward and backward in one pass: the gradient is nearly free while the forward is at hand."""

import numpy as np

from ._compile import kernel
from ._jit import jit
from ._math import exp
from ._subnormals import flush_subnormals, restore


@jit
def first_outside(labels, classes):
    """The first row whose label is not in 0..classes-1, or -1."""
    for i in range(labels.size):
        if labels[i] < 0 or labels[i] >= classes:
            return i
    return -1


@jit
def outside(numbers, low, high):
    """Whether an integer is not in low..high."""
    for i in range(numbers.size):  # noqa: SIM110  (numba compiles no generators)
        if numbers[i] < low or numbers[i] > high:
            return True
    return False


@kernel("logits[M,n] labels:i[M]<n rows:i[1] -> loss[1] dlogits[M,n]")
def softmax_cross_entropy(logits, labels, rows, loss, dlogits):
    """Sum over m of the `rows` rows of log(sum(exp(x))) - x[label], over rows; its gradient is (softmax(x) - onehot) / rows.

    The label's part of the sum is kept apart from the others: where the model is nearly sure, 1 - p and log(p) come from
    the small sum of the others and lose no digits.
    """
    m, n = logits.shape
    before = flush_subnormals()
    one, total = logits.dtype.type(1), np.float64(0)
    scale = one / logits.dtype.type(rows[0])
    for i in range(m):
        top = logits[i, 0]
        for j in range(1, n):
            v = logits[i, j]
            top = v if v > top or v != v else top
        for j in range(n):
            dlogits[i, j] = logits[i, j] - top
        total -= dlogits[i, labels[i]]
    together = np.float64(1)
    flat = dlogits.reshape(-1)
    for k in range(flat.size):  # one long loop, so that short rows fill whole vectors
        flat[k] = exp(flat[k])
    for i in range(m):
        right = dlogits[i, labels[i]]
        dlogits[i, labels[i]] = 0
        others = logits.dtype.type(0)
        for j in range(n):
            others += dlogits[i, j]
        if logits.itemsize == 8:
            total += np.log1p(others) if right == one else np.log(others + right)
        elif right == one and others < logits.dtype.type(1e-4):
            total += np.float64(others) * (1 - np.float64(others) / 2)
        else:  # in double precision one logarithm of a product serves many rows
            together *= np.float64(others) + np.float64(right)
            if together > 1e200:
                total += np.log(together)
                together = np.float64(1)
        factor = scale / (others + right)
        for j in range(n):
            dlogits[i, j] *= factor
        dlogits[i, labels[i]] = -others * factor
    restore(before)
    loss[0] = (total + np.log(together)) / rows[0]
