"""Noise in training: dropout of numbers and of channels, and added noise; in evaluation these layers do nothing."""

import numpy as np

from .. import kernels, ops
from .._random import generator
from ..kernels import kept_state
from ..ops.random import check_number
from ._making import filled
from .module import Module

__all__ = ["ChannelDropout", "Dropout", "GaussianNoise"]


class _Noise(Module):
    """A layer with a state of its own, a buffer, which goes on by one step with each call in training."""

    buffers = exact_buffers = ("state",)

    def __init__(self, rng):
        self.state = filled(3, np.float64)  # two words of a key, and the step
        self.reset_parameters(generator(type(self).__name__, rng))

    def reset_parameters(self, rng):
        self.state[:] = *rng.integers(0, 2**32, 2), 0

    def ticket(self):
        """The state for one call."""
        ticket = np.empty(3)
        kernels.draw_ticket(kept_state(self.state), ticket)
        return ticket


class Dropout(_Noise):
    """In training each number is 0 with probability p, else it grows by 1 / (1 - p): (...) -> (...).

    Srivastava et al. 2014.

    rng (a seed, a Generator, or None for fresh entropy) gives the key of the noise; `model.reset(seed)` begins anew. Each
    call drops other numbers, the same ones on either engine, eager or compiled, and on any number of threads; a copy of
    the layer, one of the same seed, or one that loads its `state_dict`, goes on with the same ones. Raises OptionError for
    a p outside [0, 1).

    >>> layer = Dropout(0.5, rng=0)
    >>> layer(np.ones(8)), layer(np.ones(8))
    (array([2., 2., 2., 2., 0., 2., 0., 2.]), array([2., 0., 2., 0., 2., 2., 2., 0.]))
    >>> layer.eval()(np.ones(3))
    array([1., 1., 1.])
    """

    def __init__(self, p=0.5, rng=None):
        check_number(type(self).__name__, "p", p, 1)
        self.p = float(p)
        super().__init__(rng)

    def forward(self, x):
        return ops.dropout(x, self.ticket(), p=self.p) if self.training and self.p != 0 else x

    def __repr__(self):
        return f"{type(self).__name__}({self.p})"


class ChannelDropout(Dropout):
    """In training each channel of each row is 0 with probability p, else it grows by 1 / (1 - p): (n, ..., c) -> the same.

    For images, whose neighbouring numbers are alike (Tompson et al. 2015). See Dropout for rng and errors.

    >>> ChannelDropout(0.5, rng=1)(np.ones((1, 2, 4)))
    array([[[2., 2., 2., 0.],
            [2., 2., 2., 0.]]])
    """

    def forward(self, x):
        return ops.channel_dropout(x, self.ticket(), p=self.p) if self.training and self.p != 0 else x


class GaussianNoise(_Noise):
    """In training normal numbers with standard deviation std are added: (...) -> (...). See Dropout for rng.

    Raises OptionError for a std that is no number of at least 0.

    >>> layer = GaussianNoise(0.1, rng=0)
    >>> layer(np.zeros(2)).round(4), layer.eval()(np.zeros(2))
    (array([-0.0338, -0.092 ]), array([0., 0.]))
    """

    def __init__(self, std, rng=None):
        check_number(type(self).__name__, "std", std)
        self.std = float(std)
        super().__init__(rng)

    def forward(self, x):
        return ops.gaussian_noise(x, self.ticket(), std=self.std) if self.training and self.std else x

    def __repr__(self):
        return f"{type(self).__name__}({self.std})"
