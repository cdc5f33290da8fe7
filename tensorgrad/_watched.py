"""Plain arrays of a logged step, under watch.

Comparisons, argmax and gradients are plain arrays. While a log of kernel calls is open they are `Watched`: whoever asks
NumPy about their numbers leaves a reason in the log, as the answer may be another one when its rows are run again.
"""

import numpy as np

from ._registry import Operators
from .kernels import current


class Watched(np.ndarray):
    """An array of a logged step that is no Tensor: it works in ops and indices, and NumPy's own work with it is noted."""

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        if any(isinstance(x, Operators) for x in inputs):
            return NotImplemented
        _note(f"np.{ufunc.__name__}")
        plain = [x.view(np.ndarray) if isinstance(x, Watched) else x for x in inputs]
        if "out" in options:
            options["out"] = tuple(x.view(np.ndarray) if isinstance(x, Watched) else x for x in options["out"])
        return getattr(ufunc, method)(*plain, **options)

    def __array_function__(self, function, types, args, options):
        if any(issubclass(kind, Operators) for kind in types):
            return NotImplemented
        _note(f"np.{function.__name__}")
        return super().__array_function__(function, types, args, options)

    def __bool__(self):
        _note("bool()")
        return bool(self.view(np.ndarray))

    def __int__(self):
        _note("int()")
        return int(self.view(np.ndarray))

    def __float__(self):
        _note("float()")
        return float(self.view(np.ndarray))

    def item(self, *args):
        _note(".item()")
        return self.view(np.ndarray).item(*args)

    def tolist(self):
        _note(".tolist()")
        return self.view(np.ndarray).tolist()

    def __setitem__(self, index, new):
        _note("assigning to an array")
        super().__setitem__(index, new)


def _note(what):
    if current.log is not None:
        current.log.fail(f"{what} looked at numbers that the step had computed")


def watched(array):
    """The array, watched if a log is open."""
    return array if current.log is None else array.view(Watched)
