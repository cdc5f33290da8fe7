"""fit: the training loop, the same for both engines."""

import math
import os
import sys
import time
import warnings
from contextlib import contextmanager
from typing import Any

import numpy as np

from .. import kernels
from .._parameter import changes
from .._program.threads import checked_threads
from .._random import generator
from .._tensor import Tensor, plain
from ..data import checked
from ..errors import OptionError, ShapeError
from ..kernels import current, kept
from ..nn import Module
from ..nn.penalties import penalised, total
from .arguments import (
    checked_callbacks,
    checked_epochs,
    checked_loss,
    checked_model,
    checked_optimizer,
    checked_rate,
    checked_schedule,
    checked_size,
    number_dtype,
    with_options,
)
from .compiled import Stretches, put_back
from .history import History
from .inference import evaluate, runner
from .interrupt import Interrupt
from .last_batch import check_last_batch
from .metrics import named_metrics, score
from .progress import Progress
from .weights import check_one_hot, check_takes_weights, reads_one_hot, row_weights

_HERE = os.path.dirname(os.path.dirname(__file__))


@with_options
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
    schedule=None,
    sample_weight=None,
    class_weight=None,
    compile=True,
    threads=None,
    progress=True,
):
    """Train a model on data = (X, y) and return the History; works the same on both engines.

    Each of `epochs` passes goes through the rows in batches of `batch_size` (None: all at once), in an order drawn from
    `seed`. `metrics` are names of `tg.metrics` ("accuracy") or functions (outputs, targets) -> number, and are taken of
    all rows of an epoch, each with the outputs that its step computed; `validation` is a pair (X, y) that is scored after
    each epoch (`history["val_loss"]`). A callback gets the History after each epoch and ends the training by returning
    True. Ctrl-C ends it after the step under way. If a loss is not finite, that step is not taken: training ends there
    with a warning. `history.stopped` says which of these it was. Afterwards
    each layer is in the mode, training or evaluation, that it was in before.

    schedule: step -> learning rate, counted from 0, such as those of `optim.schedules`. With `compile` whole stretches of
    steps run as programs, with the numbers of eager training; where that cannot be, steps run eagerly and
    `history.eager_because` says why. `threads` is how many may work on a step (None: see `set_threads`); the same seed and
    threads give the same bits.

    sample_weight (n,), or the leading axes of the loss's values, weighs rows: a step's loss is the weighted mean of its
    batch, `loss(output, target, sample_weight=w)`, and rows of weight 0 teach nothing. A batch of such rows alone has loss
    and gradient 0, with which the optimizer makes its step. class_weight, a dict label -> weight (1 for those left out) or
    an array, multiplies each row's weight by that of its class, as in Keras; y are labels or, for a cross-entropy or a loss
    of your own, one-hot. With labels `nn.CrossEntropyLoss(weight=)` does the same in the loss itself, and so in validation,
    too, where these weights do not count. The History has the mean of the batches' losses by their sizes.

    Penalties (`model.penalise`) are part of the loss that is minimised and kept in the History, not of `val_loss`. What is
    frozen (`module.freeze`) stays as it is. Hooks make all steps run eagerly.

    Raises DataError for data that is empty, has NaN in it or does not match, or for weights that are negative or all 0;
    ShapeError where the rows left for the last batch are too few for a layer (a BatchNorm needs two);
    OptionError for an optimizer of another model, and for class weights that do not fit the labels, or where y may be
    several answers a row.

    >>> import tensorgrad as tg
    >>> from tensorgrad import nn, optim
    >>> model = nn.Sequential(nn.Dense(1, 1), rng=0)
    >>> X = np.linspace(-1, 1, 20)[:, None]
    >>> adam = optim.Adam(model.parameters(), lr=0.1)
    >>> history = fit(model, (X, 3 * X), loss=nn.MSELoss(), optimizer=adam, epochs=200, progress=False)
    >>> history.loss[-1] < 1e-3
    True
    """
    with Interrupt() as interrupt:
        return train(model, data, interrupt, loss=loss, optimizer=optimizer, epochs=epochs, batch_size=batch_size,
                     shuffle=shuffle, seed=seed, validation=validation, metrics=metrics, callbacks=callbacks,
                     schedule=schedule, sample_weight=sample_weight, class_weight=class_weight, compile=compile,
                     threads=threads, progress=progress)  # fmt: skip


def train(model, data, interrupt, *, loss, optimizer, epochs=1, batch_size=32, shuffle=True, seed=0, validation=None,
          metrics=(), callbacks=(), schedule=None, sample_weight=None, class_weight=None, compile=True, threads=None,
          progress=True):  # fmt: skip
    """What fit does, until `interrupt.requested`."""
    if current.log is not None:
        current.log.fail("fit was called in the step")
    checked_optimizer("fit", optimizer, checked_model("fit", model))
    X, y = checked(data, number_dtype(model), "fit")
    held_out = None if validation is None else checked(validation, number_dtype(model), "fit: validation")
    for rows in (X,) if held_out is None else (X, held_out[0]):
        model.check_inputs(rows)
    weights = row_weights("fit", sample_weight, class_weight, y, number_dtype(model), loss)
    if weights is not None:
        check_takes_weights("fit", checked_loss("fit", loss))
    epochs, size = checked_epochs("fit", epochs), checked_size("fit", batch_size, len(X))
    check_last_batch("fit", model, X, size)
    callbacks, metrics = checked_callbacks("fit", callbacks), named_metrics(metrics)
    most, schedule = checked_threads("fit", threads), checked_schedule("fit", schedule, optimizer, callbacks)
    rng = generator("fit", seed) if shuffle else None
    given = data[1].numpy() if hasattr(data[1], "numpy") else np.asarray(data[1])
    steps = Steps(model, checked_loss("fit", loss), optimizer, metrics, given, schedule)
    steps.one_hot = class_weight is not None and reads_one_hot(y)
    history, start, compiled = steps.history, time.perf_counter(), kernels.compiling.seconds
    why = (
        ""
        if compile and model.engine == "tensor"
        else "compile=False"
        if not compile
        else "the scalar engine is Python"
    )
    run = runner(model)  # of validation
    stretches = Stretches(steps, (X, y) if weights is None else (X, y, weights), size, most, why)
    at_once = epochs if not callbacks and held_out is None else 1  # how many epochs nobody looks at one by one
    with training(model), Progress(epochs, progress) as bar:
        while len(history) < epochs and not history.stopped:
            count = stretches.epochs_at_once(min(at_once, epochs - len(history)))
            losses, sizes = stretches.run([order_of(len(X), size, rng) for _ in range(count)], interrupt, bar)
            scores = epoch_scores(stretches, losses, sizes)
            if held_out is not None and len(losses) and not interrupt.requested:
                found = evaluate(model, held_out, loss=loss, metrics=list(metrics.values()), run=run)
                scores |= {f"val_{name}": [value] for name, value in found.items()}
            history.extend(scores)
            bar.step(scores)
            # True asks to stop; other results mean nothing.
            asked = [callback(history) for callback in callbacks] if len(losses) else []
            if interrupt.requested:
                history.stopped = history.stopped or "interrupted by Ctrl-C"
            elif any(isinstance(a, bool | np.bool_) and a for a in asked):
                history.stopped = history.stopped or "a callback asked for it"
    if not why:
        optimizer.zero_grad()  # programs leave no gradients behind
    history.compiled, history.eager_because = not stretches.eager_because, stretches.eager_because
    history.threads, history.compile_seconds = stretches.threads, kernels.compiling.seconds - compiled
    history.seconds = max(time.perf_counter() - start - history.compile_seconds, 0.0)
    return history


@contextmanager
def training(model):
    """The model switched to training; afterwards each module is as it was."""
    before = [(m, m.training) for _, m in model.named_modules()]
    model.train()
    try:
        yield
    finally:
        for module, on in before:
            module.switch(on)


def epoch_scores(stretches, losses, sizes):
    """{name: the mean loss or metric of each epoch of a stretch, of the last one as far as it went}."""
    first = np.arange(0, len(losses), stretches.per_epoch)
    if not len(first):
        return {"loss": []}
    totals = np.add.reduceat(sizes, first)
    scores = {"loss": losses if stretches.per_epoch == 1 else np.add.reduceat(losses * sizes, first) / totals}
    for name, metric in stretches.steps.metrics.items():
        scores[name] = np.array([_epoch_score(stretches, name, metric, i, sizes) for i in first])
    return {name: values.tolist() for name, values in scores.items()}


def _epoch_score(stretches, name, metric, first, sizes):
    """A metric of all rows of the epoch that begins at step `first`, each with the outputs that its step computed."""
    size = sizes[first : first + stretches.per_epoch]
    starts = size.cumsum() - size
    batches = [stretches.outputs_of(first + i, row, n) for i, (row, n) in enumerate(zip(starts, size, strict=True))]
    if all(np.ndim(output) and len(output) == len(target) for output, target in batches):
        return score(name, metric, *(np.concatenate(part) for part in zip(*batches, strict=True)))
    # outputs that do not belong to rows: the mean over batches
    return float(np.average([score(name, metric, *batch) for batch in batches], weights=size))


class Steps:
    """What a step of training is, eager or recorded."""

    def __init__(self, model, loss, optimizer, metrics, targets, schedule):
        self.model, self.loss, self.optimizer, self.metrics, self.targets = model, loss, optimizer, metrics, targets
        self.schedule, self.first = schedule, True
        self.one_hot = False  # whether class weights took the targets for one-hot rows
        self.found = None  # what the loss says of all targets, once it has looked at them
        self.history = History(model.engine)
        self.looked_at, self.costs, self.buffers = -1, [], []

    def rate(self, step):
        """The learning rate of a step."""
        return checked_rate("fit", self.schedule(step), step)

    def step(self, x, target, at, weight=None):
        """Forward, backward and update for one batch, step number `at`: (the loss as a number, the loss, the outputs).

        Where numbers are not finite the model stays as it is, and `history.stopped` says why.
        """
        self.look()
        before = [(a, a.copy()) for a in self.buffers]
        try:
            value, *found, taken = self.attempt(x, target, weight)
        except BaseException:
            put_back(before)
            raise
        if not taken:
            put_back(before)
            self.stop(value, at)
        return value, *found

    def attempt(self, x, target, weight):
        """(the loss as a number, the loss, the outputs, whether all was finite and parameters were updated)."""
        self.optimizer.zero_grad()  # first, so that the forward finds that memory free and still in the cache
        output = self.model(x)
        if self.first:
            self.check_all_targets(output)
        loss = self.loss_of(output, target, weight)
        if not hasattr(loss, "backward") or getattr(loss, "ndim", None):
            self._refuse(loss)
        self.look()
        if self.costs:
            loss = loss + total(self.costs)
        self.first = False
        value = float(number(loss))
        if math.isfinite(value):
            if current.log is not None:
                kernels.check_finite(loss._array.reshape(-1), kept(self.optimizer._failed))
            loss.backward()
            return value, loss, output, self.optimizer.apply(self.optimizer.gradients(), finite=True)
        return value, loss, output, False

    def loss_of(self, output, target, weight):
        """The loss of a batch, which need not look at targets that it has looked at."""
        current.targets = self.found
        try:
            return self.loss(output, target) if weight is None else self.loss(output, target, sample_weight=weight)
        finally:
            current.targets = None

    def look(self):
        """Look anew, if a module has changed, at what weights cost, and for buffers."""
        if self.looked_at != changes.count:
            self.looked_at, self.costs = changes.count, penalised(self.model)
            roots = [m for m in (self.model, self.loss) if isinstance(m, Module)]
            self.buffers = [a for root in roots for _, a in root.named_buffers()]

    def stop(self, value, at):
        """Say that training ends at step `at`, as its loss or a gradient is not finite."""
        what = "a gradient was not finite" if math.isfinite(value) else f"the loss became {value}"
        self.history.stopped = f"{what} at step {at}"
        warnings.warn(
            f"fit: {self.history.stopped}; the model is as it was before that step. "
            "A smaller learning rate or scaled data often helps",
            RuntimeWarning,
            stacklevel=_depth_of_fit(),
        )

    def check_all_targets(self, output):
        """Let the loss look at all targets before the first update: a wrong label is named by its row in the data."""
        if self.one_hot:
            check_one_hot("fit", np.shape(output), self.targets.shape)
        if hasattr(self.loss, "check_targets") and hasattr(output, "ndim") and np.ndim(output):
            self.found = self.loss.check_targets(np.shape(output), self.targets) or ""

    @staticmethod
    def _refuse(loss):
        if getattr(loss, "ndim", None):
            raise ShapeError(f"fit: the loss must be a scalar, got shape {loss.shape}; reduce it with .mean()")
        raise OptionError(f"fit: the loss must be a tensor that depends on the model, got {type(loss).__name__}")


def number(loss):
    """The loss as a number, without asking a recorded Tensor for it."""
    return loss._array if type(loss) is Tensor else plain(loss)


def order_of(count, size, rng):
    """The rows of an epoch in the order drawn from rng; None as they are, where there is nothing to shuffle."""
    return None if rng is None or count <= size else rng.permutation(count)


def _depth_of_fit():
    """How far up the stack fit was called, for the warning to point there."""
    depth = 1
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_HERE):
        depth, frame = depth + 1, frame.f_back
    return depth
