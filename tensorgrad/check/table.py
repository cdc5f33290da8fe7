"""The table of all ops, docs/ops.md, made from their records: python -m tensorgrad.check.table [--check]

Errors are measured by `check_op`, kernels are those that a recorded call of each sample runs. `--check` writes nothing
and says what differs from the file, the measured errors apart. Needs the extra `check`, and some minutes.
"""

import argparse
import inspect
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .. import ops
from .._op import Op
from .._program.record import traced
from .._program.trace import NotCompilable
from .._registry import OPS
from .._tape import gradients
from .._tensor import Tensor
from ..kernels import logging, moves
from .op_check import check_op

PATH = Path(__file__).parents[2] / "docs" / "ops.md"
DTYPES = ("float32", "float64")
UNITS = {"element": "", "array": " of the largest", "unit": " of 1"}
INTRODUCTION = """# The ops

Written by `python -m tensorgrad.check.table` from the records in `tensorgrad/ops`. All ops compute in float32 and float64
(of integers and booleans in float64), on arrays, on Tensors and on grids of Values; where they have gradients, these can be
differentiated again.

- *error*: the worst distance from a result in 50 digits over the samples of the record, in units in the last place (ulps)
  of each element, or of the array's largest element, or of 1; in float32 and in float64. Gradients of inputs that were
  broadcast are sums and counted in ulps of the largest.
- *kernels*: what the samples run while a program is recorded, forward; backward, beside those that only move numbers.
- *program*: whether a step with this op becomes a program, over all samples of the record.
"""


@dataclass
class Recorded:
    """What recording an op's samples found."""

    forward: list = field(default_factory=list)  # names of kernels, in order
    backward: list = field(default_factory=list)
    tried: int = 0
    reasons: list = field(default_factory=list)  # of the samples that cannot become a program


def recorded(op):
    """Every sample of an op, run once with its gradient while a log is open."""
    found, rng = Recorded(), np.random.default_rng(0)
    for sample in op.samples:
        arrays = [a.astype(np.float32) if a.dtype.kind == "f" else a for a in sample.arrays(rng)]
        if all(a.size for a in arrays):
            found.tried += 1
            with np.errstate(all="ignore"):
                _record(op, sample, arrays, rng, found)
    return found


def _record(op, sample, arrays, rng, found):
    arrays = [np.array(a.astype(np.int64) if a.dtype.kind in "iu" else a, order="C") for a in arrays]
    kinds = op.for_each(op.differentiable, arrays)
    with logging() as log:
        log.arguments = list(arrays)
        places = [
            ops.positive(Tensor(a, requires_grad=True)) if k else Tensor(a) for a, k in zip(arrays, kinds, strict=True)
        ]
        before = len(log.rows)
        y = op(*places, **sample.options)
        between, results = len(log.rows), [y]
        if sample.gradient and any(kinds):
            g = rng.normal(size=y.shape).astype(y.dtype)
            log.arguments.append(g)
            wanted = [x for x, k in zip(places, kinds, strict=True) if k]
            grads = [gx for gx in gradients([y], [g], wanted, recorded=False) if gx is not None]
            note(found.backward, log.rows[between:])
            results += [ops.positive(Tensor(np.asarray(gx))) for gx in grads]  # as leaves get them
        note(found.forward, log.rows[before:between])
        results[0] = y if y._array.flags.c_contiguous else ops.positive(y)
    try:
        traced(log, results)
    except NotCompilable as why:
        found.reasons.append(str(why))


def note(names, rows):
    """Add the names of the kernels in these rows, but for those that only bring numbers into the order of a kernel."""
    for kernel, _ in rows:
        if kernel.name not in names and kernel.body.py_func.__module__ != moves.__name__:
            names.append(kernel.name)


def row(op):
    """One line of a table."""
    report, found = check_op(op.name), recorded(op)
    if not report.ok:
        print(report, file=sys.stderr)
    gradient = op.gradient_tolerance or op.tolerance
    cells = [
        f"`{op.name}{inspect.signature(called(op))}`", first_line(called(op)),
        measured(report.value_ulps, op.tolerance), measured(report.gradient_ulps, gradient, "none"),
        "; ".join(", ".join(names) or "none" for names in (found.forward, found.backward)), program(found), op.ties,
    ]  # fmt: skip
    return line(cells)


def called(op):
    """What is called by an op's name: the record's function, or one over it that takes arrays as NumPy's does."""
    public = getattr(ops, op.name, op)
    return op.forward if public is op else public


def first_line(function):
    return (inspect.getdoc(function) or "").partition("\n")[0]


def line(cells):
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def measured(worst, tolerance, without=""):
    """Errors in both dtypes, and what they are counted in."""
    if not worst:
        return without
    numbers = " / ".join(f"{worst[d]:.2f}" for d in DTYPES if d in worst)
    return f"{numbers}{UNITS[tolerance.per]}"


def program(found):
    if not found.reasons:
        return "yes"
    shapes = re.compile(r"\(\d[\d, ]*\)|\(\)")
    why = "; ".join(dict.fromkeys(shapes.sub("(...)", reason) for reason in found.reasons))
    failed, tried = len(found.reasons), found.tried
    return f"no: {why}" if failed == tried else f"yes, {failed} of {tried} samples not: {why}"


def files():
    """{file: [its ops, by name]}, records first, then functions that are made of other ops, or give no Tensor."""
    found: dict = {}
    named = {**{name: getattr(ops, name) for name in ops.__all__}, **OPS}
    for op in sorted(set(named.values()) - {ops.find}, key=name_of):
        module = inspect.unwrap(op.forward if isinstance(op, Op) else op).__module__
        found.setdefault(module.rpartition(".")[2], []).append(op)
    return dict(sorted(found.items()))


def name_of(op):
    return op.name if isinstance(op, Op) else op.__name__


def generate(say=lambda line: None):
    """The text of docs/ops.md."""
    header = ["op", "computes", "error", "error of the gradient", "kernels", "program", "kinks and ties"]
    lines = [INTRODUCTION]
    for file, members in files().items():
        records = [op for op in members if isinstance(op, Op)]
        others = [op for op in members if not isinstance(op, Op)]
        lines.append(f"## {file}\n")
        if records:
            lines += [line(header), line(["---"] * len(header))]
            for op in records:
                say(op.name)
                lines.append(row(op))
            lines.append("")
        if others:
            lines += ["Without a record of their own:\n", line(["function", "computes"]), line(["---"] * 2)]
            lines += [line([f"`{name_of(f)}{inspect.signature(f)}`", first_line(f)]) for f in others]
            lines.append("")
    over = [op for op in OPS.values() if isinstance(op, Op) and op.tolerance.per == "element" and op.tolerance.ulps > 4]
    lines.append("## Elementwise ops that may be more than 4 ulps off\n")
    over.sort(key=name_of)
    lines += [f"- `{op.name}`, {op.tolerance.ulps:g}: {op.tolerance.why}." for op in over] or ["None."]
    return "\n".join(lines) + "\n"


def comparable(text):
    """The text without measured numbers."""
    return re.sub(r"\d+\.\d\d", "#", text).splitlines()


def main():
    parser = argparse.ArgumentParser(prog="python -m tensorgrad.check.table", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the file, write nothing")
    options = parser.parse_args()
    text = generate(lambda name: print(name, file=sys.stderr, flush=True))
    if not options.check:
        PATH.write_text(text, encoding="utf-8")
        return
    old, new = (comparable(t) for t in (PATH.read_text(encoding="utf-8"), text))
    changed = [f"- {a}" for a in old if a not in new] + [f"+ {b}" for b in new if b not in old]
    sys.exit("\n".join(changed) or 0)


if __name__ == "__main__":
    main()
