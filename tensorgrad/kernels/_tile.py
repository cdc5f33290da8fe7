"""Matrix products in registers: one tile of accumulators, from which the dense layer and its gradients follow.

    out[p, :] = act(start[p, :] + sum over r of x[p * xp + r * xr] * w[r, :])      p < P rows, Q vectors of columns

The P * Q accumulators never leave the registers, nothing is packed or copied, and bias and ReLU cost no second pass over
the output. With its two strides the tile reads x along rows (a product) or down columns (a weight gradient). It is
emitted as LLVM vectors, so the same source is AVX-512, AVX2 or NEON. BLAS takes over for products that are too large
for it: a tile walks all of w for every few rows, which is quick as long as w stays in the near caches, and BLAS is in
turn slow where it wakes threads for a few microseconds of work.
"""

import functools
import os

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ._compile import jit

# numba compiles for the host, unless NUMBA_CPU_NAME names another processor.
VECTOR_BYTES = 64 if llvm.get_host_cpu_features().get("avx512f") and not os.environ.get("NUMBA_CPU_NAME") else 32
ZERO, BIAS, ADD = 0, 1, 2  # what an accumulator starts from: nothing, a row of numbers, the output itself
_LARGEST_PRODUCT, _LARGEST_W = 2_000_000, 32_768  # multiplications, and numbers in w: beyond, BLAS is quicker


def _lanes(dtype):
    return VECTOR_BYTES // (4 if dtype == types.float32 else 8)


@functools.cache
def _tile(P, Q, masked):
    """An intrinsic for P rows and Q vectors; with `masked` only `cols` columns of the last vector are there."""

    @intrinsic
    def tile(typingctx, zero, x, xp, xr, n, w, ldw, out, ldo, bias, start, relu, cols):
        def emit(context, b, signature, args):
            _, x, xp, xr, n, w, ldw, out, ldo, bias, start, relu, cols = args
            dtype = signature.args[0]
            lanes, F, Int, I32 = _lanes(dtype), context.get_value_type(dtype), ir.IntType(64), ir.IntType(32)
            V, M = ir.VectorType(F, lanes), ir.VectorType(ir.IntType(1), lanes)
            name = f"v{lanes}f{32 if dtype == types.float32 else 64}"
            bytes_ = Int(4 if dtype == types.float32 else 8)
            zeros, undef = ir.Constant(V, [0.0] * lanes), ir.Constant(V, ir.Undefined)
            splat = ir.Constant(ir.VectorType(I32, lanes), [0] * lanes)

            def function(kind, result, *params):
                return cgutils.get_or_insert_function(b.module, ir.FunctionType(result, params), kind)

            fma = function(f"llvm.fma.{name}", V, V, V, V)

            def spread(value, vector):
                return b.shuffle_vector(b.insert_element(ir.Constant(vector, ir.Undefined), value, I32(0)),
                                        ir.Constant(vector, ir.Undefined), splat)  # fmt: skip

            if masked:
                counting = ir.Constant(ir.VectorType(Int, lanes), list(range(lanes)))
                mask = b.icmp_signed("<", counting, spread(cols, ir.VectorType(Int, lanes)))
                pointer = V.as_pointer()
                masked_load = function(f"llvm.masked.load.{name}.p0{name}", V, pointer, I32, M, V)
                masked_store = function(f"llvm.masked.store.{name}.p0{name}", ir.VoidType(), V, pointer, I32, M)

            def address(base, elements):
                return b.inttoptr(b.add(base, b.mul(elements, bytes_)), V.as_pointer())

            def load(base, elements, q):
                at = address(base, elements)
                if masked and q == Q - 1:
                    return b.call(masked_load, [at, I32(bytes_.constant), mask, zeros])
                v = b.load(at)
                v.align = bytes_.constant
                return v

            def store(v, base, elements, q):
                at = address(base, elements)
                if masked and q == Q - 1:
                    b.call(masked_store, [v, at, I32(bytes_.constant), mask])
                else:
                    b.store(v, at).align = bytes_.constant

            acc = [[cgutils.alloca_once(b, V) for _ in range(Q)] for _ in range(P)]
            for row in acc:
                for slot in row:
                    b.store(zeros, slot)
            with b.if_then(b.icmp_signed("==", start, Int(BIAS))):
                for q in range(Q):
                    v = load(bias, Int(lanes * q), q)
                    for p in range(P):
                        b.store(v, acc[p][q])
            with b.if_then(b.icmp_signed("==", start, Int(ADD))):
                for p in range(P):
                    for q in range(Q):
                        b.store(load(out, b.add(b.mul(ldo, Int(p)), Int(lanes * q)), q), acc[p][q])
            offset = [b.mul(xp, Int(p)) for p in range(P)]
            with cgutils.for_range(b, n) as loop:
                wr, xo = b.mul(loop.index, ldw), b.mul(loop.index, xr)
                row = [load(w, b.add(wr, Int(lanes * q)), q) for q in range(Q)]
                for p in range(P):
                    s = b.load(b.inttoptr(b.add(x, b.mul(b.add(xo, offset[p]), bytes_)), F.as_pointer()))
                    s = b.shuffle_vector(b.insert_element(undef, s, I32(0)), undef, splat)
                    for q in range(Q):
                        b.store(b.call(fma, [s, row[q], b.load(acc[p][q])]), acc[p][q])
            clip = b.icmp_signed("!=", relu, Int(0))
            for p in range(P):
                for q in range(Q):
                    v = b.load(acc[p][q])
                    v = b.select(clip, b.select(b.fcmp_ordered("<", v, zeros), zeros, v), v)  # NaN stays NaN
                    store(v, out, b.add(b.mul(ldo, Int(p)), Int(lanes * q)), q)
            return context.get_dummy_value()

        return types.void(zero, *[types.int64] * 12), emit

    return tile


_wide6, _wide2, _wide1 = _tile(6, 2, False), _tile(2, 2, False), _tile(1, 2, False)
_tail12, _tail4, _tail1 = _tile(12, 1, True), _tile(4, 1, True), _tile(1, 1, True)


@jit
def product(zero, size, m, n, cols, x, xp, xr, w, ldw, out, ldo, bias, start, relu):
    """out (m, cols) from m rows of x and n rows of w; addresses and strides are plain integers, strides in elements.

    `zero` is a number of the dtype, `size` its bytes.
    """
    lanes = VECTOR_BYTES // size
    q = 0
    while q < cols:
        W, Out, B, p = w + size * q, out + size * q, bias + size * q, 0
        if cols - q >= 2 * lanes:
            while p + 6 <= m:
                _wide6(zero, x + size * p * xp, xp, xr, n, W, ldw, Out + size * p * ldo, ldo, B, start, relu, 0)
                p += 6
            while p + 2 <= m:
                _wide2(zero, x + size * p * xp, xp, xr, n, W, ldw, Out + size * p * ldo, ldo, B, start, relu, 0)
                p += 2
            while p < m:
                _wide1(zero, x + size * p * xp, xp, xr, n, W, ldw, Out + size * p * ldo, ldo, B, start, relu, 0)
                p += 1
            q += 2 * lanes
        else:
            left = min(cols - q, lanes)
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


@jit
def fits(m, k, n):
    """Whether the tile is the quicker way for (m, k) @ (k, n)."""
    return m * k * n <= _LARGEST_PRODUCT and k * n <= _LARGEST_W
