"""tensorgrad as its users call it: tg.fit, tg.compile and tg.fit_many."""

import numba
import numpy as np

import tensorgrad as tg
from tensorgrad import nn, optim

from .side import Side
from .workloads import DQN, GAMMA, MAX_NORM, MLP, ONE_ROW, SWEEP


def about():
    return f"tensorgrad {tg.__version__}, numba {numba.__version__}"


def network(weights):
    """A Sequential with these initial weights."""
    layers = []
    for w, _ in weights:
        layers += [nn.Dense(*w.shape), nn.ReLU()]
    model = nn.Sequential(*layers[:-1], rng=0)
    for layer, (w, b) in zip(model.layers[::2], weights, strict=True):
        layer.weight.data, layer.bias.data = w, b
    return model


def plain(output):
    """A Tensor's numbers, or the array that it already is."""
    return output.numpy() if isinstance(output, tg.Tensor) else output


def how(history):
    """Whether fit trained with programs, and on how many threads."""
    return f"{history.threads} threads" if history.compiled else f"steps ran eagerly: {history.eager_because}"


class Fit(Side):
    """tg.fit on (X, y), compiled."""

    options = {}  # noqa: RUF012 (of tg.fit)

    def __init__(self, work):
        super().__init__(work)
        self.X, self.y = work.data()
        self.reset()

    def reset(self):
        self.model = network(self.work.weights())
        self.optimizer = optim.Adam(self.model.parameters(), lr=self.work.lr)

    def fit(self, X, y, epochs, shuffle):
        self.history = tg.fit(
            self.model, (X, y), loss=nn.CrossEntropyLoss(), optimizer=self.optimizer, epochs=epochs, seed=0,
            batch_size=None if self.work.full_batch else self.work.batch, shuffle=shuffle, progress=False, **self.options,
        )  # fmt: skip
        return self.history.loss

    def check(self):
        return [self.fit(self.X[order], self.y[order], 1, shuffle=False)[0] for order in self.work.orders()]

    def run(self, count):
        self.fit(self.X, self.y, count, shuffle=True)  # of a full batch there is nothing to shuffle

    def weights(self):
        return [(layer.weight.data, layer.bias.data) for layer in self.model.layers[::2]]

    def note(self):
        return how(self.history)


class OneRow(Side):
    """The outputs for one row at a time, from NumPy to NumPy."""

    def __init__(self, work):
        super().__init__(work)
        self.call = tg.compile(network(work.weights()).eval())
        self.inputs = list(work.single_rows())

    def check(self):
        return np.concatenate([plain(self.call(x)) for x in self.inputs[: self.work.checks]]).ravel()

    def run(self, count):
        call, inputs = self.call, self.inputs
        for i in range(count):
            plain(call(inputs[i % len(inputs)]))

    def note(self):
        return f"calls ran eagerly: {self.call.reason}" if self.call.reason else ""


class DeepQ(Side):
    """A step of Q-learning with a target network, compiled, called with NumPy arrays."""

    def __init__(self, work):
        super().__init__(work)
        model, target_model = network(work.weights(0)), network(work.weights(1))
        optimizer = optim.Adam(model.parameters(), lr=work.lr, clip_norm=MAX_NORM)
        loss_of = nn.HuberLoss()

        def train_step(s, a, r, s2, done):
            optimizer.zero_grad()
            with tg.no_grad():
                target = r + GAMMA * (1 - done) * target_model(s2).max(axis=1)
            q = model(s)[np.arange(len(s)), a]
            loss = loss_of(q, target)
            loss.backward()
            optimizer.step()
            return loss

        self.step, self.batches = tg.compile(train_step), work.transitions()

    def check(self):
        return [float(self.step(*batch)) for batch in self.batches[: self.work.checks]]

    def run(self, count):
        for i in range(count):
            self.step(*self.batches[i % len(self.batches)])

    def note(self):
        return f"steps ran eagerly: {self.step.reason}" if self.step.reason else ""


class Sweep(Side):
    """tg.fit_many."""

    def __init__(self, work):
        super().__init__(work)
        self.data = work.data()
        self.reset()

    def reset(self):
        rates = self.work.rates()
        self.models = [network(self.work.weights(seed)) for seed in range(len(rates))]
        self.optimizers = [optim.Adam(m.parameters(), lr=lr) for m, lr in zip(self.models, rates, strict=True)]

    def fit(self, epochs):
        self.histories = tg.fit_many(
            self.models, self.data, loss=nn.CrossEntropyLoss(), optimizers=self.optimizers, epochs=epochs,
            batch_size=None, progress=False,
        )  # fmt: skip

    def check(self):
        self.fit(self.work.checks)
        return [history.loss[-1] for history in self.histories]

    def note(self):
        return how(self.histories[0])

    def run(self, count):
        self.fit(count)


SIDES = {MLP: Fit, ONE_ROW: OneRow, DQN: DeepQ, SWEEP: Sweep}
