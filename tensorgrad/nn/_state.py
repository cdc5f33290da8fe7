"""What numbers a model's state may take."""

from collections.abc import Mapping

import numpy as np

from .._coerce import as_array
from .._tensor import Tensor, plain
from ..errors import DTypeError, OptionError, ShapeError


def fill(what, array, new):
    """Copy numbers into a buffer."""
    new = as_array(what, new)
    if new.shape != array.shape:
        raise ShapeError(f"{what} has shape {array.shape}, it cannot take numbers of shape {new.shape}")
    if new.dtype.kind not in "fiub":
        raise DTypeError(f"{what} cannot take numbers of dtype {new.dtype}")
    array[...] = new


def checked_state(model, state, mine, exact):
    """The state as {name: array}, once all of it is known to fit into `mine`, {name: Parameter or array}.

    `exact` are the ids of arrays that take whole numbers only. Raises OptionError for what is no dict, ShapeError that
    names all that is missing, unknown or does not fit.
    """
    what = f"load_state_dict of {model}"
    if not isinstance(state, Mapping):
        raise OptionError(f"{what}: expected a dict of arrays by name, as state_dict() gives it, got {state!r}")
    state = {n: as_array(f"{what}: {n}", plain(x) if isinstance(x, Tensor) else x) for n, x in state.items()}
    problems = [f"missing {n}" for n in mine if n not in state] + [f"unknown {n}" for n in state if n not in mine]
    for name, p in mine.items():
        if name in state and (problem := _problem(state[name], p, id(p) in exact)):
            problems.append(f"{name} has {problem}")
    if problems:
        raise ShapeError(f"{what}: " + "; ".join(problems))
    return state


def _problem(numbers, p, exact):
    """What keeps numbers from standing in p; "" if nothing does."""
    if numbers.shape != p.shape:
        return f"shape {numbers.shape}, expected {p.shape}"
    if numbers.dtype.kind not in "fiub" and p.dtype != object:
        return f"dtype {numbers.dtype}, expected numbers"
    if p.dtype != object and overflows(numbers, p.dtype):
        return f"numbers too large for {p.dtype}"
    array = p if isinstance(p, np.ndarray) else getattr(p.value, "_array", None)  # which a grid has not
    if array is not None and not array.flags.writeable:
        return "an array that is read-only"
    if exact and not are_whole(numbers, p.dtype):
        return f"other numbers, or of another dtype, than whole ones of at least 0 in {p.dtype}"
    return ""


def overflows(numbers, dtype):
    """Whether a finite number would become infinite."""
    with np.errstate(over="ignore"):
        return bool((np.isfinite(numbers) & ~np.isfinite(numbers.astype(dtype))).any())


def are_whole(numbers, dtype):
    """Whether they are whole numbers of at least 0 that no smaller dtype has rounded."""
    kept = numbers.dtype.kind in "iu" or numbers.dtype == dtype
    return kept and bool(((numbers >= 0) & (numbers < 2**53) & (np.floor(numbers) == numbers)).all())
