"""Losses against PyTorch: values and the gradients of every input, with each option and reduction; else the published formula.

float64 within 1e-9 of PyTorch's; float32 within ULPS last places of the largest number of PyTorch's float64 result for
the same inputs.
"""

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn

torch = pytest.importorskip("torch")
F = torch.nn.functional
pytestmark = pytest.mark.oracle

ULPS = 32
RNG = np.random.default_rng(0)
N, C = 13, 5


def normal(*shape, scale=1.0):
    return RNG.normal(size=shape) * scale


def uniform(*shape, low=0.0, high=1.0):
    return RNG.uniform(low, high, size=shape)


def softmax(*shape):
    e = np.exp(RNG.normal(size=shape))
    return e / e.sum(-1, keepdims=True)


def log_softmax(*shape):
    return np.log(softmax(*shape))


LABELS = RNG.integers(0, C, N)
SOME = np.where(np.arange(N) % 3 == 0, -100, LABELS)
IMAGES = RNG.integers(0, C, (3, 4, 6))
WEIGHT = np.array([0.5, 1.0, 2.0, 0.0, 3.0])
BITS = RNG.integers(0, 2, (N, C)).astype(float)
SIGNS = 2 * RNG.integers(0, 2, N) - 1
EDGES = np.array([[0.0, 1.0, 0.0, 1.0, 0.5]])
LARGE = np.array([[1e4, -1e4, 0.0, 1.0, 3.0], [-1e4, 1e4, 1e4, 2.0, 0.0]])


def theirs(name, **options):
    """A module of torch.nn with a reduction."""
    return lambda reduction: getattr(torch.nn, name)(reduction=reduction, **options)


def classes(name, weight=None, ignore_index=-100, **options):
    """The same for logits with their channels last."""

    def make(reduction):
        def loss(x, t):
            w = None if weight is None else torch.tensor(weight, dtype=x.dtype)
            module = getattr(torch.nn, name)(weight=w, ignore_index=ignore_index, reduction=reduction, **options)
            soft = t.is_floating_point()
            return module(x.movedim(-1, 1).contiguous(), t.movedim(-1, 1) if soft else t.long())

        return loss

    return make


def multi_margin(**options):
    def make(reduction):
        def loss(x, t):
            w = options.get("weight")
            w = None if w is None else torch.tensor(w, dtype=x.dtype)
            return F.multi_margin_loss(x, t.long(), **{**options, "weight": w}, reduction=reduction)

        return loss

    return make


def formula(f):
    """What PyTorch has no module for: f gives the losses one by one."""

    def make(reduction):
        return lambda *inputs: {"mean": torch.mean, "sum": torch.sum, "none": lambda x: x}[reduction](f(*inputs))

    return make


def binary_focal(gamma, alpha=None):
    """Lin et al. 2017, equations 3 to 5, as they stand."""

    def losses(x, t):
        p = torch.where(t > 0.5, torch.sigmoid(x), torch.sigmoid(-x))
        share = 1.0 if alpha is None else torch.where(t > 0.5, alpha, 1 - alpha)
        return -share * (1 - p) ** gamma * torch.log(p)

    return formula(losses)


def focal(gamma, alpha=None):
    def losses(x, t):
        p = torch.softmax(x, -1).gather(-1, t.long()[..., None])[..., 0]
        share = 1.0 if alpha is None else torch.tensor(alpha, dtype=x.dtype)[t.long()]
        return -share * (1 - p) ** gamma * torch.log(p)

    return formula(losses)


def dice(smooth):
    return formula(
        lambda p, t: 1 - (2 * (p * t).flatten(1).sum(1) + smooth) / (p.flatten(1).sum(1) + t.flatten(1).sum(1) + smooth)
    )


# (our loss, options, theirs, inputs; those of floats have gradients, but for the targets: the last, or the one of TARGET)
CASES = [
    ("MSELoss", {}, theirs("MSELoss"), (normal(N, C), normal(N, C))),
    ("MSELoss", {}, theirs("MSELoss"), (normal(N, scale=1e4), normal(N))),
    ("L1Loss", {}, theirs("L1Loss"), (normal(N, C), normal(N, C))),
    ("HuberLoss", {}, theirs("HuberLoss"), (normal(N, C), normal(N, C))),
    ("HuberLoss", {"delta": 0.3}, theirs("HuberLoss", delta=0.3), (normal(N, 2, C, scale=1e4), normal(N, 2, C))),
    ("SmoothL1Loss", {}, theirs("SmoothL1Loss"), (normal(N, C), normal(N, C))),
    ("SmoothL1Loss", {"beta": 0.5}, theirs("SmoothL1Loss", beta=0.5), (normal(N, C), normal(N, C))),
    ("SmoothL1Loss", {"beta": 0}, theirs("SmoothL1Loss", beta=0.0), (normal(N), normal(N))),
    ("LogCoshLoss", {}, formula(lambda p, t: torch.log(torch.cosh(p - t))), (normal(N, C), normal(N, C))),
    ("CrossEntropyLoss", {}, classes("CrossEntropyLoss"), (normal(N, C), LABELS)),
    ("CrossEntropyLoss", {}, classes("CrossEntropyLoss"), (LARGE, np.array([1, 2]))),
    ("CrossEntropyLoss", {}, classes("CrossEntropyLoss"), (normal(3, 4, 6, C), IMAGES)),
    ("CrossEntropyLoss", {}, classes("CrossEntropyLoss"), (normal(N, C), np.eye(C)[LABELS])),
    ("CrossEntropyLoss", {}, classes("CrossEntropyLoss"), (normal(N, C), softmax(N, C))),
    ("CrossEntropyLoss", {}, classes("CrossEntropyLoss"), (normal(3, 4, 6, C, scale=9), softmax(3, 4, 6, C))),
    ("CrossEntropyLoss", {"weight": WEIGHT}, classes("CrossEntropyLoss", WEIGHT), (normal(N, C), LABELS)),
    ("CrossEntropyLoss", {"weight": WEIGHT}, classes("CrossEntropyLoss", WEIGHT), (normal(N, C), softmax(N, C))),
    ("CrossEntropyLoss", {"weight": WEIGHT}, classes("CrossEntropyLoss", WEIGHT), (normal(3, 4, 6, C), IMAGES)),
    ("CrossEntropyLoss", {"ignore_index": -100}, classes("CrossEntropyLoss"), (normal(N, C), SOME)),
    (
        "CrossEntropyLoss",
        {"ignore_index": 2},
        classes("CrossEntropyLoss", ignore_index=2),
        (normal(3, 4, 6, C), IMAGES),
    ),
    (
        "CrossEntropyLoss",
        {"label_smoothing": 0.1},
        classes("CrossEntropyLoss", label_smoothing=0.1),
        (normal(N, C), LABELS),
    ),
    (
        "CrossEntropyLoss",
        {"label_smoothing": 0.1},
        classes("CrossEntropyLoss", label_smoothing=0.1),
        (normal(N, C), softmax(N, C)),
    ),
    (
        "CrossEntropyLoss",
        {"label_smoothing": 0.2, "weight": WEIGHT, "ignore_index": -100},
        classes("CrossEntropyLoss", WEIGHT, label_smoothing=0.2),
        (normal(N, C), SOME),
    ),
    (
        "CrossEntropyLoss",
        {"label_smoothing": 0.2, "weight": WEIGHT},
        classes("CrossEntropyLoss", WEIGHT, label_smoothing=0.2),
        (LARGE, softmax(2, C)),
    ),
    ("NLLLoss", {}, classes("NLLLoss"), (log_softmax(N, C), LABELS)),
    ("NLLLoss", {"weight": WEIGHT}, classes("NLLLoss", WEIGHT), (log_softmax(3, 4, 6, C), IMAGES)),
    (
        "NLLLoss",
        {"weight": WEIGHT, "ignore_index": -100},
        classes("NLLLoss", WEIGHT),
        (log_softmax(N, C), SOME),
    ),
    ("BCELoss", {}, theirs("BCELoss"), (uniform(N, C), BITS)),
    ("BCELoss", {}, theirs("BCELoss"), (uniform(N), uniform(N))),
    ("BCELoss", {}, theirs("BCELoss"), (EDGES, np.array([[1.0, 0.0, 0.0, 1.0, 0.5]]))),
    ("BCEWithLogitsLoss", {}, theirs("BCEWithLogitsLoss"), (normal(N, C, scale=5), BITS)),
    ("BCEWithLogitsLoss", {}, theirs("BCEWithLogitsLoss"), (normal(N, scale=1e4), uniform(N))),
    (
        "BCEWithLogitsLoss",
        {"pos_weight": WEIGHT},
        theirs("BCEWithLogitsLoss", pos_weight=torch.tensor(WEIGHT)),
        (normal(N, C), BITS),
    ),
    (
        "BCEWithLogitsLoss",
        {"pos_weight": 3.0},
        theirs("BCEWithLogitsLoss", pos_weight=torch.tensor(3.0)),
        (normal(N, C), uniform(N, C)),
    ),
    ("FocalLoss", {}, binary_focal(2.0), (normal(N, C), BITS)),
    ("FocalLoss", {"gamma": 0.5, "alpha": 0.25}, binary_focal(0.5, 0.25), (normal(N, scale=3), BITS[:, 0])),
    ("FocalLoss", {"gamma": 0}, theirs("BCEWithLogitsLoss"), (LARGE, BITS[:2])),
    ("FocalLoss", {"gamma": 1.5}, focal(1.5), (normal(N, C), LABELS)),
    ("FocalLoss", {"gamma": 2, "alpha": WEIGHT}, focal(2, WEIGHT), (normal(3, 4, 6, C), IMAGES)),
    ("FocalLoss", {"gamma": 0}, classes("CrossEntropyLoss"), (LARGE, np.array([1, 2]))),
    ("KLDivLoss", {}, theirs("KLDivLoss"), (log_softmax(N, C), softmax(N, C))),
    ("KLDivLoss", {}, theirs("KLDivLoss"), (log_softmax(N, C), np.eye(C)[LABELS])),
    ("KLDivLoss", {"log_target": True}, theirs("KLDivLoss", log_target=True), (log_softmax(N, C), log_softmax(N, C))),
    ("HingeLoss", {}, formula(lambda y, t: torch.clamp(1 - t * y, min=0)), (normal(N, scale=2), SIGNS)),
    ("SquaredHingeLoss", {}, formula(lambda y, t: torch.clamp(1 - t * y, min=0) ** 2), (normal(N, scale=2), SIGNS)),
    ("MultiMarginLoss", {}, multi_margin(), (normal(N, C), LABELS)),
    (
        "MultiMarginLoss",
        {"p": 2, "margin": 0.5, "weight": WEIGHT},
        multi_margin(p=2, margin=0.5, weight=WEIGHT),
        (normal(N, C, scale=1e3), LABELS),
    ),
    ("PoissonNLLLoss", {}, theirs("PoissonNLLLoss"), (normal(N, C), np.floor(uniform(N, C, high=9)))),
    (
        "PoissonNLLLoss",
        {"log_input": False},
        theirs("PoissonNLLLoss", log_input=False),
        (uniform(N, low=0.1, high=9), np.floor(uniform(N, high=9))),
    ),
    (
        "PoissonNLLLoss",
        {"full": True, "log_input": False, "eps": 1e-3},
        theirs("PoissonNLLLoss", full=True, log_input=False, eps=1e-3),
        (uniform(N, high=9), np.floor(uniform(N, high=9))),
    ),
    ("PoissonNLLLoss", {"full": True}, theirs("PoissonNLLLoss", full=True), (normal(N), np.arange(float(N)))),
    ("GaussianNLLLoss", {}, theirs("GaussianNLLLoss"), (normal(N, C), normal(N, C), uniform(N, C, low=0.1, high=3))),
    (
        "GaussianNLLLoss",
        {"full": True, "eps": 0.5},
        theirs("GaussianNLLLoss", full=True, eps=0.5),
        (normal(N, C), normal(N, C), uniform(N, C, high=1)),
    ),
    ("GaussianNLLLoss", {}, theirs("GaussianNLLLoss"), (normal(N, C), normal(N, C), uniform(N, 1, low=0.1, high=3))),
    ("CosineEmbeddingLoss", {}, theirs("CosineEmbeddingLoss"), (normal(N, C), normal(N, C), SIGNS)),
    (
        "CosineEmbeddingLoss",
        {"margin": 0.3},
        theirs("CosineEmbeddingLoss", margin=0.3),
        (normal(N, C, scale=1e4), normal(N, C), SIGNS),
    ),
    ("TripletMarginLoss", {}, theirs("TripletMarginLoss"), (normal(N, C), normal(N, C), normal(N, C))),
    (
        "TripletMarginLoss",
        {"margin": 0.5, "p": 1, "swap": True, "eps": 1e-3},
        theirs("TripletMarginLoss", margin=0.5, p=1.0, swap=True, eps=1e-3),
        (normal(N, C), normal(N, C), normal(N, C)),
    ),
    ("TripletMarginLoss", {"p": 3.5}, theirs("TripletMarginLoss", p=3.5), (normal(N, 1), normal(N, 1), normal(N, 1))),
    ("DiceLoss", {}, dice(1.0), (uniform(N, C), BITS)),
    ("DiceLoss", {"smooth": 0.1}, dice(0.1), (uniform(3, 4, 6), uniform(3, 4, 6))),
]
TARGET = {"GaussianNLLLoss": 1, "TripletMarginLoss": None}  # which input has no gradient; else the last
PYTORCH_HAS_NO = {"LogCoshLoss", "FocalLoss", "HingeLoss", "SquaredHingeLoss", "DiceLoss"}


def test_every_loss_is_compared():
    ours = {n for n in nn.__all__ if isinstance(getattr(nn, n), type) and issubclass(getattr(nn, n), nn.Loss)} - {
        "Loss"
    }
    assert ours == {name for name, *_ in CASES}
    assert {name for name in ours if not hasattr(torch.nn, name)} == PYTORCH_HAS_NO


def results(name, inputs, loss, tensor, dtype):
    """(value, [gradient of each input that has one]) of a loss in either library."""
    fixed = TARGET.get(name, len(inputs) - 1)
    given = [
        tensor(a.astype(dtype), requires_grad=i != fixed) if a.dtype.kind == "f" else tensor(a, requires_grad=False)
        for i, a in enumerate(inputs)
    ]
    value = loss(*given)
    seed = np.random.default_rng(1).normal(size=tuple(value.shape)).astype(dtype)
    value.backward(torch.tensor(seed) if tensor is torch.tensor else seed)
    return value, [x.grad for x in given if x.requires_grad]


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides the total loss")
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", CASES, ids=[f"{n} {','.join(o)} {i}" for i, (n, o, *_) in enumerate(CASES)])
def test_value_and_gradients(case, dtype, reduction):
    name, options, make, inputs = case
    inputs = [a.astype(dtype).astype("float64") if a.dtype.kind == "f" else a for a in inputs]
    ours = getattr(nn, name)(**options, reduction=reduction)
    if name == "CrossEntropyLoss" and dtype == "float32" and inputs[1].dtype.kind == "f":
        inputs[1] /= inputs[1].sum(-1, keepdims=True)
    value, grads = results(name, inputs, ours, tg.tensor, dtype)
    expected, expected_grads = results(name, inputs, make(reduction), torch.tensor, "float64")
    assert value.dtype == dtype and value.shape == tuple(expected.shape)
    for got, truth in zip([value.numpy(), *grads], [expected.detach(), *expected_grads], strict=True):
        truth = truth.numpy()
        largest = np.abs(truth).max()
        if dtype == "float64":
            np.testing.assert_allclose(got, truth, rtol=1e-9, atol=1e-12 * largest)
        else:
            assert np.abs(got - truth).max() <= ULPS * np.spacing(np.float32(largest))
