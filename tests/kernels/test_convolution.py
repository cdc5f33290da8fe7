"""Convolutions of every shape around vectors, tiles and panels: right, and not a number read or written beside them."""

import numpy as np
import pytest

from tensorgrad import kernels
from tensorgrad.kernels import Geometry

GUARD = 77.0


def geometries(count=60):
    """Shapes that meet each way through the kernels, and some at random."""
    pads = ((1, 2), (0, 1))
    fixed = [
        Geometry(1, 1, 1, (1, 1), 1),
        Geometry(7, 6, 40, (3, 3), 33),  # more terms than a panel has
        Geometry(8, 8, 3, (3, 3), 130),  # weights that are packed
        Geometry(8, 8, 130, (3, 2), 3, padding=pads),
        Geometry(6, 5, 8, (3, 3), 16, padding=pads),
        Geometry(6, 5, 4, (2, 2), 8, (3, 2)),
        Geometry(6, 5, 2, (2, 2), 16, (1, 2)),
        Geometry(6, 5, 1, (2, 2), 32, dilation=(2, 1)),
        Geometry(2, 2, 3, (2, 2), 4, (5, 1), (2, 1), ((1, 2), (1, 3))),  # taps that meet no pixel
        Geometry(9, 9, 2, (1, 1), 2, (4, 4)),  # pixels that no tap meets
        Geometry(5, 4, 37, (3, 2), 37, groups=37),
        Geometry(5, 4, 12, (3, 2), 24, groups=3, padding=pads),
        Geometry(5, 4, 3, (3, 2), 6, groups=3),
        Geometry(5, 4, 2, (5, 4), 3),
        Geometry(4, 4, 20, (3, 3), 300, (2, 1)),
    ]
    rng, found = np.random.default_rng(0), []
    while len(found) < count:
        height, width, kh, kw = (int(n) for n in rng.integers(1, 9, 4))
        groups = int(rng.choice([1, 1, 1, 2, 3]))
        channels, features = (groups * int(n) for n in rng.choice([1, 2, 3, 4, 5, 8, 16, 17, 33], 2))
        stride, dilation = ((int(n) for n in rng.integers(1, 4, 2)) for _ in range(2))
        padding = tuple((int(a), int(b)) for a, b in rng.integers(0, 3, (2, 2)))
        g = Geometry(height, width, channels, (kh, kw), features, tuple(stride), tuple(dilation), padding, groups)
        if min(g.size) > 0 and all(n >= e for n, e in zip(g.padded, g.extent, strict=True)):
            found.append(g)
    return fixed + found


class Guarded:
    """Arrays inside larger ones whose other elements must stay as they are, at addresses that are not aligned."""

    def __init__(self, dtype):
        self.dtype, self.all = dtype, []

    def __call__(self, *shape, numbers=None):
        size = int(np.prod(shape))
        whole = np.full(size + 7, GUARD, self.dtype)
        self.all.append(whole)
        array = whole[3 : 3 + size].reshape(shape)
        array[...] = np.nan if numbers is None else numbers  # what is not written shows
        return array

    def intact(self):
        return all((w[:3] == GUARD).all() and (w[-4:] == GUARD).all() for w in self.all)


def truth(g, x, w, back):
    """(output, gradients of x and w), from the definition: one product for each tap and group."""
    (oh, ow), (sh, sw), (dh, dw) = g.size, g.stride, g.dilation
    padded = np.pad(x.reshape(len(x), g.height, g.width, g.channels), ((0, 0), *g.padding, (0, 0)))
    w = w.reshape(*g.kernel, g.channels // g.groups, g.features)
    back = back.reshape(len(x), oh, ow, g.features)
    out, dx, dwt = np.zeros(back.shape), np.zeros(padded.shape), np.zeros(w.shape)
    each, cols = g.channels // g.groups, g.features // g.groups
    for i, j, group in np.ndindex(*g.kernel, g.groups):
        pixels = (
            slice(None),
            slice(i * dh, i * dh + (oh - 1) * sh + 1, sh),
            slice(j * dw, j * dw + (ow - 1) * sw + 1, sw),
        )
        c, f = slice(group * each, (group + 1) * each), slice(group * cols, (group + 1) * cols)
        taken = padded[(*pixels, c)]
        out[..., f] += taken @ w[i, j, :, f]
        dx[(*pixels, c)] += back[..., f] @ w[i, j, :, f].T
        dwt[i, j, :, f] = np.einsum("npqc,npqf->cf", taken, back[..., f])
    (above, _), (left, _) = g.padding
    dx = dx[:, above : above + g.height, left : left + g.width]
    return out.reshape(len(x), oh * ow, g.features), dx.reshape(len(x), -1), dwt.reshape(-1, g.features)


def close(got, expected):
    terms = 4000
    return np.abs(got - expected).max(initial=0) <= terms * np.finfo(got.dtype).eps * np.abs(expected).max(initial=1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_convolutions_and_their_gradients(dtype):
    rng, item = np.random.default_rng(1), np.dtype(dtype).itemsize
    for g in geometries():
        guarded, n = Guarded(dtype), 2
        m = g.size[0] * g.size[1]
        shapes = [(n, g.height * g.width * g.channels), (g.terms, g.features), (g.features,), (n, m, g.features)]
        x, w, b, back = (guarded(*s, numbers=rng.normal(size=s)) for s in shapes)
        forward, backward, inputs = kernels.forward_plan(g), kernels.backward_plan(g, item), kernels.input_plan(g, item)
        out, work = guarded(n, m, g.features), guarded(kernels.convolution_workspace(forward))
        exact, dx, dw = truth(g, *(a.astype(float) for a in (x, w, back)))
        kernels.convolve(x, w, guarded(0), forward, out, work)
        assert close(out, exact), g
        kernels.convolve_relu(x, w, b, forward, out, work)
        assert close(out, np.maximum(exact + b, 0)), g

        work = guarded(kernels.convolution_workspace(backward, m * g.features))
        turned = guarded(*kernels.turned_shape(g, item))
        kernels.turned_weights(w, backward, turned)
        got_x, got_w, got_b = guarded(*x.shape), guarded(*w.shape), guarded(*b.shape)
        kernels.convolve_backward(back, x, turned, backward, got_x, got_w, got_b, work)
        assert close(got_x, dx) and close(got_w, dw) and close(got_b, back.sum((0, 1), dtype=float)), g
        hot = np.where(out > 0, back, 0).astype(float)
        _, dx, dw = truth(g, x.astype(float), w.astype(float), hot)
        kernels.convolve_relu_backward(back, out, x, turned, backward, got_x, got_w, got_b, work)
        assert close(got_x, dx) and close(got_w, dw) and close(got_b, hot.sum((0, 1))), g
        kernels.convolve_relu_backward_first(back, out, x, backward, got_w, got_b, work)
        assert close(got_w, dw) and close(got_b, hot.sum((0, 1))), g

        pixels, work = guarded(n, g.height * g.width, g.channels), guarded(kernels.convolution_workspace(inputs))
        kernels.turned_weights(w, inputs, turned)
        kernels.convolve(np.ascontiguousarray(hot, dtype).reshape(n, -1), turned, guarded(0), inputs, pixels, work)
        assert close(pixels.reshape(n, -1), dx) and guarded.intact(), g


def test_not_a_number_stays_one():
    g = Geometry(5, 5, 2, (3, 3), 3)
    x, w = np.zeros((1, 50)), np.ones((18, 3))
    x[0, 0] = np.nan
    plan, out = kernels.forward_plan(g), np.empty((1, 9, 3))
    kernels.convolve_relu(x, w, np.zeros(3), plan, out, np.empty(kernels.convolution_workspace(plan)))
    assert np.isnan(out[0, 0]).all() and not np.isnan(out[0, 1:]).any()


@pytest.mark.parametrize(
    ("columns", "run", "fold"), [(16, 32, 2), (8, 16, 4), (3, 32, 8), (3, 6, 2), (3, 5, 1), (17, 32, 1)]
)
def test_few_columns_are_folded(columns, run, fold):
    from tensorgrad.kernels._gathered import fold_of
    from tensorgrad.kernels._tile import VECTOR_BYTES

    expected = fold if VECTOR_BYTES == 64 else fold_of(columns, run, 4)
    assert fold_of(columns, run, 4) == expected and run % expected == 0
