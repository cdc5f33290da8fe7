"""The last batch of an epoch: what is too small for a layer is said before the first step."""

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn, optim
from tensorgrad.errors import ShapeError

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 3, 17)


def fit(model, X, **options):
    sgd = optim.SGD(model.parameters(), lr=0.1)
    data = (X, LABELS[: len(X)])
    return tg.fit(model, data, loss=nn.CrossEntropyLoss(), optimizer=sgd, progress=False, **{"batch_size": 8} | options)


def of_rows():
    return nn.Sequential(nn.Dense(4, 5), nn.Residual(nn.BatchNorm(5)), nn.Dropout(0.5), nn.Dense(5, 3), rng=0)


@pytest.mark.parametrize("engine", ["tensor", "scalar"])
@pytest.mark.parametrize("compile", [True, False])
def test_one_row_that_is_left_is_found_before_the_first_step(engine, compile):
    model = of_rows().to(engine)
    before = model.state_dict()
    with pytest.raises(ShapeError) as error:
        fit(model, RNG.normal(size=(17, 4)), compile=compile)
    assert str(error.value) == (
        "fit: 17 rows in batches of 8 leave 1 for the last one: BatchNorm(5): a batch needs two values of each channel or more "
        "in training, got input of shape (1, 5); use larger batches, or model.eval(); or choose another batch_size"
    )
    assert all(np.array_equal(a, before[name]) for name, a in model.state_dict().items())
    assert not any(m._hooks for _, m in model.named_modules())


@pytest.mark.parametrize(("rows", "size"), [(16, 8), (17, 6), (17, None), (17, 40)])
def test_more_rows_are_enough(rows, size):
    assert len(fit(of_rows(), RNG.normal(size=(rows, 4)), batch_size=size).loss) == 1


def test_one_image_has_many_values():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm(2), nn.Flatten(), nn.Dense(8, 3), rng=0)
    assert len(fit(model, RNG.normal(size=(17, 4, 4, 1))).loss) == 1


def test_a_model_that_takes_no_single_row_is_trained():
    class Pairs(nn.Module):
        def __init__(self):
            self.norm, self.dense = nn.BatchNorm(4), nn.Dense(4, 3, rng=0)

        def forward(self, x):
            if len(x) == 1:
                raise ValueError("a pair, please")
            return self.dense(self.norm(x))

    assert len(fit(Pairs(), RNG.normal(size=(17, 4)), batch_size=5).loss) == 1
