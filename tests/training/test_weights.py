"""Weights of rows that leave nothing to learn."""

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad.errors import DataError


@pytest.mark.parametrize(
    "weights, y, said",
    [
        ([1, 1e-40, 1, 1], [0, 1, 1, 0], "a weight of 1e-40 is less than float32 can divide by"),
        ([1, 0, 0, 1], [0, 1, 1, 0], "all rows whose label is not the ignored 0 weigh 0"),
    ],
)
def test_weights_that_teach_nothing(weights, y, said):
    model = nn.Sequential(nn.Dense(2, 2), rng=0).astype("float64" if "1e-40" in said else "float32")
    optimizer = tg.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(tg.errors.DataError, match=said):
        tg.fit(model, (np.ones((4, 2)), np.array(y)), loss=nn.CrossEntropyLoss(ignore_index=0), optimizer=optimizer,
               sample_weight=np.array(weights), progress=False)  # fmt: skip


def test_weights_of_sequences_that_teach_nothing():
    model, X, y = nn.Sequential(nn.Dense(2, 2), rng=0), np.ones((2, 3, 2)), np.array([[0, 0, 0], [0, 1, 0]])
    loss, optimizer = nn.CrossEntropyLoss(ignore_index=0), tg.optim.SGD(model.parameters(), lr=0.1)
    tg.fit(model, (X, y), loss=loss, optimizer=optimizer, sample_weight=[0, 1], progress=False)
    with pytest.raises(DataError, match="all rows whose label is not the ignored 0 weigh 0"):
        tg.fit(model, (X, y), loss=loss, optimizer=optimizer, sample_weight=[1, 0], progress=False)
