"""JAX: a jitted step called from Python, and in its best form, many steps in one call by lax.scan; Adam written out."""

import os

import jax
import jax.numpy as jnp
import numpy as np

from .side import Side
from .workloads import DQN, GAMMA, MAX_NORM, MLP, ONE_ROW, SWEEP

STEPS = 100  # in one call of lax.scan, for a full batch; else an epoch


def about():
    return f"JAX {jax.__version__}, {jax.default_backend()}, a thread for each of {len(os.sched_getaffinity(0))} cores"


def forward(parameters, x):
    *hidden, (w, b) = parameters
    for v, c in hidden:
        x = jax.nn.relu(x @ v + c)
    return x @ w + b


def cross_entropy(parameters, x, y):
    return -jnp.take_along_axis(jax.nn.log_softmax(forward(parameters, x)), y[:, None], axis=1).mean()


def start(weights):
    """What Adam carries from step to step: parameters, both moments, the number of steps."""
    parameters = jax.tree.map(jnp.array, weights)
    return (
        parameters,
        jax.tree.map(jnp.zeros_like, parameters),
        jax.tree.map(jnp.zeros_like, parameters),
        jnp.float32(0),
    )


def adam(state, grads, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    p, m, v, t = state
    t = t + 1
    m = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, m, grads)
    v = jax.tree.map(lambda v, g: beta2 * v + (1 - beta2) * g * g, v, grads)
    scale, root = lr / (1 - beta1**t), jax.lax.rsqrt(1 - beta2**t)
    p = jax.tree.map(lambda p, m, v: p - scale * m / (jnp.sqrt(v) * root + eps), p, m, v)
    return p, m, v, t


def huber(x):
    return jnp.where(abs(x) <= 1, x * x / 2, abs(x) - 0.5)


def clipped(grads):
    norm = jnp.sqrt(sum((g * g).sum() for g in jax.tree.leaves(grads)))
    factor = jnp.minimum(1, MAX_NORM / (norm + 1e-6))
    return jax.tree.map(lambda g: g * factor, grads)


class Fit(Side):
    """Training on (X, y): each step is one call of a jitted function, which gathers its batch."""

    def __init__(self, work):
        super().__init__(work)
        X, y = work.data()
        self.X, self.y = jnp.asarray(X), jnp.asarray(y.astype(np.int32))
        self.step = jax.jit(self.update, donate_argnums=0)
        self.reset()

    def reset(self):
        self.state = start(self.work.weights())

    def update(self, state, rows):
        x, y = (self.X, self.y) if rows is None else (self.X[rows], self.y[rows])
        loss, grads = jax.value_and_grad(cross_entropy)(state[0], x, y)
        return adam(state, grads, self.work.lr), loss

    def epoch(self, order):
        """The loss of each step."""
        batches = [None] if self.work.full_batch else order.reshape(-1, self.work.batch)
        losses = []
        for rows in batches:
            self.state, loss = self.step(self.state, rows)
            losses.append(loss)
        return losses

    def check(self):
        return [np.mean(jax.device_get(self.epoch(order))) for order in self.work.orders()]

    def run(self, count):
        rng = np.random.default_rng(0)
        for _ in range(count):
            self.epoch(None if self.work.full_batch else rng.permutation(self.work.rows).astype(np.int32))
        jax.block_until_ready(self.state)

    def weights(self):
        return jax.device_get(self.state[0])


class Scan(Fit):
    """Training on (X, y): one call makes all steps of an epoch, or 100 full batches, and draws its own order."""

    def __init__(self, work):
        super().__init__(work)
        self.scan = jax.jit(lambda state, batches: jax.lax.scan(self.update, state, batches), donate_argnums=0)
        self.repeat = jax.jit(self.repeated, static_argnums=1, donate_argnums=0)
        self.shuffled = jax.jit(self.epoch_in_new_order, donate_argnums=0)

    def repeated(self, state, count):
        return jax.lax.scan(self.update, state, None, length=count)

    def epoch_in_new_order(self, state, key):
        key, draw = jax.random.split(key)
        order = jax.random.permutation(draw, self.work.rows).reshape(-1, self.work.batch)
        state, losses = jax.lax.scan(self.update, state, order)
        return state, key, losses

    def check(self):
        if self.work.full_batch:
            self.state, losses = self.repeat(self.state, self.work.checks)
            return losses.tolist()
        found = []
        for order in self.work.orders():
            self.state, losses = self.scan(self.state, order.reshape(-1, self.work.batch))
            found.append(float(losses.mean()))
        return found

    def run(self, count):
        if self.work.full_batch:
            for done in range(0, count, STEPS):
                self.state, _ = self.repeat(self.state, min(STEPS, count - done))
        else:
            key = jax.random.key(0)
            for _ in range(count):
                self.state, key, _ = self.shuffled(self.state, key)
        jax.block_until_ready(self.state)


class OneRow(Side):
    """The outputs for one row at a time, from NumPy to NumPy; the parameters are constants of the compiled function."""

    def __init__(self, work):
        super().__init__(work)
        parameters = jax.tree.map(jnp.array, work.weights())
        self.call = jax.jit(lambda x: forward(parameters, x))
        self.inputs = list(work.single_rows())

    def check(self):
        return np.concatenate([np.asarray(self.call(x)) for x in self.inputs[: self.work.checks]]).ravel()

    def run(self, count):
        call, inputs = self.call, self.inputs
        for i in range(count):
            np.asarray(call(inputs[i % len(inputs)]))


class DeepQ(Side):
    """A step of Q-learning with a target network: one call of a jitted function with NumPy arrays."""

    def __init__(self, work):
        super().__init__(work)
        self.state, target = start(work.weights(0)), jax.tree.map(jnp.array, work.weights(1))
        rows = jnp.arange(work.batch)

        def loss_of(parameters, s, a, r, s2, done):
            wanted = r + GAMMA * (1 - done) * forward(target, s2).max(axis=1)
            return huber(forward(parameters, s)[rows, a] - wanted).mean()

        def step(state, *batch):
            loss, grads = jax.value_and_grad(loss_of)(state[0], *batch)
            return adam(state, clipped(grads), work.lr), loss

        self.step = jax.jit(step, donate_argnums=0)
        self.batches = [tuple(a.astype(np.int32) if a.dtype.kind == "i" else a for a in t) for t in work.transitions()]

    def check(self):
        losses = []
        for batch in self.batches[: self.work.checks]:
            self.state, loss = self.step(self.state, *batch)
            losses.append(float(loss))
        return losses

    def run(self, count):
        for i in range(count):
            self.state, _ = self.step(self.state, *self.batches[i % len(self.batches)])
        jax.block_until_ready(self.state)


class Sweep(Side):
    """All steps of all models in one lax.scan, each of which steps every model, one after another."""

    def __init__(self, work):
        super().__init__(work)
        X, y = work.data()
        self.X, self.y, self.rates = (
            jnp.asarray(X),
            jnp.asarray(y.astype(np.int32)),
            jnp.array(work.rates(), jnp.float32),
        )
        self.train = jax.jit(self.scanned, static_argnums=1, donate_argnums=0)
        self.reset()

    def reset(self):
        self.states = [start(self.work.weights(seed)) for seed in range(len(self.rates))]

    def update(self, state, lr):
        loss, grads = jax.value_and_grad(cross_entropy)(state[0], self.X, self.y)
        return adam(state, grads, lr), loss

    def step(self, states):
        results = [self.update(state, lr) for state, lr in zip(states, self.rates, strict=True)]
        return [state for state, _ in results], jnp.stack([loss for _, loss in results])

    def scanned(self, states, count):
        return jax.lax.scan(lambda states, _: self.step(states), states, None, length=count)

    def check(self):
        self.states, losses = self.train(self.states, self.work.checks)
        return losses[-1].tolist()

    def run(self, count):
        self.states, _ = jax.block_until_ready(self.train(self.states, count))


class StackedSweep(Sweep):
    """All models in one vmap, all steps in one lax.scan."""

    def reset(self):
        super().reset()
        self.states = jax.tree.map(lambda *parts: jnp.stack(parts), *self.states)

    def scanned(self, states, count):
        step = jax.vmap(self.update)
        return jax.lax.scan(lambda states, _: step(states, self.rates), states, None, length=count)


STEP = {MLP: Fit, ONE_ROW: OneRow, DQN: DeepQ}
SCAN = {MLP: Scan, SWEEP: Sweep}
VMAP = {SWEEP: StackedSweep}
