"""Data as training takes it: checked, in the model's dtype, in batches."""

import numpy as np

from ..errors import DataError


def checked(data, dtype, what="data"):
    """(X, y) as arrays that can be trained on; floats in the model's dtype.

    Raises DataError for anything that is not a pair of equally long, non-empty arrays of finite numbers.
    """
    if not isinstance(data, tuple | list) or len(data) != 2:
        got = f"{len(data)} items" if isinstance(data, tuple | list) else type(data).__name__
        raise DataError(f"{what}: expected a pair (X, y), got {got}")
    X, y = (checked_rows(a, dtype, f"{what}: {name}") for a, name in zip(data, ("X", "y"), strict=True))
    if len(X) != len(y):
        raise DataError(f"{what}: X has {len(X)} rows and y has {len(y)}; they must be equally many")
    return X, y


def checked_rows(rows, dtype, name):
    """Rows of finite numbers as an array, floats in `dtype`, or a DataError that says where they are not."""
    if isinstance(rows, np.ma.MaskedArray):
        raise DataError(f"{name} has masked elements; fill them, or leave such rows out")
    try:
        a = np.asarray(rows.numpy() if hasattr(rows, "numpy") else rows)
    except ValueError:
        raise DataError(f"{name} has rows of different lengths; every row must have the same shape") from None
    if a.dtype.kind not in "fiub":
        raise DataError(f"{name} has dtype {a.dtype}; expected numbers")
    if not a.ndim:
        raise DataError(f"{name} is a single number; expected at least one row")
    if not a.size:
        raise DataError(f"{name} is empty, shape {a.shape}; expected at least one row")
    if a.dtype.kind != "f":
        return a
    if not np.isfinite(a).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(a))[0])
        raise DataError(f"{name} has {a[where]} at index {where}; remove or fill such rows before training")
    with np.errstate(over="ignore"):
        cast = np.ascontiguousarray(a, dtype)
    if not np.isfinite(cast).all():
        raise DataError(
            f"{name} has numbers too large for {np.dtype(dtype)}, up to {np.abs(a).max():.3g}; scale the data"
        )
    return cast


def batches(count, size, rng=None):
    """Indices that cover range(count) in batches of `size` (the last may be smaller): arrays in an order drawn from rng,
    or slices, which copy nothing, without rng or where one batch holds all: there is nothing to shuffle.

    >>> batches(5, 2)
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    starts = range(0, count, size)
    if rng is None or count <= size:
        return [slice(i, min(i + size, count)) for i in starts]
    order = rng.permutation(count)
    return [order[i : i + size] for i in starts]
