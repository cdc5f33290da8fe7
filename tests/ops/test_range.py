"""Elementwise ops of one array of floats keep their tolerance over the whole range of exponents, not only at their samples."""

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad._op import Op
from tensorgrad._registry import OPS
from tensorgrad.check.truth import many_digits, twin_gradients, ulps
from tensorgrad.ops._pointwise import pointwise
from tensorgrad.ops.functions import between

DIGITS = 700  # of 1 + x and the like no digit of the smallest x may be lost
DTYPES = ["float32", "float64"]


def elementwise_in_one_array(op):
    """Whether an op takes one array of any shape, without options that it needs, and is held to ulps of each element."""
    if not isinstance(op, Op) or op.variadic or len(op.inputs) != 1 or op.tolerance.per != "element":
        return False
    first = op.samples[0]
    return not first.options and first.arrays(np.random.default_rng(0))[0].shape == ()


NAMES = sorted(name for name, op in OPS.items() if elementwise_in_one_array(op))


def numbers(dtype):
    """60 numbers over all exponents and 60 from 1/1024 to 1024, where most functions turn; both signs."""
    rng, limits = np.random.default_rng(0), np.finfo(dtype)
    exponents = np.concatenate([rng.uniform(limits.minexp, limits.maxexp, 60), rng.uniform(-10, 10, 60)])
    return (np.exp2(exponents) * rng.choice([-1, 1], exponents.size)).astype(dtype)


def too_far(op, dtype):
    """(number, result, ulps) wherever an op misses its tolerance, and at how many numbers it was tried."""
    x, limits, missed, tried = numbers(dtype), np.finfo(dtype), [], 0
    for options in {str(s.options): s.options for s in op.samples}.values():
        with np.errstate(all="ignore"):
            y, truth = op(x, **options), twin_gradients(op, [x], options, None, many_digits(DIGITS))[0]
        assert y.dtype == dtype and y.shape == x.shape
        for i, t in enumerate(truth.tolist()):
            if t == 0 or limits.smallest_normal <= abs(t) <= limits.max:
                tried += 1
                if (far := ulps(y[i : i + 1], truth[i : i + 1], op.tolerance)) > op.tolerance.ulps:
                    missed.append((float(x[i]), float(y[i]), far))
    return missed, tried


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_the_whole_range(name, dtype):
    missed, tried = too_far(OPS[name], dtype)
    assert tried >= 30  # the least have functions of positive numbers, or of those up to 1
    assert not missed, missed


def test_what_is_tried():
    assert len(NAMES) >= 40 and {"exp", "log2", "tan", "erf", "mish", "sqrt", "leaky_relu"} <= set(NAMES)


LN2 = 0.6931471805599453


@pytest.mark.usefixtures("registries")
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_function_that_is_right_near_its_samples_alone_is_caught(dtype):
    @pointwise(twin=lambda x: 2**x, slope=lambda x, y, real: y * real(LN2), samples=between(-3, 3))
    def exp2(x, real):
        """2 to the power of x, with the error of x * log(2) times x."""
        return np.exp(x * real(LN2))

    assert elementwise_in_one_array(exp2) and tg.check_op("exp2", dtypes=[dtype]).ok
    missed, _ = too_far(exp2, dtype)
    assert missed and all(abs(x) > 3 for x, _, _ in missed)
