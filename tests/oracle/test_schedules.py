"""Schedules against torch.optim.lr_scheduler, step by step."""

import inspect
import math

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad.optim import schedules

torch = pytest.importorskip("torch")
theirs = pytest.importorskip("torch.optim.lr_scheduler")
pytestmark = pytest.mark.oracle

OF_PYTORCH = {  # ours, theirs from an optimizer whose rate is 0.3
    "constant": (schedules.Constant(0.3), lambda o: theirs.ConstantLR(o, factor=1)),
    "step": (schedules.Step(0.3, every=7), lambda o: theirs.StepLR(o, 7)),
    "step, gamma": (schedules.Step(0.3, every=3, gamma=0.7), lambda o: theirs.StepLR(o, 3, gamma=0.7)),
    "multi-step": (schedules.MultiStep(0.3, [3, 20, 50]), lambda o: theirs.MultiStepLR(o, [3, 20, 50])),
    "multi-step, gamma": (
        schedules.MultiStep(0.3, (1, 2), gamma=0.5),
        lambda o: theirs.MultiStepLR(o, [1, 2], gamma=0.5),
    ),
    "exponential": (schedules.Exponential(0.3, gamma=0.95), lambda o: theirs.ExponentialLR(o, 0.95)),
    "inverse time": (schedules.InverseTime(0.3, decay=0.1), lambda o: theirs.LambdaLR(o, lambda t: 1 / (1 + 0.1 * t))),
    "polynomial": (schedules.Polynomial(0.3, steps=40), lambda o: theirs.PolynomialLR(o, 40)),
    "polynomial, power": (
        schedules.Polynomial(0.3, steps=40, power=2.5),
        lambda o: theirs.PolynomialLR(o, 40, power=2.5),
    ),
    "cosine": (schedules.Cosine(0.3, steps=40), lambda o: theirs.CosineAnnealingLR(o, 40)),
    "cosine, min_lr": (
        schedules.Cosine(0.3, steps=33, min_lr=0.1),
        lambda o: theirs.CosineAnnealingLR(o, 33, eta_min=0.1),
    ),
    "restarts": (schedules.CosineRestarts(0.3, steps=9), lambda o: theirs.CosineAnnealingWarmRestarts(o, 9)),
    "restarts, factor": (
        schedules.CosineRestarts(0.3, steps=5, factor=2, min_lr=0.01),
        lambda o: theirs.CosineAnnealingWarmRestarts(o, 5, T_mult=2, eta_min=0.01),
    ),
    "warm-up": (
        schedules.Warmup(6, schedules.Constant(0.3), start=0.25),
        lambda o: theirs.LinearLR(o, start_factor=0.25, total_iters=6),
    ),
    "warm-up into cosine": (
        schedules.Warmup(6, schedules.Cosine(0.3, steps=40), start=0.1),
        lambda o: joined(o, 6, theirs.LinearLR(o, 0.1, total_iters=6), theirs.CosineAnnealingLR(o, 40)),
    ),
    "joined": (
        schedules.Step(0.3, every=4).then(schedules.Exponential(0.3, gamma=0.9), at=30),
        lambda o: joined(o, 30, theirs.StepLR(o, 4), theirs.ExponentialLR(o, 0.9)),
    ),
    "scaled": (0.5 * schedules.Step(0.6, every=4), lambda o: theirs.StepLR(o, 4)),
}
OF_PYTORCH |= {
    f"one cycle {options}": (
        schedules.OneCycle(0.3, **options),
        lambda o, options=options: theirs.OneCycleLR(o, 0.3, total_steps=options["steps"], cycle_momentum=False,
            anneal_strategy=options.get("anneal", "cos"), **{k: v for k, v in options.items() if k not in ("steps", "anneal")}),
    )
    for options in [{"steps": 70}, {"steps": 71, "anneal": "linear"}, {"steps": 70, "three_phase": True},
                    {"steps": 70, "pct_start": 0.5, "div_factor": 10.0, "final_div_factor": 50.0},
                    {"steps": 70, "pct_start": 0.4, "anneal": "linear", "three_phase": True}, {"steps": 3}]
}  # fmt: skip
OF_PYTORCH |= {
    f"cyclic {options}": (
        schedules.Cyclic(0.01, 0.3, **options),
        lambda o, options=options: theirs.CyclicLR(o, 0.01, 0.3, cycle_momentum=False, **options),
    )
    for options in [{"step_size_up": 8}, {"step_size_up": 8, "step_size_down": 3}, {"step_size_up": 5, "mode": "triangular2"},
                    {"step_size_up": 4, "step_size_down": 6, "mode": "exp_range", "gamma": 0.97}, {}]
}  # fmt: skip


def joined(optimizer, at, *parts):
    return theirs.SequentialLR(optimizer, list(parts), milestones=[at])


def sgd(lr=0.3):
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)


# PyTorch carries most rates from step to step, and so rounds anew in each
@pytest.mark.parametrize("name", OF_PYTORCH)
@pytest.mark.filterwarnings("ignore:The epoch parameter:UserWarning")  # of SequentialLR itself
def test_every_step(name):
    ours, make = OF_PYTORCH[name]
    optimizer = sgd()
    scheduler = make(optimizer)
    for step in range(getattr(ours, "steps", 100) if isinstance(ours, schedules.OneCycle) else 100):
        assert math.isclose(ours(step), optimizer.param_groups[0]["lr"], rel_tol=1e-12, abs_tol=1e-15), step
        optimizer.step()
        if not isinstance(ours, schedules.OneCycle) or step + 1 < ours.steps:
            scheduler.step()


def test_every_schedule_is_compared():
    all_of_them = {c for c in vars(schedules).values() if inspect.isclass(c) and issubclass(c, schedules.Schedule)} - {
        schedules.Schedule
    }
    assert len(all_of_them) >= 13
    assert {type(ours) for ours, _ in OF_PYTORCH.values()} == all_of_them


PLATEAU = [
    {"patience": 0},
    {"patience": 3, "factor": 0.5},
    {"patience": 1, "cooldown": 4, "factor": 0.3},
    {"patience": 2, "mode": "max"},
    {"patience": 2, "threshold": 0.05},
    {"patience": 2, "threshold": 0.05, "mode": "max"},
    {"patience": 1, "threshold": 0.05, "threshold_mode": "abs"},
    {"patience": 1, "threshold": 0.05, "threshold_mode": "abs", "mode": "max"},
    {"patience": 0, "factor": 0.2, "min_lr": 0.01},
    {"patience": 0, "factor": 0.9},
]


@pytest.mark.parametrize("centre", [1.0, 0.0, -1.0])  # numbers that are negative, too
@pytest.mark.parametrize("options", PLATEAU, ids=str)
def test_reduce_on_plateau(options, centre):
    optimizer = sgd(1.0)
    scheduler = theirs.ReduceLROnPlateau(optimizer, **options)
    ours = tg.optim.SGD([tg.Parameter(np.zeros(1))], lr=1.0)
    plateau = schedules.ReduceOnPlateau(ours, **options)
    numbers = centre + np.random.default_rng(0).normal(size=200) * np.linspace(1, 0.2, 200)
    numbers[17], numbers[60:63] = np.nan, np.inf
    rates = []
    for value in numbers:
        plateau.step(value)
        scheduler.step(value)
        rates.append(ours.lr)
        assert math.isclose(ours.lr, optimizer.param_groups[0]["lr"], rel_tol=1e-12)
    assert len(set(rates)) > 1
