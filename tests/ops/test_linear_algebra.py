"""Products over chosen axes and linear algebra: NumPy's results, gradients by differences, singular matrices, NaN, errors."""

import functools

import numpy as np
import pytest

import tensorgrad as tg
from microgrid import Value, grads, grid, values
from tensorgrad import ops
from tensorgrad.check import gradcheck
from tensorgrad.errors import GraphError, LinAlgError, OptionError, ShapeError

pytestmark = pytest.mark.sampled(3)
EXPRESSIONS = [
    ("i", [(3,)]), ("i->", [(3,)]), ("ij", [(2, 3)]), ("ji", [(2, 3)]), ("aB", [(2, 3)]), ("ij->ji", [(2, 3)]),
    ("ij->i", [(2, 3)]), ("ij->", [(2, 3)]), ("ii", [(3, 3)]), ("ii->i", [(3, 3)]), ("iij->j", [(3, 3, 2)]),
    ("iji->ij", [(3, 2, 3)]), ("iii->i", [(3, 3, 3)]), ("iijj->ij", [(2, 2, 3, 3)]), ("iijj", [(2, 2, 3, 3)]),
    ("i,i", [(3,), (3,)]), ("i,i->i", [(3,), (3,)]), ("i,j", [(3,), (2,)]), ("i,j->ji", [(3,), (2,)]), ("i,j->", [(3,), (2,)]),
    ("ij,jk", [(2, 3), (3, 4)]), ("ij,jk->ik", [(2, 3), (3, 4)]), ("ij,jk->ki", [(2, 3), (3, 4)]), ("ij,kj->ik", [(2, 3), (4, 3)]),
    ("ij,ij", [(2, 3), (2, 3)]), ("ij,ij->j", [(2, 3), (2, 3)]), ("ij,j", [(2, 3), (3,)]), ("i,ij", [(2,), (2, 3)]),
    ("ij,jk->", [(2, 3), (3, 4)]), ("ij,jk->j", [(2, 3), (3, 4)]), ("ij,jk->ijk", [(2, 3), (3, 4)]), ("ij,ji", [(2, 3), (3, 2)]),
    ("ij,kl->ijkl", [(2, 3), (1, 2)]), ("bij,bjk->bik", [(4, 2, 3), (4, 3, 2)]), ("bhqd,bhkd->bhqk", [(2, 2, 3, 4), (2, 2, 5, 4)]),
    ("ii,i->i", [(3, 3), (3,)]), ("ii,ij->j", [(3, 3), (3, 2)]), ("iaii->a", [(2, 3, 2, 2)]), ("ii,jj", [(2, 2), (3, 3)]),
    (",", [(), ()]), ("", [()]), ("->", [()]), (",i->i", [(), (3,)]), ("i,->i", [(3,), ()]), (",,", [(), (), ()]),
    ("...", [(2, 3)]), ("...->...", [(2, 3)]), ("...i->...", [(2, 3)]), ("...i->i...", [(2, 4, 3)]), ("i...", [(2, 3)]),
    ("i...->...", [(2, 3)]), ("...ij->...ji", [(4, 2, 3)]), ("...ii->...i", [(2, 3, 3)]), ("...ii", [(2, 3, 3)]),
    ("...,...", [(2, 3), (3,)]), ("...i,...i", [(2, 1, 3), (4, 3)]), ("...i,...i->...", [(2, 3), (3,)]),
    ("...ij,...jk->...ik", [(2, 3, 4), (4, 2)]), ("...ij,jk", [(2, 3, 4), (4, 2)]), ("i...,i...", [(3, 2), (3,)]),
    ("...a,...a->a...", [(2, 3), (3,)]), ("...i,...j->...ij", [(4, 2), (5,)]), ("ij->...ij", [(2, 3)]), ("ij->...", [(2, 3)]),
    ("ij,ij->ij", [(1, 3), (2, 3)]), ("ij,ij->i", [(2, 1), (2, 3)]), ("ij,jk->ik", [(2, 3), (1, 4)]), ("i,i->", [(1,), (4,)]),
    ("ij,jk->k", [(2, 1), (3, 4)]), ("i,i,i->i", [(1,), (3,), (1,)]), ("...ij,...ij", [(1, 2, 3), (4, 1, 3)]),
    ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 2)]), ("ij,i,j", [(2, 3), (2,), (3,)]), ("i,ij,j->", [(2,), (2, 3), (3,)]),
    ("ni,nj,ji->n", [(4, 2), (4, 3), (3, 2)]), ("i,i,i", [(3,), (3,), (3,)]), ("iji,jk,lk->il", [(2, 3, 2), (3, 4), (5, 4)]),
    ("a,b,c,d->cdab", [(2,), (3,), (1,), (2,)]), ("...i,ij,...j->...", [(2, 3), (3, 2), (2, 2)]),
    ("ij,jk", [(0, 3), (3, 2)]), ("ij,jk", [(2, 0), (0, 3)]), ("ij->i", [(2, 0)]), ("ij,ij->ij", [(0, 3), (1, 3)]), ("ii", [(0, 0)]),
    (" i j , j k -> i k ", [(2, 3), (3, 4)]),
]  # fmt: skip
IDS = [f"{e}, {s}" for e, s in EXPRESSIONS]


def arrays_of(shapes, dtype="float64"):
    rng = np.random.default_rng(0)
    return [rng.normal(size=s).astype(dtype) for s in shapes]


def cubes(y):
    return (y * y * y).sum()


@pytest.mark.parametrize("optimize", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("expression", "shapes"), EXPRESSIONS, ids=IDS)
def test_einsum_is_numpys(expression, shapes, dtype, optimize):
    arrays = arrays_of(shapes, dtype)
    expected = np.einsum(expression, *arrays, optimize=optimize)
    for y in (
        ops.einsum(expression, *arrays, optimize=optimize),
        np.einsum(expression, *map(tg.tensor, arrays), optimize=optimize).numpy(),
    ):
        assert y.shape == expected.shape and y.dtype == dtype and not any(np.may_share_memory(y, a) for a in arrays)
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6 if dtype == "float32" else 1e-14)


@pytest.mark.parametrize(("expression", "shapes"), EXPRESSIONS, ids=IDS)
def test_einsum_has_gradients(expression, shapes):
    arrays = arrays_of(shapes)
    assert gradcheck(lambda *operands: cubes(np.einsum(expression, *operands)), *arrays)


@pytest.mark.parametrize(("expression", "shapes"), EXPRESSIONS[::3], ids=IDS[::3])
def test_einsum_has_second_derivatives(expression, shapes):
    arrays = arrays_of(shapes)
    chosen = tuple(range(len(arrays)))

    def slope(*operands):
        found = tg.grad(lambda *x: (np.einsum(expression, *x) ** 2).sum(), argnums=chosen)(*operands)
        return sum((g * g).sum() for g in found)

    assert gradcheck(slope, *arrays, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("expression", "shapes"), EXPRESSIONS, ids=IDS)
def test_einsum_on_grids(expression, shapes):
    arrays = arrays_of(shapes)
    tensors = [tg.tensor(a, requires_grad=True) for a in arrays]
    y = ops.einsum(expression, *tensors)
    cubes(y).backward()
    leaves = [np.asarray(grid(a)) for a in arrays]
    out = ops.einsum(expression, *leaves)
    np.testing.assert_allclose(np.asarray(values(out), float), y.numpy(), atol=1e-13)
    Value.sum([v * v * v for v in np.ravel(np.asarray(out))]).backward()
    for t, leaf in zip(tensors, leaves, strict=True):
        np.testing.assert_allclose(np.asarray(grads(leaf), float), t.grad, atol=1e-12)


@pytest.mark.parametrize("optimize", ["greedy", "optimal", ["einsum_path", (0, 1), (0, 1)]])
def test_einsum_takes_numpys_ways_to_optimize(optimize):
    arrays = arrays_of([(2, 3), (3, 4), (4, 2)])
    f = functools.partial(np.einsum, "ij,jk,kl->il", optimize=optimize)
    np.testing.assert_allclose(f(*map(tg.tensor, arrays)).numpy(), f(*arrays), rtol=1e-12)
    assert gradcheck(lambda *x: cubes(f(*x)), *arrays)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda t: np.einsum(t, [0, 1]), 'the subscripts come first, a string such as "ij,jk->ik", got Tensor'),
        (lambda t: ops.einsum("ij"), "'ij' came without operands"),
        (lambda t: np.einsum("ij->ik", t), "has 'k' in its result"),
        (lambda t: np.einsum("éa", t), "has 'é' in it"),
        (lambda t: np.einsum("ij->ji->ij", t), "has '-' in it"),
        (lambda t: np.einsum("......", t), "not part of an ellipsis"),
    ],
)
def test_einsum_says_what_it_cannot_read(call, match):
    with pytest.raises(OptionError, match=match):
        call(tg.tensor([[1.0, 2.0]]))


def test_einsum_keeps_the_numbers_that_its_gradient_reads():
    w, buffer = tg.tensor(np.ones((2, 2)), requires_grad=True), np.array([2.0, 3.0])
    y = ops.einsum("ij,j->i", w, buffer).sum()
    buffer[:] = 100
    y.backward()
    assert w.grad.tolist() == [[2, 3], [2, 3]]
    u = tg.tensor(np.ones(2), requires_grad=True)
    y = ops.einsum("i,i", u, tg.tensor(np.ones(2), requires_grad=True))
    u[...] = np.zeros(2)
    with pytest.raises(GraphError, match="backward of 'einsum': its input of shape \\(2,\\) was changed in place"):
        y.backward()
    v = tg.tensor(np.ones((2, 2)), requires_grad=True)
    y = ops.einsum("ij->ji", v)
    v[...] = np.zeros((2, 2))
    y.backward(np.ones((2, 2)))
    assert v.grad.tolist() == [[1, 1], [1, 1]] and y.numpy().tolist() == [[1, 1], [1, 1]]


# ---- dot, outer, tensordot, trace -------------------------------------------------------------------------------------
PRODUCTS = [
    (np.dot, [(3,), (3,)], {}), (np.dot, [(2, 3), (3,)], {}), (np.dot, [(2, 4, 3), (5, 3, 2)], {}), (np.dot, [(), (2, 3)], {}),
    (np.outer, [(2, 3), (4,)], {}), (np.tensordot, [(2, 3), (2, 3)], {}), (np.tensordot, [(2, 3), (4,)], {"axes": 0}),
    (np.tensordot, [(2, 3, 4), (4, 3, 5)], {"axes": ([1, 2], [1, 0])}), (np.trace, [(3, 4)], {"offset": 1}),
    (np.trace, [(2, 3, 4)], {"axis1": 2, "axis2": 0}), (np.trace, [(2, 3, 4)], {"axis1": -1, "axis2": -2, "offset": -1}),
]  # fmt: skip


@pytest.mark.parametrize(("f", "shapes", "options"), PRODUCTS)
def test_products_are_numpys(f, shapes, options):
    arrays = arrays_of(shapes)
    y = f(*map(tg.tensor, arrays), **options)
    np.testing.assert_allclose(y.numpy(), f(*arrays, **options), rtol=1e-13, atol=1e-14)
    assert gradcheck(lambda *x: cubes(f(*x, **options)), *arrays)


def test_numpys_methods():
    t = tg.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert t.dot(t).numpy().tolist() == [[7, 10], [15, 22]]
    assert (t.trace().item(), t.trace(1).item(), t.trace(0, 1, 0).item()) == (5, 2, 5)


@pytest.mark.parametrize("f", [ops.dot, ops.outer, functools.partial(ops.tensordot, axes=1)])
def test_products_are_recorded(f):
    step = tg.compile(lambda x, y: f(x, y).sum())
    for seed in (0, 1):
        x, y = np.random.default_rng(seed).normal(size=(2, 3)).astype("float32")
        np.testing.assert_allclose(step(x, y).item(), np.sum(f(x, y)), rtol=1e-5)
    assert step.reason == ""


# ---- matrices ---------------------------------------------------------------------------------------------------------
def regular(*shape):
    return np.random.default_rng(1).normal(size=shape) / 3 + np.roll(np.eye(shape[-1]), 1, -2)


def definite(*shape):
    x = regular(*shape)
    return x @ np.swapaxes(x, -1, -2) + np.eye(shape[-1])


def symmetric(f):
    """f of the symmetric part, so that differences of single elements are those of the symmetric gradient."""
    return lambda x: f((x + x.transpose(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2)) / 2)


MATRICES = [
    (np.linalg.inv, [regular(3, 3)]), (np.linalg.inv, [regular(2, 3, 3)]), (np.linalg.det, [regular(3, 3)]),
    (np.linalg.det, [regular(2, 3, 3)]), (lambda x: np.linalg.slogdet(x)[1], [regular(3, 3)]),
    (lambda x: np.linalg.slogdet(x).logabsdet, [regular(2, 3, 3)]), (np.linalg.solve, [regular(3, 3), regular(3, 3)[0]]),
    (np.linalg.solve, [regular(3, 3), regular(3, 3)[:, :2]]), (np.linalg.solve, [regular(2, 3, 3), regular(3, 3)[0]]),
    (np.linalg.solve, [regular(2, 1, 3, 3), regular(4, 3, 3)[:, :, :2]]), (symmetric(np.linalg.cholesky), [definite(3, 3)]),
    (symmetric(np.linalg.cholesky), [definite(2, 4, 4)]), (ops.cofactors, [regular(3, 3)]),
    (symmetric(lambda x: np.linalg.cholesky(x, upper=True)), [definite(3, 3)]),
]  # fmt: skip


@pytest.mark.parametrize(("f", "arrays"), MATRICES)
def test_matrix_functions_have_both_derivatives(f, arrays):
    np.testing.assert_allclose(f(*map(tg.tensor, arrays)).numpy(), f(*arrays), rtol=1e-12, atol=1e-13)
    assert gradcheck(lambda *x: cubes(f(*x)), *arrays)
    chosen = tuple(range(len(arrays)))
    slopes = tg.grad(lambda *x: cubes(f(*x)), argnums=chosen)
    assert gradcheck(lambda *x: sum((g * g).sum() for g in slopes(*x)), *arrays, rtol=1e-4, atol=1e-6)


def test_the_sign_of_a_determinant():
    x = np.array([np.eye(2), [[0, 1], [1, 0]], [[1, 1], [1, 1]]])
    for kind, plain in ((tg.tensor, tg.Tensor.numpy), (np.asarray, np.asarray), (grid, values)):
        sign, size = map(plain, ops.slogdet(kind(x)))
        assert sign.tolist() == [1, -1, 0] and size.tolist() == [0, 0, -np.inf]


SINGULAR = [[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [0.0, 1.0, 5.0]]


@pytest.mark.parametrize("x", [SINGULAR, np.zeros((1, 1)), np.diag([0.0, 0.0, 1.0]), [SINGULAR, np.eye(3)]])
def test_a_singular_matrix_has_the_gradient_of_its_determinant(x):
    x = np.array(x)
    assert gradcheck(lambda t: np.linalg.det(t).sum(), x)
    t, leaves = tg.tensor(x, requires_grad=True), grid(x)
    np.linalg.det(t).sum().backward()
    Value.sum(np.ravel(ops.det(leaves))).backward()
    np.testing.assert_allclose(grads(leaves), t.grad, atol=1e-12)


def test_nan_goes_through_where_lapack_calls_it_singular():
    x, b = np.array([np.eye(2), [[np.nan, 1], [1, 1]]]), np.ones(2)
    bad = [False, True]
    assert np.isnan(ops.inv(x)).any((-2, -1)).tolist() == bad
    assert np.isnan(ops.solve(x, b)).any(-1).tolist() == bad and ops.solve(x, b)[0].tolist() == [1, 1]
    assert np.isnan(ops.solve(x, b[:, None])).any((-2, -1)).tolist() == bad
    assert np.isnan(ops.det(x)).tolist() == bad and np.isnan(ops.cofactors(x)).any((-2, -1)).tolist() == bad
    assert np.isnan(ops.cholesky(x)).any((-2, -1)).tolist() == bad
    t = tg.tensor(x, requires_grad=True)
    np.linalg.det(t).sum().backward()
    assert t.grad[0].tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("kind", [np.asarray, tg.tensor, grid])
def test_errors_name_the_matrix(kind):
    batch = np.array([[np.eye(3), SINGULAR], [np.eye(3), np.eye(3)]])
    which = r"matrix \(0, 1\) of the batch is"
    with pytest.raises(LinAlgError, match=rf"^inv: {which} singular: its rows depend on each other"):
        ops.inv(kind(batch))
    with pytest.raises(np.linalg.LinAlgError, match=rf"^solve: {which} singular"):
        ops.solve(kind(batch), kind(np.ones(3)))
    with pytest.raises(ValueError, match=rf"^cholesky: {which} not positive definite: its leading minor of order 2 is"):
        ops.cholesky(kind(batch))
    with pytest.raises(ShapeError, match=r"^det: expected square matrices \(..., n, n\), got shape \(2, 3\)$"):
        ops.det(kind(np.ones((2, 3))))


def test_cholesky_reads_one_triangle_and_shares_its_gradient():
    x = definite(3, 3)
    lower = np.tril(x) + np.triu(np.full((3, 3), 9.0), 1)
    for kind, plain in ((tg.tensor, tg.Tensor.numpy), (grid, values)):
        got, upper = ops.cholesky(kind(lower)), ops.cholesky(kind(lower.T), upper=True)
        np.testing.assert_allclose(plain(got), np.linalg.cholesky(x), atol=1e-14)
        np.testing.assert_allclose(plain(upper), np.linalg.cholesky(x).T, atol=1e-14)
    t = tg.tensor(x, requires_grad=True)
    np.linalg.cholesky(t).sum().backward()
    np.testing.assert_array_equal(t.grad, t.grad.T)


def test_linear_algebra_leaves_a_compiled_step_eager():
    step = tg.compile(lambda x: np.linalg.inv(x).sum())
    for scale in (1.0, 2.0):
        assert step(np.eye(2, dtype="float32") * np.float32(scale)).item() == 2 / scale
    assert "linear algebra is computed by LAPACK" in step.reason
