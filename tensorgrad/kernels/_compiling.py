"""How long kernels took to compile, and what is said of it while it goes on."""

import os
import sys
import time

from numba.core import event

from ._cache import cache_folder
from ._wide import Wide

_GAP, _LONG = 1.0, 1.0  # seconds without compiling that end a run of it; how long a later run is when it is announced


class Compiling(event.Listener):
    """Counts the `seconds` in which any thread compiled kernels, and says so: at the first of a process at once, and of
    a later run (another dtype, other layers) once it has taken more than a second.
    """

    def __init__(self, clock=time.perf_counter):
        self._clock, self.seconds = clock, 0.0
        self._depth, self._start, self._end = 0, 0.0, 0.0
        self._run, self._said, self._first = 0.0, False, True  # seconds of this run

    @staticmethod
    def _ours(happened):
        """Whether a kernel is compiled, or a helper of kernels, and no function of somebody else."""
        return happened.data["dispatcher"]._compiler.pipeline_class is Wide

    def on_start(self, happened):
        if not self._ours(happened):
            return
        if self._depth == 0:
            self._start = self._clock()
            if self._start - self._end > _GAP:
                self._run, self._said = 0.0, False
            if self._first or (self._run > _LONG and not self._said):
                self._say("on their first use" if self._first else "for a new dtype or new layers")
                self._first, self._said = False, True
        self._depth += 1

    def on_end(self, happened):
        if not self._ours(happened):
            return
        self._depth -= 1
        if self._depth == 0:
            self._end = self._clock()
            self.seconds += self._end - self._start
            self._run += self._end - self._start

    def _say(self, what):
        if sys.stderr is not None and os.environ.get("TENSORGRAD_QUIET", "") in ("", "0"):
            where = cache_folder()
            kept = (
                f"kept in {where}"
                if where and os.access(where, os.W_OK)
                else "no folder can be written: kept in memory"
            )
            print(f"tensorgrad: compiling kernels {what}, some seconds ({kept})", file=sys.stderr, flush=True)


compiling = Compiling()
event.register("numba:compile", compiling)
