"""Loss: what all losses share, which are a reduction, weights of samples, and the checks of targets."""

import functools
import inspect

import numpy as np

from ... import ops
from ..._coerce import is_grid
from ..._logged import as_number
from ..._parameter import Parameter
from ..._tensor import Tensor, plain
from ...errors import DataError, DTypeError, LabelError, OptionError, ShapeError, choose
from ...kernels import constant, current
from ..module import Module

LEAST_WEIGHT, MOST_WEIGHT = np.finfo(np.float32).tiny, 1e30  # kernels take what is smaller in float32 for 0


class Loss(Module):
    """Base of the losses: `loss(prediction, target, sample_weight=None)`.

    `values(prediction, target)`, which each subclass has, gives the loss of every element, or of every row. The reduction
    is "mean" (of all values), "sum", or "none", which keeps them apart. sample_weight is a weight w for each row (n,), or
    an array of the values' leading axes: they are multiplied by it, and the mean is sum(w * values) / sum(w).

    Raises ShapeError where prediction and target would broadcast and for the mean over no rows, OptionError for an unknown
    reduction, DTypeError for what are no numbers, DataError for weights that are negative, not finite, above 0 but below
    1.2e-38, or that sum to more than 1e30, and where a mean has no weight at all: all rows are ignored, or weigh 0.

    >>> class CubeLoss(Loss):
    ...     def values(self, prediction, target):
    ...         return abs(prediction - target) ** 3
    >>> CubeLoss()(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    array(4.)
    >>> CubeLoss("none")(np.array([1.0, 2.0]), np.array([1.0, 4.0]), sample_weight=[1, 0.5])
    array([0., 4.])
    """

    reductions: tuple = ("mean", "sum", "none")
    takes_one_hot = False  # whether a row of one 1 and else 0s, as a target, is a class

    def __init__(self, reduction="mean"):
        self.reduction = choose(type(self).__name__, "reduction", reduction, {name: name for name in self.reductions})

    def values(self, prediction, target):
        """The loss of every element, or of every row; every subclass has its own."""
        raise NotImplementedError(f"{type(self).__name__} has no values(self, prediction, target)")

    def forward(self, prediction, target, sample_weight=None):
        target = self.checked(prediction, target)
        return self.reduced(self.values(prediction, target), sample_weight)

    # ---- checks ---------------------------------------------------------------------------------------------------
    def checked(self, prediction, target):
        """The target, once it is known to go with the prediction; its numbers are not looked at where fit did so."""
        shape = shape_of(prediction)
        self.check_shapes(shape, shape_of(target))
        if current.targets is None and self.looks_at_targets:
            look_at(target, functools.partial(self.check_values, shape))
        return as_target(target, prediction)

    def check_shapes(self, shape, target):
        """Raise ShapeError unless targets of this shape belong to predictions of that."""
        check_equal(self.name, "prediction", shape, "target", target)

    def check_values(self, shape, targets):
        """Raise LabelError for targets, a plain array, that cannot be."""

    @property
    def looks_at_targets(self):
        """Whether the loss has something to say about the numbers of its targets."""
        return type(self).check_values is not Loss.check_values

    @property
    def name(self):
        return type(self).__name__

    def check_targets(self, shape, targets):
        """Check the targets of a whole data set before training, given the shape (n, ...) of one batch's outputs."""
        targets = np.asarray(targets)
        shape = (len(targets), *shape[1:])
        self.check_shapes(shape, targets.shape)
        self.check_values(shape, targets)
        return ""

    # ---- reduction ------------------------------------------------------------------------------------------------
    def reduced(self, values, sample_weight=None, share=None):
        """The values, reduced; `share` is what each of them counts for in the mean, 1 unless given."""
        if sample_weight is not None:
            weight = self.weight_beside(shape_of(values), sample_weight)
            values = ops.multiply(values, weight)
            share = weight if share is None else ops.multiply(share, weight)
        if self.reduction == "none":
            return values
        if self.reduction == "sum":
            return ops.sum(values)
        size = int(np.prod(shape_of(values)))
        if not size:
            raise ShapeError(f"{self.name}: the mean over no elements is not defined, shape {shape_of(values)}")
        if share is None:
            return ops.mean(values)
        total = ops.sum(share)
        if current.log is None and current.targets is None and not float(plain(total)) > 0:
            raise DataError(
                f"{self.name}: the weights sum to {float(plain(total)):g}, and a mean needs a positive sum: all rows are "
                "ignored or weigh nothing"
            )
        times = size // int(np.prod(shape_of(share)))
        # A batch of training may have no weight, where the data has some: it teaches nothing then.
        least = np.finfo(number_type(values)).tiny
        return ops.divide(ops.sum(values), ops.maximum(total if times == 1 else ops.multiply(total, times), least))

    def weight_beside(self, shape, weight):
        """Weights of rows, shaped so that they broadcast along the values' other axes."""
        given = shape_of(weight)
        if not given or shape[: len(given)] != given:
            raise ShapeError(
                f"{self.name}: sample_weight must have the shape of the losses {shape} or of their first axes, got {given}"
            )
        if current.targets is None:  # fit has looked
            if current.log is None:
                check_weights(self.name, numbers(weight, f"{self.name}: sample_weight"))
            elif type(weight) is Tensor:
                current.log.glances.append((weight._array, self._check_weights_of_a_call))
        if type(weight) not in (Tensor, Parameter) and not is_grid(weight):
            weight = np.asarray(weight)
        return weight if len(given) == len(shape) else ops.reshape(weight, (*given, *[1] * (len(shape) - len(given))))

    def _check_weights_of_a_call(self, weights):
        """Raise DataError for weights that a step which runs again must not be given."""
        check_weights(self.name, weights)
        if self.reduction == "mean" and not weights.any():
            raise DataError(f"{self.name}: the weights sum to 0")

    def __repr__(self):
        """The class with the options that are not as they would be."""
        shown = []
        for p in inspect.signature(type(self).__init__).parameters.values():
            value = vars(self).get(p.name, p.default)
            if not np.array_equal(value, p.default):
                shown.append(f"{p.name}={value.tolist() if isinstance(value, np.ndarray) else value!r}")
        return f"{type(self).__name__}({', '.join(shown)})"


def shape_of(x):
    """The lengths of the axes; np.shape of a Tensor takes the way of a function of NumPy, and ten times as long."""
    return x.shape if hasattr(x, "shape") else np.shape(x)


# ---- for losses ---------------------------------------------------------------------------------------------------------
def as_target(x, prediction):
    """A target; integers and booleans as numbers of the prediction's dtype."""
    if getattr(x, "dtype", np.dtype(object)).kind not in "iub":
        return x
    return numbers(x).astype(number_type(prediction)) if current.log is None else as_number(x, number_type(prediction))


def look_at(target, check):
    """check(the plain numbers of a target), which raises on bad ones; in a step that is recorded, in each later call, too."""
    if current.log is not None and type(target) is Tensor:
        current.log.checks.append((target._array, check))
        return check(target._array)
    return check(numbers(target))


def numbers(x, what="targets of a loss"):
    """The plain numbers of whatever a loss is given."""
    x = x.value if type(x) is Parameter else x
    if type(x) is Tensor or is_grid(x):
        return plain(x)
    array = np.asanyarray(x)
    if isinstance(array, np.ma.MaskedArray):
        raise DTypeError(f"{what}: a masked array would lose its mask; give what is masked a sample_weight of 0")
    if array.dtype.kind not in "fiub":
        raise DTypeError(f"{what} must be numbers, got dtype {array.dtype}")
    return np.asarray(array)


def seen(x):
    """The plain numbers of a prediction, also while a step is recorded: later runs of it are not looked at."""
    x = x.value if type(x) is Parameter else x
    return x._array if type(x) is Tensor else np.asarray(plain(x), float) if is_grid(x) else np.asarray(x)


def number_type(x):
    """The dtype that a loss is computed in."""
    return getattr(x, "dtype", None) if getattr(x, "dtype", None) in (np.float32, np.float64) else np.dtype(np.float64)


def fixed(array, like):
    """An array of a loss's own, whose numbers stay as they are, in the dtype of a prediction."""
    return constant(np.array(array, number_type(like)))


def check_equal(name, a, a_shape, b, b_shape):
    """Raise ShapeError unless two inputs have one shape."""
    if a_shape != b_shape:
        raise ShapeError(
            f"{name}: {a} has shape {a_shape} and {b} {b_shape}; they must be equal, as broadcasting them would compare "
            "every row with every other: reshape one"
        )


def check_weights(name, weights):
    """Raise DataError unless all weights are finite numbers of at least 0, which a mean can add up and divide by."""
    wrong = ~((weights >= 0) & (weights < np.inf))
    if wrong.any():
        where = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise DataError(f"{name}: sample_weight must be finite and at least 0, got {weights[where]:g} at index {where}")
    if ((weights > 0) & (weights < LEAST_WEIGHT)).any():
        least = weights[weights > 0].min()
        raise DataError(f"{name}: a weight of {least:g} is less than float32 can divide by; scale all weights up")
    if (total := np.sum(weights, dtype=np.float64)) > MOST_WEIGHT:
        raise DataError(f"{name}: the weights sum to {total:g}, and float32 holds no such sums; scale all weights down")


def check_between(name, what, array, low, high, hint=""):
    """Raise LabelError unless all numbers of an array are in low..high."""
    wrong = ~((array >= low) & (array <= high))  # NaN too
    if wrong.any():
        where = tuple(int(i) for i in np.argwhere(wrong)[0])
        expected = f"between {low:g} and {high:g}" if high < np.inf else f"at least {low:g}"
        raise LabelError(f"{name}: {what} must be {expected}, got {array[where]:g} at index {where}{hint}")


def check_one_of(name, array, a, b):
    """Raise LabelError unless all targets are one of two numbers."""
    wrong = (array != a) & (array != b)
    if wrong.any():
        where = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise LabelError(f"{name}: targets must be {a:g} or {b:g}, got {array[where]:g} at index {where}")


def checked_weights(name, option, weight):
    """A weight for each class as an array, or None; OptionError for anything else, or negative weights."""
    if weight is None:
        return None
    try:
        array = np.array(weight, np.float64)
    except (TypeError, ValueError, OverflowError):
        array = np.array(np.nan)
    if array.ndim != 1 or not array.size or not ((array >= 0) & (array < np.inf)).all() or not array.any():
        raise OptionError(
            f"{name}: {option} must be one number for each class, of at least 0 and not all 0, got {weight!r}"
        )
    return array


def check_count(name, option, weight, classes):
    """Raise OptionError unless there is one weight for each class."""
    if weight is not None and len(weight) != classes:
        raise OptionError(f"{name}: {option} has {len(weight)} numbers for {classes} classes")
