"""docs/ops.md names every op there is, and none that is gone."""

import re
from inspect import signature

import pytest

from tensorgrad import ops
from tensorgrad._op import Op
from tensorgrad._registry import OPS
from tensorgrad.check import table

NAMES = {table.name_of(op) for members in table.files().values() for op in members}


def test_every_op_is_in_a_file():
    assert {name for name, op in OPS.items() if isinstance(op, Op)} <= NAMES
    assert {table.name_of(getattr(ops, name)) for name in ops.__all__} - {"find"} <= NAMES


def test_the_table_names_every_op_and_no_other():
    written = set(re.findall(r"^\| `(\w+)\(", table.PATH.read_text(encoding="utf-8"), re.MULTILINE))
    assert written == NAMES, f"run python -m tensorgrad.check.table: {written ^ NAMES}"


def test_signatures_and_ties_are_those_of_the_records():
    text = table.PATH.read_text(encoding="utf-8")
    for op in OPS.values():
        if isinstance(op, Op):
            (line,) = [
                row for row in text.splitlines() if row.startswith(f"| `{op.name}{signature(table.called(op))}`")
            ]
            assert line.split("|")[2].strip(), f"{op.name}: without a description"
            assert line.endswith(f"| {op.ties} |"), f"{op.name}: run python -m tensorgrad.check.table"


@pytest.mark.parametrize(
    ("name", "kernels"), [("tanh", "tanh; tanh_backward"), ("dense", "dense, dense_relu; dense_back")]
)
def test_a_row_says_what_runs(name, kernels):
    row = table.row(OPS[name])
    assert row.startswith(f"| `{name}(") and f"| {kernels}" in row and "| yes |" in row
