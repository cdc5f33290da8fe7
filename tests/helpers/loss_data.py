"""Rows, and targets of every kind beside them, for the tests of losses."""

import numpy as np

_RNG = np.random.default_rng(0)
N, C = 60, 3  # rows and classes
X = _RNG.normal(size=(N, 4))
LABELS = _RNG.integers(0, C, N)
NUMBERS = _RNG.normal(size=(N, C))
BITS = (NUMBERS > 0).astype(float)
SHARES = np.exp(NUMBERS) / np.exp(NUMBERS).sum(1, keepdims=True)
SIGNS = 2 * BITS - 1
WEIGHT = [0.5, 1.0, 2.0]  # of each class
