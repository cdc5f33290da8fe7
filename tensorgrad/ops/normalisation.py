"""Normalisation: numbers less their mean, through their standard deviation, times a weight, plus a bias.

Channels are the last axis, for vectors, sequences and images alike. Layer normalisation is over the channels of each row,
group normalisation over groups of channels of each sample, batch normalisation over a batch, for each channel.
"""

import functools
import math

import numpy as np

from .. import kernels
from .._op import op
from .._options import is_real, is_whole
from .._samples import accumulated, bad, bounded, sample, special, strided
from ..errors import OptionError, ShapeError
from ..kernels import BLOCK, LARGE, current, kept_state, share
from ._running import check_running
from ._shared import constants, contiguous

_LARGE = 1 << 17  # numbers: these kernels do so little with each that fewer are not worth handing over


def share_if_large(kernel, *buffers):
    if buffers[0].size < _LARGE:
        kernel(*buffers)
    else:
        share(kernel, *buffers)


def _check_eps(name, eps):
    if not (type(eps) is float or is_real(eps)) or not 0 <= eps < math.inf:
        raise OptionError(f"{name}: eps must be a number of at least 0, got {eps!r}")


def _check_channels(name, x, *columns):
    channels = x.shape[-1:]
    for c in columns:
        if c.shape != channels:
            break
    else:
        if channels and channels[0]:
            return
    shapes = [c.shape for c in columns]
    if columns[0].ndim != 1 or shapes.count(shapes[0]) != len(shapes):
        expected = "one shape (channels,)" if len(columns) > 1 else "shape (channels,)"
        raise ShapeError(f"{name}: expected weights of {expected}, got {' and '.join(map(str, shapes))}")
    if not x.ndim or x.shape[-1] != len(columns[0]) or not len(columns[0]):
        raise ShapeError(f"{name}: expected input of shape (..., {len(columns[0])}), got {x.shape}")


def _over(x, axes, eps):
    """x normalised over axes, in twins."""
    d = x - x.mean(axis=axes, keepdims=True)
    return d / np.sqrt((d * d).mean(axis=axes, keepdims=True) + eps)


def _sums_of(slopes):
    """The gradients of weight and bias from those of each block."""
    dweight, dbias = np.empty(slopes.shape[-1], slopes.dtype), np.empty(slopes.shape[-1], slopes.dtype)
    kernels.sum_slopes(slopes, dweight, dbias)
    return dweight, dbias


def _blocks(x):
    """x as blocks of rows, one for each sample; None for samples of one row."""
    count = math.prod(x.shape[1:-1])
    return x.reshape(len(x), count, x.shape[-1]) if x.ndim > 2 and count > 1 else None


def _rows_of_blocks(x):
    """Of how many rows a block is that has partial sums of its own: of a sample's, or of BLOCK where several threads may
    work on rows that are many; 0 where there are no blocks."""
    rows = math.prod(x.shape[1:-1]) if x.ndim > 2 else 1
    return rows if rows > 1 else BLOCK if x.size >= LARGE and current.log is None else 0


def _by_blocks(kernel, m, g, x, weight, saved, sums, out):
    """Run a backward kernel on blocks of m rows, and on the rest as a shorter one: partial sums of each, (blocks, *sums)."""
    rows = len(saved)
    slopes = np.empty((-(-rows // m), *sums), x.dtype)
    arrays = [_rows(g), _rows(x), saved, _rows(out)]
    whole = rows // m
    if rest := rows % m:
        ends = [a[rows - rest :][None] for a in arrays]
        kernel(*ends[:2], weight, ends[2], slopes[whole:], ends[3])
        arrays = [a[: rows - rest] for a in arrays]
    g, x, saved, out = (a.reshape(whole, m, *a.shape[1:]) for a in arrays)
    share(kernel, g, x, weight, saved, slopes[:whole], out)
    return slopes


def _rows(x):
    """x as rows of channels."""
    return x if x.ndim == 2 else x.reshape(x.size // x.shape[-1], x.shape[-1])


_FAR = functools.partial(lambda shape, rng: 1e4 + rng.normal(size=shape) * 8, (33, 3))  # numbers far from 0
_NAN = [[np.nan, 1.0, 2.0], [np.inf, 1.0, 0.0], [3.0, 1.0, -1.0]]


# ---- rows -------------------------------------------------------------------------------------------------------------
def _check_layer_norm(x, weight, bias, eps=1e-5):
    _check_eps("layer_norm", eps)
    _check_channels("layer_norm", x, weight, bias)


def _layer_norm_backward(needs, g, saved, x, weight, bias, eps=1e-5):
    moments, x, g, weight = saved[1], contiguous(x), contiguous(g), contiguous(weight)
    out = np.empty(x.shape, x.dtype)
    if m := _rows_of_blocks(x):
        sums = (2, x.shape[-1])
        return out, *_sums_of(_by_blocks(kernels.layer_norm_backward_blocks, m, g, x, weight, moments, sums, out))
    dweight, dbias = np.empty(weight.shape, x.dtype), np.empty(weight.shape, x.dtype)
    work = np.empty((2, x.shape[-1]), x.dtype)
    kernels.layer_norm_backward(_rows(g), _rows(x), weight, moments, dweight, dbias, work, _rows(out))
    return out, dweight, dbias


@op(twin=lambda x, weight, bias, eps=1e-5: _over(x, -1, eps) * weight + bias,
    fused=_layer_norm_backward, unread=("bias",), check=_check_layer_norm, tolerance=accumulated(16),
    gradient_tolerance=bounded(64),
    samples=[sample((5, 3), (3,), (3,)), sample((17, 33), (33,), (33,)), sample((2, 5, 3), (3,), (3,), eps=0.1),
             sample((2, 3, 4, 8), (8,), (8,)), sample((3,), (3,), (3,)), sample((0, 3), (3,), (3,)),
             sample((4, 1), (1,), (1,), eps=1), sample(strided(4, 5), (5,), (5,)),
             sample(lambda rng: _FAR(rng).T, (33,), (33,)), sample((3, 67), (67,), (67,)),
             special(_NAN, (3,), (3,)), sample((2, 1, 3), (3,), (3,), eps=1)],
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
    share(kernels.layer_norm, _rows(x), weight, bias, constants(eps), moments, _rows(out))
    return out, moments


def _check_rms_norm(x, weight, eps=1e-5):
    _check_eps("rms_norm", eps)
    _check_channels("rms_norm", x, weight)


def _rms_norm_backward(needs, g, saved, x, weight, eps=1e-5):
    inverse, x, g, weight = saved[1], contiguous(x), contiguous(g), contiguous(weight)
    out, dweight = np.empty(x.shape, x.dtype), np.empty(weight.shape, x.dtype)
    if m := _rows_of_blocks(x):
        sums = x.shape[-1:]
        kernels.sum_columns(_by_blocks(kernels.rms_norm_backward_blocks, m, g, x, weight, inverse, sums, out), dweight)
    else:
        work = np.empty(x.shape[-1], x.dtype)
        kernels.rms_norm_backward(_rows(g), _rows(x), weight, inverse, dweight, work, _rows(out))
    return out, dweight


@op(twin=lambda x, weight, eps=1e-5: x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + eps) * weight,
    fused=_rms_norm_backward, check=_check_rms_norm, tolerance=accumulated(16), gradient_tolerance=bounded(64),
    samples=[sample((5, 3), (3,)), sample((17, 33), (33,)), sample((2, 5, 3), (3,), eps=0.1), sample((2, 3, 4, 8), (8,)),
             sample((3,), (3,)), sample((0, 3), (3,)), sample((4, 1), (1,)), sample(strided(4, 5), (5,)),
             sample((3, 67), (67,)), special(_NAN, (3,)), sample((2, 1, 3), (3,), eps=1)],
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
    share(kernels.rms_norm, _rows(x), contiguous(weight), constants(eps), inverse, _rows(out))
    return out, inverse


# ---- groups of channels -----------------------------------------------------------------------------------------------
def _check_group_norm(x, weight, bias, groups=1, eps=1e-5):
    _check_eps("group_norm", eps)
    _check_channels("group_norm", x, weight, bias)
    if x.ndim < 2:
        raise ShapeError(f"group_norm: expected input of shape (n, ..., {len(weight)}), got {x.shape}")
    if not is_whole(groups, 1) or len(weight) % groups:
        raise OptionError(f"group_norm: groups must divide the {len(weight)} channels, got {groups!r}")


def _group_norm_twin(x, weight, bias, groups=1, eps=1e-5):
    n, c = x.shape[0], x.shape[-1]
    parts = x.reshape(n, math.prod(x.shape[1:-1]), groups, c // groups)
    return _over(parts, (1, 3), eps).reshape(x.shape) * weight + bias


def _samples(x):
    """x as a block of rows for each sample, also of one row."""
    return x.reshape(len(x), math.prod(x.shape[1:-1]), x.shape[-1])


def _group_norm_backward(needs, g, saved, x, weight, bias, groups=1, eps=1e-5):
    moments, x, g, weight = saved[1], contiguous(x), contiguous(g), contiguous(weight)
    out, blocks = np.empty(x.shape, x.dtype), _samples(x)
    slopes, work = (np.empty((len(x), k, x.shape[-1]), x.dtype) for k in (2, 3))
    share(kernels.group_norm_backward, _samples(g), blocks, weight, constants(groups, dtype=np.int64), moments, slopes, work,
          _samples(out))  # fmt: skip
    return out, *_sums_of(slopes)


@op(twin=_group_norm_twin, fused=_group_norm_backward, unread=("bias",), check=_check_group_norm,
    tolerance=accumulated(16), gradient_tolerance=bounded(64),
    samples=[sample((5, 4), (4,), (4,), groups=2), sample((2, 5, 3), (3,), (3,), groups=3),
             sample((3, 3, 2, 8), (8,), (8,), groups=4), sample((2, 17, 6), (6,), (6,)),
             sample((2, 9, 6), (6,), (6,), groups=2, eps=0.1), sample((0, 3, 4), (4,), (4,), groups=2),
             sample((1, 4, 1), (1,), (1,)), sample(strided(3, 4, 6), (6,), (6,), groups=2),
             sample(lambda rng: _FAR(rng).reshape(3, 11, 3), (3,), (3,), groups=3),
             sample((2, 3, 5, 34), (34,), (34,), groups=2), special([_NAN], (3,), (3,), groups=3)],
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


# ---- channels over a batch --------------------------------------------------------------------------------------------
def mix_in(rows, running, momentum):
    """Mix the statistics of rows of plain numbers into running ones."""
    with np.errstate(all="ignore"):
        mean, var = rows.mean(0), rows.var(0)
    kernels.update_running(mean, np.zeros_like(mean), var, constants(len(rows), len(rows), 0.0, momentum), *running)


def _check_batch_norm(x, weight, bias, eps=1e-5, running=None, momentum=0.1):
    _check_eps("batch_norm", eps)
    _check_channels("batch_norm", x, weight, bias)
    check_running("batch_norm", running, momentum, x.shape[-1:])
    if x.size < 2 * len(weight):
        raise ShapeError(
            f"batch_norm: the statistics of a batch need two values of each channel or more, got an input of shape {x.shape}; "
            "use a larger batch, or the running statistics"
        )


def _batch_norm_twin(x, weight, bias, eps=1e-5, running=None, momentum=0.1):
    return _over(x, tuple(range(x.ndim - 1)), eps) * weight + bias


def _slopes(g, x, mean, rest, inverse):
    """The gradients of weight and bias."""
    blocks = _blocks(x)
    if blocks is not None:
        slopes = np.empty((len(x), 2, x.shape[-1]), x.dtype)
        share_if_large(
            kernels.batch_norm_slopes_of_blocks, g.reshape(blocks.shape), blocks, mean, rest, inverse, slopes
        )
        return _sums_of(slopes)
    dweight, dbias = np.empty(mean.shape, x.dtype), np.empty(mean.shape, x.dtype)
    kernels.batch_norm_slopes(_rows(g), _rows(x), mean, rest, inverse, dweight, dbias)
    return dweight, dbias


def _batch_norm_backward(needs, g, saved, x, weight, bias, eps=1e-5, running=None, momentum=0.1):
    (_, about, mean, rest, inverse), x, g = saved, contiguous(x), contiguous(g)
    dweight, dbias = _slopes(g, x, mean, rest, inverse)
    if not needs[0]:
        return None, dweight, dbias
    scale, tilt, level = (np.empty(weight.shape, x.dtype) for _ in range(3))
    kernels.batch_norm_tilts(contiguous(weight), rest, inverse, dweight, dbias, about, scale, tilt, level)
    out = np.empty(x.shape, x.dtype)
    share_if_large(kernels.batch_norm_backward, _rows(g), _rows(x), mean, scale, tilt, level, _rows(out))
    return out, dweight, dbias


@op(twin=_batch_norm_twin, fused=_batch_norm_backward, unread=("bias",), check=_check_batch_norm, tolerance=accumulated(16),
    gradient_tolerance=bounded(64),
    samples=[sample((5, 3), (3,), (3,)), sample((17, 33), (33,), (33,)), sample((4, 3, 5), (5,), (5,), eps=0.1),
             sample((3, 3, 2, 8), (8,), (8,)), sample((9, 1), (1,), (1,)), sample((2, 1, 3, 4), (4,), (4,)),
             sample((1, 7, 2), (2,), (2,)), sample(strided(6, 5), (5,), (5,)), sample(_FAR, (3,), (3,)),
             sample(lambda rng: _FAR(rng).reshape(3, 11, 3), (3,), (3,)), sample((8, 67), (67,), (67,)),
             special(_NAN, (3,), (3,))],
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
    x, n = contiguous(x), x.shape[-1]
    count, blocks = x.size // n, _blocks(x)
    total, off, squares, work, mean, rest, var, inverse, scale, shift = (np.empty(n, x.dtype) for _ in range(10))
    about = constants(count if blocks is None else len(x), count, eps, momentum)
    if blocks is None:
        kernels.batch_sums(_rows(x), total)
        kernels.batch_spread(_rows(x), total, about, off, squares, work)
    else:
        moments = [np.empty((len(x), n), x.dtype) for _ in range(3)]
        share_if_large(kernels.block_moments, blocks, *moments)
        kernels.batch_sums(moments[0], total)
        kernels.batch_spread_of_blocks(*moments, total, about, off, squares, work)
    kernels.batch_statistics(
        total, off, squares, contiguous(weight), contiguous(bias), about, mean, rest, var, inverse, scale, shift
    )
    if running is not None:
        kernels.update_running(mean, rest, var, about, kept_state(running.mean), kept_state(running.var))
    out = np.empty(x.shape, x.dtype)
    share_if_large(kernels.batch_norm, _rows(x), mean, scale, shift, _rows(out))
    return out, about, mean, rest, inverse


# ---- known statistics -------------------------------------------------------------------------------------------------
def _check_inference(x, mean, var, weight, bias, eps=1e-5):
    _check_eps("batch_norm_inference", eps)
    _check_channels("batch_norm_inference", x, mean, var, weight, bias)


def _inference_backward(needs, g, saved, x, mean, var, weight, bias, eps=1e-5):
    (_, rest, inverse, scale), x, g, weight = saved, contiguous(x), contiguous(g), contiguous(weight)
    grads: list = [None] * 5
    if needs[0]:
        grads[0] = np.empty(x.shape, x.dtype)
        share_if_large(kernels.scale_columns, _rows(g), scale, _rows(grads[0]))
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
    share_if_large(kernels.batch_norm, _rows(x), mean, scale, contiguous(bias), _rows(out))
    return out, rest, inverse, scale
