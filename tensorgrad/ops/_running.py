"""Running statistics of batch normalisation: the arrays, and the check of what is given for them."""

from typing import NamedTuple

import numpy as np

from .._options import number
from .._tensor import FLOATS
from ..errors import OptionError


class Running(NamedTuple):
    """Arrays (channels,) that a batch's statistics are mixed into."""

    mean: np.ndarray
    var: np.ndarray


def check_running(name, running, momentum, shape):
    """Raise OptionError unless `running` is None or two arrays of this shape to write into, and momentum from 0 to 1."""
    number(name, "momentum", momentum, 0, 1)
    if running is None:
        return
    if not isinstance(running, Running) or not all(_takes(a, shape) for a in running):
        raise OptionError(
            f"{name}: running must be Running(mean, var), two arrays {shape} of floats to write into, got {running!r}"
        )


def _takes(array, shape):
    fits = isinstance(array, np.ndarray) and array.shape == shape and array.dtype in FLOATS
    return fits and array.flags.c_contiguous and array.flags.writeable
