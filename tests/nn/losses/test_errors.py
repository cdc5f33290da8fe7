"""What losses refuse: calls, options, targets and weights of a training."""

import numpy as np
import pytest
from loss_data import BITS, LABELS, NUMBERS, WEIGHT, C, N, X

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad.errors import DataError, DTypeError, LabelError, OptionError, ShapeError

P = np.full((4, 3), 0.5)
I = np.array([0, 1, 2, 0])  # noqa: E741
BAD_CALLS = {
    "never broadcast": (nn.HuberLoss(), (P, P[:, 0]), ShapeError, "HuberLoss: prediction has shape (4, 3) and target (4,)"),
    "a column": (nn.HingeLoss(), (P[:, :1], np.ones(4)), ShapeError, "HingeLoss: prediction has shape (4, 1) and target (4,)"),
    "nothing": (nn.L1Loss(), (P[:0], P[:0]), ShapeError, "L1Loss: the mean over no elements is not defined"),
    "weights": (nn.L1Loss(), (P, P, np.ones(3)), ShapeError, "L1Loss: sample_weight must have the shape of the losses (4, 3)"),
    "a number": (nn.L1Loss(), (P, P, 1.0), ShapeError, "L1Loss: sample_weight must have the shape of the losses (4, 3)"),
    "no weight": (nn.L1Loss(), (P, P, np.zeros(4)), DataError, "L1Loss: the weights sum to 0, and a mean needs a positive"),
    "negative": (nn.L1Loss(), (P, P, -np.ones(4)), DataError, "L1Loss: sample_weight must be finite and at least 0, got -1"),
    "negative, sum": (nn.L1Loss("sum"), (P, P, [1, 1, 1, -1]), DataError, "L1Loss: sample_weight must be finite and at least 0"),
    "infinite": (nn.L1Loss("none"), (P, P, [1, 1, 1, np.inf]), DataError, "L1Loss: sample_weight must be finite and at least 0"),
    "masked weights": (nn.L1Loss(), (P, P, np.ma.masked_array(np.ones(4), [0, 0, 0, 1])), DTypeError, "L1Loss: sample_weight: a masked"),
    "all ignored": (nn.CrossEntropyLoss(ignore_index=9), (P, I * 0 + 9), DataError, "all 4 labels are ignore_index=9"),
    "all ignored, nll": (nn.NLLLoss(ignore_index=9), (P, I * 0 + 9), DataError, "NLLLoss: all 4 labels are ignore_index=9"),
    "class of weight 0": (nn.NLLLoss([0, 1, 1]), (P, I * 0), DataError, "NLLLoss: the weights sum to 0"),
    "label": (nn.CrossEntropyLoss(label_smoothing=0.1), (P, I + 1), LabelError, "label 3 at row 2 is outside the 3 classes"),
    "ignored label": (nn.NLLLoss(ignore_index=-1), (P, I - 2), LabelError, "NLLLoss: label -2 at row 0 is outside the 3"),
    "of pixels": (nn.CrossEntropyLoss(), (P.reshape(2, 2, 3), I.reshape(2, 2) + 1), LabelError, "label 3 at index (1, 0)"),
    "floats": (nn.MultiMarginLoss(), (P, I * 1.0), DTypeError, "MultiMarginLoss: expected integer labels, got dtype float64"),
    "shape of labels": (nn.NLLLoss(), (P, P), ShapeError, "NLLLoss: expected labels of shape (4,) beside predictions (4, 3)"),
    "one axis": (nn.NLLLoss(), (P[0], 1), ShapeError, "NLLLoss: expected predictions of shape (n, ..., classes), got (3,)"),
    "weights of classes": (nn.CrossEntropyLoss([1, 2]), (P, I), OptionError, "weight has 2 numbers for 3 classes"),
    "weights, soft": (nn.CrossEntropyLoss([1, 2]), (P, P / 1.5), OptionError, "weight has 2 numbers for 3 classes"),
    "ignore, soft": (nn.CrossEntropyLoss(ignore_index=1), (P, P / 1.5), OptionError, "ignore_index is for integer labels"),
    "sum": (nn.CrossEntropyLoss(), (P, P), LabelError, "row 0 of the targets is neither one-hot nor probabilities that sum"),
    "negative share": (nn.CrossEntropyLoss(), (P, P * [3, -1, 0]), LabelError, "row 0 of the targets is neither one-hot"),
    "NaN": (nn.CrossEntropyLoss(), (P, P * np.nan), LabelError, "row 0 of the targets is neither one-hot"),
    "bce": (nn.BCELoss(), (P, P * 3), LabelError, "BCELoss: targets must be between 0 and 1, got 1.5 at index (0, 0)"),
    "bce NaN": (nn.BCELoss(), (P, P * np.nan), LabelError, "BCELoss: targets must be between 0 and 1, got nan"),
    "bce p": (nn.BCELoss(), (P * 3, P), DataError, "BCELoss: predictions must be probabilities between 0 and 1, got 1.5"),
    "dice p": (nn.DiceLoss(), (-P, P), DataError, "DiceLoss: predictions must be probabilities between 0 and 1, got -0.5"),
    "dice row": (nn.DiceLoss(), (P[0], P[0]), ShapeError, "DiceLoss: expected masks of shape (n, ...) with at least two axes"),
    "logits": (nn.BCEWithLogitsLoss(), (P, -P), LabelError, "BCEWithLogitsLoss: targets must be between 0 and 1, got -0.5"),
    "pos_weight": (nn.BCEWithLogitsLoss([1, 2]), (P, P), ShapeError, "pos_weight has 2 numbers for predictions of shape"),
    "focal": (nn.FocalLoss(), (P, P), LabelError, "FocalLoss: targets must be 0 or 1, got 0.5 at index (0, 0)"),
    "alpha": (nn.FocalLoss(alpha=[1, 2]), (P, I), OptionError, "FocalLoss: alpha has 2 numbers for 3 classes"),
    "alpha, binary": (nn.FocalLoss(alpha=[1, 2]), (P, P), OptionError, "FocalLoss: alpha must be one number where targets"),
    "alpha, classes": (nn.FocalLoss(alpha=0.5), (P, I), OptionError, "FocalLoss: alpha must have a number for each class"),
    "hinge": (nn.HingeLoss(), (P, P * 0), LabelError, "HingeLoss: targets must be -1 or 1, got 0 at index (0, 0)"),
    "hinge 2": (nn.SquaredHingeLoss(), (P, P), LabelError, "SquaredHingeLoss: targets must be -1 or 1, got 0.5"),
    "kl": (nn.KLDivLoss(), (P, -P), LabelError, "KLDivLoss: targets must be between 0 and 1, got -0.5"),
    "kl log": (nn.KLDivLoss(log_target=True), (P, P), LabelError, "KLDivLoss: targets, logarithms of probabilities, must be"),
    "counts": (nn.PoissonNLLLoss(), (P, -P), LabelError, "PoissonNLLLoss: targets, which are counts, must be at least 0"),
    "variance": (nn.GaussianNLLLoss(), (P, P, -P), DataError, "GaussianNLLLoss: a variance must be at least 0, got -0.5"),
    "variances": (nn.GaussianNLLLoss(), (P, P, P[0]), ShapeError, "GaussianNLLLoss: var must have the shape of the mean"),
    "cosine": (nn.CosineEmbeddingLoss(), (P, P, I), LabelError, "CosineEmbeddingLoss: targets must be -1 or 1, got 0"),
    "cosine y": (nn.CosineEmbeddingLoss(), (P, P, P), ShapeError, "CosineEmbeddingLoss: expected targets of shape (4,)"),
    "cosine rows": (nn.CosineEmbeddingLoss(), (P, P[:3], I), ShapeError, "CosineEmbeddingLoss: x1 has shape (4, 3) and x2"),
    "triplet": (nn.TripletMarginLoss(), (P[0], P[0], P[0]), ShapeError, "TripletMarginLoss: expected rows (n, features)"),
    "triplets": (nn.TripletMarginLoss(), (P, P, P[:, :2]), ShapeError, "TripletMarginLoss: anchor has shape (4, 3) and negative"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD_CALLS)
def test_bad_calls(what):
    loss, inputs, error, text = BAD_CALLS[what]
    for tensors in (False, True):
        given = [tg.tensor(inputs[0], requires_grad=True), *inputs[1:]] if tensors else inputs
        with pytest.raises(error) as caught:
            loss(*given)
        assert text in str(caught.value) and str(caught.value).startswith(type(loss).__name__)


BAD_OPTIONS = {
    "MSELoss: unknown reduction 'means'; did you mean 'mean'?": lambda: nn.MSELoss(reduction="means"),
    "KLDivLoss: unknown reduction 'batch_mean'; did you mean 'batchmean'?": lambda: nn.KLDivLoss("batch_mean"),
    "HuberLoss: delta must be a number above 0, got 0": lambda: nn.HuberLoss(0),
    "SmoothL1Loss: beta must be a number of at least 0, got -1": lambda: nn.SmoothL1Loss(-1),
    "CrossEntropyLoss: label_smoothing must be a number from 0 to 1, got 2":
        lambda: nn.CrossEntropyLoss(label_smoothing=2),
    "CrossEntropyLoss: weight must be one number for each class": lambda: nn.CrossEntropyLoss([1, -1]),
    "NLLLoss: weight must be one number for each class": lambda: nn.NLLLoss([[1, 1]]),
    "NLLLoss: ignore_index must be a whole number or None, got 1.5": lambda: nn.NLLLoss(ignore_index=1.5),
    "FocalLoss: gamma must be a number of at least 0, got nan": lambda: nn.FocalLoss(gamma=np.nan),
    "FocalLoss: alpha must be a number from 0 to 1, got 2": lambda: nn.FocalLoss(alpha=2),
    "BCEWithLogitsLoss: pos_weight must be one number for each class": lambda: nn.BCEWithLogitsLoss("a"),
    "MultiMarginLoss: p must be 1 or 2, got 3": lambda: nn.MultiMarginLoss(p=3),
    "GaussianNLLLoss: eps must be a number above 0, got 0": lambda: nn.GaussianNLLLoss(eps=0),
    "PoissonNLLLoss: eps must be a number of at least 0, got '1'": lambda: nn.PoissonNLLLoss(eps="1"),
    "DiceLoss: smooth must be a number above 0, got 0": lambda: nn.DiceLoss(smooth=0),
    "CosineEmbeddingLoss: margin must be a number from -1 to 1, got 2":
        lambda: nn.CosineEmbeddingLoss(margin=2),
    "TripletMarginLoss: p must be a number of at least 1, got 0.5": lambda: nn.TripletMarginLoss(p=0.5),
    "TripletMarginLoss: swap must be True or False, got 'no'": lambda: nn.TripletMarginLoss(swap="no"),
    "GaussianNLLLoss: full must be True or False, got 'no'": lambda: nn.GaussianNLLLoss(full="no"),
    "PoissonNLLLoss: full must be True or False, got None": lambda: nn.PoissonNLLLoss(full=None),
    "PoissonNLLLoss: log_input must be True or False, got 'no'": lambda: nn.PoissonNLLLoss(log_input="no"),
    "KLDivLoss: log_target must be True or False, got array([1., 1.])": lambda: nn.KLDivLoss(log_target=np.ones(2)),
    "HuberLoss: delta must be a number above 0, got 1000": lambda: nn.HuberLoss(10**400),
    "CrossEntropyLoss: weight must be one number for each class, of at least 0": lambda: nn.CrossEntropyLoss([10**400, 1]),
    "NLLLoss: ignore_index must be a whole number or None, got 1000": lambda: nn.NLLLoss(ignore_index=10**40),
    "MultiMarginLoss: p must be 1 or 2, got array([1, 2])": lambda: nn.MultiMarginLoss(p=np.array([1, 2])),
}  # fmt: skip


@pytest.mark.parametrize("text", BAD_OPTIONS)
def test_bad_options(text):
    with pytest.raises(OptionError) as caught:
        BAD_OPTIONS[text]()
    assert str(caught.value).startswith(text)


BAD_TRAININGS = {
    "rows": (nn.MSELoss(), NUMBERS, {"sample_weight": np.ones(9)}, DataError, "sample_weight has 9 rows and y has 60"),
    "negative": (nn.MSELoss(), NUMBERS, {"sample_weight": -np.ones(N)}, DataError, "a weight must be at least 0, got -1.0 in row 0"),
    "none": (nn.MSELoss(), NUMBERS, {"sample_weight": np.zeros(N)}, DataError, "all rows weigh 0"),
    "NaN": (nn.MSELoss(), NUMBERS, {"sample_weight": np.full(N, np.nan)}, DataError, "sample_weight has nan"),
    "no labels": (nn.MSELoss(), NUMBERS, {"class_weight": WEIGHT}, OptionError, "class_weight needs labels or one-hot rows"),
    "too few": (nn.CrossEntropyLoss(), LABELS, {"class_weight": [1, 1]}, OptionError, "class_weight has 2 weights, and y has the label 2"),
    "a key": (nn.CrossEntropyLoss(), LABELS, {"class_weight": {"a": 1}}, OptionError, "class_weight has the key 'a'"),
    "a weight that no float holds": (nn.CrossEntropyLoss(), LABELS, {"class_weight": {0: 10**400}}, OptionError, "class_weight must be a dict"),
    "two shapes": (nn.CrossEntropyLoss(), np.stack([LABELS, LABELS], 1), {"sample_weight": np.ones((N, 3)), "class_weight": WEIGHT}, DataError, "sample_weight has shape (60, 3), and the labels have (60, 2)"),
    "several labels": (nn.BCEWithLogitsLoss(), np.eye(C)[LABELS], {"class_weight": WEIGHT}, OptionError, "class_weight reads y of shape (60, 3) as one-hot rows, and to BCEWithLogitsLoss()"),
    "too large": (nn.MSELoss(), NUMBERS, {"sample_weight": np.full(N, 3e38)}, DataError, "the weights sum to 1.8e+40"),
    "a weight": (nn.CrossEntropyLoss(), LABELS, {"class_weight": {0: -1}}, OptionError, "class_weight must be a dict label -> weight"),
    "a function": (lambda o, t: (o - t).mean(), NUMBERS, {"sample_weight": np.ones(N)}, OptionError, "takes no sample_weight"),
    "ignored": (nn.CrossEntropyLoss(ignore_index=1), LABELS * 0 + 1, {}, DataError, "all 60 labels are ignore_index=1"),
    "hinge": (nn.HingeLoss(), BITS, {}, LabelError, "HingeLoss: targets must be -1 or 1, got 0"),
    "bce": (nn.BCEWithLogitsLoss(), NUMBERS, {}, LabelError, "BCEWithLogitsLoss: targets must be between 0 and 1"),
    "last row": (nn.FocalLoss(), np.where(np.arange(N) == 59, 3, LABELS), {}, LabelError, "label 3 at row 59"),
}  # fmt: skip


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("what", BAD_TRAININGS)
def test_bad_targets_and_weights_are_found_before_training(network, what, compiled):
    loss, y, options, error, text = BAD_TRAININGS[what]
    model, optimizer = network()
    with pytest.raises(error) as caught:
        tg.fit(
            model, (X, y), loss=loss, optimizer=optimizer, shuffle=False, progress=False, compile=compiled, **options
        )
    assert text in str(caught.value)
    assert optimizer.steps == 0


def test_representations_show_what_is_not_as_usual():
    assert repr(nn.MSELoss()) == "MSELoss()"
    assert repr(nn.HuberLoss(0.5, reduction="sum")) == "HuberLoss(delta=0.5, reduction='sum')"
    assert repr(nn.CrossEntropyLoss([1, 2], ignore_index=0)) == "CrossEntropyLoss(weight=[1.0, 2.0], ignore_index=0)"


def test_masked_targets_are_refused():
    for loss, prediction, target in (
        (nn.MSELoss(), P[:, 0], I), (nn.NLLLoss(), P, I), (nn.CrossEntropyLoss(), P, np.eye(3)[I]), (nn.HingeLoss(), P[:, 0], I * 0 + 1)
    ):  # fmt: skip
        with pytest.raises(DTypeError, match="a masked array would lose its mask"):
            loss(prediction, np.ma.masked_array(target, target == 1))
    with pytest.raises(DTypeError, match="targets of a loss must be numbers"):
        nn.PoissonNLLLoss()(P[:, 0], np.array(["1", "2", "3", "4"]))


def test_batchmean_over_no_rows_is_named():
    with pytest.raises(ShapeError, match="^KLDivLoss: the mean over no elements"):
        nn.KLDivLoss("batchmean")(P[:0], P[:0])
