"""Tensor: creation, NumPy's names, indexing, reductions, moving and joining, Python's operators."""

import operator

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import ops
from tensorgrad.errors import DTypeError, GraphError, ShapeError


def leaf(*shape, dtype="float32", low=0.5, high=2.0):
    """A leaf with distinct numbers of that shape."""
    return tg.tensor(np.linspace(low, high, int(np.prod(shape))).reshape(shape).astype(dtype), requires_grad=True)


def check(f, *arrays):
    """f gives NumPy's value, in float64, and a gradient that agrees with central differences."""
    arrays = [np.asarray(a, np.float64) for a in arrays]
    np.testing.assert_allclose(f(*[tg.tensor(a) for a in arrays]).numpy(), f(*arrays), rtol=1e-14, atol=1e-15)
    weight = np.cos(np.arange(np.size(f(*arrays)))).reshape(np.shape(f(*arrays)))
    assert tg.gradcheck(lambda *ts: (f(*ts) * weight).sum(), *arrays)


def grid(*shape):
    return np.sin(np.arange(1.0, np.prod(shape) + 1)).reshape(shape)


# ---- creation --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("x", "dtype", "expected"),
    [
        (1.5, None, "float32"), ([1.0, 2.0], None, "float32"), ([[1, 2]], None, "int64"), (True, None, "bool"),
        (np.ones(2), None, "float64"), (np.float64(1), None, "float64"), (np.ones(2, "float32"), None, "float32"),
        ([1, 2], "float64", "float64"), (np.ones(2), "float32", "float32"), ([], None, "float32"),
    ],
)  # fmt: skip
def test_tensor_dtype(x, dtype, expected):
    t = tg.tensor(x, dtype=dtype)
    assert t.dtype == expected
    assert t.shape == np.shape(x)


def test_tensor_copies_what_it_is_given():
    x = np.zeros(3)
    t = tg.tensor(x)
    u = tg.tensor(t)
    x[0], u[1] = 5, 7
    assert t.numpy().tolist() == [0, 0, 0]


def test_tensor_of_a_fortran_array_is_contiguous():
    assert tg.tensor(np.asfortranarray(grid(3, 4))).data.flags.c_contiguous


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: tg.tensor("a"), "tensor: dtype <U1 is not supported; use float32, float64, integers or bool"),
        (lambda: tg.tensor([1j]), "tensor: dtype complex128 is not supported; use float32, float64, integers or bool"),
        (lambda: tg.tensor(None), "tensor: dtype object is not supported; use float32, float64, integers or bool"),
        (lambda: tg.tensor([[1.0], [1.0, 2.0]]), "tensor: expected numbers of one shape, got list: "),
        (
            lambda: tg.tensor([1, 2], requires_grad=True),
            'tensor: only float32 and float64 have gradients, got int64; pass dtype="float32"',
        ),
    ],
)
def test_tensor_errors(make, text):
    with pytest.raises(DTypeError) as error:
        make()
    assert str(error.value).startswith(text)


def test_the_class_refuses_what_is_not_an_array():
    with pytest.raises(DTypeError, match=r"tg\.tensor"):
        tg.Tensor([1.0, 2.0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_repr_is_numpys(dtype):
    kind = "" if dtype == "float32" else ", dtype=float64"
    assert repr(tg.tensor([1, 2], dtype=dtype)) == f"tensor([1., 2.]{kind})"
    assert repr(tg.tensor([1, 2], True, dtype)) == f"tensor([1., 2.]{kind}, requires_grad=True)"
    assert repr(tg.tensor([1, 2], True, dtype) * 2) == f"tensor([2., 4.]{kind}, op='multiply')"


# ---- plain numbers ---------------------------------------------------------------------------------------------------
def test_numbers_of_one_element():
    t = tg.tensor([[2.5]])
    assert (t.item(), float(t), int(t), bool(t)) == (2.5, 2.5, 2, True)
    assert [10, 20, 30][tg.tensor(1)] == 20


@pytest.mark.parametrize("f", [lambda t: t.item(), float, bool])
def test_many_elements_are_not_one_number(f):
    with pytest.raises(ShapeError, match=r"^item: a tensor of shape \(2,\) is not one number; use \.numpy\(\)$"):
        f(tg.tensor([1.0, 2.0]))


def test_len_and_iteration():
    t = leaf(3, 2)
    assert len(t) == 3
    assert [row.shape for row in t] == [(2,)] * 3
    with pytest.raises(TypeError, match=r"^len\(\) of a tensor without axes; use \.item\(\)$"):
        len(tg.tensor(1.0))


def test_numpy_refuses_to_lose_a_gradient():
    with pytest.raises(GraphError, match=r"np\.asarray of a tensor that requires a gradient would lose it"):
        np.asarray(leaf(2))
    assert np.asarray(leaf(2).detach()).tolist() == [0.5, 2.0]


# ---- operators -------------------------------------------------------------------------------------------------------
OPERATORS = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]
OTHERS = {
    "tensor": lambda: tg.tensor([1.5, 2.0, 3.0]),
    "list": lambda: [1.5, 2.0, 3.0],
    "float": lambda: 2.5,
    "int": lambda: 3,
    "bool": lambda: True,
    "float64": lambda: np.array([1.5, 2.0, 3.0]),
    "int64": lambda: np.array([1, 2, 3]),
    "row": lambda: np.ones((2, 1), "float32") * 2,
    "np.float64": lambda: np.float64(2.5),
    "np.float32": lambda: np.float32(2.5),
}


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("f", OPERATORS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("left", [True, False], ids=["t.x", "x.t"])
def test_operators_keep_float32(f, kind, left):
    t, other = leaf(3), OTHERS[kind]()
    plain = other.numpy() if isinstance(other, tg.Tensor) else np.asarray(other)
    y = f(t, other) if left else f(other, t)
    assert isinstance(y, tg.Tensor)
    assert y.dtype == np.float32
    expected = f(t.numpy().astype(float), plain) if left else f(plain, t.numpy().astype(float))
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-6)
    y.sum().backward()
    assert t.grad.dtype == np.float32
    wide = tg.grad(lambda u: (f(u, plain) if left else f(plain, u)).sum())(t.numpy().astype(float))
    np.testing.assert_allclose(t.grad, wide.numpy(), rtol=1e-5)


@pytest.mark.parametrize("f", [lambda t, u: t @ u, lambda t, u: u.T @ t.reshape(3, 1)], ids=["t@u", "u@t"])
def test_products_with_plain_float64_keep_float32(f):
    t = leaf(3)
    f(t, grid(3, 2)).sum().backward()
    assert t.grad.dtype == np.float32


def test_product_with_a_list():
    t = leaf(2)
    (t @ [[1.0, 2.0], [3.0, 4.0]]).sum().backward()
    assert t.grad.tolist() == [3, 7]


@pytest.mark.parametrize("f", [operator.neg, operator.pos, abs], ids=lambda f: f.__name__)
def test_unary_operators(f):
    check(f, [-1.5, 2.0])


@pytest.mark.parametrize("f", [operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne])
def test_comparisons_are_plain_arrays(f):
    x, y = np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 2.0])
    for result in (f(tg.tensor(x), tg.tensor(y)), f(tg.tensor(x), y), f(x, tg.tensor(y)), f(tg.tensor(x), 2)):
        assert type(result) is np.ndarray
        assert result.tolist() == f(x, y).tolist()


@pytest.mark.parametrize("other", [None, "a"], ids=repr)
def test_equal_to_something_else_is_false_as_in_numpy(other):
    assert not np.any(tg.tensor([1.0, 2.0]) == other)
    assert np.all(tg.tensor([1.0, 2.0]) != other)


def test_a_tensor_is_a_key_by_identity():
    a, b = tg.tensor(1.0), tg.tensor(1.0)
    assert {a: 1, b: 2}[a] == 1


def test_integers_become_float64_in_arithmetic():
    assert (tg.tensor([1, 2]) * 2).dtype == np.float64
    assert ops.sign(tg.tensor([1, -2])).dtype == np.float64


def test_in_place_on_integers_never_truncates():
    t = tg.tensor([1, 2])
    with pytest.raises(DTypeError, match="int64"):
        t -= 0.5


@pytest.mark.parametrize("f", [operator.add, operator.matmul, lambda a, b: np.concatenate([a, b]), np.maximum])
def test_mixed_dtypes_are_an_error(f):
    with pytest.raises(
        DTypeError, match=r"the tensors have different dtypes \(float32, float64\); bring them to one with"
    ):
        f(leaf(3), leaf(3, dtype="float64"))


@pytest.mark.parametrize(("other", "dtype"), [(1j, "complex128"), ("a", "<U1")])
def test_operands_that_are_no_numbers(other, dtype):
    with pytest.raises(DTypeError, match=f"^add: dtype {dtype} is not supported; use float32 or float64$"):
        leaf(2) + other


def test_none_is_probably_a_forgotten_return():
    with pytest.raises(DTypeError, match=r"^add: got None in place of an array; did a forward forget its return\?$"):
        leaf(2) + None


# ---- NumPy's names ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "square", "sin", "cos", "tanh", "abs", "negative"])
def test_functions_of_one_number(name):
    x = grid(2, 3) ** 2 + 0.1
    check(getattr(ops, name), x)
    np.testing.assert_allclose(getattr(ops, name)(x), getattr(np, name)(x), rtol=1e-15)


@pytest.mark.parametrize(
    "shapes",
    [((2, 3), (3,)), ((2, 1), (1, 3)), ((), (2, 3)), ((4, 1, 3), (2, 1)), ((1,), (1, 1)), ((0, 3), (3,))],
    ids=str,
)
@pytest.mark.parametrize(
    "f", [operator.add, operator.sub, operator.mul, np.maximum, np.minimum], ids=lambda f: f.__name__
)
def test_broadcasting(f, shapes):
    check(f, *(grid(*s) + 0.3 * i for i, s in enumerate(shapes)))


@pytest.mark.parametrize(
    "shapes",
    [((3,), (3,)), ((3,), (3, 2)), ((2, 3), (3,)), ((2, 3), (3, 4)), ((5, 2, 3), (3, 4)), ((5, 2, 3), (5, 3, 4)),
     ((2, 1, 2, 3), (5, 3, 2)), ((3,), (2, 3, 4)), ((2, 5, 3), (3,)), ((2, 3), (4, 3, 2)), ((0, 3), (3, 2))],
    ids=str,
)  # fmt: skip
def test_matmul(shapes):
    check(operator.matmul, *(grid(*s) for s in shapes))


@pytest.mark.parametrize(
    ("a", "b", "text"),
    [
        ((2, 3), (2, 3), "do not fit: the last axis of the first is 3, the rows of the second are 2"),
        ((), (3,), "a number has no matrix product; use *"),
        ((2, 5, 3), (3, 3, 4), "the leading axes (2,) and (3,) do not broadcast"),
    ],
)
def test_matmul_errors(a, b, text):
    with pytest.raises(ShapeError) as error:
        leaf(*a) @ leaf(*b)
    assert text in str(error.value)


# ---- indexing --------------------------------------------------------------------------------------------------------
INDICES = {
    "int": 1,
    "negative": -1,
    "slice": slice(None, None, -2),
    "pair": (1, 2),
    "row and slice": (0, slice(1, 3)),
    "ellipsis": (..., 1),
    "newaxis": (None, 0, None),
    "list": [0, 2, 1],
    "repeated": [1, 1, 1, -1],
    "two lists": ([0, 1, 1], [2, 0, 0]),
    "outer": (np.array([[0], [2]]), np.array([1, 1])),
    "empty": np.zeros(0, int),
    "bool matrix": grid(4, 3) > 0,
    "bool rows": np.array([True, False, True, True]),
    "bool and int": (np.arange(4) > 1, 0),
    "list and slice": ([1, 1], slice(None)),
    "slice and list": (slice(None), [2, 2, 0]),
    "whole": (),
    "int64": np.int64(2),
    "slice, list of 3-d": (slice(1, 3), [0, 0], None),
}


@pytest.mark.parametrize("name", INDICES)
def test_index(name):
    check(lambda x: x[INDICES[name]], grid(4, 3))


def test_index_by_tensors():
    x = leaf(4)
    x[tg.tensor([1, 1, 2])].sum().backward()
    assert x.grad.tolist() == [0, 2, 1, 0]


def test_an_indexed_tensor_is_a_copy():
    t = tg.tensor([1.0, 2.0])
    part = t[:1]
    part[...] = 9
    assert t.numpy().tolist() == [1, 2]


@pytest.mark.parametrize("index", [4, (0, 3), [0, 7], 1.5, "a", (0, 0, 0), np.array([True])])
def test_index_errors(index):
    with pytest.raises(ShapeError, match=r"^getitem: index .* into shape \(4, 3\): "):
        leaf(4, 3)[index]


# ---- reductions, shapes, joins ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 1), (0, 2), (-1, 0), (2, 1, 0), ()], ids=str)
@pytest.mark.parametrize("f", [np.sum, np.mean, np.max, np.min], ids=lambda f: f.__name__)
def test_reductions(f, axis, keepdims):
    check(lambda x: f(x, axis=axis, keepdims=keepdims), grid(2, 3, 4))


@pytest.mark.parametrize("name", ["sum", "mean", "max", "min"])
@pytest.mark.parametrize(
    ("axis", "text"),
    [
        (2, "axis 2 does not exist in an array with 2 axes"),
        ((0, -2), "axis (0, -2) names one axis twice"),
        (0.5, "axis must be a whole number, several, or None, got 0.5"),
        ("a", "axis must be a whole number, several, or None, got 'a'"),
    ],
)
def test_reduction_errors(name, axis, text):
    with pytest.raises(ShapeError) as error:
        getattr(leaf(2, 3), name)(axis=axis)
    assert str(error.value) == f"{name}: {text}"


@pytest.mark.parametrize("name", ["mean", "max", "min"])
def test_reductions_of_nothing(name):
    with pytest.raises(ShapeError, match=rf"^{name}: {name} over no elements is not defined, shape \(0, 3\), axis 0$"):
        getattr(ops, name)(np.zeros((0, 3)), axis=0)
    assert ops.sum(np.zeros((0, 3)), axis=0).tolist() == [0, 0, 0]


def test_nan_wins_and_ties_share():
    x = tg.tensor([[1.0, 3.0, 3.0], [1.0, np.nan, 2.0]], requires_grad=True)
    y = x.max(axis=1)
    assert y.numpy()[0] == 3
    assert np.isnan(y.numpy()[1])
    y[0].backward()
    assert x.grad[0].tolist() == [0, 0.5, 0.5]


MOVES = {
    "reshape": lambda x: x.reshape(4, 6),
    "reshape tuple": lambda x: x.reshape((-1, 3)),
    "flat": lambda x: x.reshape(-1),
    "np.reshape": lambda x: np.reshape(x, (3, 8)),
    "T": lambda x: x.T,
    "transpose": lambda x: x.transpose(1, 2, 0),
    "transpose tuple": lambda x: x.transpose((2, -3, 1)),
    "np.transpose": lambda x: np.transpose(x, (0, 2, 1)),
    "broadcast_to": lambda x: np.broadcast_to(x, (2, 2, 3, 4)),
    "concatenate": lambda x: np.concatenate([x, x * 2], axis=-1),
    "concatenate flat": lambda x: np.concatenate([x, x], axis=None),
    "with an array": lambda x: np.concatenate([x, grid(1, 3, 4)]),
    "stack": lambda x: np.stack([x, x + 1], axis=2),
    "stack last": lambda x: np.stack((x, x), -1),
    "where": lambda x: np.where(grid(3, 1) > 0, x, x * x),
    "where number": lambda x: np.where(grid(2, 3, 4) > 0, x, 0.0),
    "where list": lambda x: np.where([True, False, True, True], 1.0, x),
}


@pytest.mark.parametrize("name", MOVES)
def test_moves(name):
    check(MOVES[name], grid(2, 3, 4))


@pytest.mark.parametrize(
    ("f", "text"),
    [
        (lambda t: t.reshape(4, 2), "reshape: (2, 3) (6 elements) cannot become (4, 2)"),
        (lambda t: t.transpose(0, 0), "transpose: axis (0, 0) names one axis twice"),
        (lambda t: t.transpose(1), "transpose: axes (1,) must name each of the 2 axes once"),
        (lambda t: np.broadcast_to(t, (3, 2)), "broadcast_to: (2, 3) does not broadcast to (3, 2)"),
        (
            lambda t: t + leaf(2),
            "add: shapes (2, 3) and (2,) do not broadcast; axes must be equal, or 1, counted from the last",
        ),
        (
            lambda t: np.concatenate([t, leaf(2, 2)]),
            "concatenate: array 1 has shape (2, 2), array 0 has (2, 3); they do not join along axis 0",
        ),
        (lambda t: ops.concatenate([]), "concatenate: needs at least one array"),
        (
            lambda t: np.stack([t, leaf(3, 2)]),
            "stack: array 1 has shape (3, 2), array 0 has (2, 3); they do not join along axis 0",
        ),
    ],
)
def test_move_errors(f, text):
    with pytest.raises(ShapeError) as error:
        f(leaf(2, 3))
    assert str(error.value) == text


def test_astype_has_a_gradient():
    x = leaf(3)
    y = x.astype("float64")
    assert y.dtype == np.float64
    (y * np.array([1.0, 2.0, 3.0])).sum().backward()
    assert x.grad.dtype == np.float32
    assert x.grad.tolist() == [1, 2, 3]
    with pytest.raises(DTypeError, match=r"^astype: only float32 and float64 have gradients, got int64$"):
        x.astype(int)


@pytest.mark.parametrize(
    "f",
    [
        lambda t: t.reshape(-1),
        lambda t: t.T,
        lambda t: t[...],
        lambda t: np.concatenate([t]),
        lambda t: t.astype("float32"),
        lambda t: np.broadcast_to(t, (1, 3)),
        lambda t: +t,
        lambda t: t.sum(axis=()),
    ],
    ids=["reshape", "T", "index", "concatenate", "astype", "broadcast_to", "+", "sum"],
)
def test_results_do_not_share_the_memory_of_a_leaf(f):
    """A change of the one would silently change the other, and gradients that need it."""
    t = tg.tensor([[1.0, 2.0, 3.0]])
    w = tg.tensor(np.ones_like(f(t).numpy()), requires_grad=True)
    loss = (w * f(t)).sum()
    expected = f(t).numpy().copy()
    t[...] = 100
    loss.backward()
    np.testing.assert_array_equal(w.grad, expected)


@pytest.mark.parametrize("value", [0.0, -1.0])
@pytest.mark.parametrize("f", [np.sqrt, np.log, lambda x: 1 / x, lambda x: x**-1, lambda x: x**0.5], ids=range(5))
def test_backward_at_the_edge_is_ieee_and_silent(f, value):
    x = tg.tensor([value], requires_grad=True)
    f(x).backward()  # warnings are errors here
    assert x.grad.shape == (1,)


def test_parameters_iterate_like_arrays():
    p = tg.Parameter(np.ones((3, 2), "float32"))
    assert [row.shape for row in p] == [(2,)] * 3


def test_parameter_of_a_list_is_float32_like_a_tensor():
    assert tg.Parameter([1.0, 2.0]).dtype == tg.tensor([1.0, 2.0]).dtype == np.float32


def test_in_place_on_a_parameter_does_not_rebind_silently():
    p = q = tg.Parameter(np.ones(2, "float32"))
    try:
        p -= 1
    except TypeError as error:
        assert ".data" in str(error)
    else:
        assert p is q
        assert q.data.tolist() == [0, 0]
