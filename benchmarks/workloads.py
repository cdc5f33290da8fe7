"""The workloads: sizes, data, initial weights and batch orders, the same for every side.

Imports nothing but NumPy, so that a process that times a whole script pays only for the library that it times.
"""

import itertools
from dataclasses import dataclass

import numpy as np

MLP, ONE_ROW, DQN, SWEEP = "mlp", "one row", "dqn", "sweep"  # kinds of work
MODELS = 16  # in a sweep
GAMMA, MAX_NORM = 0.99, 1.0  # of the dqn: its discount, and the most that the norm of all gradients may be


@dataclass(frozen=True)
class Workload:
    """A ReLU network of `sizes` and what is done with it.

    runs    epochs (of a dqn or of one row: calls) in one timed run, which starts from the initial weights
    checks  epochs or calls whose losses are compared between the sides first
    """

    name: str
    title: str
    sizes: tuple[int, ...]
    rows: int
    batch: int
    runs: int
    checks: int
    kind: str = MLP
    lr: float = 1e-3

    @property
    def full_batch(self):
        return self.batch == self.rows

    @property
    def steps(self):
        """The steps that one of `runs` makes: batches of an epoch, or models of a sweep."""
        return {MLP: self.rows // self.batch, SWEEP: MODELS}.get(self.kind, 1)

    @property
    def step(self):
        """What the table counts."""
        return {ONE_ROW: "call", SWEEP: "step of one model"}.get(self.kind, "step")

    def data(self):
        """Inputs (rows, in) float32 and labels (rows,) int64: three spirals, or what a random network says of noise."""
        rng = np.random.default_rng(0)
        if self.sizes[0] == 2:
            return spiral(rng, self.rows)
        X = rng.normal(size=(self.rows, self.sizes[0])).astype(np.float32)
        teacher = rng.normal(size=(self.sizes[0], self.sizes[-1]))
        return X, (X @ teacher).argmax(axis=1)

    def weights(self, seed=0):
        """Initial weights: pairs of (in, out) and (out,), float32; He's normal distribution and zeros."""
        rng = np.random.default_rng([1, seed])
        return [
            ((rng.normal(size=(a, b)) * np.sqrt(2 / a)).astype(np.float32), np.zeros(b, np.float32))
            for a, b in itertools.pairwise(self.sizes)
        ]

    def orders(self):
        """The order of the rows in each epoch of the check, (checks, rows); a full batch stays in order."""
        rng = np.random.default_rng(2)
        return [np.arange(self.rows) if self.full_batch else rng.permutation(self.rows) for _ in range(self.checks)]

    def single_rows(self):
        """Inputs of one row each, (rows, 1, in)."""
        return np.random.default_rng(3).normal(size=(self.rows, 1, self.sizes[0])).astype(np.float32)

    def transitions(self, count=64):
        """Batches of a replay memory for the dqn: states, actions, rewards, next states, whether the episode ended."""
        rng, shape = np.random.default_rng(4), (self.batch, self.sizes[0])
        return [
            (
                rng.normal(size=shape).astype(np.float32),
                rng.integers(0, self.sizes[-1], self.batch),
                rng.normal(size=self.batch).astype(np.float32),
                rng.normal(size=shape).astype(np.float32),
                (rng.random(self.batch) < 0.1).astype(np.float32),
            )
            for _ in range(count)
        ]

    def rates(self):
        """The learning rate of each model of a sweep."""
        return np.geomspace(1e-3, 1e-2, MODELS).tolist()


def spiral(rng, rows):
    """Three arms of a spiral with noise: (rows, 2), (rows,)."""
    n = rows // 3
    r, arm = np.linspace(0, 1, n), np.arange(3)[:, None]
    t = np.linspace(0, 4, n) + 4 * arm + rng.normal(size=(3, n)) * 0.2
    X = np.stack([r * np.sin(2.5 * t), r * np.cos(2.5 * t)], axis=-1).reshape(-1, 2)
    return X.astype(np.float32), np.repeat(np.arange(3), n)


def outputs(weights, X):
    """What a network with these weights says of X, in float64."""
    for i, (w, b) in enumerate(weights):
        X = np.maximum(X, 0) if i else X.astype(np.float64)
        X = X @ w + b
    return X


def mean_loss(weights, X, y):
    """The mean cross-entropy of a network over all rows."""
    z = outputs(weights, X)
    z = z - z.max(axis=1, keepdims=True)
    return float((np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(y)), y]).mean())


def accuracy(weights, X, y):
    """The fraction of rows that a network puts in their class."""
    return float((outputs(weights, X).argmax(axis=1) == y).mean())


DEEP = (64, *[32] * 8, 10)
SPIRAL = Workload("spiral", "300 x 2-64-64-3, full batch", (2, 64, 64, 3), 300, 300, 2000, 20, lr=1e-2)
WORKLOADS = {
    w.name: w
    for w in (
        SPIRAL,
        Workload("digits", "batch 32, 64-128-10, 1024 rows", (64, 128, 10), 1024, 32, 200, 2),
        Workload("deep", "batch 32, 64-32(x8)-10, 1024 rows", DEEP, 1024, 32, 200, 2),
        Workload("mnist", "batch 128, 784-512-512-10, 2048 rows", (784, 512, 512, 10), 2048, 128, 24, 1),
        Workload("wide", "batch 4096, 64-256-256-10, 16384 rows", (64, 256, 256, 10), 16384, 4096, 24, 2),
        Workload("predict_one", "one row from Python, 64-128-10", (64, 128, 10), 256, 1, 5000, 20, kind=ONE_ROW),
        Workload(
            "dqn",
            "batch 64, 4-120-84-2, Huber loss, clip_norm, a step called from Python",
            (4, 120, 84, 2),
            64,
            64,
            2000,
            20,
            kind=DQN,
        ),
        Workload("sweep", f"{MODELS} spirals at once, 500 steps each", (2, 64, 64, 3), 300, 300, 500, 20, kind=SWEEP),
    )
}
