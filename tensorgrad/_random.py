"""Random numbers: always from a seed or a Generator that the caller passes, never from global state."""

import numpy as np

from .errors import OptionError


def generator(owner, seed):
    """A numpy Generator from a seed (a whole number of at least 0), a Generator, or None for fresh entropy.

    >>> generator("here", 0).integers(10)
    np.int64(8)
    """
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError):
        raise OptionError(
            f"{owner}: a seed is a whole number of at least 0, a numpy Generator, or None for fresh entropy, got {seed!r}"
        ) from None
