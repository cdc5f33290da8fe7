"""Optimizers: the kernel against the rule, the learning rate, state, and what they refuse."""

import inspect

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn, optim
from tensorgrad.errors import GradientError, OptionError
from tensorgrad.kernels import Kernel

CLASSES = [c for _, c in inspect.getmembers(optim, inspect.isclass) if c is not optim.Optimizer]
# Values that every option of that name is tried with, besides its default.
VALUES = {"momentum": 0.9, "dampening": 0.3, "betas": (0.8, 0.95), "eps": 1e-3, "alpha": 0.9, "centered": True, "rho": 0.8,
          "lr_decay": 0.01, "initial_accumulator_value": 0.1, "momentum_decay": 0.01, "weight_decay": 0.01,
          "clip_value": 0.5, "clip_norm": 2.0, "ema": 0.9, "accumulate": 3}  # fmt: skip
TOGETHER = {"nesterov": {"momentum": 0.8, "nesterov": True}, "decoupled": {"weight_decay": 0.05, "decoupled": True}}


def options_of(cls):
    """Option sets: the defaults, each option alone, and all that go together."""
    names = [n for n in list(inspect.signature(cls).parameters)[1:] if n != "lr"]
    missing = [n for n in names if n not in VALUES and n not in TOGETHER]
    assert not missing, f"{cls.__name__} has options that no test tries: {missing}; add them to VALUES"
    sets = [{}, *(TOGETHER.get(n) or {n: VALUES[n]} for n in names), {n: VALUES[n] for n in names if n in VALUES}]
    return [pytest.param(cls, options, id=f"{cls.__name__}-{'-'.join(options) or 'defaults'}") for options in sets]


CASES = [case for cls in CLASSES for case in options_of(cls)]


def test_all_classes_are_found():
    assert len(CLASSES) >= 11
    assert all(issubclass(c, optim.Optimizer) for c in CLASSES)


def parameters(dtype="float32"):
    return [tg.Parameter(np.cos(np.arange(n)).reshape(s).astype(dtype)) for n, s in ((6, (2, 3)), (1, ()), (67, (67,)))]


class Reference:
    """An optimizer in NumPy: the class's two functions, and what all optimizers share written out; double precision."""

    def __init__(self, cls, arrays, lr, **options):
        given = {n: p.default for n, p in inspect.signature(cls).parameters.items() if n != "parameters"} | options
        betas = given.pop("betas", None)
        given |= {} if betas is None else {"beta1": betas[0], "beta2": betas[1]}
        self.cls, self.lr, self.options = cls, lr, given
        self.hyper = [given[n] for n in cls.hyper if n not in ("lr", "weight_decay", "decoupled")]
        self.p = [a.astype(float) for a in arrays]
        self.slots = [[np.zeros(a.shape) for _ in cls.slots] for a in arrays]
        self.step_count, self.carried, self.waiting, self.history = 0, list(cls.carried.values()), [], []

    def step(self, grads):
        o = self.options
        self.waiting.append([np.asarray(g, float) for g in grads])
        if len(self.waiting) < o["accumulate"]:
            return
        grads, self.waiting = [sum(gs) / len(gs) for gs in zip(*self.waiting, strict=True)], []
        self.step_count += 1
        if o["clip_norm"] is not None:
            norm = np.sqrt(sum((g**2).sum() for g in grads))
            grads = [g * min(1.0, o["clip_norm"] / (norm + 1e-6)) for g in grads]
        found = self.cls.constants(self.lr, *self.hyper, self.step_count, *self.carried)
        constants = found[: len(found) - len(self.carried)]
        self.carried = list(found[len(constants) :])
        for k, g in enumerate(grads):
            g = g if o["clip_value"] is None else g.clip(-o["clip_value"], o["clip_value"])
            p = self.p[k]
            if o["decoupled"]:
                p = p * (1 - self.lr * o["weight_decay"])
            else:
                g = g + o["weight_decay"] * p
            self.p[k], *self.slots[k] = self.cls.rule(p, g, *self.slots[k], *constants)
        self.history.append(list(self.p))

    def averages(self):
        weights = self.options["ema"] ** np.arange(self.step_count - 1, -1, -1.0)
        return [np.tensordot(weights / weights.sum(), np.array(ps), 1) for ps in zip(*self.history, strict=True)]


@pytest.mark.parametrize(("cls", "options"), CASES)
@pytest.mark.parametrize(("dtype", "ulps"), [("float64", 16), ("float32", 64)])
def test_kernel_follows_the_rule(cls, options, dtype, ulps):
    """50 steps: the fused kernel against the rule in float64; last places of the largest number in the array."""
    ps, rng = parameters(dtype), np.random.default_rng(2)
    optimizer, truth = cls(ps, lr=0.01, **options), Reference(cls, [p.data for p in ps], 0.01, **options)
    for _ in range(50):
        for p in ps:
            p.grad = rng.normal(size=p.shape)
        truth.step([p.grad for p in ps])
        optimizer.step()
        for p, expected in zip(ps, truth.p, strict=True):
            assert p.dtype == dtype
            assert abs(p.data - expected).max() <= ulps * np.spacing(abs(expected).max().astype(dtype))
    assert optimizer.steps == truth.step_count == 50 // options.get("accumulate", 1)
    if "ema" in options:
        with optimizer.averaged():
            for p, expected in zip(ps, truth.averages(), strict=True):
                assert abs(p.data - expected).max() <= ulps * np.spacing(abs(expected).max().astype(dtype))


class WrongSGD(optim.SGD):
    @staticmethod
    def rule(p, g, velocity, momentum, fresh, by_gradient, by_velocity):
        velocity = momentum * velocity + fresh * g
        return p - by_gradient * g - by_velocity * velocity * np.sqrt(fresh * 2), velocity


del Kernel.registry["update_wrongsgd"]  # which other tests look at


def test_a_wrong_kernel_is_noticed(monkeypatch):
    monkeypatch.setattr(optim.SGD, "kernel", WrongSGD.kernel)
    with pytest.raises(AssertionError):
        test_kernel_follows_the_rule(optim.SGD, {}, "float64", 64)


@pytest.mark.parametrize(
    "option", ["weight_decay", "clip_value", "clip_norm", "momentum", "accumulate", "ema", "decoupled"]
)
def test_an_option_without_effect_is_noticed(option):
    options = TOGETHER.get(option) or {option: VALUES[option]}
    wrong = options | {
        option: {"accumulate": 1, "ema": 0.0, "decoupled": False}.get(option, VALUES.get(option, 0) * 1.01)
    }
    ps, rng, cls = parameters("float64"), np.random.default_rng(0), optim.Adam if option == "decoupled" else optim.SGD
    optimizer, truth = cls(ps, lr=0.01, **options), Reference(cls, [p.data for p in ps], 0.01, **wrong)
    for _ in range(6):
        for p in ps:
            p.grad = rng.normal(size=p.shape)
        truth.step([p.grad for p in ps])
        optimizer.step()
    found = ps[2].data
    if option == "ema":
        with optimizer.averaged():
            found = np.array(ps[2].data)
    expected = truth.averages()[2] if option == "ema" else truth.p[2]
    assert abs(found - expected).max() > 1e-9


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_state_has_the_parameters_dtype_and_memory_never_moves(cls, dtype):
    (p, *_) = ps = parameters(dtype)
    optimizer = cls(ps, lr=0.1)
    memory = p.data
    for q in ps:
        q.grad = np.ones(q.shape)
    optimizer.step()
    assert p.data is memory
    assert {a.dtype for s in optimizer.state_dict()["state"] for a in s.values()} <= {np.dtype(dtype)}


@pytest.mark.parametrize("cls", CLASSES)
def test_the_scalar_engine_takes_the_same_steps(cls):
    model = nn.Dense(2, 2, rng=0).astype("float64")
    scalar = model.to("scalar")
    for m in (model, scalar):
        optimizer = cls(m.parameters(), lr=0.1, clip_norm=1.0, ema=0.5, accumulate=2)
        for _ in range(5):
            for p in m.parameters():
                p.grad = np.cos(np.arange(p.size)).reshape(p.shape)
            optimizer.step()
    for p, q in zip(model.parameters(), scalar.parameters(), strict=True):
        np.testing.assert_array_equal(p.data, q.data)


# ---- learning rate and state -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("cls", CLASSES)
def test_learning_rate_can_be_changed(cls):
    (p, *_) = ps = parameters("float64")
    optimizer, before = cls(ps, lr=0.5), p.data.copy()
    optimizer.lr = 0
    for q in ps:
        q.grad = np.ones(q.shape)
    optimizer.step()
    assert optimizer.lr == 0
    np.testing.assert_array_equal(p.data, before)
    with pytest.raises(OptionError, match=rf"^{cls.__name__}: lr must be a number of at least 0, got -1$"):
        optimizer.lr = -1


@pytest.mark.parametrize(("cls", "options"), CASES)
def test_state_round_trip_continues_with_the_same_bits(cls, options):
    def steps(optimizer, ps, seeds):
        for seed in seeds:
            for p in ps:
                p.grad = np.random.default_rng(seed).normal(size=p.shape)
            optimizer.step()

    a, b = parameters(), parameters()
    first = cls(a, lr=0.01, **options)
    steps(first, a, range(4))
    state = first.state_dict()
    for p, q in zip(a, b, strict=True):
        q.data = p.data
    second = cls(b, lr=0.5, **{k: v for k, v in options.items() if k in ("clip_norm", "ema", "accumulate")})
    second.load_state_dict(state)
    steps(first, a, range(4, 7))
    assert state["groups"][0]["steps"] == 4 // options.get("accumulate", 1)  # a copy
    steps(second, b, range(4, 7))
    for p, q in zip(a, b, strict=True):
        np.testing.assert_array_equal(p.data, q.data)
    assert repr(first) == repr(second)


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s["state"].pop(),
        lambda s: s["options"].pop("lr"),
        lambda s: s["groups"][0].pop("steps"),
        lambda s: s.pop("state"),
        lambda s: s["state"][0].update({"other": np.ones(2)}),
        lambda s: s["options"].update(lr=-1.0),
        lambda s: s["options"].update(lr="a"),
    ],
    ids=["fewer", "no lr", "no steps", "no state", "other slot", "negative", "text"],
)
def test_a_state_that_does_not_fit_changes_nothing(change):
    optimizer = optim.Adam(parameters(), lr=0.25)
    state = optim.Adam(parameters(), lr=0.125).state_dict()
    state["groups"][0]["steps"] = 7
    change(state)
    with pytest.raises(OptionError, match=r"^Adam(\.load_state_dict)?: "):
        optimizer.load_state_dict(state)
    assert (optimizer.lr, optimizer.steps) == (0.25, 0)


def test_repr():
    told = "SGD(3 parameters, lr=0.1, momentum=0, dampening=0, nesterov=False, weight_decay=0"
    assert repr(optim.SGD(parameters(), lr=0.1)) == f"{told})"
    assert repr(optim.SGD(parameters(), lr=0.1, clip_norm=2)) == f"{told}, clip_norm=2)"


# ---- what is refused -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("cls", CLASSES)
def test_missing_gradient_changes_nothing(cls):
    ps = parameters()
    optimizer, before = cls(ps, lr=0.1), [p.data.copy() for p in ps]
    ps[0].grad = np.ones((2, 3))
    with pytest.raises(GradientError) as error:
        optimizer.step()
    assert str(error.value).startswith(
        f"{cls.__name__}.step: parameter 1 of shape () got no gradient; call loss.backward()"
    )
    assert optimizer.steps == 0
    for p, b in zip(ps, before, strict=True):
        np.testing.assert_array_equal(p.data, b)


def test_frozen_parameters_are_left_alone():
    ps = parameters()
    ps[0].requires_grad = False
    optimizer, before = optim.SGD(ps, lr=0.1, weight_decay=0.1), ps[0].data.copy()
    for p in ps:  # also with a gradient from elsewhere
        p.grad = np.ones(p.shape)
    optimizer.step()
    np.testing.assert_array_equal(ps[0].data, before)
    optimizer.zero_grad()
    assert [p.grad for p in ps] == [None] * 3


P = tg.Parameter(np.ones(2))


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            [],
            "{0}: the list of parameters is empty; there is nothing to train. Weights of your own must be tg.Parameter",
        ),
        (nn.ReLU().parameters(), "{0}: the list of parameters is empty"),
        (P, "{0}: expected a list of parameters, such as model.parameters(), got Parameter"),
        (nn.Dense(2, 3), "{0}: expected a list of parameters, such as model.parameters(), got Dense(2, 3)"),
        ([P, np.ones(2)], "{0}: parameter 1 is a ndarray, expected a tensorgrad.Parameter"),
        ([tg.tensor([1.0], requires_grad=True)], "{0}: parameter 0 is a Tensor, expected a tensorgrad.Parameter"),
        ([P, P], "{0}: a parameter is in the list twice; it would count twice in each step"),
        (None, "{0}: expected a list of parameters, such as model.parameters(), got None"),
        (
            nn.Dense(2, 3).parameters,
            "{0}: expected a list of parameters, such as model.parameters(), got <bound method",
        ),
    ],
    ids=["empty", "no weights", "parameter", "model", "array", "tensor", "twice", "None", "method"],
)
@pytest.mark.parametrize("cls", CLASSES)
def test_what_is_not_a_list_of_parameters(cls, given, text):
    with pytest.raises(OptionError) as error:
        cls(given, lr=0.1)
    assert str(error.value).startswith(text.format(cls.__name__))


@pytest.mark.parametrize(
    ("cls", "options", "text"),
    [
        (optim.SGD, {"lr": -0.1}, "SGD: lr must be a number of at least 0, got -0.1"),
        (optim.SGD, {"lr": float("nan")}, "SGD: lr must be a number of at least 0, got nan"),
        (optim.SGD, {"lr": float("inf")}, "SGD: lr must be a number of at least 0, got inf"),
        (optim.SGD, {"lr": "0.1"}, "SGD: lr must be a number of at least 0, got '0.1'"),
        (optim.SGD, {"lr": True}, "SGD: lr must be a number of at least 0, got True"),
        (optim.SGD, {"lr": 0.1, "momentum": 1}, "SGD: momentum must be a number of at least 0 and below 1, got 1"),
        (optim.Adam, {"betas": (0.9, 1.0)}, "Adam: betas[1] must be a number of at least 0 and below 1, got 1.0"),
        (optim.Adam, {"betas": 0.9}, "Adam: betas must be two numbers, got 0.9"),
        (optim.Adam, {"eps": 0.0}, "Adam: eps must be a number above 0, got 0.0"),
        (optim.Adam, {"weight_decay": -1}, "Adam: weight_decay must be a number of at least 0, got -1"),
    ],
    ids=str,
)
def test_options_out_of_range(cls, options, text):
    with pytest.raises(OptionError) as error:
        cls(parameters(), **options)
    assert str(error.value) == text


def test_numbers_are_read_and_set_by_name():
    adam = optim.Adam(parameters(), betas=(0.5, 0.75))
    adam.beta1, adam.weight_decay = 0.25, 0.5
    assert (adam.beta1, adam.beta2, adam.weight_decay) == (0.25, 0.75, 0.5)
    assert adam.state_dict()["groups"][0]["numbers"]["beta1"] == 0.25
    with pytest.raises(OptionError, match=r"^Adam: betas\[0\] must be a number of at least 0 and below 1, got 1"):
        adam.beta1 = 1


@pytest.mark.parametrize(("option", "value"), [("lr", 1e39), ("eps", 1e-46), ("lr", np.complex128(0.1))])
def test_numbers_that_a_float32_model_cannot_compute_with(option, value):
    with pytest.raises(OptionError, match=f"^Adam: {option} must be a number"):
        optim.Adam(parameters(), **{option: value})


def test_a_gradient_of_the_wrong_size_is_refused():
    p = tg.Parameter(np.ones(10, "float32"))
    p.value.grad = np.ones(3, "float32")
    with pytest.raises(
        GradientError, match=r"^SGD\.step: a gradient of shape \(3,\) does not fit its parameter of shape \(10,\)$"
    ):
        optim.SGD([p], lr=1.0).step()


def test_the_first_step_of_adam_is_exact_in_float32():
    p, g = tg.Parameter(np.zeros(50, "float32")), np.linspace(-2, 2, 50).astype("float32")
    p.grad = g
    optim.Adam([p], lr=0.1).step()
    exact = -0.1 * np.sign(g)  # m / sqrt(v) of one gradient is its sign
    assert np.abs(p.data - exact).max() <= 4 * np.spacing(np.float32(0.1))
