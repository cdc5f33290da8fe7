"""Watching a calculation: who is told of every op and every module that is called, and of gradients."""

import contextlib
from typing import Any

from ._tape import mode


class Watch:
    """Base of what looks on inside a `with` block, in its own thread; a subclass has methods for what it wants to be told.

    `layers`: the modules that are being called, outermost first, each as what `entered` made of it.
    """

    layers: tuple = ()

    def __enter__(self):
        self._outer, mode.watch = mode.watch, self
        return self

    def __exit__(self, *_):
        mode.watch = self._outer

    @contextlib.contextmanager
    def inside(self, module):
        """A module is being called."""
        outside = self.layers
        self.layers = (*outside, self.entered(module))
        try:
            yield
        finally:
            self.layers = outside

    def entered(self, module) -> Any:
        """What stands among `layers` for a call of a module."""
        return module

    def forward(self, op, arrays, options, y):
        """An op was called on arrays, and gave y."""

    def recorded(self, node):
        """The op that was called last left this node."""

    def pulled(self, node, g, pulled):
        """A backward brought a node g, and it handed on `pulled`: [(input, gradient)] of those that need one."""
