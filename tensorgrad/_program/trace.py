"""A trace: the kernel calls of one run of a step, with what each buffer is."""

from dataclasses import dataclass, field

import numpy as np

from ..kernels import Kernel, is_readable, root

ARGUMENT, KEPT, CONSTANT, TEMPORARY = "argument", "kept", "constant", "temporary"
_GIVEN = ARGUMENT, KEPT, CONSTANT  # before the step runs


class NotCompilable(Exception):
    """Why a step cannot become a program: it is run eagerly instead. fit notes as `result` what a step returned."""

    def __init__(self, reason, result=None):
        super().__init__(reason)
        self.result = result


@dataclass(eq=False)
class Buffer:
    """Memory that rows work on: an array that owns its numbers."""

    array: np.ndarray
    kind: str

    @property
    def size(self):
        return self.array.size


@dataclass
class Operand:
    """A buffer as one row sees it: from `start` (an element) on, in some shape."""

    buffer: Buffer
    start: int
    shape: tuple

    @property
    def size(self):
        return int(np.prod(self.shape))

    @property
    def whole(self):
        """Whether it is all of its buffer."""
        return self.start == 0 and self.size == self.buffer.size


@dataclass
class Row:
    """One call of a kernel."""

    kernel: Kernel
    operands: list[Operand]

    def __post_init__(self):
        self.sizes = self.kernel.sizes([o.shape for o in self.operands])

    @property
    def real(self):
        """The dtype of the call's numbers."""
        kinds = [o.buffer.array.dtype for o, b in zip(self.operands, self.kernel.buffers, strict=True) if not b.kind]
        return kinds[0] if kinds else np.dtype(np.float64)

    @property
    def reads(self):
        return [o for o, b in zip(self.operands, self.kernel.buffers, strict=True) if b.read]

    @property
    def writes(self):
        return [o for o, b in zip(self.operands, self.kernel.buffers, strict=True) if b.written]


@dataclass
class Trace:
    """Rows in order; the buffers that each call fills anew (arguments) and those that it gives back (outputs)."""

    rows: list[Row]
    arguments: list[Buffer]
    outputs: list[Operand]
    limits: list[tuple[Buffer, int, int]] = field(default_factory=list)  # numbers stay within low..high
    checks: list = field(default_factory=list)  # (numbers that each call fills anew, function that raises on bad ones)
    touched: list = field(default_factory=list)  # the leaf tensors whose numbers change
    notes: list[str] = field(default_factory=list)  # what was simplified, for people


def trace(log, arguments, outputs):
    """The Trace of what a log holds; arrays of the call and of its results as they were in it.

    Raises NotCompilable where the rows alone do not repeat what the step did.
    """
    if log.reason:
        raise NotCompilable(log.reason)
    if any(g.bit_generator.state != state for g, state in log.generators.values()):
        raise NotCompilable("random numbers are drawn by NumPy in the step")
    if any(t.grad is not None and id(t) not in log.cleared for t in log.touched.values()):
        raise NotCompilable("gradients are added to those of the step before: call zero_grad in the step")
    kinds = {CONSTANT: log.constants, KEPT: log.kept, ARGUMENT: {id(a): a for a in arguments}}
    buffers: dict[int, Buffer] = {}
    written: set[Buffer] = set()

    def operand(array):
        owner = root(array)
        buffer = buffers.get(id(owner))
        if buffer is None:
            kind = next((kind for kind, arrays in kinds.items() if id(owner) in arrays), TEMPORARY)
            kind = KEPT if kind == TEMPORARY and is_readable(owner) else kind
            buffer = buffers[id(owner)] = Buffer(owner, kind)
        if not (array.flags.c_contiguous and owner.flags.c_contiguous):
            raise NotCompilable(f"an array of shape {array.shape} is not in C order")
        start = (array.__array_interface__["data"][0] - owner.__array_interface__["data"][0]) // array.itemsize
        return Operand(buffer, start, array.shape)

    def known(o, what):
        if o.buffer.kind == TEMPORARY and o.buffer not in written:
            raise NotCompilable(
                f"{what} an array of shape {o.shape} that is neither an argument, a parameter nor a tg.constant: "
                "it was made outside the step, or by NumPy inside it"
            )
        return o

    rows = []
    for kernel, arrays in log.rows:
        try:
            kernel.fit(arrays)
        except AssertionError as error:
            raise NotCompilable(f"a kernel was given what it does not take: {error}") from None
        row = Row(kernel, [operand(a) for a in arrays])
        for o in row.reads:
            known(o, f"{kernel.name} reads")
        written.update(o.buffer for o in row.writes)
        rows.append(row)
    limits = _limits(log, rows, operand)
    places = [buffers.get(id(a)) or Buffer(a, ARGUMENT) for a in arguments]
    found = Trace(rows, places, [known(operand(a), "the step returns") for a in outputs], limits)
    found.checks = [(_numbers_of(operand(a)), check) for a, check in log.checks]
    given = [(operand(a), check) for a, check in log.glances]
    found.checks += [(_numbers_of(o), check) for o, check in given if o.buffer.kind in _GIVEN]
    found.checks += [((), check) for check in log.conditions]
    changed = {id(o.buffer.array) for row in rows for o in row.writes if o.buffer.kind == KEPT}
    found.touched = [t for t in log.touched.values() if id(root(t._array)) in changed]
    return found


def _numbers_of(o):
    """The array of an argument, or of memory that is kept, as the step sees it."""
    if o.buffer.kind not in _GIVEN:
        raise NotCompilable("a loss looks at targets that are computed in the step")
    return o.buffer.array.reshape(-1)[o.start : o.start + o.size].reshape(o.shape)


def _limits(log, rows, operand):
    """What integers of arguments must lie between, as rows use them as indices."""
    limits = [(operand(a).buffer, low, high) for a, low, high in log.limits]
    for row in rows:
        for o, b in zip(row.operands, row.kernel.buffers, strict=True):
            if b.below and b.read:
                limits.append((o.buffer, 0, row.sizes[b.below] - 1))
    return [limit for limit in limits if limit[0].kind in (ARGUMENT, KEPT)]
