"""tensorgrad without its compiled loop: tg.fit(compile=False), and a training loop written by hand."""

import operator
import time

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad.kernels import _compile
from tensorgrad.optim import _step

from . import ours
from .workloads import MLP

about = ours.about


class Fit(ours.Fit):
    """tg.fit(compile=False): beside the step it keeps every loss and checks that all gradients are finite."""

    options = {"compile": False}  # noqa: RUF012

    def note(self):
        return ""


class Loop(Fit):
    """Forward, backward and Adam in a loop of one's own, full batch."""

    def __init__(self, work):
        super().__init__(work)
        self.loss_of, self.inputs = nn.CrossEntropyLoss(), tg.tensor(self.X)

    def step(self):
        self.optimizer.zero_grad()
        loss = self.loss_of(self.model(self.inputs), self.y)
        loss.backward()
        self.optimizer.step()
        return loss

    def check(self):
        return [self.step().item() for _ in range(self.work.checks)]

    def run(self, count):
        for _ in range(count):
            self.step()

    def note(self):
        """How much of a step is Python: the time of the same steps with kernels that do nothing."""
        walk, call_on = _step.walk, _compile.call_on
        try:
            _step.walk = _nothing
            _compile.call_on = operator.is_  # takes two numbers, says 0, and is no Python itself
            times = []
            for _ in range(5):
                start = time.perf_counter()
                self.run(200)
                times.append((time.perf_counter() - start) / 200)
        finally:
            _step.walk, _compile.call_on = walk, call_on
        return f"{min(times) * 1e6:.0f} us of a step are Python"


FIT, LOOP = {MLP: Fit}, {MLP: Loop}


def _nothing(address, count):
    """What an optimizer's step calls instead of its rows."""
    return count
