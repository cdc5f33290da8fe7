"""PyTorch, eager, in its best form: fused Adam, no number read back in the loop, batches drawn by torch.randperm."""

import numpy as np
import torch
from torch import nn

from .side import OneAfterAnother, Side
from .workloads import DQN, GAMMA, MAX_NORM, MLP, ONE_ROW, SWEEP


def about():
    blas = "MKL" if torch.backends.mkl.is_available() else "no MKL"
    return (
        f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads, "
        f"{torch.backends.cpu.get_cpu_capability()}, {blas}"
    )


def network(weights):
    """A Sequential with these initial weights."""
    layers = []
    for w, _ in weights:
        layers += [nn.Linear(*w.shape), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    load(model, weights)
    return model


def load(model, weights):
    with torch.no_grad():
        for linear, (w, b) in zip(model[::2], weights, strict=True):
            linear.weight.copy_(torch.from_numpy(w.T))
            linear.bias.copy_(torch.from_numpy(b))


def adam(model, lr):
    return torch.optim.Adam(model.parameters(), lr=lr, fused=True)


class Fit(Side):
    """Training on (X, y) in batches, in a loop by hand."""

    def __init__(self, work, seed=0, lr=None):
        super().__init__(work)
        self.initial, self.lr = work.weights(seed), lr or work.lr
        self.X, self.y = map(torch.from_numpy, work.data())
        self.model, self.cross_entropy = network(self.initial), nn.CrossEntropyLoss()
        self.optimizer = adam(self.model, self.lr)

    def reset(self):
        load(self.model, self.initial)
        self.optimizer = adam(self.model, self.lr)

    def loss(self, x, y):
        return self.cross_entropy(self.model(x), y)

    def step(self, x, y):
        self.optimizer.zero_grad()
        loss = self.loss(x, y)
        loss.backward()
        self.optimizer.step()
        return loss

    def epoch(self, order):
        """The loss of each step."""
        if self.work.full_batch:
            return [self.step(self.X, self.y)]
        return [self.step(self.X[rows], self.y[rows]) for rows in order.split(self.work.batch)]

    def check(self):
        return [np.mean([loss.item() for loss in self.epoch(torch.from_numpy(o))]) for o in self.work.orders()]

    def run(self, count):
        for _ in range(count):
            self.epoch(None if self.work.full_batch else torch.randperm(self.work.rows))

    def weights(self):
        return [(layer.weight.detach().numpy().T, layer.bias.detach().numpy()) for layer in self.model[::2]]


class OneRow(Side):
    """The outputs for one row at a time, from NumPy to NumPy, under inference_mode."""

    def __init__(self, work):
        super().__init__(work)
        self.model = network(work.weights()).eval()
        self.inputs = list(work.single_rows())

    def check(self):
        with torch.inference_mode():
            outputs = [self.model(torch.from_numpy(x)).numpy() for x in self.inputs[: self.work.checks]]
        return np.concatenate(outputs).ravel()

    def run(self, count):
        model, inputs = self.model, self.inputs
        with torch.inference_mode():
            for i in range(count):
                model(torch.from_numpy(inputs[i % len(inputs)])).numpy()


class DeepQ(Side):
    """A step of Q-learning with a target network, called with NumPy arrays."""

    def __init__(self, work):
        super().__init__(work)
        self.model, self.target = network(work.weights(0)), network(work.weights(1))
        self.optimizer = adam(self.model, work.lr)
        self.batches, self.rows = work.transitions(), torch.arange(work.batch)

    def loss(self, s, a, r, s2, done):
        with torch.no_grad():
            target = r + GAMMA * (1 - done) * self.target(s2).max(dim=1).values
        return nn.functional.huber_loss(self.model(s)[self.rows, a], target)

    def step(self, *arrays):
        self.optimizer.zero_grad()
        loss = self.loss(*map(torch.from_numpy, arrays))
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), MAX_NORM)
        self.optimizer.step()
        return loss

    def check(self):
        return [self.step(*batch).item() for batch in self.batches[: self.work.checks]]

    def run(self, count):
        for i in range(count):
            self.step(*self.batches[i % len(self.batches)])


class Sweep(OneAfterAnother):
    """The models one after another."""

    def __init__(self, work):
        super().__init__(work)
        self.fits = [Fit(work, seed, lr) for seed, lr in enumerate(work.rates())]


SIDES = {MLP: Fit, ONE_ROW: OneRow, DQN: DeepQ, SWEEP: Sweep}
