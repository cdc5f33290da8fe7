"""Losses of one class out of several."""

import functools

import numpy as np

from ... import ops
from ..._coerce import is_grid
from ..._options import is_real, is_whole, number
from ..._parameter import Parameter
from ..._tensor import Tensor
from ...errors import DataError, DTypeError, LabelError, OptionError, ShapeError
from ...kernels import constant, current
from .loss import Loss, as_target, check_count, checked_weights, fixed, look_at, numbers, shape_of


def onehot(labels, like):
    """Which class each label is, of those along the last axis of `like`: int (n, ...) -> bool (n, ..., classes)."""
    classes = np.arange(shape_of(like)[-1])
    if current.log is not None:
        classes = constant(classes.astype(np.float32))  # as labels become there
    return ops.equal(beside(labels), classes)


def beside(x):
    """x with an axis of length 1 after the others."""
    return (
        ops.reshape(x, (*shape_of(x), 1)) if type(x) in (Tensor, Parameter) or is_grid(x) else np.asarray(x)[..., None]
    )


def of_label(x, hot):
    """x at each row's label, 0 where there is none: (n, ..., classes) -> (n, ...)."""
    return ops.sum(ops.where(hot, x, fixed(0.0, x)), axis=-1)


class _OfLabels(Loss):
    """A loss of labels int (n, ...) beside predictions (n, ..., classes)."""

    weight = None
    ignore_index = None

    def checked(self, prediction, target):
        super().checked(prediction, target)
        return numbers(target) if current.log is None else target  # integers

    def check_shapes(self, shape, target):
        if len(shape) < 2 or not shape[-1]:
            raise ShapeError(f"{self.name}: expected predictions of shape (n, ..., classes), got {shape}")
        if target != shape[:-1]:
            hint = "; one label for each row: put nn.Flatten() or a global pooling before the last nn.Dense"
            raise ShapeError(
                f"{self.name}: expected labels of shape {shape[:-1]} beside predictions {shape}, got {target}"
                + (hint if len(target) == 1 and len(shape) > 2 else "")
            )
        check_count(self.name, "weight", self.weight, shape[-1])

    def check_values(self, shape, targets):
        if targets.dtype.kind not in "iu":
            raise DTypeError(
                f"{self.name}: expected integer labels, got dtype {targets.dtype}; convert them with .astype(int)"
            )
        ignored = np.zeros(targets.shape, bool) if self.ignore_index is None else targets == self.ignore_index
        wrong = ((targets < 0) | (targets >= shape[-1])) & ~ignored
        if wrong.any():
            where = tuple(int(i) for i in np.argwhere(wrong)[0])
            at = f"row {where[0]}" if len(where) == 1 else f"index {where}"
            raise LabelError(
                f"{self.name}: label {targets[where]} at {at} is outside the {shape[-1]} classes 0..{shape[-1] - 1}; "
                "labels count from 0"
            )
        if self.reduction == "mean" and targets.size and ignored.all():
            raise DataError(
                f"{self.name}: all {targets.size} labels are ignore_index={self.ignore_index}: no mean is left"
            )

    def shares(self, hot, target, like):
        """What each row counts for, its class's weight or 0 where it is ignored: (n, ...); None where that is 1 for all."""
        if self.weight is None and self.ignore_index is None:
            return None
        share = fixed(1.0, like) if self.weight is None else of_label(fixed(self.weight, like), hot)
        return share if self.ignore_index is None else self.kept(target, share, like)

    def kept(self, target, x, like):
        """x, with 0 where the target is ignored."""
        if self.ignore_index is None:
            return x
        if current.log is None:
            return ops.where(numbers(target) != self.ignore_index, x, fixed(0.0, like))
        return ops.where(ops.not_equal(target, float(self.ignore_index)), x, fixed(0.0, like))


def checked_ignore(name, ignore_index):
    """A label that is left out, or None."""
    if ignore_index is not None and not is_whole(ignore_index):
        raise OptionError(f"{name}: ignore_index must be a whole number or None, got {ignore_index!r}")
    return None if ignore_index is None else int(ignore_index)


class NLLLoss(_OfLabels):
    """-weight[label] * log_p[label] of log-probabilities: (n, ..., classes), int (n, ...) -> (), or (n, ...) unreduced.

    weight has a number for each class; rows whose label is ignore_index count for nothing. The mean is that of the rows
    by their weights: sum(weight[label] * ...) / sum(weight[label]).

    Raises LabelError for a label outside the classes, DataError where all are ignored, OptionError for weights that are not
    one for each class.

    >>> NLLLoss()(np.log([[0.5, 0.5], [0.25, 0.75]]), np.array([0, 0]))
    array(1.03972077)
    """

    def __init__(self, weight=None, ignore_index=None, reduction="mean"):
        super().__init__(reduction)
        self.weight = checked_weights(self.name, "weight", weight)
        self.ignore_index = checked_ignore(self.name, ignore_index)

    def forward(self, prediction, target, sample_weight=None):
        target = self.checked(prediction, target)
        hot = onehot(target, prediction)
        share = self.shares(hot, target, prediction)
        values = self.kept(target, ops.negative(of_label(prediction, hot)), prediction)
        return self.reduced(values if share is None else ops.multiply(values, share), sample_weight, share)


class CrossEntropyLoss(_OfLabels):
    """-log(softmax(logits)[label]): logits (n, ..., classes), channels last -> (), or (n, ...) with reduction="none".

    Targets are labels int (n, ...), or probabilities of the logits' shape: one-hot rows, or any that sum to 1, for which
    the loss is -sum(t log(softmax(logits))). weight has a number for each class. With labels the mean is that of the rows
    by their weights, sum(weight[label] * ...) / sum(weight[label]), and rows whose label is ignore_index count for
    nothing; with probabilities it divides by the number of rows. label_smoothing = e stands for targets
    (1 - e) t + e / classes (Szegedy et al. 2016, section 7). All of it is as in PyTorch.

    Raises LabelError for a label outside the classes or a row of no probabilities, DataError where all labels are ignored,
    OptionError for weights that are not one for each class, ShapeError for other shapes.

    >>> CrossEntropyLoss()(np.zeros((2, 4)), np.array([0, 3]))
    array(1.38629436)
    >>> CrossEntropyLoss(ignore_index=3)(np.array([[1.0, 0.0], [9.0, 9.0]]), np.array([0, 3]))
    array(0.31326169)
    """

    takes_one_hot = True

    def __init__(self, weight=None, ignore_index=None, label_smoothing=0.0, reduction="mean"):
        super().__init__(reduction)
        self.weight = checked_weights(self.name, "weight", weight)
        self.ignore_index = checked_ignore(self.name, ignore_index)
        self.label_smoothing = number(self.name, "label_smoothing", label_smoothing, 0, most=1)

    @property
    def is_plain(self):
        """Whether one kernel computes the loss and its gradient."""
        given = self.weight is not None or self.ignore_index is not None or self.label_smoothing
        return not given and self.reduction == "mean"

    def forward(self, prediction, target, sample_weight=None):
        shape = shape_of(prediction)
        if len(shape_of(target)) == len(shape):
            self.check_probabilities(shape, shape_of(target))
            found = self.seen_kind(target) if current.targets is None else current.targets
            if found == "one-hot" and self.is_plain and sample_weight is None and len(shape) == 2:
                labels = ops.argmax(target, axis=1) if current.log is not None else numbers(target).argmax(axis=1)
                return ops.softmax_cross_entropy(prediction, labels)
            return self.reduced(self.of_probabilities(prediction, as_target(target, prediction)), sample_weight)
        if len(shape) == 2 and self.is_plain and sample_weight is None:
            return ops.softmax_cross_entropy(prediction, target)
        target = self.checked(prediction, target)
        if self.is_plain and sample_weight is None:
            return ops.softmax_cross_entropy(ops.reshape(prediction, (-1, shape[-1])), flat_labels(target))
        log_p = ops.log_softmax(prediction, axis=-1)
        hot = onehot(target, prediction)
        share = self.shares(hot, target, prediction)
        values = self.kept(target, ops.negative(of_label(log_p, hot)), prediction)
        values = values if share is None else ops.multiply(values, share)
        if self.label_smoothing:
            each = log_p if self.weight is None else ops.multiply(log_p, fixed(self.weight, prediction))
            smooth = self.kept(target, ops.negative(ops.mean(each, axis=-1)), prediction)
            values = (1 - self.label_smoothing) * values + self.label_smoothing * smooth
        return self.reduced(values, sample_weight, share)

    def of_probabilities(self, logits, target):
        """-sum(weight t log(softmax(logits))) of each row; a class of probability 0 adds 0, whatever its logit is."""
        log_p = ops.log_softmax(logits, axis=-1)
        if self.label_smoothing:
            target = ops.multiply(target, 1 - self.label_smoothing) + self.label_smoothing / shape_of(logits)[-1]
        terms = ops.multiply(target, ops.where(ops.greater(target, 0.0), log_p, fixed(0.0, logits)))
        if self.weight is not None:
            terms = ops.multiply(terms, fixed(self.weight, logits))
        return ops.negative(ops.sum(terms, axis=-1))

    def check_probabilities(self, shape, target):
        """Raise an error unless targets of this shape are probabilities beside logits of that."""
        if target != shape or len(shape) < 2:
            raise ShapeError(
                f"{self.name}: one-hot targets and probabilities must have the shape of the logits {shape}, got {target}"
                + ("; integer labels have shape (n,): y.ravel()" if len(target) == 2 and target[1] == 1 else "")
            )
        check_count(self.name, "weight", self.weight, shape[-1])
        if self.ignore_index is not None:
            raise OptionError(
                f"{self.name}: ignore_index is for integer labels; give probabilities a sample_weight of 0"
            )

    def seen_kind(self, target):
        """The kind of a batch's probabilities; a recorded step is run again on those of one kind."""
        found = look_at(target, self.kind_of)
        if current.log is not None:
            look_at(target, functools.partial(self.same_kind, found))
        return found

    def same_kind(self, kind, targets):
        if self.kind_of(targets) != kind:
            raise LabelError(f"{self.name}: the targets are of another kind")

    def kind_of(self, targets):
        """ "one-hot" or "" of probabilities; LabelError for a row that is none."""
        rows = targets.reshape(-1, targets.shape[-1])
        good = (rows >= 0).all(axis=1)
        with np.errstate(invalid="ignore"):
            good &= abs(rows.sum(axis=1) - 1) <= 1e-4
        if not good.all():
            row = int(np.argmin(good))
            raise LabelError(
                f"{self.name}: row {row} of the targets is neither one-hot nor probabilities that sum to 1: {rows[row]}; "
                "expected such rows, or integer labels of shape (n,)"
            )
        return "one-hot" if ((rows == 0) | (rows == 1)).all() else ""

    def check_targets(self, shape, targets):
        """Check the targets of a whole data set before training; "one-hot" where all rows are so."""
        targets = np.asarray(targets)
        shape = (len(targets), *shape[1:])
        if targets.ndim == len(shape):
            self.check_probabilities(shape, targets.shape)
            return self.kind_of(targets)
        if len(shape) == 2 and self.is_plain:
            ops.softmax_cross_entropy.check(np.broadcast_to(0.0, shape), targets)
            return ""
        return super().check_targets(shape, targets)


def flat_labels(labels):
    """Labels in one row; integers, also while a step is recorded."""
    if type(labels) is Tensor:
        return Tensor(labels._array.reshape(-1))
    return np.asarray(labels).reshape(-1)


class MultiMarginLoss(_OfLabels):
    """sum(max(0, margin - x[label] + x[other])**p) / classes over the other classes (Crammer and Singer 2001).

    Scores (n, ..., classes), int (n, ...) -> (), or (n, ...) with reduction="none"; p is 1 or 2, weight a number for each
    class, by whose label each row's loss is multiplied (the mean divides by the number of rows, as in PyTorch).
    Raises LabelError for a label outside the classes, OptionError for another p or weights that are not one for each class.

    >>> MultiMarginLoss()(np.array([[0.0, 0.5, 2.0]]), np.array([2]))
    array(0.)
    """

    def __init__(self, p=1, margin=1.0, weight=None, reduction="mean"):
        super().__init__(reduction)
        if not is_real(p) or p not in (1, 2):
            raise OptionError(f"{self.name}: p must be 1 or 2, got {p!r}")
        self.p, self.margin = int(p), number(self.name, "margin", margin, -np.inf)
        self.weight = checked_weights(self.name, "weight", weight)

    def values(self, prediction, target):
        hot = onehot(target, prediction)
        right = beside(of_label(prediction, hot))
        over = ops.relu(ops.subtract(prediction, right) + self.margin)
        over = ops.where(hot, fixed(0.0, prediction), ops.square(over) if self.p == 2 else over)
        values = ops.mean(over, axis=-1)
        share = self.shares(hot, target, prediction)
        return values if share is None else ops.multiply(values, share)
