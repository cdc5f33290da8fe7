"""Rows dealt out to threads: each thread takes its share of the batch rows, sums meet at barriers.

The declarations say all that is needed. A row whose kernel can deal out an extent (a capital letter) runs in every thread
on that thread's share; a result that lacks the extent is then a partial sum, which is added up after a barrier, each
thread one slice of it, and where the next rows work element by element (an optimizer's update) they go on with the same
slice. Few numbers every thread adds up for itself, so that all have them after one barrier. Stretches between barriers are
called phases.

Where the sums would be larger than what they are made from (the gradient of a layer with many weights), the numbers of the
batch are put where all threads see them instead, and each makes a slice of the result from all rows (`by_columns`).
"""

import math
from dataclasses import dataclass
from typing import Any

from .. import kernels
from .trace import KEPT, TEMPORARY, NotCompilable

EVERYWHERE = "everywhere"  # the same numbers in all threads
DEALT = "dealt"  # each thread has its share of the batch rows
PARTIAL = "partial"  # each thread has a sum over its share
SLICED = "sliced"  # shared memory, each thread has written a slice of it
FIRST = "first"  # only the first thread has it
CELL = "cell"  # a few numbers of an optimizer: every thread has a copy and does the same with it

SMALL = 4096  # numbers that every thread computes for itself, rather than waiting for another
FEW = 1024  # partial sums that every thread adds up for itself
GRAIN = 16  # slices are cut at multiples of this, so that they fill vectors


@dataclass
class State:
    """How a buffer's numbers are spread over the threads, from which phase on."""

    kind: str
    phase: int = 0

    @property
    def everywhere_from(self):
        """The phase in which every thread can read all of it."""
        return self.phase + {SLICED: 1, FIRST: 1, PARTIAL: 2}.get(self.kind, 0)


@dataclass
class Job:
    """How one row is run: in which phase, in which way, and over which extent it is dealt out."""

    row: Any  # a Row, or the Buffer whose partial sums are added up
    phase: int
    way: str
    extent: str = ""


def leading(row, operand, buffer, extent):
    """Whether an operand's share along an extent is one stretch of memory: only lengths of 1 come before it."""
    at = [e.partition("|")[0] for e in buffer.extents].index(extent)
    return operand.whole and math.prod(operand.shape[:at]) == 1


def slice_of(n, thread, threads):
    """(first, end) of a thread's slice of n numbers; few numbers all go to the first."""
    cuts = [min(n, -(-n * t // threads // GRAIN) * GRAIN) for t in (thread, thread + 1)]
    return cuts[0], n if thread == threads - 1 else cuts[1]


def share_of(n, thread, threads):
    """(first, end) of a thread's share of n batch rows."""
    return n * thread // threads, n * (thread + 1) // threads


class Deal:
    """The jobs of a trace for several threads; raises NotCompilable where its rows cannot be dealt out."""

    def __init__(self, trace, dealt_arguments, batch):
        self.trace, self.batch = trace, batch
        self.states: dict = {}
        self.last_read: dict = {}  # buffer -> the last phase in which a thread reads parts that others write
        self.joined: set = set()  # dealt out, and yet read whole by every thread: in memory that all of them see
        self.control = 0  # rows after one that may stop the program do not begin before it
        self.jobs: list[Job] = []
        for buffer in trace.arguments:
            self.states[buffer] = State(DEALT if buffer in dealt_arguments else EVERYWHERE)
        for row in trace.rows:
            self.add(row)
        for o in trace.outputs:
            self.added_up(o.buffer)
        self.jobs.sort(
            key=lambda job: (job.phase, job.way != PARTIAL)
        )  # sums first: also what is looked at after a stop

    def state(self, buffer):
        if buffer not in self.states:
            is_cell = (
                buffer.kind == KEPT
                and buffer.array.dtype.kind == "f"
                and buffer.size <= GRAIN
                and self._is_cell(buffer)
            )
            self.states[buffer] = State(CELL if is_cell else EVERYWHERE)
        return self.states[buffer]

    def _is_cell(self, buffer):
        """Whether a kept buffer is only ever used as numbers that steer kernels (declared :d)."""
        uses = [b.kind for row in self.trace.rows
                for o, b in zip(row.operands, row.kernel.buffers, strict=True) if o.buffer is buffer]  # fmt: skip
        return all(kind == ":d" for kind in uses)

    def add(self, row):
        inputs = [(o, b, self.state(o.buffer)) for o, b in zip(row.operands, row.kernel.buffers, strict=True) if b.read]
        if row.kernel is not kernels.check_finite:
            inputs = [(o, b, self.added_up(o.buffer) if o.buffer.size <= FEW else s) for o, b, s in inputs]
        kinds = {state.kind for *_, state in inputs}
        if row.kernel is kernels.check_finite and inputs[0][2].kind in (PARTIAL, DEALT):
            # each thread looks at what it has; that one of them has found something is known after a meeting
            flag = row.operands[1].buffer
            phase = inputs[0][2].phase
            self.put(Job(row, phase, EVERYWHERE), State(EVERYWHERE, max(phase + 1, self.state(flag).everywhere_from)))
        elif row.kernel is kernels.stop_if:
            self.control = max(state.everywhere_from for *_, state in inputs)
            self.put(Job(row, self.control, EVERYWHERE), State(EVERYWHERE, self.control))
        elif DEALT in kinds:
            self.by_rows(row, inputs)
        elif row.writes and all(self.state(o.buffer).kind == CELL for o in row.writes):
            self.on_cells(row, inputs)
        elif kinds & {PARTIAL, SLICED} or (
            any(o.buffer.kind == KEPT and self.state(o.buffer).kind != CELL for o in row.writes)
        ):
            self.by_slices(row, inputs)
        elif FIRST in kinds:
            self.in_first(row, inputs)
        else:
            phase = max([self.control, *(state.everywhere_from for *_, state in inputs)])
            if any(o.size > SMALL for o in row.writes):
                self.by_slices(row, inputs)
            else:
                self.put(Job(row, phase, EVERYWHERE), State(EVERYWHERE, phase))

    def put(self, job, state):
        """Note a job and the state of what it writes; cells stay cells."""
        for o in job.row.reads:
            if job.way != SLICED or self.state(o.buffer).kind == CELL:
                self.last_read[o.buffer] = max(self.last_read.get(o.buffer, 0), job.phase)
        for o in job.row.writes:
            kind = CELL if self.state(o.buffer).kind == CELL else state.kind
            self.states[o.buffer] = State(kind, state.phase)
        self.jobs.append(job)

    def on_cells(self, row, inputs):
        """Every thread its own copies, once all of them can read what they are computed from."""
        known = [self.added_up(o.buffer).everywhere_from for o, *_ in inputs]
        read = [self.last_read.get(o.buffer, 0) for o in row.writes]
        phase = max([self.control, *known, *read])
        self.put(Job(row, phase, EVERYWHERE), State(EVERYWHERE, phase))

    def by_rows(self, row, inputs):
        """Every thread its share of the batch rows."""
        inputs = [(o, b, self.added_up(o.buffer)) for o, b, _ in inputs]
        tells = next((b.tells for b in row.kernel.buffers if b.tells in row.sizes), None)
        if tells and any(has(b, tells) for _, b, s in inputs if s.kind == DEALT):
            tells = None  # it is told where its share of the batch rows begins
        if tells and self.sums_are_dear(row, inputs):
            return self.by_columns(row, inputs, tells)
        extent = next((e for e in row.sizes if self.deals(row, e, inputs)), None)
        if extent is None:
            raise NotCompilable(f"the rows of {row.kernel.name} cannot be dealt out to threads")
        phase = max([self.control, *(s.phase if s.kind == DEALT else s.everywhere_from for *_, s in inputs)])
        for o, b in zip(row.operands, row.kernel.buffers, strict=True):
            if b.written and o.buffer.kind == KEPT:
                raise NotCompilable(f"{row.kernel.name} writes rows of a batch to memory that is kept")
        self.put(Job(row, phase, DEALT, extent), State(DEALT, phase))
        for o, b in zip(row.operands, row.kernel.buffers, strict=True):
            if b.written and not has(b, extent):
                self.states[o.buffer] = State(PARTIAL, phase)
        return None

    def sums_are_dear(self, row, inputs):
        """Whether adding up what a row writes moves more numbers between threads than letting all see what it reads."""
        return row.writes[0].size > sum(o.size for o, _, s in inputs if s.kind == DEALT) / 2

    def by_columns(self, row, inputs, extent):
        """Every thread its slice of an extent that is not of batch rows, once all of those can be read."""
        self.joined.update(o.buffer for o, _, s in inputs if s.kind == DEALT)
        phase = max([self.control, *(s.phase + 1 if s.kind == DEALT else s.everywhere_from for *_, s in inputs)])
        self.put(Job(row, phase, SLICED, extent), State(SLICED, phase + 1))  # others cut it at other places
        for o, b in zip(row.operands, row.kernel.buffers, strict=True):
            if b.written and not has(b, extent):
                self.states[o.buffer] = State(PARTIAL, phase)  # to work with

    def deals(self, row, extent, inputs):
        """Whether a row can be dealt out along an extent, given how its inputs are spread."""
        if not extent[0].isupper() or row.sizes[extent] % self.batch:
            return False
        for o, b in zip(row.operands, row.kernel.buffers, strict=True):
            if has(b, extent) and o.size > 1 and not leading(row, o, b, extent):
                return False
        return all(has(b, extent) if s.kind == DEALT else s.kind in (EVERYWHERE, CELL) or not has(b, extent)
                   for _, b, s in inputs)  # fmt: skip

    def by_slices(self, row, inputs):
        """Every thread its slice of the numbers, after sums have been added up."""
        inputs = [(o, b, self.added_up(o.buffer)) for o, b, _ in inputs]
        extent = next((e for e in row.sizes if self.cuts(row, e, inputs)), None)
        small = all(o.size <= GRAIN for o, _, s in inputs if s.kind == SLICED)
        if extent is None or (small and all(o.size <= GRAIN for o in row.writes)):
            return self.in_first(row, inputs)
        phase = max([self.control, *(s.phase if has(b, extent) else s.everywhere_from for _, b, s in inputs)])
        for o in row.writes:
            phase = max(phase, self.last_read.get(o.buffer, -1) + 1 if o.buffer.kind == KEPT else 0)
        flag = row.operands[1].buffer if row.kernel is kernels.check_finite else None
        known = max(phase + 1, self.state(flag).everywhere_from) if flag else 0
        self.put(Job(row, phase, SLICED, extent), State(SLICED, phase))
        for o, b in zip(row.operands, row.kernel.buffers, strict=True):
            if b.written and not has(b, extent):
                self.states[o.buffer] = State(EVERYWHERE, known) if o.buffer is flag else State(PARTIAL, phase)
        return None

    def cuts(self, row, extent, inputs):
        """Whether a row can be cut into slices along an extent."""
        operands = list(zip(row.operands, row.kernel.buffers, strict=True))
        return (
            extent[0].isupper()
            and all(leading(row, o, b, extent) and o.size == row.sizes[extent]
                    for o, b in operands if has(b, extent) and o.size > 1)
            and all(has(b, extent) or o.size <= GRAIN for o, b in operands if b.written)
            and not any(s.kind == FIRST and has(b, extent) for _, b, s in inputs)
        )  # fmt: skip

    def added_up(self, buffer):
        """The state of a buffer once its partial sums, if it holds any, are added up."""
        state = self.state(buffer)
        if state.kind == PARTIAL:
            few = buffer.kind == TEMPORARY and buffer.size <= FEW
            state = self.states[buffer] = State(EVERYWHERE if few else SLICED, state.phase + 1)
            self.jobs.append(Job(buffer, state.phase, PARTIAL))
        return state

    def in_first(self, row, inputs):
        """Only the first thread; it has all of what is small at once."""
        phase = self.control
        for o, _, s in inputs:
            mine = s.kind == FIRST or (s.kind == SLICED and o.size <= GRAIN)
            phase = max(phase, s.phase if mine else s.everywhere_from)
        for o in row.writes:
            phase = max(phase, self.last_read.get(o.buffer, -1) + 1 if o.buffer.kind == KEPT else 0)
        self.put(Job(row, phase, FIRST), State(FIRST, phase))


def has(buffer, extent):
    """Whether a declared buffer has an extent."""
    return any(e.partition("|")[0] == extent for e in buffer.extents)
