"""Numbers moved as they are: what NumPy does in eager code, for programs."""

from ._compile import kernel
from ._jit import jit


@kernel("x[1] -> out[N]")
def fill(x, out):
    for i in range(out.size):
        out[i] = x[0]


@kernel("x[M] -> out[M,n]")
def spread_rows(x, out):
    """Each number along a row: broadcasting along the last axes."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = x[i]


@kernel("x[n] -> out[M,n]")
def spread_columns(x, out):
    """The same row everywhere: broadcasting along the first axes."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = x[j]


@jit
def _take(x, positions, out):
    for i in range(out.size):
        out[i] = x[positions[i]]


@kernel("x[s] positions:i[n]<s -> out[n]")
def take(x, positions, out):
    """out[i] = x[positions[i]]: any indexing, transposing or broadcasting with fixed positions."""
    _take(x, positions, out)


@kernel("x:i[s] positions:i[n]<s -> out:i[n]")
def take_integers(x, positions, out):
    _take(x, positions, out)


@kernel("x:b[s] positions:i[n]<s -> out:b[n]")
def take_booleans(x, positions, out):
    _take(x, positions, out)


@kernel("g[n] positions:i[n]<s -> out[s]")
def scatter_add(g, positions, out):
    """Zeros, with g added at positions."""
    out[:] = 0
    for i in range(g.size):
        out[positions[i]] += g[i]


@kernel("x[n] positions:i[n]<s -> &out[s]")
def put(x, positions, out):
    """out[positions[i]] = x[i]; what is elsewhere stays."""
    for i in range(x.size):
        out[positions[i]] = x[i]


@kernel("x[M,n] first:i[1] -> out[M,a]")
def take_columns(x, first, out):
    """Columns from `first` on, as many as there is room for."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = x[i, first[0] + j]


@kernel("x[M,a] first:i[1] -> out[M,n]")
def spread_to_columns(x, first, out):
    """Zeros, with x in the columns from `first` on."""
    out[:] = 0
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[i, first[0] + j] = x[i, j]


@kernel("x[M,a] first:i[1] -> &out[M,n]")
def put_columns(x, first, out):
    """x in the columns from `first` on; the others stay."""
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[i, first[0] + j] = x[i, j]


@kernel("positions:i[n] index:i[m] which:i[n]<m axis:i[2] -> out:i[n]")
def move_along(positions, index, which, axis, out):
    """Positions moved along an axis of a length and a stride by index[which], a negative one counted from the end.

    The caller checks the range.
    """
    size, stride = axis[0], axis[1]
    for i in range(out.size):
        j = index[which[i]]
        j = j if j >= 0 else j + size
        out[i] = positions[i] + min(max(j, 0), size - 1) * stride


@kernel("x:f[N] -> out:d[N]")
def widen(x, out):
    for i in range(out.size):
        out[i] = x[i]


@kernel("x:d[N] -> out:f[N]")
def narrow(x, out):
    for i in range(out.size):
        out[i] = x[i]


@kernel("x:i[N] -> out[N]")
def from_integers(x, out):
    for i in range(out.size):
        out[i] = x[i]


@kernel("x:b[N] -> out[N]")
def from_booleans(x, out):
    for i in range(out.size):
        out[i] = x[i]


# ---- the batches of a training, out of the whole data ------------------------------------------------------------------
@jit
def _gather(source, order, cursor, out):
    for i in range(out.shape[0]):
        row = order[cursor[0] + i]
        for j in range(out.shape[1]):
            out[i, j] = source[row, j]


@kernel("source[s,f] order:i[t]<s cursor:i[1] -> out[M,f]")
def gather(source, order, cursor, out):
    _gather(source, order, cursor, out)


@kernel("source:i[s,f] order:i[t]<s cursor:i[1] -> out:i[M,f]")
def gather_integers(source, order, cursor, out):
    _gather(source, order, cursor, out)


@kernel("x[n] cursor:i[1] -> &out:d[s]")
def store(x, cursor, out):
    """Keep n numbers of this step."""
    for i in range(x.size):
        out[cursor[0] * x.size + i] = x[i]


@kernel("x[m,f] cursor:i[1] -> &out[s,f]")
def keep_rows(x, cursor, out):
    """Keep the rows of this batch, from where it begins."""
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[cursor[0] + i, j] = x[i, j]


@kernel("table:d[s] cursor:i[1] -> &hyper:d[h]")
def set_rate(table, cursor, hyper):
    """This step's learning rate, the first of an optimizer's numbers."""
    hyper[0] = table[cursor[0]]


@kernel("by:i[n] -> &cursors:i[n]")
def advance(by, cursors):
    for i in range(by.size):
        cursors[i] += by[i]
