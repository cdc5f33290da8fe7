"""Rows of a table, and their gradients added up."""

from ._compile import kernel


@kernel("indices:i[M]<c weight[c,f] -> out[M,f]")
def embedding(indices, weight, out):
    for i in range(out.shape[0]):
        row = indices[i]
        for j in range(out.shape[1]):
            out[i, j] = weight[row, j]


@kernel("g[M,f] indices:i[M]<K first:i[1]@K -> out[K,f]")
def embedding_backward(g, indices, first, out):
    """Of K rows of the table, from `first` on."""
    out[:] = 0
    for i in range(g.shape[0]):
        row = indices[i] - first[0]
        if 0 <= row < out.shape[0]:
            for j in range(g.shape[1]):
                out[row, j] += g[i, j]
