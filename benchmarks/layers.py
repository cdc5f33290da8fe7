"""Part `layers`: forward and backward of convolution, pooling and normalisation, one by one, beside PyTorch on 2 threads.

On float32 arrays, as `calls.py` says. Of images PyTorch knows two layouts: channels first, as its layers have them by
default, and channels last, as ours.
"""

import gc
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

import tensorgrad as tg
from tensorgrad.ops._running import Running

from .calls import check_gradient, geometric_mean, import_torch, medians, step_of
from .report import table

IMAGES = ((64, 26, 26, 8), (64, 11, 11, 16), (64, 14, 14, 32))  # that are pooled
NORMALISED = ((128, 512), (32, 14, 14, 32))


@dataclass
class Case:
    """One layer in both libraries, as functions of images and weights."""

    group: str
    shape: tuple  # of the images, channels last, or of rows
    ours: Callable
    theirs: Callable
    weights: tuple = ()  # their shapes
    input_gradient: bool = True
    turned: Callable = np.array  # a weight, or its gradient, as PyTorch has it


def convolution(torch, size, channels, features, input_gradient=True):
    """3 x 3, with bias and ReLU."""
    return Case(
        "convolution", (64, size, size, channels),
        lambda x, w, b: tg.ops.conv2d(x, w, b, activation="relu"),
        lambda x, w, b: torch.relu(torch.conv2d(x, w, b)),
        ((3, 3, channels, features), (features,)), input_gradient,
        lambda w: np.ascontiguousarray(w.transpose(3, 2, 0, 1)) if w.ndim == 4 else np.array(w),
    )  # fmt: skip


def depthwise(torch, size, channels):
    """3 x 3, one filter for each channel, with bias."""
    return Case(
        "depthwise convolution", (64, size, size, channels),
        lambda x, w, b: tg.ops.conv2d(x, w, b, groups=channels),
        lambda x, w, b: torch.conv2d(x, w, b, groups=channels),
        ((3, 3, 1, channels), (channels,)), turned=convolution(torch, size, 1, channels).turned,
    )  # fmt: skip


def pooling(torch):
    """2 x 2, of several images."""
    F, ops, found = torch.nn.functional, tg.ops, {}
    for group, ours, theirs in (
        ("max pooling", ops.max_pool2d, F.max_pool2d),
        ("average pooling", ops.avg_pool2d, F.avg_pool2d),
    ):
        for shape in IMAGES:
            pair = (partial(ours, kernel_size=2), partial(theirs, kernel_size=2))
            found[f"{group} 2x2, {' x '.join(map(str, shape))}"] = Case(group, shape, *pair)
    return found


def normalisation(torch):
    """Of rows and of images, with a weight and a bias for each channel."""
    F, found = torch.nn.functional, {}
    for shape in NORMALISED:
        n = shape[-1]
        ours, theirs = Running(np.zeros(n, np.float32), np.ones(n, np.float32)), (torch.zeros(n), torch.ones(n))
        for group, *pair in (
            ("batch", partial(tg.ops.batch_norm, running=ours), partial(batch_norm, F, theirs)),
            ("layer", tg.ops.layer_norm, partial(layer_norm, F)),
            ("group", partial(tg.ops.group_norm, groups=8), lambda x, w, b: F.group_norm(x, 8, w, b)),
        ):
            name = f"{group} normalisation"
            found[f"{name}, {' x '.join(map(str, shape))}"] = Case(name, shape, *pair, ((n,), (n,)))
    return found


def batch_norm(F, running, x, w, b):
    return F.batch_norm(x, *running, w, b, training=True)


def layer_norm(F, x, w, b):
    """Over the channels, which come first."""
    return F.layer_norm(x.movedim(1, -1), w.shape, w, b).movedim(-1, 1)


def cases(torch):
    """{what it is: Case}."""
    return (
        pooling(torch)
        | normalisation(torch)
        | {
            "conv 3x3, 64 x 28 x 28 x 1 -> 8, first": convolution(torch, 28, 1, 8, input_gradient=False),
            "conv 3x3, 64 x 13 x 13 x 8 -> 16": convolution(torch, 13, 8, 16),
            "conv 3x3, 64 x 16 x 16 x 16 -> 32": convolution(torch, 16, 16, 32),
            "conv 3x3, 64 x 32 x 32 x 3 -> 32": convolution(torch, 32, 3, 32),
            "depthwise 3x3, 64 x 14 x 14 x 32": depthwise(torch, 14, 32),
        }
    )


GOALS = {
    "max pooling": (2.0, 2.0),
    "average pooling": (2.0, 2.0),
    "convolution": (1.5, 1.0),
    "depthwise convolution": (1.0, 1.0),
    "batch normalisation": (1.5, 1.5),
    "layer normalisation": (1.5, 1.5),
}  # geometric mean, least


def both(torch, name, case, rng):
    """Our step and PyTorch's, one for each layout, after a look at their gradients."""
    images = rng.normal(size=case.shape).astype(np.float32)
    weights = [rng.normal(size=shape).astype(np.float32) for shape in case.weights]
    needs = [case.input_gradient, *[True] * len(weights)]
    ours = [tg.tensor(a, requires_grad=k) for a, k in zip([images, *weights], needs, strict=True)]
    g = rng.uniform(0.5, 1.5, case.ours(*ours).shape).astype(np.float32)
    steps = [step_of(case.ours, ours, g)]
    steps[0]()
    for layout in (torch.contiguous_format, torch.channels_last)[: 2 if len(case.shape) == 4 else 1]:
        x, their_g = (torch.tensor(a).movedim(-1, 1).contiguous(memory_format=layout) for a in (images, g))
        theirs = [x, *(torch.tensor(case.turned(w)) for w in weights)]
        for t, k in zip(theirs, needs, strict=True):
            t.requires_grad_(k)
        steps.append(step_of(case.theirs, theirs, their_g))
        steps[-1]()
        for i in (i for i, k in enumerate(needs) if k):
            a, b = ours[i].grad, theirs[i].grad
            a, b = (a, b.movedim(1, -1).numpy()) if not i else (case.turned(a), b.numpy())
            check_gradient(name, a, b, 1e-3)  # an output next to 0 may be on either side
    return steps


def part(options, say):
    """{case: [our seconds, PyTorch's with channels first, with channels last]}; rows have no third."""
    torch = import_torch(options)
    rng, results, rows = np.random.default_rng(0), {}, []
    every = cases(torch)
    for name, case in every.items():
        steps = both(torch, name, case, rng)
        gc.collect()
        mine, *theirs = results[name] = medians(steps, options.rounds)
        ratios = [f"{their / mine:.2f}" for their in theirs]
        rows.append([name, f"{mine * 1e6:.0f}", *ratios, *[""] * (2 - len(ratios))])
    say("\n### forward and backward: our microseconds, PyTorch / ours\n")
    say(table(["layer", "ours", "channels first", "channels last"], rows) + "\n")
    for group, (goal, least) in GOALS.items():
        for i, layout in ((1, "first"), (2, "last")):
            found = [times for name, times in results.items() if every[name].group == group]
            ratios = [times[i] / times[0] for times in found if len(times) > i]
            say(
                f"{group}, PyTorch with channels {layout}: geometric mean {geometric_mean(ratios):.2f} (goal {goal}), "
                f"least {min(ratios):.2f} (goal {least})"
            )
    return results
