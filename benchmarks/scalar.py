"""microgrid against micrograd 0.1.0: one training step (forward, loss, backward) of micrograd's example network.

    python benchmarks/scalar.py

The network is 2-16-16-1 with ReLU, the loss a hinge loss over 20 samples, the weights and inputs are the same. Two
ways of writing it for microgrid: `sum(w * x)` one number at a time, which is micrograd's own graph node for node, and
`Value.dot`, one node a neuron. All take turns in one process, garbage collector on; a round takes the best of several
steps of each. Losses and gradients are compared first.
"""

import gc
import math
import random
import statistics
import sys
import time
from importlib.metadata import PackageNotFoundError, version

from microgrid import Value

WIDTHS, SAMPLES, ROUNDS, STEPS = [16, 16, 1], 20, 9, 5


def hinge(scores, labels):
    """The mean of relu(1 - label * score), written as in micrograd's demo."""
    losses = [(1 + -label * score).relu() for score, label in zip(scores, labels, strict=True)]
    return sum(losses) * (1.0 / len(losses))


def with_micrograd(model, data, labels):
    from micrograd.engine import Value as Peer

    def step():
        model.zero_grad()
        loss = hinge([model([Peer(v) for v in x]) for x in data], labels)
        loss.backward()
        return loss.data, [p.grad for p in model.parameters()]

    return step


def with_microgrid(model, data, labels, neuron):
    """The same network with the weights of micrograd's `model`; `neuron(w, x, b)` is w . x + b."""
    layers = [
        [([Value(w.data) for w in n.w], Value(n.b.data), n.nonlin) for n in layer.neurons] for layer in model.layers
    ]
    parameters = [p for layer in layers for w, b, _ in layer for p in [*w, b]]

    def predict(x):
        x = [Value(v) for v in x]
        for layer in layers:
            out = [(neuron(w, x, b), nonlinear) for w, b, nonlinear in layer]
            x = [y.relu() if nonlinear else y for y, nonlinear in out]
        return x[0]

    def step():
        for p in parameters:
            p.grad = None
        loss = hinge([predict(x) for x in data], labels)
        loss.backward()
        return loss.data, [p.grad for p in parameters]

    return step


def one_by_one(w, x, b):
    return sum((wi * xi for wi, xi in zip(w, x)), b)  # noqa: B905 (as micrograd writes it)


def as_dot(w, x, b):
    return Value.dot(w, x) + b


def check_agreement(name, got, expected):
    """Exit unless loss and every gradient agree to 12 digits; the order of additions may differ."""
    pairs = [(got[0], expected[0]), *zip(got[1], expected[1], strict=True)]
    worst = max(abs(a - b) for a, b in pairs)
    if not all(math.isclose(a, b, rel_tol=1e-12, abs_tol=1e-14) for a, b in pairs):
        sys.exit(f"{name} and micrograd disagree by {worst:.1e}: the times would mean nothing")
    print(f"{name}: loss and {len(pairs) - 1} gradients agree with micrograd's, largest difference {worst:.1e}")


def best(step):
    gc.collect()
    times = []
    for _ in range(STEPS):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return min(times)


def main():
    try:
        from micrograd.nn import MLP

        peer = f"micrograd {version('micrograd')}"
    except (ImportError, PackageNotFoundError):
        sys.exit("benchmarks/scalar.py compares with micrograd, which is not installed: pip install micrograd==0.1.0")

    random.seed(0)
    model = MLP(2, WIDTHS)
    data = [[random.uniform(-1, 1), random.uniform(-1, 1)] for _ in range(SAMPLES)]
    labels = [1 if x * y > 0 else -1 for x, y in data]
    steps = {
        peer: with_micrograd(model, data, labels),
        "microgrid, one by one": with_microgrid(model, data, labels, one_by_one),
        "microgrid, Value.dot": with_microgrid(model, data, labels, as_dot),
    }
    expected = steps[peer]()
    for name, step in steps.items():
        if name != peer:
            check_agreement(name, step(), expected)

    rounds = [{name: best(step) for name, step in steps.items()} for _ in range(ROUNDS)]
    print(f"\nPython {sys.version.split()[0]}, {ROUNDS} rounds, best of {STEPS} steps in each\n")
    print(f"{'':24}{'ms a step':>10}   times as fast as {peer}: median (least to most)")
    for name in steps:
        ratios = [times[peer] / times[name] for times in rounds]
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        print(f"{name:24}{min(times[name] for times in rounds) * 1e3:10.2f}   {spread}")


if __name__ == "__main__":
    main()
