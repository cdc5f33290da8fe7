"""Part `pooling`: forward and backward of layers on images, called one by one, beside PyTorch on 2 threads.

On float32 arrays, with the gradient of the output given. All take turns in one process; a figure is PyTorch's median over
ours, of both layouts that PyTorch knows: channels first, as its layers have them by default, and channels last, as ours.
"""

import gc
import math
import statistics

import numpy as np

import tensorgrad as tg

from .launch import Failed
from .ops import THREADS, medians, step_of
from .report import table

IMAGES = ((64, 26, 26, 8), (64, 11, 11, 16), (64, 14, 14, 32))
GOALS = {"max pooling": 2.0, "average pooling": 2.0}


def pooling(torch):
    """{layer: (our function, PyTorch's, the shapes of its input)}."""
    F, ops = torch.nn.functional, tg.ops
    return {
        "max pooling": (lambda x: ops.max_pool2d(x, 2), lambda x: F.max_pool2d(x, 2), IMAGES),
        "average pooling": (lambda x: ops.avg_pool2d(x, 2), lambda x: F.avg_pool2d(x, 2), IMAGES),
    }


def all_of(torch, name, functions, shape, rng):
    """Our step and PyTorch's two, after a look at their gradients."""
    ours, theirs = functions
    numbers = rng.normal(size=shape).astype(np.float32)
    x = tg.tensor(numbers, requires_grad=True)
    g = rng.normal(size=ours(x).shape).astype(np.float32)
    steps = [step_of(ours, [x], g)]
    steps[0]()
    for layout in (torch.contiguous_format, torch.channels_last):
        a, b = (torch.tensor(n).movedim(-1, 1).contiguous(memory_format=layout) for n in (numbers, g))
        a.requires_grad_(True)
        steps.append(step_of(theirs, [a], b))
        steps[-1]()
        expected = a.grad.movedim(1, -1).numpy()
        if not np.allclose(x.grad, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max()):
            raise Failed(f"{name}, {shape}: another gradient than PyTorch's")
    return steps


def part(options, say):
    """{layer: {shape: [our seconds, PyTorch's with channels first, with channels last]}}."""
    try:
        import torch
    except ImportError:
        raise Failed("not installed: pip install torch") from None
    torch.set_num_threads(min(THREADS, options.cores))
    rng, results, rows = np.random.default_rng(0), {}, []
    for name, (ours, theirs, shapes) in pooling(torch).items():
        results[name] = {}
        for shape in shapes:
            steps = all_of(torch, name, (ours, theirs), shape, rng)
            gc.collect()
            mine, first, last = results[name]["x".join(map(str, shape))] = medians(steps, options.rounds)
            rows.append(
                [
                    f"{name}, {' x '.join(map(str, shape))}",
                    f"{mine * 1e6:.0f}",
                    f"{first / mine:.2f}",
                    f"{last / mine:.2f}",
                ]
            )
    say("\n### forward and backward: our microseconds, PyTorch / ours\n")
    say(table(["layer", "ours", "channels first", "channels last"], rows) + "\n")
    for name, found in results.items():
        for i, layout in ((1, "first"), (2, "last")):
            ratios = [times[i] / times[0] for times in found.values()]
            mean = math.exp(statistics.mean(map(math.log, ratios)))
            what = f"{name}, PyTorch with channels {layout}"
            say(f"{what}: geometric mean {mean:.2f}, least {min(ratios):.2f} (goal {GOALS[name]})")
    return results
