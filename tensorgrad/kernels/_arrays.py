# mypy: disable-error-code="call-arg, var-annotated"
"""NumPy's arrays as compiled code finds them, and calls of machine code on them.

Asking Python for the address, the shape and the dtype of each of ten arrays takes longer than a small call. NumPy's C API lays
out an array's struct (`PyArrayObject_fields`) as: Python's own words, the address of the numbers, how many axes, the addresses
of their lengths and of their strides, the owner, the dtype, the flags. A tuple's items begin where its struct ends. So a call
hands over one number, the address of the tuple of its arrays. `readable` tries whether all that is so.
"""

import functools

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ._jit import jit
from ._memory import put, word
from ._rows import LONGEST, UNUSED, run_row

_TYPE, _COUNT, _ITEMS = object.__basicsize__ - 8, object.__basicsize__, tuple.__basicsize__
_DATA, _AXES, _LENGTHS, _DTYPE, _FLAGS = (object.__basicsize__ + at for at in (0, 8, 16, 40, 48))
_PLAIN, _WRITEABLE = 0x1 | 0x100, 0x400  # C-contiguous and aligned
# Words about a kernel. Code that is kept for other processes may not know an address: they are here.
_BUFFERS, _WORDS, _NDARRAY, _FLOAT32, _CODE32, _FLOAT64, _CODE64, _RESULT, _ERROR, _FIRST = (8 * i for i in range(10))
# Four for each buffer: its dtype (0: that of the numbers), the bytes of an item, the axes and flags that it must have.
_EACH = 8 * 4


@jit
def count_of(arrays):
    """How many items a tuple has, given by its address."""
    return word(arrays + _COUNT)


@jit
def array_at(arrays, i):
    """The address of item i of a tuple, given by its own address."""
    return word(arrays + _ITEMS + 8 * i)


@jit
def numbers_of(array):
    """The address of the numbers of an array, given by its own address."""
    return word(array + _DATA)


@jit
def has(array, ndarray, dtype, axes, flags):
    """Whether an object is an array of this dtype, with so many axes and these flags."""
    return (
        word(array + _TYPE) == ndarray
        and word(array + _DTYPE) == dtype
        and word(array + _AXES) & 0x7FFFFFFF == axes
        and word(array + _FLAGS) & flags == flags
    )


@jit
def has_shape(array, ndarray, dtype, axes, lengths):
    """Whether an object is a C-contiguous array of this dtype, with so many axes, of the lengths that are at an address."""
    if not has(array, ndarray, dtype, axes, _PLAIN):
        return False
    own = word(array + _LENGTHS)
    for k in range(axes):  # noqa: SIM110
        if word(own + 8 * k) != word(lengths + 8 * k):
            return False
    return True


@intrinsic  # type: ignore[arg-type]
def _memory(typingctx):
    """The address of so many words that last as long as the call."""

    def emit(context, builder, signature, values):
        return builder.ptrtoint(cgutils.alloca_once(builder, ir.ArrayType(ir.IntType(64), LONGEST)), ir.IntType(64))

    return types.int64(), emit


@jit
def call_on(kernel, arrays):
    """Call a kernel's machine code on a tuple of arrays; not 0 if it has none for them, or raised.

    kernel: the address of the words about it, 0 if there are none.
    """
    if kernel == 0 or count_of(arrays) != word(kernel + _BUFFERS):
        return 1
    row, real, ndarray = _memory(), 0, word(kernel + _NDARRAY)
    at, float32, float64 = row + 32, word(kernel + _FLOAT32), word(kernel + _FLOAT64)
    for b in range(word(kernel + _BUFFERS)):
        array, about = array_at(arrays, b), kernel + _FIRST + _EACH * b
        dtype, item, axes, flags = word(about), word(about + 8), word(about + 16), word(about + 24)
        if dtype == 0:
            if real == 0 and word(array + _TYPE) == ndarray:
                real = word(array + _DTYPE)
            dtype, item = real, 4 if real == float32 else 8
        if not has(array, ndarray, dtype, axes, flags):
            return 1
        lengths, size = word(array + _LENGTHS), item
        for k in range(axes - 1, -1, -1):
            n = word(lengths + 8 * k)
            put(at + 8 * (5 + k), n)
            put(at + 8 * (5 + axes + k), size)
            size *= n
        put(at, 0)
        put(at + 8, 0)
        put(at + 16, size // item)
        put(at + 24, item)
        put(at + 32, numbers_of(array))
        at += 8 * (5 + 2 * axes)
    if real != 0 and real != float32 and real != float64:
        return 1
    code = word(kernel + (_CODE64 if real == float64 else _CODE32))
    if code == 0:
        return 1
    put(row, code)
    put(row + 8, word(kernel + _WORDS))
    put(row + 16, word(kernel + _RESULT))
    put(row + 24, word(kernel + _ERROR))
    return run_row(row)


def words_about(buffers, words, codes):
    """The words that `call_on` reads: buffers as (dtype or None, axes, written), how many words a call passes, the addresses
    of the code for float32 and for float64, 0 where there is none."""
    float32, float64 = (id(np.dtype(kind)) for kind in (np.float32, np.float64))
    found = [len(buffers), words, id(np.ndarray), float32, codes[0], float64, codes[1], UNUSED, UNUSED + 32]
    for dtype, axes, written in buffers:
        flags = _PLAIN | _WRITEABLE if written else _PLAIN
        found += [0, 0, axes, flags] if dtype is None else [id(dtype), dtype.itemsize, axes, flags]
    return np.array(found, np.int64)


@functools.cache
def readable():
    """Whether this Python and this NumPy lay arrays out in this way."""
    lengths, kind = np.array([3, 5], np.int64), np.dtype(np.float32)
    good, other, locked = np.zeros((3, 5), kind), np.zeros((5, 3), kind), np.zeros((3, 5), kind)
    locked.flags.writeable = False
    tried = (good, other, other.T, good.astype(np.float64), good[0], np.zeros((2, 3, 5), kind), locked, 3.5)
    ids = [array_at(id(tried), i) for i in range(len(tried))]
    if count_of(id(tried)) != len(tried) or ids != [*map(id, tried)]:
        return False
    if [numbers_of(i) for i in ids[:-1]] != [a.ctypes.data for a in tried[:-1]]:
        return False
    shaped = [has_shape(i, id(np.ndarray), id(kind), 2, lengths.ctypes.data) for i in ids]
    written = [has(i, id(np.ndarray), id(kind), 2, _PLAIN | _WRITEABLE) for i in ids]
    good_ones, of_two_axes = [True, *[False] * 5, True, False], [True, True, *[False] * 6]
    return shaped == good_ones and written == of_two_axes
