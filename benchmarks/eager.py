"""Eager training against PyTorch: python benchmarks/eager.py

The spiral, 300 rows, 2-64-64-3, full batch, Adam, float32, from the same weights. Each side runs in a process of its own,
in alternation; the ratio is taken pair by pair. PyTorch runs in its best eager form: fused Adam, no number read back.
Both run the same hand-written loop; beside it stands `tg.fit(compile=False)`, which also gathers the batch, keeps the loss
of every step and checks that gradients are finite. The variables that hold OpenBLAS to old kernels
(OPENBLAS_CORETYPE, OPENBLAS_L2_SIZE) are removed first. Needs the extra `oracle`.
"""

import argparse
import importlib.util
import itertools
import json
import os
import statistics
import subprocess
import sys
import time

import numpy as np

SIZES, STEPS, LR = (2, 64, 64, 3), 300, 1e-2


def problem():
    """The data and the initial weights, the same for everybody."""
    rng = np.random.default_rng(0)
    r, k = np.linspace(0, 1, 100), np.arange(3)[:, None]
    t = np.linspace(0, 4, 100) + 4 * k + rng.normal(size=(3, 100)) * 0.2
    X = np.stack([r * np.sin(2.5 * t), r * np.cos(2.5 * t)], -1).reshape(-1, 2).astype(np.float32)
    weights = [(rng.normal(size=(a, b)) * np.sqrt(2 / a)).astype(np.float32) for a, b in itertools.pairwise(SIZES)]
    return X, np.repeat(np.arange(3), 100), weights


def ours():
    """Seconds for a step of a hand-written loop and of fit, how many of the former are Python, the loss after 20 steps."""
    import tensorgrad as tg
    from tensorgrad import kernels, nn, optim

    X, y, weights = problem()
    model = nn.Sequential(nn.Dense(2, 64), nn.ReLU(), nn.Dense(64, 64), nn.ReLU(), nn.Dense(64, 3), rng=0)
    for layer, w in zip(model.layers[::2], weights, strict=True):
        layer.weight.data = w
    optimizer, loss_of, inputs = optim.Adam(model.parameters(), lr=LR), nn.CrossEntropyLoss(), tg.tensor(X)

    def train(steps):
        start = time.perf_counter()
        for _ in range(steps):
            optimizer.zero_grad()
            loss = loss_of(model(inputs), y)
            loss.backward()
            optimizer.step()
        return time.perf_counter() - start, loss.item()

    def fit(steps):
        start = time.perf_counter()
        tg.fit(model, (X, y), loss=loss_of, optimizer=optimizer, epochs=steps, batch_size=None, shuffle=False,
               compile=False, progress=False)  # fmt: skip
        return time.perf_counter() - start

    early = train(20)[1]
    step = min(train(STEPS)[0] for _ in range(5)) / STEPS
    fitted = min(fit(STEPS) for _ in range(5)) / STEPS
    # The same steps with kernels that do nothing: what is left is Python.
    for kernel in kernels.Kernel.registry.values():
        kernel.body = itertools.chain  # takes any arrays, does nothing, and is no Python itself
    python = min(train(STEPS)[0] for _ in range(5)) / STEPS
    return {"step": step, "loss": early, "fit": fitted, "python": python}


def pytorch():
    """Seconds for a step, and the loss after 20 steps."""
    import torch

    X, y, weights = problem()
    X, y = torch.from_numpy(X), torch.from_numpy(y)
    layers = []
    for w in weights:
        linear = torch.nn.Linear(*w.shape)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(w.T))
            linear.bias.zero_()
        layers += [linear, torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    optimizer, loss_of = torch.optim.Adam(model.parameters(), lr=LR, fused=True), torch.nn.CrossEntropyLoss()

    def train(steps):
        start = time.perf_counter()
        for _ in range(steps):
            optimizer.zero_grad()
            loss = loss_of(model(X), y)
            loss.backward()
            optimizer.step()
        return time.perf_counter() - start, loss.item()

    early = train(20)[1]
    best = min(train(STEPS)[0] for _ in range(5)) / STEPS
    return {"step": best, "loss": early}


def run(side):
    """One side in a fresh process; its numbers."""
    env = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    done = subprocess.run(
        [sys.executable, __file__, "--side", side], capture_output=True, text=True, env=env, check=False
    )
    if done.returncode:
        sys.exit(f"{side} failed:\n{done.stderr}")
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="pairs of runs (default 5)")
    parser.add_argument("--side", choices=["ours", "pytorch"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        print(json.dumps(ours() if args.side == "ours" else pytorch()))
        return
    if importlib.util.find_spec("torch") is None:
        sys.exit(
            'benchmarks/eager.py compares with PyTorch, which is not installed: pip install "microgrid-tensorgrad[oracle]"'
        )
    pairs = [(run("ours"), run("pytorch")) for _ in range(args.rounds)]
    for mine, theirs in pairs:
        assert abs(mine["loss"] - theirs["loss"]) < 1e-3, (mine, theirs)
        print(
            f"ours {mine['step'] * 1e6:5.1f} us a step ({mine['python'] * 1e6:.1f} Python), fit {mine['fit'] * 1e6:5.1f}   "
            f"PyTorch {theirs['step'] * 1e6:5.1f} us   ratio {theirs['step'] / mine['step']:.2f}, "
            f"fit {theirs['step'] / mine['fit']:.2f}   loss after 20 steps {mine['loss']:.5f} and {theirs['loss']:.5f}"
        )
    for what, key in (("the loop", "step"), ("fit", "fit")):
        ratios = [theirs["step"] / mine[key] for mine, theirs in pairs]
        low, high = min(ratios), max(ratios)
        print(f"ratio PyTorch / ours, {what}: median {statistics.median(ratios):.2f} (from {low:.2f} to {high:.2f})")


if __name__ == "__main__":
    main()
