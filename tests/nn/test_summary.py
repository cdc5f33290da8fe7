"""model.summary: shapes, parameters, operations, as numbers and as a table."""

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad.errors import DTypeError, OptionError, ShapeError


def make():
    return nn.Sequential(
        nn.Embedding(10, 4), nn.Flatten(), nn.Residual(nn.Dense(12, 12), nn.ReLU()),
        nn.Parallel(nn.Dense(12, 4), nn.Identity()), nn.Softmax(), rng=0,
    )  # fmt: skip


TABLE = """\
layer                 output     parameters  FLOPs
(0) Embedding(10, 4)  (n, 3, 4)          40      0
(1) Flatten()         (n, 12)             0      0
(2) Residual          (n, 12)             0     12
  (0) Dense(12, 12)   (n, 12)           156    288
  (1) ReLU()          (n, 12)             0     12
(3) Parallel          (n, 16)             0      0
  (0) Dense(12, 4)    (n, 4)             52     96
  (1) Identity()      (n, 12)             0      0
(4) Softmax()         (n, 16)             0     16
total                                   248    424"""


@pytest.mark.parametrize("engine", ["tensor", "scalar"])
@pytest.mark.parametrize("shape", [3, (3,), [3]])
def test_table(shape, engine):
    summary = make().to(engine).summary(shape)
    assert str(summary) == repr(summary) == TABLE
    assert summary._repr_html_() == f"<pre>{TABLE}</pre>"


def test_numbers():
    model = make()
    model[2].freeze()
    summary = model.summary(3)
    assert summary.parameters == sum(p.size for p in model.parameters()) == sum(r.parameters for r in summary.rows)
    assert (summary.trainable, summary.flops) == (248 - 156, sum(r.flops for r in summary.rows))
    assert str(summary).splitlines()[-1] == "156 of the 248 parameters are frozen"
    assert [r.path for r in summary.rows] == ["0", "1", "2", "2.0", "2.1", "3", "3.0", "3.1", "4"]
    assert summary.rows[3].output_shape == (None, 12)
    assert [r.depth for r in summary.rows] == [1, 1, 1, 2, 2, 1, 2, 2, 1]


class Net(nn.Module):
    """Parameters of its own, a layer that is called twice, one that is not called, a shared weight."""

    def __init__(self):
        self.scale = tg.Parameter(np.ones(2, "float32"))
        self.blocks = [nn.Dense(2, 2), nn.Sequential(nn.Dense(2, 2), nn.Tanh())]
        self.blocks[1][0].weight = self.blocks[0].weight
        self.unused = nn.Dense(4, 5)

    def forward(self, x):
        for block in self.blocks:
            x = block(x * self.scale)
        return self.blocks[0](x)


def test_a_module_of_ones_own():
    assert (
        str(Net().summary(2))
        == """\
layer                   output      parameters  FLOPs
Net                     (n, 2)               2      4
(blocks.0) Dense(2, 2)  (n, 2)               6      8
(blocks.1) Sequential   (n, 2)               0      0
  (0) Dense(2, 2)       (n, 2)               2      8
  (1) Tanh()            (n, 2)               0      2
(blocks.0) Dense(2, 2)  (n, 2)               0      8
(unused) Dense(4, 5)    not called          25
total                                       35     30"""
    )


def test_a_single_layer_and_several_outputs():
    class Pair(nn.Module):
        def forward(self, x):
            return x, x.sum()

    assert str(nn.Dense(2, 3).summary(2)).splitlines()[1:] == ["Dense(2, 3)  (n, 3)           9     12",
                                                             "total                         9     12"]  # fmt: skip
    assert Pair().summary((2, 5)).rows[0].output_shape == [(None, 2, 5), ()]
    assert str(Pair().summary((2, 5))).splitlines()[1].split("  ")[1] == "(n, 2, 5), ()"


def test_flops_of_products_are_two_for_each_weight():
    model = nn.Sequential(nn.Dense(50, 70), nn.Dense(70, 30, bias=False))
    assert [r.flops for r in model.summary(50).rows] == [2 * 50 * 70, 2 * 70 * 30]
    assert model.summary((7, 50)).flops == 7 * model.summary(50).flops


@pytest.mark.parametrize(
    ("layer", "shape", "flops"),
    [
        (nn.Conv2d(3, 8, 3), (10, 9, 3), 2 * 8 * 7 * 8 * 3 * 3 * 3),
        (nn.Conv2d(4, 8, (3, 1), stride=2, groups=2), (9, 9, 4), 2 * 4 * 5 * 8 * 3 * 1 * 2),
        (nn.Conv1d(4, 8, 3, padding="same"), (9, 4), 2 * 9 * 8 * 3 * 4),
        (nn.DepthwiseConv2d(8, 3, multiplier=2), (10, 10, 8), 2 * 8 * 8 * 16 * 3 * 3),
        (nn.ConvTranspose2d(64, 64, 4, stride=2, bias=False), (8, 8, 64), 2 * 8 * 8 * 64 * 4 * 4 * 64),
        (nn.ConvTranspose2d(8, 4, 3, groups=4, bias=False), (8, 8, 8), 2 * 8 * 8 * 8 * 3 * 3 * 1),
        (nn.ConvTranspose1d(8, 4, 3, bias=False), (8, 8), 2 * 8 * 8 * 3 * 4),
        (nn.MaxPool2d(3, stride=1), (5, 5, 2), 3 * 3 * 2 * 9),
        (nn.AvgPool1d(2), (6, 2), 3 * 2 * 2),
        (nn.GlobalAvgPool2d(), (5, 5, 2), 5 * 5 * 2),
        (nn.Upsample(2), (5, 5, 2), 0),
        (nn.BatchNorm(1000), (1000,), 1000),
        (nn.LayerNorm(10), (7, 10), 70),
        (nn.Dropout(0.5), (7, 10), 0),
    ],
    ids=lambda x: str(x) if isinstance(x, nn.Module) else "",
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_flops_by_hand(layer, shape, flops, dtype):
    """Padding included; the same on any machine and in any dtype."""
    assert layer.astype(dtype).summary(shape).flops == flops


def test_the_model_stays_as_it_is():
    model, seen = make(), []
    model.train()[4].eval()
    model[1].on_forward(lambda *_: seen.append(1))
    before = [dict(vars(m)) for _, m in model.named_modules()]
    model.summary(3)
    assert [dict(vars(m)) for _, m in model.named_modules()] == before
    assert not seen
    with pytest.raises(ShapeError):
        model.summary(4)
    assert [dict(vars(m)) for _, m in model.named_modules()] == before
    assert model(np.zeros((1, 3), int)).shape == (1, 16)
    assert seen


@pytest.mark.parametrize("shape", ["3", (3, -1), (2.0,), None, True])
def test_input_shape_is_that_of_one_row(shape):
    with pytest.raises(OptionError) as error:
        make().summary(shape)
    assert str(error.value) == (
        f"summary: input_shape must be the shape of one row, without the batch, such as (28, 28, 1), got {shape!r}"
    )


def test_dtype_of_the_input():
    with pytest.raises(DTypeError, match=r"^Embedding\(10, 4\): expected integer indices, got dtype float32"):
        make().summary(3, dtype="float32")
    assert str(make().summary(3, dtype="int32")) == TABLE


def test_an_input_shape_with_the_batch_in_it():
    with pytest.raises(ShapeError) as error:
        nn.Sequential(nn.Conv2d(1, 2, 3)).summary((32, 8, 8, 1))
    assert error.value.__notes__[-1] == (
        "summary: input_shape is the shape of one row, without the batch axis; got (32, 8, 8, 1)"
    )
