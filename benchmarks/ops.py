"""Part `ops`: forward and backward of every elementwise op and reduction, called one by one, beside PyTorch on 2 threads.

On float32 arrays of three sizes, as `calls.py` says.
"""

import functools
import gc

import numpy as np

import tensorgrad as tg
from tensorgrad._op import Op
from tensorgrad._registry import OPS

from .calls import check_gradient, geometric_mean, import_torch, medians, step_of
from .launch import Failed
from .report import table

SIZES = (8, 256, 2048)
GOALS = {8: (1.5, 0.0), 256: (2.0, 0.8), 2048: (1.2, 0.0)}  # size -> geometric mean, least
SMOOTH, POSITIVE, ABOVE_ONE = (-0.9, 0.9), (0.1, 3.0), (1.1, 3.0)
RANGES = {
    **dict.fromkeys(["log", "log2", "log10", "sqrt", "power", "divide", "reciprocal"], POSITIVE),
    "arccosh": ABOVE_ONE,
}
FILES = ("elementwise", "functions", "activations", "reduce", "softmax")
LAST = ("softmax", "log_softmax", "logsumexp", "cumsum", "cumprod", "norm")  # over the last axis


def counterparts(torch):
    """{name: (our function, PyTorch's)} of all ops whose inputs are arrays of one shape."""
    F, found = torch.nn.functional, {}
    theirs = {"positive": torch.clone, "power": torch.pow, "max": torch.amax, "min": torch.amin,
              "norm": torch.linalg.vector_norm,
              "where": lambda x, y: torch.where(x > 0, x, y), "var": lambda x: torch.var(x, correction=0),
              "std": lambda x: torch.std(x, correction=0), "leaky_relu": F.leaky_relu}  # fmt: skip
    for name, op in sorted(OPS.items()):
        if not isinstance(op, Op) or op.forward.__module__.rpartition(".")[2] not in FILES:
            continue
        peer = theirs.get(name) or getattr(torch, name, None) or getattr(F, name, None)
        if any(op.differentiable) and peer is not None and name != "prelu" and not name.endswith("_backward"):
            found[name] = (op, peer)
    found["where"] = (lambda x, y: tg.ops.where(x > 0, x, y), theirs["where"])
    for name in set(LAST) & found.keys():
        ours, peer = found[name]
        found[name] = (functools.partial(ours, axis=-1), functools.partial(peer, dim=-1))
    return found


def both(torch, name, functions, size, rng):
    """The steps of the two, after a look at their gradients."""
    op, limits = OPS[name], RANGES.get(name, SMOOTH)
    count = len(op.inputs) - len(op.constants)
    arrays = [rng.uniform(*limits, (size, size)).astype(np.float32) for _ in range(count)]
    ours = [tg.tensor(a, requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    g = rng.uniform(0.5, 1.5, functions[0](*ours).shape).astype(np.float32)
    steps = [step_of(functions[0], ours, g), step_of(functions[1], theirs, torch.tensor(g))]
    for step in steps:
        step()
    for a, b in zip(ours, theirs, strict=True):
        check_gradient(f"{name}, {size} x {size}", a.grad, b.grad.numpy(), 1e-4)
    return steps


def part(options, say):
    """{size: {op: [our seconds, PyTorch's]}}."""
    torch = import_torch(options)
    functions, rng, results = counterparts(torch), np.random.default_rng(0), {}
    for size in SIZES:
        results[size] = {}
        for name, pair in functions.items():
            try:
                steps = both(torch, name, pair, size, rng)
            except Failed as failure:
                say(f"  {failure}")
                continue
            gc.collect()
            results[size][name] = medians(steps, options.rounds)
    names = [name for name in functions if all(name in found for found in results.values())]
    rows = [
        [name, *(f"{results[s][name][0] * 1e6:.1f}, {results[s][name][1] / results[s][name][0]:.2f}" for s in SIZES)]
        for name in names
    ]
    say("\n### forward and backward: our microseconds, PyTorch / ours\n")
    say(table(["op", *(f"{s} x {s}" for s in SIZES)], rows) + "\n")
    for size, found in results.items():
        ratios = {name: theirs / mine for name, (mine, theirs) in found.items()}
        mean, worst = geometric_mean(ratios.values()), min(ratios, key=ratios.get)
        goal, least = GOALS[size]
        say(
            f"{size} x {size}: geometric mean {mean:.2f} (goal {goal}), worst {worst} {ratios[worst]:.2f} (goal {least})"
        )
    return results
