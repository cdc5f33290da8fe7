"""Reshaping, repeating, shifting, padding and splitting: NumPy's functions on Tensors, with NumPy's arguments."""

import numpy as np
import pytest

import tensorgrad as tg
from microgrid import grid, values
from tensorgrad import ops
from tensorgrad._program.record import record, traced
from tensorgrad.errors import ShapeError

X = np.random.default_rng(0).normal(size=(4, 3, 6))
CALLS = {
    "ravel": lambda x: np.ravel(x),
    "swapaxes": lambda x: np.swapaxes(x, 0, -1),
    "moveaxis": lambda x: np.moveaxis(x, 0, 2),
    "moveaxis, several": lambda x: np.moveaxis(x, (0, -1), (1, 0)),
    "expand_dims": lambda x: np.expand_dims(x, (0, -1)),
    "squeeze": lambda x: np.squeeze(x[:1, :, :1], 0),
    "squeeze, all": lambda x: np.squeeze(x[:1, :, :1]),
    "split": lambda x: np.split(x, 3, axis=2)[1],
    "split, indices": lambda x: np.split(x, [1, 2, 9], 1)[2],
    "split, backwards": lambda x: np.split(x, [3, 1, -1])[1],
    "split, array": lambda x: np.split(x, np.array([2]), -1)[1],
    "array_split": lambda x: np.array_split(x, 4, 2)[1],
    "array_split, many": lambda x: np.array_split(x, 7, 2)[6],
    "pad": lambda x: np.pad(x, 1),
    "pad, by position": lambda x: np.pad(x, ((1, 0), (0, 2), (0, 0)), "reflect"),
    "pad, constants": lambda x: np.pad(x, (2, 1), constant_values=(0.5, -1)),
    "flip": lambda x: np.flip(x),
    "flip, several": lambda x: np.flip(x, (0, 2)),
    "roll": lambda x: np.roll(x, 1),
    "roll, by position": lambda x: np.roll(x, 1, 0),
    "roll, several": lambda x: np.roll(x, (1, 2), axis=(0, 0)),
    "roll, arrays": lambda x: np.roll(x, np.array([1, 2]), (0, 1)),
    "tile": lambda x: np.tile(x, (2, 1, 3)),
    "tile, array": lambda x: np.tile(x, np.array([2, 1])),
    "repeat": lambda x: np.repeat(x, 2),
    "repeat, each": lambda x: np.repeat(x, [1, 0, 3], 1),
    "take": lambda x: np.take(x, [[0, -1]], 1),
    "take, flat": lambda x: np.take(x, 7),
    "take_along_axis": lambda x: np.take_along_axis(x, np.array([[[0], [5], [-1]]]), 2),
    "tril": lambda x: np.tril(x, 1),
    "triu": lambda x: np.triu(x, -1),
    "diagonal": lambda x: np.diagonal(x, 1, 0, 2),
    ".ravel": lambda x: x.ravel(),
    ".flatten": lambda x: x.flatten(),
    ".swapaxes": lambda x: x.swapaxes(1, 2),
    ".squeeze": lambda x: x[:1].squeeze(0),
    ".repeat": lambda x: x.repeat(2, axis=1),
    ".take": lambda x: x.take([1, 1], axis=2),
    ".diagonal": lambda x: x.diagonal(-1, 1, 2),
}


def probe(call, x, g):
    """The gradient, by moving a whole number for each place: each output is one of the inputs, or none of them."""
    places = call(np.arange(1.0, x.size + 1).reshape(x.shape))
    at = places.astype(int)
    here = (places == at) & (at > 0)
    total = np.zeros(x.size)
    np.add.at(total, at[here] - 1, g[here])
    return total.reshape(x.shape)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_numpys_function_on_tensors(call):
    expected = call(X)
    t = tg.tensor(X, requires_grad=True)
    y = call(t)
    np.testing.assert_array_equal(y.numpy(), expected)
    assert not np.shares_memory(y.numpy(), t.numpy())
    g = np.random.default_rng(1).integers(1, 9, size=y.shape).astype(float)
    y.backward(g)
    np.testing.assert_array_equal(t.grad, probe(call, X, g))


@pytest.mark.parametrize("name", [name for name, call in CALLS.items() if call(X).size])
def test_it_can_be_run_again(name):
    call = CALLS[name]
    p = tg.Parameter(np.zeros(X.shape))

    def step(x):
        p.grad = None
        y = call(x + p)
        (y * y).sum().backward()
        return [y, p.grad]

    results, log = record(step, [X.copy()])
    traced(log, results)  # raises where it could not be run again
    np.testing.assert_array_equal(results[0]._array, call(X))
    np.testing.assert_array_equal(results[1]._array, probe(call, X, 2 * call(X)))


@pytest.mark.parametrize("order", ["C", "F", "strided", "read-only"])
@pytest.mark.parametrize("name", ["roll", "flip", "repeat", "pad", "tile", "ravel", "tril"])
def test_any_layout(name, order):
    x = {"F": np.asfortranarray(X), "strided": np.repeat(X, 2, axis=1)[:, ::2]}.get(order, X.copy())
    x.flags.writeable = order != "read-only"
    options = {"roll": {"shift": 2}, "repeat": {"repeats": 2}, "pad": {"pad_width": 1}, "tile": {"reps": 2}}.get(
        name, {}
    )
    y = ops.find(name)(x, **options)
    np.testing.assert_array_equal(y, getattr(np, name)(X, *options.values()))
    assert y.flags.c_contiguous
    assert y.flags.owndata or y.base.flags.owndata
    assert not np.shares_memory(y, x)


MODES = ["edge", "reflect", "symmetric", "wrap"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [(1,), (2,), (5,), (3, 2), (2, 1, 4)])
def test_padding_far_beyond_the_array(mode, shape):
    x = np.random.default_rng(0).normal(size=shape)
    for width in (0, 1, (0, 3), (9, 4)):
        np.testing.assert_array_equal(ops.pad(x, width, mode), np.pad(x, width, mode))
        np.testing.assert_array_equal(values(ops.pad(grid(x), width, mode)), np.pad(x, width, mode))


def test_split_on_a_grid():
    parts = ops.split(grid(X), [1, 3], axis=2)
    for part, expected in zip(parts, np.split(X, [1, 3], axis=2), strict=True):
        np.testing.assert_array_equal(values(part), expected)


def test_each_part_of_a_split_has_its_own_gradient():
    t = tg.tensor(X, requires_grad=True)
    for i, part in enumerate(np.split(t, 3, axis=1)):
        (part * (i + 1)).sum().backward()
    np.testing.assert_array_equal(t.grad, np.broadcast_to([[1], [2], [3]], X.shape))


def test_a_triangle_keeps_nan_out_of_the_gradient():
    t = tg.tensor([[1.0, np.nan], [2.0, np.inf]], requires_grad=True)
    np.tril(t, -1).sum().backward()
    assert t.grad.tolist() == [[0, 0], [1, 0]]


def test_repeats_that_are_changed_do_not_change_the_gradient():
    t, counts = tg.tensor([1.0, 2.0], requires_grad=True), np.array([1, 3])
    y = np.repeat(t, counts).sum()
    counts[:] = 0
    y.backward()
    assert t.grad.tolist() == [1, 3]


@pytest.mark.parametrize(
    ("use", "text"),
    [
        (
            lambda x: ops.split(x, 4, axis=2),
            "split: axis 2 of shape (4, 3, 6) does not divide into 4 parts; use array_split",
        ),
        (lambda x: ops.split(x, 0), "split: the number of parts must be 1 or more, got 0"),
        (lambda x: ops.split(x, 2, axis=3), "split: axis 3 does not exist in an array with 3 axes"),
        (lambda x: ops.array_split(x, -1), "array_split: the number of parts must be 1 or more, got -1"),
        (lambda x: ops.array_split(x, 2, axis=None), "array_split: axis must be one whole number, got None"),
        (lambda x: ops.array_split(x, [0.5]), "array_split: expected a number of parts or indices, got [0.5]"),
    ],
    ids=range(6),
)
def test_errors_of_splits(use, text):
    for x in (X, tg.tensor(X), grid(X)):
        with pytest.raises(ShapeError) as error:
            use(x)
        assert text in str(error.value)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda t: np.ravel(t, order="F"), "np.ravel with order= has no gradient here"),
        (lambda t: np.take(t, [0], mode="clip"), "np.take with mode= has no gradient here"),
        (lambda t: np.take(t, [0], 0, None), "np.take with 4 positional arguments= has no gradient here"),
        (lambda t: np.pad(t, 1, "reflect", reflect_type="odd"), "np.pad with reflect_type= has no gradient here"),
        (lambda t: np.rot90(t), "np.rot90 has no gradient here"),
    ],
    ids=range(5),
)
def test_what_is_not_supported_is_a_clear_type_error(call, text):
    with pytest.raises(TypeError) as error:
        call(tg.tensor(X))
    assert str(error.value).startswith(text)
