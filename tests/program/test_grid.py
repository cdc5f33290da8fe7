"""Compiled training is eager training: drawn models, losses, optimizers and ways to batch, compared number by number.

Every case is drawn from its number. `--full` runs all of them, otherwise some.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import kernels, nn, ops, optim
from tensorgrad._program import simplify, threads
from tensorgrad._program.run import Program

HERE = Path(__file__).parent
ALL, SOME = 840, 105
STEPS = 10


# ---- layers of our own ------------------------------------------------------------------------------------------------
class Both(nn.Module):
    """x beside relu(x): twice as wide."""

    def forward(self, x):
        return ops.concatenate([x, ops.relu(x)], axis=1)


class Picked(nn.Module):
    """Columns by a slice and by numbers, one of them twice."""

    def forward(self, x):
        return x[:, ::-1] + x[:, [0] * x.shape[1]]


class BelowMax(nn.Module):
    def forward(self, x):
        return x - x.max(axis=1, keepdims=True)


class WithLogSum(nn.Module):
    """x and one column more."""

    def forward(self, x):
        return ops.concatenate([x, ops.logsumexp(x, axis=1, keepdims=True)], axis=1)


class Turned(nn.Module):
    """Work on the transpose."""

    def __init__(self, width, rng, dtype):
        self.scale = tg.Parameter(rng.normal(size=(width, 1)).astype(dtype))

    def forward(self, x):
        return (x.T * self.scale).T


class Product(nn.Module):
    """A product by hand, with a residual and a centred input."""

    def __init__(self, width, rng, dtype):
        self.weight = tg.Parameter((rng.normal(size=(width, width)) / width).astype(dtype))

    def forward(self, x):
        return x + (x - x.mean(axis=1, keepdims=True)) @ self.weight


class Across(nn.Module):
    """Mixes the rows of a batch, so that they cannot be dealt out."""

    def forward(self, x):
        return x * (1 + x.mean(axis=0))


PLAIN = ("relu", "tanh", "sigmoid", "relu", "tanh")
OWN = ("softmax", "both", "picked", "max", "logsum", "turned", "product", "nested", "tied", "across")


def layer(kind, width, rng, dtype):
    """(layers, their output width)."""
    simple = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "softmax": nn.Softmax, "picked": Picked, "max": BelowMax,
              "across": Across}  # fmt: skip
    if kind in simple:
        return [simple[kind]()], width
    if kind == "both":
        return [Both()], 2 * width
    if kind == "logsum":
        return [WithLogSum()], width + 1
    if kind in ("turned", "product"):
        return [{"turned": Turned, "product": Product}[kind](width, rng, dtype)], width
    square = nn.Dense(width, width, rng=rng, dtype=dtype)
    if kind == "nested":
        return [nn.Sequential(square, nn.ReLU(), nn.Sequential(nn.Tanh()))], width
    return [square, nn.Tanh(), square], width  # tied


# ---- losses -----------------------------------------------------------------------------------------------------------
def mean_distance(output, target):
    return abs(output - target).sum(axis=1).mean()


def soft_cross_entropy(output, target):
    return -(ops.log_softmax(output, axis=1) * target).sum() / len(target)


LOSSES = {
    "labels": (nn.CrossEntropyLoss(), "int"),
    "one-hot": (nn.CrossEntropyLoss(), "one-hot"),
    "mse": (nn.MSELoss(), "float"),
    "distance": (mean_distance, "float"),
    "soft": (soft_cross_entropy, "one-hot"),
    "smooth": (nn.CrossEntropyLoss(label_smoothing=0.1, ignore_index=0), "int"),
    "shares": (nn.CrossEntropyLoss(), "shares"),
    "focal": (nn.FocalLoss(), "int"),
    "margin": (nn.MultiMarginLoss(), "int"),
    "logits": (nn.BCEWithLogitsLoss(pos_weight=2.0), "bits"),
    "huber": (nn.HuberLoss(0.5), "float"),
    "log-cosh": (nn.LogCoshLoss(), "float"),
}
OPTIMIZERS = {
    "sgd": lambda p: optim.SGD(p, lr=0.02),
    "momentum": lambda p: optim.SGD(p, lr=0.01, momentum=0.9),
    "decay": lambda p: optim.SGD(p, lr=0.02, momentum=0.5, weight_decay=0.01),
    "adam": lambda p: optim.Adam(p, lr=0.01),
    "adam decay": lambda p: optim.Adam(p, lr=0.01, weight_decay=0.01),
    "clipped": lambda p: optim.Adam(p, lr=0.01, clip_norm=0.1, clip_value=0.05),
    "averaged": lambda p: optim.AdamW(p, lr=0.01, ema=0.9, clip_norm=0.5),
    "accumulated": lambda p: optim.SGD(p, lr=0.02, momentum=0.5, accumulate=2, clip_norm=0.3, ema=0.5),
    "grouped": lambda p: optim.NAdam([{"params": list(p)[:1], "lr": 0.01}, {"params": list(p)[1:]}], lr=0.02),
}


# What mostly keeps a training on one thread, as its rows cannot be dealt out.
TOGETHER = {"both", "picked", "logsum", "turned", "product", "across", "no bias"}
# Eager gradients of these are made by NumPy, compiled ones by kernels: they differ in the last places.
ROUNDED = {"softmax", "product", "soft", "no bias"}


class Case:
    """One drawn training."""

    def __init__(self, number):
        rng = np.random.default_rng(number)
        self.number, self.seed = number, int(rng.integers(100))
        self.dtype = str(rng.choice(["float32", "float64"]))
        self.features, self.classes = int(rng.integers(1, 9)), int(rng.integers(2, 6))
        self.kinds = [str(rng.choice(OWN if rng.random() < 0.3 else PLAIN)) for _ in range(rng.integers(0, 4))]
        self.widths = [int(rng.choice([1, 3, 8, 17, 40])) for _ in self.kinds]
        self.bias = bool(rng.random() < 0.8)
        self.loss, self.optimizer = str(rng.choice(list(LOSSES))), str(rng.choice(list(OPTIMIZERS)))
        self.threads, self.rows = int(rng.choice([1, 2, 3])), int(rng.integers(2, 90))
        self.batch = int(rng.choice([1, 3, 16, 29, 48, self.rows, 100]))
        self.shuffle, self.frozen = bool(rng.random() < 0.7), bool(rng.random() < 0.2)
        self.schedule = (lambda step: 0.02 / (1 + step)) if rng.random() < 0.3 else None
        self.metrics = ["accuracy"] if LOSSES[self.loss][1] in ("int", "one-hot") and rng.random() < 0.4 else []
        self.weighted = bool(self.loss not in ("distance", "soft") and rng.random() < 0.3)
        self.parts = {*self.kinds, self.loss} | ({"no bias"} if self.kinds and not self.bias else set())

    def __str__(self):
        threads = "" if self.threads == 1 else f" {self.threads} threads"
        return f"{self.number} {self.dtype} {'-'.join(self.kinds)} {self.loss} {self.optimizer} {self.batch} of {self.rows}{threads}"

    def model(self):
        rng = np.random.default_rng(self.number)
        layers, width = [], self.features
        for kind, wanted in zip(self.kinds, self.widths, strict=True):
            layers.append(nn.Dense(width, wanted, bias=self.bias, rng=rng, dtype=self.dtype))
            more, width = layer(kind, wanted, rng, self.dtype)
            layers += more
        model = nn.Sequential(*layers, nn.Dense(width, self.classes, rng=rng, dtype=self.dtype))
        model.parameters()[0].requires_grad = not self.frozen
        return model

    def data(self):
        rng = np.random.default_rng(self.number)
        X, labels = rng.normal(size=(self.rows, self.features)), rng.integers(0, self.classes, self.rows)
        kinds = {
            "int": labels,
            "one-hot": np.eye(self.classes)[labels],
            "float": rng.normal(size=(self.rows, self.classes)),
            "shares": rng.dirichlet(np.ones(self.classes), size=self.rows),
            "bits": rng.integers(0, 2, (self.rows, self.classes)),
        }
        return X, kinds[LOSSES[self.loss][1]]

    def fit(self, **options):
        """(the losses of at least STEPS steps, the parameters and their averages, the history)."""
        model = self.model()
        optimizer = OPTIMIZERS[self.optimizer](model.parameters())
        weights = np.random.default_rng(self.number).uniform(0.5, 2, self.rows) if self.weighted else None
        epochs = -(-STEPS // -(-self.rows // self.batch)) + 1
        history = tg.fit(model, self.data(), loss=LOSSES[self.loss][0], optimizer=optimizer, epochs=epochs, batch_size=self.batch,
                         shuffle=self.shuffle, seed=self.seed, metrics=self.metrics, schedule=self.schedule, sample_weight=weights,
                         progress=False,
                         **options)  # fmt: skip
        assert optimizer.steps == len(history.steps) // optimizer.accumulate and len(history.steps) >= STEPS
        state = [a for arrays in optimizer.state_dict()["state"] for slot, a in arrays.items() if slot == "average"]
        return np.array(history.steps), [*(p.data for p in model.parameters()), *state], history

    def expected_threads(self):
        """As many as were asked for, if each has a row of the smallest batch and eight of the others; 0: not known."""
        if self.parts & TOGETHER:
            return 0
        size = min(self.batch, self.rows)
        return max(1, min(self.threads, self.rows % size or size, size // 8))


CASES = [Case(number) for number in range(ALL)]


def check(case):
    steps, parameters, eager = case.fit(compile=False)
    runs = [case.fit(threads=case.threads) for _ in range(2)]
    for found, weights, history in runs:
        assert history.compiled, history.eager_because
        assert history.threads == (case.expected_threads() or history.threads)
        if history.threads == 1 and not case.parts & ROUNDED:
            assert found.tobytes() == steps.tobytes()
            assert [w.tobytes() for w in weights] == [p.tobytes() for p in parameters]
        else:
            relative = {"float32": 2e-5, "float64": 1e-12 if history.threads == 1 else 1e-10}[case.dtype]
            np.testing.assert_allclose(found[:STEPS], steps[:STEPS], rtol=relative)
            for w, p in zip(weights, parameters, strict=True):
                np.testing.assert_allclose(w, p, rtol=0, atol=50 * relative * max(1, abs(p).max()))
        for name in eager.epochs:
            np.testing.assert_allclose(history[name], eager[name], rtol=1e-4)
    (first, weights, _), (second, others, _) = runs
    assert first.tobytes() == second.tobytes()
    assert [w.tobytes() for w in weights] == [p.tobytes() for p in others]


@pytest.fixture(autouse=True)
def threads_cost_nothing(monkeypatch):
    for cost in ("MEETING", "SUMMED"):
        monkeypatch.setattr(threads, cost, 1e-9)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_compiled_training_is_eager_training(case, request):
    if case.number % (ALL // SOME) and not request.config.getoption("--full"):
        pytest.skip("only with --full")
    check(case)


def test_no_row_reads_or_writes_beyond_its_buffers(request):
    """The same with every access checked: a row that goes out of its bounds raises."""
    if not request.config.getoption("--full"):
        pytest.skip("only with --full: kernels are compiled anew")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "-k",
        "is_eager or other_numbers",
        str(HERE),
    ]
    done = subprocess.run(
        command, env=os.environ | {"TENSORGRAD_CHECK": "1"}, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout[-3000:]


def test_the_grid_has_everything():
    """Among the cases that always run, each thing comes up, and several threads do."""
    some = [c for c in CASES if not c.number % (ALL // SOME)]
    assert len(some) >= SOME
    assert {part for c in some for part in c.parts} == {*PLAIN, *OWN, *LOSSES, "no bias"}
    assert {c.optimizer for c in some} == set(OPTIMIZERS)
    assert {(c.dtype, c.expected_threads()) for c in some} == {
        (d, t) for d in ("float32", "float64") for t in (0, 1, 2, 3)
    }
    for choice in ("shuffle", "frozen", "metrics", "schedule", "weighted"):
        assert {bool(getattr(c, choice)) for c in some} == {True, False}
    assert any(c.rows % c.batch and c.batch < c.rows and c.expected_threads() > 1 for c in some)  # a smaller last batch
    assert any(c.batch >= c.rows and c.expected_threads() > 1 for c in some)


# ---- a checker that never fails checks nothing -----------------------------------------------------------------------
def several(kinds=(), loss="mse"):
    """The first case on several threads, with remainders, made of these."""
    return next(
        c
        for c in CASES
        if c.expected_threads() > 1 and c.rows % c.batch and set(kinds) <= set(c.kinds) and c.loss == loss
    )


def test_forgotten_sums_are_noticed(monkeypatch):
    """Without the partial sums of the others each thread would train on its own rows."""
    monkeypatch.setattr(Program, "_sum", lambda self, buffer, thread: [])
    with pytest.raises(AssertionError):
        check(several())


def test_a_sum_over_some_threads_only_is_noticed(monkeypatch):
    def first_thread_only(self, buffer, thread):
        (row,) = summed(self, buffer, thread) or [None]
        return [] if row is None else [[*row[:9], 1, *row[10:]]]  # parts[1,s]

    summed = Program._sum
    monkeypatch.setattr(Program, "_sum", first_thread_only)
    with pytest.raises(AssertionError):
        check(several())


def test_rows_merged_wrongly_are_noticed(monkeypatch):
    wrong = [(first, then, lambda a, b, both=both: (kernels.dense, both(a, b)[1])) if first is kernels.dense else (first, then, both)
             for first, then, both in simplify.MERGED]  # fmt: skip
    monkeypatch.setattr(simplify, "MERGED", wrong)
    case = Case(0)
    case.kinds, case.widths, case.parts = ["relu"], [8], {"relu", "mse"}
    case.loss, case.metrics, case.model = "mse", [], lambda: UnfusedRelu(case.features, case.classes, case.dtype)
    with pytest.raises(AssertionError):
        check(case)


class UnfusedRelu(nn.Module):
    """Dense and ReLU one after another, which only a program merges."""

    def __init__(self, features, classes, dtype):
        self.first, self.last = nn.Dense(features, 8, rng=0, dtype=dtype), nn.Dense(8, classes, rng=1, dtype=dtype)

    def forward(self, x):
        return self.last(ops.relu(self.first(x)))


def test_a_needed_row_left_out_is_noticed(monkeypatch):
    def too_few(trace):
        kept = simplify.simplify(trace)
        trace.rows = [row for row in trace.rows if row.kernel is not kernels.check_finite or row.operands[0].size == 1]
        del trace.rows[next(i for i, row in enumerate(trace.rows) if row.kernel.name.startswith("prepare_"))]
        return kept

    monkeypatch.setattr("tensorgrad._program.record.simplify", too_few)
    with pytest.raises(AssertionError):
        check(Case(0))


def test_a_fallback_to_eager_is_noticed():
    case = Case(0)
    case.loss, case.parts, case.weighted = "looked at", {"mse"}, False
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(
            LOSSES, "looked at", (lambda o, t: ((o - t) ** 2).mean() * (1.0 if o.sum() > 0 else 2.0), "float")
        )
        with pytest.raises(AssertionError, match="asked a tensor of the step for its numbers"):
            check(case)
