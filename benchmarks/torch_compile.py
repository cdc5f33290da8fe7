"""PyTorch with torch.compile: forward, loss and their gradients compiled, Adam fused. Needs a C++ compiler."""

import sys

import torch

from . import pytorch
from .workloads import DQN, MLP, ONE_ROW

about = pytorch.about


def compiled(function):
    """The function compiled anew, as for an architecture never seen before."""
    torch._dynamo.reset()
    return torch.compile(function, dynamic=False)


def checked():
    """End the process where nothing can be compiled, with the reason."""
    try:
        compiled(lambda x: x.sin() + 1)(torch.ones(8))
    except Exception as error:
        reason = str(error).strip().splitlines()[0]
        sys.exit(f"torch.compile does not work here: {reason}")


class Fit(pytorch.Fit):
    def __init__(self, work):
        checked()
        super().__init__(work)
        self.loss = compiled(super().loss)


class OneRow(pytorch.OneRow):
    def __init__(self, work):
        checked()
        super().__init__(work)
        self.model = compiled(self.model)


class DeepQ(pytorch.DeepQ):
    def __init__(self, work):
        checked()
        super().__init__(work)
        self.loss = compiled(super().loss)


SIDES = {MLP: Fit, ONE_ROW: OneRow, DQN: DeepQ}
