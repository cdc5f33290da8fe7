"""Initial weights: functions `(rng, shape, ...) -> numbers`, which layers take by name or as they are (`init=`).

    nn.Dense(64, 10, init="glorot_uniform")
    nn.Dense(64, 10, init=functools.partial(nn.initialisers.normal, std=0.01))
    nn.Dense(64, 10, init=lambda rng, shape: rng.normal(size=shape))

The rules that keep the size of signals take the fans from the shape: see `fans`.
"""

import functools
import math

import numpy as np

from .._options import number
from .._tensor import Tensor
from ..errors import OptionError, ShapeError, choose
from ._making import making

TRUNCATED = 0.87962566103423978  # the standard deviation of a standard normal number that lies between -2 and 2


__all__ = [
    "constant", "fans", "glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "lecun_normal", "lecun_uniform",
    "normal", "ones", "orthogonal", "truncated_normal", "uniform", "zeros",
]  # fmt: skip


def fans(shape):
    """(fan in, fan out): the inputs of one output, and the outputs that one input goes to, of a weight of this shape.

    dense (in, out): (in, out). convolution (kh, kw, in / groups, out), or any number of kernel axes: (kh kw in / groups,
    kh kw out); that of a transposed convolution is drawn as (kh, kw, in / groups, out), too. A vector (n,) counts as (n, n).

    >>> fans((64, 10)), fans((3, 3, 8, 16))
    ((64, 10), (72, 144))
    """
    if not shape:
        return 1, 1
    if len(shape) == 1:
        return shape[0], shape[0]
    area = math.prod(shape[:-2])
    return area * shape[-2], area * shape[-1]


def _with_options(function):
    """An initialiser that says, where it is called with options alone, how a layer is given them."""

    @functools.wraps(function)
    def called(*args, **options):
        if len(args) + len({"rng", "shape"} & options.keys()) < 2:
            given = ", ".join([function.__name__, *(f"{name}={value!r}" for name, value in options.items())])
            raise OptionError(
                f"{function.__name__}: expected (rng, shape) and options; a layer calls it with those two, and gets options "
                f"by init=functools.partial(nn.initialisers.{given})"
            )
        return function(*args, **options)

    return called


def zeros(rng, shape):
    """0 everywhere.

    >>> zeros(None, (2,))
    array([0., 0.])
    """
    return np.zeros(shape)


def ones(rng, shape):
    """1 everywhere.

    >>> ones(None, (2,))
    array([1., 1.])
    """
    return np.ones(shape)


@_with_options
def constant(rng, shape, value=0.0):
    """The same number everywhere.

    >>> constant(None, (2,), 0.5)
    array([0.5, 0.5])
    """
    return np.full(shape, number("constant", "value", value))


@_with_options
def uniform(rng, shape, low=-0.05, high=0.05):
    """Uniform between two numbers.

    >>> uniform(np.random.default_rng(0), (300, 300), -1, 1).var().round(2)  # (high - low)**2 / 12
    np.float64(0.33)
    """
    low, high = number("uniform", "low", low), number("uniform", "high", high)
    if low > high:
        raise OptionError(f"uniform: low must not be above high, got {low:g} and {high:g}")
    return rng.uniform(low, high, size=shape)


@_with_options
def normal(rng, shape, mean=0.0, std=0.05):
    """Normal with a mean and a standard deviation.

    >>> normal(np.random.default_rng(0), (300, 300), std=2.0).std().round(2)
    np.float64(2.0)
    """
    return rng.normal(number("normal", "mean", mean), number("normal", "std", std, 0), size=shape)


@_with_options
def truncated_normal(rng, shape, mean=0.0, std=0.05):
    """Normal, drawn anew where it is more than 2 `std` from the mean; 0.88 `std` is then its standard deviation.

    >>> abs(truncated_normal(np.random.default_rng(0), (300, 300), std=1.0)).max() < 2
    np.True_
    """
    mean, std = number("truncated_normal", "mean", mean), number("truncated_normal", "std", std, 0)
    x = rng.normal(size=shape)
    while (far := np.abs(x) > 2).any():
        x[far] = rng.normal(size=np.count_nonzero(far))
    return mean + std * x


@_with_options
def glorot_uniform(rng, shape, gain=1.0):
    """Uniform with variance gain**2 2 / (fan in + fan out) (Glorot and Bengio 2010, equation 16).

    >>> glorot_uniform(np.random.default_rng(0), (200, 300)).var().round(4)
    np.float64(0.004)
    """
    return rng.uniform(-1, 1, size=shape) * _scale("glorot_uniform", gain, 6, sum(fans(shape)))


@_with_options
def glorot_normal(rng, shape, gain=1.0):
    """Normal with variance gain**2 2 / (fan in + fan out) (Glorot and Bengio 2010, equation 12).

    >>> glorot_normal(np.random.default_rng(0), (200, 300)).var().round(4)
    np.float64(0.004)
    """
    return rng.normal(size=shape) * _scale("glorot_normal", gain, 2, sum(fans(shape)))


@_with_options
def he_uniform(rng, shape, gain=1.0):
    """Uniform with variance gain**2 2 / fan in, for ReLU layers (He et al. 2015, equation 10).

    >>> he_uniform(np.random.default_rng(0), (200, 300)).var().round(4)
    np.float64(0.01)
    """
    return rng.uniform(-1, 1, size=shape) * _scale("he_uniform", gain, 6, fans(shape)[0])


@_with_options
def he_normal(rng, shape, gain=1.0):
    """Normal with variance gain**2 2 / fan in: keeps the size of signals through ReLU layers (He et al. 2015, equation 10).

    >>> he_normal(np.random.default_rng(0), (200, 300)).var().round(4)
    np.float64(0.01)
    """
    return rng.normal(size=shape) * _scale("he_normal", gain, 2, fans(shape)[0])


@_with_options
def lecun_uniform(rng, shape, gain=1.0):
    """Uniform with variance gain**2 / fan in (LeCun et al. 1998, "Efficient BackProp", equation 16).

    >>> lecun_uniform(np.random.default_rng(0), (200, 300)).var().round(4)
    np.float64(0.005)
    """
    return rng.uniform(-1, 1, size=shape) * _scale("lecun_uniform", gain, 3, fans(shape)[0])


@_with_options
def lecun_normal(rng, shape, gain=1.0):
    """Normal with variance gain**2 / fan in, for SELU layers (LeCun et al. 1998, equation 16; Klambauer et al. 2017).

    >>> lecun_normal(np.random.default_rng(0), (200, 300)).var().round(4)
    np.float64(0.005)
    """
    return rng.normal(size=shape) * _scale("lecun_normal", gain, 1, fans(shape)[0])


@_with_options
def orthogonal(rng, shape, gain=1.0):
    """The columns, or the rows if they are fewer, orthogonal and of length `gain` (Saxe et al. 2014).

    Kernel axes and inputs together are the rows: (kh, kw, in, out) as (kh kw in, out). Uniform among such matrices, by
    the QR decomposition of a normal one (Mezzadri 2007, section 5).

    >>> w = orthogonal(np.random.default_rng(0), (5, 3))
    >>> np.allclose(w.T @ w, np.eye(3))
    True
    """
    if len(shape) < 2:
        raise ShapeError(f"orthogonal: expected a weight with at least 2 axes, got shape {tuple(shape)}")
    rows, columns = math.prod(shape[:-1]), shape[-1]
    q, r = np.linalg.qr(rng.normal(size=(max(rows, columns), min(rows, columns))))
    q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)
    return number("orthogonal", "gain", gain) * (q if rows >= columns else q.T).reshape(shape)


def _scale(owner, gain, numerator, fan):
    return number(owner, "gain", gain) * np.sqrt(numerator / max(fan, 1))


INITIALISERS = {
    f.__name__: f for f in (he_normal, he_uniform, glorot_uniform, glorot_normal, lecun_normal, lecun_uniform, orthogonal,
                            normal, truncated_normal, uniform, constant, ones, zeros)
}  # fmt: skip


def initialiser(owner, option, init):
    """The function of an `init=` option: itself, or the one of that name."""
    if callable(init) and not isinstance(init, type):
        return init
    if isinstance(init, np.ndarray | Tensor):
        raise OptionError(
            f"{owner}: {option} must be a name or a function (rng, shape) -> numbers, got an array of shape {init.shape}; "
            "set numbers afterwards: layer.weight.data = array"
        )
    return choose(owner, option, init, INITIALISERS)


def draw(parameter, init, rng, owner):
    """Give a parameter its initial numbers."""
    parameter.data = drawn(init, rng, parameter.shape, owner)


def drawn(init, rng, shape, owner):
    """Initial numbers, or zeros while they come from a file.

    ShapeError where a function of one's own drew others than the shape asks for.
    """
    if making.allowance is not None:
        return np.broadcast_to(0.0, shape)
    numbers = np.asarray(init(rng, shape))
    if numbers.shape != shape:
        called = getattr(init, "__name__", type(init).__name__)
        raise ShapeError(f"{owner}: init {called} gave numbers of shape {numbers.shape}, expected {shape}")
    return numbers
