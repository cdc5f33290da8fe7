"""Losses, as ops."""

import numpy as np

from .. import kernels
from .._op import op
from .._options import number
from .._samples import accumulated, bad, elementwise, labels, sample, scaled, special, strided
from ..errors import DTypeError, LabelError, OptionError, ShapeError
from ..kernels import current
from ._shared import constants, contiguous, flat, numbers
from .elementwise import multiply, sign, square, subtract
from .reduce import mean
from .softmax import shifted


def _check_cross_entropy(logits, labels):
    if logits.ndim != 2:
        hint = "; put nn.Flatten() or a global pooling before the last nn.Dense" if logits.ndim > 2 else ""
        raise ShapeError(f"softmax_cross_entropy: expected logits of shape (n, classes), got {logits.shape}{hint}")
    n, classes = logits.shape
    if labels.dtype.kind not in "iu":
        raise DTypeError(
            f"softmax_cross_entropy: expected integer labels, got dtype {labels.dtype}; convert them with .astype(int)"
        )
    if labels.shape != (n,):
        raise ShapeError(f"softmax_cross_entropy: expected labels of shape ({n},), got {labels.shape}")
    if not n or not classes:
        raise ShapeError(
            f"softmax_cross_entropy: the mean over no rows or classes is not defined, logits {logits.shape}"
        )
    row = kernels.first_outside(np.ascontiguousarray(labels, np.int64), classes)
    if row >= 0:
        raise LabelError(
            f"softmax_cross_entropy: label {labels[row]} at row {row} is outside the {classes} classes 0..{classes - 1}; "
            "labels count from 0"
        )


def _cross_entropy_twin(logits, labels):
    z, _ = shifted(logits, -1)
    rows = np.arange(len(labels))
    return (np.log(np.exp(z).sum(axis=-1)) - z[rows, labels]).mean()


@op(twin=_cross_entropy_twin, constants=("labels",), check=_check_cross_entropy, tolerance=accumulated(16),
    fused=lambda needs, g, saved, logits, labels: (saved[1] * g if current.log is None else multiply(saved[1], g), None),
    samples=[sample((5, 3), labels(5, 3)), sample((1, 1), [0]), sample((67, 2), labels(67, 2)), sample((3, 67), labels(3, 67)),
             sample(scaled((9, 5), 1e4), labels(9, 5)), sample((17, 9), labels(17, 9)), sample(scaled((8, 3), 9), labels(8, 3)),
             sample((33, 5), labels(33, 5)), sample((5, 3), lambda rng: np.array([0, 1, 2, 1, 0], "uint8"))],
    errors=[bad((5, 3), [0, 1, 2, 3, 9], error=LabelError, match="label 3 at row 3 is outside the 3 classes 0..2"),
            bad((5, 3), [0, 1, 2, -1, 0], error=LabelError, match="label -1 at row 3 is outside the 3 classes 0..2"),
            bad((5, 3), [0, 1], error=ShapeError, match="expected labels of shape (5,), got (2,)"),
            bad((5, 3), [0.0, 1, 2, 1, 0], error=DTypeError, match="expected integer labels, got dtype float64"),
            bad((0, 3), lambda rng: np.zeros(0, int), error=ShapeError, match="the mean over no rows or classes"),
            bad((5,), [0, 1, 2, 1, 0], error=ShapeError, match="expected logits of shape (n, classes), got (5,)")])  # fmt: skip
def softmax_cross_entropy(logits, labels, /):
    """The mean of -log(softmax(logits)[label]) over rows: (n, classes), int (n,) -> ().

    Raises LabelError for a label outside the classes, naming its row.

    >>> softmax_cross_entropy(np.zeros((2, 4)), np.array([0, 3]))
    array(1.38629436)
    """
    loss, dlogits = np.empty(1, logits.dtype), np.empty(logits.shape, logits.dtype)
    labels = labels if labels.dtype == np.int64 else labels.astype(np.int64)
    rows = constants(len(logits), dtype=np.int64)
    kernels.softmax_cross_entropy(contiguous(logits), np.ascontiguousarray(labels), rows, loss, dlogits)
    return loss.reshape(()), dlogits


def _check_equal_shapes(prediction, target):
    if np.shape(prediction) != np.shape(target):
        raise ShapeError(
            f"mse_loss: prediction has shape {np.shape(prediction)} and target {np.shape(target)}; they must be equal, "
            "as broadcasting them would compare every row with every other: reshape one"
        )
    if not np.size(prediction):
        raise ShapeError(f"mse_loss: the mean over no elements is not defined, shape {np.shape(prediction)}")


@op(twin=lambda prediction, target: np.mean((prediction - target) ** 2), composed=True, tolerance=accumulated(16),
    samples=[sample((5, 3), (5, 3)), sample((67,), (67,)), sample((), ()), sample((2, 3, 17), (2, 3, 17)), sample((1,), (1,)),
             sample((15,), (15,)), sample((16,), (16,)), sample((3, 33), (3, 33)), sample(strided(4, 5), (4, 5)),
             sample(scaled((9, 2), 1e4), (9, 2)), special([[np.nan, 1.0]], [[1.0, np.inf]])],
    errors=[bad((5, 1), (5,), error=ShapeError, match="prediction has shape (5, 1) and target (5,); they must be equal"),
            bad((5, 3), (3,), error=ShapeError, match="prediction has shape (5, 3) and target (3,)"),
            bad((0, 3), (0, 3), error=ShapeError, match="the mean over no elements is not defined")])  # fmt: skip
def mse_loss(prediction, target, /):
    """The mean of (prediction - target)**2 over all elements: equal shapes -> ().

    >>> mse_loss(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    array(2.)
    """
    _check_equal_shapes(prediction, target)
    return mean(square(subtract(prediction, target)))


# ---- penalties --------------------------------------------------------------------------------------------------------
def _elastic_net_twin(x, l1=0.0, l2=0.0):
    x = np.ravel(x)
    parts = ([l1 * np.abs(x).sum()] if l1 else []) + ([l2 * (x * x).sum()] if l2 else [])
    return sum(parts[1:], parts[0]) if parts else 0 * x.sum()


def _check_elastic_net(x, l1=0.0, l2=0.0):
    number("elastic_net", "l1", l1, 0)
    number("elastic_net", "l2", l2, 0)


def _elastic_net_backward(needs, g, y, x, l1=0.0, l2=0.0):
    out = np.empty(x.shape, x.dtype)
    kernels.elastic_net_backward(contiguous(g).reshape(1), numbers(x), constants(l1, l2), flat(out))
    return [out]


def _elastic_net_rule(g, y, x, l1=0.0, l2=0.0):
    parts = ([multiply(sign(x), l1)] if l1 else []) + ([multiply(x, 2 * l2)] if l2 else [])
    return multiply(g, sum(parts[1:], parts[0]) if parts else multiply(x, 0.0))


@op(twin=_elastic_net_twin, fused=_elastic_net_backward, backward=[_elastic_net_rule], check=_check_elastic_net,
    tolerance=accumulated(16), gradient_tolerance=elementwise(4), ties="0 at 0",
    samples=[sample((5, 3), l1=0.5, l2=0.25), sample((67,), l1=0.1), sample((3, 33), l2=0.1), sample((), l1=2.0, l2=1.0),
             sample((2, 3, 17), l1=1, l2=2), sample((0, 3), l1=1.0), sample((5, 3)), sample(strided(4, 33), l1=0.3, l2=0.7),
             sample([0.0, -0.0, 1.0, -1.0], l1=1.0, l2=0.5), sample(scaled((9, 2), 1e4), l1=0.1, l2=0.2),
             special([np.nan, 1.0], l1=1.0), special([np.inf, 1.0], l1=1.0, l2=1.0)],
    errors=[bad((3,), l1=-1.0, error=OptionError, match="elastic_net: l1 must be a number of at least 0, got -1.0"),
            bad((3,), l2="1", error=OptionError, match="elastic_net: l2 must be a number of at least 0, got '1'"),
            bad((3,), l2=np.nan, error=OptionError, match="elastic_net: l2 must be a number of at least 0, got nan")],
)  # fmt: skip
def elastic_net(x, /, l1=0.0, l2=0.0):
    """l1 sum(|x|) + l2 sum(x**2): any shape -> () (Zou and Hastie 2005). The gradient of |x| at 0 is 0.

    >>> elastic_net(np.array([2.0, -3.0]), l1=1.0, l2=0.5)
    array(11.5)
    """
    out = np.empty(1, x.dtype)
    kernels.elastic_net(numbers(x), constants(l1, l2), out)
    return out.reshape(())
