"""What tests of ops share."""

import pytest

from tensorgrad._registry import OPS
from tensorgrad.kernels import Kernel


@pytest.fixture
def registries():
    """What a test declares is forgotten after it."""
    kept = [(registry, dict(registry)) for registry in (OPS, Kernel.registry)]
    yield
    for registry, entries in kept:
        registry.clear()
        registry.update(entries)
