"""Every kind of NumPy index: the value is NumPy's, the gradient what np.add.at adds up, on both engines and in programs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tensorgrad as tg
from microgrid import grads, grid, values
from tensorgrad import ops
from tensorgrad._program.record import record, traced
from tensorgrad.errors import DTypeError, ShapeError

X = np.arange(60.0).reshape(5, 3, 4)
MASK = X[:, :, 0] % 2 == 0
INDICES = [
    0, -1, np.int64(2), np.array(3), True, False, None, ..., (), [], [[]], np.array([], int), slice(None), slice(4, 0, -2),
    slice(7, 9), slice(None, None, -1), (..., 0), (0, ...), (0, ..., 0), (1, 2, 3), (None, 1), (1, None), (..., None),
    (None, ..., None, 0), (slice(1, 3), slice(None), slice(None, None, 2)), (slice(3, 1, -1), 0), (-1, slice(None, -1)),
    [0, 2, 2], [-1, -5], [[0, 1], [1, 1]], np.array([[0], [4]]), (0, 1), ([0, 1], [1, 1]), ([0, 1, 1], [2, 0, 0], [3, 3, 3]),
    ([[0], [1]], [0, 1, 2]), ([0, 1], slice(None), [1, 1]), (slice(None), [1, 1]), (slice(None), [1, 1], slice(None)),
    (slice(None), [2, 0, 2], [1, 1, 1]), (..., [3, 0, 0]), ([0, 0], ..., 1), (0, slice(None), [0, 0]), (0, [0, 0], None),
    ([0, 0], None, [1, 1]), ([4, 4], 1, 2), (np.array(1), slice(None), np.array([2, 2])), (np.array(1), np.array(2)),
    MASK, X > 30, X < 0, np.array([True, False, True, False, True]), [True, False, False, False, True],
    (slice(None), np.array([True, False, True])), (MASK, 0), (MASK, [3]), (MASK, slice(None, None, -3)), (MASK, None),
    ([True, False, True, True, False], [0, 1, 1]), ([0, 0], [True, False, True]), ([2], [True, False, True], slice(1)),
    (True, [0, 0]), (False, 0), (None, True, MASK), ((0, 1),), ([0, 1],), np.arange(5)[::-2], np.uint8([1, 1]), (slice(None), [], 0),
]  # fmt: skip


def gradient(shape, index, g):
    """What NumPy adds up."""
    total = np.zeros(shape)
    np.add.at(total, index, g)
    return total


def program(step, *arrays):
    """What a step gives while its kernel calls are logged, and can be run again."""
    results, log = record(step, [a.copy() for a in arrays])
    traced(log, results)  # raises where it could not be run again
    return [r._array for r in results]


def compare(x, index):
    expected = x[index]
    g = np.random.default_rng(0).integers(1, 9, size=np.shape(expected)).astype(float)
    t = tg.tensor(x, requires_grad=True)
    y = t[index]
    np.testing.assert_array_equal(y.numpy(), expected)
    assert not np.shares_memory(y.numpy(), t.numpy())
    y.backward(g)
    np.testing.assert_array_equal(t.grad, gradient(x.shape, index, g))
    np.testing.assert_array_equal(ops.scatter_add(g, x.shape, index), t.grad)


@pytest.mark.parametrize("index", INDICES, ids=repr)
def test_an_index(index):
    compare(X, index)


@pytest.mark.parametrize("index", INDICES, ids=repr)
def test_an_index_on_a_grid(index):
    x = grid(X)
    y = ops.getitem(x, index)
    np.testing.assert_array_equal(values(y), X[index])
    if np.size(y):
        (np.sum(np.ravel(y)) * 3).backward()
    np.testing.assert_array_equal(grads(x), gradient(X.shape, index, 3.0))


@pytest.mark.parametrize("index", [i for i in INDICES if X[i].size], ids=repr)
def test_an_index_in_a_program(index):
    p = tg.Parameter(np.zeros(X.shape))

    def step(x, g):
        p.grad = None
        y = (x + p)[index]
        (y * g).sum().backward()
        return [y * 1, p.grad * 1]

    g = np.random.default_rng(0).integers(1, 9, size=np.shape(X[index])).astype(float)
    y, dx = program(step, X, g)
    np.testing.assert_array_equal(y, X[index])
    np.testing.assert_array_equal(dx, gradient(X.shape, index, g))


@pytest.mark.parametrize("index", INDICES, ids=repr)
def test_an_index_of_tensors(index):
    def as_tensors(index):
        if isinstance(index, tuple):
            return tuple(map(as_tensors, index))
        return tg.tensor(index) if isinstance(index, np.ndarray) else index

    np.testing.assert_array_equal(tg.tensor(X)[as_tensors(index)].numpy(), X[index])


SHAPES = hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_basic_index(data):
    x = np.arange(float(np.prod(shape := data.draw(SHAPES)))).reshape(shape)
    compare(x, data.draw(hnp.basic_indices(shape, allow_newaxis=True, max_dims=6)))


def advanced(n):
    """One part of an index, for an axis of length n; arrays have shapes that broadcast."""
    whole = st.integers(-n, n - 1)
    arrays = st.sampled_from([(), (1,), (2,), (2, 2), (3, 1, 2)]).flatmap(
        lambda s: hnp.arrays(np.int64, s, elements=whole)
    )
    masks = st.integers(0, n - 1).map(lambda i: np.arange(n) == i)
    return st.one_of(whole, arrays, masks, st.slices(n), arrays.map(np.ndarray.tolist))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_mix_of_basic_and_advanced(data):
    x = np.arange(float(np.prod(shape := data.draw(SHAPES)))).reshape(shape)
    index = [data.draw(advanced(n)) for n in shape[: data.draw(st.integers(0, len(shape)))]]
    for extra in data.draw(st.lists(st.just(None), max_size=2)):
        index.insert(data.draw(st.integers(0, len(index))), extra)
    compare(x, tuple(index))


# ---- what other libraries say -----------------------------------------------------------------------------------------
def test_gradients_are_pytorchs():
    torch = pytest.importorskip("torch")
    for index in ([0, 2, 2], (slice(None), [2, 0, 2], [1, 1, 1]), ([[0], [1]], [0, 1, 1]), MASK, (..., [3, 0, 0])):
        ours, theirs = tg.tensor(X, requires_grad=True), torch.tensor(X, requires_grad=True)
        y, expected = ours[index], theirs[index]
        (y * y * y).sum().backward()
        (expected * expected * expected).sum().backward()
        np.testing.assert_array_equal(ours.grad, theirs.grad.numpy())


# ---- take, take_along_axis, diagonal ----------------------------------------------------------------------------------
def test_sorting_by_take_along_axis_has_a_gradient():
    x = np.random.default_rng(0).normal(size=(4, 7))
    t = tg.tensor(x, requires_grad=True)
    y = np.take_along_axis(t, np.argsort(x, axis=1), axis=1)
    np.testing.assert_array_equal(y.numpy(), np.sort(x, axis=1))
    y.backward(np.tile(np.arange(7.0), (4, 1)))
    np.testing.assert_array_equal(t.grad, np.argsort(np.argsort(x, axis=1), axis=1))


@pytest.mark.parametrize("shape", [(3, 3), (2, 5), (5, 2, 3), (2, 3, 4, 2)])
def test_every_diagonal(shape):
    x = np.arange(float(np.prod(shape))).reshape(shape)
    for offset in range(-5, 6):
        for axis1 in range(-len(shape), len(shape)):
            for axis2 in range(-len(shape), len(shape)):
                if (axis1 - axis2) % len(shape):
                    expected = np.diagonal(x, offset, axis1, axis2)
                    np.testing.assert_array_equal(ops.diagonal(x, offset, axis1, axis2), expected)


@pytest.mark.parametrize("dtype", [np.int8, np.uint64, np.int32])
def test_indices_of_any_integer_dtype(dtype):
    at = np.array([2, 0, 2], dtype)
    np.testing.assert_array_equal(tg.tensor(X)[at].numpy(), X[at])
    np.testing.assert_array_equal(np.take(tg.tensor(X), at, 2).numpy(), np.take(X, at, 2))


@pytest.mark.parametrize(
    ("use", "error", "text"),
    [
        (lambda t: t[5], ShapeError, "getitem: index 5 into shape (5, 3, 4): index 5 is out of bounds for axis 0 with size 5"),
        (lambda t: t[[0, -6]], ShapeError,
         "getitem: index [0, -6] into shape (5, 3, 4): index -6 is out of bounds for axis 0 with size 5"),
        (lambda t: t[0.5], ShapeError, "getitem: index 0.5 into shape (5, 3, 4): only integers, slices"),
        (lambda t: t[..., ...], ShapeError, "an index can only have a single ellipsis"),
        (lambda t: t[[True, False]], ShapeError, "boolean index did not match indexed array along axis 0"),
        (lambda t: t[::0], ShapeError, "slice step cannot be zero"),
        (lambda t: t.take([0, 60]), ShapeError, "take: index 60 is outside an axis of length 60"),
        (lambda t: t.take([True], axis=0), DTypeError, "take: the indices must be integers, got dtype bool"),
        (lambda t: t.diagonal(axis2=-3), ShapeError, "diagonal: axis1 and axis2 are one axis, 0"),
    ],
    ids=range(9),
)  # fmt: skip
def test_errors(use, error, text):
    with pytest.raises(error) as raised:
        use(tg.tensor(X))
    assert text in str(raised.value)
