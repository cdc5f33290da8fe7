"""Compiled training is eager training: drawn models, losses, optimizers and ways to batch, compared number by number.

Every case is drawn from its number. `--full` runs all of them, otherwise some.
"""

import warnings
from dataclasses import dataclass, field

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn, ops, optim

ALL, SOME = 360, 84
STEPS = 10


# ---- layers of our own ------------------------------------------------------------------------------------------------
class Both(nn.Module):
    """x beside relu(x): twice as wide."""

    def forward(self, x):
        return ops.concatenate([x, ops.relu(x)], axis=1)


class Picked(nn.Module):
    """Columns by a slice and by numbers, one of them twice."""

    def forward(self, x):
        return x[:, ::-1] + x[:, [0] * x.shape[1]]


class BelowMax(nn.Module):
    def forward(self, x):
        return x - x.max(axis=1, keepdims=True)


class WithLogSum(nn.Module):
    """x and one column more."""

    def forward(self, x):
        return ops.concatenate([x, ops.logsumexp(x, axis=1, keepdims=True)], axis=1)


class Turned(nn.Module):
    """Work on the transpose."""

    def __init__(self, width, rng, dtype):
        self.scale = tg.Parameter(rng.normal(size=(width, 1)).astype(dtype))

    def forward(self, x):
        return (x.T * self.scale).T


class Product(nn.Module):
    """A product by hand, with a residual and a centred input."""

    def __init__(self, width, rng, dtype):
        self.weight = tg.Parameter((rng.normal(size=(width, width)) / width).astype(dtype))

    def forward(self, x):
        return x + (x - x.mean(axis=1, keepdims=True)) @ self.weight


class Across(nn.Module):
    """Mixes the rows of a batch, so that they cannot be dealt out."""

    def forward(self, x):
        return x - x.mean(axis=0)


PLAIN = ("relu", "tanh", "sigmoid", "relu", "tanh")
OWN = ("softmax", "both", "picked", "max", "logsum", "turned", "product", "nested", "tied", "across")


def layer(kind, width, rng, dtype):
    """(layers, their output width)."""
    simple = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "softmax": nn.Softmax, "picked": Picked, "max": BelowMax,
              "across": Across}  # fmt: skip
    if kind in simple:
        return [simple[kind]()], width
    if kind == "both":
        return [Both()], 2 * width
    if kind == "logsum":
        return [WithLogSum()], width + 1
    if kind in ("turned", "product"):
        return [{"turned": Turned, "product": Product}[kind](width, rng, dtype)], width
    square = nn.Dense(width, width, rng=rng, dtype=dtype)
    if kind == "nested":
        return [nn.Sequential(square, nn.ReLU(), nn.Sequential(nn.Tanh()))], width
    return [square, nn.Tanh(), square], width  # tied


# ---- losses -----------------------------------------------------------------------------------------------------------
def mean_distance(output, target):
    return abs(output - target).sum(axis=1).mean()


def soft_cross_entropy(output, target):
    return -(ops.log_softmax(output, axis=1) * target).sum() / len(target)


LOSSES = {
    "labels": (nn.CrossEntropyLoss(), "int"),
    "one-hot": (nn.CrossEntropyLoss(), "one-hot"),
    "mse": (nn.MSELoss(), "float"),
    "distance": (mean_distance, "float"),
    "soft": (soft_cross_entropy, "one-hot"),
}
OPTIMIZERS = {
    "sgd": lambda p: optim.SGD(p, lr=0.05),
    "momentum": lambda p: optim.SGD(p, lr=0.02, momentum=0.9),
    "decay": lambda p: optim.SGD(p, lr=0.05, momentum=0.5, weight_decay=0.01),
    "adam": lambda p: optim.Adam(p, lr=0.01),
    "adam decay": lambda p: optim.Adam(p, lr=0.01, weight_decay=0.01),
}


@dataclass
class Case:
    """One drawn training."""

    number: int
    kinds: list = field(default_factory=list)

    def __post_init__(self):
        rng = self.rng = np.random.default_rng(self.number)
        self.dtype = str(rng.choice(["float32", "float64"]))
        self.features, self.classes = int(rng.integers(1, 9)), int(rng.integers(2, 6))
        self.depth, self.bias = int(rng.integers(0, 4)), bool(rng.random() < 0.8)
        self.kinds = [str(rng.choice(OWN if rng.random() < 0.4 else PLAIN)) for _ in range(self.depth)]
        self.widths = [int(rng.choice([1, 3, 8, 17, 40])) for _ in range(self.depth)]
        self.loss = str(rng.choice(list(LOSSES)))
        self.optimizer = str(rng.choice(list(OPTIMIZERS)))
        self.threads = int(rng.choice([1, 1, 2, 3]))
        self.rows = int(rng.integers(2, 90))
        self.batch = int(rng.choice([1, 3, 16, 29, 48, self.rows, 100]))
        self.shuffle, self.frozen = bool(rng.random() < 0.7), bool(rng.random() < 0.2 and self.depth)
        self.metrics = ["accuracy"] if LOSSES[self.loss][1] != "float" and rng.random() < 0.4 else []
        self.schedule = (lambda step: 0.05 / (1 + step)) if rng.random() < 0.3 else None
        self.seed = int(rng.integers(100))

    def model(self):
        rng = np.random.default_rng(self.number)
        layers, width = [], self.features
        for kind, wanted in zip(self.kinds, self.widths, strict=True):
            more, width = layer(kind, wanted, rng, self.dtype)
            layers += [nn.Dense(self.layer_in(layers), wanted, bias=self.bias, rng=rng, dtype=self.dtype), *more]
            self.out = width
        model = nn.Sequential(*layers, nn.Dense(width, self.classes, rng=rng, dtype=self.dtype))
        if self.frozen:
            model.parameters()[0].requires_grad = False
        return model

    def layer_in(self, layers):
        return self.features if not layers else self.out

    def data(self):
        rng = np.random.default_rng(self.number)
        X, labels = rng.normal(size=(self.rows, self.features)), rng.integers(0, self.classes, self.rows)
        kinds = {"int": labels, "one-hot": np.eye(self.classes)[labels], "float": rng.normal(size=(self.rows, self.classes))}
        return X, kinds[LOSSES[self.loss][1]]

    def fit(self, **options):
        """(the losses of all steps, the parameters, the history)."""
        model = self.model()
        optimizer = OPTIMIZERS[self.optimizer](model.parameters())
        epochs = -(-STEPS // -(-self.rows // self.batch)) + 1
        history = tg.fit(model, self.data(), loss=LOSSES[self.loss][0], optimizer=optimizer, epochs=epochs, batch_size=self.batch,
                         shuffle=self.shuffle, seed=self.seed, metrics=self.metrics, schedule=self.schedule, progress=False,
                         **options)  # fmt: skip
        assert optimizer.steps == len(history.steps)
        assert all(p.grad is None for p in model.parameters()) or not history.compiled
        return np.array(history.steps), [p.data for p in model.parameters()], history

    def expected_threads(self):
        last = self.rows % self.batch or min(self.batch, self.rows)
        most = max(1, min(self.threads, last, min(self.batch, self.rows) // 8))
        return {1} if "across" in self.kinds else {most}

    def __str__(self):
        return f"{self.number} {self.dtype} {'-'.join(self.kinds)} {self.loss} {self.optimizer} {self.rows}/{self.batch} t{self.threads}"
