"""PyTorch with torch.func.vmap: a sweep as one batched computation, gradients by torch.func.grad, Adam written out."""

import torch

from . import pytorch
from .side import Side
from .workloads import SWEEP

about = pytorch.about


class Sweep(Side):
    """All models stacked: parameters (models, ...)."""

    def __init__(self, work):
        super().__init__(work)
        self.X, self.y = map(torch.from_numpy, work.data())
        self.lr = torch.tensor(work.rates())
        self.reset()
        self.value_and_grads = torch.func.vmap(torch.func.grad_and_value(self.loss))

    def reset(self):
        models = [self.work.weights(seed) for seed in range(len(self.lr))]
        self.parameters = [
            torch.stack([torch.from_numpy(array) for array in arrays])
            for layer in zip(*models, strict=True)
            for arrays in zip(*layer, strict=True)
        ]
        self.m = [torch.zeros_like(p) for p in self.parameters]
        self.v = [torch.zeros_like(p) for p in self.parameters]
        self.rates = [self.lr.reshape(-1, *[1] * (p.ndim - 1)) for p in self.parameters]
        self.t = 0

    def loss(self, parameters):
        x = self.X
        for i in range(0, len(parameters), 2):
            x = torch.relu(x) if i else x
            x = torch.addmm(parameters[i + 1], x, parameters[i])
        return torch.nn.functional.cross_entropy(x, self.y)

    def step(self, beta1=0.9, beta2=0.999, eps=1e-8):
        grads, losses = self.value_and_grads(self.parameters)
        self.t += 1
        with torch.no_grad():
            torch._foreach_lerp_(self.m, grads, 1 - beta1)
            torch._foreach_mul_(self.v, beta2)
            torch._foreach_addcmul_(self.v, grads, grads, 1 - beta2)
            root = torch._foreach_sqrt(self.v)
            torch._foreach_mul_(root, (1 - beta2**self.t) ** -0.5)
            torch._foreach_add_(root, eps)
            update = torch._foreach_div(self.m, root)
            torch._foreach_mul_(update, self.rates)
            torch._foreach_sub_(self.parameters, update, alpha=1 / (1 - beta1**self.t))
        return losses

    def check(self):
        return [self.step() for _ in range(self.work.checks)][-1].tolist()

    def run(self, count):
        for _ in range(count):
            self.step()


SIDES = {SWEEP: Sweep}
