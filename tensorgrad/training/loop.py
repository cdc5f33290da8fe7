"""fit: the training loop, the same for both engines."""

import math
import time
import warnings

import numpy as np

from .._tensor import plain
from ..data import batches, checked
from ..errors import OptionError, ShapeError
from ..nn import Module
from ..optim import Optimizer
from .history import History
from .inference import checked_size, evaluate, number_dtype
from .interrupt import Interrupt
from .metrics import named_metrics
from .progress import Progress


def fit(
    model,
    data,
    *,
    loss,
    optimizer,
    epochs=1,
    batch_size=32,
    shuffle=True,
    seed=0,
    validation=None,
    metrics=(),
    callbacks=(),
    compile=False,
    progress=True,
):
    """Train a model on data = (X, y) and return the History; works the same on both engines.

    Each of `epochs` passes goes through the rows in batches of `batch_size` (None: all at once), in an order drawn from
    `seed`. `metrics` are names ("accuracy") or functions (outputs, targets) -> number; `validation` is a pair (X, y) that
    is scored after each epoch (`history["val_loss"]`). A callback gets the History after each epoch and ends the training
    by returning True. Ctrl-C ends it after the step under way. If a loss is not finite, that step is not taken: training
    ends there with a warning. `history.stopped` says which of these it was.

    Every step runs eagerly: compile=True raises OptionError. Raises DataError for data that is empty, has NaN in it or
    does not match, OptionError for an optimizer of another model.

    >>> import tensorgrad as tg
    >>> from tensorgrad import nn, optim
    >>> model = nn.Sequential(nn.Dense(1, 1), rng=0)
    >>> X = np.linspace(-1, 1, 20)[:, None]
    >>> adam = optim.Adam(model.parameters(), lr=0.1)
    >>> history = fit(model, (X, 3 * X), loss=nn.MSELoss(), optimizer=adam, epochs=200, progress=False)
    >>> history.loss[-1] < 1e-3
    True
    """
    X, y = checked(data, number_dtype(_checked_model(model, optimizer)), "fit")
    held_out = None if validation is None else checked(validation, number_dtype(model), "fit: validation")
    if compile:
        raise OptionError("fit: compile=True is not available: every step runs eagerly; pass compile=False")
    if not isinstance(epochs, int | np.integer) or epochs < 0:
        raise OptionError(f"fit: epochs must be a whole number of at least 0, got {epochs!r}")
    size = checked_size("fit", batch_size, len(X))
    rng = np.random.default_rng(seed) if shuffle else None
    run = _Run(model, loss, optimizer, named_metrics(metrics), History(model.engine))
    start = time.perf_counter()
    model.train()
    with Interrupt() as interrupt, Progress(epochs, progress) as bar:
        for _ in range(epochs):
            scores = run.epoch(X, y, batches(len(X), size, rng), interrupt)
            if held_out is not None and scores and not interrupt.requested:
                found = evaluate(model, held_out, loss=loss, metrics=metrics)
                scores |= {f"val_{name}": value for name, value in found.items()}
            if scores:
                run.history.append(**scores)
                bar.step(scores)
            for callback in callbacks:
                if callback(run.history) is True and not run.history.stopped:
                    run.history.stopped = "a callback asked for it"
            if run.history.stopped:
                break
    run.history.seconds = time.perf_counter() - start
    return run.history


class _Run:
    """One training: what every step needs."""

    def __init__(self, model, loss, optimizer, metrics, history):
        self.model, self.loss, self.optimizer, self.metrics, self.history = model, loss, optimizer, metrics, history

    def epoch(self, X, y, order, interrupt):
        """One pass over the batches; the epoch's mean loss and metrics, or {} if it ended before its first step."""
        totals, rows_done = dict.fromkeys(("loss", *self.metrics), 0.0), 0
        for rows in order:
            target = y[rows]
            output = self.model(X[rows])
            value = self.step(output, target)
            if self.history.stopped:
                break
            count = len(target)
            rows_done += count
            totals["loss"] += value * count
            if self.metrics:
                numbers = plain(output)
                for name, metric in self.metrics.items():
                    totals[name] += float(metric(numbers, target)) * count
            if interrupt.requested:
                self.history.stopped = "interrupted by Ctrl-C"
                break
        return {k: v / rows_done for k, v in totals.items()} if rows_done else {}

    def step(self, output, target):
        """Loss, backward and update for one batch; the loss as a number. Where it is not finite nothing is updated."""
        loss = self.loss(output, target)
        if getattr(loss, "ndim", 0):
            raise ShapeError(f"fit: the loss must be a scalar, got shape {loss.shape}; reduce it with .mean()")
        value = float(loss.item())
        if not math.isfinite(value):
            self.history.stopped = f"the loss became {value} at step {len(self.history.steps)}"
            warnings.warn(
                f"fit: {self.history.stopped}; the model is as it was before that step. "
                "A smaller learning rate or scaled data often helps",
                RuntimeWarning,
                stacklevel=4,
            )
            return value
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.history.steps.append(value)
        return value


def _checked_model(model, optimizer):
    """The model, after checking that the optimizer trains it and nothing else."""
    if not isinstance(model, Module):
        raise OptionError(f"fit: expected a model (nn.Module), got {type(model).__name__}")
    if not isinstance(optimizer, Optimizer):
        hint = f"; make one: optim.{optimizer.__name__}(model.parameters())" if isinstance(optimizer, type) else ""
        raise OptionError(f"fit: expected an optimizer, got {optimizer!r}{hint}")
    mine = {id(p) for p in model.parameters()}
    strange = sum(id(p) not in mine for p in optimizer.parameters)
    if strange:
        raise OptionError(
            f"fit: {strange} of the optimizer's {len(optimizer.parameters)} parameters are not of this model; "
            "make the optimizer from model.parameters(), after model.to(...) or model.astype(...), which return a new model"
        )
    return model
