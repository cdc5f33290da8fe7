"""What options of ops, layers and optimizers may be: whole numbers, real numbers, and flags."""

import math
from difflib import get_close_matches

import numpy as np

from .errors import OptionError, choose

TOO_LARGE = 2**31  # sizes, steps and counts are less, so that products of two of them fit into 64 bits


def is_whole(value, least=1 - TOO_LARGE):
    """Whether it is a whole number, Python's or NumPy's, of at least `least` and less than 2**31.

    >>> is_whole(2), is_whole(np.int8(0), 1), is_whole(True), is_whole(2.0), is_whole(2**70)
    (True, False, False, False, False)
    """
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and least <= int(value) < TOO_LARGE


def whole(owner, option, value, least=None):
    """A whole number as an int; OptionError unless it is one of at least `least`, and of less than 2**31 either way.

    >>> whole("trace", "offset", np.int64(3))
    3
    """
    if is_whole(value) and (least is None or value >= least):
        return int(value)
    raise OptionError(f"{owner}: {option} must be {_number(least)}, got {got(value)}")


def wholes(owner, option, value, count, least):
    """Whole numbers of at least `least`, one for each of `count` axes, as a tuple; OptionError for anything else.

    They are given as one number for all axes, or as a tuple or list.

    >>> wholes("conv2d", "stride", 2, 2, 1), wholes("conv2d", "stride", [2, 1], 2, 1)
    ((2, 2), (2, 1))
    """
    given = tuple(value) if isinstance(value, tuple | list) else (value,) * count
    if len(given) != count or not all(is_whole(v, least) for v in given):
        several = {1: "", 2: ", or two of them"}.get(count, f", or {count} of them")
        raise OptionError(f"{owner}: {option} must be {_number(least)}{several}, got {got(value)}")
    return tuple(int(v) for v in given)


def _number(least):
    return {None: "a whole number", 1: "a positive whole number"}.get(least, f"a whole number of at least {least}")


def frozen(option):
    """An option that nobody can change: lists, also those in it, as tuples.

    >>> frozen([[1, 2], 3]), frozen("same")
    (((1, 2), 3), 'same')
    """
    return tuple(map(frozen, option)) if isinstance(option, list | tuple) else option


def got(value):
    """What an option was, in an error: its repr, and a remark where it, or a number in it, is too large.

    >>> got((2**31, 1))
    '(2147483648, 1), which is too large: numbers must be less than 2**31'
    """
    inside = value if isinstance(value, tuple | list) else [value]
    large = any(isinstance(v, int | np.integer) and abs(int(v)) >= TOO_LARGE for v in inside)
    return f"{value!r}{', which is too large: numbers must be less than 2**31' if large else ''}"


def is_real(value):
    """Whether it is a real number, Python's or NumPy's, that a float can hold; NaN and infinities are.

    >>> is_real(1), is_real(np.float32(0.5)), is_real(True), is_real("1"), is_real(10**400)
    (True, True, False, False, False)
    """
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return False
    try:
        return math.isfinite(value) or True
    except OverflowError:
        return False


def number(owner, option, value, low=-math.inf, most=math.inf, *, above=False, below=math.inf, single=False):
    """A finite number as a float: at least `low` (or above it), at most `most`, below `below`; OptionError for anything else.

    With `single` it must be so after rounding to float32, too, as float32 models compute with it.

    >>> number("LayerNorm", "eps", np.float32(0.5), 0)
    0.5
    >>> number("SGD", "lr", 1e-50, 0, above=True, single=True)
    Traceback (most recent call last):
    tensorgrad.errors.OptionError: SGD: lr must be a number above 0, got 1e-50
    """
    with np.errstate(over="ignore"):
        found = np.float32(value) if single and is_real(value) else value
    if (
        not is_real(found)
        or not math.isfinite(found)
        or not (found > low if above else found >= low)
        or not found <= most
        or not found < below
    ):
        raise OptionError(f"{owner}: {option} must be {_bounds(low, most, above, below)}, got {value!r}")
    return float(value)


def _bounds(low, most, above, below):
    if low > -math.inf and most < math.inf:
        return f"a number from {low:g} to {most:g}"
    words = [f"{'above' if above else 'of at least'} {low:g}"] * (low > -math.inf)
    words += [f"at most {most:g}"] * (most < math.inf) + [f"below {below:g}"] * (below < math.inf)
    return f"a number {' and '.join(words)}" if words else "a finite number"


def flag(owner, option, value):
    """True or False, Python's or NumPy's, or 1 or 0, as a bool; OptionError for anything else.

    >>> flag("sum", "keepdims", np.True_)
    True
    """
    if value is True or value is False:
        return value
    if isinstance(value, np.bool_) or (is_whole(value, 0) and value < 2):
        return bool(value)
    raise OptionError(f"{owner}: {option} must be True or False, got {value!r}")


def refuse_unknown(owner, given, known, elsewhere):
    """OptionError for the first given name that is not known; `elsewhere` maps other libraries' names to what is written
    instead: the name of an option here, or a few words.

    >>> refuse_unknown("Dense", {"in_features": 2}, ["in_features", "out_features"], {"units": "out_features"})
    """
    for name in given:
        if name not in known:
            other, near = elsewhere.get(name, ""), get_close_matches(name, known, n=1)
            if other and (other in known or not other.isidentifier()):
                hint = f"; use {other}"
            else:
                hint = f"; did you mean {near[0]!r}?" if near else ""
            raise OptionError(f"{owner}: unknown option {name!r}{hint} (known: {', '.join(known)})")


def float_dtype(owner, dtype):
    """The dtype of a layer's numbers; OptionError unless it is float32 or float64, by name, as a type or a dtype.

    >>> float_dtype("Dense", np.float32)
    dtype('float32')
    """
    try:
        name = str(np.dtype(dtype)) if isinstance(dtype, type | np.dtype) else dtype
    except TypeError:  # a class that is no dtype
        name = dtype
    return np.dtype(choose(owner, "dtype", name, {"float32": np.float32, "float64": np.float64}))
