"""What convolutions share: options, the errors of shapes, and the formulas over windows that the kernels are held against."""

import functools

import numpy as np

from .._op import Op
from .._options import TOO_LARGE, got, is_whole
from ..errors import OptionError, ShapeError, choose
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
def pair_of(name, option, value, least=1):
    """One whole number, or two: for the height and the width."""
    two = (value, value) if is_whole(value, least) else value
    if not (isinstance(two, tuple | list) and len(two) == 2 and all(is_whole(n, least) for n in two)):
        raise OptionError(
            f"{name}: {option} must be a whole number of at least {least}, or two of them, got {got(value)}"
        )
    return int(two[0]), int(two[1])


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


def _hashable(option):
    return tuple(map(_hashable, option)) if isinstance(option, list) else option


def geometry_of(name, images, weight, stride, padding, dilation, groups):
    """The Geometry of a convolution of images of this shape (N, H, W, C); every error of shapes and options."""
    given = (stride, padding, dilation, groups)
    try:
        return _found_geometry(name, images, weight, *given)
    except TypeError:  # lists cannot be looked up
        return _found_geometry.__wrapped__(name, images, weight, *map(_hashable, given))


@functools.lru_cache(1024, typed=True)  # True is no number, though it equals 1
def _found_geometry(name, images, weight, stride, padding, dilation, groups):
    if len(images) != 4 or len(weight) != 4:
        raise ShapeError(
            f"{name}: expected images (N, height, width, channels) and a weight (height, width, in / groups, out), "
            f"got {images} and {weight}"
        )
    stride, dilation = pair_of(name, "stride", stride), pair_of(name, "dilation", dilation)
    if not is_whole(groups, 1):
        raise OptionError(f"{name}: groups must be a positive whole number, got {groups!r}")
    kernel, size, channels, features = weight[:2], images[1:3], images[3], weight[3]
    if 0 in kernel:
        raise ShapeError(f"{name}: a weight of shape {weight} covers no pixel")
    if channels % groups or features % groups:
        raise ShapeError(
            f"{name}: groups={groups} must divide the {channels} channels of images {images} "
            f"and the {features} of the output, by weight {weight}"
        )
    if channels != weight[2] * groups:
        raise ShapeError(
            f"{name}: a weight of shape {weight} in {groups} group{'s' if groups > 1 else ''} "
            f"takes {weight[2] * groups} channels, got images of shape {images}"
        )
    pads = pads_of(name, padding, size, kernel, stride, dilation)
    geometry = Geometry(size[0], size[1], channels, kernel, features, stride, dilation, pads, int(groups))
    if max(geometry.padded) >= TOO_LARGE:
        raise ShapeError(f"{name}: images of shape {images} have, padded, {geometry.padded} pixels, which is too many")
    if any(n < e for n, e in zip(geometry.padded, geometry.extent, strict=True)):
        covers, has = (" x ".join(map(str, n)) for n in (geometry.extent, geometry.padded))
        raise ShapeError(f"{name}: the kernel covers {covers} pixels, images of shape {images} have, padded, {has}")
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
def one_of(name, option, value, least=1):
    if not is_whole(value, least):
        raise OptionError(f"{name}: {option} must be a whole number of at least {least}, got {value!r}")
    return int(value)


def line_padding(name, padding):
    if isinstance(padding, str):
        return choose(name, "padding", padding, {"valid": "valid", "same": "same"})
    both = (padding, padding) if is_whole(padding, 0) else padding
    if not (isinstance(both, tuple | list) and len(both) == 2 and all(is_whole(n, 0) for n in both)):
        raise OptionError(
            f'{name}: padding must be "valid", "same", a whole number, or two (before, behind), got {got(padding)}'
        )
    return (0, 0), (int(both[0]), int(both[1]))


def options_of_a_line(name, stride, padding, dilation, groups):
    stride, dilation = (1, one_of(name, "stride", stride)), (1, one_of(name, "dilation", dilation))
    return {"stride": stride, "padding": line_padding(name, padding), "dilation": dilation, "groups": groups}


def check_options(name, axes, stride, padding, dilation, groups, output_padding=0):
    """Raise an OptionError, in the name of a layer, for options that no images fit; groups are looked at elsewhere."""
    if axes == 1:
        options_of_a_line(name, stride, padding, dilation, groups)
    else:
        stride = pair_of(name, "stride", stride)
        pads_of(name, padding, (1, 1), (1, 1), stride, pair_of(name, "dilation", dilation))
    more = pair_of(name, "output_padding", output_padding, 0)
    least = (1, stride) if axes == 1 else stride
    if any(n and n >= s for n, s in zip(more if axes == 2 else (0, more[1]), least, strict=True)):
        raise OptionError(f"{name}: output_padding must be less than the stride {stride}, got {output_padding!r}")
