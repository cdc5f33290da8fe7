"""Kinds of numbers: exact, of many digits, and IEEE results where Python would raise."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest

from microgrid import Value

ctx = mpmath.MPContext()  # a context of its own: its precision is no business of the rest of the program
ctx.dps = 50
inf, nan = math.inf, math.nan

# name: (on Values, the same on plain mpfs, points). One way of writing serves both where there is no method.# ---- kinds of numbers ----


def test_fractions_stay_exact():
    x, y = Value(Fraction(1, 3)), Value(Fraction(2, 7))
    z = (x * y - 1) / (x + y) ** 2 + abs(-x).relu() * 2 + Value.dot([x, y], [y, 3]) + (1 - y) / 5
    z.backward()
    a, b = x.data, y.data
    expected_x = (b * (a + b) - 2 * (a * b - 1)) / (a + b) ** 3 + 2 + b
    expected_y = (a * (a + b) - 2 * (a * b - 1)) / (a + b) ** 3 + a + 3 - Fraction(1, 5)
    assert (x.grad, y.grad) == (expected_x, expected_y)
    assert type(z.data) is type(x.grad) is type(y.grad) is Fraction


def test_relu_of_a_negative_fraction_is_a_fraction():
    y = Value(Fraction(-1, 3)).relu()
    assert type(y.data) is Fraction
    assert (y.data, y.local) == (0, (0,))


@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "sin", "cos", "tanh", "erf"])
def test_fractions_have_no_functions(name):
    message = f"{name}: a Fraction stays exact and has no {name}; use a float or an mpmath.mpf"
    with pytest.raises(TypeError, match=f"^{message}$"):
        getattr(Value(Fraction(1, 2)), name)()


@pytest.mark.parametrize("f", [lambda x: x / 0, lambda x: 1 / (x - x), lambda x: (x - x) ** -1, lambda x: x / (x * 0)])
def test_fractions_do_not_divide_by_zero(f):
    with pytest.raises(ZeroDivisionError):
        f(Value(Fraction(1, 2)))


@pytest.mark.parametrize("scalar", [np.float64(2), np.float32(2), np.int64(2), np.uint8(2)])
def test_numpy_scalars_become_numbers_of_python(scalar):
    x = Value(3.0)
    nodes = [x + scalar, x - scalar, x * scalar, x / scalar, x**scalar]
    assert [v.data for v in nodes] == [5.0, 1.0, 6.0, 1.5, 9.0]
    reflected = [scalar + x, scalar - x, scalar * x, scalar / x, scalar**x]
    assert [v.data for v in reflected] == [5.0, -1.0, 6.0, 2 / 3, 8.0]
    for node in [*nodes, *reflected, Value(scalar)]:
        assert type(node.data) in (int, float)
        assert all(type(slope) in (int, float) for slope in node.local)
        assert node.parents in ((x,), ())


def test_a_huge_int_from_numpy_does_not_wrap_around():
    assert (Value(2**62) * np.int64(4)).data == 2**64


def test_bools_count_as_ints():
    assert repr(Value(True)) == "Value(1)"
    assert (Value(2.0) * True).local == (1,)
    assert type((Value(2.0) * True).local[0]) is int


# ---- IEEE 754: never an exception, never a complex number ----


def same(a, b):
    return (a != a and b != b) or (a == b and math.copysign(1, a) == math.copysign(1, b))


IEEE = [
    ("exp(1000.0)", lambda: Value(1000.0).exp(), inf, inf),
    ("exp(-1000.0)", lambda: Value(-1000.0).exp(), 0.0, 0.0),
    ("exp(1000)", lambda: Value(1000).exp(), inf, inf),
    ("exp(-10**400)", lambda: Value(-(10**400)).exp(), 0.0, 0.0),
    ("exp(inf)", lambda: Value(inf).exp(), inf, inf),
    ("log(0.0)", lambda: Value(0.0).log(), -inf, inf),
    ("log(-0.0)", lambda: Value(-0.0).log(), -inf, -inf),
    ("log(0)", lambda: Value(0).log(), -inf, inf),
    ("log(-1.0)", lambda: Value(-1.0).log(), nan, -1.0),
    ("log(inf)", lambda: Value(inf).log(), inf, 0.0),
    ("sqrt(0.0)", lambda: Value(0.0).sqrt(), 0.0, inf),
    ("sqrt(-1.0)", lambda: Value(-1.0).sqrt(), nan, nan),
    ("sqrt(10**400)", lambda: Value(10**400).sqrt(), inf, 0.0),
    ("sin(inf)", lambda: Value(inf).sin(), nan, nan),
    ("cos(-inf)", lambda: Value(-inf).cos(), nan, nan),
    ("tanh(inf)", lambda: Value(inf).tanh(), 1.0, 0.0),
    ("arctan(-inf)", lambda: Value(-inf).arctan(), -math.pi / 2, 0.0),
    ("arctan(1e200)", lambda: Value(1e200).arctan(), math.pi / 2, 0.0),
    ("erf(1e200)", lambda: Value(1e200).erf(), 1.0, 0.0),
    ("sigmoid(1000.0)", lambda: Value(1000.0).sigmoid(), 1.0, 0.0),
    ("sigmoid(-1000.0)", lambda: Value(-1000.0).sigmoid(), 0.0, 0.0),
    ("sigmoid(-inf)", lambda: Value(-inf).sigmoid(), 0.0, 0.0),
    ("sigmoid(nan)", lambda: Value(nan).sigmoid(), nan, nan),
    ("relu(0.0)", lambda: Value(0.0).relu(), 0.0, 0.0),
    ("relu(-inf)", lambda: Value(-inf).relu(), 0.0, 0.0),
    ("relu(nan)", lambda: Value(nan).relu(), nan, 1.0),
    ("abs(0.0)", lambda: abs(Value(0.0)), 0.0, 0.0),
    ("abs(-inf)", lambda: abs(Value(-inf)), inf, -1.0),
    ("1.0 / 0", lambda: Value(1.0) / 0, inf, inf),
    ("1 / 0", lambda: Value(1) / 0, inf, inf),
    ("-1 / 0.0", lambda: Value(-1) / 0.0, -inf, inf),
    ("1.0 / -0.0", lambda: Value(1.0) / -0.0, -inf, -inf),
    ("0 / 0", lambda: Value(0) / 0, nan, inf),
    ("inf / 0.0", lambda: Value(inf) / 0.0, inf, inf),
    ("nan / 0.0", lambda: Value(nan) / 0.0, nan, inf),
    ("2 / x at 0.0", lambda: 2 / Value(0.0), inf, -inf),
    ("10**400 / 3", lambda: Value(10**400) / 3, inf, 1 / 3),
    ("0.0 ** -1", lambda: Value(0.0) ** -1, inf, -inf),
    ("-0.0 ** -1", lambda: Value(-0.0) ** -1, -inf, -inf),
    ("-0.0 ** -2", lambda: Value(-0.0) ** -2, inf, inf),
    ("0 ** -1", lambda: Value(0) ** -1, inf, -inf),
    ("0.0 ** 0", lambda: Value(0.0) ** 0, 1.0, 0.0),
    ("0.0 ** 0.0", lambda: Value(0.0) ** 0.0, 1.0, 0.0),
    ("0.0 ** 0.5", lambda: Value(0.0) ** 0.5, 0.0, inf),
    ("0.0 ** 1", lambda: Value(0.0) ** 1, 0.0, 1.0),
    ("-8.0 ** (1/3)", lambda: Value(-8.0) ** (1 / 3), nan, nan),
    ("-8 ** (1/3)", lambda: Value(-8) ** (1 / 3), nan, nan),
    ("10.0 ** 400", lambda: Value(10.0) ** 400, inf, inf),
    ("-10.0 ** 401", lambda: Value(-10.0) ** 401, -inf, inf),
    ("0.5 ** -2000", lambda: Value(0.5) ** -2000, inf, -inf),
    ("10**400 ** -0.5", lambda: Value(10**400) ** -0.5, 0.0, -0.0),
    ("10.0 ** x at 400", lambda: 10.0 ** Value(400), inf, inf),
    ("0.0 ** x at 2.0", lambda: 0.0 ** Value(2.0), 0.0, 0.0),
    ("0.0 ** x at -1.0", lambda: 0.0 ** Value(-1.0), inf, -inf),
    ("inf - inf", lambda: Value(inf) - inf, nan, 1.0),
    ("inf * 0", lambda: Value(inf) * 0, nan, 0.0),
]


@pytest.mark.parametrize(("f", "value", "slope"), [pytest.param(*case[1:], id=case[0]) for case in IEEE])
def test_floats_follow_ieee(f, value, slope):
    node = f()
    assert type(node.data) in (float, int)
    assert same(float(node.data), value), node
    assert same(float(node.local[0]), slope), node.local


@pytest.mark.parametrize(
    ("f", "expected"),
    [
        pytest.param(lambda x: x / 0, inf, id="2 / 0"),
        pytest.param(lambda x: -x / (x - x), -inf, id="-2 / 0"),
        pytest.param(lambda x: 1 / (x - x), inf, id="1 / 0"),
        pytest.param(lambda x: (x - x) / (x - x), nan, id="0 / 0"),
        pytest.param(lambda x: (x - x) ** -1, inf, id="0 ** -1"),
        pytest.param(lambda x: (x - x).log(), -inf, id="log(0)"),
        pytest.param(lambda x: (-x).log(), nan, id="log(-2)"),
        pytest.param(lambda x: (-x).sqrt(), nan, id="sqrt(-2)"),
        pytest.param(lambda x: (-x) ** 0.5, nan, id="-2 ** 0.5"),
    ],
)
def test_mpfs_follow_ieee(f, expected):
    out = f(Value(ctx.mpf(2)))
    assert isinstance(out.data, ctx.mpf)
    assert same(float(out.data), expected)


def test_both_slopes_of_a_power_where_the_base_is_zero():
    x, k = Value(0.0), Value(2.0)
    (x**k).backward()
    assert (x.grad, k.grad) == (0.0, 0)
    x, k = Value(0.0), Value(0.0)
    (x**k).backward()
    assert (x.grad, k.grad) == (0, 0)


def test_sigmoid_keeps_small_slopes():
    for x in (40.0, -40.0, 700.0, -700.0):
        leaf = Value(x)
        leaf.sigmoid().backward()
        assert leaf.grad == pytest.approx(math.exp(-abs(x)), rel=1e-14)
