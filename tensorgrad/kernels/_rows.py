"""Rows: calls of kernels written down as numbers, and the loop that makes them.

A row is the argument list of a kernel's machine code, word by word: [address, words, ...]. numba passes an array as
(owner, parent, size, item size, address of the numbers, shape, strides), each an integer or a pointer, so one caller that
passes so many words serves every kernel. Nothing is compiled for a model, and a program runs the very code that an eager
call runs: the same bits.

A segment is (address of the first row, rows, steps). `walk` runs segments one after the other; a row that raises stops it.
"""

import ctypes

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ._jit import jit
from ._memory import word

# A call passes one of these numbers of words; unused ones do no harm.
_WORDS = 16, 24, 32, 40, 48, 56, 64, 80, 96, 128
_unused = np.zeros(8, np.int64)  # where results and errors would be written
UNUSED, LONGEST = _unused.ctypes.data, 2 + _WORDS[-1]


@intrinsic  # type: ignore[arg-type]
def run_row(typingctx, row):
    """Call row[0] with row[1] words; not 0 if the kernel raised."""

    def emit(context, builder, signature, values):
        integer, status = ir.IntType(64), ir.IntType(32)
        words = builder.inttoptr(values[0], integer.as_pointer())

        def load(i):
            return builder.load(builder.gep(words, [ir.Constant(integer, i)]))

        done = builder.append_basic_block("done")
        choice = builder.switch(load(1), done)
        results = [(ir.Constant(status, 1), builder.block)]
        for n in _WORDS:
            with builder.goto_block(block := builder.append_basic_block(f"words{n}")):
                function = builder.inttoptr(load(0), ir.FunctionType(status, [integer] * n).as_pointer())
                results.append((builder.call(function, [load(2 + i) for i in range(n)]), builder.block))
                builder.branch(done)
            choice.add_case(ir.Constant(integer, n), block)
        builder.position_at_end(done)
        result = builder.phi(status)
        for value, block in results:
            result.add_incoming(value, block)
        return result

    return types.int32(types.int64), emit


@jit
def walk(segments, count):
    """Run `count` segments, given the address of the first; the number of whole steps done."""
    done = 0
    for s in range(count):
        at = segments + 24 * s
        first, rows, steps = word(at), word(at + 8), word(at + 16)  # type: ignore
        for _ in range(steps):
            row = first
            for _ in range(rows):
                if run_row(row) != 0:
                    return done
                row += 16 + 8 * word(row + 8)
            done += 1
    return done


def count_for(words):
    """How many words a call with so many passes."""
    return next(n for n in _WORDS if n >= words)


def row_of(kernel, real, places):
    """The words of one call; a place is (address, shape, bytes of an item)."""
    words = [UNUSED, UNUSED + 32]
    for address, shape, item in places:
        size = item
        strides: list[int] = []
        for n in reversed(shape):
            strides.append(size)
            size *= n
        words += [0, 0, size // item, item, address, *shape, *reversed(strides)]
    count = count_for(len(words))
    return [kernel.address(real), count, *words, *[0] * (count - len(words))]


nothing, addressof = (ctypes.c_char * 0).from_buffer, ctypes.addressof


def address(array):
    """Where a C-contiguous array's first number is; four times as quick as asking NumPy's own way."""
    try:
        return addressof(nothing(array))
    except (TypeError, ValueError):  # it may not be written, or does not own a buffer
        return array.__array_interface__["data"][0]


def place(array):
    """A C-contiguous array as a place."""
    return address(array), array.shape, array.itemsize


def real_of(arrays):
    """The dtype of a call's numbers: that of its floats that are not fixed by the declaration."""
    return next((a.dtype for a in arrays if a.dtype.kind == "f"), np.dtype(np.float64))


def call_row(kernel, arrays):
    """The words of one call on arrays; AssertionError if they do not fit the kernel's declaration."""
    kernel.fit(arrays)
    numbers = [a for a, b in zip(arrays, kernel.buffers, strict=True) if not b.kind]
    return row_of(kernel, real_of(numbers), [place(a) for a in arrays])


class Segment:
    """Rows one after another in memory, ready to be walked; keeps what they point to alive."""

    def __init__(self, rows, keep=()):
        self.words = np.array([word for row in rows for word in row], np.int64)
        self.rows, self.keep = len(rows), keep

    def __reduce__(self):
        raise TypeError("rows hold addresses and cannot be copied; copy the model and the optimizer instead")

    def __call__(self, steps):
        """(address, rows, steps), for `walk`."""
        return [self.words.ctypes.data, self.rows, steps]
