"""History: what a training run was, number by number."""

from ..errors import need


class History:
    """What `fit` returns: `history.loss` (one number an epoch), `history.steps` (one a step), `history["val_loss"]`.

    It is read like a dict of these curves (`in`, `keys()`, `items()`, `for name in history`); `len` is its number of epochs.
    `stopped` says why training ended early ("" if it did not); `seconds` how long it took, without the `compile_seconds` of
    kernels that were used for the first time on this machine; `engine` where it ran,
    `compiled` whether as programs, on how many `threads`; `eager_because` says why not.

    >>> h = History("tensor")
    >>> h.append(loss=0.5, accuracy=0.9)
    >>> h["accuracy"], h
    ([0.9], <History of 1 epoch: loss 0.5, accuracy 0.9>)
    """

    def __init__(self, engine):
        self.engine = engine
        self.epochs: dict[str, list[float]] = {"loss": []}  # name -> one number an epoch
        self.steps = []
        self.seconds = self.compile_seconds = 0.0
        self.stopped = ""
        self.compiled, self.eager_because, self.threads = False, "", 1

    def append(self, **numbers):
        """Add the numbers of one epoch."""
        self.extend({name: [value] for name, value in numbers.items()})

    def extend(self, numbers):
        """Add the numbers of several epochs: {name: one number for each}."""
        for name, values in numbers.items():
            self.epochs.setdefault(name, []).extend(values)

    @property
    def loss(self):
        """The mean training loss of each epoch."""
        return self.epochs["loss"]

    def __getitem__(self, name):
        if name not in self.epochs:
            raise KeyError(f"no {name!r} in this history; it has {', '.join(self.epochs)}")
        return self.epochs[name]

    def __contains__(self, name):
        return name in self.epochs

    def __iter__(self):
        return iter(self.epochs)

    def keys(self):
        """The names of the curves."""
        return self.epochs.keys()

    def items(self):
        """(name, one number an epoch) of each curve."""
        return self.epochs.items()

    def __len__(self):
        return len(self.loss)

    def plot(self, axes=None):
        """Draw loss (and, beside it, every metric) over the epochs; returns the matplotlib axes. Needs the extra `plot`."""
        need("matplotlib", "plot", "History.plot")
        from ..show.curves import plot_history

        return plot_history(self, axes)

    def __repr__(self):
        last = ", ".join(f"{k} {v[-1]:.4g}" for k, v in self.epochs.items() if v)
        early = f"; stopped: {self.stopped}" if self.stopped else ""
        return f"<History of {len(self)} epoch{'' if len(self) == 1 else 's'}: {last or 'nothing yet'}{early}>"
