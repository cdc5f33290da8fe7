"""Layers that arrange others or only shapes, and embeddings: values, gradients, both engines, programs, errors."""

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn, ops, optim
from tensorgrad._program import threads
from tensorgrad.errors import DTypeError, OptionError, ShapeError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 6))
WORDS = RNG.integers(0, 9, (60, 4))
LABELS = RNG.integers(0, 3, 60)


# ---- shapes ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("shape", [(5, 2, 3, 4), (5, 7), (5,), (0, 2, 3), (1, 1), (5, 0)])
def test_flatten(shape):
    x = np.arange(np.prod(shape), dtype=float).reshape(shape)
    y = nn.Flatten()(x)
    assert y.shape == (shape[0], int(np.prod(shape[1:])))
    np.testing.assert_array_equal(y.ravel(), x.ravel())


@pytest.mark.parametrize(
    ("target", "row", "expected"),
    [((8, 8, 1), (64,), (8, 8, 1)), ((-1,), (2, 3), (6,)), ((2, -1), (2, 3), (2, 3)), ((), (1,), ()), ((0, -1), (0,), (0, 0)),
     ([3, 2], (6,), (3, 2))],
)  # fmt: skip
@pytest.mark.parametrize("n", [0, 1, 5])
def test_reshape(target, row, expected, n):
    layer = nn.Reshape(target) if isinstance(target, list) else nn.Reshape(*target)
    assert layer(np.zeros((n, *row))).shape == (n, *expected)


def test_identity_and_lambda():
    x = tg.tensor(X)
    assert nn.Identity()(x) is x
    np.testing.assert_array_equal(nn.Lambda(lambda x: x * 2)(X), X * 2)


# ---- arrangements -----------------------------------------------------------------------------------------------------
def test_residual_adds_the_input():
    layer = nn.Residual(nn.Dense(6, 6), nn.ReLU(), rng=0).astype("float64")
    np.testing.assert_array_equal(layer(X).numpy(), X + np.maximum(X @ layer[0].weight.data, 0))


def test_residual_with_a_shortcut():
    layer = nn.Residual(nn.Dense(6, 4), nn.Tanh(), shortcut=nn.Dense(6, 4, bias=False), rng=0).astype("float64")
    expected = X @ layer.shortcut.weight.data + np.tanh(X @ layer[0].weight.data)
    np.testing.assert_allclose(layer(X).numpy(), expected, rtol=1e-12, atol=1e-14)
    assert [name for name, _ in layer.named_parameters()] == ["0.weight", "0.bias", "shortcut.weight"]


def test_parallel_joins_and_adds():
    branches = [nn.Dense(6, 2, rng=0), nn.Identity(), nn.Dense(6, 3, rng=1)]
    joined = nn.Parallel(*branches).astype("float64")
    expected = np.concatenate([X @ joined[0].weight.data, X, X @ joined[2].weight.data], axis=1)
    np.testing.assert_allclose(joined(X).numpy(), expected, rtol=1e-12, atol=1e-14)
    added = nn.Parallel(nn.Dense(6, 6), nn.Identity(), nn.Tanh(), combine="add", rng=0).astype("float64")
    np.testing.assert_allclose(added(X).numpy(), X @ added[0].weight.data + X + np.tanh(X), rtol=1e-12, atol=1e-14)
    first = nn.Parallel(nn.Identity(), nn.Identity(), axis=0)
    assert first(X).shape == (120, 6)


@pytest.mark.parametrize("make", [
    lambda rng: nn.Residual(nn.Dense(6, 6), nn.Dense(6, 6), shortcut=nn.Dense(6, 6), rng=rng),
    lambda rng: nn.Parallel(nn.Dense(6, 6), nn.Sequential(nn.Dense(6, 2)), rng=rng),
    lambda rng: nn.Sequential(nn.Embedding(5, 2), nn.Residual(nn.Dense(2, 2)), rng=rng),
])  # fmt: skip
def test_one_seed_draws_all_weights(make):
    first, again, other = make(0).state_dict(), make(None).reset(0).state_dict(), make(1).state_dict()
    assert all(np.array_equal(first[k], again[k]) for k in first)
    assert not any(np.array_equal(first[k], other[k]) for k in first if k.endswith("weight"))


def test_repr_shows_the_structure():
    class Net(nn.Module):
        def __init__(self):
            self.scale = tg.Parameter(np.ones(2, "float32"))
            self.blocks = [nn.Dense(2, 2), nn.Residual(nn.Dense(2, 2), shortcut=nn.Identity())]
            self.me = self

    assert repr(Net()) == (
        "Net(\n  (blocks.0) Dense(2, 2)\n  (blocks.1) Residual(\n    (0) Dense(2, 2)\n    (shortcut) Identity()\n  )\n"
        "  (me) ...\n  (scale) Parameter(shape=(2,), dtype=float32)\n)"
    )
    parts = [nn.Reshape(2, -1), nn.Lambda(np.square), nn.Lambda(lambda x: x, "twice"), nn.Embedding(3, 2), nn.Flatten()]
    assert list(map(repr, parts)) == [
        "Reshape(2, -1)",
        "Lambda(square)",
        "Lambda(twice)",
        "Embedding(3, 2)",
        "Flatten()",
    ]


# ---- embeddings -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", ">i4"])
@pytest.mark.parametrize("shape", [(5,), (5, 4), (2, 3, 4), (0, 3), ()])
def test_embedding_takes_rows_and_adds_up_gradients(shape, dtype):
    layer = nn.Embedding(9, 3, rng=0, dtype="float64")
    indices = RNG.integers(0, 9, shape).astype(dtype)
    y = layer(indices)
    np.testing.assert_array_equal(y.numpy(), layer.weight.data[indices])
    g = RNG.normal(size=y.shape)
    y.backward(g)
    expected = np.zeros((9, 3))
    np.add.at(expected, indices, g)
    np.testing.assert_allclose(layer.weight.grad, expected, rtol=1e-14, atol=1e-15)


def test_embedding_starts_standard_normal():
    w = nn.Embedding(500, 100, rng=0).weight.data
    assert abs(w.var() - 1) < 0.03
    assert abs(w.mean()) < 0.02


def test_second_derivative_of_an_embedding():
    table = RNG.normal(size=(5, 2))
    hessian = tg.hessian(lambda w: (ops.embedding(np.array([1, 1, 4]), w) ** 3).sum())(table).numpy().reshape(10, 10)
    counts = np.array([0, 2, 0, 0, 1])[:, None] * np.ones((5, 2))
    np.testing.assert_allclose(hessian, np.diag((6 * counts * table).ravel()), atol=1e-14)


# ---- training ---------------------------------------------------------------------------------------------------------
def arranged(rng=0):
    return nn.Sequential(
        nn.Reshape(2, 3), nn.Flatten(), nn.Residual(nn.Dense(6, 6), nn.ReLU()), nn.Parallel(nn.Dense(6, 4), nn.Tanh()),
        nn.Lambda(lambda x: x * 0.5), nn.Identity(),
        nn.Parallel(nn.Dense(10, 3), nn.Residual(nn.Dense(10, 3), shortcut=nn.Dense(10, 3)), combine="add"), rng=rng,
    )  # fmt: skip


def words(rng=0):
    return nn.Sequential(
        nn.Embedding(9, 3), nn.Flatten(), nn.Residual(nn.Dense(12, 12), nn.ReLU()), nn.Dense(12, 3), rng=rng
    )


MODELS = {"arranged": (arranged, X), "words": (words, WORDS), "words int32": (words, WORDS.astype("int32"))}


def losses(model, X, **options):
    adam = optim.Adam(model.parameters(), lr=0.02)
    defaults = {"loss": nn.CrossEntropyLoss(), "optimizer": adam, "epochs": 3, "batch_size": 16, "progress": False}
    return tg.fit(model, (X, LABELS), **(defaults | options))


@pytest.mark.parametrize("name", MODELS)
def test_both_engines_eager_and_compiled_give_equal_losses(name, monkeypatch):
    for cost in ("MEETING", "SUMMED"):
        monkeypatch.setattr(threads, cost, 1e-9)
    make, data = MODELS[name]
    make_wide = lambda: make().astype("float64")  # noqa: E731
    eager = losses(make_wide(), data, compile=False)
    one, two = (losses(make_wide(), data, threads=n) for n in (1, 2))
    scalar = losses(make_wide().to("scalar"), data)
    assert (one.compiled, two.compiled, two.threads) == (True, True, 2), one.eager_because
    assert one.steps == eager.steps
    np.testing.assert_allclose(two.steps, eager.steps, rtol=1e-10)
    np.testing.assert_allclose(scalar.steps, eager.steps, rtol=1e-10)
    assert eager.steps[-1] < eager.steps[0]


@pytest.mark.parametrize("name", MODELS)
def test_the_engines_compare(name):
    make, data = MODELS[name]
    assert tg.compare(make(), data[:6], LABELS[:6], loss=nn.CrossEntropyLoss()).ok


@pytest.mark.parametrize("name", MODELS)
def test_predict(name):
    make, data = MODELS[name]
    model = make()
    model.eval()
    expected = model(data if name != "arranged" else data.astype("float32")).numpy()
    np.testing.assert_allclose(tg.predict(model, data, batch_size=20), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(tg.compile(model)(data), expected, rtol=1e-4, atol=1e-5)


def test_words_of_a_large_table_on_two_threads(monkeypatch):
    """The gradient of so many rows is not added up: each thread makes its slice."""
    for cost in ("MEETING", "SUMMED"):
        monkeypatch.setattr(threads, cost, 1e-9)
    make = lambda: nn.Sequential(nn.Embedding(700, 3), nn.Flatten(), nn.Dense(12, 3), rng=0).astype("float64")  # noqa: E731
    many = np.random.default_rng(1).integers(0, 700, (60, 4))
    one, two = (losses(make(), many, threads=n) for n in (1, 2))
    assert two.threads == 2
    np.testing.assert_allclose(one.steps, two.steps, rtol=1e-12)


def test_random_numbers_in_a_lambda_run_eagerly():
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Lambda(lambda x: x * rng.normal()), nn.Dense(6, 3, rng=0))
    history = losses(model, X)
    assert (history.compiled, history.eager_because) == (False, "random numbers are drawn by NumPy in the step")


# ---- what is refused --------------------------------------------------------------------------------------------------
FIVE = np.zeros((5, 4))
REFUSED = {
    "flatten a number": (lambda: nn.Flatten()(np.float64(1)), ShapeError,
        "Flatten: expected an input of shape (n, ...), got a single number"),
    "reshape": (lambda: nn.Reshape(3, 2)(FIVE), ShapeError,
        "Reshape(3, 2): a row of shape (4,) has 4 numbers, which do not fit (3, 2)"),
    "reshape with -1": (lambda: nn.Reshape(3, -1)(FIVE), ShapeError,
        "Reshape(3, -1): a row of shape (4,) has 4 numbers, which do not fit (3, -1)"),
    "two lengths left open": (lambda: nn.Reshape(-1, -1), OptionError,
        "Reshape: expected whole numbers, one of which may be -1, got (-1, -1)"),
    "no length": (lambda: nn.Reshape(2.0), OptionError,
        "Reshape: expected whole numbers, one of which may be -1, got (2.0,)"),
    "lambda of a layer": (lambda: nn.Lambda(nn.Identity()), OptionError,
        "Lambda: expected a function, got Identity(); a layer is taken as it is"),
    "lambda of a number": (lambda: nn.Lambda(3), OptionError, "Lambda: expected a function, got 3"),
    "residual": (lambda: nn.Residual(nn.Dense(4, 3))(FIVE), ShapeError,
        "Residual: the layers give shape (5, 3) and the input has (5, 4); they must be equal; "
        "a shortcut=nn.Dense(...) can give it the same"),
    "residual of images": (lambda: nn.Residual(nn.Conv2d(1, 2, 3))(np.zeros((5, 8, 8, 1))), ShapeError,
        "Residual: the layers give shape (5, 6, 6, 2) and the input has (5, 8, 8, 1); they must be equal; "
        "a shortcut=nn.Conv2d(..., kernel_size=1) can give it the same"),
    "shortcut": (lambda: nn.Residual(nn.Dense(4, 3), shortcut=nn.Dense(4, 2))(FIVE), ShapeError,
        "Residual: the layers give shape (5, 3) and the shortcut gives (5, 2); they must be equal"),
    "shortcut of a class": (lambda: nn.Residual(nn.ReLU(), shortcut=3), OptionError,
        "Residual: expected a layer (nn.Module) as shortcut, got 3"),
    "residual of a class": (lambda: nn.Residual(nn.ReLU), OptionError,
        "Residual: expected a layer (nn.Module), got <class 'tensorgrad.nn.activations.ReLU'>; call the class: ReLU(...)"),
    "no branches": (lambda: nn.Parallel(), OptionError, "Parallel: expected at least one branch"),
    "combine": (lambda: nn.Parallel(nn.ReLU(), combine="ad"), OptionError,
        "Parallel: unknown combine 'ad'; did you mean 'add'? (known: 'concatenate', 'add')"),
    "axis": (lambda: nn.Parallel(nn.ReLU(), axis=1.0), OptionError, "Parallel: axis must be a whole number, got 1.0"),
    "branches to add": (lambda: nn.Parallel(nn.Dense(4, 3), nn.ReLU(), combine="add")(FIVE), ShapeError,
        "Parallel: the branches give shapes (5, 3) and (5, 4); to be added they must be equal"),
    "branches to join": (lambda: nn.Parallel(nn.Dense(4, 3), nn.Reshape(2, 2))(FIVE), ShapeError,
        "Parallel: the branches give shapes (5, 3) and (5, 2, 2); to be joined along axis -1 they must be equal in the others"),
    "index": (lambda: nn.Embedding(9, 3)(np.array([[0, 8], [9, -1]])), ShapeError,
        "Embedding(9, 3): index 9 at position (1, 0) is outside 0..8: the table has 9 rows"),
    "negative index": (lambda: nn.Embedding(9, 3)(np.array([0, -1])), ShapeError,
        "Embedding(9, 3): index -1 at position (1,) is outside 0..8: the table has 9 rows"),
    "floats": (lambda: nn.Embedding(9, 3)(np.zeros(3)), DTypeError,
        "Embedding(9, 3): expected integer indices, got dtype float64; convert them with .astype(int)"),
    "count": (lambda: nn.Embedding(0, 3), OptionError, "Embedding: count must be a positive whole number, got 0"),
    "features": (lambda: nn.Embedding(3, 1.5), OptionError, "Embedding: features must be a positive whole number, got 1.5"),
    "dtype": (lambda: nn.Embedding(3, 1, dtype="float"), OptionError,
        "Embedding: unknown dtype 'float'; did you mean 'float64'? (known: 'float32', 'float64')"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case):
    call, error, text = REFUSED[case]
    with pytest.raises(error) as raised:
        call()
    assert str(raised.value) == text


@pytest.mark.parametrize("engine", ["tensor", "scalar"])
def test_fit_names_a_wrong_index_by_its_row_before_it_trains(engine):
    model, bad = words().to(engine), WORDS.copy()
    bad[57, 2] = 9
    before = model.state_dict()
    text = r"^Embedding\(9, 3\): index 9 at position \(57, 2\) is outside 0..8: the table has 9 rows$"
    for call in (lambda: losses(model, bad), lambda: losses(model, WORDS, validation=(bad, LABELS)),
                 lambda: tg.predict(model, bad), lambda: tg.evaluate(model, (bad, LABELS), metrics=["accuracy"])):  # fmt: skip
        with pytest.raises(ShapeError, match=text):
            call()
    assert all(np.array_equal(before[k], v) for k, v in model.state_dict().items())


def test_a_program_refuses_an_index_that_is_not_in_the_table():
    model, bad = words(), WORDS.copy()
    compiled = tg.compile(model)
    compiled(WORDS)
    bad[57, 2] = 9
    with pytest.raises(ShapeError, match=r"index 9 at position \(57, 2\)"):
        compiled(bad)
    assert compiled(WORDS).shape == (60, 3)


def test_indices_that_are_not_in_the_table_are_found_behind_a_residual():
    words = np.array([[1, 2], [3, 9]])
    inside = nn.Residual(nn.Embedding(4, 2), nn.Lambda(lambda x: x.sum(-1)), shortcut=nn.Lambda(lambda x: x))
    aside = nn.Residual(nn.Lambda(lambda x: x), shortcut=nn.Sequential(nn.Embedding(4, 2)))
    for layer in (inside, aside):
        layer.check_inputs(words % 4)
        with pytest.raises(ShapeError, match="Embedding"):
            layer.check_inputs(words)
        with pytest.raises(ShapeError, match="Embedding"):
            nn.Sequential(layer).check_inputs(words)


def test_a_sequential_is_changed_like_a_list():
    first, second, third = nn.Dense(2, 3, rng=0), nn.ReLU(), nn.Dense(3, 4, rng=1)
    model = nn.Sequential(first, second, third)
    x = np.ones((5, 2), np.float32)
    before = model(x).numpy()
    front = model[:2]
    assert type(front) is nn.Sequential and front[0] is first and front[1] is second and len(front) == 2
    np.testing.assert_array_equal(front(x).numpy(), second(first(x)).numpy())
    assert [type(layer) for layer in nn.Residual(first, second)[:1]] == [nn.Dense]
    model[1] = nn.Tanh()
    assert not np.array_equal(model(x).numpy(), before)  # also where two layers were one call
    model[1:] = [second]
    assert model[-1] is second and len(model) == 2 and model.append(third) is model
    np.testing.assert_array_equal(model(x).numpy(), before)
    with pytest.raises(OptionError, match="Sequential: expected a layer"):
        model[0] = np.tanh
    with pytest.raises(IndexError):
        model[7] = first
    assert [name for name, _ in model.named_parameters()] == ["0.weight", "0.bias", "2.weight", "2.bias"]
