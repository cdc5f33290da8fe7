"""Noise: numbers dropped or added, as a function of a state (two words of a key, and a step) and of where a number stands.

The same state gives the same noise, on either engine, eager or compiled, on any number of threads.
"""

import math

import numpy as np

from .. import kernels
from .._op import op
from .._options import is_real
from .._samples import accumulated, bad, sample, special, strided
from ..errors import OptionError, ShapeError
from ..kernels import constant, share
from ._shared import binary, constants, contiguous, numbers


# ---- the definition: what the kernels do, in NumPy's words --------------------------------------------------------------
def philox(counter, key):
    """The four words of Philox 4x32-10 for counters (..., 4) under a key (2,): numbers of 32 bits (Salmon et al. 2011).

    >>> [hex(word) for word in philox(np.zeros(4, np.uint32), [0, 0]).tolist()]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    c = [np.asarray(counter, np.uint64)[..., i] for i in range(4)]
    low, (k0, k1) = np.uint64(0xFFFFFFFF), (int(k) for k in key)
    for _ in range(10):
        first, second = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [(second >> np.uint64(32)) ^ c[1] ^ np.uint64(k0), second & low,
             (first >> np.uint64(32)) ^ c[3] ^ np.uint64(k1), first & low]  # fmt: skip
        k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
    return np.stack(c, -1)


def words(state, count):
    """The words of so many elements: element e has word e % 64 // 16 of block e // 64 * 16 + e % 16."""
    k0, k1, step = (int(s) for s in state)
    element = np.arange(count)
    block = element // 64 * 16 + element % 16
    counter = np.stack(np.broadcast_arrays(block % 2**32, block // 2**32, step % 2**32, step // 2**32), -1)
    return np.take_along_axis(philox(counter, (k0, k1)), element[:, None] % 64 // 16, 1)[:, 0]


def factors(state, p, count):
    """0 where a word is less than p 2**32, else 1 / (1 - p)."""
    least = min(math.floor(p * 2**32 + 0.5), 2**32 - 1)
    return np.where(words(state, count) < least, 0.0, 1 / (1 - p))


def normals(state, count):
    """Normal numbers by Box and Muller's transform of the words of elements 16 apart."""
    pairs = words(state, -(-count // 64) * 64).reshape(-1, 2, 16)
    size = np.sqrt(-2 * np.log((pairs[:, 0] + 0.5) / 2**32))
    angle = pairs[:, 1].astype(np.uint32).astype(np.int32) * (math.pi / 2**31)
    return np.stack([size * np.cos(angle), size * np.sin(angle)], 1).reshape(-1)[:count]


# ---- what the records share -------------------------------------------------------------------------------------------
def check_number(name, option, value, below=None):
    """Raise OptionError unless an option is a number of at least 0, and less than `below`."""
    if not is_real(value) or not (0 <= value < (math.inf if below is None else below)):
        expected = "a number of at least 0" if below is None else f"a probability, 0 <= {option} < {below}"
        raise OptionError(f"{name}: {option} must be {expected}, got {value!r}")


def _check_state(name, state):
    if state.shape != (3,) or state.dtype.kind not in "fiu":
        raise ShapeError(f"{name}: a state is two words of a key and a step, (3,), got {state.shape} of {state.dtype}")


def _check(name, option, below, least_axes=0):
    def check(x, state, **options):
        _check_state(name, state)
        check_number(name, option, options.get(option, 0.5), below)
        if x.ndim < least_axes:
            raise ShapeError(f"{name}: expected input of shape (n, ..., channels), got {x.shape}")

    return check


def _steering(state, number):
    """What tells a kernel which noise, how much of it, and that it begins at element 0."""
    if state.dtype == np.float32:
        state, given = np.empty(3), contiguous(state)
        kernels.widen(given, state)
    elif state.dtype != np.float64:
        state = np.asarray(state, np.float64)
    return contiguous(state), constants(float(number)), constant(kernels.FIRST)


STATE = [1.0, 2.0, 3.0]
LATER = [4294967295.0, 123456789.0, 4294967296.0]  # the step does not fit into 32 bits
_STATES = [bad((3,), [1.0, 2.0], error=ShapeError, match="two words of a key and a step, (3,), got (2,) of float64"),
           bad((3,), 1.0, error=ShapeError, match="(3,), got () of float64")]  # fmt: skip
_P = [bad((3,), STATE, p=1.0, error=OptionError, match="p must be a probability, 0 <= p < 1, got 1.0"),
      bad((3,), STATE, p=-0.1, error=OptionError, match="got -0.1"),
      bad((3,), STATE, p="0.5", error=OptionError, match="got '0.5'"),
      bad((3,), STATE, p=np.nan, error=OptionError, match="got nan")]  # fmt: skip


# ---- dropout ----------------------------------------------------------------------------------------------------------
def _dropout_twin(x, state, p=0.5):
    return x * factors(state, p, x.size).reshape(x.shape)


@op(twin=_dropout_twin, constants=("state",), unread=("x",), check=_check("dropout", "p", 1),
    fused=lambda needs, g, saved, x, state, p=0.5: (binary(kernels.multiply, g, saved[1]), None),
    backward=[lambda g, _y, _x, state, p=0.5: dropout(g, state, p=p), None],
    samples=[sample((5, 3), STATE), sample((5, 3), STATE, p=0.0), sample((67,), STATE, p=0.9), sample((0, 3), STATE),
             sample((2, 5, 17), STATE, p=0.1), sample((), STATE), sample((129,), STATE, p=0.3), sample((64,), STATE, p=0.2),
             sample(strided(4, 9), STATE), sample((3, 50), [0.0, 0.0, 0.0]),
             special([np.nan, np.inf, -np.inf, 1.0], STATE)],
    errors=_STATES + _P)  # fmt: skip
def dropout(x, state, /, p=0.5):
    """Each number times 0 with probability p, else times 1 / (1 - p), which keeps the mean: (...) -> (...).

    Srivastava et al. 2014.

    `state` is an array (3,): two whole numbers below 2**32, the key, and a step below 2**53; another step is other noise.
    The same state drops the same numbers, those of the gradient too.

    >>> dropout(np.ones(6), np.array([0, 0, 1]), p=0.5)
    array([2., 2., 2., 0., 2., 2.])
    """
    x = contiguous(x)
    out, factor = np.empty(x.shape, x.dtype), np.empty(x.shape, x.dtype)
    share(kernels.dropout, numbers(x), *_steering(state, p), out.reshape(-1), factor.reshape(-1))
    return out, factor


def _channel_twin(x, state, p=0.5):
    shape = (x.shape[0], *[1] * (x.ndim - 2), x.shape[-1])
    return x * factors(state, p, x.shape[0] * x.shape[-1]).reshape(shape)


def _as_channels(x):
    """x as (n, whatever is in between, c)."""
    return contiguous(x).reshape(x.shape[0], math.prod(x.shape[1:-1]), x.shape[-1])


def _channel_backward(needs, g, saved, x, state, p=0.5):
    dx = np.empty(x.shape, x.dtype)
    share(kernels.channel_dropout_backward, _as_channels(g), saved[1], _as_channels(dx))
    return dx, None


@op(twin=_channel_twin, constants=("state",), unread=("x",), check=_check("channel_dropout", "p", 1, 2),
    fused=_channel_backward, backward=[lambda g, _y, _x, state, p=0.5: channel_dropout(g, state, p=p), None],
    samples=[sample((5, 3), STATE), sample((2, 4, 3), STATE, p=0.3), sample((3, 2, 2, 17), STATE, p=0.5),
             sample((1, 3, 3, 67), STATE, p=0.9), sample((0, 4, 3), STATE), sample((2, 0, 3), STATE), sample((9, 2, 15), STATE),
             sample((2, 2, 64), STATE, p=0.0), sample(strided(3, 4, 5), STATE), sample((2, 3, 3, 40), [0.0, 0.0, 9.0])],
    errors=[bad((5, 3), [1.0, 2.0], error=ShapeError, match="two words of a key and a step, (3,), got (2,)"),
            bad((3,), STATE, error=ShapeError, match="expected input of shape (n, ..., channels), got (3,)"),
            bad((5, 3), STATE, p=1.5, error=OptionError, match="p must be a probability, 0 <= p < 1, got 1.5")])  # fmt: skip
def channel_dropout(x, state, /, p=0.5):
    """Whole channels times 0 with probability p, else times 1 / (1 - p): (n, ..., c) -> the same, each of n rows by itself.

    Neighbours in an image are alike, so that dropping single numbers would hide little (Tompson et al. 2015).
    `state` is that of `dropout`.

    >>> channel_dropout(np.ones((1, 2, 4)), np.array([0, 0, 1]), p=0.5)
    array([[[2., 2., 2., 0.],
            [2., 2., 2., 0.]]])
    """
    x = contiguous(x)
    out, factor = np.empty(x.shape, x.dtype), np.empty((x.shape[0], x.shape[-1]), x.dtype)
    share(kernels.channel_dropout, _as_channels(x), *_steering(state, p), _as_channels(out), factor)
    return out, factor


# ---- added noise ------------------------------------------------------------------------------------------------------
def _noise_twin(x, state, std=1.0):
    return x + std * normals(state, x.size).reshape(x.shape)


@op(twin=_noise_twin, constants=("state",), unread=("x",), check=_check("gaussian_noise", "std", None),
    backward=[lambda g, _y, _x, _state, std=1.0: g, None], tolerance=accumulated(8),
    samples=[sample((5, 3), STATE), sample((5, 3), STATE, std=0.0), sample((67,), STATE, std=0.1), sample((0, 3), STATE),
             sample((2, 5, 17), STATE, std=3), sample((), STATE), sample((129,), STATE), sample((64,), STATE),
             sample(strided(4, 9), STATE), sample((3, 50), [0.0, 0.0, 0.0]), special([np.nan, np.inf, -np.inf], STATE)],
    errors=[*_STATES, bad((3,), STATE, std=-1.0, error=OptionError, match="std must be a number of at least 0, got -1.0"),
            bad((3,), STATE, std=None, error=OptionError, match="got None")])  # fmt: skip
def gaussian_noise(x, state, /, std=1.0):
    """x plus normal numbers with mean 0 and standard deviation std: (...) -> (...). `state` is that of `dropout`.

    By Box and Muller's transform (1958) of words of 32 bits, in double precision: none lies beyond 6.7 std.

    >>> np.round(gaussian_noise(np.zeros(3), np.array([0, 0, 1]), std=0.1), 4)
    array([ 0.1068,  0.0405, -0.003 ])
    """
    x = contiguous(x)
    out = np.empty(x.shape, x.dtype)
    share(kernels.gaussian_noise, numbers(x), *_steering(state, std), out.reshape(-1))
    return out
