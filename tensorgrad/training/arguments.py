"""What fit, predict and evaluate are given, checked: every mistake is an error that says what to do."""

import functools
import inspect

import numpy as np

from .._options import got, is_real, is_whole, refuse_unknown, whole
from ..errors import OptionError
from ..nn import Module
from ..optim import Optimizer
from ..optim.schedules import ReduceOnPlateau

_ELSEWHERE = {
    "callback": "callbacks", "validation_data": "validation", "verbose": "progress", "learning_rate": "an optimizer's lr=",
    "lr": "an optimizer's lr=", "validation_split": "validation=(X, y), rows that you keep apart",
}  # fmt: skip


def with_options(function):
    """A function (model, data, *, options), whose errors of other arguments say how it is called."""
    known = [p.name for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY]

    @functools.wraps(function)
    def called(*args, **options):
        if len(args) > 2:
            raise OptionError(
                f"{function.__name__}: expected a model and its data as one pair, {function.__name__}(model, (X, y), ...), "
                f"and options by name, got {len(args)} arguments without names"
            )
        refuse_unknown(function.__name__, options, ["model", "data", *known], _ELSEWHERE)
        return function(*args, **options)

    return called


def checked_model(owner, model):
    """The model, if it is one."""
    if not isinstance(model, Module):
        raise OptionError(f"{owner}: expected a model (nn.Module), got {type(model).__name__}")
    return model


def checked_loss(owner, loss):
    """The loss, if it can be called on (output, target)."""
    if callable(loss) and not isinstance(loss, type):
        return loss
    hint = f"; call the class: {loss.__name__}()" if isinstance(loss, type) else ""
    raise OptionError(f"{owner}: expected a loss, such as nn.MSELoss(), got {loss!r}{hint}")


def checked_optimizer(owner, optimizer, model):
    """The optimizer, if it trains this model and nothing else."""
    if not isinstance(optimizer, Optimizer):
        hint = f"; make one: optim.{optimizer.__name__}(model.parameters())" if isinstance(optimizer, type) else ""
        raise OptionError(f"{owner}: expected an optimizer, got {optimizer!r}{hint}")
    mine = {id(p) for p in model.parameters()}
    strange = sum(id(p) not in mine for p in optimizer.parameters)
    if strange:
        raise OptionError(
            f"{owner}: {strange} of the optimizer's {len(optimizer.parameters)} parameters are not of this model; make the "
            "optimizer from model.parameters(), after model.to(...) or model.astype(...), which return a new model"
        )
    return optimizer


def checked_callbacks(owner, callbacks):
    """Callbacks as a list; a single one needs no list."""
    callbacks = [callbacks] if callable(callbacks) else list(callbacks)
    for callback in callbacks:
        if not callable(callback):
            raise OptionError(f"{owner}: expected callbacks to be functions of the History, got {callback!r}")
    return callbacks


def checked_epochs(owner, epochs):
    """A number of epochs, 0 or more."""
    return whole(owner, "epochs", epochs, 0)


def checked_size(owner, batch_size, count):
    """A batch size as a number: None means all rows."""
    if batch_size is None:
        return max(count, 1)
    if not is_whole(batch_size, 1):
        raise OptionError(
            f"{owner}: batch_size must be a positive whole number or None for all rows, got {got(batch_size)}"
        )
    return int(batch_size)


def number_dtype(model):
    """The dtype that data gets for this model: exact and many-digit scalar models take float64."""
    return np.dtype(np.float64) if model.dtype == object else model.dtype


def checked_schedule(owner, schedule, optimizer=None, callbacks=()):
    """A function of the step number, or None; beside it nothing else may set this optimizer's rate."""
    if isinstance(schedule, ReduceOnPlateau):
        raise OptionError(f"{owner}: ReduceOnPlateau goes by losses; pass it in callbacks=[...]")
    if schedule is not None and (not callable(schedule) or isinstance(schedule, type)):
        raise OptionError(f"{owner}: schedule must be a function step -> learning rate, or None, got {schedule!r}")
    for plateau in (c for c in callbacks if isinstance(c, ReduceOnPlateau)):
        if schedule is not None:
            raise OptionError(
                f"{owner}: schedule= sets the learning rate of every step, so that ReduceOnPlateau would do nothing; "
                "give one of them"
            )
        if plateau.optimizer is not optimizer:
            raise OptionError(
                f"{owner}: ReduceOnPlateau was given another optimizer than the one that trains the model"
            )
    return schedule


def checked_rate(owner, rate, step):
    """A learning rate that a schedule gave."""
    if is_real(rate) and 0 <= rate < np.inf:
        return float(rate)
    raise OptionError(f"{owner}: the schedule must give a number of at least 0, got {rate!r} for step {step}")
