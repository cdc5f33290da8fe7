"""MyGrad: autograd on NumPy arrays; it has no optimizer, so Adam is NumPy's, in place."""

import mygrad as mg
import numpy as np
from mygrad.nnet.activations import relu
from mygrad.nnet.losses import softmax_crossentropy

from .side import Side
from .workloads import MLP


def about():
    return f"MyGrad {mg.__version__}"


class Fit(Side):
    """Training on (X, y) in batches, in a loop by hand."""

    def __init__(self, work):
        super().__init__(work)
        self.X, self.y = work.data()
        self.reset()

    def reset(self):
        self.parameters = [mg.tensor(array) for pair in self.work.weights() for array in pair]
        self.m, self.v = ([np.zeros_like(p.data) for p in self.parameters] for _ in "mv")
        self.t = 0

    def step(self, x, y):
        for i in range(0, len(self.parameters), 2):
            x = (relu(x) if i else x) @ self.parameters[i] + self.parameters[i + 1]
        loss = softmax_crossentropy(x, y)
        loss.backward()
        self.adam()
        return loss.item()

    def adam(self, beta1=0.9, beta2=0.999, eps=1e-8):
        self.t += 1
        scale, root = self.work.lr / (1 - beta1**self.t), (1 - beta2**self.t) ** -0.5
        for p, m, v in zip(self.parameters, self.m, self.v, strict=True):
            g = p.grad
            m += (1 - beta1) * (g - m)
            v += (1 - beta2) * (g * g - v)
            p.data -= scale * m / (np.sqrt(v) * root + eps)
            p.null_grad()

    def epoch(self, order):
        """The loss of each step."""
        if self.work.full_batch:
            return [self.step(self.X, self.y)]
        return [self.step(self.X[rows], self.y[rows]) for rows in order.reshape(-1, self.work.batch)]

    def check(self):
        return [np.mean(self.epoch(order)) for order in self.work.orders()]

    def run(self, count):
        rng = np.random.default_rng(0)
        for _ in range(count):
            self.epoch(None if self.work.full_batch else rng.permutation(self.work.rows))

    def weights(self):
        arrays = [p.data for p in self.parameters]
        return list(zip(arrays[::2], arrays[1::2], strict=True))


SIDES = {MLP: Fit}
