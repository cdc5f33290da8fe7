"""Gradients clipped by hand: as an optimizer's options clip them, on both engines, in compiled steps, and what is refused."""

from fractions import Fraction

import numpy as np
import pytest

import tensorgrad as tg
from microgrid import grid
from tensorgrad import nn, optim
from tensorgrad.errors import EngineError, GradientError, OptionError
from tensorgrad.optim import clip_grad_norm, clip_grad_value

X = np.random.default_rng(0).normal(size=(12, 5))
BY_HAND = {"clip_norm": lambda ps: clip_grad_norm(ps, 0.05), "clip_value": lambda ps: clip_grad_value(ps, 0.01)}
LIMITS = {"clip_norm": 0.05, "clip_value": 0.01}


def given(*gradients, dtype="float64"):
    parameters = [tg.Parameter(np.zeros(np.shape(g), dtype)) for g in gradients]
    for p, g in zip(parameters, gradients, strict=True):
        p.grad = g
    return parameters


def trained(dtype, option="", compiled=False, engine="tensor", steps=5, **of_optimizer):
    """(what the steps gave, the model, the step) of a training that clips by hand, or by an option of the optimizer."""
    model = nn.Sequential(nn.Dense(5, 8), nn.Tanh(), nn.Dense(8, 2), rng=0).astype(dtype).to(engine)
    sgd = optim.SGD(model.parameters(), lr=0.5, momentum=0.9, **of_optimizer)

    def step(x):
        sgd.zero_grad()
        loss = (model(x) ** 2).mean()
        loss.backward()
        norm = BY_HAND[option](sgd.parameters) if option in BY_HAND else None
        sgd.step()
        return (loss,) if norm is None else (loss, norm)

    taken = tg.compile(step) if compiled else step
    return [taken(X.astype(dtype)) for _ in range(steps)], model, taken


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("option", BY_HAND)
def test_by_hand_is_by_the_optimizer(option, dtype):
    """Bit for bit: the same factor in the same order."""
    _, by_hand, _ = trained(dtype, option)
    _, by_option, _ = trained(dtype, **{option: LIMITS[option]})
    _, without, _ = trained(dtype)
    bits, wanted, others = ([p.data.tobytes() for p in m.parameters()] for m in (by_hand, by_option, without))
    assert bits == wanted != others


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("option", BY_HAND)
def test_a_compiled_step_clips_as_an_eager_one(option, dtype):
    eager, model, _ = trained(dtype, option)
    found, compiled, step = trained(dtype, option, compiled=True)
    assert step.reason == ""
    np.testing.assert_allclose(*([[x.item() for x in given] for given in run] for run in (found, eager)), rtol=1e-5)
    for p, q in zip(compiled.parameters(), model.parameters(), strict=True):
        np.testing.assert_allclose(p.data, q.data, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("option", BY_HAND)
def test_the_engines_agree(option):
    _, fast, _ = trained("float64", option)
    _, slow, _ = trained("float64", option, engine="scalar")
    for p, q in zip(fast.parameters(), slow.parameters(), strict=True):
        np.testing.assert_allclose(p.data, q.data, rtol=1e-12)


def test_the_norm_is_that_of_all_gradients_before():
    a, b = given([3.0, 0.0], [[4.0], [12.0]])
    norm = clip_grad_norm([a, b], 6.5)
    assert norm.item() == 13 and norm.dtype == np.float64 and norm.shape == ()
    np.testing.assert_allclose(a.grad, [1.5, 0], rtol=1e-6)
    np.testing.assert_allclose(b.grad, [[2], [6]], rtol=1e-6)


@pytest.mark.parametrize("limit", [13.1, np.inf])
def test_gradients_within_the_limit_stay_as_they_are(limit):
    a, b = given([3.0, 0.1], [4.0, 12.0], dtype="float32")
    before = [p.grad.tobytes() for p in (a, b)]
    assert clip_grad_norm([a, b], limit).item() == pytest.approx(np.sqrt(169.01))
    assert [p.grad.tobytes() for p in (a, b)] == before


def test_frozen_parameters_and_those_without_a_gradient_are_left_out():
    a, b, c = given([3.0], [4.0], [5.0])
    b.requires_grad, c.grad = False, None
    assert clip_grad_norm((p for p in (a, b, c)), 1.0).item() == 3
    assert (b.grad, c.grad) == (None, None)
    clip_grad_value([a, b, c], 0.5)
    assert a.grad.tolist() == [0.5]


@pytest.mark.parametrize("large", [1e37, 3e38])
def test_gradients_that_float32_hardly_holds(large):
    (p,) = given(np.array([large, -large, large]), dtype="float32")
    clip_grad_norm([p], 1e-3)
    np.testing.assert_allclose(p.grad, np.array([1, -1, 1]) * 1e-3 / np.sqrt(3), rtol=1e-5)


def test_a_large_gradient_is_shared_between_threads():
    numbers = np.random.default_rng(0).normal(size=200_000)
    found = []
    for threads in (1, 2):
        (p,) = given(numbers)
        before = tg.set_threads(threads)
        try:
            norm = clip_grad_norm([p], 1.0).item()
        finally:
            tg.set_threads(before)
        np.testing.assert_allclose(norm, np.linalg.norm(numbers), rtol=1e-12)
        np.testing.assert_allclose(p.grad, numbers / norm, rtol=1e-6)
        found.append(p.grad)
    np.testing.assert_allclose(*found, rtol=1e-12)


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_gradients_that_are_not_finite(bad):
    a, b = given([3.0], [4.0, bad])
    with pytest.raises(
        GradientError, match=r"^clip_grad_norm: the gradient of a parameter of shape \(2,\) has infinities"
    ):
        clip_grad_norm([a, b], 1.0)
    assert a.grad.tolist() == [3] and b.grad[0] == 4
    clip_grad_value([a, b], 0.5)
    np.testing.assert_array_equal(b.grad, [0.5, np.clip(bad, -0.5, 0.5)])

    p = tg.Parameter(np.ones(2))

    @tg.compile
    def step(x):
        p.grad = None
        (p * x).sum().backward()
        norm = clip_grad_norm([p], 1.0)
        return norm, p.grad * 1.0

    for _ in range(3):
        norm, gradient = step(np.array([3.0, 4.0]))
    assert norm.item() == 5 and not step.reason
    norm, gradient = step(np.array([3.0, bad]))
    assert not np.isfinite(norm.item()) and np.isnan(gradient.numpy()).all()


P, Q = given([1.0], [2.0])
FRESH = tg.Parameter(np.zeros(3))


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: clip_grad_norm([P], 0), OptionError, "clip_grad_norm: max_norm must be a number above 0, got 0"),
        (lambda: clip_grad_norm([P], np.nan), OptionError, "clip_grad_norm: max_norm must be a number above 0, got nan"),
        (lambda: clip_grad_norm([P], "1"), OptionError, "clip_grad_norm: max_norm must be a number above 0, got '1'"),
        (lambda: clip_grad_norm([P], None), OptionError, "clip_grad_norm: max_norm must be a number above 0, got None"),
        (lambda: clip_grad_value([P], -1), OptionError, "clip_grad_value: value must be a number above 0, got -1"),
        (lambda: clip_grad_value([P], np.inf), OptionError, "clip_grad_value: value must be a number above 0, got inf"),
        (lambda: clip_grad_norm(P, 1), OptionError, "clip_grad_norm: expected a list of parameters, such as model"),
        (lambda: clip_grad_norm(nn.Dense(2, 2, rng=0), 1), OptionError, "clip_grad_norm: expected a list of parameters"),
        (lambda: clip_grad_norm([P, 3], 1), OptionError, "clip_grad_norm: parameter 1 is a int, expected a tensorgrad.Param"),
        (lambda: clip_grad_norm([P, P], 1), OptionError, "clip_grad_norm: a parameter is in the list twice"),
        (lambda: clip_grad_value([], 1), OptionError, "clip_grad_value: the list of parameters is empty"),
        (lambda: clip_grad_value([FRESH], 1), GradientError, "clip_grad_value: none of the 1 parameters has a gradient; call"),
        (lambda: clip_grad_norm([FRESH], 1), GradientError, "clip_grad_norm: none of the 1 parameters has a gradient; call"),
    ],
)  # fmt: skip
def test_errors(call, error, text):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value).startswith(text)
    assert P.grad.tolist() == [1]


def test_gradients_that_are_no_floats():
    p = tg.Parameter(grid([1, 2], number=Fraction))
    (p.value * p.value).sum().backward()
    with pytest.raises(EngineError, match="clip_grad_norm: clipping needs floats; a gradient holds Fractions"):
        clip_grad_norm([p], 1.0)


def test_the_numbers_of_before_are_nobody_elses():
    """A gradient is replaced, not changed where it lies: who kept the old one still has it."""
    (p,) = given([3.0, 4.0])
    kept = p.grad
    clip_grad_norm([p], 1.0)
    assert kept.tolist() == [3, 4] and (p.grad < 1).all()
