"""Products over chosen axes: dot, outer, tensordot and trace, written with other ops, and einsum for all the rest."""

import functools
from string import ascii_letters

import numpy as np

from .._op import op
from .._options import is_real, whole
from .._registry import BY_NUMPY
from .._samples import accumulated, bad, bounded, sample, strided
from ..errors import DTypeError, OptionError, ShapeError
from ..kernels import current
from ._shared import axes_of, axis_of, contiguous
from .elementwise import multiply
from .indexing import diagonal
from .linalg import matmul
from .reduce import sum
from .shape import reshape, transpose


@op(twin=lambda a, b: np.dot(a, b), composed=True, tolerance=accumulated(16), numpy=(np.dot,),
    samples=[sample((3,), (3,)), sample((5, 3), (3, 4)), sample((5, 3), (3,)), sample((3,), (3, 4)), sample((), (2, 3)),
             sample((2, 3), ()), sample((), ()), sample((2, 5, 3), (3, 4)), sample((2, 3), (4, 3, 2)), sample((3,), (2, 3, 4)),
             sample((2, 2, 3), (4, 3, 2)), sample((17, 33), (33, 2)), sample((0, 3), (3, 2)), sample((2, 0), (0, 3)),
             sample(strided(4, 5), (5, 2))],
    errors=[bad((5, 3), (4, 3), error=ShapeError, match="dot: shapes (5, 3) and (4, 3) do not fit: the last axis of the first"),
            bad((3,), (4,), error=ShapeError, match="the first is 3, the last but one of the second (its only one) is 4"),
            bad((3,), (2, 4, 3), error=ShapeError, match="dot: shapes (3,) and (2, 4, 3) do not fit")])  # fmt: skip
def dot(a, b, /):
    """np.dot: the sum of products over the last axis of a and the last but one of b; with a single number, a * b.

    Unlike in matmul, leading axes do not broadcast, the result has those of both: (..., m, k), (***, k, n) -> (..., m, ***, n).

    >>> dot(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    array(11.)
    """
    left, right = np.shape(a), np.shape(b)
    if not left or not right:
        return multiply(a, b)
    if left[-1] != right[-2:][0]:
        raise ShapeError(
            f"dot: shapes {left} and {right} do not fit: the last axis of the first is {left[-1]}, "
            f"the last but one of the second (its only one) is {right[-2:][0]}"
        )
    if len(right) <= 2 or len(left) == 1:
        return matmul(a, b)
    return tensordot(a, b, (-1, -2))


@op(twin=lambda a, b: np.outer(a, b), composed=True, numpy=(np.outer,),
    samples=[sample((3,), (4,)), sample((1,), (1,)), sample((2, 3), (4,)), sample((), (3,)), sample((3,), ()), sample((), ()),
             sample((17,), (33,)), sample((0,), (3,)), sample((67,), (2,)), sample(strided(4, 5), (2,))],
    errors=[bad(lambda rng: np.ones(3, complex), (4,), error=DTypeError, match="outer: dtype complex128 is not supported"),
            bad((3,), lambda rng: np.array(["a"]), error=DTypeError, match="outer: dtype <U1 is not supported"),
            bad((3,), (4,), axis=0, error=TypeError, match="outer has no option 'axis'")])  # fmt: skip
def outer(a, b, /):
    """Every number of a times every number of b: n numbers and m numbers, of any shape -> (n, m).

    >>> outer(np.array([1.0, 2.0]), np.array([3.0, 4.0, 5.0]))
    array([[ 3.,  4.,  5.],
           [ 6.,  8., 10.]])
    """
    return multiply(reshape(a, (int(np.prod(np.shape(a))), 1)), reshape(b, -1))


def _axes_of_both(axes, a, b):
    """The axes of each array that tensordot multiplies and sums over, in order."""
    if isinstance(axes, int | np.integer):
        if not 0 <= axes <= min(len(a), len(b)):
            raise ShapeError(f"tensordot: axes={axes} axes do not exist in both shapes, {a} and {b}")
        return list(range(len(a) - axes, len(a))), list(range(axes))
    axes = axes.tolist() if isinstance(axes, np.ndarray) else axes
    if not isinstance(axes, tuple | list) or len(axes) != 2:
        raise OptionError(
            f"tensordot: axes must be a number, or a pair: the axes of the first and of the second; got {axes!r}"
        )
    pair = []
    for given, shape in zip(axes, (a, b), strict=True):
        given = given if isinstance(given, tuple | list) else (given,)
        axes_of("tensordot", given, len(shape))
        pair.append([int(i) % len(shape) for i in given])
    return pair


def _in_order(x, axes, shape):
    """x with its axes in this order, in another shape."""
    return reshape(x if axes == list(range(len(axes))) else transpose(x, tuple(axes)), shape)


@op(twin=lambda a, b, axes=2: np.tensordot(a, b, axes), composed=True, tolerance=accumulated(16),
    numpy=(np.tensordot, np.linalg.tensordot),
    samples=[sample((2, 3), (2, 3)), sample((5, 3), (3, 4), axes=1), sample((2,), (3,), axes=0), sample((2, 3), (4,), axes=0),
             sample((2, 3, 4), (4, 3, 5), axes=([1, 2], [1, 0])), sample((2, 3, 4), (3, 5), axes=(1, 0)),
             sample((2, 3, 4), (4, 5, 2), axes=((-1, 0), (0, -1))), sample((2, 3, 4), (3, 4), axes=2),
             sample((17, 33), (33, 2), axes=1), sample((2, 0), (0, 3), axes=1), sample((0, 3), (3, 2), axes=1),
             sample((), (), axes=0), sample((2, 3), (2, 3), axes=((), ())), sample(strided(4, 5), (4, 2), axes=(0, 0))],
    errors=[bad((5, 3), (4, 3), axes=1, error=ShapeError, match="axes [1] of the first have lengths [3], axes [0]"),
            bad((2, 3, 4), (4, 3), axes=((1, 2), (0, 1)), error=ShapeError, match="[3, 4], axes [0, 1] of the second [4, 3]"),
            bad((5, 3), (3,), axes=2, error=ShapeError, match="axes=2 axes do not exist in both shapes, (5, 3) and (3,)"),
            bad((5, 3), (3, 4), axes=(2, 0), error=ShapeError, match="axis 2 does not exist in an array with 2 axes"),
            bad((3, 3), (3, 3), axes=((0, 0), (0, 1)), error=ShapeError, match="names one axis twice"),
            bad((5, 3), (3, 4), axes=(1, None), error=ShapeError, match="tensordot: axis must be a whole number"),
            bad((5, 3), (3, 4), axes="ij", error=OptionError, match="axes must be a number, or a pair")])  # fmt: skip
def tensordot(a, b, /, axes=2):
    """The sum of products over axes of both: that many, the last of a and the first of b, or a pair of axes, (of a, of b).

    The result has the other axes of a, then those of b.

    >>> tensordot(np.ones((2, 3)), np.ones((3, 2)), axes=([0, 1], [1, 0]))
    array(6.)
    """
    left, right = np.shape(a), np.shape(b)
    summed_a, summed_b = _axes_of_both(axes, left, right)
    lengths, others = [left[i] for i in summed_a], [right[i] for i in summed_b]
    if lengths != others:
        raise ShapeError(
            f"tensordot: shapes {left} and {right} do not fit: axes {summed_a} of the first have lengths {lengths}, "
            f"axes {summed_b} of the second {others}"
        )
    kept_a = [i for i in range(len(left)) if i not in summed_a]
    kept_b = [i for i in range(len(right)) if i not in summed_b]
    rows, columns = [left[i] for i in kept_a], [right[i] for i in kept_b]
    m, k, n = (int(np.prod(axes)) for axes in (rows, lengths, columns))
    product = matmul(_in_order(a, kept_a + summed_a, (m, k)), _in_order(b, summed_b + kept_b, (k, n)))
    return reshape(product, tuple(rows + columns))


@op(twin=lambda x, offset=0, axis1=0, axis2=1: np.trace(x, offset, axis1, axis2), composed=True, numpy=(np.trace,),
    tolerance=bounded(16),
    samples=[sample((3, 3)), sample((5, 3)), sample((3, 5), offset=1), sample((5, 3), offset=-2), sample((3, 3), offset=4),
             sample((2, 3, 3), axis1=1, axis2=2), sample((2, 3, 4), axis1=0, axis2=-1), sample((2, 3, 4), axis1=2, axis2=1),
             sample((17, 17)), sample((67, 67), offset=-1), sample((0, 3)), sample((1, 1)), sample(strided(4, 5))],
    errors=[bad((3,), error=ShapeError, match="trace: needs a matrix, or more axes, got shape (3,)"),
            bad((3, 3), axis2=2, error=ShapeError, match="axis 2 does not exist in an array with 2 axes"),
            bad((3, 3), axis1=-1, error=ShapeError, match="axis1=-1 and axis2=1 are one axis"),
            bad((3, 3), offset=0.5, error=OptionError, match="trace: offset must be a whole number, got 0.5"),
            bad((3, 3), offset=2**70, error=OptionError, match="too large: numbers must be less than 2**31")])  # fmt: skip
def trace(x, /, offset=0, axis1=0, axis2=1):
    """The sum along the diagonal of two axes; an offset > 0 is above the main one, < 0 below.

    >>> trace(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array(5.)
    """
    shape = np.shape(x)
    if len(shape) < 2:
        raise ShapeError(f"trace: needs a matrix, or more axes, got shape {shape}")
    whole("trace", "offset", offset)
    if axis_of("trace", axis1, len(shape)) == axis_of("trace", axis2, len(shape)):
        raise ShapeError(f"trace: axis1={axis1} and axis2={axis2} are one axis of shape {shape}")
    return sum(diagonal(x, offset, axis1, axis2), -1)


# ---- einsum -----------------------------------------------------------------------------------------------------------
@functools.lru_cache(1000)
def _parsed(subscripts, ndims):
    """The letters of each operand's axes, and of the result's; an ellipsis becomes letters that are not in use."""

    def wrong(what, error=OptionError):
        return error(f"einsum: {subscripts!r} {what}")

    left, arrow, out = subscripts.replace(" ", "").partition("->")
    terms = left.split(",")
    if strange := set(left + out) - set(ascii_letters + ".,"):
        raise wrong(f"has {min(strange)!r} in it; axes are letters, operands end with commas, the result follows '->'")
    if "," in out:
        raise wrong("has a comma after '->'; there is one result")
    if any("." in t.replace("...", "", 1) for t in (*terms, out)):
        raise wrong("has a '.' that is not part of an ellipsis '...', of which each operand may have one")
    if len(terms) != len(ndims):
        raise wrong(f"names {len(terms)} operand{'s' * (len(terms) > 1)}, got {len(ndims)}")
    wide = []
    for i, (term, ndim) in enumerate(zip(terms, ndims, strict=True)):
        letters = len(term.replace("...", ""))
        if ndim < letters or (ndim > letters and "..." not in term):
            hint = "; '...' stands for further axes" if ndim > letters else ""
            raise wrong(f"gives operand {i} the axes {term!r}, but it has {ndim} axes{hint}", ShapeError)
        wide.append(ndim - letters)
    unused = [c for c in ascii_letters if c not in subscripts]
    if max(wide) > len(unused):
        raise wrong(f"needs more than {len(ascii_letters)} letters, with those that '...' stands for")
    dots = "".join(unused[: max(wide)])
    terms = tuple(t.replace("...", dots[len(dots) - n :]) for t, n in zip(terms, wide, strict=True))
    if not arrow:
        once = sorted(c for c in set(left) - set(".,") if left.count(c) == 1)
        return terms, dots + "".join(once)
    if dots and "..." not in out:
        raise wrong("has no '...' in its result for the further axes of its operands")
    for c in out.replace("...", ""):
        if out.count(c) > 1:
            raise wrong(f"has {c!r} twice in its result")
        if c not in left:
            raise wrong(f"has {c!r} in its result, which is an axis of no operand")
    return terms, out.replace("...", dots)


def _lengths(subscripts, terms, operands):
    """The length of each letter's axes; as in NumPy, an axis of length 1 fits any other operand's."""
    found: dict = {}
    for i, (term, x) in enumerate(zip(terms, operands, strict=True)):
        own: dict = {}
        for letter, n in zip(term, x.shape, strict=True):
            before = own.get(letter, found.get(letter, 1))
            if n != before and (letter in own or 1 not in (n, before)):
                axis = f"axis {letter!r}" if letter in subscripts else "an axis of '...'"
                raise ShapeError(f"einsum: {subscripts!r}: {axis} has length {n} in operand {i}, and {before} before")
            own[letter] = n
        for letter, n in own.items():
            found[letter] = n if found.get(letter, 1) == 1 else found[letter]
    return found


def _fitted(subscripts, operands):
    """The letters of the operands and of the result, and the length of each."""
    terms, out = _parsed(subscripts, tuple(x.ndim for x in operands))
    return terms, out, _lengths(subscripts, terms, operands)


def _einsum_rule(i, g, _y, *operands, subscripts, optimize=False):
    """The gradient of one operand: the sum of products of the incoming gradient and all other operands.

    Axes that only this operand has were summed alone: each element has the same gradient. Where a letter stands twice,
    only the diagonal has one.
    """
    terms, out, lengths = _fitted(subscripts, operands)
    term, shape = terms[i], operands[i].shape
    own = dict(zip(term, shape, strict=True))
    others = [(t, x) for j, (t, x) in enumerate(zip(terms, operands, strict=True)) if j != i]
    elsewhere = set(out).union(*(t for t, _ in others))
    kept = "".join(c for c in own if c in elsewhere and own[c] == lengths[c])
    path = optimize if isinstance(optimize, bool | str) else True
    expression = f"{','.join([out, *(t for t, _ in others)])}->{kept}"
    part = _einsum(g, *(x for _, x in others), subscripts=expression, optimize=path)
    left = dict(zip(kept, part.shape, strict=True))
    gx = np.broadcast_to(part.reshape([left.pop(c, 1) for c in term]), shape)
    if len(own) == len(term):
        return gx
    places = np.indices(shape, sparse=True)
    on = np.True_
    for place, c in zip(places, term, strict=True):
        on = on & (place == places[term.index(c)])
    return np.where(np.broadcast_to(on, shape), gx, 0)


def _check_einsum(*operands, subscripts, optimize=False):
    _check_subscripts(subscripts)
    _fitted(subscripts, operands)
    if not (optimize is None or isinstance(optimize, bool) or _is_path(subscripts, operands, optimize)):
        raise OptionError(
            f'einsum: optimize must be True, False, "greedy", "optimal" or a path from np.einsum_path, got {optimize!r}'
        )


def _is_path(subscripts, operands, optimize):
    if isinstance(optimize, tuple | list) and len(optimize) == 2 and is_real(optimize[1]):
        optimize = optimize[0]  # the second is the number of elements that a product may have
    if isinstance(optimize, str):
        return optimize in ("greedy", "optimal")
    if not isinstance(optimize, tuple | list) or not optimize or optimize[0] != "einsum_path":
        return False
    try:
        np.einsum_path(subscripts, *(np.broadcast_to(0.0, x.shape) for x in operands), optimize=optimize)
    except (TypeError, ValueError, KeyError, IndexError, RuntimeError):
        return False
    return True


def _check_subscripts(subscripts):
    if not isinstance(subscripts, str):
        raise OptionError(
            f'einsum: the subscripts come first, a string such as "ij,jk->ik", got {type(subscripts).__name__}'
        )


@op(name="einsum", backward=[_einsum_rule], tolerance=accumulated(16),
    twin=lambda *operands, subscripts, optimize=False: np.einsum(subscripts, *operands),
    check=_check_einsum,
    samples=[sample((5, 3), (3, 4), subscripts="ij,jk->ik"), sample((5, 3), (3, 4), subscripts="ij,jk"),
             sample((5, 3), subscripts="ba"), sample((3, 3), subscripts="ii"), sample((3, 3), subscripts="ii->i"),
             sample((2, 3, 2, 2), subscripts="iaii->a"), sample((3,), (4,), subscripts="i,j->"),
             sample((2, 5, 3), (2, 3, 4), subscripts="...ij,...jk->...ik"),
             sample((2, 1, 5, 3), (4, 1, 3), subscripts="...i,...i"),
             sample((5, 3), (5,), (3,), subscripts="ij,i,j"), sample((4, 2), (4, 3), (3, 2), subscripts="ni,nj,ji->n"),
             sample((1, 3), (2, 3), subscripts="ij,ij->i"), sample((2, 3), (1, 4), subscripts="ij,jk->k"),
             sample((), (2, 3), subscripts=",..."), sample((2, 3, 3), (3,), subscripts="...ii,i->...i"),
             sample((0, 3), (3, 2), subscripts="ij,jk->ik"), sample((2, 0), (0, 3), subscripts="ij,jk->ik"),
             sample((17, 33), (33, 2), subscripts="ij,jk->ki"), sample(strided(4, 5), (5, 4), subscripts="ij,ji"),
             sample((5, 3), (3, 4), (4, 2), subscripts="ij,jk,kl->il", optimize=True)],
    errors=[bad((5, 3), (4, 3), subscripts="ij,jk->ik", error=ShapeError,
                match="einsum: 'ij,jk->ik': axis 'j' has length 4 in operand 1, and 3 before"),
            bad((5, 3), subscripts="ii", error=ShapeError, match="axis 'i' has length 3 in operand 0, and 5 before"),
            bad((2, 3), (3, 3), subscripts="...i,...i", error=ShapeError, match="an axis of '...' has length 3 in operand 1"),
            bad((5, 3), subscripts="i->i", error=ShapeError,
                match="gives operand 0 the axes 'i', but it has 2 axes; '...' stands for further axes"),
            bad((5,), subscripts="ij", error=ShapeError, match="gives operand 0 the axes 'ij', but it has 1 axes"),
            bad((5, 3), subscripts="ij->k", error=OptionError, match="has 'k' in its result, which is an axis of no operand"),
            bad((5, 3), subscripts="ij->ii", error=OptionError, match="has 'i' twice in its result"),
            bad((5, 3), subscripts="i1", error=OptionError, match="has '1' in it; axes are letters"),
            bad((5, 3), subscripts="ij,j", error=OptionError, match="names 2 operands, got 1"),
            bad((5, 3), subscripts="i..", error=OptionError, match="has a '.' that is not part of an ellipsis"),
            bad((5, 3), subscripts="i...->i", error=OptionError, match="has no '...' in its result"),
            bad((5, 3), subscripts=None, error=OptionError, match="the subscripts come first, a string such as"),
            bad((5, 3), subscripts="ij", optimize="best", error=OptionError, match="einsum: optimize must be True, False"),
            bad((5, 3), subscripts="ij->i,j", error=OptionError, match="has a comma after '->'")])  # fmt: skip
def _einsum(*operands, subscripts, optimize=False):
    if current.log is not None:
        current.log.fail("einsum is computed by NumPy")
    arrays = [contiguous(x) for x in operands]  # so that strides do not change the order of the sums
    with np.errstate(all="ignore"):
        y = np.einsum(subscripts, *arrays, optimize=optimize)
    return np.array(y, order="C") if len(operands) == 1 else contiguous(np.asarray(y))  # one operand: it may be a view


def einsum(subscripts, *operands, optimize=False):
    """Sums of products, with a letter for each axis: "ij,jk->ik" is the matrix product, "ii" the trace.

    What NumPy takes as a string: letters that are not in the result are summed over, a letter twice in one operand is
    its diagonal, "..." stands for leading axes that broadcast; without "->" the result has, in the order of the alphabet,
    the letters that stand once. `optimize` is NumPy's: with True, several operands are multiplied in a good order, and
    large matrix products are quicker.

    >>> einsum("ij,j->i", np.array([[1.0, 2.0], [3.0, 4.0]]), np.ones(2))
    array([3., 7.])
    """
    _check_subscripts(subscripts)
    if not operands:
        raise OptionError(f"einsum: {subscripts!r} came without operands")
    return _einsum(*operands, subscripts=subscripts, optimize=optimize)


BY_NUMPY[np.einsum] = einsum
