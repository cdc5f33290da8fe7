"""Every optimizer against PyTorch's: 50 steps with each option, from the same weights and gradients."""

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import optim

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle

BETAS = [{}, {"betas": (0.8, 0.95)}, {"eps": 1e-3}]
DECAY = [{"weight_decay": 0.05}]
OPTIONS = {
    "SGD": [{}, {"momentum": 0.9}, {"momentum": 0.9, "dampening": 0.3}, {"dampening": 0.3},
            {"momentum": 0.9, "nesterov": True, "weight_decay": 0.05}, *DECAY],
    "Adagrad": [{}, {"lr_decay": 0.01}, {"initial_accumulator_value": 0.1}, {"eps": 1e-3}, *DECAY],
    "Adadelta": [{}, {"rho": 0.8}, {"eps": 1e-3}, *DECAY],
    "RMSprop": [{}, {"alpha": 0.9}, {"eps": 1e-3}, {"momentum": 0.9}, {"centered": True},
                {"centered": True, "momentum": 0.5, "weight_decay": 0.05}, *DECAY],
    "Adam": [*BETAS, *DECAY],
    "AdamW": [*BETAS, *DECAY, {"weight_decay": 0.0}],
    "AMSGrad": [*BETAS, *DECAY],
    "Adamax": [*BETAS, *DECAY],
    "NAdam": [*BETAS, {"momentum_decay": 0.01}, *DECAY, {"weight_decay": 0.05, "decoupled": True}],
    "RAdam": [*BETAS, *DECAY, {"weight_decay": 0.05, "decoupled": True}],
}  # fmt: skip
CASES = [pytest.param(name, options, id=f"{name}-{'-'.join(options) or 'defaults'}")
         for name, found in OPTIONS.items() for options in found]  # fmt: skip


def theirs(name, parameters, **options):
    if "decoupled" in options:
        options["decoupled_weight_decay"] = options.pop("decoupled")
    if name == "AMSGrad":
        return torch.optim.Adam(parameters, amsgrad=True, **options)
    return getattr(torch.optim, name)(parameters, **options)


def test_every_optimizer_that_pytorch_has_is_compared():
    assert {n for n in optim.__all__ if hasattr(torch.optim, n)} - {"Optimizer"} | {"AMSGrad"} == set(OPTIONS)


@pytest.mark.parametrize(
    ("dtype", "tolerance", "clip"),
    [
        ("float64", 1e-9, {}),
        ("float32", 1e-5, {}),
        ("float64", 1e-9, {"clip_norm": 1.5}),
        ("float64", 1e-9, {"clip_value": 0.5}),
    ],
    ids=["float64", "float32", "norm", "value"],
)
@pytest.mark.parametrize(("name", "options"), CASES)
def test_fifty_steps(name, options, clip, dtype, tolerance):
    """Relative to the largest number: double precision to 1e-9, single precision to 1e-5."""
    rng = np.random.default_rng(0)
    start = [rng.normal(size=s).astype(dtype) for s in ((5, 3), (67,))]
    mine, other = [tg.Parameter(a.copy()) for a in start], [torch.nn.Parameter(torch.tensor(a)) for a in start]
    ours = getattr(optim, name)(mine, **options, **clip)
    peer = theirs(name, other, **options)
    for step in range(50):
        for p, q in zip(mine, other, strict=True):
            p.grad = rng.normal(size=p.shape).astype(dtype) * 10.0 ** (step % 4 - 2)
            q.grad = torch.tensor(p.grad)
        if "clip_norm" in clip:
            torch.nn.utils.clip_grad_norm_(other, clip["clip_norm"])
        if "clip_value" in clip:
            torch.nn.utils.clip_grad_value_(other, clip["clip_value"])
        ours.step()
        peer.step()
        for p, q in zip(mine, other, strict=True):
            expected = q.detach().numpy()
            assert np.abs(p.data - expected).max() <= tolerance * np.abs(expected).max()


def test_groups_and_schedules():
    """Two groups, of which one has numbers of its own, and a rate that changes."""
    rng = np.random.default_rng(0)
    start = [rng.normal(size=s) for s in ((5, 3), (7,))]
    mine, other = [tg.Parameter(a.copy()) for a in start], [torch.nn.Parameter(torch.tensor(a)) for a in start]
    own = {"lr": 1e-2, "weight_decay": 0.0, "betas": (0.8, 0.9)}
    ours = optim.AdamW([{"params": mine[:1]}, {"params": mine[1:], **own}], lr=1e-3, weight_decay=0.1)
    peer = torch.optim.AdamW([{"params": other[:1]}, {"params": other[1:], **own}], lr=1e-3, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.LambdaLR(peer, lambda step: 1 / (1 + step))
    for step in range(20):
        ours.lr = 1e-3 / (1 + step)
        for p, q in zip(mine, other, strict=True):
            p.grad = rng.normal(size=p.shape)
            q.grad = torch.tensor(p.grad)
        ours.step()
        peer.step()
        schedule.step()
    for p, q in zip(mine, other, strict=True):
        np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-9, atol=1e-12)
