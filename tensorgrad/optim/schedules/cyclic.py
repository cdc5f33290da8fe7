"""Schedules that go up before they go down."""

import math
from dataclasses import dataclass
from typing import ClassVar

from ...errors import OptionError
from .schedule import Schedule, at_least_0, count, one_of, positive, share

__all__ = ["Cyclic", "OneCycle"]


@dataclass(frozen=True, repr=False)
class OneCycle(Schedule):
    """One rise from max_lr / div_factor to max_lr, one fall to max_lr / (div_factor final_div_factor), in `steps` steps.

    The rise takes the share `pct_start` of the steps; with `three_phase` as long a fall to where it began follows it, then
    the rest. `anneal` is "cos" or "linear". After `steps` steps the rate stays. Smith and Topin 2019; PyTorch's OneCycleLR.

    >>> schedule = OneCycle(1.0, steps=100, pct_start=0.5, anneal="linear")
    >>> [round(schedule(step), 3) for step in (0, 49, 74, 99)]
    [0.04, 1.0, 0.5, 0.0]
    """

    max_lr: float
    steps: int
    pct_start: float = 0.3
    anneal: str = "cos"
    div_factor: float = 25.0
    final_div_factor: float = 1e4
    three_phase: bool = False
    checks: ClassVar = {"max_lr": at_least_0, "steps": count, "pct_start": share, "anneal": one_of("cos", "linear"),
                        "div_factor": positive, "final_div_factor": positive, "three_phase": one_of(True, False)}  # fmt: skip

    def rate(self, step):
        first = self.max_lr / self.div_factor
        least, peak, end = first / self.final_div_factor, self.pct_start * self.steps - 1, self.steps - 1
        ways = [(peak, first, self.max_lr), (end, self.max_lr, least)]
        if self.three_phase:
            ways = [ways[0], (2 * self.pct_start * self.steps - 2, self.max_lr, first), (end, first, least)]
        step, begin = min(step, end), 0.0
        for finish, low, high in ways:
            if step <= finish or finish == end:
                done = (step - begin) / (finish - begin) if finish > begin else 1.0
                return low + (high - low) * (done if self.anneal == "linear" else (1 - math.cos(math.pi * done)) / 2)
            begin = finish
        return least


@dataclass(frozen=True, repr=False)
class Cyclic(Schedule):
    """Straight up from base_lr to max_lr in step_size_up steps, down in step_size_down (None: as many), and again.

    mode: "triangular"; "triangular2" halves the height after each cycle; "exp_range" multiplies it by gamma**step.
    Smith 2017; PyTorch's CyclicLR.

    >>> [Cyclic(0.0, 1.0, step_size_up=2)(step) for step in range(6)]
    [0.0, 0.5, 1.0, 0.5, 0.0, 0.5]
    """

    base_lr: float
    max_lr: float
    step_size_up: int = 2000
    step_size_down: int | None = None
    mode: str = "triangular"
    gamma: float = 1.0
    checks: ClassVar = {"base_lr": at_least_0, "max_lr": at_least_0, "step_size_up": count,
                        "step_size_down": lambda owner, name, n: n if n is None else count(owner, name, n),
                        "mode": one_of("triangular", "triangular2", "exp_range"), "gamma": positive}  # fmt: skip

    def __post_init__(self):
        super().__post_init__()
        if self.max_lr < self.base_lr:
            raise OptionError(f"Cyclic: max_lr {self.max_lr:g} must not be below base_lr {self.base_lr:g}")

    def rate(self, step):
        up = self.step_size_up
        down = self.step_size_down or up
        cycle, at = divmod(step, up + down)
        height = (self.max_lr - self.base_lr) * (at / up if at <= up else 1 - (at - up) / down)
        return (
            self.base_lr
            + height * {"triangular": 1.0, "triangular2": 0.5**cycle, "exp_range": self.gamma**step}[self.mode]
        )
