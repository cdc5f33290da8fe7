"""Convolutions of images, channels last, by the register tile that reads its numbers from where tables say.

    out[y, x] = act(bias + sum over i, j, c of image[y * stride + i * dilation, x * stride + j * dilation, c] * w[i, j, c])

Pixels of the output are the rows of a product, what the filter covers, (i, j, c), its terms: two tables of positions say
where in the image they are, so nothing is gathered, and stride and dilation cost nothing. The weight gradient is the same
product with the tables exchanged. The input gradient is a convolution of the output's gradient with the weights turned
around; of a stride, in phases: the input pixels with one remainder by the stride meet only some of the filter's taps.

All tables come from the shapes alone. Images are taken one by one, and copied to padded memory only where there is padding.
"""

from typing import NamedTuple

import numpy as np
from numba import types

from ._compile import kernel
from ._gathered import fold_of, folded, gathered, masked_sum
from ._jit import jit
from ._linked import linked
from ._remembered import remembered
from ._subnormals import flush_subnormals, restore
from ._tile import ADD, BIAS, VECTOR_BYTES, ZERO


class Geometry(NamedTuple):
    """The shapes of a convolution: of the input, of the filters, and how these move over it."""

    height: int
    width: int
    channels: int
    kernel: tuple[int, int]
    features: int  # channels of the output
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))
    groups: int = 1

    @property
    def padded(self):
        """The height and width of the padded input."""
        return self.height + sum(self.padding[0]), self.width + sum(self.padding[1])

    @property
    def extent(self):
        """The height and width that a filter covers."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    @property
    def size(self):
        """The height and width of the output."""
        covered = zip(self.padded, self.extent, self.stride, strict=True)
        return tuple((n - e) // s + 1 for n, e, s in covered)

    @property
    def own(self):
        """Whether each channel has one filter of its own."""
        return self.groups > 1 and self.groups == self.channels == self.features

    @property
    def terms(self):
        """How many products a number of the output is the sum of."""
        return self.kernel[0] * self.kernel[1] * (self.channels // self.groups)


# The words of a plan. Of a pass: what it reads, how that is padded, and its phases.
_HEIGHT, _WIDTH, _CHANNELS, _TOP, _LEFT, _PADDED_WIDTH, _PADDED, _GROUPS, _OWN, _FOLD, _PHASES, _AT = range(12)
_ROWS, _TERMS, _AT_ROWS, _AT_OUTS, _AT_TERMS, _FIRST = range(6)  # of a phase
_PASS, _BACK, _AT_WEIGHTS, _AT_TAPS, _TAPS, _EACH, _START = range(7)  # of the whole plan: where passes and tables are


class _Words(list):
    """Words of a plan; tables are appended and found again."""

    def table(self, numbers):
        at = len(self)
        self.extend(np.ravel(numbers).tolist())
        return at


def _pass(words, source, pads, groups, own, phases, fold=1):
    """Append a pass; a phase is (rows, outs, terms, first row of the weights). `fold`: see `folded`."""
    height, width, channels = source
    (top, bottom), (left, right) = pads
    padded = any((top, bottom, left, right))
    records = []
    for rows, outs, terms, first in phases:
        places = [words.table(numbers) for numbers in (rows, outs, terms)]
        records.append([np.size(rows), np.size(terms), *places, first])
    at = words.table(records)
    size = (height + top + bottom) * (width + left + right) * channels if padded else 0
    return words.table(
        [height, width, channels, top, left, width + left + right, size, groups, own, fold, len(records), at]
    )


def _grid(ys, xs, width, channels):
    """Positions of the pixels at these heights and widths."""
    return (np.add.outer(np.multiply(ys, width), xs) * channels).astype(np.int64)


def _terms(ys, xs, width, channels, each):
    """Positions of `each` channels of those pixels."""
    return np.add.outer(_grid(ys, xs, width, channels), np.arange(each))


def _forward(words, geometry):
    """The pass of the convolution itself."""
    g = geometry
    (kh, kw), (dh, dw), (sh, sw), (oh, ow) = g.kernel, g.dilation, g.stride, g.size
    width = g.padded[1]
    rows = _grid(sh * np.arange(oh), sw * np.arange(ow), width, g.channels)
    each = 1 if g.own else g.channels // g.groups
    terms = _terms(dh * np.arange(kh), dw * np.arange(kw), width, g.channels, each)
    outs = np.arange(oh * ow) * g.features
    source = (g.height, g.width, g.channels)
    return _pass(words, source, g.padding, 1 if g.own else g.groups, g.own, [(rows, outs, terms, 0)])


def _phases(size, pad, kernel, stride, dilation):
    """Along one axis: (input positions, the output positions where they start from, taps, how far these go back)."""
    found = []
    for first in range(min(stride, size)):
        inputs, phase = np.arange(first, size, stride), (first + pad) % stride
        taps = np.array([i for i in range(kernel) if i * dilation % stride == phase], np.int64)
        found.append((inputs, (inputs + pad - phase) // stride, taps, (taps * dilation - phase) // stride))
    return found


def _without_border(phase, size):
    """The same in parts, with positions near the border apart and without the taps that reach over it; their first tap."""
    inputs, at, taps, back = phase
    inside = (at[:, None] >= back) & (at[:, None] - back < size)
    for same in np.unique(inside, axis=0) if taps.size else inside[:1]:
        here = (inside == same).all(1)
        yield inputs[here], at[here], taps[same], back[same], int(same.argmax()) if same.any() else 0


def _around(phases, size):
    """How many zeros are needed before and behind an axis of so many outputs."""
    low = min([int(at[0] - back.max()) for _, at, _, back in phases if back.size], default=0)
    high = max([int(at[-1] - back.min()) for _, at, _, back in phases if back.size], default=0)
    return max(0, -low), max(0, high - size + 1)


def _backward(words, geometry, itemsize):
    """The pass of the input gradient, and the words for its weights: their order, fold, and rows."""
    g = geometry
    (oh, ow), each = g.size, 1 if g.own else g.features // g.groups
    fold = 1 if g.own else fold_of(g.channels // g.groups, each, itemsize)
    along = [
        _phases(n, pad[0], *rest)
        for n, pad, *rest in zip((g.height, g.width), g.padding, g.kernel, g.stride, g.dilation, strict=True)
    ]
    around = _around(along[1], ow)  # above and below no zeros are needed
    width = ow + sum(around)
    phases, order = [], []  # type: ignore[var-annotated]
    for phase in along[0]:
        for xs, x, taps_x, back_x in along[1]:
            for ys, y, _, back_y, tap in _without_border(phase, oh):
                rows = _grid(y, x + around[0], width, g.features)
                terms = _terms(-back_y, -back_x, width, g.features, each)[..., ::fold]
                outs, first = _grid(ys, xs, g.width, g.channels), len(order) + tap * taps_x.size
                phases.append((rows, outs, terms, first * each // fold))
            order += np.add.outer(phase[2] * g.kernel[1], taps_x).ravel().tolist()
    groups = 1 if g.own else g.groups
    at = _pass(words, (oh, ow, g.features), ((0, 0), around), groups, g.own, phases, fold)
    words[_TAPS], words[_AT_TAPS], words[_EACH] = len(order), words.table(order), g.channels // g.groups
    return at


def turned_shape(geometry, itemsize):
    """The shape of the weights of the input gradient."""
    g = geometry
    rows, each = g.kernel[0] * g.kernel[1], 1 if g.own else g.features // g.groups
    fold = 1 if g.own else fold_of(g.channels // g.groups, each, itemsize)
    if fold == 1:
        return rows * each, g.channels
    return rows * each // fold * g.groups, 2 * VECTOR_BYTES // itemsize


_PLANS = 2**28  # bytes of tables of each kind that are kept


@remembered(_PLANS)
def forward_plan(geometry):
    """The tables of a convolution."""
    words = _Words([0] * _START)
    words[_PASS] = _forward(words, geometry)
    return np.array(words, np.int64)


@remembered(_PLANS)
def input_plan(geometry, itemsize):
    """The tables of the input gradient alone."""
    words = _Words([0] * _START)
    words[_PASS] = _backward(words, geometry, itemsize)
    return np.array(words, np.int64)


@remembered(_PLANS)
def backward_plan(geometry, itemsize):
    """The tables of the convolution and of both its gradients."""
    words = _Words([0] * _START)
    words[_PASS], words[_BACK] = _forward(words, geometry), _backward(words, geometry, itemsize)
    words[_AT_WEIGHTS] = words.table(np.arange(geometry.terms) * geometry.features)
    return np.array(words, np.int64)


def convolution_workspace(plan, masked=0):
    """How many numbers the kernels need to work with: a padded image for each pass, and an image of gradients."""
    passes = [int(plan[int(at) + _PADDED]) for at in plan[[_PASS, _BACK]] if at]
    return max(1, sum(passes) + masked)


# ---- one image --------------------------------------------------------------------------------------------------------
@jit
def _padded(image, plan, at, work):
    """Copy an image to where zeros are around it."""
    line, wide = plan[at + _WIDTH] * plan[at + _CHANNELS], plan[at + _PADDED_WIDTH] * plan[at + _CHANNELS]
    first = plan[at + _TOP] * wide + plan[at + _LEFT] * plan[at + _CHANNELS]
    for y in range(plan[at + _HEIGHT]):
        for i in range(line):
            work[first + y * wide + i] = image[y * line + i]


@linked(lambda real: [real, types.int64, types.Array(types.int64, 1, "C"), *[types.int64] * 9])
def _convolved(zero, size, plan, at, image, w, inner, features, bias, start, relu, out):
    """All phases and groups of one image; w, of `inner` rows, and all else at these addresses."""
    groups, own, fold = plan[at + _GROUPS], plan[at + _OWN], plan[at + _FOLD]
    tables, each, cols = plan.ctypes.data, plan[at + _CHANNELS] // groups, features // groups
    lanes = VECTOR_BYTES // size
    for f in range(plan[at + _PHASES]):
        phase = plan[at + _AT] + 6 * f
        m, n, first = plan[phase + _ROWS], plan[phase + _TERMS], plan[phase + _FIRST]
        rows, outs = tables + 8 * plan[phase + _AT_ROWS], tables + 8 * plan[phase + _AT_OUTS]
        terms = tables + 8 * plan[phase + _AT_TERMS]
        for group in range(groups):
            X, shift = image + size * group * each, size * group * cols
            if fold > 1:
                weights = w + size * (group * (inner // groups) + first) * 2 * lanes
                folded(
                    zero, size, fold, m, n, cols, X, rows, terms, weights, out + shift, outs, bias + shift, start, relu
                )
            else:
                weights = w + size * first * features + shift
                gathered(
                    zero, size, own, m, n, cols, X, rows, terms, weights, features, out + shift, outs, bias + shift, start, relu
                )  # fmt: skip


def _in_pass(plan, at, features):
    """The multiplications of a pass over one image."""
    at = plan[at]
    phases = plan[plan[at + _AT] :][: 6 * plan[at + _PHASES]].reshape(-1, 6)
    return int(phases[:, _ROWS] @ phases[:, _TERMS] * plan[at + _FOLD]) * features


def _forward_products(sizes, plan):
    return sizes["S"] * _in_pass(plan, _PASS, sizes["n"])


def _both_products(sizes, plan):
    return _forward_products(sizes, plan) + sizes["S"] * _in_pass(plan, _BACK, int(plan[plan[_PASS] + _CHANNELS]))


@kernel("x[S,i] w[k,l] b[c] plan:i[t] -> out[S,m,n] work[s]", products=_forward_products)
def convolve(x, w, b, plan, out, work):
    """One pass of a plan over each image."""
    _convolve(x, w, b, plan, out, work, 0)


@kernel("x[S,i] w[k,l] b[c] plan:i[t] -> out[S,m,n] work[s]", products=_forward_products)
def convolve_relu(x, w, b, plan, out, work):
    """One pass of a plan over each image, and ReLU."""
    _convolve(x, w, b, plan, out, work, 1)


@jit
def _convolve(x, w, b, plan, out, work, relu):
    before = flush_subnormals()
    zero, size, n = out.dtype.type(0), out.itemsize, out.shape[2]
    at, start = plan[_PASS], BIAS if b.size else ZERO
    padded = plan[at + _PADDED]
    work[:padded] = 0
    for s in range(out.shape[0]):
        if padded:
            _padded(x[s], plan, at, work)
        image = work.ctypes.data if padded else x[s].ctypes.data
        _convolved(
            zero, size, plan, at, image, w.ctypes.data, w.shape[0], n, b.ctypes.data, start, relu, out[s].ctypes.data
        )
    restore(before)


@kernel("w[k,n] plan:i[t] -> turned[l,c]")
def turned_weights(w, plan, turned):
    """The weights of the input gradient: (taps, in / groups, out) -> (taps in the order of the plan, out / groups, in)."""
    at, taps, order = plan[_BACK] if plan[_BACK] else plan[_PASS], plan[_TAPS], plan[_AT_TAPS]
    groups, fold = plan[at + _GROUPS], plan[at + _FOLD]
    if plan[at + _OWN]:
        for p in range(taps):
            turned[p] = w[plan[order + p]]
        return
    width, each = w.shape[1] // groups, plan[_EACH]
    rows = turned.shape[0] // groups  # of a group: more than are filled, where the image meets only some taps
    if fold > 1:
        turned[:] = 0
    for p in range(taps):
        tap = plan[order + p]
        for group in range(groups):
            for c in range(each):
                for o in range(width):
                    number = w[tap * each + c, group * width + o]
                    if fold > 1:
                        turned[group * rows + (p * width + o) // fold, c * fold + o % fold] = number
                    else:
                        turned[p * width + o, group * each + c] = number


@jit
def _backward_pass(g, y, x, turned, plan, dx, dw, db, work, relu, want_dx):
    """dw, db and, if wanted, dx; of each image the masked gradient is made, summed and used while it is in the cache."""
    before = flush_subnormals()
    zero, size = dw.dtype.type(0), dw.itemsize
    images, m, n = g.shape
    forward, back, tables = plan[_PASS], plan[_BACK], plan.ctypes.data
    groups, own = plan[forward + _GROUPS], plan[forward + _OWN]
    phase = plan[forward + _AT]
    pixels, taps = tables + 8 * plan[phase + _AT_ROWS], tables + 8 * plan[phase + _AT_TERMS]
    each, cols = plan[forward + _CHANNELS] // groups, n // groups
    masked = work[: m * n if relu else 0]
    padded_x = work[masked.size : masked.size + plan[forward + _PADDED]]
    first = masked.size + padded_x.size
    padded_g = work[first : first + (plan[back + _PADDED] if want_dx else 0)]
    padded_x[:] = 0
    padded_g[:] = 0
    dw[:] = 0
    db[:] = 0
    for s in range(images):
        G, X = g[s].ctypes.data, x[s].ctypes.data
        masked_sum(zero, size, m, n, G, y[s].ctypes.data, masked.ctypes.data, db.ctypes.data, relu)
        if relu:
            G = masked.ctypes.data
        if padded_x.size:
            _padded(x[s], plan, forward, padded_x)
            X = padded_x.ctypes.data
        for group in range(groups):
            shift = size * group * cols
            gathered(
                zero, size, own, dw.shape[0], m, cols, X + size * group * each, taps, pixels, G + shift, n,
                dw.ctypes.data + shift, tables + 8 * plan[_AT_WEIGHTS], 0, ADD, 0
            )  # fmt: skip
        if want_dx:
            if padded_g.size:
                if relu:
                    _padded(masked, plan, back, padded_g)
                else:
                    _padded(g[s].reshape(-1), plan, back, padded_g)
                G = padded_g.ctypes.data
            channels = plan[forward + _CHANNELS]
            _convolved(
                zero, size, plan, back, G, turned.ctypes.data, turned.shape[0], channels, 0, ZERO, 0, dx[s].ctypes.data
            )
    restore(before)


@kernel("g[S,m,n] x[S,i] turned[l,c] plan:i[t] -> dx[S,i] dw[k,n] db[n] work[s]", products=_both_products)
def convolve_backward(g, x, turned, plan, dx, dw, db, work):
    _backward_pass(g, g, x, turned, plan, dx, dw, db, work, False, True)


@kernel("g[S,m,n] y[S,m,n] x[S,i] turned[l,c] plan:i[t] -> dx[S,i] dw[k,n] db[n] work[s]", products=_both_products)
def convolve_relu_backward(g, y, x, turned, plan, dx, dw, db, work):
    _backward_pass(g, y, x, turned, plan, dx, dw, db, work, True, True)


@kernel("g[S,m,n] x[S,i] plan:i[t] -> dw[k,n] db[n] work[s]", products=_forward_products)
def convolve_backward_first(g, x, plan, dw, db, work):
    """Of a first layer, whose input needs no gradient."""
    _backward_pass(g, g, x, dw, plan, x, dw, db, work, False, False)


@kernel("g[S,m,n] y[S,m,n] x[S,i] plan:i[t] -> dw[k,n] db[n] work[s]", products=_forward_products)
def convolve_relu_backward_first(g, y, x, plan, dw, db, work):
    """Of a first layer, whose input needs no gradient."""
    _backward_pass(g, y, x, dw, plan, x, dw, db, work, True, False)
