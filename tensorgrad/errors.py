"""The errors that tensorgrad raises; each is also the built-in error that fits it.

>>> import tensorgrad as tg
>>> try:
...     tg.tensor([1.0, 2.0], requires_grad=True).backward()
... except ValueError as error:
...     print(error)
backward: the tensor has shape (2,); only a scalar has a default gradient: reduce it with .sum() or .mean(), or pass g=
"""

from difflib import get_close_matches

import numpy as np


class TensorgradError(Exception):
    """Base of every error that tensorgrad raises on purpose."""


class ShapeError(TensorgradError, ValueError):
    """An array has a shape that the operation does not take."""


class DTypeError(TensorgradError, TypeError):
    """An array has a dtype that the operation does not take, or two tensors differ in dtype."""


class LabelError(TensorgradError, ValueError):
    """A class label is outside the range of classes, or targets are not what the loss expects."""


class DataError(TensorgradError, ValueError):
    """Training data is empty, has NaN in it, or its parts do not match."""


class GraphError(TensorgradError, RuntimeError):
    """The graph cannot be differentiated: it was freed, changed in place, or never recorded."""


class GradientError(TensorgradError, RuntimeError):
    """A gradient that is needed is missing, or has the wrong shape."""


class EngineError(TensorgradError, TypeError):
    """The scalar engine and the tensor engine were mixed."""


class OptionError(TensorgradError, ValueError):
    """An option has a name or a value that does not exist."""


class LinAlgError(TensorgradError, np.linalg.LinAlgError):
    """A matrix is singular, or not positive definite, where the operation needs one that is not so."""


class FileError(TensorgradError, OSError):
    """A file cannot be written or read where it was asked for."""


class CheckpointError(TensorgradError, ValueError):
    """A file is no model that can be loaded: damaged, truncated, foreign, newer, or it does not fit."""


class MissingPackage(TensorgradError, ImportError):
    """An optional package is needed and not installed."""


def choose(owner, option, value, choices):
    """Return `choices[value]`, or raise an OptionError that names the nearest choice.

    >>> choose("Dense", "activation", "relu", {"relu": 1})
    1
    """
    try:
        return choices[value]
    except (KeyError, TypeError):
        near = get_close_matches(value, [str(c) for c in choices], n=1) if isinstance(value, str) else []
        hint = f"; did you mean {near[0]!r}?" if near else ""
        known = ", ".join(repr(c) for c in choices)
        raise OptionError(f"{owner}: unknown {option} {value!r}{hint} (known: {known})") from None


def layout_hint(shape, channels):
    """What an error about images (N, H, W, channels) adds where their channels stand second, as PyTorch has them; else "".

    >>> layout_hint((2, 3, 8, 8), 3), layout_hint((2, 8, 8, 3), 4)
    ('; channels are last: x.transpose(0, 2, 3, 1)', '')
    """
    if len(shape) < 3 or shape[1] != channels or shape[-1] == channels:
        return ""
    axes = ", ".join(map(str, (0, *range(2, len(shape)), 1)))
    return f"; channels are last: x.transpose({axes})"


def need(module, extra, why):
    """Import and return an optional package, or raise a MissingPackage that says which pip install brings it."""
    from importlib import import_module

    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if (error.name or "").partition(".")[0] != package:  # it is there, and something that it needs is not
            raise
        raise MissingPackage(
            f'{why} needs {package}, which is not installed: pip install "microgrid-tensorgrad[{extra}]"'
        ) from error
