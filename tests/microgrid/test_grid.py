"""Grids: what goes in comes out, NumPy's functions work on them, and matmul equals NumPy's."""

import doctest
import operator
from fractions import Fraction

import mpmath
import numpy as np
import pytest

import microgrid._grid
import microgrid._numbers
import microgrid.value
from microgrid import Value, grads, grid, values
from microgrid._grid import is_grid, lift, matmul

ctx = mpmath.MPContext()
ctx.dps = 50


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("module", [microgrid.value, microgrid._grid, microgrid._numbers], ids=lambda m: m.__name__)
def test_examples_in_the_documentation(module):
    failed, tried = doctest.testmod(module)
    assert tried > 0
    assert failed == 0


# ---- grid, values, grads ----


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 0, 3), (0,), (1, 1)])
@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "uint8", "bool", ">f8"])
def test_values_of_grid_are_the_numbers(rng, shape, dtype):
    a = (rng.normal(size=shape) * 3 if dtype[-2] == "f" or dtype[0] == "f" else rng.integers(0, 2, shape)).astype(dtype)
    g = grid(a)
    back = values(g)
    assert np.shape(back) == np.shape(g) == shape
    assert np.array_equal(back, a.astype(float))
    if shape:
        assert g.dtype == object
        assert back.dtype == np.float64
        assert all(type(v) is Value and type(v.data) is float and v.parents == () for v in g.flat)
    else:
        assert type(g) is Value
        assert type(back) is float


def test_grid_of_views_lists_and_single_numbers():
    a = np.arange(12.0).reshape(3, 4)
    assert values(grid(a.T[::-1])).tolist() == a.T[::-1].tolist()
    assert values(grid([[1, 2.5], [3, 4]])).tolist() == [[1.0, 2.5], [3.0, 4.0]]
    assert repr(grid(2)) == repr(grid(np.float32(2))) == repr(grid(np.array(2))) == "Value(2.0)"


def test_leaves_of_a_grid_are_all_different():
    g = grid(np.zeros(3))
    g[0].data = 1.0
    assert values(g).tolist() == [1.0, 0.0, 0.0]


def test_numbers_are_taken_over_exactly():
    a = np.array([0.1, 3.0])
    assert values(grid(a, number=Fraction)).tolist() == [Fraction(0.1), 3]
    assert values(grid(a, number=ctx.mpf)).tolist() == [ctx.mpf(0.1), 3]
    assert values(grid([Fraction(1, 3)], number=Fraction))[0] == Fraction(1, 3)
    assert values(grid([1, 2], number=int)).tolist() == [1, 2]
    assert values(grid([10**400, 2], number=int)).tolist() == [10**400, 2]  # which no float holds
    assert type(grid([1], number=int)[0].data) is int
    assert type(grid(np.array([True]), number=Fraction)[0].data) is Fraction


def test_grid_of_nested_values():
    g = grid([0.5, 2.0], number=Value)
    (g**3).sum().backward()
    assert grads(g).tolist() == [0.75, 12.0]
    g[1].grad.backward()
    assert g[1].data.grad == 12.0
    assert values(g).tolist() == [0.5, 2.0]


@pytest.mark.parametrize("number", [Fraction, ctx.mpf])
def test_values_and_grads_of_other_numbers_are_object_arrays(number):
    g = grid([[1, 2]], number=number)
    (g * g)[0, 1].backward()
    for out, expected in ((values(g), [[1, 2]]), (grads(g), [[0, 4]])):
        assert out.dtype == object
        assert out.tolist() == expected
    assert type(grads(g)[0, 1]) is type(number(1))


def test_plain_numbers_count_as_themselves_and_have_no_gradient():
    mixed = np.array([Value(2.0), 3, 0.5, np.float32(1.5)], dtype=object)
    mixed[0].grad = 7
    assert values(mixed).tolist() == [2.0, 3.0, 0.5, 1.5]
    assert grads(mixed).tolist() == [7.0, 0.0, 0.0, 0.0]
    assert values(np.arange(3)).tolist() == [0.0, 1.0, 2.0]
    assert (values(2), values(Value(2.5)), values(np.array(3.0))) == (2, 2.5, 3.0)
    assert values([Value(1.0), 2]).tolist() == [1.0, 2.0]


def test_grads_of_a_bare_value():
    x = Value(3.0)
    assert grads(x) == 0
    (x * x).backward()
    assert grads(x) == 6.0


@pytest.mark.parametrize("array", [Value(1.0), np.array([Value(1.0)]), [1.0, Value(1.0)]])
def test_grid_of_values_is_refused(array):
    with pytest.raises(TypeError) as error:
        grid(array)
    assert str(error.value) == (
        "grid: expected numbers, got Values, which new leaves would cut off from what they were made of; "
        "use them as they are, or grid(values(x)) to start anew"
    )


@pytest.mark.parametrize("f", [grid, lift, values, grads])
@pytest.mark.parametrize(
    ("array", "said"),
    [
        (["a"], "str 'a'; use float(x)"),
        ([None], "None; pass a number"),
        ([1j], "complex 1j; use two Values, its real and its imaginary part"),
    ],
)
def test_elements_that_are_not_numbers(f, array, said):
    with pytest.raises(TypeError) as error:
        f(array)
    expected = f"{f.__name__}: expected a real number (float, int, Fraction or mpf), got {said}"
    assert str(error.value) == expected


# ---- lift, is_grid ----


def test_lift_turns_numbers_into_constants_and_leaves_values_alone():
    g = grid([1.0, 2.0])
    mixed = np.where([True, False], g, 0.5)
    assert type(mixed[1]) is float
    out = lift(mixed)
    assert out[0] is g[0]
    assert (type(out[1]), out[1].data, out[1].parents) == (Value, 0.5, ())
    assert type(mixed[1]) is float  # the input is as it was
    assert lift(g) is g
    assert lift(g[0]) is g[0]


def test_lift_of_numbers_and_of_sums_over_nothing():
    assert repr(lift(2)) == repr(lift(np.int64(2))) == repr(lift(np.array(2))) == "Value(2)"
    assert repr(lift(np.float32(0.5))) == "Value(0.5)"
    assert [type(v) for v in lift(np.arange(2))] == [Value, Value]
    assert values(lift(np.full((2, 0), None).sum(axis=1))).tolist() == [0.0, 0.0]
    assert lift(np.zeros((2, 0))).shape == (2, 0)
    assert lift(np.array([Fraction(1, 3)]))[0].data == Fraction(1, 3)


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (Value(1.0), True),
        (np.array([Value(1.0)]), True),
        (np.array([0.0, Value(1.0)]), True),
        (np.array(Value(1.0)), True),
        (np.empty((0, 2), dtype=object), True),
        (np.empty((0, 2)), False),
        (np.ones(3), False),
        (np.array([Fraction(1)]), False),
        (np.array(["a"], dtype=object), False),
        ([Value(1.0)], False),
        (1.0, False),
        (None, False),
    ],
)
def test_is_grid(x, expected):
    assert is_grid(x) is expected


# ---- NumPy on grids ----

FORMULAS = {
    "exp": np.exp,
    "log": lambda x: np.log(x * x + 1),
    "sqrt": lambda x: np.sqrt(x * x + 1),
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "arctan": np.arctan,
    "abs": np.abs,
    "square": np.square,
    "reciprocal": np.reciprocal,
    "power": lambda x: np.power(x, 3),
    "negative": np.negative,
    "sum": lambda x: x.sum(axis=0),
    "mean": lambda x: x.mean(axis=1, keepdims=True),
    "prod": lambda x: x.prod(axis=1),
    "cumsum": lambda x: np.cumsum(x, axis=1),
    "max": lambda x: x.max(axis=1),
    "maximum": lambda x: np.maximum(x, 0.1),
    "where": lambda x: np.where(x > 0, x, 0.0),
    "masked": lambda x: x * (x > 0),
    "pad": lambda x: np.pad(x * 2, 1),
    "matmul": lambda x: x @ x.T,
    "einsum": lambda x: np.einsum("ij,kj->ik", x, x),
    "windows": lambda x: np.lib.stride_tricks.sliding_window_view(x, (2, 2)).sum(axis=(-1, -2)) ** 2,
    "indexing": lambda x: x[[0, 0, 1], [2, 2, 3]] * x[:, -1],
    "broadcasting": lambda x: x[:, None] - np.arange(4.0) * x,
    "0-d": lambda x: (x * x).sum(),
    "numpy scalar": lambda x: np.float64(2) * x.sum() / np.float32(4),
    "scalar times array": lambda x: x[0, 0] * np.arange(3.0) + np.arange(3.0) * x[1, 1],
}


def slopes(f, x, weights):
    """Gradients of sum(f(x) * weights) by central differences."""
    out = np.empty_like(x)
    for i in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[i] = 1e-6
        out[i] = ((f(x + step) * weights).sum() - (f(x - step) * weights).sum()) / 2e-6
    return out


@pytest.mark.parametrize("name", FORMULAS)
def test_formulas_for_numpy_work_on_grids(rng, name):
    f = FORMULAS[name]
    x = rng.normal(size=(3, 4))
    g = grid(x)
    expected, out = f(x), lift(f(g))
    assert np.shape(out) == np.shape(expected)
    np.testing.assert_allclose(values(out), expected, rtol=1e-14)
    weights = rng.normal(size=np.shape(expected))
    lift(np.asarray(out * weights).sum()).backward()
    np.testing.assert_allclose(grads(g), slopes(f, x, weights), rtol=1e-6, atol=1e-8)


def test_the_check_of_formulas_finds_a_wrong_slope(rng, monkeypatch):
    right = Value.tanh

    def wrong(self):
        y = right(self)
        y.local = (1 - y.data,)
        return y

    monkeypatch.setattr(Value, "tanh", wrong)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        test_formulas_for_numpy_work_on_grids(rng, "tanh")


def test_comparisons_of_grids_are_masks():
    g = grid([-1.0, 0.0, 2.0])
    assert ((g > 0) * 1).tolist() == [0, 0, 1]
    assert (g == grid([-1.0, 1.0, 2.0])).tolist() == [True, False, True]


# ---- matmul ----

SHAPES = [
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((3,), (3, 4)),
    ((2, 3), (3, 4)),
    ((1, 1), (1, 1)),
    ((5, 2, 3), (3, 4)),
    ((2, 3), (5, 3, 4)),
    ((5, 1, 2, 3), (6, 3, 4)),
    ((5, 2, 3), (3,)),
    ((3,), (5, 3, 4)),
    ((2, 0), (0, 3)),
    ((0,), (0,)),
    ((0, 3), (3, 2)),
    ((0, 2, 3), (3, 2)),
]


@pytest.mark.parametrize(("a_shape", "b_shape"), SHAPES)
@pytest.mark.parametrize("kinds", ["grid @ grid", "grid @ array", "array @ grid"])
def test_matmul_equals_numpy(rng, a_shape, b_shape, kinds):
    a, b = rng.normal(size=a_shape), rng.normal(size=b_shape)
    ga, gb = (grid(v) if kind == "grid" else v for v, kind in zip((a, b), kinds.split(" @ "), strict=True))
    if not (is_grid(ga) or is_grid(gb)):
        pytest.fail("one side has to be a grid")
    out, expected = matmul(ga, gb), np.matmul(a, b)
    assert np.shape(out) == expected.shape
    assert type(out) is Value if out is not None and not np.shape(out) else out.dtype == object
    np.testing.assert_allclose(values(out), expected, rtol=1e-13, atol=1e-15)
    assert all(v.op == "dot" for v in np.ravel(out))

    weights = rng.normal(size=expected.shape)
    lift(np.asarray(out * weights).sum()).backward()
    for g, slope in (
        (ga, lambda x: (np.matmul(x, b) * weights).sum()),
        (gb, lambda x: (np.matmul(a, x) * weights).sum()),
    ):
        if is_grid(g):
            x = values(g)
            numeric = np.empty(x.shape)
            for i in np.ndindex(x.shape):
                step = np.zeros(x.shape)
                step[i] = 1e-3  # the product is linear in each side
                numeric[i] = (slope(x + step) - slope(x - step)) / 2e-3
            np.testing.assert_allclose(grads(g), numeric, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("number", [Fraction, ctx.mpf])
def test_matmul_of_other_numbers(number):
    a, b = grid([[1, 2], [3, 4]], number=number), grid([[0.5], [0.25]], number=number)
    out = matmul(a, b)
    out.sum().backward()
    assert values(out).tolist() == [[1], [2.5]]
    assert grads(b).tolist() == [[4], [6]]
    assert type(out[0, 0].data) is type(grads(a)[0, 0]) is type(number(1))


def test_matmul_with_numbers_among_the_values():
    a = np.array([[Value(2.0), 3.0]], dtype=object)
    b = grid([[5.0], [7.0]])
    out = matmul(a, b)
    out[0, 0].backward()
    assert out[0, 0].data == 31.0
    assert (a[0, 0].grad, grads(b).tolist()) == (5.0, [[2.0], [3.0]])


def test_matmul_of_arrays_alone_is_numpys():
    out = matmul(np.ones((2, 3)), np.ones((3, 2)))
    assert out.dtype == np.float64
    assert out.tolist() == [[3.0, 3.0], [3.0, 3.0]]


def test_matmul_makes_one_node_for_each_element():
    a, b = grid(np.ones((2, 3))), grid(np.ones((3, 4)))
    out = matmul(a, b)
    assert set(out[1, 2].parents) == {*a[1], *b[:, 2]}
    array = np.arange(12.0).reshape(3, 4)
    assert matmul(a, array)[1, 2].parents == tuple(a[1])
    assert matmul(a, array)[1, 2].local == tuple(array[:, 2])


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        ((2, 3), (2, 3), "got (2, 3) and (2, 3), in which k is 3 and 2"),
        ((3,), (2,), "got (3,) and (2,), in which k is 3 and 2"),
        ((2, 2, 3), (3, 3, 4), "got (2, 2, 3) and (3, 3, 4), whose leading axes do not broadcast"),
        ((), (3,), "got () and (3,); multiply by a single number with *"),
    ],
)
def test_matmul_of_shapes_that_do_not_fit(a, b, said):
    with pytest.raises(ValueError, match=r"matmul|broadcast"):
        np.matmul(np.zeros(a), np.zeros(b))  # NumPy raises, too
    with pytest.raises(ValueError) as error:
        matmul(grid(np.zeros(a)), grid(np.zeros(b)))
    assert str(error.value) == f"matmul: expected (..., n, k) and (..., k, m), where (k,) may stand for either, {said}"


def test_operators_between_values_and_grids():
    g, x = grid([1.0, 2.0]), Value(3.0)
    for f in (operator.add, operator.sub, operator.mul, operator.truediv, operator.pow):
        assert values(f(x, g)).tolist() == f(3.0, np.array([1.0, 2.0])).tolist()
        assert values(f(g, x)).tolist() == f(np.array([1.0, 2.0]), 3.0).tolist()
