"""The model that tests of losses train."""

import pytest

from tensorgrad import nn, optim


@pytest.fixture
def network():
    """A maker of (model, optimizer): rows (n, 4) to (n, 3), by which layers the model ends."""

    def make(*end, dtype="float64", rate=0.05):
        model = nn.Sequential(nn.Dense(4, 8), nn.Tanh(), nn.Dense(8, 3), *end, rng=0).astype(dtype)
        return model, optim.SGD(model.parameters(), lr=rate, momentum=0.9)

    return make
