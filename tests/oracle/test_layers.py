"""Initial weights and layers against PyTorch's."""

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad.nn import initialisers

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle

SHAPES = {"dense": (300, 200), "convolution": (3, 3, 40, 60), "long": (20, 2000)}
INIT = torch.nn.init
THEIRS = {
    "he_normal": lambda w: INIT.kaiming_normal_(w, nonlinearity="relu"),
    "he_uniform": lambda w: INIT.kaiming_uniform_(w, nonlinearity="relu"),
    "glorot_normal": INIT.xavier_normal_,
    "glorot_uniform": INIT.xavier_uniform_,
    "lecun_normal": lambda w: INIT.kaiming_normal_(w, nonlinearity="linear"),
    "lecun_uniform": lambda w: INIT.kaiming_uniform_(w, nonlinearity="linear"),
    "truncated_normal": lambda w: INIT.trunc_normal_(w, std=0.05, a=-0.1, b=0.1),
    "normal": lambda w: INIT.normal_(w, std=0.05),
    "uniform": lambda w: INIT.uniform_(w, -0.05, 0.05),
    "constant": lambda w: INIT.constant_(w, 0.0),
    "zeros": INIT.zeros_,
    "ones": INIT.ones_,
    "orthogonal": INIT.orthogonal_,
}


def in_their_layout(shape):
    """(kh, kw, in, out) as (out, in, kh, kw); (in, out) as (out, in)."""
    return (shape[-1], shape[-2], *shape[:-2])


def test_the_table_is_complete():
    assert THEIRS.keys() == initialisers.INITIALISERS.keys()


@pytest.mark.parametrize("name", THEIRS)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_variance_mean_and_largest_number(name, shape):
    torch.manual_seed(0)
    mine = initialisers.INITIALISERS[name](np.random.default_rng(0), shape)
    theirs = THEIRS[name](torch.empty(in_their_layout(shape), dtype=torch.float64)).numpy()
    spread = theirs.std()
    assert abs(mine.mean() - theirs.mean()) <= 6 * spread / np.sqrt(mine.size)
    assert abs(mine.std() - spread) <= 6 * spread / np.sqrt(mine.size)
    if "uniform" in name or name == "truncated_normal":
        np.testing.assert_allclose(np.abs(mine).max(), np.abs(theirs).max(), rtol=5e-3)


@pytest.mark.parametrize("shape", [(300, 200), (200, 300), (3, 3, 4, 60)])
def test_orthogonal_in_the_same_directions(shape):
    """Theirs has orthogonal rows of (out, in kh kw), if these are the fewer: our columns."""
    mine = initialisers.orthogonal(np.random.default_rng(0), shape)
    theirs = INIT.orthogonal_(torch.empty(in_their_layout(shape), dtype=torch.float64)).numpy().reshape(shape[-1], -1).T
    for w in (mine.reshape(-1, shape[-1]), theirs):
        few = w.T @ w if len(w) >= w.shape[1] else w @ w.T
        np.testing.assert_allclose(few, np.eye(len(few)), atol=1e-12)


@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-12), ("float32", 1e-5)])
@pytest.mark.parametrize("shape", [(7,), (5, 4), (2, 3, 4), (200,)])
def test_embedding(shape, dtype, tolerance):
    rng = np.random.default_rng(0)
    layer, theirs = nn.Embedding(9, 5, rng=0, dtype=dtype), torch.nn.Embedding(9, 5, dtype=getattr(torch, dtype))
    theirs.weight.data = torch.tensor(layer.weight.data)
    indices, g = rng.integers(0, 9, shape), rng.normal(size=(*shape, 5)).astype(dtype)
    y, expected = layer(indices), theirs(torch.tensor(indices))
    y.backward(g)
    expected.backward(torch.tensor(g))
    np.testing.assert_array_equal(y.numpy(), expected.detach().numpy())
    np.testing.assert_allclose(layer.weight.grad, theirs.weight.grad.numpy(), rtol=tolerance, atol=tolerance)


def test_penalties():
    layer = nn.Dense(4, 3, rng=0, dtype="float64").penalise(l1=0.1, l2=0.2)
    w = torch.tensor(layer.weight.data, requires_grad=True)
    expected = 0.1 * w.abs().sum() + 0.2 * w.square().sum()
    expected.backward()
    penalty = layer.penalty()
    penalty.backward()
    np.testing.assert_allclose(penalty.item(), expected.item(), rtol=1e-12)
    np.testing.assert_allclose(layer.weight.grad, w.grad.numpy(), rtol=1e-12)


def test_hooks_are_told_what_pytorchs_are():
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(5, 4)), rng.integers(0, 3, 5)
    ours = nn.Sequential(nn.Dense(4, 6), nn.Tanh(), nn.Dense(6, 3), rng=0).astype("float64")
    theirs = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.Tanh(), torch.nn.Linear(6, 3)).double()
    for i in (0, 2):
        theirs[i].weight.data, theirs[i].bias.data = (
            torch.tensor(ours[i].weight.data.T),
            torch.tensor(ours[i].bias.data),
        )
    seen: dict = {"ours": [], "theirs": []}
    for mine, other in zip(ours, theirs, strict=True):
        mine.on_forward(lambda module, inputs, output: seen["ours"].append(output.numpy()))
        mine.on_gradient(lambda module, g: seen["ours"].append(g.copy()))
        other.register_forward_hook(lambda module, inputs, output: seen["theirs"].append(output.detach().numpy()))
        other.register_full_backward_hook(lambda module, _, outputs: seen["theirs"].append(outputs[0].numpy()))
    tg.nn.CrossEntropyLoss()(ours(x), labels).backward()
    torch.nn.CrossEntropyLoss()(theirs(torch.tensor(x, requires_grad=True)), torch.tensor(labels)).backward()
    assert len(seen["ours"]) == len(seen["theirs"]) == 6
    for mine, other in zip(seen["ours"], seen["theirs"], strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-10, atol=1e-14)
