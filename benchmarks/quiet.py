"""Whether the machine was ours alone: how much of our cores other processes took while we measured."""

import os
import time
from pathlib import Path

STAT = Path("/proc/stat")
DISTURBED = 0.05  # of our cores; above it a figure says more about the machine's other work


class Others:
    """From its making on, the share of our cores that neither idled nor worked for this process and its ended children.

    None where the system does not say (it is Linux that does, in /proc/stat). Time that a hypervisor took counts too.
    """

    def __init__(self):
        self.start, self.before = time.perf_counter(), self._seconds()

    def share(self):
        if self.before is None:
            return None
        elapsed = time.perf_counter() - self.start
        return max(self._seconds() - self.before, 0) / (elapsed * len(os.sched_getaffinity(0)))

    @staticmethod
    def _seconds():
        """What our cores have done for others so far."""
        if not STAT.exists():
            return None
        ours = {f"cpu{n}" for n in os.sched_getaffinity(0)}
        ticks = 0
        for name, *counts in map(str.split, STAT.read_text().splitlines()):
            if name in ours:
                user, nice, system, _idle, _wait, *rest = map(int, counts[:8])  # then irq, softirq, steal
                ticks += user + nice + system + sum(rest)
        mine = os.times()
        return ticks / os.sysconf("SC_CLK_TCK") - sum(mine[:4])
