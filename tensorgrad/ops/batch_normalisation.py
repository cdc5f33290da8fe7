"""Batch normalisation: each channel, the last axis, over a batch, by its own statistics or by known ones."""

import numpy as np

from .. import kernels
from .._op import op
from .._samples import accumulated, bad, bounded, sample, special, strided
from ..errors import OptionError, ShapeError
from ..kernels import current, kept_state
from ._normalised import (
    FAR_FROM_0,
    LARGE_HERE,
    NAN,
    blocks_of,
    check_channels,
    check_eps,
    normalised,
    rows_of,
    share_if_large,
    sums_of,
)
from ._running import check_running
from ._shared import constants, contiguous


# ---- channels over a batch --------------------------------------------------------------------------------------------
def mix_in(rows, running, momentum):
    """Mix the statistics of rows of plain numbers into running ones."""
    with np.errstate(all="ignore"):
        mean, var = rows.mean(0), rows.var(0)
    kernels.update_running(mean, np.zeros_like(mean), var, constants(len(rows), len(rows), 0.0, momentum), *running)


def _check_batch_norm(x, weight, bias, eps=1e-5, running=None, momentum=0.1):
    check_eps("batch_norm", eps)
    check_channels("batch_norm", x, weight, bias)
    check_running("batch_norm", running, momentum, x.shape[-1:])
    if x.size < 2 * len(weight):
        raise ShapeError(
            f"batch_norm: the statistics of a batch need two values of each channel or more, got an input of shape {x.shape}; "
            "use a larger batch, or the running statistics"
        )


def _batch_norm_twin(x, weight, bias, eps=1e-5, running=None, momentum=0.1):
    return normalised(x, tuple(range(x.ndim - 1)), eps) * weight + bias


def _slopes(g, x, mean, rest, inverse):
    """The gradients of weight and bias."""
    blocks = blocks_of(x)
    if blocks is not None:
        slopes = np.empty((len(x), 2, x.shape[-1]), x.dtype)
        share_if_large(
            kernels.batch_norm_slopes_of_blocks, g.reshape(blocks.shape), blocks, mean, rest, inverse, slopes
        )
        return sums_of(slopes)
    dweight, dbias = np.empty(mean.shape, x.dtype), np.empty(mean.shape, x.dtype)
    kernels.batch_norm_slopes(rows_of(g), rows_of(x), mean, rest, inverse, dweight, dbias)
    return dweight, dbias


def _at_once(x):
    """Whether one kernel does all: of rows that are not too many; a program deals out the parts, one by one."""
    return current.log is None and x.size < LARGE_HERE and blocks_of(x) is None


def _batch_norm_backward(needs, g, saved, x, weight, bias, eps=1e-5, running=None, momentum=0.1):
    (_, about, mean, rest, inverse), x, g = saved, contiguous(x), contiguous(g)
    if needs[0] and _at_once(x):
        out = np.empty(x.shape, x.dtype)
        dweight, dbias, scale, tilt, level = (np.empty(weight.shape, x.dtype) for _ in range(5))
        given, made = (contiguous(weight), mean, rest, inverse, about), (dweight, dbias, scale, tilt, level)
        kernels.batch_norm_backward_at_once(rows_of(g), rows_of(x), *given, *made, rows_of(out))
        return out, dweight, dbias
    dweight, dbias = _slopes(g, x, mean, rest, inverse)
    if not needs[0]:
        return None, dweight, dbias
    scale, tilt, level = (np.empty(weight.shape, x.dtype) for _ in range(3))
    kernels.batch_norm_tilts(contiguous(weight), rest, inverse, dweight, dbias, about, scale, tilt, level)
    out = np.empty(x.shape, x.dtype)
    share_if_large(kernels.batch_norm_backward, rows_of(g), rows_of(x), mean, scale, tilt, level, rows_of(out))
    return out, dweight, dbias


@op(twin=_batch_norm_twin, fused=_batch_norm_backward, unread=("bias",), check=_check_batch_norm, tolerance=accumulated(16),
    gradient_tolerance=bounded(64),
    samples=[sample((5, 3), (3,), (3,)), sample((17, 33), (33,), (33,)), sample((4, 3, 5), (5,), (5,), eps=0.1),
             sample((3, 3, 2, 8), (8,), (8,)), sample((9, 1), (1,), (1,)), sample((2, 1, 3, 4), (4,), (4,)),
             sample((1, 7, 2), (2,), (2,)), sample(strided(6, 5), (5,), (5,)), sample(FAR_FROM_0, (3,), (3,)),
             sample(lambda rng: FAR_FROM_0(rng).reshape(3, 11, 3), (3,), (3,)), sample((8, 67), (67,), (67,)),
             special(NAN, (3,), (3,))],
    errors=[bad((5, 2), (3,), (3,), error=ShapeError, match="batch_norm: expected input of shape (..., 3), got (5, 2)"),
            bad((1, 3), (3,), (3,), error=ShapeError,
                match="need two values of each channel or more, got an input of shape (1, 3)"),
            bad((5, 3), (3,), (2,), error=ShapeError, match="expected weights of one shape (channels,), got (3,) and"),
            bad((5, 3), (3,), (3,), momentum="1", error=OptionError, match="momentum must be a number from 0 to 1, got '1'"),
            bad((5, 3), (3,), (3,), running=np.ones(3), error=OptionError, match="running must be Running(mean, var), two"),
            bad((5, 3), (3,), (3,), eps=np.nan, error=OptionError, match="eps must be a number of at least 0, got nan")]
)  # fmt: skip
def batch_norm(x, weight, bias, /, eps=1e-5, running=None, momentum=0.1):
    """Each channel normalised over a batch and all places: (n, ..., channels) -> the same.

    (x - mean) / sqrt(variance + eps) * weight + bias. `running`, a pair of arrays (channels,), takes in the batch's mean
    and unbiased variance, `running += momentum * (new - running)`, but for channels in which they are not finite. Ioffe and
    Szegedy 2015, algorithm 1; see nn.BatchNorm.

    >>> batch_norm(np.array([[1.0], [3.0]]), np.ones(1), np.zeros(1), eps=0)
    array([[-1.],
           [ 1.]])
    """
    x, n, weight, bias = contiguous(x), x.shape[-1], contiguous(weight), contiguous(bias)
    count, blocks, out = x.size // n, blocks_of(x), np.empty(x.shape, x.dtype)
    mean, rest, var, inverse, scale, shift = (np.empty(n, x.dtype) for _ in range(6))
    about = constants(count if blocks is None else len(x), count, eps, momentum)
    if at_once := _at_once(x):
        kernels.batch_norm_at_once(
            rows_of(x), weight, bias, about, mean, rest, var, inverse, scale, shift, rows_of(out)
        )
    else:
        sums = _sums(x, blocks, about)
        kernels.batch_statistics(*sums, weight, bias, about, mean, rest, var, inverse, scale, shift)
    if running is not None:
        kernels.update_running(mean, rest, var, about, kept_state(running.mean), kept_state(running.var))
    if not at_once:
        share_if_large(kernels.batch_norm, rows_of(x), mean, scale, shift, rows_of(out))
    return out, about, mean, rest, inverse


def _sums(x, blocks, about):
    """Of each channel: the sum that the mean is made of, those of the differences to that mean, and of their squares."""
    total, off, squares, work = (np.empty(x.shape[-1], x.dtype) for _ in range(4))
    if blocks is None:
        kernels.batch_sums(rows_of(x), total)
        kernels.batch_spread(rows_of(x), total, about, off, squares, work)
    else:
        moments = [np.empty((len(x), x.shape[-1]), x.dtype) for _ in range(3)]
        share_if_large(kernels.block_moments, blocks, *moments)
        kernels.batch_sums(moments[0], total)
        kernels.batch_spread_of_blocks(*moments, total, about, off, squares, work)
    return total, off, squares


# ---- known statistics -------------------------------------------------------------------------------------------------
def _check_inference(x, mean, var, weight, bias, eps=1e-5):
    check_eps("batch_norm_inference", eps)
    check_channels("batch_norm_inference", x, mean, var, weight, bias)


def _inference_backward(needs, g, saved, x, mean, var, weight, bias, eps=1e-5):
    (_, rest, inverse, scale), x, g, weight = saved, contiguous(x), contiguous(g), contiguous(weight)
    grads: list = [None] * 5
    if needs[0]:
        grads[0] = np.empty(x.shape, x.dtype)
        share_if_large(kernels.scale_columns, rows_of(g), scale, rows_of(grads[0]))
    if any(needs[1:]):
        grads[3:] = _slopes(g, x, contiguous(mean), rest, inverse)
    if any(needs[1:3]):
        grads[1:3] = (np.empty(weight.shape, x.dtype) for _ in range(2))
        kernels.statistics_backward(weight, inverse, *grads[3:], *grads[1:3])
    return grads


@op(twin=lambda x, mean, var, weight, bias, eps=1e-5: (x - mean) / np.sqrt(var + eps) * weight + bias,
    fused=_inference_backward, unread=("bias",), check=_check_inference, tolerance=accumulated(16),
    gradient_tolerance=bounded(64),
    samples=[sample(shape, shape[-1:], lambda rng, n=shape[-1]: rng.uniform(0.5, 2, n), shape[-1:], shape[-1:], eps=eps)
             for shape, eps in (((5, 3), 1e-5), ((17, 33), 1e-5), ((2, 5, 3), 0.1), ((2, 3, 4, 8), 1e-5), ((3,), 1e-5),
                                ((0, 3), 1e-5), ((1, 3), 1e-5), ((4, 1), 0), ((8, 67), 1e-5), ((3, 1, 4), 1e-5))],
    errors=[bad((5, 2), (3,), (3,), (3,), (3,), error=ShapeError, match="expected input of shape (..., 3), got (5, 2)"),
            bad((5, 3), (3,), (3,), (3,), (4,), error=ShapeError, match="expected weights of one shape (channels,), got (3,)"),
            bad((5, 3), (3,), (3,), (3,), (3,), eps=True, error=OptionError, match="eps must be a number of at")]
)  # fmt: skip
def batch_norm_inference(x, mean, var, weight, bias, /, eps=1e-5):
    """What `batch_norm` is where mean and variance are known: (x - mean) / sqrt(var + eps) * weight + bias.

    (..., channels) -> the same; all others are (channels,).

    >>> batch_norm_inference(np.array([[1.0]]), np.ones(1), np.ones(1), np.ones(1), np.array([5.0]))
    array([[5.]])
    """
    x, mean, var = contiguous(x), contiguous(mean), contiguous(var)
    out = np.empty(x.shape, x.dtype)
    rest, inverse, scale = (np.empty(var.shape, x.dtype) for _ in range(3))
    kernels.known_statistics(var, contiguous(weight), constants(eps), rest, inverse, scale)
    share_if_large(kernels.batch_norm, rows_of(x), mean, scale, contiguous(bias), rows_of(out))
    return out, rest, inverse, scale
