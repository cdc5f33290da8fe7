"""Large logits, probabilities of 0 and 1, and what is no probability at all."""

import numpy as np
import pytest

import tensorgrad as tg
from microgrid import grid, values
from tensorgrad import nn, ops


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("loss", "y"),
    [
        (nn.CrossEntropyLoss(label_smoothing=0.1), [0, 1]),
        (nn.CrossEntropyLoss(ignore_index=-1), [0, 1]),
        (nn.CrossEntropyLoss(), [[0.5, 0.5], [0.25, 0.75]]),
        (nn.BCEWithLogitsLoss(), [[1.0, 0.0], [1.0, 0.5]]),
        (nn.FocalLoss(), [0, 1]),
        (nn.FocalLoss(gamma=0.5), [[1, 0], [1, 0]]),
        (nn.HuberLoss(), [[1.0, 0.0], [1.0, 0.5]]),
        (nn.LogCoshLoss(), [[1.0, 0.0], [1.0, 0.5]]),
        (nn.MultiMarginLoss(), [0, 1]),
        (nn.HingeLoss(), [[1, -1], [1, -1]]),
    ],
    ids=lambda x: repr(x) if isinstance(x, nn.Loss) else "",
)
def test_logits_up_to_10000(loss, y, dtype):
    x = tg.tensor(np.array([[1e4, -1e4], [1e4, -1e4]], dtype), requires_grad=True)
    value = loss(x, np.array(y))
    value.backward()
    assert np.isfinite(value.item()) and np.isfinite(x.grad).all()
    truth = tg.compare(Fixed(x.numpy().astype("float64")), np.zeros((2, 1)), np.array(y), loss=loss)
    assert truth.ok, str(truth)


class Fixed(nn.Module):
    """A model whose output is a parameter."""

    def __init__(self, output):
        self.output = tg.Parameter(output)

    def forward(self, x):
        return self.output * 1


@pytest.mark.parametrize("loss", [nn.BCELoss(), nn.DiceLoss()], ids=repr)
def test_probabilities_of_exactly_0_and_1(loss):
    p, y = np.array([[0.0, 1.0, 0.0, 1.0]]), np.array([[0.0, 1.0, 1.0, 0.0]])
    found = tg.compare(Fixed(p), np.zeros((1, 1)), y, loss=loss)
    assert found.ok, str(found)
    x = tg.tensor(p, requires_grad=True)
    loss(x, y).backward()
    assert np.isfinite(x.grad).all() and (x.grad[0, 2:] * [-1, 1] > 0).all()  # towards the targets
    assert np.isfinite(loss(p, y)) and np.isnan(loss(p * np.nan, y))


def test_an_ignored_row_may_have_a_logit_of_minus_infinity():
    for label in (0, -100):
        x = tg.tensor(np.array([[-np.inf, 0.0, 0.0], [1.0, 0.0, 1.0]]), requires_grad=True)
        value = nn.CrossEntropyLoss(ignore_index=label)(x, np.array([label, 1]))
        value.backward()
        np.testing.assert_allclose(value.item(), np.log(1 + 2 * np.e), rtol=1e-12)
        assert (x.grad[0] == 0).all() and (x.grad[1] != 0).all()


def test_a_class_of_probability_0_may_have_a_logit_of_minus_infinity():
    logits = np.array([[-np.inf, 0.0, 0.0]])
    for loss, y in ((nn.CrossEntropyLoss(), [[0.0, 1.0, 0.0]]), (nn.CrossEntropyLoss(ignore_index=-1), [1])):
        x = tg.tensor(logits, requires_grad=True)
        value = loss(x, np.array(y))
        value.backward()
        np.testing.assert_allclose(value.item(), np.log(2), rtol=1e-12)
        np.testing.assert_allclose(x.grad, [[0, -0.5, 0.5]], atol=1e-12)


def test_the_reference_of_what_is_no_probability_or_variance_is_nan_too():
    found = ops.binary_cross_entropy(grid([1.5, -0.5, 0.0]), np.array([0.0, 1.0, 1.0]))
    np.testing.assert_array_equal(values(found), [np.nan, np.nan, 100])
    found = ops.gaussian_nll(np.zeros(2), np.zeros(2), grid([-1.0, 1.0]))
    np.testing.assert_array_equal(values(found), [np.nan, 0])


def test_a_target_of_log_probability_minus_infinity_adds_nothing():
    x = tg.tensor(np.log([[0.5, 0.5]]), requires_grad=True)
    loss = nn.KLDivLoss("sum", log_target=True)(x, np.array([[-np.inf, 0.0]]))
    loss.backward()
    np.testing.assert_allclose(loss.item(), np.log(2))
    np.testing.assert_allclose(x.grad, [[0, -1]])
