"""Compiling of what kernels are made of: numba's njit with our flags, our pipeline and our cache."""

import functools
from pathlib import Path

import numba
from numba.core import caching

from ._cache import CHECK, Cache, cache_folder
from ._wide import Wide

# NaN and infinity must survive, so not "nnan" and not "ninf"; sums may be reordered and products fused.
FASTMATH = {"reassoc", "contract", "nsz", "arcp"}


def jit(function=None, *, fastmath=FASTMATH, inline=False):
    """Compile a function on its first call, for the helpers that kernels are made of; `inline`: into every caller."""
    if function is None:
        return functools.partial(jit, fastmath=fastmath, inline=inline)
    options = {"nogil": True, "fastmath": fastmath, "error_model": "numpy", "boundscheck": CHECK, "forceinline": inline}
    dispatcher = numba.njit(pipeline_class=Wide, **options)(function)
    in_file = Path(function.__code__.co_filename).exists()  # what is typed in may come again and mean something else
    cache = Cache(function, functools.partial(_link, function)) if in_file and cache_folder() else caching.NullCache()
    dispatcher._cache = cache  # type: ignore[attr-defined]
    return dispatcher


def _link(function, arguments):
    """Load what is `linked` to a function, directly or by its helpers, for the dtype of its arguments."""
    for name in function.__code__.co_names:
        used = function.__globals__.get(name)
        if callable(load := getattr(used, "load_for", None)):
            load(arguments)
        elif hasattr(used, "py_func"):
            _link(used.py_func, arguments)
