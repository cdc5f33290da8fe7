"""Fewer rows that do the same: merged where one kernel does the work of two, left out where nobody looks at the result."""

from .. import kernels
from .trace import CONSTANT, KEPT, TEMPORARY, Operand, Row

# (first kernel, the one that takes its result, both at once): the result in between is not needed by anybody else.
MERGED = [
    (kernels.dense, kernels.relu, lambda first, then: (kernels.dense_relu, [*first[:4], then[1]])),
    (kernels.relu_backward, kernels.dense_backward,
     lambda first, then: (kernels.dense_relu_backward, [first[0], first[1], *then[1:]])),
    (kernels.relu_backward, kernels.dense_backward_first,
     lambda first, then: (kernels.dense_relu_backward_first, [first[0], first[1], *then[1:]])),
]  # fmt: skip


def simplify(trace):
    """Simplify a Trace, in place; `trace.notes` says what was done."""
    _fold_constants(trace)
    _without_copies(trace)
    _merge(trace)
    _without_dead_rows(trace)
    return trace


def _uses(trace):
    """Buffer -> the rows that write it, and those that read it, by number."""
    writers: dict = {}
    readers: dict = {}
    for i, row in enumerate(trace.rows):
        for o in row.writes:
            writers.setdefault(o.buffer, []).append(i)
        for o in row.reads:
            readers.setdefault(o.buffer, []).append(i)
    return writers, readers


def _fold_constants(trace):
    """What is computed from constants only is a constant: its numbers are there since the recording."""
    rows, folded = [], 0
    writers, _ = _uses(trace)
    for row in trace.rows:
        written = [o.buffer for o in row.writes]
        new = all(b.kind == TEMPORARY and len(writers[b]) == 1 for b in written)
        if new and all(o.buffer.kind == CONSTANT for o in row.reads):
            folded += 1
            for buffer in written:
                buffer.kind = CONSTANT
        else:
            rows.append(row)
    trace.rows = rows
    if folded:
        trace.notes.append(f"{folded} rows computed once, from constants")


def _copied(row):
    """(operand, copy) of a row that only copies: also by multiplying with 1."""
    if row.kernel is kernels.copy:
        return row.operands
    if row.kernel is kernels.multiply:
        for number, other in (row.operands[:2], row.operands[1::-1]):
            is_one = (
                number.buffer.kind == CONSTANT
                and number.size == 1
                and number.buffer.array.reshape(-1)[number.start] == 1
            )
            if is_one and other.size == row.operands[2].size:
                return other, row.operands[2]
    return None


def _without_copies(trace):
    """Read the original instead of a copy, where neither is written again."""
    i, left_out = 0, 0
    writers, _ = _uses(trace)
    while i < len(trace.rows):
        found = _copied(trace.rows[i])
        if found is not None:
            original, copy = found
            later = [w for w in writers.get(original.buffer, []) if w > i]
            if copy.buffer.kind == TEMPORARY and copy.whole and len(writers[copy.buffer]) == 1 and not later:
                del trace.rows[i]
                for row in trace.rows:
                    row.operands = [_moved(o, copy.buffer, original) for o in row.operands]
                trace.outputs = [_moved(o, copy.buffer, original) for o in trace.outputs]
                left_out += 1
                writers, _ = _uses(trace)
                continue
        i += 1
    if left_out:
        trace.notes.append(f"{left_out} copies left out")


def _moved(o, buffer, original):
    """An operand in `buffer` as one in what that is a copy of."""
    return Operand(original.buffer, original.start + o.start, o.shape) if o.buffer is buffer else o


def _merge(trace):
    outputs = {o.buffer for o in trace.outputs}
    for first_kernel, then_kernel, both in MERGED:
        if not any(row.kernel is first_kernel for row in trace.rows):
            continue
        i, uses = 0, _uses(trace)
        while i < len(trace.rows):
            first = trace.rows[i]
            i += 1
            if first.kernel is not first_kernel:
                continue
            between = first.operands[-1]
            writers, readers = uses
            users = readers.get(between.buffer, [])
            if between.buffer in outputs or between.buffer.kind != TEMPORARY or len(users) != 1 or not between.whole:
                continue
            then = trace.rows[users[0]]
            place = then.operands[0]
            changed = any(i <= w < users[0] for o in first.reads for w in writers.get(o.buffer, []))
            if then.kernel is not then_kernel or place.buffer is not between.buffer or not place.whole or changed:
                continue
            kernel, operands = both(first.operands, then.operands)
            shape = place.shape if len(place.shape) == 2 else then.operands[0].shape
            if then_kernel is kernels.relu:  # flat there, a matrix here
                operands[-1] = Operand(operands[-1].buffer, operands[-1].start, first.operands[-1].shape)
            else:
                operands[:2] = [Operand(o.buffer, o.start, shape) for o in operands[:2]]
            trace.rows[users[0]] = Row(kernel, operands)
            del trace.rows[i - 1]
            trace.notes.append(f"{first_kernel.name} and {then_kernel.name} in one pass")
            i, uses = i - 1, _uses(trace)


def _without_dead_rows(trace):
    """Drop rows whose results nobody reads."""
    needed = {o.buffer for o in trace.outputs}
    live = []
    for row in reversed(trace.rows):
        if any(o.buffer.kind == KEPT or o.buffer in needed for o in row.writes):
            live.append(row)
            needed.update(o.buffer for o in row.reads)
    if len(live) < len(trace.rows):
        trace.notes.append(f"{len(trace.rows) - len(live)} rows left out, as nobody reads what they compute")
    trace.rows = live[::-1]
