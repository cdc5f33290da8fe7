"""Part `scalar`: microgrid against micrograd 0.1.0, one training step (forward, loss, backward) of its example network.

The network is 2-16-16-1 with ReLU, the loss a hinge loss over 20 samples, the weights and inputs are the same. Two
ways of writing it for microgrid: `sum(w * x)` one number at a time, which is micrograd's own graph node for node, and
`Value.dot`, one node a neuron. All take turns in one process, garbage collector on; a round takes the best of several
steps of each. Losses and gradients are compared first.
"""

import gc
import math
import random
import time
from importlib.metadata import PackageNotFoundError, version

from microgrid import Value

from .alternation import alternate, ratios
from .launch import Failed
from .report import spread, table

WIDTHS, SAMPLES, STEPS = [16, 16, 1], 20, 5


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


def check_agreement(name, got, expected, say):
    """Raises Failed unless loss and every gradient agree to 12 digits; the order of additions may differ."""
    pairs = [(got[0], expected[0]), *zip(got[1], expected[1], strict=True)]
    worst = max(abs(a - b) for a, b in pairs)
    if not all(math.isclose(a, b, rel_tol=1e-12, abs_tol=1e-14) for a, b in pairs):
        raise Failed(f"{name} and micrograd disagree by {worst:.1e}: the times would mean nothing")
    say(f"  {name}: loss and {len(pairs) - 1} gradients agree with micrograd's, largest difference {worst:.1e}")


def best(step):
    """The least milliseconds of several steps."""
    gc.collect()
    times = []
    for _ in range(STEPS):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return min(times) * 1e3


def part(options, say):
    """{label: Outcome}, numbers in milliseconds a step."""
    try:
        from micrograd.nn import MLP

        peer = f"micrograd {version('micrograd')}"
    except (ImportError, PackageNotFoundError):
        raise Failed("not installed: pip install micrograd==0.1.0") from None

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
            check_agreement(name, step(), expected, say)

    runs = {name: lambda step=step: (best(step), {}) for name, step in steps.items()}
    outcomes = alternate(runs, options.rounds, "{:.2f} ms a step".format, say)
    rows = [
        [name, spread(outcomes[name].numbers), spread([1 / r for r in ratios(outcomes, name, peer)])] for name in steps
    ]
    say("\n### microgrid and micrograd\n\n" + table(["", "ms a step", f"times as fast as {peer}"], rows) + "\n")
    return outcomes
