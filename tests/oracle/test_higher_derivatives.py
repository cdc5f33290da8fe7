"""tg.jacobian, hessian, hvp, jvp and vjp against torch.func and JAX, on functions and on models."""

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.oracle,
    pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning"),  # by PyTorch's own forward mode
]
RNG = np.random.default_rng(0)
A, X, Y, V, W = (RNG.normal(size=s) for s in ((3, 4), (4,), (2, 3), (4,), (2, 3)))


class Ours:
    exp, sin, tanh, matmul, softmax, where = np.exp, np.sin, np.tanh, np.matmul, tg.ops.softmax, np.where

    @staticmethod
    def logsumexp(x):
        return tg.ops.logsumexp(x, axis=-1)

    @staticmethod
    def array(x):
        return x


class Torch:
    exp, sin, tanh, matmul, where, array = torch.exp, torch.sin, torch.tanh, torch.matmul, torch.where, torch.tensor

    @staticmethod
    def softmax(x):
        return torch.softmax(x, -1)

    @staticmethod
    def logsumexp(x):
        return torch.logsumexp(x, -1)


# Functions of x (4,) and y (2, 3), written once for every library.
OUTPUTS = {
    "products": lambda m, x, y: m.matmul(y, m.array(A)) * m.sin(x),
    "tensor": lambda m, x, y: m.exp(y[:, :, None] * x[None, None, :2]) / (1 + x @ x),
    "softmax": lambda m, x, y: m.softmax(m.matmul(y, m.array(A)) * x),
    "pieces": lambda m, x, y: m.where(m.matmul(y, m.array(A)) > 0, x**3, m.matmul(y, m.array(A)) * m.tanh(x))[:, 1:],
    "number": lambda m, x, y: m.logsumexp(x * y.sum()),
}
SCALARS = {name: lambda m, x, y, f=f: (f(m, x, y) ** 2).sum() for name, f in OUTPUTS.items()}


def jax_module():
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp

    class Jax:
        exp, sin, tanh, matmul, where, array = jnp.exp, jnp.sin, jnp.tanh, jnp.matmul, jnp.where, jnp.asarray
        softmax, logsumexp = jax.nn.softmax, jax.nn.logsumexp

    return jax, Jax


def of(functions, name, module):
    return lambda x, y: functions[name](module, x, y)


def same(ours, theirs, rtol=1e-10):
    if isinstance(ours, tuple):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            same(a, b, rtol)
    else:
        expected = np.asarray(theirs)
        assert ours.shape == expected.shape and ours.dtype == expected.dtype
        np.testing.assert_allclose(ours.numpy(), expected, rtol, atol=rtol * np.abs(expected).max(initial=1e-3))


def tensors(*arrays):
    return tuple(map(torch.tensor, arrays))


@pytest.mark.parametrize("argnums", [0, 1, (0, 1), (1, 0)], ids=str)
@pytest.mark.parametrize("name", OUTPUTS)
def test_torch(name, argnums):
    ours, theirs = of(OUTPUTS, name, Ours), of(OUTPUTS, name, Torch)
    same(tg.jacobian(ours, argnums)(X, Y), torch.func.jacrev(theirs, argnums)(*tensors(X, Y)))
    ours, theirs = of(SCALARS, name, Ours), of(SCALARS, name, Torch)
    same(tg.hessian(ours, argnums)(X, Y), torch.func.hessian(theirs, argnums)(*tensors(X, Y)))


@pytest.mark.parametrize("name", OUTPUTS)
def test_torch_products(name):
    ours, theirs = of(OUTPUTS, name, Ours), of(OUTPUTS, name, Torch)
    same(tg.jvp(ours, (X, Y), (V, W)), torch.func.jvp(theirs, tensors(X, Y), tensors(V, W)))
    value, pull = tg.vjp(ours, X, Y)
    expected, their_pull = torch.func.vjp(theirs, *tensors(X, Y))
    g = RNG.normal(size=value.shape)
    same((value, pull(g)), (expected, their_pull(torch.tensor(g))))
    ours, theirs = of(SCALARS, name, Ours), of(SCALARS, name, Torch)
    expected = torch.autograd.functional.hvp(theirs, tensors(X, Y), tensors(V, W))[1]
    same(tg.hvp(ours, (X, Y), (V, W)), expected)


@pytest.mark.parametrize("name", OUTPUTS)
def test_torch_third_derivatives(name):
    def third(library, f):
        return library.jacrev(library.hessian(lambda x: f(x, library.Y)))

    class Mine:
        jacrev, hessian, Y = tg.jacobian, tg.hessian, Y

    class Theirs:
        jacrev, hessian, Y = torch.func.jacrev, torch.func.hessian, torch.tensor(Y)

    same(third(Mine, of(SCALARS, name, Ours))(X), third(Theirs, of(SCALARS, name, Torch))(torch.tensor(X)), 1e-9)


@pytest.mark.parametrize("name", ["products", "pieces", "number"])
def test_jax(name):
    jax, module = jax_module()
    ours, theirs, both = of(OUTPUTS, name, Ours), of(OUTPUTS, name, module), (0, 1)
    same(tg.jacobian(ours, both)(X, Y), jax.jacrev(theirs, both)(X, Y))
    same(tg.jvp(ours, (X, Y), (V, W)), jax.jvp(theirs, (X, Y), (V, W)))
    value, pull = tg.vjp(ours, X, Y)
    expected, their_pull = jax.vjp(theirs, X, Y)
    g = RNG.normal(size=value.shape)
    same((value, pull(g)), (expected, their_pull(g)))
    ours, theirs = of(SCALARS, name, Ours), of(SCALARS, name, module)
    same(tg.hessian(ours, both)(X, Y), jax.hessian(theirs, both)(X, Y))
    same(tg.hvp(ours, (X, Y), (V, W)), jax.jvp(jax.grad(theirs, both), (X, Y), (V, W))[1])
    same(tg.jvp(tg.grad(ours, both), (X, Y), (V, W))[1], jax.jvp(jax.grad(theirs, both), (X, Y), (V, W))[1])


@pytest.mark.parametrize("dtype, rtol", [("float64", 1e-8), ("float32", 2e-3)])
def test_hessian_of_a_models_loss(twins, dtype, rtol):
    model, loss, theirs, their_loss, X, y = twins(dtype)
    X, y = X[:4], y[:4]
    bias = [name for name, _ in model.named_parameters() if name.endswith("bias")][-1]
    ours = tg.hessian(lambda b: loss(nn.functional_call(model, {bias: b}, X), y))(dict(model.named_parameters())[bias])
    expected = torch.func.hessian(
        lambda b: their_loss(torch.func.functional_call(theirs, {bias: b}, torch.tensor(X)), torch.tensor(y))
    )(dict(theirs.named_parameters())[bias])
    same(ours, expected.detach(), rtol)
    directions = {name: RNG.normal(size=p.shape).astype(dtype) for name, p in model.named_parameters()}
    names = list(directions)
    products = tg.hvp(
        lambda *ps: loss(nn.functional_call(model, dict(zip(names, ps, strict=True)), X), y),
        tuple(model.parameters()), tuple(directions.values()),
    )  # fmt: skip

    def their_f(*ps):
        return their_loss(
            torch.func.functional_call(theirs, dict(zip(names, ps, strict=True)), torch.tensor(X)), torch.tensor(y)
        )

    turned = tuple(torch.tensor(d.T if d.ndim == 2 else d) for d in directions.values())
    parameters = tuple(p.detach() for p in theirs.parameters())
    expected = torch.autograd.functional.hvp(their_f, parameters, turned)[1]
    same(tuple(products), tuple((h.T if h.ndim == 2 else h).detach() for h in expected), rtol)


def test_jacobian_of_a_model_by_its_input(twins):
    model, _, theirs, _, X, _ = twins("float64")
    same(tg.jacobian(model)(X[0]), torch.func.jacrev(theirs)(torch.tensor(X[0])).detach(), 1e-9)
