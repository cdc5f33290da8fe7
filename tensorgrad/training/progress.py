"""The progress bar of fit."""

import sys
import time
from typing import Any

from tqdm import tqdm

from ..kernels import compiling


class Progress:
    """A bar over the epochs with the latest scores, on standard error. Its clock stands while kernels are compiled."""

    def __init__(self, epochs, on, unit="epoch"):
        self.bar: Any = (
            tqdm(total=epochs, desc="training", unit=unit, dynamic_ncols=True)
            if on and sys.stderr is not None
            else None
        )
        self.done, self.shown, self.scores = 0, time.perf_counter(), {}
        self.compiled = compiling.seconds

    def step(self, scores):
        """Epochs more, with {name: a number of each}; drawn ten times a second at most, as that takes long."""
        if self.bar is None:
            return
        self.done += len(scores["loss"])
        self.scores = {name: values[-1] for name, values in scores.items() if values}
        if self._due(0.1):
            self._draw()

    def within(self, done, of):
        """`done` of the steps `of` an epoch, or of several, are taken; shown where they take long."""
        if self.bar is not None and done < of and self._due(0.5):
            self._draw({"step": f"{done}/{of}"})

    def _due(self, seconds):
        return time.perf_counter() - self.shown > seconds

    def _draw(self, also=()):
        skipped, self.compiled = compiling.seconds - self.compiled, compiling.seconds
        self.bar.start_t += skipped
        self.bar.last_print_t += skipped
        self.bar.set_postfix(dict(also) | {k: f"{v:.4g}" for k, v in self.scores.items()}, refresh=False)
        self.bar.update(self.done) or self.bar.refresh()
        self.done, self.shown = 0, time.perf_counter()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.bar is not None:
            self._draw()
            self.bar.close()
