"""fit's compiled run: whole stretches of steps as programs, with the numbers of the eager loop.

The first step of each batch size is recorded while it runs eagerly; from then on the steps of that size are a program.
Batches are gathered, and losses kept, by rows of the program itself, so that a stretch of steps is one call.
"""

import time
from contextlib import ExitStack, nullcontext
from typing import Any

import numpy as np

from .. import kernels
from .._program.record import note_states, record, traced
from .._program.run import Program, run
from .._program.structure import fingerprint
from .._program.threads import blas_threads, one_blas_thread, pays, threads_for
from .._program.trace import NotCompilable
from .._tensor import plain

CHUNK = 0.05  # seconds between two looks at Ctrl-C
CAPACITY = 16_384  # steps in a stretch, at most


class Stretches:
    """The steps of one training, whole epochs at a time: as programs where that can be, else one by one.

    `eager_because` says why steps are not programs ("" if they are).
    """

    def __init__(self, steps, data, size, threads, eager_because=""):
        self.data, self.count = data, len(data[0])  # X, y and, if there are any, weights of rows
        self.steps, self.size, self.most, self.eager_because = steps, min(size, self.count), threads, eager_because
        self.per_epoch = -(-self.count // self.size)
        self.capacity = max(1, min(CAPACITY // self.per_epoch, 4_000_000 // self.count))  # epochs in a stretch
        self.chunk, self.epoch_seconds, self.threads = 1, CHUNK, 1
        self.losses, self.rates = (np.zeros(self.capacity * self.per_epoch, np.float64) for _ in range(2))
        self.order = np.tile(np.arange(self.count), self.capacity if self.per_epoch > 1 and not eager_because else 1)
        self.programs: dict = {}  # batch size -> Program
        self.limits: dict = {}  # what the data's integers must lie between, where rows use them as indices
        self.segments: dict = {}  # batch size -> the rows of each thread
        self.states: dict = {}  # batch size -> (array, its numbers before the step) of what steps go on from
        self.outputs: Any = None
        self.seen: dict = {}  # outputs for metrics: of programs by row, of other steps by step
        if not eager_because:
            self.rows = [_as_rows(a) for a in self.data]
            self.made_for = None

    # ---- a stretch of epochs --------------------------------------------------------------------------------------
    def epochs_at_once(self, wanted):
        """How many epochs the next stretch should have, if nobody looks at each."""
        if self.steps.metrics or (self.eager_because and self.per_epoch > 1):
            return 1
        return max(1, min(wanted, self.capacity, int(CHUNK / self.epoch_seconds)))

    def run(self, orders, interrupt, bar):
        """Run an epoch for each order (row numbers, or None for rows as they are).

        Returns the losses of the steps that were taken, and their sizes.
        """
        start, history = time.perf_counter(), self.steps.history
        before, self.seen = len(history.steps), {}
        if not self.eager_because:
            self.forget_if_changed()
            self.look_again()
        self.shuffled = orders[0] is not None
        if self.shuffled:
            self.order[: len(orders) * self.count] = np.concatenate(orders)
        if self.steps.schedule is not None:
            n = len(orders) * self.per_epoch
            self.rates[:n] = [self.steps.rate(before + i) for i in range(n)]
        sizes = [self.size] * (self.count // self.size)
        sizes += [self.count % self.size] * (self.count % self.size > 0)
        self.sizes = np.array(sizes * len(orders))
        done, row = 0, 0
        with ExitStack() as stack:
            for program in self.programs.values():
                stack.enter_context(blas_threads(program, self.most))
            while done < len(self.sizes) and not history.stopped and not interrupt.requested:
                size = int(self.sizes[done])
                if size in self.programs:
                    taken = self.run_programs(done, row)
                else:
                    taken = self.take_step(done, row, size)
                    if size in self.programs:
                        stack.enter_context(blas_threads(self.programs[size], self.most))
                row += int(self.sizes[done : done + taken].sum())
                done += taken
                bar.within(done, len(self.sizes))
        history.steps.extend(self.losses[:done].tolist())
        self.epoch_seconds = (time.perf_counter() - start) / len(orders)
        return self.losses[:done], self.sizes[:done]

    def run_programs(self, done, row):
        """Run the steps from `done` on for which there are programs, up to a chunk; how many were taken."""
        sizes = self.sizes[done : done + self.chunk]
        plans: list[list] = [[] for _ in self.cursors]
        planned = 0
        for size, n in _runs(sizes):
            if size not in self.programs:
                break
            for plan, segment in zip(plans, self.segments[size], strict=True):
                plan += segment(n)
            planned += n
        for cursors in self.cursors:
            cursors[:] = row, done
        programs = list(self.programs.values())
        self.steps.optimizer._failed[0] = 0
        start = time.perf_counter()
        taken = run(plans, programs)
        self.chunk = max(1, min(CAPACITY, int(CHUNK * max(taken, 1) / (time.perf_counter() - start))))
        programs[0].changed()
        if taken < planned and not self.steps.optimizer._failed[0]:
            raise AssertionError("a row of the program went out of its bounds; please report this")
        if taken < planned:
            program = self.programs[int(sizes[taken])]
            put_back(self.states[int(sizes[taken])])
            self.steps.stop(float(program.output(0, 0).reshape(-1)[0]), len(self.steps.history.steps) + done + taken)
        return taken

    def take_step(self, done, row, size):
        """Take one step eagerly, and make a program of it if that can be; 1, or 0 if its numbers were not finite."""
        if self.steps.schedule is not None:
            self.steps.optimizer.lr = self.rates[done]
        rows = self.order[row : row + size] if self.per_epoch > 1 else slice(None)
        at = len(self.steps.history.steps) + done
        if not self.eager_because:
            try:
                found = self.record(rows, row, size, at)
            except NotCompilable as reason:
                self.eager_because, found = str(reason), reason.result
                self.programs, self.segments, self.threads = {}, {}, 1
            if found is None:
                return self.take_step(done, row, size)
        else:
            if not self.shuffled:  # slices copy nothing
                rows = slice(row % self.count, row % self.count + size)
            found = self.step(at, *(a[rows] for a in self.data))
        value, _, output = found
        if self.steps.history.stopped:
            return 0
        self.losses[done] = value
        if self.steps.metrics:
            self.seen[done] = plain(output)
        return 1

    def step(self, at, x, target, *weights):
        """Step number `at` of the training on one batch."""
        return self.steps.step(x, target, at, *weights)

    def look_again(self):
        """Take over what has changed in the data since the last stretch, where programs work on copies."""
        for rows, a in zip(self.rows, self.data, strict=True):
            if not np.may_share_memory(rows, a):
                rows[...] = a.reshape(rows.shape)
        if self.out_of_range(self.limits):
            self.programs, self.segments = {}, {}  # the step that is recorded anew says what is wrong
        if self.per_epoch == 1:
            for program in self.programs.values():
                self.fill(program)

    def out_of_range(self, limits):
        """Why programs cannot read the data's integers as indices, given {(0 for X, 1 for y): (low, high)}; else ""."""
        for i, (low, high) in limits.items():
            if not low <= self.rows[i].min() <= self.rows[i].max() <= high:
                return f"the data has indices outside {low}..{high}"
        return ""

    def fill(self, program):
        """Put the whole data, which is one batch, into a program's arguments."""
        for i, rows in enumerate(self.rows):
            first = 0
            for t in range(self.threads):
                mine = program.argument(t, i)
                mine[...] = rows[first : first + len(mine)].reshape(mine.shape)
                first += len(mine)

    # ---- recording ------------------------------------------------------------------------------------------------
    def forget_if_changed(self):
        """Drop the programs if a callback changed the model, or what is frozen."""
        steps = self.steps
        now = fingerprint([m for root in (steps.model, steps.loss) if hasattr(root, "named_modules")
                           for _, m in root.named_modules()], steps.optimizer.parameters)  # fmt: skip
        if now != self.made_for:
            self.made_for, self.programs, self.segments, self.limits, self.outputs = now, {}, {}, {}, None

    def record(self, rows, row, size, at):
        """Take one step while its kernel calls are logged, and make the program for batches of this size from it.

        Returns what the step returned; NotCompilable carries it as `result`, or None if no step was taken.
        """
        arrays = [np.array(a[rows].reshape(size, *b.shape[1:])) for a, b in zip(self.rows, self.data, strict=True)]
        with self.quiet_blas(size):
            found, log = record(lambda *batch: self.step(at, *batch), arrays)
        if self.steps.history.stopped:
            return found
        try:
            _, loss, output = found
            if log.checks:
                raise NotCompilable("a loss inside the loss looks at its targets: pass fit that loss itself")
            self.states[size] = note_states(log)
            trace = traced(log, [loss, output] if self.steps.metrics else [loss])
            for buffer, low, high in trace.limits:
                if buffer not in trace.arguments:
                    raise NotCompilable("a tg.constant is used as an index")
                i = trace.arguments.index(buffer)
                known = self.limits.get(i, (low, high))
                self.limits[i] = max(low, known[0]), min(high, known[1])
            if reason := self.out_of_range(self.limits):
                raise NotCompilable(reason)
            if self.steps.metrics and (not output.ndim or len(output) != size):
                raise NotCompilable("the model's output has not one row for each row of the batch")
            self.programs[size] = self.program(trace, size)
            self.surround(size)
        except NotCompilable as reason:
            reason.result = found
            raise
        except MemoryError:
            raise NotCompilable("there is not enough memory for a program", found) from None
        return found

    def quiet_blas(self, size):
        """Let BLAS use one thread if several of ours come next: its own keep their processors busy for a while after."""
        weights = max(p.size for p in self.steps.optimizer.parameters)
        alone = self.most == 1 or (weights <= kernels.LARGEST_W and weights * size <= kernels.LARGEST_PRODUCT)
        return nullcontext() if alone else one_blas_thread()

    def program(self, trace, size):
        """The trace as a Program, on as many threads as pay (the later ones on as many as the first)."""
        first = next(iter(self.programs.values()), None)
        if first is None:
            last = self.count % self.size or self.size  # every thread needs a row of the smallest batch, too
            self.threads = threads_for(trace, min(self.most, last), size)
        try:
            program = Program(trace, self.threads, tuple(range(len(self.data))), size, together=first)
            if first is None and self.threads > 1 and not pays(program):
                raise NotCompilable("threads would not pay")
        except NotCompilable:
            if first is not None:
                raise
            self.threads = 1
            program = Program(trace)
        if first is None:
            self.cursors = [np.zeros(2, np.int64) for _ in range(self.threads)]
        return program

    def surround(self, size):
        """Put the rows around a program that fill its batch and keep its losses."""
        program = self.programs[size]
        if self.per_epoch == 1:
            self.fill(program)
        lows = np.cumsum([0, *(len(program.argument(t, 0)) for t in range(self.threads))])

        def before(t):
            rows: list = []
            if self.steps.schedule is not None:
                numbers = program.numbers(t, self.steps.optimizer._numbers)
                rows.append((kernels.set_rate, (self.rates, self.cursors[t][1:], numbers)))
            for i, whole in enumerate(self.rows if self.per_epoch > 1 else ()):
                gather = kernels.gather_integers if whole.dtype == np.int64 else kernels.gather
                mine = program.argument(t, i)
                mine = mine.reshape(len(mine), -1)
                rows.append((gather, (whole, self.order[lows[t] :], self.cursors[t][:1], mine)))
            return rows

        def after(t):
            rows = (
                [(kernels.store, (program.output(0, 0).reshape(-1), self.cursors[t][1:], self.losses))]
                if t == 0
                else []
            )
            if self.steps.metrics:
                mine = program.output(t, 1)
                if self.outputs is None:
                    self.outputs, self.output_shape = np.zeros((self.count, mine[0].size), mine.dtype), mine.shape[1:]
                mine = mine.reshape(len(mine), -1)
                rows.append((kernels.keep_rows, (mine, self.cursors[t][:1], self.outputs[lows[t] :])))
            return [*rows, (kernels.advance, (np.array([size, 1]), self.cursors[t]))]

        self.segments[size] = program.segments(before, after)

    # ---- metrics --------------------------------------------------------------------------------------------------
    def outputs_of(self, step, row, size):
        """(outputs, targets) of a step of the last epoch, whose batch began at `row`."""
        rows = self.order[row : row + size] if self.per_epoch > 1 else slice(None)
        found = self.seen.get(step)
        if found is None:
            found = self.outputs[row : row + size].reshape(size, *self.output_shape)
        return found, self.data[1][rows]


def put_back(states):
    """Give arrays the numbers that they had before a step that failed."""
    for array, before in states:
        array[...] = before


def _as_rows(a):
    """Data as a matrix of rows; integers and booleans as an int64 copy, since nobody may change indices unseen."""
    a = a if a.dtype.kind == "f" else a.astype(np.int64)
    return np.ascontiguousarray(a.reshape(len(a), int(np.prod(a.shape[1:]))))


def _runs(sizes):
    """(size, how many in a row) of a sequence."""
    cuts = np.flatnonzero(np.diff(sizes)) + 1
    return [(int(part[0]), len(part)) for part in np.split(sizes, cuts)]
