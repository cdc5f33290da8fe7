"""What records do not say by themselves: buffers that change, layouts, subnormals, NaN, empties, and bad neighbours."""

import copy
import pickle

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import ops
from tensorgrad._op import Op
from tensorgrad._registry import OPS
from tensorgrad._tensor import plain
from tensorgrad.errors import DTypeError, ShapeError


@pytest.mark.parametrize("make", [lambda: np.array([0, 1]), lambda: [0, 1], lambda: tg.tensor([0, 1])])
def test_an_index_that_is_filled_anew_does_not_change_the_gradient(make):
    x, i = tg.tensor(np.arange(4.0), requires_grad=True), make()
    y = (x[i] * 1).sum()
    i[:] = [2, 3]
    y.backward()
    assert x.grad.tolist() == [1, 1, 0, 0]


def test_an_index_and_an_option_with_lists_and_dicts_inside_may_change():
    x, i, width = tg.tensor(np.arange(3.0), requires_grad=True), [[0, 1], [1, 0]], {0: (1, 2)}
    y, padded = x[i].sum(), ops.pad(x, width)
    i[0][0], width[0] = 2, (0, 3)
    y.backward()
    assert x.grad.tolist() == [2, 2, 0]
    x.grad = None
    padded.backward(np.arange(6.0))
    assert x.grad.tolist() == [1, 2, 3]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_sign_of_minus_zero_is_zero(dtype):
    x = np.tile(np.array([-0.0, 0.0, -np.inf, np.inf, np.nan, -1e-300], dtype), 20)
    y = ops.sign(x)
    assert np.array_equal(y, np.sign(x), equal_nan=True)
    assert not np.signbit(y[x == 0]).any()


def test_a_memory_view_that_is_filled_anew_does_not_change_the_gradient():
    x, buffer = tg.tensor(np.ones(2), requires_grad=True), np.array([2.0, 3.0])
    y = (x * memoryview(buffer)).sum()
    buffer[:] = 100
    y.backward()
    assert x.grad.tolist() == [2, 3]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dividing_by_one_subnormal_number(dtype):
    tiny = np.finfo(dtype).smallest_subnormal * 3
    assert ops.divide(np.array([0, tiny], dtype), np.asarray(tiny)).tolist() == [0, 1]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_number_divided_by_itself_is_one(dtype):
    for v in range(1, 300):
        assert ops.divide(np.full(5, v, dtype), np.asarray(v, dtype))[0] == 1


@pytest.mark.parametrize("name", ["relu_backward", "tanh_backward", "sigmoid_backward"])
def test_backward_ops_do_not_read_past_the_end(name):
    with pytest.raises(ShapeError, match=rf"^{name}: the inputs must have one shape, got \(1,\) and \(6,\)$"):
        ops.find(name)(np.ones(1), np.ones(6))


def test_the_largest_of_nan_has_the_gradient():
    x = tg.tensor([1.0, np.nan, 2.0], requires_grad=True)
    x.max().backward()
    assert x.grad.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    "shapes", [((2, 0, 3), (2, 3, 4)), ((2, 2, 0), (2, 0, 3)), ((2, 2, 3), (2, 3, 0)), ((0, 2, 3), (3, 1))]
)
def test_products_of_empty_matrices(shapes):
    a, b = (np.ones(s) for s in shapes)
    np.testing.assert_array_equal(ops.matmul(a, b), a @ b)


@pytest.mark.parametrize("order", ["F", "strided", "read-only"])
@pytest.mark.parametrize("name", ["sum", "mean", "max", "softmax"])
def test_any_layout(name, order):
    x = np.arange(20.0).reshape(4, 5) / 7
    given = {"F": np.asfortranarray(x), "strided": np.repeat(x, 2, axis=0)[::2], "read-only": x.copy()}[order]
    given.flags.writeable = order != "read-only"
    np.testing.assert_array_equal(ops.find(name)(given, axis=0), ops.find(name)(x, axis=0))


def test_big_endian_labels():
    logits = np.zeros((2, 3), "float32")
    assert ops.softmax_cross_entropy(logits, np.array([0, 2], ">i4")) == ops.softmax_cross_entropy(
        logits, np.array([0, 2])
    )


@pytest.mark.parametrize("use", [tg.tensor, lambda m: ops.sum(m), lambda m: tg.tensor([1.0, 2.0]) * m])
def test_masked_arrays_are_refused(use):
    with pytest.raises(DTypeError, match="a masked array would lose its mask; fill it first"):
        use(np.ma.array([1.0, 2.0], mask=[0, 1]))


def test_nan_stays_nan_in_a_dense_layer_on_both_engines():
    from microgrid import grid

    x, w, b = np.array([[np.nan, 1.0]]), np.ones((2, 1)), np.zeros(1)
    assert np.isnan(ops.dense(x, w, b, activation="relu")).all()
    assert np.isnan(ops.dense(x, grid(w), grid(b), activation="relu")[0, 0].data)


def test_the_array_of_a_tensor_cannot_be_changed():
    w = tg.Parameter(np.ones(2, "float32"))
    for array in (np.asarray(tg.tensor([1.0]) * 2), np.asarray(w)):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 5


def test_an_option_by_position_and_by_name():
    with pytest.raises(TypeError, match="^sum got option 'axis' twice, by position and by name$"):
        ops.sum(np.ones(3), 0, axis=0)


def test_numpys_further_positions_are_no_options_of_ours():
    t = tg.tensor([[1.0, 2.0]], requires_grad=True)
    with pytest.raises(TypeError, match=r"^np.sum with 3 positional arguments= has no gradient here"):
        np.sum(t, 0, np.float32)


def test_numbers_in_a_format():
    assert f"{tg.tensor(0.123456):.3f}" == "0.123"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [1, 7, 64, 257])
def test_extremes_among_numbers_of_every_kind(dtype, n):
    tiny, rng = np.finfo(dtype).smallest_subnormal, np.random.default_rng(n)
    kinds = np.array([np.inf, -np.inf, np.nan, -np.nan, 0.0, -0.0, tiny, -tiny], dtype)
    x = rng.standard_normal((200, n)).astype(dtype)
    x[:100] = np.where(rng.random((100, n)) < 1 / n, rng.choice(kinds, (100, n)), x[:100])
    for axis in (0, 1, None):
        assert np.array_equal(ops.max(x, axis=axis), x.max(axis=axis), equal_nan=True)
        assert np.array_equal(ops.min(x, axis=axis), x.min(axis=axis), equal_nan=True)


OF_ONE_ARRAY = [
    name for name, op in OPS.items()
    if isinstance(op, Op) and len(op.inputs) == 1 and not op.variadic and (op.samples[0].options == {})
]  # fmt: skip


@pytest.mark.parametrize("name", OF_ONE_ARRAY)
def test_one_number_that_stands_for_many(name):
    """An array whose strides are 0 gives what its copy gives, also where the gradient is such an array."""
    square = name in ("inv", "det", "slogdet", "cholesky", "cofactors", "trace")
    one = np.broadcast_to(np.float64(1.25), (3, 3)) if not square else np.broadcast_to(np.eye(3) * 1.25, (2, 3, 3))
    found = []
    for x in (one, np.array(one)):
        t = tg.Tensor(x, requires_grad=True)
        y = OPS[name](t)
        y = y if isinstance(y, np.ndarray | tg.Tensor) else y[0]
        if getattr(y, "requires_grad", False):
            y.backward(np.broadcast_to(np.float64(0.5), y.shape))
        found.append((plain(y), t.grad))
    (a, da), (b, db) = found
    assert np.array_equal(a, b, equal_nan=True)
    assert (da is None and db is None) or np.array_equal(da, db, equal_nan=True)


def test_gradients_of_products_with_large_and_small_incoming_gradients():
    for x, g in (([1e15, 1e14], 1e10), ([1e-13, 1e-12], 1e-20)):
        x = np.array([x], np.float32)
        assert np.allclose(
            _gradient_of_products(x, np.array([g], np.float32)), x[:, ::-1] * np.float32(g), rtol=1e-6, atol=0
        )
        t = tg.tensor(x.T, requires_grad=True)
        ops.prod(t, axis=0).backward(np.array([g], np.float32))
        assert np.allclose(t.grad.T, x[:, ::-1] * np.float32(g), rtol=1e-6, atol=0)


def test_an_op_is_pickled_and_copied_by_its_name():
    assert pickle.loads(pickle.dumps(ops.exp)) is copy.deepcopy(ops.exp) is copy.copy(ops.exp) is ops.exp


def _gradient_of_products(x, g):
    t = tg.tensor(x, requires_grad=True)
    ops.prod(t, axis=1).backward(g)
    return t.grad


def test_gradients_of_products_that_leave_the_range_of_numbers():
    x = np.random.default_rng(0).uniform(-0.9, 0.9, (6, 2000))
    x[0, 3], x[1, [3, 1990]], x[2, :90] = 0, 0, 1e3
    x[3] = 1 + x[3] / 1e3
    x[3, 70] = 0
    others = [[np.prod(np.delete(row, j)) for j in range(row.size)] for row in x]
    assert np.allclose(_gradient_of_products(x, np.ones(6)), others, rtol=1e-9, atol=1e-290)


def test_gradients_of_products_with_numbers_that_are_not_finite():
    x = np.array([[0.0, 2.0, np.inf], [np.nan, 0.0, 1.0], [0.0, 2.0, 3.0]])
    expected = [[np.inf, np.nan, 0.0], [0.0, np.nan, np.nan], [np.inf, np.nan, np.nan]]
    assert np.array_equal(_gradient_of_products(x, np.array([1, 1, np.inf])), expected, equal_nan=True)
