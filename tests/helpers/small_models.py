"""Models that several tests make."""

from tensorgrad import nn


def mlp(rng=0, dtype="float32"):
    return nn.Sequential(nn.Dense(2, 4, dtype=dtype), nn.ReLU(), nn.Dense(4, 3, dtype=dtype), rng=rng)
