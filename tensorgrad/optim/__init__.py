"""Optimizers, schedules of their learning rates, clipping of gradients by hand; one set for both engines."""

from .._names import missing
from . import schedules
from .adadelta import Adadelta
from .adagrad import Adagrad
from .adam import Adam
from .adamax import Adamax
from .adamw import AdamW
from .amsgrad import AMSGrad
from .clipping import clip_grad_norm, clip_grad_value
from .lion import Lion
from .nadam import NAdam
from .optimizer import Optimizer
from .radam import RAdam
from .rmsprop import RMSprop
from .sgd import SGD

__all__ = [
    "SGD",
    "AMSGrad",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Lion",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "clip_grad_norm",
    "clip_grad_value",
    "schedules",
]


def __getattr__(name):
    raise missing("tensorgrad.optim", name, __all__)
