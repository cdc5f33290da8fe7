"""Learning rates that change from step to step: `tg.fit(..., schedule=schedules.Cosine(0.1, steps=1000))`.

A schedule is a function of the step, counted from 0, and any such function will do. Those here can be looked at (`repr`,
`.plot(steps)`), scaled (`0.1 * schedule`), begun gently (`Warmup(100, schedule)`) and followed by another
(`a.then(b, at=1000)`). In a loop of your own: `optimizer.lr = schedule(step)`. `ReduceOnPlateau` goes by losses instead.
"""

from .cyclic import *
from .decay import *
from .joined import *
from .plateau import *
from .schedule import *

__all__ = sorted(name for name, value in vars().items() if callable(value) and name[0] != "_")
