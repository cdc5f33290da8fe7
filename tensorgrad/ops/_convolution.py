"""What convolutions share: options, the errors of shapes, and the formulas over windows that the kernels are held against."""

import functools

import numpy as np

from .._op import Op
from .._options import TOO_LARGE, frozen, got, is_whole, whole, wholes
from ..errors import OptionError, ShapeError, choose, layout_hint
from ..kernels import Geometry, constant
from ._shared import contiguous

_NO_BIAS = np.zeros(0, np.float32)


class _Biased(Op):
    """An op whose last input, a bias, may be left out: no numbers stand for it."""

    def __call__(self, *args, **options):
        if len(args) == 2:
            args = (*args, constant(_NO_BIAS))
        elif len(args) > 2 and args[2] is None:
            args = (*args[:2], constant(_NO_BIAS), *args[3:])
        return Op.__call__(self, *args, **options)


def biased(**record):
    return lambda forward: _Biased(forward, **record)


# ---- shapes and options -----------------------------------------------------------------------------------------------
def pads_of(name, padding, size, kernel, stride, dilation):
    """The zeros around an image: ((above, below), (left, right))."""
    if isinstance(padding, str):
        if choose(name, "padding", padding, {"valid": False, "same": True}):
            along = zip(size, kernel, stride, dilation, strict=True)
            every = [max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0) for n, k, s, d in along]
            return tuple((n // 2, n - n // 2) for n in every)
        return (0, 0), (0, 0)
    both = (padding, padding) if is_whole(padding, 0) else padding
    if isinstance(both, tuple | list) and len(both) == 2:
        two = [(n, n) if is_whole(n, 0) else n for n in both]
        if all(isinstance(t, tuple | list) and len(t) == 2 and is_whole(t[0], 0) and is_whole(t[1], 0) for t in two):
            return tuple((int(first), int(last)) for first, last in two)
    raise OptionError(
        f'{name}: padding must be "valid", "same", a whole number, two (height, width), '
        f"or two pairs ((above, below), (left, right)), got {got(padding)}"
    )


_WORDS = {  # of an op on images, and of one on sequences: what they are, of what, their axes and those of a weight
    2: ("images", "pixels", "(N, height, width, channels)", "(height, width, in / groups, out)"),
    1: ("sequences", "steps", "(N, length, channels)", "(width, in / groups, out)"),
}


def geometry_of(name, images, weight, stride, padding, dilation, groups, axes=2):
    """The Geometry of a convolution of images of this shape (N, H, W, C); every error of shapes and options.

    With axes=1 it is that of sequences (N, L, C), as images of height 1.
    """
    given = (stride, padding, dilation, groups)
    try:
        return _found_geometry(name, images, weight, *given, axes)
    except TypeError:  # lists cannot be looked up
        return _found_geometry.__wrapped__(name, images, weight, *map(frozen, given), axes)


@functools.lru_cache(1024, typed=True)  # True is no number, though it equals 1
def _found_geometry(name, images, weight, stride, padding, dilation, groups, axes):
    what, unit, layout, weights = _WORDS[axes]
    if len(images) != axes + 2 or len(weight) != axes + 2:
        raise ShapeError(f"{name}: expected {what} {layout} and a weight {weights}, got {images} and {weight}")
    if axes == 1:
        stride, padding, dilation, _ = options_of_a_line(name, stride, padding, dilation, groups).values()
    stride, dilation = wholes(name, "stride", stride, 2, 1), wholes(name, "dilation", dilation, 2, 1)
    whole(name, "groups", groups, 1)
    kernel, size, channels, features = weight[:-2], images[1:-1], images[-1], weight[-1]
    if 0 in kernel:
        raise ShapeError(f"{name}: a weight of shape {weight} covers no {unit[:-1]}")
    hint = layout_hint(images, weight[-2] * groups)
    if channels % groups or features % groups:
        raise ShapeError(
            f"{name}: groups={groups} must divide the {channels} channels of {what} {images} "
            f"and the {features} of the output, by weight {weight}{hint}"
        )
    if channels != weight[-2] * groups:
        raise ShapeError(
            f"{name}: a weight of shape {weight} in {groups} group{'s' if groups > 1 else ''} "
            f"takes {weight[-2] * groups} channels, got {what} of shape {images}{hint}"
        )
    kernel, size = ((1, *kernel), (1, *size)) if axes == 1 else (kernel, size)
    pads = pads_of(name, padding, size, kernel, stride, dilation)
    geometry = Geometry(size[0], size[1], channels, kernel, features, stride, dilation, pads, int(groups))
    if max(geometry.padded) >= TOO_LARGE:
        raise ShapeError(
            f"{name}: {what} of shape {images} have, padded, {geometry.padded[-axes:]} {unit}, which is too many"
        )
    if any(n < e for n, e in zip(geometry.padded, geometry.extent, strict=True)):
        covers, has = (" x ".join(map(str, n[-axes:])) for n in (geometry.extent, geometry.padded))
        raise ShapeError(f"{name}: the kernel covers {covers} {unit}, {what} of shape {images} have, padded, {has}")
    return geometry


def check_bias(name, b, features):
    if b.shape not in ((features,), (0,)):
        raise ShapeError(f"{name}: expected a bias ({features},), or none, got {b.shape}")


def as_images(x):
    """Images as a matrix, one each row."""
    return contiguous(x).reshape(x.shape[0], x.shape[1] * x.shape[2] * x.shape[3])


def as_pixels(g):
    """Images (N, H, W, C) as (N, H * W, C)."""
    return contiguous(g).reshape(g.shape[0], g.shape[1] * g.shape[2], g.shape[3])


def as_weights(w):
    """A weight as a matrix: a row for each of the numbers that a filter covers."""
    return contiguous(w).reshape(w.shape[0] * w.shape[1] * w.shape[2], w.shape[3])


# ---- twins: the formulas, over windows --------------------------------------------------------------------------------
def product(a, b):
    from microgrid._grid import matmul

    return matmul(a, b)


def windows_of(x, geometry):
    """What the filters cover: (N, H, W, C) -> (N, out height, out width, taps, C)."""
    g = geometry
    x = np.pad(x, ((0, 0), *g.padding, (0, 0)))
    (oh, ow), (sh, sw), (dh, dw) = g.size, g.stride, g.dilation
    taps = [
        x[:, i * dh : i * dh + (oh - 1) * sh + 1 : sh, j * dw : j * dw + (ow - 1) * sw + 1 : sw]
        for i in range(g.kernel[0]) for j in range(g.kernel[1])
    ]  # fmt: skip
    return np.stack(taps, axis=3)


def in_groups(x, groups):
    """The channels of each group."""
    return np.split(x, groups, axis=-1)


def convolved_twin(x, w, geometry):
    n, (oh, ow), groups = x.shape[0], geometry.size, geometry.groups
    windows = in_groups(windows_of(x, geometry), groups)
    parts = [
        product(c.reshape(n, oh, ow, geometry.terms), v.reshape(geometry.terms, geometry.features // groups))
        for c, v in zip(windows, in_groups(w, groups), strict=True)
    ]
    return np.concatenate(parts, axis=-1)


def input_twin(g, w, geometry):
    (height, width), (oh, ow) = geometry.padded, geometry.size
    (sh, sw), (dh, dw) = geometry.stride, geometry.dilation
    total = np.zeros((g.shape[0], height, width, geometry.channels), object)
    for tap in np.ndindex(geometry.kernel):
        i, j = tap[0] * dh, tap[1] * dw
        parts = zip(in_groups(g, geometry.groups), in_groups(w[tap], geometry.groups), strict=True)
        back = np.concatenate([product(a, v.T) for a, v in parts], axis=-1)
        total[:, i : i + (oh - 1) * sh + 1 : sh, j : j + (ow - 1) * sw + 1 : sw] += back
    (above, _), (left, _) = geometry.padding
    return total[:, above : above + geometry.height, left : left + geometry.width]


def weight_twin(x, g, geometry):
    rows = g.shape[0] * g.shape[1] * g.shape[2]
    windows, groups = in_groups(windows_of(x, geometry), geometry.groups), in_groups(g, geometry.groups)
    parts = [
        product(c.reshape(rows, geometry.terms).T, v.reshape(rows, v.shape[-1]))
        for c, v in zip(windows, groups, strict=True)
    ]
    shape = (*geometry.kernel, geometry.channels // geometry.groups, geometry.features)
    return np.concatenate(parts, axis=-1).reshape(shape)


# ---- one axis, and layers -------------------------------------------------------------------------------------------------
def _padding_of_a_line(name, padding):
    if isinstance(padding, str):
        return choose(name, "padding", padding, {"valid": "valid", "same": "same"})
    both = (padding, padding) if is_whole(padding, 0) else padding
    if not (isinstance(both, tuple | list) and len(both) == 2 and all(is_whole(n, 0) for n in both)):
        raise OptionError(
            f'{name}: padding must be "valid", "same", a whole number, or two (before, behind), got {got(padding)}'
        )
    return (0, 0), (int(both[0]), int(both[1]))


def options_of_a_line(name, stride, padding, dilation, groups):
    """The options of a convolution of sequences, for images of height 1."""
    stride, dilation = (1, whole(name, "stride", stride, 1)), (1, whole(name, "dilation", dilation, 1))
    return {"stride": stride, "padding": _padding_of_a_line(name, padding), "dilation": dilation, "groups": groups}


def checked_output_padding(name, output_padding, axes, stride, padding):
    """The output_padding of a transposed convolution, for height and width."""
    more = (0,) * (2 - axes) + wholes(name, "output_padding", output_padding, axes, 0)
    if any(n and n >= s for n, s in zip(more, stride, strict=True)):
        raise OptionError(
            f"{name}: output_padding must be less than the stride {stride[-axes:]}, got {output_padding!r}"
        )
    if any(more) and isinstance(padding, str) and padding == "same":
        raise OptionError(f'{name}: output_padding has no meaning with padding="same", got {output_padding!r}')
    return more


def check_options(name, axes, stride, padding, dilation, groups, output_padding=0):
    """Raise an OptionError, in the name of a layer, for options that no images fit."""
    whole(name, "groups", groups, 1)
    if axes == 1:
        stride, padding, dilation, _ = options_of_a_line(name, stride, padding, dilation, groups).values()
    stride, dilation = wholes(name, "stride", stride, 2, 1), wholes(name, "dilation", dilation, 2, 1)
    pads_of(name, padding, (1, 1), (1, 1), stride, dilation)
    checked_output_padding(name, output_padding, axes, stride, padding)
