"""The tape: accumulation, order, freeing, no_grad, in-place safety, threads."""

import threading

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn, ops, optim
from tensorgrad._registry import OPS
from tensorgrad.errors import GraphError, ShapeError


def leaf(*numbers, dtype="float32"):
    return tg.tensor(numbers, requires_grad=True, dtype=dtype)


# ---- sums of gradients -----------------------------------------------------------------------------------------------
def test_gradients_add_up_in_leaves_over_backwards():
    x = leaf(1, 2)
    for _ in range(3):
        (x * x).sum().backward()
    assert x.grad.tolist() == [6, 12]


def test_diamond():
    x = leaf(2)
    a = x * x
    (a * 3 + a * a + x).sum().backward()  # 3 x**2 + x**4 + x
    assert x.grad.tolist() == [3 * 4 + 4 * 8 + 1]


def test_one_input_used_as_every_operand():
    x = leaf(3)
    np.concatenate([x * x, x + x, np.maximum(x, x), x]).sum().backward()
    assert x.grad.tolist() == [6 + 2 + 1 + 1]


@pytest.mark.parametrize("together", [True, False])
def test_two_losses_on_one_trunk(together):
    x = leaf(1, 2)
    trunk = np.exp(x)
    first, second = (trunk * trunk).sum(), (trunk * 3).sum()
    if together:
        (first + second).backward()
    else:
        first.backward(retain_graph=True)
        second.backward()
    np.testing.assert_allclose(x.grad, 2 * np.exp(2 * x.numpy()) + 3 * np.exp(x.numpy()), rtol=1e-6)


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_gradients_are_arrays_of_the_leafs_shape_and_dtype(shape):
    x = tg.tensor(np.full(shape, 2.0, "float32"), requires_grad=True)
    for _ in range(2):
        (x * x).sum().backward()
        assert type(x.grad) is np.ndarray
        assert (x.grad.shape, x.grad.dtype) == (shape, np.float32)


@pytest.mark.parametrize("f", [lambda a, b: a + b, lambda a, b: (a + b).reshape(-1), lambda a, b: np.stack([a, b]),
                               lambda a, b: +a + +b], ids=["add", "reshape", "stack", "positive"])  # fmt: skip
def test_leaves_never_share_a_gradient(f):
    a, b, g = leaf(1, 2), leaf(3, 4), np.ones(f(leaf(1, 2), leaf(3, 4)).shape, "float32")
    f(a, b).backward(g)
    a.grad[...] = 7
    assert b.grad.tolist() == [1, 1]
    assert g.max() == 1


def test_a_gradient_is_not_the_array_that_was_passed_in():
    x, g = leaf(1, 2), np.array([1, 2], "float32")
    x.backward(g)
    g[0] = 50
    assert x.grad.tolist() == [1, 2]


def test_a_gradient_of_one_backward_does_not_change_in_the_next():
    x = leaf(1, 2)
    (x + 0).sum().backward()
    first = x.grad
    (x + 0).sum().backward()
    assert (first.tolist(), x.grad.tolist()) == ([1, 1], [2, 2])


def test_gradients_do_not_depend_on_the_callers_arrays():
    """A batch buffer that is filled anew between forward and backward must not change the gradient."""
    w, batch = leaf(1, 1), np.array([2, 3], "float32")
    loss = (w * batch).sum()
    batch[...] = 100
    loss.backward()
    assert w.grad.tolist() == [2, 3]


# ---- what cannot be differentiated -----------------------------------------------------------------------------------
def test_second_backward_names_retain_graph():
    x = leaf(2)
    y = (x * x).sum()
    y.backward()
    with pytest.raises(GraphError) as error:
        y.backward()
    assert str(error.value) == (
        "backward: the graph of 'sum' was freed by an earlier backward; "
        "pass retain_graph=True to that one to go through it again"
    )
    assert x.grad.tolist() == [4]


def test_retain_graph():
    x = leaf(2)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [8]


def test_backward_through_a_freed_trunk_changes_no_gradient():
    x, head = leaf(2), leaf(5)
    trunk = x * x
    trunk.sum().backward()
    with pytest.raises(GraphError, match="the graph of 'multiply' was freed"):
        (trunk * head).sum().backward()
    assert head.grad is None
    assert x.grad.tolist() == [4]


NOTHING = (
    "backward: nothing was recorded, as no tensor in this calculation has requires_grad=True: all parameters "
    "are frozen (model.unfreeze() lets them train), a forward made plain arrays of its tensors (by .numpy() or "
    "np.array; use the tensors themselves, with NumPy's functions or tg.ops), or it ran under tg.no_grad()"
)


@pytest.mark.parametrize(
    "make", [lambda x: tg.tensor([1.0]), lambda x: (x * x).detach(), lambda x: tg.no_grad()(lambda: x * x)()]
)
def test_nothing_recorded(make):
    with pytest.raises(GraphError) as error:
        make(leaf(1)).backward()
    assert str(error.value) == NOTHING


def test_only_scalars_have_a_default_gradient():
    with pytest.raises(ShapeError) as error:
        (leaf(1, 2) * 2).backward()
    assert str(error.value) == (
        "backward: the tensor has shape (2,); only a scalar has a default gradient: "
        "reduce it with .sum() or .mean(), or pass g="
    )


def test_g_must_have_the_tensors_shape():
    with pytest.raises(ShapeError, match=r"^backward: g has shape \(3,\), the tensor has \(2,\); they must be equal$"):
        (leaf(1, 2) * 2).backward([1, 2, 3])


@pytest.mark.parametrize("g", [[1, 10], np.array([1.0, 10.0]), tg.tensor([1, 10])], ids=["list", "float64", "tensor"])
def test_backward_with_a_gradient(g):
    x = leaf(1, 2)
    (x * x).backward(g)
    assert x.grad.dtype == np.float32
    assert x.grad.tolist() == [2, 40]


def test_only_leaves_keep_gradients_and_detach_stops_them():
    x = leaf(3)
    y = x * x
    (y.detach() * x + y).sum().backward()
    assert y.grad is None
    assert x.grad.tolist() == [9 + 6]


# ---- no_grad ---------------------------------------------------------------------------------------------------------
def records():
    return (leaf(1) * 2).requires_grad


def test_no_grad_as_context_and_decorator():
    with tg.no_grad():
        assert not records()
        with tg.no_grad():
            assert not records()
        assert not records()
    assert records()
    assert not tg.no_grad()(records)()
    assert records()


def test_no_grad_is_restored_after_an_exception():
    with pytest.raises(ZeroDivisionError), tg.no_grad():
        1 / 0
    assert records()
    with pytest.raises(ZeroDivisionError):
        tg.no_grad()(lambda: 1 / 0)()
    assert records()


def test_one_no_grad_can_be_entered_again():
    quiet = tg.no_grad()
    try:
        with quiet, quiet:
            assert not records()
        assert records()
    finally:
        from tensorgrad._tape import mode

        mode.recording = True


def test_no_grad_without_parentheses_is_a_decorator_too():
    assert not tg.no_grad(records)()


def test_no_grad_is_of_one_thread():
    seen, inside, done = {}, threading.Event(), threading.Event()

    def quiet():
        with tg.no_grad():
            inside.set()
            done.wait(10)
            seen["quiet"] = records()

    thread = threading.Thread(target=quiet)
    thread.start()
    inside.wait(10)
    seen["main"] = records()
    with tg.no_grad():
        other = threading.Thread(target=lambda: seen.update(other=records()))
        other.start()
        other.join()
    done.set()
    thread.join()
    assert seen == {"main": True, "other": True, "quiet": False}


def test_threads_differentiate_their_own_graphs():
    def work(k, results):
        for i in range(50):
            x = leaf(*range(k + 2))
            (np.exp(x * 0.1) * x).sum().backward()
            results.setdefault(k, []).append((i, x.grad))

    results: dict = {}
    threads = [threading.Thread(target=work, args=(k, results)) for k in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    for k in range(4):
        x = np.arange(k + 2, dtype="float32")
        assert len(results[k]) == 50
        for _, g in results[k]:
            np.testing.assert_allclose(g, np.exp(0.1 * x) * (1 + 0.1 * x), rtol=1e-6)


# ---- changes in place ------------------------------------------------------------------------------------------------
CHANGES = {
    "setitem": lambda t: t.__setitem__(0, 5.0),
    "data": lambda t: setattr(t, "data", [7, 8]),
    "-=": lambda t: t.__isub__(1),
    "+=": lambda t: t.__iadd__(1),
    "*=": lambda t: t.__imul__(2),
    "/=": lambda t: t.__itruediv__(2),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changing_a_leaf_that_backward_needs_raises(change):
    x, w = leaf(1, 2), leaf(3, 4)
    y = (x * w).sum()
    CHANGES[change](x)
    with pytest.raises(GraphError) as error:
        y.backward()
    assert str(error.value) == (
        "backward of 'multiply': its input of shape (2,) was changed in place after it was used; "
        "change it after backward, or use a copy"
    )
    assert w.grad is None


@pytest.mark.parametrize("change", CHANGES)
def test_changing_a_leaf_that_backward_does_not_need(change):
    x = leaf(1, 2)
    y = (1 - x).sum()
    CHANGES[change](x)
    y.backward()
    assert x.grad.tolist() == [-1, -1]


ONLY_SHAPES = {
    "sum": lambda x: x.sum(),
    "mean": lambda x: x.mean(),
    "reshape": lambda x: x.reshape(2, 1),
    "index": lambda x: x[0],
    "list index": lambda x: x[[0, 0]],
    "concatenate": lambda x: np.concatenate([x, x]),
    "stack": lambda x: np.stack([x, x]),
    "astype": lambda x: x.astype("float64"),
    "transpose": lambda x: x.T,
    "broadcast": lambda x: np.broadcast_to(x, (3, 2)),
    "times a number": lambda x: x * 2,
    "times an array": lambda x: x * np.ones(2),
    "by an array": lambda x: x @ np.ones((2, 3)),
    "bias": lambda x: ops.dense(np.ones((4, 3)), np.ones((3, 2)), x),
    "exp": lambda x: np.exp(x),
    "where": lambda x: np.where([True, False], x, 0),
}


@pytest.mark.parametrize("name", ONLY_SHAPES)
def test_ops_that_need_no_number_of_the_leaf_let_it_change(name):
    x, same = leaf(1, 2), leaf(1, 2)
    y = ONLY_SHAPES[name](x).sum()
    x[...] = 50
    y.backward()
    ONLY_SHAPES[name](same).sum().backward()
    np.testing.assert_array_equal(x.grad, same.grad)


@pytest.mark.parametrize(
    "make", [lambda t: t.detach(), lambda t: tg.tensor(t.numpy()).detach()], ids=["detach", "copy"]
)
def test_a_detached_tensor_is_watched_too(make):
    """detach shares memory: a change of the leaf either raises in backward or does not reach the detached numbers."""
    t, w = tg.tensor([1.0, 1.0]), leaf(1, 1)
    y = (w * make(t)).sum()
    t[...] = 100
    try:
        y.backward()
    except GraphError:
        assert w.grad is None
    else:
        assert w.grad.tolist() == [1, 1]


def test_optimizer_steps_and_loading_are_changes():
    layer = nn.Dense(2, 2, rng=0)
    sgd = optim.SGD(layer.parameters(), lr=0.1)
    for change in (sgd.step, lambda: layer.load_state_dict(layer.state_dict()), lambda: layer.reset(1)):
        x = leaf(1, 2)
        for p in layer.parameters():
            p.grad = np.ones(p.shape)
        y = layer(x.reshape(1, 2)).sum()
        change()
        with pytest.raises(GraphError, match=r"^backward of 'dense': its input of shape .* was changed in place"):
            y.backward()


def test_results_are_read_only():
    y = leaf(1, 2) * 2
    for array in (y.data, y.numpy(), leaf(1).numpy()):
        assert not array.flags.writeable
    with pytest.raises(GraphError) as error:
        y[0] = 1
    assert str(error.value) == (
        "in-place change of the result of 'multiply': it is part of a graph; use tg.ops.where, "
        "or change a .detach()ed copy: tg.tensor(t.numpy())"
    )
    with pytest.raises(GraphError, match="in-place change of the result of 'multiply'"):
        y.data = [1, 2]


def test_detached_tensors_are_copies():
    x = leaf(1, 2)
    y = x.detach()
    y[0] = 5
    assert (x.data.tolist(), y.data.tolist()) == ([1, 2], [5, 2])


def test_in_place_on_a_result_makes_a_new_tensor():
    x = leaf(1, 2)
    y = z = x * 1
    y -= 1
    assert y is not z
    y.sum().backward()
    assert x.grad.tolist() == [1, 1]


def test_in_place_with_an_operand_that_requires_a_gradient():
    x, w = leaf(1, 2), leaf(1, 2)
    with pytest.raises(GraphError, match=r"^in-place add of a tensor that requires a gradient would not be recorded: "):
        x += w
    with tg.no_grad():
        x += w
    assert x.numpy().tolist() == [2, 4]
    assert x.requires_grad


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda t: t.__setitem__(slice(None), [1, 2, 3]), "assigning (3,) to a tensor of shape (2,): "),
        (lambda t: setattr(t, "data", np.ones((2, 2))), "assigning (2, 2) to a tensor of shape (2,): "),
        (lambda t: t.__iadd__(np.ones((3, 2))), "assigning (3, 2) to a tensor of shape (2,): "),
    ],
)
def test_shapes_of_assignments(change, text):
    t = leaf(1, 2)
    with pytest.raises(ShapeError) as error:
        change(t)
    assert str(error.value).startswith(text)
    assert t.numpy().tolist() == [1, 2]


def test_results_cannot_be_copied_deeply():
    import copy

    assert copy.deepcopy(leaf(1)).requires_grad
    with pytest.raises(GraphError, match=r"^only leaves can be copied; this tensor is a result: use \.detach\(\)$"):
        copy.deepcopy(leaf(1) * 2)


@pytest.mark.parametrize("x", [np.ones((4, 2)), np.ones((4, 2), int), [[1.0, 2.0]]], ids=["float64", "int", "list"])
@pytest.mark.parametrize("bias", [True, False])
def test_a_float32_model_takes_plain_data_of_any_dtype(x, bias):
    model = nn.Sequential(nn.Dense(2, 3, bias=bias), nn.ReLU(), nn.Dense(3, 1), rng=0)
    model(x).sum().backward()
    same = model.astype("float32")
    same(np.array(x, "float32")).sum().backward()
    for p, q in zip(model.parameters(), same.parameters(), strict=True):
        assert p.grad.dtype == np.float32
        np.testing.assert_array_equal(p.grad, q.grad)


def test_no_grad_refuses_a_generator():
    def numbers():
        yield 1

    with pytest.raises(GraphError, match="^no_grad: a generator runs after the call has returned"):
        tg.no_grad(numbers)


@pytest.mark.parametrize(
    "layer", [nn.Upsample(2), nn.AvgPool2d(2), nn.MaxPool2d(2), nn.Conv2d(3, 3, 2, rng=0), nn.Dense(3, 3, rng=0)]
)
def test_a_gradient_that_a_rule_gives_in_another_dtype_is_brought_to_the_ops(monkeypatch, layer):
    """Kernels read memory as they are told: a float64 gradient of float32 numbers would be read, and written, beyond its end."""
    x = tg.tensor(np.ones((2, 4, 4, 3), np.float32), requires_grad=True)
    (layer(x) * 2.0).sum().backward()
    expected = x.grad
    monkeypatch.setattr(OPS["multiply"], "fused", None)
    monkeypatch.setattr(
        OPS["multiply"], "backward", [lambda g, _y, _a, _b: np.full(g.shape, 2.0), lambda g, _y, _a, _b: np.zeros(())]
    )
    x.grad = None
    (layer(x) * 2.0).sum().backward()
    assert x.grad.dtype == np.float32
    np.testing.assert_array_equal(x.grad, expected)
