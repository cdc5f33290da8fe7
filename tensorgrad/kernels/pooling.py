"""Pooling over windows of images: the largest or the mean number of each window, and the way back.

`rows` and `cols` say of each window where it begins and ends, inside the image, and by how much a sum is divided (the
product of the two). A window is read with vectors along the channels, which lie beside each other.
"""

import functools

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ._compile import kernel
from ._jit import jit
from ._tile import Int, Vectors


def _window(b, rows, cols, small):
    """The places (i, j) of a window, by loops; a small one has 2 x 2, written out."""
    if small:
        yield from ((Int(i), Int(j)) for i in (0, 1) for j in (0, 1))
        return
    with cgutils.for_range(b, rows) as row, cgutils.for_range(b, cols) as col:
        yield row.index, col.index


class _Lanes(Vectors):
    """Vectors of so many numbers."""

    def __init__(self, context, builder, dtype, lanes):
        super().__init__(context, builder, dtype, None)
        self.lanes = lanes
        self.vector = ir.VectorType(self.number, lanes)
        self.zeros = ir.Constant(self.vector, [0.0] * lanes)


def _blocks(context, b, signature, channels):
    """(vectors, position) of the blocks of channels: whole vectors, then halves, quarters and so on of what is left."""
    dtype = signature.args[0]
    lanes = Vectors(context, b, dtype, None).lanes
    whole = b.sdiv(channels, Int(lanes))
    with cgutils.for_range(b, whole) as block:
        yield _Lanes(context, b, dtype, lanes), b.mul(block.index, Int(lanes))
    done = b.mul(whole, Int(lanes))
    while lanes > 1:
        lanes //= 2
        some = b.and_(channels, Int(lanes))
        with b.if_then(b.icmp_signed("!=", some, Int(0))):
            yield _Lanes(context, b, dtype, lanes), done
        done = b.add(done, some)


def _goes_before(b, x, best):
    """Whether x takes the place of the best so far: it is larger, or NaN."""
    return b.or_(b.fcmp_ordered(">", x, best), b.fcmp_unordered("uno", x, x))


def _place(b, block, i, j, down, along):
    return b.add(block, b.add(b.mul(i, down), b.mul(j, along)))


def _find(v, x, block, down, along, rows, cols, small):
    """The largest numbers of a window at address x, and where in it they are, as vectors."""
    b, kind = v.b, ir.VectorType(ir.IntType(8 * v.size), v.lanes)
    best, found, at = (cgutils.alloca_once(b, k) for k in (v.vector, kind, kind))
    b.store(v.load(x, block, False), best)
    b.store(_integers(kind, 0), found)
    b.store(_integers(kind, 0), at)
    for i, j in _window(b, rows, cols, small):
        number, before, here = v.load(x, _place(b, block, i, j, down, along), False), b.load(best), b.load(at)
        better = _goes_before(b, number, before)
        b.store(b.select(better, number, before), best)
        b.store(b.select(better, here, b.load(found)), found)
        b.store(b.add(here, _integers(kind, 1)), at)
    return b.load(best), b.load(found)


def _integers(kind, number):
    return ir.Constant(kind, [number] * kind.count)


def _bytes(v, at, block):
    """A pointer to as many bytes as v has lanes."""
    return v.b.inttoptr(v.b.add(at, block), ir.VectorType(ir.IntType(8), v.lanes).as_pointer())


def _give(v, gradient, winner, dx, block, down, along, rows, cols, small, add):
    """The gradient to the place of a window at address dx that is the winner; the others get nothing."""
    b, kind = v.b, winner.type
    at = cgutils.alloca_once(b, kind)
    b.store(_integers(kind, 0), at)
    for i, j in _window(b, rows, cols, small):
        place, here = _place(b, block, i, j, down, along), b.load(at)
        part = b.select(b.icmp_signed("==", here, winner), gradient, v.zeros)
        v.store(b.fadd(v.load(dx, place, False), part) if add else part, dx, place, False)
        b.store(b.add(here, _integers(kind, 1)), at)


@functools.cache
def _largest(small, noted=True):
    """An intrinsic: out[:] = the largest numbers of a window at address x, at[:] = where they are, if that is noted."""

    def emit(context, b, signature, args):
        _, x, down, along, rows, cols, channels, out, at = args
        for v, block in _blocks(context, b, signature, channels):
            best, found = _find(v, x, block, down, along, rows, cols, small)
            v.store(best, out, block, False)
            if noted:
                pointer = _bytes(v, at, block)
                b.store(b.trunc(found, pointer.type.pointee), pointer).align = 1
        return context.get_dummy_value()

    @intrinsic
    def largest(typingctx, zero, x, down, along, rows, cols, channels, out, at):
        return types.void(zero, *[types.int64] * 8), emit

    return largest


@functools.cache
def _largest_back(small, add, noted=True):
    """An intrinsic: the gradient g goes to the largest number of a window, which is noted at `at`, or found again in x."""

    def emit(context, b, signature, args):
        _, at, down, along, rows, cols, channels, g, dx = args
        for v, block in _blocks(context, b, signature, channels):
            gradient = v.load(g, block, False)
            if noted:
                found = b.load(_bytes(v, at, block))
                found.align = 1
                winner = b.zext(found, ir.VectorType(ir.IntType(8 * v.size), v.lanes))
            else:
                _, winner = _find(v, at, block, down, along, rows, cols, small)
            _give(v, gradient, winner, dx, block, down, along, rows, cols, small, add)
        return context.get_dummy_value()

    @intrinsic
    def largest_back(typingctx, zero, at, down, along, rows, cols, channels, g, dx):
        return types.void(zero, *[types.int64] * 8), emit

    return largest_back


@functools.cache
def _mean(small):
    """An intrinsic: out[:] = the sums over a window at address x, times `part`."""

    def emit(context, b, signature, args):
        part, x, down, along, rows, cols, channels, out = args
        for v, block in _blocks(context, b, signature, channels):
            total = cgutils.alloca_once(b, v.vector)
            b.store(v.zeros, total)
            for i, j in _window(b, rows, cols, small):
                b.store(b.fadd(b.load(total), v.load(x, _place(b, block, i, j, down, along), False)), total)
            v.store(b.fmul(b.load(total), v.spread(part, v.vector)), out, block, False)
        return context.get_dummy_value()

    @intrinsic
    def mean(typingctx, part, x, down, along, rows, cols, channels, out):
        return types.void(part, *[types.int64] * 7), emit

    return mean


@functools.cache
def _mean_back(small, add):
    """An intrinsic: every number of a window at address dx gets g times `part`."""

    def emit(context, b, signature, args):
        part, g, down, along, rows, cols, channels, dx = args
        for v, block in _blocks(context, b, signature, channels):
            share = b.fmul(v.load(g, block, False), v.spread(part, v.vector))
            for i, j in _window(b, rows, cols, small):
                place = _place(b, block, i, j, down, along)
                v.store(b.fadd(v.load(dx, place, False), share) if add else share, dx, place, False)
        return context.get_dummy_value()

    @intrinsic
    def mean_back(typingctx, part, g, down, along, rows, cols, channels, dx):
        return types.void(part, *[types.int64] * 7), emit

    return mean_back


_largest_of_any, _largest_of_four, _largest_of_many = _largest(False), _largest(True), _largest(False, False)
_mean_of_any, _mean_of_four = _mean(False), _mean(True)
_largest_back_of_any, _largest_back_of_four = _largest_back(False, False), _largest_back(True, False)
_mean_back_of_any, _mean_back_of_four = _mean_back(False, False), _mean_back(True, False)
_add_largest_back, _add_mean_back = _largest_back(False, True), _mean_back(False, True)
_add_largest_back_of_many = _largest_back(False, True, False)
MANY = 256  # numbers in a window: from here on, where the largest one is does not fit into a byte


@jit
def _all_two(windows):
    """Whether all windows have length 2."""
    two = True
    for i in range(len(windows)):
        two &= windows[i, 1] - windows[i, 0] == 2
    return two


@jit
def _apart(windows):
    """Whether no number is in two windows."""
    apart = True
    for i in range(1, len(windows)):
        apart &= windows[i - 1, 1] <= windows[i, 0]
    return apart


@jit
def _covers(windows, n):
    """Whether windows that are apart leave out none of n numbers."""
    at = 0
    for i in range(len(windows)):
        if windows[i, 0] != at:
            return False
        at = windows[i, 1]
    return at == n


@kernel("x[N,h,w,c] rows:i[p,3] cols:i[q,3] -> out[N,p,q,c] at:u[N,p,q,c]")
def max_pool(x, rows, cols, out, at):
    """The largest number of each window (NaN wins), and where in it it is: the first of equal ones in row-major order."""
    (_, h, w, c), (_, p, q, _), size, zero = x.shape, out.shape, x.itemsize, x.dtype.type(0)
    four = _all_two(rows) and _all_two(cols)
    X, Out, At = x.ctypes.data, out.ctypes.data, at.ctypes.data
    for n in range(x.shape[0]):
        for i in range(p):
            for j in range(q):
                come = X + size * c * ((n * h + rows[i, 0]) * w + cols[j, 0])
                to = c * ((n * p + i) * q + j)
                if four:
                    _largest_of_four(zero, come, w * c, c, 2, 2, c, Out + size * to, At + to)
                else:
                    high, wide = rows[i, 1] - rows[i, 0], cols[j, 1] - cols[j, 0]
                    _largest_of_any(zero, come, w * c, c, high, wide, c, Out + size * to, At + to)


@kernel("g[N,p,q,c] at:u[N,p,q,c] rows:i[p,3] cols:i[q,3] -> dx[N,h,w,c]")
def max_pool_backward(g, at, rows, cols, dx):
    (_, h, w, c), (_, p, q, _), size, zero = dx.shape, g.shape, dx.itemsize, dx.dtype.type(0)
    four, apart = _all_two(rows) and _all_two(cols), _apart(rows) and _apart(cols)
    covered = apart and _covers(rows, h) and _covers(cols, w)
    G, At, DX = g.ctypes.data, at.ctypes.data, dx.ctypes.data
    for n in range(dx.shape[0]):
        if not covered:
            dx[n] = zero
        for i in range(p):
            for j in range(q):
                to = DX + size * c * ((n * h + rows[i, 0]) * w + cols[j, 0])
                come = c * ((n * p + i) * q + j)
                high, wide = rows[i, 1] - rows[i, 0], cols[j, 1] - cols[j, 0]
                if not apart:
                    _add_largest_back(zero, At + come, w * c, c, high, wide, c, G + size * come, to)
                elif four:
                    _largest_back_of_four(zero, At + come, w * c, c, 2, 2, c, G + size * come, to)
                else:
                    _largest_back_of_any(zero, At + come, w * c, c, high, wide, c, G + size * come, to)


@kernel("x[N,h,w,c] rows:i[p,3] cols:i[q,3] -> out[N,p,q,c]")
def max_pool_of_many(x, rows, cols, out):
    """The same of windows with more than MANY numbers: it is found again in the backward where they are."""
    (_, h, w, c), (_, p, q, _), size, zero = x.shape, out.shape, x.itemsize, x.dtype.type(0)
    X, Out = x.ctypes.data, out.ctypes.data
    for n in range(x.shape[0]):
        for i in range(p):
            for j in range(q):
                come = X + size * c * ((n * h + rows[i, 0]) * w + cols[j, 0])
                to = Out + size * c * ((n * p + i) * q + j)
                _largest_of_many(zero, come, w * c, c, rows[i, 1] - rows[i, 0], cols[j, 1] - cols[j, 0], c, to, 0)


@kernel("g[N,p,q,c] x[N,h,w,c] rows:i[p,3] cols:i[q,3] -> dx[N,h,w,c]")
def max_pool_of_many_backward(g, x, rows, cols, dx):
    (_, h, w, c), (_, p, q, _), size, zero = x.shape, g.shape, x.itemsize, x.dtype.type(0)
    X, G, DX = x.ctypes.data, g.ctypes.data, dx.ctypes.data
    for n in range(x.shape[0]):
        dx[n] = zero
        for i in range(p):
            for j in range(q):
                at = size * c * ((n * h + rows[i, 0]) * w + cols[j, 0])
                come = G + size * c * ((n * p + i) * q + j)
                high, wide = rows[i, 1] - rows[i, 0], cols[j, 1] - cols[j, 0]
                _add_largest_back_of_many(zero, X + at, w * c, c, high, wide, c, come, DX + at)


@kernel("x[N,h,w,c] rows:i[p,3] cols:i[q,3] -> out[N,p,q,c]")
def avg_pool(x, rows, cols, out):
    """The sum over each window, divided."""
    (_, h, w, c), (_, p, q, _), size, one = x.shape, out.shape, x.itemsize, x.dtype.type(1)
    X, Out, four = x.ctypes.data, out.ctypes.data, _all_two(rows) and _all_two(cols)
    for n in range(x.shape[0]):
        for i in range(p):
            for j in range(q):
                at = X + size * c * ((n * h + rows[i, 0]) * w + cols[j, 0])
                to = Out + size * c * ((n * p + i) * q + j)
                part = one / x.dtype.type(rows[i, 2] * cols[j, 2])
                if four:
                    _mean_of_four(part, at, w * c, c, 2, 2, c, to)
                else:
                    _mean_of_any(part, at, w * c, c, rows[i, 1] - rows[i, 0], cols[j, 1] - cols[j, 0], c, to)


@kernel("g[N,p,q,c] rows:i[p,3] cols:i[q,3] -> dx[N,h,w,c]")
def avg_pool_backward(g, rows, cols, dx):
    """Every number of a window gets its part of the gradient."""
    (_, h, w, c), (_, p, q, _), size, one = dx.shape, g.shape, dx.itemsize, dx.dtype.type(1)
    G, DX, four = g.ctypes.data, dx.ctypes.data, _all_two(rows) and _all_two(cols)
    apart = _apart(rows) and _apart(cols)
    covered = apart and _covers(rows, h) and _covers(cols, w)
    for n in range(dx.shape[0]):
        if not covered:
            dx[n] = 0
        for i in range(p):
            for j in range(q):
                at = DX + size * c * ((n * h + rows[i, 0]) * w + cols[j, 0])
                come = G + size * c * ((n * p + i) * q + j)
                high, wide = rows[i, 1] - rows[i, 0], cols[j, 1] - cols[j, 0]
                part = one / dx.dtype.type(rows[i, 2] * cols[j, 2])
                if not apart:
                    _add_mean_back(part, come, w * c, c, high, wide, c, at)
                elif four:
                    _mean_back_of_four(part, come, w * c, c, 2, 2, c, at)
                else:
                    _mean_back_of_any(part, come, w * c, c, high, wide, c, at)
