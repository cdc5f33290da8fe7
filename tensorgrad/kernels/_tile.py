"""Matrix products in registers: one tile of accumulators, from which the dense layer and its gradients follow.

    out[p, :] = act(start[p, :] + sum over r of x[p * xp + r * xr] * w[r, :])      p < P rows, Q vectors of columns

The P * Q accumulators never leave the registers, nothing is packed or copied, and bias and ReLU cost no second pass over
the output. With its two strides the tile reads x along rows (a product) or down columns (a weight gradient). It is
emitted as LLVM vectors, so the same source is AVX-512, AVX2 or NEON.
"""

import functools
import os

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ._jit import jit
from ._linked import linked

# numba compiles for the host, unless NUMBA_CPU_NAME names another processor.
VECTOR_BYTES = 64 if llvm.get_host_cpu_features().get("avx512f") and not os.environ.get("NUMBA_CPU_NAME") else 32
ZERO, BIAS, ADD = 0, 1, 2  # what an accumulator starts from: nothing, a row of numbers, the output itself
_PANEL, _PANEL_OF_COLUMNS = 256, 64  # rows of w, of two vectors each; fewer where x is read down its columns


Int, Int32 = ir.IntType(64), ir.IntType(32)


class Vectors:
    """Loads, stores and arithmetic on vectors of one dtype, in the function that is being built.

    Addresses are integers, positions count elements. Of the last vector of a masked tile only `cols` numbers are there.
    """

    def __init__(self, context, builder, dtype, cols):
        self.b, self.size = builder, 4 if dtype == types.float32 else 8
        self.lanes = VECTOR_BYTES // self.size
        self.number = context.get_value_type(dtype)
        self.vector = ir.VectorType(self.number, self.lanes)
        self.zeros = ir.Constant(self.vector, [0.0] * self.lanes)
        self.name = f"v{self.lanes}f{self.size * 8}"
        self.mask = None
        if cols is not None:
            counting = ir.Constant(ir.VectorType(Int, self.lanes), list(range(self.lanes)))
            self.mask = builder.icmp_signed("<", counting, self.spread(cols, ir.VectorType(Int, self.lanes)))

    def spread(self, value, kind):
        """A vector of one number."""
        undefined = ir.Constant(kind, ir.Undefined)
        first = self.b.insert_element(undefined, value, Int32(0))
        return self.b.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(Int32, self.lanes), [0] * self.lanes))

    def at(self, base, position, kind):
        return self.b.inttoptr(self.b.add(base, self.b.mul(position, Int(self.size))), kind.as_pointer())

    def call(self, name, result, arguments):
        kind = ir.FunctionType(result, [a.type for a in arguments])
        return self.b.call(cgutils.get_or_insert_function(self.b.module, kind, f"llvm.{name}"), arguments)

    def load(self, base, position, last):
        pointer = self.at(base, position, self.vector)
        if last and self.mask is not None:
            arguments = [pointer, Int32(self.size), self.mask, self.zeros]
            return self.call(f"masked.load.{self.name}.p0{self.name}", self.vector, arguments)
        loaded = self.b.load(pointer)
        loaded.align = self.size
        return loaded

    def store(self, value, base, position, last):
        pointer = self.at(base, position, self.vector)
        if last and self.mask is not None:
            arguments = [value, pointer, Int32(self.size), self.mask]
            self.call(f"masked.store.{self.name}.p0{self.name}", ir.VoidType(), arguments)
        else:
            self.b.store(value, pointer).align = self.size

    def load_spread(self, base, position):
        """One number of memory in every lane."""
        return self.spread(self.b.load(self.at(base, position, self.number)), self.vector)

    def fma(self, x, y, z):
        """x * y + z."""
        return self.call(f"fma.{self.name}", self.vector, [x, y, z])

    def relu(self, v):
        """max(v, 0); NaN stays NaN."""
        return self.b.select(self.b.fcmp_ordered("<", v, self.zeros), self.zeros, v)

    def accumulators(self, places, start, bias):
        """A vector in registers for each of `places`, {(p, q): (base, position, last)}, set as `start` says."""
        b, acc = self.b, {pq: cgutils.alloca_once(self.b, self.vector) for pq in places}
        for pq in places:
            b.store(self.zeros, acc[pq])
        with b.if_then(b.icmp_signed("==", start, Int(BIAS))):
            for (p, q), (_, _, last) in places.items():
                b.store(self.load(bias, Int(self.lanes * q), last), acc[p, q])
        with b.if_then(b.icmp_signed("==", start, Int(ADD))):
            for pq, place in places.items():
                b.store(self.load(*place), acc[pq])
        return acc

    def write(self, acc, places, relu):
        """Store the accumulators at their places; negative ones as 0 if `relu` is not 0."""
        clip = self.b.icmp_signed("!=", relu, Int(0))
        for pq, place in places.items():
            result = self.b.load(acc[pq])
            self.store(self.b.select(clip, self.relu(result), result), *place)


@functools.cache
def _tile(P, Q, masked):
    """An intrinsic for P rows and Q vectors; with `masked` only `cols` columns of the last vector are there."""

    def emit(context, b, signature, args):
        _, x, xp, xr, n, w, ldw, out, ldo, bias, start, relu, cols = args
        v = Vectors(context, b, signature.args[0], cols if masked else None)
        every = [(p, q) for p in range(P) for q in range(Q)]
        places = {(p, q): (out, b.add(b.mul(ldo, Int(p)), Int(v.lanes * q)), q == Q - 1) for p, q in every}
        acc = v.accumulators(places, start, bias)
        offset = [b.mul(xp, Int(p)) for p in range(P)]
        with cgutils.for_range(b, n) as loop:
            wr, xo = b.mul(loop.index, ldw), b.mul(loop.index, xr)
            row = [v.load(w, b.add(wr, Int(v.lanes * q)), q == Q - 1) for q in range(Q)]
            for p in range(P):
                s = v.load_spread(x, b.add(xo, offset[p]))
                for q in range(Q):
                    b.store(v.fma(s, row[q], b.load(acc[p, q])), acc[p, q])
        v.write(acc, places, relu)
        return context.get_dummy_value()

    @intrinsic
    def tile(typingctx, zero, x, xp, xr, n, w, ldw, out, ldo, bias, start, relu, cols):
        return types.void(zero, *[types.int64] * 12), emit

    return tile


@functools.cache
def _transpose():
    """An intrinsic that writes a square of as many rows as a vector has lanes, turned around."""

    def emit(context, b, signature, args):
        _, source, lds, target, ldt = args
        v = Vectors(context, b, signature.args[0], None)
        lanes = v.lanes
        rows = [v.load(source, b.mul(lds, Int(i)), False) for i in range(lanes)]
        step = 1
        while step < lanes:  # swap the off-diagonal blocks of size `step`
            for i in range(lanes):
                if not i & step:
                    low, high = rows[i], rows[i + step]
                    first = [j if not j & step else lanes + j - step for j in range(lanes)]
                    then = [j + step if not j & step else lanes + j for j in range(lanes)]
                    mask = ir.VectorType(Int32, lanes)
                    rows[i] = b.shuffle_vector(low, high, ir.Constant(mask, first))
                    rows[i + step] = b.shuffle_vector(low, high, ir.Constant(mask, then))
            step *= 2
        for i in range(lanes):
            v.store(rows[i], target, b.mul(ldt, Int(i)), False)
        return context.get_dummy_value()

    @intrinsic
    def transpose(typingctx, zero, source, lds, target, ldt):
        return types.void(zero, *[types.int64] * 4), emit

    return transpose


_square = _transpose()


@intrinsic  # type: ignore[arg-type]
def _one(typingctx, zero, source, target):
    """Copy one number of the dtype of `zero`."""

    def emit(context, b, signature, args):
        pointer = context.get_value_type(signature.args[0]).as_pointer()
        b.store(b.load(b.inttoptr(args[1], pointer)), b.inttoptr(args[2], pointer))
        return context.get_dummy_value()

    return types.void(zero, types.int64, types.int64), emit


@linked(lambda real: [real, *[types.int64] * 6])
def turn(zero, size, k, n, w, ldw, turned):
    """turned (n, k) = w (k, n).T, square by square in registers, the rest number by number."""
    lanes = VECTOR_BYTES // size
    whole_k, whole_n = k - k % lanes, n - n % lanes
    for i in range(0, whole_k, lanes):
        for j in range(0, whole_n, lanes):
            _square(zero, w + size * (i * ldw + j), ldw, turned + size * (j * k + i), k)
    for i in range(k):
        for j in range(whole_n if i < whole_k else 0, n):
            _one(zero, w + size * (i * ldw + j), turned + size * (j * k + i))  # type: ignore[call-arg]


_wide12, _wide8, _wide4, _wide2, _wide1 = (_tile(p, 2, False) for p in (12, 8, 4, 2, 1))
_tail12, _tail4, _tail1 = _tile(12, 1, True), _tile(4, 1, True), _tile(1, 1, True)


@intrinsic  # type: ignore[arg-type]
def stack_panel(typingctx, zero):
    """The address of memory on the stack for a panel of w, next to nothing to ask for."""

    def emit(context, b, signature, args):
        with b.goto_entry_block():
            memory = b.alloca(ir.ArrayType(ir.IntType(8), _PANEL * 2 * VECTOR_BYTES))
        memory.align = VECTOR_BYTES
        return b.ptrtoint(memory, Int)

    return types.int64(zero), emit


@intrinsic  # type: ignore[arg-type]
def _copy_row(typingctx, zero, source, target):
    """Copy two vectors."""

    def emit(context, b, signature, args):
        v = Vectors(context, b, signature.args[0], None)
        for q in range(2):
            v.store(v.load(args[1], Int(v.lanes * q), False), args[2], Int(v.lanes * q), False)
        return context.get_dummy_value()

    return types.void(zero, types.int64, types.int64), emit


@jit
def pack(zero, size, rows, width, w, ldw, panel):
    """Copy rows of w to a panel, whose rows are two vectors and next to each other."""
    ld = 2 * (VECTOR_BYTES // size)
    if width == ld:
        for r in range(rows):
            _copy_row(zero, w + size * r * ldw, panel + size * r * ld)  # type: ignore[call-arg]
        return
    for r in range(rows):
        for q in range(width):
            _one(zero, w + size * (r * ldw + q), panel + size * (r * ld + q))  # type: ignore[call-arg]


@jit
def _pack_turned(zero, size, rows, width, w, ldw, panel):
    """The same with what are the columns of w as rows."""
    lanes = VECTOR_BYTES // size
    ld = 2 * lanes
    whole_rows, whole = rows - rows % lanes, width - width % lanes
    for q in range(0, whole, lanes):
        for r in range(0, whole_rows, lanes):
            _square(zero, w + size * (q * ldw + r), ldw, panel + size * (r * ld + q), ld)
    for q in range(width):
        for r in range(whole_rows if q < whole else 0, rows):
            _one(zero, w + size * (q * ldw + r), panel + size * (r * ld + q))  # type: ignore[call-arg]


@linked(lambda real: [real, *[types.int64] * 15])
def product(zero, size, m, n, cols, x, xp, xr, w, ldw, turned, out, ldo, bias, start, relu):
    """out (m, cols) from m rows of x and n rows of w; addresses and strides are plain integers, strides in elements.

    `zero` is a number of the dtype, `size` its bytes; with `turned` the rows are what are columns in memory. Sums are
    taken over a panel of rows of w at a time, which stays in the nearest cache while all rows of x pass by: it is copied
    if its rows lie far apart, as such rows push each other out.
    """
    lanes = VECTOR_BYTES // size
    panel = stack_panel(zero)  # type: ignore
    packed = turned != 0 or (m >= 24 and ldw * size >= 512)
    most = _PANEL if xr == 1 else _PANEL_OF_COLUMNS
    q = 0
    while q < cols:
        width = min(cols - q, 2 * lanes)
        r = 0
        while True:
            rows = min(most, n - r)
            last = r + rows >= n
            from_ = start if r == 0 else ADD
            X, W, ld = x + size * r * xr, w + size * (r * ldw + q), ldw
            if turned != 0:
                _pack_turned(zero, size, rows, width, w + size * (q * ldw + r), ldw, panel)
            elif packed:
                pack(zero, size, rows, width, W, ldw, panel)
            if packed:
                W, ld = panel, 2 * lanes
            _columns(
                zero, size, m, rows, width, X, xp, xr, W, ld, out + size * q, ldo, bias + size * q, from_, relu * last
            )
            r += rows
            if last:
                break
        q += width


@jit
def _columns(zero, size, m, n, cols, x, xp, xr, w, ldw, out, ldo, bias, start, relu):
    """`product` for at most two vectors of columns."""
    lanes = VECTOR_BYTES // size
    p = 0
    if cols == 2 * lanes:
        while p + 12 <= m:
            _wide12(zero, x + size * p * xp, xp, xr, n, w, ldw, out + size * p * ldo, ldo, bias, start, relu, 0)
            p += 12
        while p + 8 <= m:
            _wide8(zero, x + size * p * xp, xp, xr, n, w, ldw, out + size * p * ldo, ldo, bias, start, relu, 0)
            p += 8
        while p + 4 <= m:
            _wide4(zero, x + size * p * xp, xp, xr, n, w, ldw, out + size * p * ldo, ldo, bias, start, relu, 0)
            p += 4
        while p + 2 <= m:
            _wide2(zero, x + size * p * xp, xp, xr, n, w, ldw, out + size * p * ldo, ldo, bias, start, relu, 0)
            p += 2
        while p < m:
            _wide1(zero, x + size * p * xp, xp, xr, n, w, ldw, out + size * p * ldo, ldo, bias, start, relu, 0)
            p += 1
        return
    q = 0
    while q < cols:
        W, Out, B, left = w + size * q, out + size * q, bias + size * q, min(cols - q, lanes)
        p = 0
        while p + 12 <= m:
            _tail12(zero, x + size * p * xp, xp, xr, n, W, ldw, Out + size * p * ldo, ldo, B, start, relu, left)
            p += 12
        while p + 4 <= m:
            _tail4(zero, x + size * p * xp, xp, xr, n, W, ldw, Out + size * p * ldo, ldo, B, start, relu, left)
            p += 4
        while p < m:
            _tail1(zero, x + size * p * xp, xp, xr, n, W, ldw, Out + size * p * ldo, ldo, B, start, relu, left)
            p += 1
        q += lanes
