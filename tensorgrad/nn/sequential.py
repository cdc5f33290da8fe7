"""Sequential: layers one after another."""

import numpy as np

from .._parameter import changes
from ..errors import OptionError, TensorgradError
from .module import Module

__all__ = ["Sequential"]


class Sequential(Module):
    """A model that feeds each layer's output to the next.

    What it takes is what the first layer takes, and what it gives what the last one gives: (n, ...) -> (n, ...). rng (a
    seed or a numpy Generator) draws the weights of all layers; without it each layer has drawn its own. It can be read and
    changed like a list: `model[i]`, `model[i] = layer`, `len(model)`, `append`; a slice is a Sequential that shares the
    layers. Raises OptionError for what is no layer.

    >>> from tensorgrad.nn import Dense, ReLU
    >>> model = Sequential(Dense(2, 16), ReLU(), Dense(16, 3), rng=0)
    >>> model
    Sequential(
      (0) Dense(2, 16)
      (1) ReLU()
      (2) Dense(16, 3)
    )
    >>> model[:2].append(model[2])[1]
    ReLU()
    """

    # When `_calls` was made, counted in changes of any module, and what it is; a slot, as it is no part of the model.
    __slots__ = ("_made",)
    _made: tuple

    def __init__(self, *layers, rng=None):
        object.__setattr__(self, "_made", (-1, ()))
        self.layers: tuple[Module, ...] = ()
        for layer in layers:
            self.append(layer)
        if rng is not None:
            self.reset(rng)

    def append(self, layer):
        """Put a layer behind the others; returns the model, so that calls chain.

        >>> from tensorgrad.nn import Dense, ReLU
        >>> len(Sequential(Dense(2, 16)).append(ReLU()))
        2
        """
        self.layers = (*self.layers, self._checked(layer))
        return self

    def _checked(self, layer):
        if not isinstance(layer, Module):
            hint = _as_layer(layer) if callable(layer) else ""
            hint = "; call the class: " + layer.__name__ + "(...)" if isinstance(layer, type) else hint
            hint = (
                f"; give the layers one by one: {type(self).__name__}(*layers)"
                if isinstance(layer, list | tuple)
                else hint
            )
            raise OptionError(f"{type(self).__name__}: expected a layer (nn.Module), got {layer!r}{hint}")
        return layer

    def children(self):
        yield from ((str(i), layer) for i, layer in enumerate(self.layers))
        yield from ((name, module) for name, module in super().children() if not name.startswith("layers."))

    def forward(self, x):
        calls, i = self._calls(), 0
        try:
            for i, call in enumerate(calls):  # noqa: B007
                x = call(x)
        except TensorgradError as error:
            number = sum(1 if isinstance(call, Module) else 2 for call in calls[:i])
            name = repr(self.layers[number]).partition("(")[0]
            error.add_note(f"in layer {number} of {type(self).__name__}: {name}, given an input of shape {np.shape(x)}")
            raise
        return x

    def check_inputs(self, X):
        """Raise an error if the first layer cannot take this data."""
        if self.layers and type(self).forward is Sequential.forward:
            self.layers[0].check_inputs(X)

    def _calls(self):
        """What is called one after another: the layers, or two at once where one kernel does the work of both."""
        made_at, calls = self._made
        if made_at != changes.count:
            layers, calls, i = self.layers, [], 0
            while i < len(layers):
                watched = any(layer._hooks for layer in layers[i : i + 2])
                together = layers[i].fused_with(layers[i + 1]) if i + 1 < len(layers) and not watched else None
                calls.append(together or layers[i])
                i += 2 if together else 1
            object.__setattr__(self, "_made", (changes.count, calls))  # not a change of the model
        return calls

    def __len__(self):
        return len(self.layers)

    def __getitem__(self, i):
        return Sequential(*self.layers[i]) if isinstance(i, slice) else self.layers[i]

    def __setitem__(self, i, layer):
        layers = list(self.layers)
        layers[i] = [self._checked(each) for each in layer] if isinstance(i, slice) else self._checked(layer)
        self.layers = tuple(layers)

    def __iter__(self):
        return iter(self.layers)


def _as_layer(function):
    """A hint how a function becomes a layer."""
    from . import activations

    name = str(getattr(function, "name", getattr(function, "__name__", "")))
    same = next((layer for layer in activations.__all__ if layer.lower() == name.replace("_", "").lower()), None)
    return f"; use nn.{same}()" if same else "; a function becomes a layer by nn.Lambda(function)"
