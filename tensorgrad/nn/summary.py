"""`model.summary(input_shape)`: what each layer gives, holds and costs."""

import contextlib
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .._options import is_whole, wholes
from .._tensor import Tensor
from .._watch import Watch
from ..errors import DTypeError, OptionError, ShapeError
from ._hooks import Handle


@dataclass
class Layer:
    """A row of a Summary: one call of a module. Its numbers are its own, without those of the modules inside it."""

    path: str
    name: str  # the module, in one line
    depth: int  # how many modules around it were being called; 0: the model itself
    output_shape: Any = None  # the batch is None; several outputs: a list; not an array, or not called: None
    parameters: int = 0
    trainable: int = 0
    flops: int = 0
    called: bool = True
    within: str = field(default="", repr=False)  # the path of the module around it


class Summary:
    """The layers of a model in the order of their calls; print it, or read `rows`, `parameters`, `trainable`, `flops`.

    FLOPs are the floating-point operations of a forward, in evaluation, for one row of the batch: in matrix products and
    convolutions a product and its sum are two, padding included, and a bias added in the same pass is free; pooling
    counts one for each number of each window, every other op one for each number that it reads or writes, whichever are
    more, an exp as much as a sum; numbers that are only moved count nothing, nor does what a forward computes with NumPy.
    A layer that is called several times has a row for each call, and its parameters in the first; shared parameters
    count once. The row of a layer with others inside has its own alone.
    """

    def __init__(self, rows):
        self.rows = rows
        self.parameters, self.trainable, self.flops = (
            sum(getattr(row, name) for row in rows) for name in ("parameters", "trainable", "flops")
        )

    def __str__(self):
        table = [("layer", "output", "parameters", "FLOPs")]
        for row in self.rows:
            path = row.path.removeprefix(f"{row.within}." if row.within else "")
            name = "  " * max(row.depth - 1, 0) + (f"({path}) " if path else "") + row.name
            output = _said(row.output_shape) if row.called else "not called"
            table.append((name, output, f"{row.parameters:,}", f"{row.flops:,}" if row.called else ""))
        table.append(("total", "", f"{self.parameters:,}", f"{self.flops:,}"))
        wide = [max(len(cells[i]) for cells in table) for i in range(4)]
        lines = [f"{a:<{wide[0]}}  {b:<{wide[1]}}  {c:>{wide[2]}}  {d:>{wide[3]}}".rstrip() for a, b, c, d in table]
        if self.trainable != self.parameters:
            lines.append(f"{self.parameters - self.trainable:,} of the {self.parameters:,} parameters are frozen")
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self):
        return f"<pre>{self}</pre>"


def summarise(model, input_shape, dtype):
    """What `Module.summary` does."""
    shape = (input_shape,) if isinstance(input_shape, int | np.integer) else input_shape
    if not isinstance(shape, tuple | list) or not all(is_whole(n, 0) for n in shape):
        raise OptionError(
            f"summary: input_shape must be the shape of one row, without the batch, such as (28, 28, 1), got {input_shape!r}"
        )
    if model.engine == "scalar":
        model = model.to("tensor")
    try:
        return Summary(_Calls(model).of(np.zeros((1, *shape), dtype or model.dtype)))
    except ShapeError as error:
        error.add_note(f"summary: input_shape is the shape of one row, without the batch axis; got {input_shape!r}")
        raise
    except DTypeError:
        if dtype is not None:
            raise
        with contextlib.suppress(DTypeError):
            return Summary(_Calls(model).of(np.zeros((1, *shape), np.int64)))
        raise


class _Calls(Watch):
    """Watches one call of a model: which modules are called, what they give, and the ops that run in them."""

    def __init__(self, model):
        self.model, self.modules = model, list(model.named_modules())
        self.paths = {id(module): path for path, module in self.modules}
        self.rows: list[Layer] = []
        self.counted: set = set()  # parameters
        self.last: Any = None  # the call that ended last

    def of(self, x):
        """The rows for this input."""
        from .._program.callable import evaluating

        before = [(m, vars(m).get("_hooks")) for _, m in self.modules]
        try:
            with evaluating(self.model), np.errstate(all="ignore"), self:
                for m, _ in before:
                    m._hooks = ()
                    Handle(m, "summary", self.ended)
                self.model(Tensor(x))
        finally:
            for m, hooks in before:
                del m._hooks
                if hooks is not None:
                    m._hooks = hooks
        called = {row.path for row in self.rows}
        rest = [self.row(m, 1) for path, m in self.modules if path not in called and path]
        root, *others = self.rows
        alone = not others or root.parameters or root.flops
        return [*([root] if alone else []), *others, *(_not_called(row) for row in rest if row.parameters)]

    def row(self, module, depth):
        """A row for a call of a module."""
        own = {id(p): p for p in module.own_parameters().values() if id(p) not in self.counted}
        self.counted |= own.keys()
        text = repr(module)
        return Layer(
            self.paths.get(id(module), ""), type(module).__name__ if "\n" in text else text, depth,
            parameters=sum(p.size for p in own.values()), trainable=sum(p.size for p in own.values() if p.requires_grad),
            within=self.layers[-1].path if self.layers else "",
        )  # fmt: skip

    # ---- what it is told ------------------------------------------------------------------------------------------
    def entered(self, module):
        self.rows.append(self.row(module, len(self.layers)))
        return self.rows[-1]

    @contextlib.contextmanager
    def inside(self, module):
        with super().inside(module):
            yield
            self.last = self.layers[-1]

    def ended(self, module, inputs, output):
        """The call that was left last gave this."""
        self.last.output_shape = _shape(output)

    def forward(self, op, arrays, options, y):
        if self.layers:
            self.layers[-1].flops += flops(op, arrays, options, y)


def _not_called(row):
    row.called = False
    return row


def flops(op, arrays, options, y):
    """The floating-point operations of one call of an op that is not composed of others, as Summary counts them."""
    if op.name == "upsample" or op.forward.__module__.endswith((".shape", ".rearrange", ".indexing", ".embedding")):
        return 0
    if op.name in ("matmul", "dense"):
        return 2 * y.size * arrays[0].shape[-1]
    if op.name in ("conv2d", "conv2d_input_gradient"):  # every number of the features meets all weights of its filter
        features, weight = y if op.name == "conv2d" else arrays[0], arrays[1]
        return 2 * features.size * math.prod(weight.shape[:-1])
    if "kernel_size" in options:
        return y.size * math.prod(wholes(op.name, "kernel_size", options["kernel_size"], y.ndim - 2, 1))
    return max(a.size for a in (*arrays, y))


def _shape(y):
    if isinstance(y, tuple | list):
        return [_shape(part) for part in y]
    if not hasattr(y, "shape"):
        return None
    return (None, *y.shape[1:]) if y.shape[:1] == (1,) else tuple(y.shape)


def _said(shape):
    if isinstance(shape, list):
        return ", ".join(map(_said, shape))
    if shape is None:
        return ""
    inner = ", ".join("n" if n is None else str(n) for n in shape)
    return f"({inner},)" if len(shape) == 1 else f"({inner})"
