"""NumPy by hand, no autograd: every array allocated once, parameters and Adam's moments in flat arrays, BLAS through matmul."""

from functools import partial

import numpy as np

from .side import OneAfterAnother, Side
from .workloads import DQN, GAMMA, MAX_NORM, MLP, ONE_ROW, SWEEP


def about():
    return f"NumPy {np.__version__}"


class Network:
    """A ReLU network for batches of `rows`, with its gradients and Adam: views of flat arrays, updated in place."""

    def __init__(self, weights, rows, dtype):
        size = sum(array.size for pair in weights for array in pair)
        self.flat, self.grad, self.m, self.v, self.work = np.zeros((5, size), dtype)
        self.layers, end = [], 0  # of each layer: w, b and their gradients
        for w, b in weights:
            start, middle, end = end, end + w.size, end + w.size + b.size
            self.layers.append([
                part.reshape(shape)
                for flat in (self.flat, self.grad)
                for part, shape in ((flat[start:middle], w.shape), (flat[middle:end], b.shape))
            ])  # fmt: skip
        self.outs = [np.empty((rows, b.size), dtype) for _, b in weights]
        self.grads = [np.empty_like(out) for out in self.outs[:-1]]
        self.ones = np.ones(rows, dtype)
        self.load(weights)

    def load(self, weights):
        """Take these weights and forget the moments."""
        for (w, b, _, _), (new_w, new_b) in zip(self.layers, weights, strict=True):
            w[:], b[:] = new_w, new_b
        self.m[:] = self.v[:] = self.t = 0

    def weights(self):
        return [(w.copy(), b.copy()) for w, b, _, _ in self.layers]

    def forward(self, x):
        self.x = x
        for (w, b, _, _), out in zip(self.layers, self.outs, strict=True):
            np.matmul(x, w, out=out)
            out += b
            if out is not self.outs[-1]:
                np.maximum(out, 0, out=out)
            x = out
        return x

    def backward(self, g):
        """The gradients of all parameters from g, that of the output."""
        for i in reversed(range(len(self.layers))):
            w, _, dw, db = self.layers[i]
            x = self.outs[i - 1] if i else self.x
            np.matmul(x.T, g, out=dw)
            np.matmul(self.ones, g, out=db)
            if i:
                g = np.matmul(g, w.T, out=self.grads[i - 1])
                g *= x > 0

    def adam(self, lr, beta1=0.9, beta2=0.999, eps=1e-8):
        self.t += 1
        work = np.subtract(self.grad, self.m, out=self.work)
        work *= 1 - beta1
        self.m += work
        np.multiply(self.grad, self.grad, out=work)
        work -= self.v
        work *= 1 - beta2
        self.v += work
        np.sqrt(self.v, out=work)
        work *= (1 - beta2**self.t) ** -0.5
        work += eps
        np.divide(self.m, work, out=work)
        work *= lr / (1 - beta1**self.t)
        self.flat -= work


def cross_entropy(logits, y, rows):
    """The mean loss; the logits become its gradient. `rows` is arange(len(y))."""
    logits -= logits.max(axis=1, keepdims=True)
    picked = logits[rows, y]
    np.exp(logits, out=logits)
    total = logits.sum(axis=1, keepdims=True)
    loss = (np.log(total[:, 0]) - picked).mean()
    logits /= total
    logits[rows, y] -= 1
    logits /= len(y)
    return loss


class Fit(Side):
    """Training on (X, y) in batches."""

    def __init__(self, work, dtype=np.float32, seed=0, lr=None):
        super().__init__(work)
        self.initial, self.lr = work.weights(seed), lr or work.lr
        X, self.y = work.data()
        self.X = X.astype(dtype)
        self.network = Network(self.initial, work.batch, dtype)
        self.batch, self.rows = np.empty((work.batch, X.shape[1]), dtype), np.arange(work.batch)

    def reset(self):
        self.network.load(self.initial)

    def step(self, x, y):
        logits = self.network.forward(x)
        loss = cross_entropy(logits, y, self.rows)
        self.network.backward(logits)
        self.network.adam(self.lr)
        return loss

    def epoch(self, order):
        """The loss of each step."""
        if self.work.full_batch:
            return [self.step(self.X, self.y)]
        losses = []
        for start in range(0, len(order), self.work.batch):
            rows = order[start : start + self.work.batch]
            x = self.X.take(rows, axis=0, out=self.batch, mode="clip")  # "raise" would copy once more
            losses.append(self.step(x, self.y[rows]))
        return losses

    def check(self):
        return [np.mean(self.epoch(order)) for order in self.work.orders()]

    def run(self, count):
        rng = np.random.default_rng(0)
        for _ in range(count):
            self.epoch(None if self.work.full_batch else rng.permutation(self.work.rows))

    def weights(self):
        return self.network.weights()


class OneRow(Side):
    """The outputs for one row at a time."""

    def __init__(self, work, dtype=np.float32):
        super().__init__(work)
        self.layers = [(w.astype(dtype), b.astype(dtype)) for w, b in work.weights()]
        self.inputs = list(work.single_rows().astype(dtype))

    def call(self, x):
        *hidden, (w, b) = self.layers
        for v, c in hidden:
            x = x @ v
            x += c
            np.maximum(x, 0, out=x)
        x = x @ w
        x += b
        return x

    def check(self):
        return np.concatenate([self.call(x) for x in self.inputs[: self.work.checks]]).ravel()

    def run(self, count):
        call, inputs = self.call, self.inputs
        for i in range(count):
            call(inputs[i % len(inputs)])


class DeepQ(Side):
    """A step of Q-learning with a target network."""

    def __init__(self, work, dtype=np.float32):
        super().__init__(work)
        self.network = Network(work.weights(0), work.batch, dtype)
        self.target = Network(work.weights(1), work.batch, dtype)
        self.batches = [tuple(a if a.dtype.kind == "i" else a.astype(dtype) for a in t) for t in work.transitions()]
        self.rows = np.arange(work.batch)

    def step(self, s, a, r, s2, done):
        target = r + GAMMA * (1 - done) * self.target.forward(s2).max(axis=1)
        q = self.network.forward(s)
        error = q[self.rows, a] - target
        g = np.zeros_like(q)
        g[self.rows, a] = np.clip(error, -1, 1) / len(a)
        self.network.backward(g)
        grad = self.network.grad
        grad *= min(1, MAX_NORM / (np.sqrt(grad @ grad) + 1e-6))
        self.network.adam(self.work.lr)
        size = abs(error)
        return np.where(size <= 1, error * error / 2, size - 0.5).mean()

    def check(self):
        return [self.step(*batch) for batch in self.batches[: self.work.checks]]

    def run(self, count):
        for i in range(count):
            self.step(*self.batches[i % len(self.batches)])


class Sweep(OneAfterAnother):
    """The models one after another."""

    def __init__(self, work, dtype=np.float32, fit=Fit):
        super().__init__(work)
        self.fits = [fit(work, dtype, seed, lr) for seed, lr in enumerate(work.rates())]


SIDES = {MLP: Fit, ONE_ROW: OneRow, DQN: DeepQ, SWEEP: Sweep}
REFERENCE = {kind: partial(side, dtype=np.float64) for kind, side in SIDES.items()}
