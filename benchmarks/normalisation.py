"""Part `normalisation`: forward and backward of normalisation, called one by one, beside PyTorch on 2 threads.

On float32 arrays, with the gradient of the output given; PyTorch has images with channels first and channels last. All take
turns in one process; a figure is PyTorch's median over ours.
"""

import gc
from functools import partial

import numpy as np

import tensorgrad as tg
from tensorgrad.ops._running import Running

from .launch import Failed
from .ops import THREADS, medians, step_of
from .report import table

SHAPES = ((128, 512), (32, 14, 14, 32))
GOAL = 1.5


def pairs(torch):
    """{name: (our op for so many channels, PyTorch's on (n, channels, ...))}."""
    F = torch.nn.functional

    def batch(n):
        ours = Running(np.zeros(n, np.float32), np.ones(n, np.float32))
        theirs = torch.zeros(n), torch.ones(n)
        return partial(tg.ops.batch_norm, running=ours), lambda x, w, b: F.batch_norm(x, *theirs, w, b, training=True)

    def layer(n):
        return tg.ops.layer_norm, lambda x, w, b: F.layer_norm(x.movedim(1, -1), (n,), w, b).movedim(-1, 1)

    def group(n):
        return partial(tg.ops.group_norm, groups=8), lambda x, w, b: F.group_norm(x, 8, w, b)

    return {"batch_norm": batch, "layer_norm": layer, "group_norm": group}


def steps_of(torch, name, functions, shape, rng):
    """Our step, and PyTorch's in each layout, after a look at their gradients."""
    channels = shape[-1:]
    arrays = [rng.normal(size=shape), rng.uniform(0.5, 1.5, channels), rng.normal(size=channels)]
    arrays = [a.astype(np.float32) for a in arrays]
    g = rng.uniform(0.5, 1.5, shape).astype(np.float32)
    ours = [tg.tensor(a, requires_grad=True) for a in arrays]
    steps = [step_of(functions[0], ours, g)]
    for layout in (torch.contiguous_format, torch.channels_last)[: 1 if len(shape) == 2 else 2]:
        first, slope = (torch.tensor(a).movedim(-1, 1).contiguous(memory_format=layout) for a in (arrays[0], g))
        theirs = [t.requires_grad_() for t in (first, *map(torch.tensor, arrays[1:]))]
        steps.append(step_of(functions[1], theirs, slope))
        for step in (steps[0], steps[-1]):
            step()
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            expected = (b.grad if i else b.grad.movedim(1, -1)).numpy()
            if not np.allclose(a.grad, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max()):
                raise Failed(f"{name}, {shape}: another gradient than PyTorch's")
    return steps


def part(options, say):
    """{case: [our seconds, PyTorch's in each layout]}."""
    try:
        import torch
    except ImportError:
        raise Failed("not installed: pip install torch") from None
    torch.set_num_threads(min(THREADS, options.cores))
    rng, results, rows = np.random.default_rng(0), {}, []
    for name, make in pairs(torch).items():
        for shape in SHAPES:
            case = f"{name}, {' x '.join(map(str, shape))}"
            steps = steps_of(torch, name, make(shape[-1]), shape, rng)
            gc.collect()
            mine, *others = results[case] = medians(steps, options.rounds)
            ratios = [f"{other / mine:.2f}" for other in others]
            rows.append([case, f"{mine * 1e6:.0f}", ratios[0], ratios[1] if len(ratios) > 1 else ""])
    say("\n### forward and backward: our microseconds, PyTorch / ours\n")
    say(table(["layer", "ours", "channels first", "channels last"], rows) + "\n")
    ratios = {c: min(t[1:]) / t[0] for c, t in results.items() if not c.startswith("group")}
    worst = min(ratios, key=ratios.get)
    say(f"batch and layer normalisation: least {ratios[worst]:.2f}, {worst} (goal {GOAL})")
    return results
