"""The second derivative of every op, against that of its twin on Values of Values in 50 digits, on its record's samples."""

import numpy as np
import pytest

import tensorgrad as tg
from microgrid import Value, grid
from microgrid._grid import lift
from tensorgrad._op import Op
from tensorgrad._registry import OPS
from tensorgrad.check.truth import many_digits

pytestmark = pytest.mark.sampled(3)
NAMES = sorted(name for name, op in OPS.items() if isinstance(op, Op) and any(op.differentiable))
MOST = 250  # numbers in a sample: each is a Value of a Value
digits = many_digits(50)


def hessian_times(f, arrays, kinds, directions):
    """The Hessian of f, a function of the arrays that have gradients, times a vector."""
    given = tuple(a for a, k in zip(arrays, kinds, strict=True) if k)

    def of_the_given(*xs):
        left = iter(xs)
        return f(*(next(left) if k else a for a, k in zip(arrays, kinds, strict=True)))

    return [h.numpy() for h in tg.hvp(of_the_given, given, tuple(directions))]


def hessian_times_by_values(f, arrays, kinds, directions):
    """The same by the chain rule on numbers: the gradients of Values of Values are Values."""
    inputs = [
        np.asarray(grid(a, number=lambda x: Value(digits(x)))) if k else a for a, k in zip(arrays, kinds, strict=True)
    ]
    given = [x for x, k in zip(inputs, kinds, strict=True) if k]
    f(*inputs).backward()
    flat = [v for x in given for v in x.flat]
    slopes = [v.grad if isinstance(v.grad, Value) else Value(v.grad or 0) for v in flat]
    Value.dot(slopes, [digits(float(d)) for v in directions for d in np.ravel(v)]).backward()
    return [np.array([float(v.data.grad or 0) for v in x.flat]).reshape(x.shape) for x in given]


@pytest.mark.parametrize("name", NAMES)
def test_second_derivative(name):
    """Of a weighted sum of cubes of the output, so that the gradient that comes in depends on the inputs too."""
    op, rng, compared = OPS[name], np.random.default_rng(0), 0
    for number, sample in enumerate(op.samples):
        arrays = [a.astype(float) if a.dtype.kind == "f" else a for a in sample.arrays(rng)]
        if not sample.gradient or sum(a.size for a in arrays) > MOST:
            continue
        kinds = op.for_each(op.differentiable, arrays)
        directions = [rng.normal(size=a.shape) for a, k in zip(arrays, kinds, strict=True) if k]
        weights = rng.normal(size=op(*arrays, **sample.options).shape)

        def f(*xs, options=sample.options, weights=weights):
            y = op(*xs, **options)
            return (y * y * y * weights).sum()

        def twin(*xs, options=sample.options, weights=weights):
            y = np.asarray(lift(op.twin(*xs, **options))).ravel()
            return Value.dot(list(y * y * y), weights.ravel().tolist())

        with np.errstate(all="ignore"):
            mine = hessian_times(f, arrays, kinds, directions)
        theirs = hessian_times_by_values(twin, arrays, kinds, directions)
        for a, b in zip(mine, theirs, strict=True):
            largest = np.max(np.abs(b), initial=0, where=np.isfinite(b))
            if not largest and op.forward.__module__.endswith("normalisation"):
                largest = 1.0  # terms that cancel to 0 leave their rounding
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11 * largest, err_msg=f"{name}, sample {number}")
            compared += a.size
    assert compared


def test_a_lost_second_derivative_is_noticed(monkeypatch):
    monkeypatch.setattr(OPS["exp"], "backward", [lambda g, y, _x: g * np.array(getattr(y, "_array", y))])
    with pytest.raises(AssertionError, match="exp, sample 0"):
        test_second_derivative("exp")
