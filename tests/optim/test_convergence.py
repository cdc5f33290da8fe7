"""Every optimizer finds minima: Rosenbrock's valley, and a quadratic whose axes differ by a factor of 1e4."""

import inspect

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import optim

CLASSES = [c for _, c in inspect.getmembers(optim, inspect.isclass) if c is not optim.Optimizer]
STEPS = 20_000


def rosenbrock(p):
    x, y = p
    return (1 - x) ** 2 + 100 * (y - x * x) ** 2, np.array([-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)])


SCALES = np.logspace(0, 4, 5)


def quadratic(p):
    return (SCALES * p * p).sum() / 2, SCALES * p


def lowest(cls, f, start, steps=STEPS, **options):
    """The value of f after so many steps, with the rate falling to 0 as a cosine does."""
    p = tg.Parameter(np.array(start))
    optimizer = cls([p], **options)
    rate = optimizer.lr
    for step in range(steps):
        optimizer.lr = rate * (1 + np.cos(np.pi * step / steps)) / 2
        p.grad = f(p.data)[1]
        optimizer.step()
    return f(p.data)[0]


# Options for each of the two, and what was reached, times ten or so.
CASES = {
    "SGD": ({"lr": 1e-3, "momentum": 0.9}, 1e-27, {"lr": 1e-4, "momentum": 0.9}, 1e-8),
    "Adagrad": ({"lr": 0.5}, 1e-6, {"lr": 0.5}, 1e-100),
    "Adadelta": ({"lr": 1.0, "rho": 0.95}, 1e-8, {"lr": 1.0}, 1e-100),
    "RMSprop": ({"lr": 0.01}, 1e-9, {"lr": 0.01}, 1e-100),
    "Adam": ({"lr": 0.05}, 1e-25, {"lr": 0.05}, 1e-100),
    "AdamW": ({"lr": 0.05, "weight_decay": 0.0}, 1e-25, {"lr": 0.05}, 1e-100),
    "AMSGrad": ({"lr": 0.05}, 1e-25, {"lr": 0.05}, 1e-100),
    "Adamax": ({"lr": 0.05}, 1e-25, {"lr": 0.05}, 1e-100),
    "NAdam": ({"lr": 0.05}, 1e-22, {"lr": 0.05}, 1e-100),
    "RAdam": ({"lr": 1e-3}, 1e-25, {"lr": 2e-4}, 1e-30),
    "Lion": ({"lr": 0.01}, 1e-11, {"lr": 0.01}, 1e-13),
}


@pytest.mark.parametrize("cls", CLASSES)
def test_minima_are_found(cls):
    options, valley, others, bowl = CASES[cls.__name__]
    assert lowest(cls, rosenbrock, [-1.2, 1.0], **options) < valley
    assert lowest(cls, quadratic, np.ones(5), **others) < bowl


def test_a_rule_that_is_broken_does_not_get_there():
    """v as a mean of gradients, not of their squares."""

    class Broken(optim.Adam):
        @staticmethod
        def rule(p, g, m, v, b1, c1, b2, c2, size, root, eps):
            m = b1 * m + c1 * g
            v = b2 * v + c2 * g
            return p - size * m / (np.sqrt(np.abs(v)) * root + eps), m, v

    with np.errstate(all="ignore"):
        assert not lowest(Broken, rosenbrock, [-1.2, 1.0], lr=0.05) < CASES["Adam"][1]
