"""compare: one forward and backward of a model on both engines, and who is wrong if they differ."""

from dataclasses import dataclass

import numpy as np

from .._samples import Tolerance
from .._tape import unbroadcast
from .._tensor import plain
from ..data import checked
from ..errors import EngineError, OptionError
from .trace import Trace
from .truth import many_digits, twin_gradients, ulps

# A whole model may lose digits in ways that no op is to blame for (cancellation between layers), so parameters are held
# to half of the digits; each op by itself is held to the tolerance of its record.
_PARAMETER_LIMIT = {"float32": 2.0**13, "float64": 2.0**30}
_SMALL = 2.0**-10  # of the largest gradient: smaller ones may be what rounding left of terms that cancel
_NOTHING = 2.0**-40  # of the largest gradient: smaller ones are 0, as that of a bias before a BatchNorm


@dataclass
class Row:
    """One line of a comparison: the loss, or the gradient of one parameter."""

    name: str
    shape: tuple
    largest: float  # the largest absolute number
    difference: float  # the largest absolute difference
    ulps: float  # the same, in last places of the largest number; where that should be 0, of the largest gradient
    ok: bool


@dataclass
class Comparison:
    """What `compare` found: `.ok`, `.rows`, `.max_ulp`, and `.culprit`, the first op that is wrong; prints as a table."""

    rows: list
    culprit: str
    digits: int | None
    dtype: str
    batch: int

    @property
    def ok(self):
        return not self.culprit and all(row.ok for row in self.rows)

    @property
    def max_ulp(self):
        """The largest difference of any row, in units in the last place."""
        return max(row.ulps for row in self.rows)

    def __str__(self):
        reference = f"{self.digits} digits" if self.digits else "Python floats"
        width = max(len(row.name) for row in self.rows)
        lines = [
            f"tensor engine ({self.dtype}) against scalar engine ({reference}), {self.batch} rows",
            f"{'':{width}}  {'shape':>12}  {'largest':>10}  {'difference':>10}  {'ulps':>8}",
        ]
        lines += [
            f"{r.name:{width}}  {r.shape!s:>12}  {r.largest:10.3g}  {r.difference:10.2g}  {r.ulps:8.2f}"
            + ("" if r.ok else "  WRONG")
            for r in self.rows
        ]
        if self.ok:
            return "\n".join([*lines, f"the engines agree: within {self.max_ulp:.3g} units in the last place"])
        blame = self.culprit or (
            "every op is right for the inputs that it was given: gradients were lost or added up wrongly between ops, "
            "or a number lies on the kink of an activation"
        )
        return "\n".join([*lines, f"the engines DISAGREE: {blame}"])

    __repr__ = __str__


def compare(model, X, y, loss, digits=None):
    """Loss and the gradient of every parameter of a model on one batch, on the tensor and on the scalar engine.

    With `digits` (50, say; needs the extra `check`) the scalar engine computes in that many digits, so that the
    differences are the tensor engine's true errors. Every op is judged, too, on the inputs that the tensor engine really
    gave it; where one is wrong, `.culprit` names the first in order of computation, and its layer. The model is left as
    it is. The scalar engine is slow: a batch of 8 to 32 rows is enough.

    >>> import tensorgrad as tg
    >>> from tensorgrad import nn
    >>> model = nn.Sequential(nn.Dense(2, 4), nn.ReLU(), nn.Dense(4, 3), rng=0)
    >>> tg.compare(model, np.eye(2), np.array([0, 2]), loss=nn.CrossEntropyLoss()).ok
    True
    """
    if model.engine != "tensor":
        raise EngineError('compare: expected a model on the tensor engine; use model.to("tensor")')
    if digits is not None and (not isinstance(digits, int) or digits < 17):
        raise OptionError(f"compare: digits must be a whole number of at least 17 (a float64 has 16), got {digits!r}")
    number = float if digits is None else many_digits(digits)
    X, y = checked((X, y), model.dtype, "compare")
    tensors = model.astype(model.dtype)  # a copy: gradients of the model itself stay as they are
    with Trace(tensors) as trace:
        value = loss(tensors(X), y)
        trace.in_backward = True
        value.backward()
    scalars = model.to("scalar", number=number)
    true_value = loss(scalars(X), y)
    true_value.backward()
    rows = [_row("loss", np.asarray(plain(value)), np.asarray(plain(true_value)))]
    most = max((_largest(q.grad) for q in scalars.parameters() if q.grad is not None), default=0.0)
    for (name, p), (_, q) in zip(tensors.named_parameters(), scalars.named_parameters(), strict=True):
        if p.grad is None and q.grad is None:
            continue
        missing = np.zeros(p.shape, dtype=p.dtype)
        rows.append(_row(name, missing if p.grad is None else p.grad, missing if q.grad is None else q.grad, most))
    return Comparison(rows, _first_wrong(trace.calls, number), digits, str(model.dtype), len(X))


def _largest(numbers):
    """The largest absolute number that is finite, as a float; 0 where there is none."""
    return max((x for x in map(abs, map(float, np.ravel(numbers).tolist())) if x < np.inf), default=0.0)


def _row(name, got, truth, most=0.0):
    """A line; `most` is the largest gradient of all parameters, to which one that cancels is held, more strictly."""
    limit, largest = Tolerance(_PARAMETER_LIMIT[str(got.dtype)], "unit"), _largest(truth)
    unit = max(largest, _SMALL * most)
    if largest < _NOTHING * most:
        limit, unit = Tolerance(limit.ulps * 2.0**-5, "unit"), most
    distance = ulps(got, truth, limit, unit=unit)
    difference = max(
        (float(abs(t - a)) for a, t in zip(got.ravel().tolist(), truth.ravel().tolist(), strict=True)), default=0
    )
    return Row(name, got.shape, float(abs(got).max(initial=0)), difference, distance, distance <= limit.ulps)


def _first_wrong(calls, number):
    """A sentence that names the first op whose output or gradient is wrong for its inputs; "" if all are right."""
    for call in calls:
        op, where = call.op, f"{call.op.name!r}" + (f" in layer {call.layer!r}" if call.layer else "")
        truth, grads = twin_gradients(op, call.arrays, call.options, call.g, number)
        if (w := ulps(np.asarray(call.y), truth, op.tolerance)) > (allowed := op.tolerance.ulps * 8):
            return f"the output of {where} is {w:.3g} ulps from its twin's on the same inputs (allowed {allowed:g})"
        tolerance = op.gradient_tolerance or op.tolerance
        unit = float(np.max(np.abs(call.g), initial=0)) if call.g is not None else 1.0
        for i, got in call.grads.items():
            if got.shape != np.shape(call.arrays[i]):
                got = unbroadcast(got, np.shape(call.arrays[i]))
            w, allowed = ulps(got, grads[i], tolerance, unit), tolerance.ulps * 8
            if w > allowed and tolerance.per == "array":  # terms that cancel leave their own rounding
                w = ulps(got, grads[i], Tolerance(tolerance.ulps, "unit"), max(_largest(grads[i]), _terms(call, i)))
            if w > allowed:
                return f"the gradient of input {i} of {where} is {w:.3g} ulps from its twin's (allowed {allowed:g})"
    return ""


def _terms(call, i, draws=4):
    """The root of the sum of squares of the terms of a gradient's largest element, nearly: its size where none cancel.

    The terms are the incoming gradients times slopes; given random signs, they add up to that, in the mean of squares.
    """
    rng, squares = np.random.default_rng(0), np.zeros(np.shape(call.arrays[i]))
    for _ in range(draws):
        g = np.asarray(call.g, float) * rng.choice([-1.0, 1.0], size=np.shape(call.g))
        _, grads = twin_gradients(call.op, call.arrays, call.options, g)
        squares = squares + np.asarray(grads[i], float) ** 2
    return _largest(np.sqrt(squares / draws))
