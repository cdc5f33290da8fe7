"""fit: the training loop, the same for both engines."""

import math
import time
import warnings

import numpy as np

from .. import kernels
from .._random import generator
from .._tensor import plain
from ..data import batches, checked
from ..errors import OptionError, ShapeError
from .arguments import (
    checked_callbacks,
    checked_epochs,
    checked_loss,
    checked_model,
    checked_optimizer,
    checked_size,
    number_dtype,
)
from .history import History
from .inference import evaluate
from .interrupt import Interrupt
from .metrics import named_metrics, score
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
    checked_optimizer("fit", optimizer, checked_model("fit", model))
    X, y = checked(data, number_dtype(model), "fit")
    held_out = None if validation is None else checked(validation, number_dtype(model), "fit: validation")
    if compile:
        raise OptionError("fit: compile=True is not available: every step runs eagerly; pass compile=False")
    epochs, size = checked_epochs("fit", epochs), checked_size("fit", batch_size, len(X))
    callbacks, metrics = checked_callbacks("fit", callbacks), named_metrics(metrics)
    rng = generator("fit", seed) if shuffle else None
    run = _Run(model, checked_loss("fit", loss), optimizer, metrics, y)
    history, start = run.history, time.perf_counter()
    model.train()
    with Interrupt() as interrupt, Progress(epochs, progress) as bar:
        for _ in range(epochs):
            scores = run.epoch(X, y, batches(len(X), size, rng), interrupt)
            if held_out is not None and scores and not interrupt.requested:
                found = evaluate(model, held_out, loss=loss, metrics=list(metrics.values()))
                scores |= {f"val_{name}": value for name, value in found.items()}
            if scores:
                history.append(**scores)
                bar.step(scores)
            # True asks to stop; other results mean nothing.
            asked = [callback(history) for callback in callbacks] if scores else []
            if interrupt.requested:
                history.stopped = history.stopped or "interrupted by Ctrl-C"
            elif any(isinstance(a, bool | np.bool_) and a for a in asked):
                history.stopped = history.stopped or "a callback asked for it"
            if history.stopped:
                break
    history.seconds = time.perf_counter() - start
    return history


class _Run:
    """One training: what every step needs."""

    def __init__(self, model, loss, optimizer, metrics, targets):
        self.model, self.loss, self.optimizer, self.metrics, self.targets = model, loss, optimizer, metrics, targets
        self.history = History(model.engine)

    def epoch(self, X, y, order, interrupt):
        """One pass over the batches; the epoch's mean loss and metrics, or {} if it ended before its first step."""
        totals, rows_done = dict.fromkeys(("loss", *self.metrics), 0.0), 0
        for rows in order:
            target = y[rows]
            value, numbers = self.step(X[rows], target)
            if self.history.stopped:
                break
            count = len(target)
            rows_done += count
            totals["loss"] += value * count
            for name, metric in self.metrics.items():
                totals[name] += score(name, metric, numbers, target) * count
            if interrupt.requested:
                break
        return {k: v / rows_done for k, v in totals.items()} if rows_done else {}

    def step(self, x, target):
        """Forward, backward and update for one batch: the loss as a number, and the outputs if a metric wants them.

        Where numbers are not finite nothing is updated, and `history.stopped` says why.
        """
        self.optimizer.zero_grad()  # first, so that the forward finds that memory free and still in the cache
        output = self.model(x)
        if not self.history.steps:
            self.check_all_targets(output)
        loss = self.loss(output, target)
        if not hasattr(loss, "backward") or getattr(loss, "ndim", None):
            self._refuse(loss)
        value = float(loss.item())
        finite = math.isfinite(value)
        if finite:
            loss.backward()
            grads = self.optimizer.gradients()
            if all_finite(grads):
                self.optimizer.apply(grads)
                self.history.steps.append(value)
                return value, plain(output) if self.metrics else None
        what = "a gradient was not finite" if finite else f"the loss became {value}"
        self.history.stopped = f"{what} at step {len(self.history.steps)}"
        warnings.warn(
            f"fit: {self.history.stopped}; the model is as it was before that step. "
            "A smaller learning rate or scaled data often helps",
            RuntimeWarning,
            stacklevel=4,
        )
        return math.nan, None

    def check_all_targets(self, output):
        """Let the loss look at all targets before the first update: a wrong label is named by its row in the data."""
        if hasattr(self.loss, "check_targets") and np.ndim(plain(output)) == 2:
            self.loss.check_targets(plain(output), self.targets)

    @staticmethod
    def _refuse(loss):
        if getattr(loss, "ndim", None):
            raise ShapeError(f"fit: the loss must be a scalar, got shape {loss.shape}; reduce it with .mean()")
        raise OptionError(f"fit: the loss must be a tensor that depends on the model, got {type(loss).__name__}")


def all_finite(grads):
    """Whether no gradient has an infinity or NaN in it; missing ones (None) count as finite."""
    for g in grads:  # noqa: SIM110  (a loop, as this runs in every step)
        if g is not None and not kernels.all_finite(g):
            return False
    return True
