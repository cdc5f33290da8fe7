"""Products of every size around vectors, tiles and blocks: right, and not a number written beside the output."""

import numpy as np
import pytest

from tensorgrad import kernels

SIZES = [1, 2, 3, 5, 7, 8, 11, 12, 13, 15, 16, 17, 23, 31, 32, 33, 47, 64, 65]
GUARD = 77.0


def shapes(count=120, seed=0):
    rng = np.random.default_rng(seed)
    fixed = [(1, 1, 1), (300, 64, 64), (129, 70, 33), (2000, 40, 33), (64, 300, 200), (200, 5, 3), (300, 270, 290)]
    return fixed + [tuple(int(n) for n in rng.choice(SIZES, 3)) for _ in range(count)]


class Guarded:
    """Arrays inside larger ones whose other elements must stay as they are, at addresses that are not aligned."""

    def __init__(self, dtype):
        self.dtype, self.all = dtype, []

    def __call__(self, *shape):
        size = int(np.prod(shape))
        whole = np.full(size + 7, GUARD, self.dtype)
        self.all.append(whole)
        return whole[3 : 3 + size].reshape(shape)

    def intact(self):
        return all((w[:3] == GUARD).all() and (w[-4:] == GUARD).all() for w in self.all)


def fill(array, rng):
    array[...] = rng.normal(size=array.shape)
    return array


def close(got, expected, terms):
    scale = np.abs(expected).max(initial=1)
    return np.abs(got - expected).max(initial=0) <= 4 * (terms + 4) * np.finfo(got.dtype).eps * scale


@pytest.mark.parametrize("how", [0, 1], ids=["tile", "BLAS"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dense_and_its_gradients(dtype, how):
    rng = np.random.default_rng(1)
    for m, k, n in shapes():
        guarded = Guarded(dtype)
        x, w, b, g = (fill(guarded(*s), rng) for s in [(m, k), (k, n), (n,), (m, n)])
        out, dw, db, dx = guarded(m, n), guarded(k, n), guarded(n), guarded(m, k)
        work = guarded(max(kernels.workspace(m, k, n), m * n + 1))
        exact = [a.astype("float64") for a in (x, w, b, g)]
        X, W, B, G = exact
        alone = np.array([how], "int64")
        kernels.dense(x, w, b, alone, out)
        assert close(out, X @ W + B, k), (m, k, n)
        kernels.dense_relu(x, w, b, alone, out)
        assert close(out, np.maximum(X @ W + B, 0), k), (m, k, n)
        masked = G * (out > 0)
        kernels.dense_backward(g, x, w, alone, dw, db, dx, work)
        assert close(dw, X.T @ G, m) and close(db, G.sum(0), m) and close(dx, G @ W.T, n), (m, k, n)
        kernels.dense_relu_backward(g, out, x, w, alone, dw, db, dx, work)
        assert close(dw, X.T @ masked, m) and close(db, masked.sum(0), m) and close(dx, masked @ W.T, n), (m, k, n)
        kernels.dense_backward_first(g, x, alone, dw, db, work)
        assert close(dw, X.T @ G, m) and close(db, G.sum(0), m), (m, k, n)
        kernels.dense_relu_backward_first(g, out, x, alone, dw, db, work)
        assert close(dw, X.T @ masked, m) and close(db, masked.sum(0), m), (m, k, n)
        kernels.matmul(x[None], w[None], alone, out[None])
        assert close(out, X @ W, k), (m, k, n)
        kernels.input_gradient(g, w, alone, dx)
        assert close(dx, G @ W.T, n), (m, k, n)
        kernels.weight_gradient(x, g, np.array([0]), alone, dw, guarded(m * k))
        assert close(dw, X.T @ G, m), (m, k, n)
        if how == 0:
            first = k // 3
            kernels.weight_gradient(x, g, np.array([first]), alone, dw[: k - first], guarded(m * k))
            assert close(dw[: k - first], X[:, first:].T @ G, m), (m, k, n)
        assert guarded.intact(), (m, k, n)


def test_the_guards_notice():
    guarded = Guarded("float32")
    guarded(2, 2)
    guarded.all[0][-1] = 0
    assert not guarded.intact()


def test_nan_goes_through_a_relu():
    x, w, b, out = (
        np.array([[np.nan]], "float32"),
        np.ones((1, 20), "float32"),
        np.zeros(20, "float32"),
        np.empty((1, 20), "float32"),
    )
    kernels.dense_relu(x, w, b, np.array([0]), out)
    assert np.isnan(out).all()
