"""Noise from a counter: number i of step s under a key is a function of these three, so any thread can begin anywhere.

The generator is Philox 4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"). Its key is `state[0]`
and `state[1]`, its counter the block and `state[2]`, the step. One block makes four words of 32 bits, one for each of
four elements 16 apart: 16 blocks make the words of 64 elements in a row, and as many lanes of a vector.
"""

import math

import numpy as np

from ._compile import kernel
from ._functions import log, near_cos, near_sin
from ._jit import jit

LANES = 16  # blocks that are made together
GROUP = 4 * LANES
LOW = np.uint64(0xFFFFFFFF)


@jit(inline=True)
def _high(a, b):
    """The upper half of a product of two numbers of 32 bits."""
    return np.uint32((np.uint64(a) * np.uint64(b)) >> np.uint64(32))


@jit(inline=True)
def philox(c0, c1, c2, c3, k0, k1):
    """The four words of a counter under a key, by ten rounds; all numbers are of 32 bits."""
    for _ in range(10):
        h0, h1 = _high(np.uint32(0xD2511F53), c0), _high(np.uint32(0xCD9E8D57), c2)
        l0, l1 = np.uint32(np.uint32(0xD2511F53) * c0), np.uint32(np.uint32(0xCD9E8D57) * c2)
        c0, c1, c2, c3 = np.uint32(h1 ^ c1 ^ k0), l1, np.uint32(h0 ^ c3 ^ k1), l0
        k0, k1 = np.uint32(k0 + np.uint32(0x9E3779B9)), np.uint32(k1 + np.uint32(0xBB67AE85))
    return c0, c1, c2, c3


@jit
def _words(state, group, words):
    """The words of the 64 elements of a group."""
    k0, k1 = np.uint32(np.uint64(state[0])), np.uint32(np.uint64(state[1]))
    step, block = np.uint64(state[2]), np.uint64(group) * np.uint64(LANES)
    low, high = np.uint32(block & LOW), np.uint32(block >> np.uint64(32))
    s0, s1 = np.uint32(step & LOW), np.uint32(step >> np.uint64(32))
    for lane in range(LANES):
        a, b, c, d = philox(np.uint32(low + np.uint32(lane)), high, s0, s1, k0, k1)
        words[lane] = a
        words[LANES + lane] = b
        words[2 * LANES + lane] = c
        words[3 * LANES + lane] = d


@kernel("-> &state:d[3] ticket:d[3]")
def draw_ticket(state, ticket):
    """A copy of the state, which stays while the state goes on by one step."""
    ticket[:] = state
    state[2] += 1


@kernel("state:d[N] -> before:d[N]")
def note_state(state, before):
    """A copy of numbers in double precision, whether or not each thread has its own."""
    before[:] = state


@jit
def _factors(state, p, first, factor):
    """1 / (1 - p) with probability 1 - p, else 0: for the elements from `first` on."""
    keep, drop = factor.dtype.type(1 / (1 - p[0])), factor.dtype.type(0)
    least = np.uint32(min(np.floor(p[0] * 2.0**32 + 0.5), 2.0**32 - 1))
    words, n = np.empty(GROUP, np.uint32), factor.size
    for group in range(first // GROUP, (first + n + GROUP - 1) // GROUP):
        _words(state, group, words)
        start = group * GROUP - first
        if start >= 0 and start + GROUP <= n:
            part = factor[start : start + GROUP]
            for i in range(GROUP):
                part[i] = keep if words[i] >= least else drop
        else:
            for i in range(max(0, start), min(n, start + GROUP)):
                factor[i] = keep if words[i - start] >= least else drop


@kernel("x[N] state:d[3] p:d[1] first:i[1]@N -> out[N] factor[N]")
def dropout(x, state, p, first, out, factor):
    """Each number is dropped with probability p; the others grow by as much as keeps the mean."""
    _factors(state, p, first[0], factor)
    for i in range(x.size):
        out[i] = x[i] * factor[i]


@kernel("x[N,s,c] state:d[3] p:d[1] first:i[1]@N -> out[N,s,c] factor[N,c]")
def channel_dropout(x, state, p, first, out, factor):
    """The same with one factor for all numbers of a channel."""
    n, s, c = x.shape
    _factors(state, p, first[0] * c, factor.reshape(-1))
    for i in range(n):
        for j in range(s):
            for k in range(c):
                out[i, j, k] = x[i, j, k] * factor[i, k]


@kernel("g[N,s,c] factor[N,c] -> out[N,s,c]")
def channel_dropout_backward(g, factor, out):
    n, s, c = g.shape
    for i in range(n):
        for j in range(s):
            for k in range(c):
                out[i, j, k] = g[i, j, k] * factor[i, k]


@jit
def _normals(words, normals):
    """Box and Muller's two normal numbers from two words, for elements 16 apart."""
    for pair in range(0, GROUP, 2 * LANES):
        for lane in range(pair, pair + LANES):
            size = math.sqrt(-2 * log((np.float64(words[lane]) + 0.5) * 2.0**-32))
            angle = np.float64(np.int32(words[lane + LANES])) * (math.pi * 2.0**-31)
            normals[lane] = size * near_cos(angle)
            normals[lane + LANES] = size * near_sin(angle)


@kernel("x[N] state:d[3] std:d[1] first:i[1]@N -> out[N]")
def gaussian_noise(x, state, std, first, out):
    """x plus normal numbers with this standard deviation; they are made in double precision and then rounded."""
    words, normals, n = np.empty(GROUP, np.uint32), np.empty(GROUP, np.float64), x.size
    real, begin = x.dtype.type, first[0]
    for group in range(begin // GROUP, (begin + n + GROUP - 1) // GROUP):
        _words(state, group, words)
        _normals(words, normals)
        start = group * GROUP - begin
        for i in range(max(0, start), min(n, start + GROUP)):
            out[i] = x[i] + real(std[0] * normals[i - start])
