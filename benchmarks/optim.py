"""Part `optim`: an eager step of Adam on 1,000,000 parameters, beside PyTorch's fused Adam on 2 threads.

float32; alone, and with a limit on the global norm of the gradients, which they keep to, so that clipping changes nothing. All
take turns in one process; a figure is the median.
"""

import gc

import numpy as np

import tensorgrad as tg

from .calls import import_torch, medians
from .launch import Failed
from .report import table

COUNT = 1_000_000
GOAL, MOST = 1.5, 0.15  # times PyTorch's speed; what clipping may add


def part(options, say):
    """{what: seconds}."""
    torch = import_torch(options)
    rng = np.random.default_rng(0)
    weights, gradient = (rng.normal(size=COUNT).astype(np.float32) for _ in range(2))
    mine, clipped = (tg.Parameter(weights.copy()) for _ in range(2))
    theirs, theirs_clipped = (torch.nn.Parameter(torch.tensor(weights)) for _ in range(2))
    mine.grad, clipped.grad = gradient, gradient
    theirs.grad, theirs_clipped.grad = torch.tensor(gradient), torch.tensor(gradient)
    adam = torch.optim.Adam([theirs_clipped], fused=True)

    def clip_and_step():
        torch.nn.utils.clip_grad_norm_([theirs_clipped], 1e6)
        adam.step()

    steps = {
        "PyTorch, fused": torch.optim.Adam([theirs], fused=True).step,
        "ours": tg.optim.Adam([mine]).step,
        "ours, clip_norm": tg.optim.Adam([clipped], clip_norm=1e6).step,
        "PyTorch, fused, clip_grad_norm_": clip_and_step,
    }
    for step in steps.values():
        step()
    expected = theirs.detach().numpy()
    if not all(np.allclose(p.data, expected, rtol=1e-4, atol=1e-5) for p in (mine, clipped)):
        raise Failed("another step than PyTorch's")
    gc.collect()
    peer, ours, with_clipping, peer_with_clipping = found = medians(list(steps.values()), 10 * options.rounds)
    results = dict(zip(steps, found, strict=True))
    say("\n### a step of Adam on a million parameters: microseconds\n")
    say(table(["", "us"], [[name, f"{seconds * 1e6:.0f}"] for name, seconds in results.items()]) + "\n")
    say(
        f"PyTorch / ours: {peer / ours:.2f} (goal {GOAL}), with clipping {peer_with_clipping / with_clipping:.2f}; "
        f"clipping adds {with_clipping / ours - 1:.0%} (goal under {MOST:.0%}), to PyTorch {peer_with_clipping / peer - 1:.0%}"
    )
    return results
