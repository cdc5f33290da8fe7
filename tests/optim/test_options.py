"""Options of all optimizers: groups, averages, accumulation, clipping, and what they refuse."""

import copy
import pickle

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn, optim
from tensorgrad.errors import GradientError, OptionError


def two():
    return tg.Parameter(np.ones((2, 2))), tg.Parameter(np.ones(2))


def stepped(optimizer, times=1, value=1.0):
    for _ in range(times):
        for p in optimizer.parameters:
            p.grad = np.full(p.shape, value)
        optimizer.step()


P, Q = two()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: optim.SGD([P], lrr=0.1), "SGD: unknown option 'lrr'; did you mean 'lr'? (known: lr, momentum, "),
        (lambda: optim.Adam([P], weigth_decay=0.1), "Adam: unknown option 'weigth_decay'; did you mean 'weight_decay'?"),
        (lambda: optim.Adam([P], amsgrad=True), "Adam: unknown option 'amsgrad'; use optim.AMSGrad"),
        (lambda: optim.SGD([P], 0.1, lr=0.1), "SGD: lr is given twice, by position and by name"),
        (lambda: optim.SGD([P], 0.1, 0, 0, False, 0.1), "SGD: only lr, momentum, dampening, nesterov may be given by position"),
        (lambda: optim.SGD([{"params": [P], "momentun": 0.1}]), "SGD: group 0 has an unknown option 'momentun'; did you mean 'momentum'?"),
        (lambda: optim.SGD([{"params": [P]}, {"params": []}]), "SGD: the list of parameters of group 1 is empty"),
        (lambda: optim.SGD([{"params": [P]}, {"params": [P, Q]}]), "SGD: a parameter is in the list twice"),
        (lambda: optim.SGD([{"params": [P]}, Q]), "SGD: group 1 must be a dict with 'params' and options, got "),
        (lambda: optim.SGD([{"lr": 1.0}]), "SGD: group 0 must be a dict with 'params' and options, got "),
        (lambda: optim.SGD([{"params": 3}]), "SGD: the params of group 0 must be a list of parameters, got 3"),
        (lambda: optim.SGD([{"params": [P], "clip_norm": 1.0}]), "SGD: clip_norm is of the whole optimizer; give it beside the groups"),
        (lambda: optim.Adam([{"params": [P], "betas": (0.9, 1.0)}]), "Adam: betas[1] must be a number of at least 0 and below 1"),
        (lambda: optim.SGD([{"params": [P], "lr": 0.1}], lr=0.0), "SGD: a group's lr keeps its ratio to the optimizer's, which is 0"),
        (lambda: optim.SGD([P], nesterov=True), "SGD: nesterov=True needs a momentum above 0 and dampening 0, got 0 and 0"),
        (lambda: optim.SGD([P], nesterov="yes"), "SGD: nesterov must be True or False, got 'yes'"),
        (lambda: optim.SGD([P], clip_norm=0), "SGD: clip_norm must be a number above 0, got 0"),
        (lambda: optim.SGD([P], clip_value=-1), "SGD: clip_value must be a number above 0, got -1"),
        (lambda: optim.SGD([P], ema=1.0), "SGD: ema must be a number of at least 0 and below 1, got 1.0"),
        (lambda: optim.SGD([P], accumulate=0), "SGD: accumulate must be a positive whole number, got 0"),
        (lambda: setattr(optim.SGD([P]), "clip_norm", 1.0), "SGD: clip_norm is switched on and off only where"),
        (lambda: optim.SGD([P]).groups[0]["rate"], "SGD: a group has no 'rate'"),
    ],
)  # fmt: skip
def test_what_is_refused(make, text):
    with pytest.raises(OptionError) as error:
        make()
    assert str(error.value).startswith(text)


def test_groups_have_numbers_of_their_own():
    w, b = two()
    sgd = optim.SGD([{"params": [w], "lr": 0.2}, {"params": b, "weight_decay": 1.0}], lr=0.1)
    stepped(sgd)
    np.testing.assert_allclose(w.data, 0.8)
    np.testing.assert_allclose(b.data, 0.8)  # 1 - 0.1 (1 + 1)
    sgd.lr, sgd.weight_decay, sgd.groups[1]["lr"] = 0.05, 0.5, 0.5
    assert [group["lr"] for group in sgd.groups] == [0.1, 0.5]
    assert [group["weight_decay"] for group in sgd.groups] == [0.5, 1.0]
    assert "lr=0.5" in repr(sgd.groups[1])


def test_a_schedule_keeps_the_ratio_in_compiled_training():
    def trained(compile):
        model = nn.Sequential(nn.Dense(2, 3, rng=0), nn.Tanh(), nn.Dense(3, 1, rng=1))
        ps = model.parameters()
        sgd = optim.SGD([{"params": ps[:2], "lr": 0.3}, {"params": ps[2:]}], lr=0.1)
        X = np.cos(np.arange(20.0)).reshape(10, 2)
        tg.fit(model, (X, X[:, :1]), loss=nn.MSELoss(), optimizer=sgd, epochs=5, schedule=lambda step: 0.1 / (1 + step),
               compile=compile, threads=1, progress=False)  # fmt: skip
        return [p.data for p in ps]

    for a, b in zip(trained(True), trained(False), strict=True):
        np.testing.assert_array_equal(a, b)


def test_accumulation_changes_nothing_until_it_is_complete():
    w, b = two()
    sgd = optim.SGD([w, b], lr=0.1, accumulate=3)
    stepped(sgd, 2, 3.0)
    assert (w.data == 1).all() and sgd.steps == 0
    stepped(sgd, 1, 0.0)
    np.testing.assert_allclose(w.data, 0.8)  # the mean of 3, 3, 0
    assert sgd.steps == 1


def test_averages_take_the_place_of_the_weights_and_go_again():
    w, b = two()
    sgd = optim.SGD([w, b], lr=1.0, ema=0.5)
    with sgd.averaged():
        assert (w.data == 1).all()
    stepped(sgd, 2, -1.0)
    memory = w.data
    with pytest.raises(ZeroDivisionError), sgd.averaged():
        np.testing.assert_allclose(w.data, (0.5 * 2 + 3) / 1.5)
        with pytest.raises(OptionError, match="averages are in place of the weights already"), sgd.averaged():
            pass
        with pytest.raises(OptionError, match="step after `averaged"):
            stepped(sgd)
        raise ZeroDivisionError
    assert (w.data == 3).all() and w.data is memory
    with pytest.raises(OptionError, match="there are no averages"), optim.SGD([w]).averaged():
        pass


@pytest.mark.parametrize(("dtype", "size"), [("float32", 1e25), ("float64", 1e200), ("float64", 1e-3)])
def test_the_norm_does_not_overflow(dtype, size):
    p = tg.Parameter(np.zeros(5000, dtype))
    sgd = optim.SGD([p], lr=1.0, clip_norm=2.0)
    stepped(sgd, value=size)
    norm = size * np.sqrt(5000)
    np.testing.assert_allclose(p.data, -size * min(1, 2 / norm), rtol=1e-6)


@pytest.mark.parametrize(
    "options", [{"clip_norm": 1.0}, {"clip_value": 1.0}, {"clip_norm": 1.0, "accumulate": 2}], ids=str
)
def test_gradients_that_are_not_finite(options):
    """They are not clipped into numbers; where `fit` looks, nothing is changed."""
    w, b = two()
    sgd = optim.SGD([w, b], lr=0.1, **options)
    assert not sgd.apply([np.full((2, 2), np.nan), np.ones(2)], finite=True)
    assert (w.data == 1).all() and sgd.steps == 0
    for _ in range(sgd.accumulate):
        assert sgd.apply([np.full((2, 2), np.nan), np.ones(2)])
    assert np.isnan(w.data).all()


def test_large_parameters_have_the_same_bits_on_any_number_of_threads():
    found = []
    for threads in (1, 2, 3):
        tg.set_threads(threads)
        try:
            p = tg.Parameter(np.cos(np.arange(200_000.0)).astype("float32"))
            adam = optim.Adam([p], lr=0.01, accumulate=2, ema=0.9)
            for k in range(4):
                p.grad = np.sin(np.arange(200_000.0) + k).astype("float32")
                adam.step()
            found.append((p.data.tobytes(), adam.state_dict()["state"][0]["average"].tobytes()))
            clipped = optim.SGD([p], lr=0.01, clip_norm=1.0)
            before = p.data.copy()
            clipped.step()
            np.testing.assert_allclose(np.linalg.norm((before - p.data).astype(float)), 0.01, rtol=1e-4)
        finally:
            tg.set_threads(None)
    assert found[0] == found[1] == found[2]


def test_what_was_frozen_adds_nothing_to_the_gradients_collected():
    """Trained again in the middle of an accumulation, it starts from 0, not from what the last update left."""
    w, b = tg.Parameter(np.zeros(2)), tg.Parameter(np.zeros(2))
    sgd = optim.SGD([w, b], lr=1.0, accumulate=2)
    for frozen in (False, False, True, False):
        b.requires_grad = not frozen
        w.grad, b.grad = np.ones(2), None if frozen else np.ones(2)
        sgd.step()
    assert (w.data == -2).all() and (b.data == -1.5).all()


def test_a_gradient_of_another_dtype_is_refused():
    """The kernels would read its memory as other numbers."""
    p = tg.Parameter(np.ones(3))
    sgd = optim.SGD([p], lr=0.1)
    p.value.grad = np.ones(3, np.float32 if p.dtype == np.float64 else np.float64)
    with pytest.raises(
        GradientError, match="a gradient must be float(32|64) in C order, as its parameter is, got float"
    ):
        sgd.step()
    with pytest.raises(
        GradientError, match="a gradient must be float(32|64) in C order, as its parameter is, got float"
    ):
        sgd.apply([p.value.grad])
    assert (p.data == 1).all()


def test_a_compiled_step_inside_averaged_is_refused_as_an_eager_one_is():
    p = tg.Parameter(np.ones(3))
    sgd = optim.SGD([p], lr=0.1, ema=0.5)

    @tg.compile
    def step(x):
        sgd.zero_grad()
        loss = ((x * p) ** 2).sum()
        loss.backward()
        sgd.step()
        return loss

    for _ in range(3):
        step(np.ones(3))
    before = p.data.copy()
    with sgd.averaged(), pytest.raises(OptionError, match="averages are in place of the weights"):
        step(np.ones(3))
    assert step.reason == "" and sgd.steps == 3
    np.testing.assert_array_equal(p.data, before)
    step(np.ones(3))
    assert step.reason == "" and sgd.steps == 4


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["deepcopy", "pickle"])
def test_a_copy_made_inside_averaged_trains_on_from_the_averages(copied):
    p = tg.Parameter(np.ones(2))
    sgd = optim.SGD([p], lr=1.0, ema=0.5)
    for _ in range(2):
        p.grad = np.ones(2)
        sgd.step()
    with sgd.averaged():
        average, other = p.data.copy(), copied(sgd)
    (q,) = other.parameters
    q.grad = np.ones(2)
    other.step()
    np.testing.assert_allclose(q.data, average - 1)
    with other.averaged():
        pass


def test_betas_are_read_and_set_together():
    adam = optim.Adam([tg.Parameter(np.ones(2))])
    adam.betas = (0.5, 0.75)
    assert (adam.betas, adam.beta1, adam.groups[0]["beta2"]) == ((0.5, 0.75), 0.5, 0.75)
    with pytest.raises(OptionError, match=r"betas\[1\] must be a number of at least 0 and below 1, got 1"):
        adam.betas = (0.25, 1)
    assert adam.betas == (0.5, 0.75)


HUGE = 10**400  # no float holds it


@pytest.mark.parametrize("option", ["lr", "weight_decay", "clip_norm", "clip_value", "eps", "ema", "accumulate"])
def test_numbers_that_no_float_holds(option):
    with pytest.raises(OptionError, match=f"Adam: {option} must be a"):
        optim.Adam([tg.Parameter(np.ones(2))], **{option: HUGE})


def _places(state, above=()):
    """The way to everything in a state."""
    for key, value in state.items() if isinstance(state, dict) else enumerate(state):
        yield (*above, key)
        if isinstance(value, dict | list):
            yield from _places(value, (*above, key))


def test_a_state_with_anything_wrong_in_it_is_refused_and_changes_nothing():
    p, q = tg.Parameter(np.ones(3)), tg.Parameter(np.ones(2))
    nadam = optim.NAdam([p, q], clip_norm=1.0, ema=0.5, accumulate=2)
    for _ in range(3):
        p.grad, q.grad = np.ones(3), np.ones(2)
        nadam.step()
    good = nadam.state_dict()
    before = pickle.dumps(good)
    for place in _places(good):
        for wrong in (HUGE, "x", np.nan, 1j, object(), np.zeros(7), np.full(3, 1j), ["1", "2", "3"]):
            state = pickle.loads(before)
            inner = state
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = wrong
            with pytest.raises(OptionError, match="NAdam"):
                nadam.load_state_dict(state)
                pytest.fail(f"{place} = {wrong!r} was taken")
            assert pickle.dumps(nadam.state_dict()) == before
    for wrong in (None, [], "x", np.zeros(3), 1):
        with pytest.raises(OptionError, match="NAdam"):
            nadam.load_state_dict(wrong)


@pytest.mark.parametrize(
    ("of", "into"), [(optim.Adam, optim.AdamW), (optim.AdamW, optim.RAdam), (optim.RAdam, optim.Adam)]
)
def test_a_state_of_another_class_is_refused(of, into):
    state, optimizer = of([tg.Parameter(np.ones(3))]).state_dict(), into([tg.Parameter(np.ones(3))])
    decoupled = optimizer.decoupled
    with pytest.raises(OptionError, match="another optimizer"):
        optimizer.load_state_dict(state)
    assert optimizer.decoupled == decoupled


@pytest.mark.parametrize("name, meant", [("learning_rate", "lr"), ("weigth_decay", "weight_decay"), ("clipnorm", "clip_norm"), ("amsgrad", "optim.AMSGrad")])  # fmt: skip
def test_an_attribute_that_nobody_has(name, meant):
    adam = optim.Adam([tg.Parameter(np.ones(2))])
    with pytest.raises(OptionError, match=f"Adam: there is no attribute '{name}' to set; .*{meant}"):
        setattr(adam, name, 1)

    class Mine(optim.SGD):
        def __init__(self, parameters, **options):
            super().__init__(parameters, **options)
            self.history, self.note, self._rate = [], "mine", 3

    mine = Mine([tg.Parameter(np.ones(2))], lr=0.1)
    mine.note = "changed"
    mine._lr = 4  # what begins with _ is nobody's business
    assert mine.note == "changed" and mine.history == [] and mine._lr == 4 and mine.lr == 0.1


@pytest.mark.parametrize("clip", [1.0, 1e-3])
@pytest.mark.parametrize("large", [1e37, 3e38])
def test_clipping_gradients_that_float32_hardly_holds(large, clip):
    p = tg.Parameter(np.zeros(4, np.float32))
    sgd = optim.SGD([p], lr=1.0, clip_norm=clip)
    p.grad = np.array([large, -large, large, 0], np.float32)
    sgd.step()
    np.testing.assert_allclose(p.data, np.array([-1, 1, -1, 0]) * clip / np.sqrt(3), rtol=1e-5)
