"""Batches and checked data."""

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad.data import batches, checked


@pytest.mark.parametrize(
    ("count", "size", "lengths"), [(5, 2, [2, 2, 1]), (4, 2, [2, 2]), (3, 10, [3]), (1, 1, [1]), (0, 3, [])]
)
@pytest.mark.parametrize("rng", [None, 0])
def test_batches_cover_every_row_once(count, size, lengths, rng):
    rows = np.arange(count)
    found = [rows[b] for b in batches(count, size, None if rng is None else np.random.default_rng(rng))]
    assert [len(b) for b in found] == lengths
    assert sorted(np.concatenate([rows[:0], *found])) == rows.tolist()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("make", [np.asarray, np.asfortranarray, lambda a: a[::-1][::-1], tg.tensor, np.ndarray.tolist])
def test_checked_gives_contiguous_arrays_of_the_models_dtype(make, dtype):
    x, y = checked((make(np.ones((3, 2))), [0, 1, 2]), dtype)
    assert (x.dtype, y.dtype, x.shape) == (dtype, np.int64, (3, 2))
    assert x.flags.c_contiguous


def test_a_tensor_that_requires_a_gradient_is_data_too():
    assert checked((tg.tensor([[1.0]], requires_grad=True), [0]), "float32")[0].tolist() == [[1]]
