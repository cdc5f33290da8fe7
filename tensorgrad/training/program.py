"""`tg.show_program`: the rows of a training step for people, how long each takes, and a picture of that."""

import time

import numpy as np

from .. import kernels
from .._program.deal import DEALT, EVERYWHERE, FIRST, PARTIAL, SLICED
from .._program.record import note_states, record, traced
from .._program.run import Program
from .._program.threads import blas_threads, checked_threads, flops, one_blas_thread, pays, threads_for, uses_blas
from .._program.trace import KEPT, NotCompilable
from ..data import checked
from ..errors import OptionError, need
from ..kernels import Segment, call_row, walk
from .arguments import checked_loss, checked_model, checked_optimizer, number_dtype
from .loop import Steps

TIMED = 0.002  # microseconds: what is less cannot be told from the clock
WAYS = {EVERYWHERE: "", DEALT: "its rows", SLICED: "its slice", PARTIAL: "its slice", FIRST: "the first thread"}


class ProgramView:
    """A training step as a table; print it. `.profile()` times its rows."""

    def __init__(self, program):
        self.program, self.trace = program, program.trace

    def __str__(self):
        program = self.program
        lines = [
            f"{'':>3} {'kernel':<28} {'buffers':<58} {'kFLOP':>8} {'kB':>7}  "
            + ("" if program.threads == 1 else "each thread")
        ]
        phase = 0
        for i, job in enumerate(program.jobs):
            if job.phase > phase:
                phase = job.phase
                lines.append(f"    --- all threads meet {'-' * 60}")
            name, shapes, size = _described(job)
            work = flops(job.row) / 1e3 if job.way != PARTIAL else 0
            way = "" if program.threads == 1 else WAYS[job.way]
            lines.append(f"{i:>3} {name:<28} {shapes:<58} {work:>8.0f} {size / 1e3:>7.1f}  {way}".rstrip())
        lines += self.summary()
        return "\n".join(lines)

    def summary(self):
        """What the table comes to, in words."""
        program, trace = self.program, self.trace
        arena, total = program.arena.nbytes, program.temporaries
        words = sum(len(row) for row in program.rows[0]) * 8
        return [
            "",
            f"{len(program.jobs)} rows, {sum(map(flops, trace.rows)) / 1e6:.2f} MFLOP in products, "
            f"{words / 1e3:.1f} kB of row words, {program.threads} thread{'s' if program.threads > 1 else ''}",
            f"arena {arena / 1e3:.1f} kB for {total / 1e3:.1f} kB of temporaries, "
            f"of which {program.live() / 1e3:.1f} kB are needed at once",
            *(f"simplified: {note}" for note in dict.fromkeys(trace.notes)),
            f"products: {'BLAS where they are large' if uses_blas(program) else 'the register tile'}",
        ]

    def profile(self, steps=50):
        """Run the step and time each row, on one thread: a Profile. The model stays as it is."""
        program = self.program if self.program.threads == 1 else Program(self.trace)
        before = [
            (b, b.array.copy()) for b in {o.buffer for row in self.trace.rows for o in row.writes} if b.kind == KEPT
        ]
        try:
            with blas_threads(program, 1):
                return Profile(program, *_timed(program, steps))
        finally:
            for buffer, numbers in before:
                buffer.array[...] = numbers

    def _repr_html_(self):
        return f"<pre>{self}</pre>"

    __repr__ = __str__


class Profile:
    """Microseconds of each row of a step, and of the whole step; `.plot()` draws them."""

    def __init__(self, program, rows, whole):
        self.rows, self.step, self.names = rows, whole, []
        self.peak = peak(program.trace.rows[0].real)
        self.labels = [_described(job) for job in program.jobs]
        self.flops = np.array([flops(job.row) for job in program.jobs])

    @property
    def shares(self):
        """Each row's part of the time."""
        return self.rows / max(self.rows.sum(), TIMED)

    @property
    def speeds(self):
        """GFLOP/s of each row; 0 for rows without products and for those too quick to be timed."""
        return np.where(self.rows >= TIMED, self.flops / np.maximum(self.rows, TIMED) / 1e3, 0)

    @property
    def gflops(self):
        """Billions of floating-point operations a second, of the products of the whole step."""
        return self.flops.sum() / self.step / 1e3

    def __str__(self):
        lines = [f"{'':>3} {'kernel':<28} {'us':>8} {'share':>6} {'GFLOP/s':>8} {'of peak':>8}"]
        for i, ((name, *_), us, share, speed) in enumerate(
            zip(self.labels, self.rows, self.shares, self.speeds, strict=True)
        ):
            reached = f"{speed:>8.0f} {speed / self.peak:>8.0%}" if speed else ""
            lines.append(f"{i:>3} {name:<28} {us:>8.2f} {share:>6.1%} {reached}".rstrip())
        lines.append("")
        lines.append(f"a step takes {self.step:.1f} us on one thread: {self.gflops:.0f} GFLOP/s in products, "
                     f"{self.gflops / self.peak:.0%} of the {self.peak:.0f} that a matrix product reaches")  # fmt: skip
        return "\n".join(lines)

    __repr__ = __str__

    def plot(self, axes=None):
        """Draw the rows as bars of microseconds, products apart from the rest; returns the axes. Needs the extra `plot`."""
        need("matplotlib", "plot", "Profile.plot")
        from ..show.program import plot_profile

        return plot_profile(self, axes)


def show_program(model, loss, optimizer, X, y, threads=None):
    """The program that `fit` runs for a batch (X, y), as a table to print: rows, kernels, shapes, bytes, what was merged.

    Nothing is trained. Raises OptionError where the step cannot be a program, and says why.

    >>> from tensorgrad import nn, optim
    >>> model = nn.Sequential(nn.Dense(2, 8), nn.ReLU(), nn.Dense(8, 3), rng=0)
    >>> adam = optim.Adam(model.parameters())
    >>> view = show_program(model, nn.CrossEntropyLoss(), adam, np.zeros((6, 2)), np.zeros(6, int))
    >>> print(str(view).splitlines()[1])  # doctest: +ELLIPSIS
      0 dense_relu                   x[6,2] w[2,8] b[8] -> out[6,8] ...
    """
    checked_optimizer("show_program", optimizer, checked_model("show_program", model))
    X, y = checked((X, y), number_dtype(model), "show_program")
    arrays = [np.array(a if a.dtype.kind == "f" else a.astype(np.int64)) for a in (X, y)]
    weights, state = model.state_dict(), optimizer.state_dict()
    steps = Steps(model, checked_loss("show_program", loss), optimizer, {}, y, None)
    try:
        (_, found, _), log = record(lambda x, t: steps.step(x, t, 0), arrays)
        note_states(log)
        trace = traced(log, [found])
        try:
            most = min(checked_threads("show_program", threads), len(X))
            program = Program(trace, threads_for(trace, most, len(X)), (0, 1), len(X))
            if program.threads > 1 and not pays(program):
                raise NotCompilable("threads would not pay")
        except NotCompilable:
            program = Program(trace)
    except NotCompilable as reason:
        raise OptionError(f"show_program: this step is no program: {reason}") from None
    finally:
        model.load_state_dict(weights)
        optimizer.load_state_dict(state)
        optimizer.zero_grad()
    for t in range(program.threads):
        low = sum(len(program.argument(u, 0)) for u in range(t))
        for i, a in enumerate(arrays):
            mine = program.argument(t, i)
            mine[...] = a.reshape(len(a), *mine.shape[1:])[low : low + len(mine)]
    return ProgramView(program)


def peak(real):
    """GFLOP/s of the best matrix product of this machine on one thread: BLAS on large squares, or the register tile."""
    best = 0.0
    with one_blas_thread():
        for m, n, times, by_blas in ((300, 64, 50, 0), (512, 512, 1, 0), (512, 512, 1, 1), (768, 768, 1, 1)):
            a, b, out = (np.ones((1, rows, n), real) for rows in (m, n, m))
            arrays = a, b, np.array([by_blas]), out
            segment = Segment([call_row(kernels.matmul, arrays)], arrays)
            plan = np.array(segment(times), np.int64)
            for _ in range(12):
                start = time.perf_counter()
                walk(plan.ctypes.data, 1)
                best = max(best, 2 * times * m * n * n / (time.perf_counter() - start) / 1e9)
    return best


def _timed(program, steps):
    """(microseconds of each row, of a whole step), the least of several rounds."""
    rows = [Segment([row]) for row in program.rows[0]]
    plans = [np.array(segment(1), np.int64) for segment in rows]
    addresses = [plan.ctypes.data for plan in plans]
    numbers = np.zeros(1, np.float32)
    nothing = Segment([call_row(kernels.copy, (numbers, numbers.copy()))])
    empty = np.array(nothing(1), np.int64)
    whole = program.segments()[0]
    plan = np.array(whole(steps), np.int64)
    walk(plan.ctypes.data, 1)
    best, clock = np.full(len(rows), np.inf), time.perf_counter_ns
    overhead, step = np.inf, np.inf
    for _ in range(5):
        times = np.zeros(len(rows), np.int64)
        for _ in range(steps):
            for i, address in enumerate(addresses):
                start = clock()
                walk(address, 1)
                times[i] += clock() - start
        start = clock()
        for _ in range(steps):
            walk(empty.ctypes.data, 1)
        overhead = min(overhead, (clock() - start) / steps)
        best = np.minimum(best, times / steps)
        start = clock()
        walk(plan.ctypes.data, 1)
        step = min(step, (clock() - start) / steps)
    found = np.maximum(best - overhead, 0)
    for i in np.flatnonzero(found < 1000).tolist():  # what is quicker than the clock is run a hundred times
        many = np.array(rows[i](100), np.int64)
        rounds: list[int] = []
        for _ in range(5):
            start = clock()
            walk(many.ctypes.data, 1)
            rounds.append(clock() - start)
        found[i] = max(min(rounds) - overhead, 0) / 100
    return found / 1e3, step / 1e3


def _described(job):
    """(kernel, its buffers with their lengths, bytes) of a job."""
    if job.way == PARTIAL:
        return "sum of the threads' parts", f"[{job.row.size}]", job.row.array.nbytes
    parts = [
        (b.written, f"{b.name}[{','.join(map(str, o.shape))}]")
        for o, b in zip(job.row.operands, job.row.kernel.buffers, strict=True)
        if not b.tells
    ]
    read = [part for is_written, part in parts if not is_written]
    written = [part for is_written, part in parts if is_written]
    size = sum(o.size * o.buffer.array.itemsize for o in job.row.operands)
    return job.row.kernel.name, f"{' '.join(read)} -> {' '.join(written)}".strip(), size
