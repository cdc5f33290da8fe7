"""Layers, models and losses; one set for both engines.

What a module names in its `__all__` is exported.
"""

from .._names import missing as _missing
from . import initialisers
from .activations import *
from .convolution import *
from .dense import *
from .embedding import *
from .functional import *
from .losses import *
from .module import *
from .noise import *
from .normalisation import *
from .pooling import *
from .sequential import *
from .structure import *

__all__ = [
    "initialisers",
    *sorted(name for name, value in vars().items() if callable(value) and name[0] != "_"),
]


def __getattr__(name):
    raise _missing("tensorgrad.nn", name, __all__)
