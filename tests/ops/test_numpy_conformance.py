"""An op with a namesake in NumPy takes what that takes: the same options, numbers, layouts and dtypes, with equal results.

Two rules differ for all ops: integers and booleans are computed with as float64, as only floats have gradients, but where
an op only adds or chooses and gives integers like NumPy; and there are no float16, complex numbers, strings, dates,
objects or masks, which are refused by a DTypeError.
"""

import inspect
import warnings

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad._op import Op
from tensorgrad._registry import BY_NUMPY, OPS
from tensorgrad._tensor import FLOATS
from tensorgrad.errors import DTypeError, TensorgradError

pytestmark = pytest.mark.sampled(3)
BY_NAME = {getattr(np, name): op for name, op in OPS.items() if callable(getattr(np, name, None))}
NAMESAKES = {f: BY_NUMPY.get(f, BY_NAME.get(f)) for f in {**BY_NUMPY, **BY_NAME}}
RECORDS = {f: op for f, op in NAMESAKES.items() if isinstance(op, Op)}


def name_of(f):
    return f.__name__ if isinstance(f, np.ufunc) else f"{f.__module__}.{f.__name__}".removeprefix("numpy.")


def each(functions):
    return pytest.mark.parametrize("f", sorted(functions, key=name_of), ids=name_of)


# ---- signatures -------------------------------------------------------------------------------------------------------
# (NumPy's function, parameter): why ours is not in NumPy's signature.
OTHER_PARAMETERS = {("pad", "constant_values"): "NumPy's takes it as one of **kwargs"}


@each(NAMESAKES)
def test_options_have_numpys_names_and_defaults(f):
    op, theirs = NAMESAKES[f], inspect.signature(f).parameters
    options = op.options if isinstance(op, Op) else list(inspect.signature(op).parameters)[1:]
    ours = (op.signature if isinstance(op, Op) else inspect.signature(op)).parameters
    for name in options:
        if (name_of(f), name) in OTHER_PARAMETERS or ours[name].kind is inspect.Parameter.POSITIONAL_ONLY:
            continue
        assert name in theirs, f"{name_of(f)} has no parameter {name!r}"
        expected = theirs[name].default
        if repr(expected) == "<no value>":  # NumPy leaves the default to the array's method
            expected = {"keepdims": False, "dtype": None}.get(name)
        assert ours[name].default == expected or ours[name].default is expected, name


# ---- the samples of the records ---------------------------------------------------------------------------------------
def numpys(f, op, arrays, options):
    """What NumPy makes of a call of the op; None where it raises."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if name_of(f) in OTHER_CALLS:
            return OTHER_CALLS[name_of(f)](*arrays, **options)
        return f(list(arrays), **options) if op.variadic and not isinstance(f, np.ufunc) else f(*arrays, **options)


OTHER_CALLS = {"astype": lambda x, dtype: x.astype(dtype)}  # NumPy's takes it only by position
# Sums of float32 are added up in another order than NumPy's, exp and its like have errors of their own.
NEAR = {np.dtype(np.float32): {"rtol": 2e-6, "atol": 2e-6}, np.dtype(np.float64): {"rtol": 1e-14, "atol": 1e-14}}


def assert_equal(ours, theirs, dtype):
    assert ours.shape == theirs.shape
    assert ours.dtype == dtype
    if dtype in FLOATS:
        finite = theirs[np.isfinite(theirs)]
        near = NEAR[dtype] | {"atol": NEAR[dtype]["atol"] * max(abs(finite).max(initial=0), 1)}
        np.testing.assert_allclose(ours, theirs, **near)
    else:
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@each(RECORDS)
def test_samples_give_what_numpy_gives(f, dtype):
    op, rng = RECORDS[f], np.random.default_rng(0)
    for sample in op.samples:
        arrays = [a.astype(dtype) if a.dtype.kind == "f" else a for a in sample.arrays(rng)]
        with np.errstate(all="ignore"):
            ours = op(*arrays, **sample.options)
        expected = np.asarray(numpys(f, op, arrays, sample.options)).dtype
        # NumPy's float32 sums are less exact
        wide = [a.astype(np.float64) if a.dtype.kind == "f" else a for a in arrays]
        assert_equal(ours, np.asarray(numpys(f, op, wide, sample.options)), expected)


# ---- forms of input, for ops of one or two inputs that need no options ------------------------------------------------
X = np.random.default_rng(1).uniform(0.2, 0.9, (3, 4))
FORMS = {
    "0-d": np.array(0.5), "number": 0.5, "whole number": 1, "True": True, "NumPy's number": np.float32(0.5),
    "list": [[0.5, 0.25, 0.75, 1.0]], "empty": np.zeros((0, 4)), "float32": X.astype(np.float32), "float64": X,
    "float32, 0-d": np.array(0.5, np.float32), "integers": np.arange(1, 5), "int32": np.arange(1, 5, dtype=np.int32),
    "uint8": np.arange(1, 5, dtype=np.uint8), "booleans": np.array([True, False, True, True]), "Fortran": np.asfortranarray(X),
    "strided": np.repeat(X, 2, 1)[:, ::2], "reversed": X[::-1], "broadcast": np.broadcast_to(X[0], (3, 4)),
    "read-only": np.frombuffer(X[0].tobytes()), "big-endian": X.astype(">f8"), "a column": X[:, :1],
    "unaligned": np.frombuffer(b"." + X[0].tobytes(), np.uint8)[1:].view(np.float64),
}  # fmt: skip
# (NumPy's function, form): what NumPy gives something for and the op refuses, and why.
EMPTY = "over no elements NumPy gives NaN with a warning"
VECTOR = "of a vector NumPy makes a matrix of copies"
REFUSED = {
    **{(name, "empty"): EMPTY for name in ("mean", "var", "std")},
    **{(name, form): VECTOR for name in ("tril", "triu")
       for form in ("integers", "int32", "uint8", "booleans", "read-only", "unaligned")},
}  # fmt: skip


def needs_options(op):
    return any(op.signature.parameters[name].default is inspect.Parameter.empty for name in op.options)


UNARY = [f for f, op in RECORDS.items() if len(op.inputs) == 1 and not op.variadic and not needs_options(op)]
BINARY = [f for f, op in RECORDS.items() if isinstance(f, np.ufunc) and len(op.inputs) == 2 and f is not np.matmul]
COMPARISONS = [f for f in NAMESAKES if isinstance(f, np.ufunc) and f not in RECORDS]


def check_forms(f, inputs):
    """The op gives NumPy's numbers and dtype, those of float64 where no input is of floats; or refuses what that refuses."""
    op = NAMESAKES[f]
    given = inputs
    if isinstance(op, Op) and all(np.asarray(x).dtype.kind in "iub" for x in inputs):
        given = [np.asarray(x, np.float64) for x in inputs]
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            theirs = np.asarray(f(*given))
        except (TypeError, ValueError):
            with pytest.raises(TensorgradError):
                op(*inputs)
            return
        ours = np.asarray(op(*inputs))
        if ours.dtype.kind in "iub":
            theirs = np.asarray(f(*inputs))
        assert_equal(ours, theirs, theirs.dtype.newbyteorder("="))


@pytest.mark.parametrize("form", FORMS)
@each(UNARY)
def test_one_input(f, form):
    if (name_of(f), form) in REFUSED:
        with pytest.raises(TensorgradError):
            NAMESAKES[f](FORMS[form])
    else:
        check_forms(f, [FORMS[form]])


@pytest.mark.parametrize("form", FORMS)
@each(BINARY + COMPARISONS)
def test_two_inputs(f, form):
    for other in FORMS:
        check_forms(f, [FORMS[form], FORMS[other]])


# ---- what is refused --------------------------------------------------------------------------------------------------
STRANGE = {
    "float16": np.ones(3, np.float16), "complex": np.ones(3, complex), "strings": np.array(["a", "b"]),
    "objects": np.array([1, 2], object), "dates": np.array(["2020-01-01"], "M8[D]"), "masked": np.ma.array([1.0, 2.0], mask=[1, 0]),
    "ragged": [[1.0], [1.0, 2.0]], "nothing": None,
}  # fmt: skip
NUMERIC = sorted(name for name, op in OPS.items() if isinstance(op, Op) and op.inputs[0] not in op.constants)


@pytest.mark.parametrize("strange", STRANGE)
@pytest.mark.parametrize("name", NUMERIC)
def test_what_is_no_array_of_numbers_is_refused_by_name(name, strange):
    op, rng = OPS[name], np.random.default_rng(0)
    sample = op.samples[0]
    arrays = sample.arrays(rng)
    for others in (arrays, [tg.tensor(a) if a.dtype.kind == "f" else a for a in arrays]):
        if strange == "float16" and (op.variadic or len(others) > 1 or isinstance(others[0], tg.Tensor)):
            continue  # beside others it takes their dtype
        with pytest.raises(DTypeError, match=rf"^{name}: "):
            op(STRANGE[strange], *others[1:], **sample.options)
