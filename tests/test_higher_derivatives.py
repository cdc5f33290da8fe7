"""jacobian, hessian, hvp, jvp, vjp: closed forms, each against the others, both engines, and what they refuse."""

import numpy as np
import pytest

import tensorgrad as tg
from microgrid import Value
from tensorgrad import nn
from tensorgrad.errors import DTypeError, EngineError, GraphError, OptionError, ShapeError

RNG = np.random.default_rng(0)
A, X, V = RNG.normal(size=(3, 3)), RNG.normal(size=3), RNG.normal(size=3)


def close(got, expected, rtol=1e-12):
    np.testing.assert_allclose(got.numpy(), expected, rtol, atol=rtol)


def smooth(x):
    """A function of everything, three numbers to a matrix."""
    return np.exp(x[:, None] * np.sin(x)) / (1 + x @ x)


def energy(x):
    return (smooth(x) ** 2).sum()


# ---- closed forms -----------------------------------------------------------------------------------------------------
def test_hessian_of_a_quadratic_form():
    close(tg.hessian(lambda x: x @ A @ x)(X), A + A.T)


def test_jacobian_of_a_linear_map():
    close(tg.jacobian(lambda x: A @ x)(X), A)


@pytest.mark.parametrize("x", [np.array(0.5), np.ones((1, 2)), np.ones((0, 3))], ids=lambda x: str(x.shape))
@pytest.mark.parametrize(
    "f", [lambda x: x.sum(), lambda x: x.reshape(-1), lambda x: np.stack([x, x * x])], ids=["()", "(n,)", "(2, ...)"]
)
def test_jacobian_of_any_shape(f, x):
    y = f(tg.tensor(x))
    assert tg.jacobian(f)(x).shape == y.shape + x.shape


def test_hessian_of_one_number():
    assert tg.hessian(lambda x: x**4)(np.array(2.0)).numpy() == 48.0


def test_third_derivatives():
    cubes = tg.jacobian(tg.hessian(lambda x: (x**3).sum()))(X)
    expected = np.zeros((3, 3, 3))
    expected[(np.arange(3),) * 3] = 6
    close(cubes, expected)
    close(tg.hessian(lambda x: tg.grad(lambda y: y**4 * np.exp(y))(x))(np.array(1.0)), (24 + 3 * 12 + 3 * 4 + 1) * np.e)
    close(tg.grad(lambda x: tg.hvp(lambda y: (y**4).sum(), x, V).sum())(X), 24 * X * V)


def test_mixed_derivatives():
    f = lambda x, y: (x * x @ (A @ y)) * y[0]  # noqa: E731
    (xx, xy), (yx, yy) = tg.hessian(f, (0, 1))(X, V)
    close(xx, np.diag(2 * (A @ V) * V[0]))
    close(xy, (2 * X)[:, None] * (A * V[0] + np.outer(A @ V, [1, 0, 0])))
    close(yx, xy.numpy().T)
    first = np.outer([1, 0, 0], X * X @ A)
    close(yy, first + first.T)


# ---- each against the others ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_they_agree_and_keep_the_dtype(dtype):
    x, v, u = X.astype(dtype), V.astype(dtype), A.astype(dtype)
    tight = 1e-12 if dtype == "float64" else 1e-5
    jacobian, hessian = tg.jacobian(smooth)(x), tg.hessian(energy)(x)
    y, dy = tg.jvp(smooth, x, v)
    _, pull = tg.vjp(smooth, x)
    close(y, smooth(x), tight)
    close(dy, jacobian.numpy() @ v, tight)
    close(pull(u)[0], np.tensordot(u, jacobian.numpy()), tight)
    close(tg.hvp(energy, x, v), hessian.numpy() @ v, tight)
    close(hessian, tg.jacobian(tg.jacobian(energy))(x).numpy(), tight)
    assert {t.dtype for t in (jacobian, hessian, y, dy, pull(u)[0], tg.hvp(energy, x, v))} == {np.dtype(dtype)}


@pytest.mark.parametrize(
    "second",
    [lambda x, v: tg.jvp(tg.grad(energy), x, v)[1], lambda x, v: tg.grad(lambda z: tg.jvp(energy, z, v)[1])(x),
     lambda x, v: tg.jacobian(tg.grad(energy))(x) @ v, lambda x, v: tg.vjp(tg.grad(energy), x)[1](v)[0],
     lambda x, v: tg.grad(lambda w: tg.hvp(energy, x, w) @ w / 2)(v), lambda x, v: tg.hessian(energy)(x) @ v],
    ids=["jvp of grad", "grad of jvp", "jacobian of grad", "vjp of grad", "grad of hvp", "hessian"],
)  # fmt: skip
def test_every_way_to_a_second_derivative(second):
    close(second(X, V), tg.hvp(energy, X, V).numpy())


def test_derivative_by_a_direction():
    close(tg.jacobian(lambda v: tg.jvp(smooth, X, v)[1])(V), tg.jacobian(smooth)(X).numpy())
    close(tg.jacobian(lambda u: tg.vjp(smooth, X)[1](u)[0])(A), np.moveaxis(tg.jacobian(smooth)(X).numpy(), -1, 0))


def test_nested_arguments_are_not_confused():
    inner = lambda x: tg.jvp(lambda y: x * y, np.array(3.0), np.array(1.0))[1]  # noqa: E731  (d/dy x y = x)
    assert tg.jvp(lambda x: x * inner(x), np.array(5.0), np.array(1.0))[1].item() == 10
    assert tg.grad(lambda x: tg.grad(lambda y: x * x * 1.0)(x) + x)(np.array(5.0)).item() == 1


# ---- models -----------------------------------------------------------------------------------------------------------
def small_model():
    model = nn.Sequential(nn.Dense(2, 3), nn.Tanh(), nn.Dense(3, 2), nn.Sigmoid(), nn.Dense(2, 2), rng=0)
    model = model.astype("float64")
    for p in model.parameters():
        p.data = p.data + RNG.normal(size=p.shape) * 0.1
    return model, RNG.normal(size=(4, 2)), np.array([0, 1, 1, 0])


def loss_by_parameters(model, X, y):
    names = [name for name, _ in model.named_parameters()]
    return lambda *ws: nn.CrossEntropyLoss()(nn.functional_call(model, dict(zip(names, ws, strict=True)), X), y)


def as_matrix(blocks, parameters):
    return np.block(
        [[b.numpy().reshape(p.size, q.size) for b, q in zip(row, parameters, strict=True)]
         for row, p in zip(blocks, parameters, strict=True)]
    )  # fmt: skip


def test_hessian_of_a_models_loss_on_both_engines():
    model, X, y = small_model()
    parameters = model.parameters()
    f, numbers = loss_by_parameters(model, X, y), tuple(range(len(parameters)))
    matrix = as_matrix(tg.hessian(f, numbers)(*parameters), parameters)
    np.testing.assert_allclose(matrix, matrix.T, rtol=1e-10, atol=1e-14)

    scalars = model.to("scalar", number=Value)  # gradients of Values of Values are Values
    nn.CrossEntropyLoss()(scalars(X), y).backward()
    weights = [v for p in scalars.parameters() for v in p.value.flat]
    rows = []
    for w in weights:
        for v in weights:
            v.data.grad = None
        w.grad.backward()
        rows.append([v.data.grad or 0.0 for v in weights])
    np.testing.assert_allclose(matrix, rows, rtol=1e-9, atol=1e-13)

    v = RNG.normal(size=len(matrix))
    parts = np.split(v, np.cumsum([p.size for p in parameters])[:-1])
    products = tg.hvp(f, tuple(parameters), tuple(a.reshape(p.shape) for a, p in zip(parts, parameters, strict=True)))
    np.testing.assert_allclose(np.concatenate([h.numpy().ravel() for h in products]), matrix @ v, rtol=1e-10)
    assert all(p.grad is None for p in parameters)


def test_hessian_of_a_models_loss_against_differences():
    model, X, y = small_model()
    w = model[0].weight
    f = lambda w: nn.CrossEntropyLoss()(nn.functional_call(model, {"0.weight": w}, X), y)  # noqa: E731
    hessian, slope = tg.hessian(f)(w), tg.grad(f)
    for index in np.ndindex(w.shape):
        step = np.zeros(w.shape)
        step[index] = 1e-5
        difference = (slope(w.data + step).numpy() - slope(w.data - step).numpy()) / 2e-5
        np.testing.assert_allclose(hessian[index].numpy(), difference, rtol=1e-6, atol=1e-9)


def test_jacobian_of_a_model_by_its_input():
    model, X, _ = small_model()
    jacobian = tg.jacobian(model)(X)
    assert jacobian.shape == (4, 2, 4, 2)
    for i in range(4):
        close(jacobian[i, :, i], tg.jacobian(model)(X[i]).numpy())
        close(jacobian[i, :, (i + 1) % 4], np.zeros((2, 2)))


def test_a_penalty_on_a_jacobian_trains():
    model, X, _ = small_model()
    (tg.jacobian(model)(X[0]) ** 2).sum().backward()
    w, h = model[0].weight, 1e-6
    expected = w.grad[0, 0]
    values = []
    for change in (h, -2 * h):
        w.data[0, 0] += change
        values.append((tg.jacobian(model)(X[0]).numpy() ** 2).sum())
    np.testing.assert_allclose(expected, (values[0] - values[1]) / (2 * h), rtol=1e-6)


def test_steps_with_derivatives_in_them_are_programs():
    model = nn.Sequential(nn.Dense(2, 4), nn.Tanh(), nn.Dense(4, 2), rng=0)
    steps = {
        "jacobian": lambda x: tg.jacobian(model)(x),
        "hessian": lambda x: tg.hessian(lambda t: (model(t) ** 2).sum())(x),
        "hvp": lambda x: tg.hvp(lambda t: (model(t) ** 2).sum(), x, x),
        "jvp": lambda x: tg.jvp(model, x, x)[1],
        "vjp": lambda x: tg.vjp(model, x)[1](x)[0],
        "by a parameter": lambda x: tg.hessian(
            lambda b: (nn.functional_call(model, {"0.bias": b}, x) ** 2).sum()
        )(model[0].bias),
    }  # fmt: skip
    for name, step in steps.items():
        compiled = tg.compile(step)
        for x in (np.ones((3, 2), np.float32), np.arange(6, dtype=np.float32).reshape(3, 2) / 5):
            np.testing.assert_allclose(compiled(x).numpy(), step(x).numpy(), 2e-5, 1e-6, err_msg=name)
        assert compiled.reason == "", name


# ---- forms of arguments and results -----------------------------------------------------------------------------------
@pytest.mark.parametrize("argnums", [0, 1, -1, (0,), (0, 1), [1, 0], (0, 0), np.int64(1)], ids=str)
def test_argnums(argnums):
    f = lambda x, y: x * y @ A  # noqa: E731
    each = [np.diag(V) @ A, np.diag(X) @ A]
    found = tg.jacobian(f, argnums)(X, V)
    if not isinstance(argnums, tuple | list):
        return close(found, each[argnums].T)
    assert isinstance(found, tuple)
    for i, block in zip(argnums, found, strict=True):
        close(block, each[i].T)
    h = tg.hessian(lambda x, y: (x * y).sum(), argnums)(X, V)
    assert [[b.numpy()[0, 0] for b in row] for row in h] == [[float(i != j) for j in argnums] for i in argnums]


def test_several_outputs():
    f = lambda x, y: (x * y, [x.sum()][0])  # noqa: E731
    (product_x, product_y), (sum_x, sum_y) = tg.jacobian(f, (0, 1))(X, V)
    for got, expected in ((product_x, np.diag(V)), (product_y, np.diag(X)), (sum_x, np.ones(3)), (sum_y, np.zeros(3))):
        close(got, expected)
    values, tangents = tg.jvp(f, (X, V), (V, X))
    assert [v.shape for v in values] == [t.shape for t in tangents] == [(3,), ()]
    close(tangents[0], V * V + X * X)
    close(tangents[1], V.sum())
    values, pull = tg.vjp(f, X, V)
    dx, dy = pull((X, 2.0))
    close(dx, X * V + 2)
    close(dy, X * X)
    close(pull([V, 0.0])[0], V * V)  # again, and a list will do


def test_other_arguments_are_passed_on():
    f = lambda x, n, scale=1.0: x**n * scale  # noqa: E731
    close(tg.jacobian(f)(X, 2, scale=3.0), np.diag(6 * X))
    close(tg.hessian(lambda x, n, scale: (x**n).sum() * scale)(X, 2, scale=3.0), 6 * np.eye(3))


def test_lists_and_numbers_are_float32_unless_beside_arrays():
    assert tg.jacobian(lambda x: x * x)([1.0, 2.0]).dtype == tg.hvp(lambda x: x * x, 2.0, 1.0).dtype == np.float32
    y, dy = tg.jvp(lambda x, s: x * s, (X, 2.0), ([1, 0, 0], 0.1))
    assert y.dtype == dy.dtype == np.float64
    close(dy, [2, 0, 0] + 0.1 * X)


def test_arguments_that_do_not_matter_and_outputs_that_do_not_depend():
    zeros = np.zeros((3, 3))
    close(tg.jacobian(lambda x, y: tg.tensor(y))(X, V), zeros)
    close(tg.jvp(lambda x: tg.tensor(V), X, V)[1], np.zeros(3))
    close(tg.hessian(lambda x: x.sum())(X), zeros)
    close(tg.hvp(lambda x: tg.tensor(1.0), X, V), np.zeros(3))
    with tg.no_grad():
        y = tg.tensor(X) * 2
    close(tg.vjp(lambda x: y, X)[1](V)[0], np.zeros(3))
    close(tg.jacobian(lambda x: x)(X), np.eye(3))


def test_results_are_numbers_of_their_own():
    x, g = X.copy(), V.copy()
    y, pull = tg.vjp(lambda t: t, x)
    z, dz = tg.jvp(lambda t: t + 0, x, g)
    pulled = pull(g)[0]
    x[...] = g[...] = 100
    close(y, X), close(z, X), close(dz, V), close(pulled, V)
    results = (y, z, dz, pulled, tg.jacobian(smooth)(X), tg.hessian(energy)(X), tg.hvp(energy, X, V))
    assert not any(t.requires_grad for t in results)


def test_they_can_be_differentiated_by_what_the_function_reads():
    p = tg.Parameter(X)
    tg.jvp(lambda x: p * p * x, V, V)[1].sum().backward()
    np.testing.assert_allclose(p.grad, 2 * X * V)
    p.grad = None
    tg.vjp(lambda x: p * p * x, V)[1](V)[0].sum().backward()
    np.testing.assert_allclose(p.grad, 2 * X * V)
    assert tg.hessian(lambda x: (p * x * x).sum())(V).requires_grad


def test_parameters_and_tensors_as_arguments():
    p, t = tg.Parameter(X), tg.tensor(V, requires_grad=True)
    (h,) = tg.hvp(lambda x: (x**3).sum(), (p,), (V,))
    close(h, 6 * X * V)
    tg.jvp(lambda x: x * x, p, t)[1].sum().backward()
    np.testing.assert_allclose(p.grad, 2 * V)
    np.testing.assert_allclose(t.grad, 2 * X)


@pytest.mark.parametrize("f, slope", [(tg.ops.relu, 0.0), (np.abs, 0.0), (lambda x: np.maximum(x, 0.0), 0.5)])
def test_kinks(f, slope):
    zero = np.array([0.0])
    assert tg.jvp(f, zero, np.ones(1))[1].item() == tg.jacobian(f)(zero).item() == slope
    assert tg.hessian(lambda x: f(x).sum())(zero).item() == 0


def test_a_mixed_derivative_at_exponent_zero():
    mixed = tg.hessian(lambda x, y: x**y, (0, 1))(np.array(2.0), np.array(0.0))[0][1]
    assert mixed.item() == 0.5  # of x**y: x**(y - 1) (1 + y log x)


def test_a_backward_inside_the_function():
    def f(x):
        (x * x).sum().backward()  # frees its own graph alone
        return (x**3).sum()

    close(tg.grad(f)(X), 3 * X * X)


# ---- what they refuse -------------------------------------------------------------------------------------------------
ONES = np.ones(2)
model = nn.Sequential(nn.Dense(2, 2, rng=0))
TENSOR = "must return a Tensor or a tuple of Tensors, got"


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: tg.jacobian(lambda x: 3.0)(ONES), DTypeError, f"^jacobian: the function {TENSOR} float; compute with"),
        (lambda: tg.jacobian(lambda x: None)(ONES), DTypeError, f"^jacobian: the function {TENSOR} NoneType"),
        (lambda: tg.jacobian(lambda x: x > 0)(ONES), DTypeError, f"^jacobian: the function {TENSOR} ndarray"),
        (lambda: tg.jvp(lambda x: {"a": x}, ONES, ONES), DTypeError, f"^jvp: the function {TENSOR} dict"),
        (lambda: tg.vjp(lambda x: (x, 1.0), ONES), DTypeError, f"^vjp: the function {TENSOR} float"),
        (lambda: tg.jacobian(lambda x: tg.tensor([1]))(ONES), DTypeError, "^jacobian: the function returned dtype int64"),
        (lambda: tg.hessian(lambda x: x)(ONES), ShapeError, r"^hessian: the function must return a scalar Tensor, got a tensor of shape \(2,\); reduce"),
        (lambda: tg.hvp(lambda x: 1.0, ONES, ONES), ShapeError, "^hvp: the function must return a scalar Tensor, got float"),
        (lambda: tg.hessian(lambda x: (x.sum(),))(ONES), ShapeError, "^hessian: the function must return a scalar Tensor, got tuple"),
        (lambda: tg.jvp(lambda x: x, ONES, ONES[:1]), ShapeError, r"^jvp: tangent 0 has shape \(1,\), argument 0 has \(2,\); they must be equal$"),
        (lambda: tg.hvp(lambda x: x.sum(), ONES, 1.0), ShapeError, r"^hvp: tangent 0 has shape \(\), argument 0 has \(2,\)"),
        (lambda: tg.vjp(lambda x: x, ONES)[1](1.0), ShapeError, r"^vjp: gradient 0 has shape \(\), output 0 has \(2,\)"),
        (lambda: tg.vjp(lambda x: (x, x), ONES)[1](ONES), ShapeError, "^vjp: got 1 gradients for 2 outputs; pass a tuple"),
        (lambda: tg.jvp(lambda x: x, (ONES,), ONES), OptionError, "^jvp: primals is a tuple and tangents is not; pass two tuples"),
        (lambda: tg.jvp(lambda x: x, ONES, (ONES,)), OptionError, "^jvp: tangents is a tuple and primals is not; pass two tuples"),
        (lambda: tg.jvp(lambda x: x, [ONES, ONES], [ONES, ONES]), OptionError, r"^jvp: primals is a list of arrays; several arguments are a tuple"),
        (lambda: tg.hvp(lambda x: x.sum(), (ONES,), (ONES, ONES)), OptionError, "^hvp: got 1 primals and 2 tangents; each argument needs one"),
        (lambda: tg.jacobian(lambda x: x, 1)(ONES), OptionError, "^jacobian: argnums 1 is out of range; the function got 1 arguments"),
        (lambda: tg.hessian(lambda x: x, "x")(ONES), OptionError, "^hessian: argnums must be a whole number or several, got 'x'"),
        (lambda: tg.hessian(3)(ONES), OptionError, "^hessian: expected a function, got 3"),
        (lambda: tg.jacobian(lambda x: x)(np.array([1, 2])), DTypeError, "^jacobian: argument 0 has dtype int64; gradients need float32 or float64: write 2.0 for 2"),
        (lambda: tg.hessian(lambda x: x.sum())(ONES * 1j), DTypeError, "^hessian: argument 0: dtype complex128 is not supported"),
        (lambda: tg.jvp(lambda x: x, ONES, ONES * 1j), DTypeError, "^jvp: tangent 0: dtype complex128 is not supported"),
        (lambda: tg.jvp(lambda x: x, ONES, None), DTypeError, "^jvp: tangent 0: "),
        (lambda: tg.jvp(lambda x: x, ONES, tg.tensor(ONES).astype("float32")), DTypeError, "^jvp: tangent 0 has dtype float32, argument 0 has float64; use .astype"),
        (lambda: tg.hvp(lambda x: x.sum(), model, model), DTypeError, "^hvp: argument 0: dtype object is not supported"),
        (lambda: tg.jacobian(lambda x: x)(model.to("scalar")[0].weight), EngineError, "^jacobian: argument 0 is on the scalar engine"),
        (lambda: tg.hvp(lambda x: x * x, Value(1.0), 1.0), EngineError, "^hvp: argument 0 is on the scalar engine"),
        (lambda: tg.no_grad(tg.jacobian(lambda x: x))(ONES), GraphError, r"^jacobian: nothing can be recorded under tg\.no_grad\(\)$"),
        (lambda: tg.no_grad(tg.hvp)(lambda x: x.sum(), ONES, ONES), GraphError, r"^hvp: nothing can be recorded under tg\.no_grad\(\)$"),
        (lambda: tg.hessian(lambda w: (model(ONES.astype("f")) ** 2).sum())(model[0].weight), GraphError,
         "^hessian: the function does not use its argument 0, but computes with the tensor that was given for it: .* nn.functional_call"),
        (lambda: tg.grad(lambda w: model[0].bias.value.sum())(model[0].bias), GraphError, "^grad: the function does not use its argument 0"),
    ],
)  # fmt: skip
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()
