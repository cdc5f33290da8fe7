"""Every op keeps what its record promises: value and gradient against the twin in 50 digits, dtypes, inputs, errors."""

import pytest

import tensorgrad as tg
from tensorgrad._op import Op
from tensorgrad._registry import OPS

NAMES = sorted(name for name, op in OPS.items() if isinstance(op, Op))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_op(name, dtype):
    report = tg.check_op(name, dtypes=[dtype])
    assert report.ok, str(report)


@pytest.mark.parametrize("name", NAMES)
def test_record_is_complete(name):
    op = OPS[name]
    assert op.samples, f"{name} has no samples"
    assert (op.__doc__ and ">>>" in op.__doc__) or op.forward.__name__.startswith("_"), f"{name} has no doctest"
