"""What numbers a model's state may take."""

import numpy as np

from .._coerce import as_array
from ..errors import DTypeError, ShapeError


def fill(what, array, new):
    """Copy numbers into a buffer."""
    new = as_array(what, new)
    if new.shape != array.shape:
        raise ShapeError(f"{what} has shape {array.shape}, it cannot take numbers of shape {new.shape}")
    if new.dtype.kind not in "fiub":
        raise DTypeError(f"{what} cannot take numbers of dtype {new.dtype}")
    array[...] = new


def overflows(numbers, dtype):
    """Whether a finite number would become infinite."""
    with np.errstate(over="ignore"):
        return bool((np.isfinite(numbers) & ~np.isfinite(numbers.astype(dtype))).any())


def are_whole(numbers, dtype):
    """Whether they are whole numbers of at least 0 that no smaller dtype has rounded."""
    kept = numbers.dtype.kind in "iu" or numbers.dtype == dtype
    return kept and bool(((numbers >= 0) & (numbers < 2**53) & (np.floor(numbers) == numbers)).all())
