"""check_op: everything that an op's record promises, tried."""

from dataclasses import dataclass, field

import numpy as np

from .. import ops
from .._op import Op
from .._registry import find
from .._samples import Tolerance
from .._tensor import Tensor, tensor
from ..errors import OptionError
from .truth import many_digits, twin_gradients, ulps


@dataclass
class OpReport:
    """The outcome for one op: `.ok`, `.failures` (sentences), and the worst error seen, in ulps."""

    name: str
    failures: list = field(default_factory=list)
    checked: int = 0
    value_ulps: dict = field(default_factory=dict)  # dtype -> worst
    gradient_ulps: dict = field(default_factory=dict)

    @property
    def ok(self):
        return not self.failures

    def __str__(self):
        lines = [f"{self.name}: {'ok' if self.ok else 'WRONG'}, {self.checked} samples and bad inputs"]
        for kind, worst in (("value", self.value_ulps), ("gradient", self.gradient_ulps)):
            lines += [f"  {kind:8s} {dtype}: worst error {w:.2f} ulps" for dtype, w in worst.items()]
        return "\n".join(lines + [f"  {f}" for f in self.failures])


def check_op(name, dtypes=("float32", "float64"), digits=50, seed=0):
    """Try every sample and every bad input of an op's record; returns an OpReport, which prints readably.

    The value and the gradient are compared with the op's twin in `digits` digits; each input is used twice, so that
    gradients have to add up; dtype, shape and inputs must be left as they are. Needs the extra `check`.

    >>> print(check_op("relu", dtypes=["float64"]))  # doctest: +ELLIPSIS
    relu: ok, ... samples and bad inputs
      value    float64: worst error 0.00 ulps
      gradient float64: worst error ... ulps
    """
    op, number = find(name), many_digits(digits)
    if not isinstance(op, Op):
        raise OptionError(f"check_op: {name!r} gives plain arrays without gradient; it has no record to check")
    report = OpReport(op.name)
    rng = np.random.default_rng(seed)
    for dtype in dtypes:
        for i, sample in enumerate(op.samples):
            report.checked += 1
            where = f"sample {i} {sample.options} {dtype}" if sample.options else f"sample {i} {dtype}"
            arrays = [_in_dtype(a, dtype) if a.dtype.kind == "f" else a for a in sample.arrays(rng)]
            try:
                with np.errstate(all="ignore"):
                    _check_sample(op, sample, arrays, dtype, number, rng, report, where)
            except Exception as error:
                report.failures.append(f"{where}: {type(error).__name__}: {error}")
    for i, bad in enumerate(op.errors):
        report.checked += 1
        _check_error(op, bad, bad.arrays(rng), report, f"bad input {i}")
    return report


def _in_dtype(a, dtype):
    """A copy in that dtype; what is not contiguous stays so (astype would pack it)."""
    if a.flags.c_contiguous:
        return a.astype(dtype)
    return np.repeat(a.astype(dtype), 2, axis=-1)[..., ::2]


def _check_sample(op, sample, arrays, dtype, number, rng, report, where):
    before = [a.copy() for a in arrays]
    options, kinds = sample.options, op.for_each(op.differentiable, arrays)
    call = _caller(op, options)
    y = call(*arrays)
    expected = np.dtype(options.get("dtype", dtype))
    if y.dtype != expected:
        report.failures.append(f"{where}: dtype {y.dtype}, expected {expected}")
    leaves = [tensor(a, requires_grad=True) if k else a for a, k in zip(arrays, kinds, strict=True)]
    twice = [ops.positive(t) if isinstance(t, Tensor) else t for t in leaves]
    outputs = [call(*twice), call(*twice)] if any(kinds) else [call(*[tensor(a) for a in arrays])]
    if not np.array_equal(outputs[0].numpy(), y, equal_nan=True):
        report.failures.append(f"{where}: the value on Tensors differs from the value on arrays")
    seeds = [rng.uniform(0.5, 1.5, size=y.shape).astype(y.dtype) for _ in outputs]
    truth, grads = twin_gradients(
        op, arrays, options, seeds[0].astype(float) + seeds[-1] if any(kinds) else None, number
    )
    report.value_ulps[dtype] = max(report.value_ulps.get(dtype, 0.0), w := ulps(y, truth, op.tolerance))
    if w > op.tolerance.ulps:
        report.failures.append(f"{where}: the value is {w:.3g} ulps from the twin, allowed {op.tolerance.ulps:g}")
    if sample.gradient and any(kinds):
        _check_gradient(op, leaves, outputs, seeds, grads, dtype, report, where)
    if not all(np.array_equal(a, b, equal_nan=True) for a, b in zip(arrays, before, strict=True)):
        report.failures.append(f"{where}: an input was modified")


def _check_gradient(op, leaves, outputs, seeds, grads, dtype, report, where):
    node, g = outputs[0]._node, seeds[0].copy()
    node.op.pull(node, g, recorded=False)
    if not np.array_equal(g, seeds[0]):  # other parts of the graph may hold the same array
        report.failures.append(f"{where}: the incoming gradient was modified")
    total = ops.sum(ops.concatenate([(y * s).reshape(-1) for y, s in zip(outputs, seeds, strict=True)]))
    total.backward()
    tolerance = op.gradient_tolerance or op.tolerance
    for i, (leaf, truth) in enumerate(zip(leaves, grads, strict=True)):
        if truth is None:
            continue
        if leaf.grad is None or leaf.grad.shape != leaf.shape or leaf.grad.dtype != leaf.dtype:
            report.failures.append(f"{where}: gradient {i} is missing, or not of the input's shape and dtype")
            continue
        unit = float(max(abs(s).max(initial=0) for s in seeds)) * 2
        per = tolerance.per
        if per == "element" and leaf.shape != outputs[0].shape:  # broadcasting sums terms of both signs
            per, unit = "unit", max(unit, *(float(abs(t)) for t in truth.flat if abs(t) < np.inf), 0.0)
        judged = Tolerance(tolerance.ulps * 2 + 4, per)
        w = ulps(leaf.grad, truth, judged, unit=unit)
        report.gradient_ulps[dtype] = max(report.gradient_ulps.get(dtype, 0.0), w)
        if w > judged.ulps:
            report.failures.append(f"{where}: gradient {i} is {w:.3g} ulps from the twin's, allowed {judged.ulps:g}")


def _check_error(op, bad, arrays, report, where):
    call = _caller(op, bad.options)
    kinds = op.for_each(op.differentiable, arrays)
    from microgrid import grid

    forms = {"arrays": arrays}
    if all(type(a) is np.ndarray and a.dtype.kind in "fiub" for a in arrays):
        forms["Tensors"] = [tensor(a) if k else a for a, k in zip(arrays, kinds, strict=True)]
        if any(kinds):
            forms["grids"] = [np.asarray(grid(a)) if k else a for a, k in zip(arrays, kinds, strict=True)]
    for form, inputs in forms.items():
        try:
            call(*inputs)
        except bad.error as error:
            if bad.match not in str(error):
                report.failures.append(f"{where} on {form}: the error says {str(error)!r}, expected {bad.match!r}")
        except Exception as error:
            report.failures.append(f"{where} on {form}: {type(error).__name__} {error}, expected {bad.error.__name__}")
        else:
            report.failures.append(f"{where} on {form}: no error, expected {bad.error.__name__}")


def _caller(op, options):
    return lambda *inputs: op(*inputs, **options)
