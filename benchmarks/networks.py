"""Part `networks`: whole training steps of a convolutional network and of an MLP with BatchNorm and Dropout.

Batches of 64 from 1,024 rows in a new order each epoch, Adam, float32. All take turns in one process; a figure is a peer's
median over ours. Losses are not compared: masks are drawn differently everywhere (the layers' numbers are, by the tests).
"""

import functools
import statistics
import time

import numpy as np

import tensorgrad as tg
from tensorgrad import nn, optim

from .launch import Failed
from .report import table

ROWS, BATCH, LR = 1024, 64, 1e-3
EPOCHS = {"conv": 10, "mlp": 60}  # of one call: what it costs to begin one is in the figures
SHAPES = {"conv": (28, 28, 1), "mlp": (64,)}
TITLES = {"conv": "28 x 28 x 1, conv 3x3 x 8, pool, conv 3x3 x 16, pool, dense 10",
          "mlp": "64-128-128-10 with BatchNorm and Dropout"}  # fmt: skip
GOAL = 2.0


def data(name):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(ROWS, *SHAPES[name])).astype(np.float32)
    return X, rng.integers(0, 10, ROWS)


# ---- ours -------------------------------------------------------------------------------------------------------------
def ours(name):
    """A function that trains for some epochs, compiled."""
    if name == "conv":
        layers = [nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3), nn.ReLU(), nn.MaxPool2d(2),
                  nn.Flatten(), nn.Dense(400, 10)]  # fmt: skip
    else:
        layers = [nn.Dense(64, 128), nn.BatchNorm(128), nn.ReLU(), nn.Dropout(0.5),
                  nn.Dense(128, 128), nn.BatchNorm(128), nn.ReLU(), nn.Dropout(0.5), nn.Dense(128, 10)]  # fmt: skip
    model = nn.Sequential(*layers, rng=0)
    optimizer, pair = optim.Adam(model.parameters(), lr=LR), data(name)

    def train(epochs):
        history = tg.fit(model, pair, loss=nn.CrossEntropyLoss(), optimizer=optimizer, epochs=epochs, batch_size=BATCH,
                         progress=False)  # fmt: skip
        if not history.compiled:
            raise Failed(f"{name}: steps ran eagerly: {history.eager_because}")

    return train


# ---- PyTorch ----------------------------------------------------------------------------------------------------------
def pytorch(torch, name):
    nn = torch.nn
    if name == "conv":
        model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3), nn.ReLU(), nn.MaxPool2d(2),
                              nn.Flatten(), nn.Linear(400, 10))  # fmt: skip
    else:
        model = nn.Sequential(nn.Linear(64, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 128),
                              nn.BatchNorm1d(128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10))  # fmt: skip
    optimizer, cross_entropy = torch.optim.Adam(model.parameters(), lr=LR, fused=True), nn.CrossEntropyLoss()
    X, y = map(torch.from_numpy, data(name))
    X = X.movedim(-1, 1).contiguous() if X.ndim == 4 else X

    def train(epochs):
        for _ in range(epochs):
            for rows in torch.randperm(ROWS).split(BATCH):
                optimizer.zero_grad()
                cross_entropy(model(X[rows]), y[rows]).backward()
                optimizer.step()

    return train


# ---- JAX: an epoch is one call, by lax.scan ---------------------------------------------------------------------------
def jax_scan(jax, name):
    from .jax_ import adam, start

    jnp, lax = jax.numpy, jax.lax
    X, y = (jnp.asarray(a) for a in data(name))
    rng = np.random.default_rng(1)

    def weight(*shape):
        return (rng.normal(size=shape) * np.sqrt(2 / np.prod(shape[:-1]))).astype(np.float32), np.zeros(
            shape[-1], np.float32
        )

    def conv(x, w, b):
        return jax.nn.relu(
            lax.conv_general_dilated(x, w, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")) + b
        )

    def pool(x):
        return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

    def cnn(p, x, key, running):
        x = pool(conv(pool(conv(x, *p[0])), *p[1]))
        return x.reshape(len(x), -1) @ p[2][0] + p[2][1], running

    def mlp(p, x, key, running):
        found = []
        for i, (w, b, scale, shift) in enumerate(p[:-1]):
            x = x @ w + b
            mean, var = x.mean(0), x.var(0)
            found.append((0.9 * running[i][0] + 0.1 * mean, 0.9 * running[i][1] + 0.1 * var * BATCH / (BATCH - 1)))
            x = jax.nn.relu((x - mean) * lax.rsqrt(var + 1e-5) * scale + shift)
            x = jnp.where(jax.random.bernoulli(jax.random.fold_in(key, i), 0.5, x.shape), x * 2, 0)
        return x @ p[-1][0] + p[-1][1], found

    one, none = np.ones(128, np.float32), np.zeros(128, np.float32)
    if name == "conv":
        forward, initial, running = cnn, [weight(3, 3, 1, 8), weight(3, 3, 8, 16), weight(400, 10)], []
    else:
        initial = [(*weight(64, 128), one, none), (*weight(128, 128), one, none), weight(128, 10)]
        forward, running = mlp, [(none, one), (none, one)]

    def loss(p, rows, key, running):
        z, running = forward(p, X[rows], key, running)
        return -jnp.take_along_axis(jax.nn.log_softmax(z), y[rows][:, None], axis=1).mean(), running

    def step(carry, rows):
        state, running, key = carry
        key, draw = jax.random.split(key)
        (_, running), grads = jax.value_and_grad(loss, has_aux=True)(state[0], rows, draw, running)
        return (adam(state, grads, LR), running, key), None

    @functools.partial(jax.jit, donate_argnums=0)
    def epoch(carry):
        state, running, key = carry
        key, draw = jax.random.split(key)
        order = jax.random.permutation(draw, ROWS).reshape(-1, BATCH)
        return lax.scan(step, (state, running, key), order)[0]

    carry = [(start(initial), jax.tree.map(jnp.array, running), jax.random.key(0))]

    def train(epochs):
        for _ in range(epochs):
            carry[0] = epoch(carry[0])
        jax.block_until_ready(carry[0])

    return train


def part(options, say):
    """{network: {library: [seconds of a step, one for each round]}}."""
    try:
        import torch
    except ImportError:
        raise Failed("not installed: pip install torch") from None
    torch.set_num_threads(options.cores)
    peers = {"PyTorch, fused Adam": functools.partial(pytorch, torch)}
    try:
        import jax
    except ImportError:
        say("  JAX is left out: pip install jax")
    else:
        peers["JAX, jit + lax.scan"] = functools.partial(jax_scan, jax)
    results, rows = {}, []
    for name, title in TITLES.items():
        sides = {"tensorgrad": ours(name), **{label: make(name) for label, make in peers.items()}}
        times = results[name] = {label: [] for label in sides}
        for train in sides.values():
            train(2)
        for _ in range(options.rounds):
            for label, train in sides.items():
                time.sleep(0.2)
                start = time.perf_counter()
                train(EPOCHS[name])
                times[label].append((time.perf_counter() - start) / (EPOCHS[name] * ROWS // BATCH))
        best = min((label for label in peers), key=lambda label: statistics.median(times[label]))
        ratios = [theirs / mine for mine, theirs in zip(times["tensorgrad"], times[best], strict=True)]
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        rows.append([title, *(f"{statistics.median(times[label]) * 1e6:.0f}" for label in sides), best, spread])
    say("\n### a training step, batch 64: microseconds\n")
    say(table(["network", "tensorgrad", *peers, "best peer", f"ratio (goal {GOAL})"], rows))
    return results
