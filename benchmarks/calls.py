"""Single calls, forward and backward, beside PyTorch's of the same arrays: parts `ops` and `layers`.

With the gradient of the output given. All take turns in one process, many times each; a figure is PyTorch's median over
ours.
"""

import math
import statistics
import time

import numpy as np

from .launch import Failed

THREADS, BLOCK, PAUSE = 2, 0.01, 0.002  # seconds of one's turn, and before it: the other's threads go to sleep


def import_torch(options):
    """PyTorch, on as many threads as everybody may use."""
    try:
        import torch
    except ImportError:
        raise Failed("not installed: pip install torch") from None
    torch.set_num_threads(min(THREADS, options.cores))
    return torch


def step_of(function, inputs, g):
    """One forward and backward."""

    def step():
        for x in inputs:
            x.grad = None
        function(*inputs).backward(g)

    return step


def check_gradient(name, ours, theirs, tolerance):
    """Raise Failed if a gradient is another than PyTorch's, up to a share of the largest number."""
    if not np.allclose(ours, theirs, rtol=tolerance, atol=tolerance * np.abs(theirs).max()):
        raise Failed(f"{name}: another gradient than PyTorch's")


def medians(steps, rounds):
    """The median seconds of each of these steps, that take turns."""
    times = [[] for _ in steps]
    for _ in range(rounds):
        for step, found in zip(steps, times, strict=True):
            time.sleep(PAUSE)
            step()
            end = time.perf_counter() + BLOCK
            while True:
                start = time.perf_counter()
                step()
                now = time.perf_counter()
                found.append(now - start)
                if now > end:
                    break
    return [statistics.median(found) for found in times]


def geometric_mean(ratios):
    return math.exp(statistics.mean(map(math.log, ratios)))
