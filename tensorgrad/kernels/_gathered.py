"""Matrix products in registers whose numbers lie where tables say: convolutions of images, and their gradients.

    out[outs[p] + c] = act(start + sum over r of x[rows[p] + terms[r]] * w[r, c])

rows, terms and outs are tables of positions: of pixels, and of what a filter covers of them. As in `_tile.py`, the
accumulators never leave the registers, and nothing is gathered in memory.
"""

import functools

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ._jit import jit
from ._linked import linked
from ._tile import ADD, BIAS, VECTOR_BYTES, Int, Int32, Vectors, pack, stack_panel

_PANEL = 256  # rows of w


def _entry(b, table, index):
    """A number of a table."""
    return b.load(b.inttoptr(b.add(table, b.mul(index, Int(8))), Int.as_pointer()))


def _addresses(b, v, base, table, count, P):
    """Where P rows begin, by a table; rows that are not there are the last one again, which comes to the same numbers."""
    found = []
    for p in range(P):
        index = b.select(b.icmp_signed("<", Int(p), count), Int(p), b.sub(count, Int(1)))
        found.append(b.add(base, b.mul(_entry(b, table, index), Int(v.size))))
    return found


@functools.cache
def _tile(P, Q, own):
    """An intrinsic for P rows, at most, and Q vectors of which the last is masked; see `gathered`."""

    def emit(context, b, signature, args):
        _, count, x, rows, terms, n, w, ldw, out, outs, bias, start, relu, cols = args
        v = Vectors(context, b, signature.args[0], cols)
        row, target = _addresses(b, v, x, rows, count, P), _addresses(b, v, out, outs, count, P)
        places = {(p, q): (target[p], Int(v.lanes * q), q == Q - 1) for p in range(P) for q in range(Q)}
        acc = v.accumulators(places, start, bias)
        with cgutils.for_range(b, n) as loop:
            wr, term = b.mul(loop.index, ldw), _entry(b, terms, loop.index)
            weights = [v.load(w, b.add(wr, Int(v.lanes * q)), q == Q - 1) for q in range(Q)]
            for p in range(P):
                s = None if own else v.load_spread(row[p], term)
                for q in range(Q):
                    number = v.load(row[p], b.add(term, Int(v.lanes * q)), q == Q - 1) if own else s
                    b.store(v.fma(number, weights[q], b.load(acc[p, q])), acc[p, q])
        v.write(acc, places, relu)
        return context.get_dummy_value()

    @intrinsic
    def tile(typingctx, zero, count, x, rows, terms, n, w, ldw, out, outs, bias, start, relu, cols):
        return types.void(zero, *[types.int64] * 13), emit

    return tile


@functools.cache
def _folded_tile(P, fold):
    """An intrinsic for P rows, at most, of few columns; two vectors hold `fold` terms of each column. See `folded`."""

    def emit(context, b, signature, args):
        _, count, x, rows, terms, n, w, out, outs, bias, start, relu, cols = args
        v = Vectors(context, b, signature.args[0], cols)
        every = [(p, q) for p in range(P) for q in range(2)]

        def shuffled(first, then, lanes):
            return b.shuffle_vector(first, then, ir.Constant(ir.VectorType(Int32, v.lanes), lanes))

        acc = {pq: cgutils.alloca_once(b, v.vector) for pq in every}
        for pq in every:
            b.store(v.zeros, acc[pq])
        row = _addresses(b, v, x, rows, count, P)
        few = ir.VectorType(v.number, fold)
        with cgutils.for_range(b, n) as loop:
            wr, term = b.mul(loop.index, Int(2 * v.lanes)), _entry(b, terms, loop.index)
            weights = [v.load(w, b.add(wr, Int(v.lanes * q)), False) for q in range(2)]
            for p in range(P):
                numbers = b.load(v.at(row[p], term, few))
                numbers.align = v.size
                spread = shuffled(numbers, ir.Constant(few, ir.Undefined), [i % fold for i in range(v.lanes)])
                for q in range(2):
                    b.store(v.fma(spread, weights[q], b.load(acc[p, q])), acc[p, q])
        clip = b.icmp_signed("!=", relu, Int(0))
        evens, target = [2 * i for i in range(v.lanes)], _addresses(b, v, out, outs, count, P)
        for p in range(P):
            first, then, step = b.load(acc[p, 0]), b.load(acc[p, 1]), fold
            while step > 1:  # neighbours are added, until there is one number for each column
                first = b.fadd(shuffled(first, then, evens), shuffled(first, then, [i + 1 for i in evens]))
                then, step = first, step // 2
            sums = cgutils.alloca_once_value(b, first)
            with b.if_then(b.icmp_signed("==", start, Int(BIAS))):
                b.store(b.fadd(first, v.load(bias, Int(0), True)), sums)
            with b.if_then(b.icmp_signed("==", start, Int(ADD))):
                b.store(b.fadd(first, v.load(target[p], Int(0), True)), sums)
            result = b.load(sums)
            v.store(b.select(clip, v.relu(result), result), target[p], Int(0), True)
        return context.get_dummy_value()

    @intrinsic
    def tile(typingctx, zero, count, x, rows, terms, n, w, out, outs, bias, start, relu, cols):
        return types.void(zero, *[types.int64] * 12), emit

    return tile


def _rows(P, few, Q, own):
    """`gathered` for the columns of one tile: P rows at a time, the last of them `few` at a time."""
    tile, tile_of_few = _tile(P, Q, own), _tile(few, Q, own)

    @jit
    def gathered_rows(zero, m, n, x, rows, terms, w, ldw, out, outs, bias, start, relu, cols):
        p = 0
        while p < m:
            left = m - p
            if left > few:
                tile(zero, left, x, rows + 8 * p, terms, n, w, ldw, out, outs + 8 * p, bias, start, relu, cols)
                p += P
            else:
                tile_of_few(zero, left, x, rows + 8 * p, terms, n, w, ldw, out, outs + 8 * p, bias, start, relu, cols)
                p += few

    return gathered_rows


_two, _one, _own = _rows(8, 4, 2, False), _rows(10, 5, 1, False), _rows(10, 4, 1, True)


@linked(lambda real: [real, *[types.int64] * 15])
def gathered(zero, size, own, m, n, cols, x, rows, terms, w, ldw, out, outs, bias, start, relu):
    """out[outs[p] + c] = act(start + sum over r of x[rows[p] + terms[r]] * w[r, c])      p < m, r < n, c < cols

    rows, terms and outs are addresses of integers, positions of numbers: so x and out may be pixels of images and terms
    what a filter covers of them. With `own` each column has numbers of its own, x[rows[p] + terms[r] + c].
    """
    lanes = VECTOR_BYTES // size
    panel = stack_panel(zero)  # type: ignore
    step = lanes if own != 0 else 2 * lanes
    packed = m >= 24 and ldw * size >= 512
    q = 0
    while q < cols:
        width = min(cols - q, step)
        r = 0
        while True:
            terms_here = min(_PANEL, n - r)
            final = r + terms_here >= n
            from_ = start if r == 0 else ADD
            W, ld = w + size * (r * ldw + q), ldw
            if packed:
                pack(zero, size, terms_here, width, W, ldw, panel)
                W, ld = panel, 2 * lanes
            X, out_here, bias_here, clip = x + size * q * own, out + size * q, bias + size * q, relu * final
            T = terms + 8 * r
            if own != 0:
                _own(zero, m, terms_here, X, rows, T, W, ld, out_here, outs, bias_here, from_, clip, width)
            elif width > lanes:
                _two(zero, m, terms_here, X, rows, T, W, ld, out_here, outs, bias_here, from_, clip, width - lanes)
            else:
                _one(zero, m, terms_here, X, rows, T, W, ld, out_here, outs, bias_here, from_, clip, width)
            r += terms_here
            if final:
                break
        q += width


# ---- the same of few columns -------------------------------------------------------------------------------------------
_folded2, _folded4, _folded8 = (_folded_tile(8, fold) for fold in (2, 4, 8))
_folded16 = _folded_tile(8, 16) if VECTOR_BYTES == 64 else _folded8


def fold_of(cols, run, size):
    """How many terms two vectors can hold of so many columns, where that many numbers of x lie side by side."""
    lanes, fold = VECTOR_BYTES // size, 1
    while 2 * fold * cols <= 2 * lanes and 2 * fold <= lanes and run % (2 * fold) == 0:
        fold *= 2
    return fold


@linked(lambda real: [real, *[types.int64] * 14])
def folded(zero, size, fold, m, n, cols, x, rows, terms, w, out, outs, bias, start, relu):
    """`gathered` for few columns, with `fold` terms, whose numbers lie side by side in x, at once.

    terms are the positions of the first of each; w (n, two vectors) holds for each column in turn their weights.
    """
    lanes = VECTOR_BYTES // size
    r = 0
    while True:
        terms_here = min(_PANEL, n - r)
        final = r + terms_here >= n
        from_, clip = start if r == 0 else ADD, relu * final
        T, W = terms + 8 * r, w + size * r * 2 * lanes
        p = 0
        while p < m:
            R, to = rows + 8 * p, outs + 8 * p
            if fold == 2:
                _folded2(zero, m - p, x, R, T, terms_here, W, out, to, bias, from_, clip, cols)
            elif fold == 4:
                _folded4(zero, m - p, x, R, T, terms_here, W, out, to, bias, from_, clip, cols)
            elif fold == 8:
                _folded8(zero, m - p, x, R, T, terms_here, W, out, to, bias, from_, clip, cols)
            else:
                _folded16(zero, m - p, x, R, T, terms_here, W, out, to, bias, from_, clip, cols)
            p += 8
        r += terms_here
        if final:
            break


# ---- the gradient before a ReLU, and its sum ----------------------------------------------------------------------------
def _masked_tile(relu, Q):
    """An intrinsic for Q vectors of columns, the last masked: g where y > 0, and the sum over rows; see `masked_sum`."""

    def emit(context, b, signature, args):
        _, m, ld, g, y, masked, db, cols = args
        v = Vectors(context, b, signature.args[0], cols)
        step = 4 // Q  # rows at a time, with sums of their own: none waits for the one before it
        sums = {(i, q): cgutils.alloca_once(b, v.vector) for i in range(step) for q in range(Q)}
        for total in sums.values():
            b.store(v.zeros, total)

        def rows(first, count):
            for i, q in ((i, q) for i in range(count) for q in range(Q)):
                at, last = b.add(b.mul(b.add(first, Int(i)), ld), Int(v.lanes * q)), q == Q - 1
                number = v.load(g, at, last)
                if relu:
                    number = b.select(b.fcmp_ordered(">", v.load(y, at, last), v.zeros), number, v.zeros)
                    v.store(number, masked, at, last)
                b.store(b.fadd(b.load(sums[i, q]), number), sums[i, q])

        whole = b.udiv(m, Int(step))
        with cgutils.for_range(b, whole) as loop:
            rows(b.mul(loop.index, Int(step)), step)
        with cgutils.for_range(b, b.urem(m, Int(step))) as loop:
            rows(b.add(b.mul(whole, Int(step)), loop.index), 1)
        for q in range(Q):
            total = v.load(db, Int(v.lanes * q), q == Q - 1)
            for i in range(step):
                total = b.fadd(total, b.load(sums[i, q]))
            v.store(total, db, Int(v.lanes * q), q == Q - 1)
        return context.get_dummy_value()

    @intrinsic
    def tile(typingctx, zero, m, ld, g, y, masked, db, cols):
        return types.void(zero, *[types.int64] * 7), emit

    return tile


_masked1, _masked2 = _masked_tile(True, 1), _masked_tile(True, 2)
_summed1, _summed2 = _masked_tile(False, 1), _masked_tile(False, 2)


@jit
def masked_sum(zero, size, m, n, g, y, masked, db, relu):
    """masked (m, n) = g where y > 0, and its sum over the rows added to db; without relu the sum of g alone."""
    lanes, q = VECTOR_BYTES // size, 0
    while q < n:
        left, shift = n - q, size * q
        G, Y, M, D = g + shift, y + shift, masked + shift, db + shift
        if relu and left > lanes:
            _masked2(zero, m, n, G, Y, M, D, left - lanes)
        elif relu:
            _masked1(zero, m, n, G, Y, M, D, left)
        elif left > lanes:
            _summed2(zero, m, n, G, Y, M, D, left - lanes)
        else:
            _summed1(zero, m, n, G, Y, M, D, left)
        q += 2 * lanes
