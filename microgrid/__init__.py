"""A scalar autograd engine to read in one sitting: one `Value` is one number that remembers how it was made.

Value    the engine, standard library only (value.py)
grid     a NumPy array of Values: np.exp, @, einsum, indexing and the rest work on it
draw     a picture of how a Value was computed
trace    its backward pass as a table
values   the numbers of a grid
grads    the gradients of a grid
"""

import importlib

from .value import Value

__version__ = "0.1.0"
__all__ = ["Value", "draw", "grads", "grid", "trace", "values"]


def __getattr__(name: str):
    # Grids need NumPy, which takes longer to import than everything else here; Values alone need nothing.
    where = {"draw": "._draw", "trace": "._trace", "grid": "._grid", "values": "._grid", "grads": "._grid"}.get(name)
    if where is not None:
        return getattr(importlib.import_module(where, __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
