"""Normalisation of each sample: numbers less their mean, through their standard deviation, times a weight, plus a bias.

Channels are the last axis, for vectors, sequences and images alike. Layer normalisation is over the channels of each row,
group normalisation over groups of channels of each sample.
"""

import math

import numpy as np

from .. import kernels
from .._op import op
from .._options import is_whole
from .._samples import accumulated, bad, bounded, sample, special, strided
from ..errors import OptionError, ShapeError
from ..kernels import BLOCK, LARGE, current, share
from ._normalised import FAR_FROM_0, NAN, check_channels, check_eps, normalised, rows_of, sums_of
from ._shared import constants, contiguous


def _rows_of_blocks(x):
    """Of how many rows a block is that has partial sums of its own: of a sample's, or of BLOCK where several threads may
    work on rows that are many; 0 where there are no blocks."""
    rows = math.prod(x.shape[1:-1]) if x.ndim > 2 else 1
    return rows if rows > 1 else BLOCK if x.size >= LARGE and current.log is None else 0


def _by_blocks(kernel, m, g, x, weight, saved, sums, out):
    """Run a backward kernel on blocks of m rows, and on the rest as a shorter one: partial sums of each, (blocks, *sums)."""
    rows = len(saved)
    slopes = np.empty((-(-rows // m), *sums), x.dtype)
    arrays = [rows_of(g), rows_of(x), saved, rows_of(out)]
    whole = rows // m
    if rest := rows % m:
        ends = [a[rows - rest :][None] for a in arrays]
        kernel(*ends[:2], weight, ends[2], slopes[whole:], ends[3])
        arrays = [a[: rows - rest] for a in arrays]
    g, x, saved, out = (a.reshape(whole, m, *a.shape[1:]) for a in arrays)
    share(kernel, g, x, weight, saved, slopes[:whole], out)
    return slopes


# ---- rows -------------------------------------------------------------------------------------------------------------
def _check_layer_norm(x, weight, bias, eps=1e-5):
    check_eps("layer_norm", eps)
    check_channels("layer_norm", x, weight, bias)


def _layer_norm_backward(needs, g, saved, x, weight, bias, eps=1e-5):
    moments, x, g, weight = saved[1], contiguous(x), contiguous(g), contiguous(weight)
    out = np.empty(x.shape, x.dtype)
    if m := _rows_of_blocks(x):
        sums = (2, x.shape[-1])
        return out, *sums_of(_by_blocks(kernels.layer_norm_backward_blocks, m, g, x, weight, moments, sums, out))
    dweight, dbias = np.empty(weight.shape, x.dtype), np.empty(weight.shape, x.dtype)
    work = np.empty((2, x.shape[-1]), x.dtype)
    kernels.layer_norm_backward(rows_of(g), rows_of(x), weight, moments, dweight, dbias, work, rows_of(out))
    return out, dweight, dbias


@op(twin=lambda x, weight, bias, eps=1e-5: normalised(x, -1, eps) * weight + bias,
    fused=_layer_norm_backward, unread=("bias",), check=_check_layer_norm, tolerance=accumulated(16),
    gradient_tolerance=bounded(64),
    samples=[sample((5, 3), (3,), (3,)), sample((17, 33), (33,), (33,)), sample((2, 5, 3), (3,), (3,), eps=0.1),
             sample((2, 3, 4, 8), (8,), (8,)), sample((3,), (3,), (3,)), sample((0, 3), (3,), (3,)),
             sample((4, 1), (1,), (1,), eps=1), sample(strided(4, 5), (5,), (5,)),
             sample(lambda rng: FAR_FROM_0(rng).T, (33,), (33,)), sample((3, 67), (67,), (67,)),
             special(NAN, (3,), (3,)), sample((2, 1, 3), (3,), (3,), eps=1)],
    errors=[bad((5, 2), (3,), (3,), error=ShapeError, match="layer_norm: expected input of shape (..., 3), got (5, 2)"),
            bad((5, 3), (3,), (4,), error=ShapeError, match="expected weights of one shape (channels,), got (3,) and"),
            bad((), (3,), (3,), error=ShapeError, match="expected input of shape (..., 3), got ()"),
            bad((5, 3), (3,), (3,), eps=-1, error=OptionError, match="eps must be a number of at least 0, got -1")]
)  # fmt: skip
def layer_norm(x, weight, bias, /, eps=1e-5):
    """Each row normalised: (x - mean) / sqrt(variance + eps) * weight + bias over the last axis, (..., n) -> (..., n).

    The variance is the mean square. Ba, Kiros and Hinton 2016, equations 3 and 4.

    >>> layer_norm(np.array([[1.0, 3.0]]), np.ones(2), np.zeros(2), eps=0)
    array([[-1.,  1.]])
    """
    x = contiguous(x)
    out, moments = np.empty(x.shape, x.dtype), np.empty((x.size // x.shape[-1], 3), x.dtype)
    weight, bias = contiguous(weight), contiguous(bias)
    share(kernels.layer_norm, rows_of(x), weight, bias, constants(eps), moments, rows_of(out))
    return out, moments


def _check_rms_norm(x, weight, eps=1e-5):
    check_eps("rms_norm", eps)
    check_channels("rms_norm", x, weight)


def _rms_norm_backward(needs, g, saved, x, weight, eps=1e-5):
    inverse, x, g, weight = saved[1], contiguous(x), contiguous(g), contiguous(weight)
    out, dweight = np.empty(x.shape, x.dtype), np.empty(weight.shape, x.dtype)
    if m := _rows_of_blocks(x):
        sums = x.shape[-1:]
        kernels.sum_columns(_by_blocks(kernels.rms_norm_backward_blocks, m, g, x, weight, inverse, sums, out), dweight)
    else:
        work = np.empty(x.shape[-1], x.dtype)
        kernels.rms_norm_backward(rows_of(g), rows_of(x), weight, inverse, dweight, work, rows_of(out))
    return out, dweight


@op(twin=lambda x, weight, eps=1e-5: x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + eps) * weight,
    fused=_rms_norm_backward, check=_check_rms_norm, tolerance=accumulated(16), gradient_tolerance=bounded(64),
    samples=[sample((5, 3), (3,)), sample((17, 33), (33,)), sample((2, 5, 3), (3,), eps=0.1), sample((2, 3, 4, 8), (8,)),
             sample((3,), (3,)), sample((0, 3), (3,)), sample((4, 1), (1,)), sample(strided(4, 5), (5,)),
             sample((3, 67), (67,)), special(NAN, (3,)), sample((2, 1, 3), (3,), eps=1)],
    errors=[bad((5, 2), (3,), error=ShapeError, match="rms_norm: expected input of shape (..., 3), got (5, 2)"),
            bad((5, 3), (3, 1), error=ShapeError, match="expected weights of shape (channels,), got (3, 1)"),
            bad((5, 3), (3,), eps="small", error=OptionError, match="eps must be a number of at least 0, got 'small'")]
)  # fmt: skip
def rms_norm(x, weight, /, eps=1e-5):
    """Each row through its root mean square: x / sqrt(mean(x**2) + eps) * weight over the last axis, (..., n) -> (..., n).

    Zhang and Sennrich 2019, equation 4.

    >>> rms_norm(np.array([[1.0, 7.0]]), np.ones(2), eps=0)
    array([[0.2, 1.4]])
    """
    x = contiguous(x)
    out, inverse = np.empty(x.shape, x.dtype), np.empty(x.size // x.shape[-1], x.dtype)
    share(kernels.rms_norm, rows_of(x), contiguous(weight), constants(eps), inverse, rows_of(out))
    return out, inverse


# ---- groups of channels -----------------------------------------------------------------------------------------------
def _check_group_norm(x, weight, bias, groups=1, eps=1e-5):
    check_eps("group_norm", eps)
    check_channels("group_norm", x, weight, bias)
    if x.ndim < 2:
        raise ShapeError(f"group_norm: expected input of shape (n, ..., {len(weight)}), got {x.shape}")
    if not is_whole(groups, 1) or len(weight) % groups:
        raise OptionError(f"group_norm: groups must divide the {len(weight)} channels, got {groups!r}")


def _group_norm_twin(x, weight, bias, groups=1, eps=1e-5):
    n, c = x.shape[0], x.shape[-1]
    parts = x.reshape(n, math.prod(x.shape[1:-1]), groups, c // groups)
    return normalised(parts, (1, 3), eps).reshape(x.shape) * weight + bias


def _samples(x):
    """x as a block of rows for each sample, also of one row."""
    return x.reshape(len(x), math.prod(x.shape[1:-1]), x.shape[-1])


def _group_norm_backward(needs, g, saved, x, weight, bias, groups=1, eps=1e-5):
    moments, x, g, weight = saved[1], contiguous(x), contiguous(g), contiguous(weight)
    out, blocks = np.empty(x.shape, x.dtype), _samples(x)
    slopes, work = (np.empty((len(x), k, x.shape[-1]), x.dtype) for k in (2, 3))
    share(kernels.group_norm_backward, _samples(g), blocks, weight, constants(groups, dtype=np.int64), moments, slopes, work,
          _samples(out))  # fmt: skip
    return out, *sums_of(slopes)


@op(twin=_group_norm_twin, fused=_group_norm_backward, unread=("bias",), check=_check_group_norm,
    tolerance=accumulated(16), gradient_tolerance=bounded(64),
    samples=[sample((5, 4), (4,), (4,), groups=2), sample((2, 5, 3), (3,), (3,), groups=3),
             sample((3, 3, 2, 8), (8,), (8,), groups=4), sample((2, 17, 6), (6,), (6,)),
             sample((2, 9, 6), (6,), (6,), groups=2, eps=0.1), sample((0, 3, 4), (4,), (4,), groups=2),
             sample((1, 4, 1), (1,), (1,)), sample(strided(3, 4, 6), (6,), (6,), groups=2),
             sample(lambda rng: FAR_FROM_0(rng).reshape(3, 11, 3), (3,), (3,), groups=3),
             sample((2, 3, 5, 34), (34,), (34,), groups=2), special([NAN], (3,), (3,), groups=3)],
    errors=[bad((5, 3), (3,), (3,), groups=2, error=OptionError, match="group_norm: groups must divide the 3 channels, got 2"),
            bad((5, 2), (3,), (3,), error=ShapeError, match="expected input of shape (..., 3), got (5, 2)"),
            bad((3,), (3,), (3,), error=ShapeError, match="expected input of shape (n, ..., 3), got (3,)"),
            bad((5, 3), (3, 1), (3,), error=ShapeError, match="expected weights of one shape (channels,), got (3, 1) and")]
)  # fmt: skip
def group_norm(x, weight, bias, /, groups=1, eps=1e-5):
    """Each sample's groups of neighbouring channels normalised, over all places: (n, ..., channels) -> the same.

    (x - mean) / sqrt(variance + eps) * weight + bias, with one weight and bias for each channel. With as many groups as
    channels it is instance normalisation. Wu and He 2018, equations 1 to 7.

    >>> group_norm(np.array([[1.0, 3.0, 0.0, 0.0]]), np.ones(4), np.zeros(4), groups=2)[0, 2:]
    array([0., 0.])
    """
    x = contiguous(x)
    out = np.empty(x.shape, x.dtype)
    moments, work = (np.empty((len(x), k, x.shape[-1]), x.dtype) for k in (3, 2))
    share(kernels.group_norm, _samples(x), contiguous(weight), contiguous(bias), constants(groups, dtype=np.int64),
          constants(eps), moments, work, _samples(out))  # fmt: skip
    return out, moments
