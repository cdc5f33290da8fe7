"""An op is one record in one place: forward, backward, twin, samples, errors. All else follows from it.

    @op(twin=np.tanh, backward=[lambda g, y, _x: tanh_backward(g, y)], samples=[sample((5, 3))])
    def tanh(x, /):
        return unary(kernels.tanh, x)

Parameters before the slash are the inputs (arrays, Tensors or grids of Values), those after it are options. The function
under the decorator computes on plain arrays. Calling the op computes on arrays, records on Tensors, and runs the twin on
grids. `backward` has one rule per input, `(g, y, *inputs, **options) -> gradient of that input`, written with ops, so
that it can itself be differentiated; a parameter whose name begins with "_" is one that the rule does not read. A rule
may return a gradient of the broadcast shape: it is summed back centrally. None instead of a rule: not differentiable.

A *fused* op computes the gradients of all its inputs in kernels of its own, `fused(needs, g, saved, *inputs, **options)`;
for derivatives of derivatives its twin is run on Tensors. A *composed* op is written with other ops and needs neither.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from . import _tape
from ._parameter import Parameter
from ._registry import BY_NUMPY, OPS
from ._samples import Bad, Sample, Tolerance, elementwise
from ._tape import Node, mode
from ._tensor import FLOATS, Tensor
from .errors import DTypeError, EngineError

_NUMBERS = (int, float)
_MANY = 1 << 30  # the arity of an op that takes any number of inputs


@dataclass(eq=False)
class Op:
    """One op; call it. Its fields are what the tests, the checker and the documentation read."""

    forward: Callable
    twin: Callable
    backward: list = field(default_factory=list)
    fused: Callable | None = None
    constants: tuple = ()  # the inputs of a fused or composed op that have no gradient, by name
    composed: bool = False
    check: Callable | None = None  # raises on bad inputs; runs on both engines before anything is computed
    samples: list[Sample] = field(default_factory=list)
    errors: list[Bad] = field(default_factory=list)
    tolerance: Tolerance = elementwise(4)
    gradient_tolerance: Tolerance | None = None  # that of the value, unless said otherwise
    numpy: tuple = ()
    name: str = ""

    def __post_init__(self):
        self.name = self.name or self.forward.__name__
        functools.update_wrapper(self, self.forward, updated=())
        self.signature = inspect.signature(self.forward)
        inputs = [p for p in self.signature.parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.VAR_POSITIONAL)]
        self.variadic = any(p.kind is p.VAR_POSITIONAL for p in inputs)
        self.arity = _MANY if self.variadic else len(inputs)
        self.options = [n for n, p in self.signature.parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
        self.differentiable = [
            p.name not in self.constants and (self.fused is not None or self.composed or self._rule(i) is not None)
            for i, p in enumerate(inputs)
        ]
        self._reads = [self.fused is not None or self._rule_reads(i) for i in range(len(inputs))]
        OPS[self.name] = self
        for function in self.numpy:
            BY_NUMPY[function] = self

    def _rule(self, i):
        return self.backward[0] if self.variadic else self.backward[i] if i < len(self.backward) else None

    def _rule_reads(self, i):
        """Whether any rule reads input i: its parameter (after g and y) has a name without a leading underscore."""
        names = [list(inspect.signature(rule).parameters)[2:] for rule in self.backward if rule is not None]
        return self.variadic or any(i < len(n) and not n[i].startswith("_") for n in names)

    def reads(self, i):
        """Whether the backward reads the numbers of input i."""
        return self._reads[0 if self.variadic else i]

    def version_of(self, inputs):
        """The sum of the versions of the inputs that the backward reads: each only grows, so any change shows."""
        version = 0
        for x, reads in zip(inputs, self._reads * len(inputs) if self.variadic else self._reads):  # noqa: B905
            if reads and type(x) is Tensor:
                version += x._version
        return version

    # ---- forward --------------------------------------------------------------------------------------------------
    def __call__(self, *args, **options):
        if len(args) > self.arity:
            args, options = self._bind(args, options)
        if self.composed:
            return self.forward(*args, **options)
        kinds = self.differentiable if not self.variadic else self.differentiable * len(args)
        inputs, arrays, dtype, needs, plain = [], [], None, False, 0
        for x, differentiable in zip(args, kinds):  # noqa: B905
            if type(x) is Parameter:
                x = x.value
            inputs.append(x)
            if type(x) is Tensor:
                array = x._array
                arrays.append(array)
                if differentiable:
                    if dtype is None:
                        dtype = array.dtype
                    elif array.dtype is not dtype and array.dtype != dtype:
                        raise self._mixed_dtypes(inputs)
                    needs = needs or x.requires_grad
            elif _is_grid(x):
                return self._on_grids(args, options)
            else:
                plain += 1
                arrays.append(x)
        if plain or dtype is None or dtype.kind != "f":
            arrays = self._as_arrays(arrays, dtype, kinds)
        if self.check is not None:
            self.check(*arrays, **options)
        saved = self.forward(*arrays, **options)
        y = saved[0] if type(saved) is tuple else saved
        if type(y) is not np.ndarray:  # NumPy gives a bare number where no axes are left
            y = saved = np.asarray(y)
        if mode.trace is not None:
            mode.trace.forward(self, arrays, options, y)
        if plain == len(inputs):
            return y
        if not (needs and mode.recording):
            return Tensor(y)
        node = Node(self, inputs, options, saved)
        if mode.trace is not None:
            mode.trace.recorded(node)
        return Tensor(y, True, node)

    def _bind(self, args, options):
        """Options that were given by position, by name."""
        extra = args[self.arity :]
        if len(extra) > len(self.options):
            raise TypeError(
                f"{self.name} takes {self.arity} inputs and {len(self.options)} options, got {len(args)} arguments"
            )
        return args[: self.arity], {**dict(zip(self.options, extra, strict=False)), **options}

    def _mixed_dtypes(self, args):
        kinds = ", ".join(str(x.dtype) for x in args if isinstance(x, Tensor))
        return DTypeError(
            f"{self.name}: the tensors have different dtypes ({kinds}); bring them to one with .astype(...), "
            'or the whole model with model.astype("float64")'
        )

    def _as_arrays(self, arrays, dtype, kinds):
        """Plain arrays, lists and numbers take the dtype of the tensors; without any, NumPy's rules hold."""
        if dtype is None:
            found = [np.asarray(a).dtype for a, k in zip(arrays, kinds, strict=True) if k and type(a) not in _NUMBERS]
            dtype = np.result_type(*found) if found else np.dtype(np.float64)
        if dtype not in FLOATS:
            if dtype.kind not in "iub":
                raise DTypeError(f"{self.name}: dtype {dtype} is not supported; use float32 or float64")
            dtype = np.dtype(np.float64)
        for i, (a, differentiable) in enumerate(zip(arrays, kinds)):  # noqa: B905
            if type(a) is not np.ndarray:
                a = arrays[i] = np.asarray(a)
            if differentiable and a.dtype is not dtype and a.dtype != dtype:
                if a.dtype.kind not in "fiub":
                    raise DTypeError(f"{self.name}: expected numbers, got dtype {a.dtype}")
                arrays[i] = a.astype(dtype)
        return arrays

    def _on_grids(self, args, options):
        from microgrid._grid import lift

        args = [x.value if type(x) is Parameter else x for x in args]
        if any(type(x) is Tensor for x in args):
            raise EngineError(
                f"{self.name}: a Tensor and a grid of Values cannot be mixed; "
                'bring the whole model to one engine with model.to("scalar") or model.to("tensor")'
            )
        args = self._exact([np.asarray(x) if type(x) not in _NUMBERS else x for x in args])
        if self.check is not None:
            self.check(*(np.asarray(x) for x in args), **options)
        y = lift(self.twin(*args, **options))
        return y[()] if isinstance(y, np.ndarray) and not y.ndim else y

    def _exact(self, args):
        """Beside a grid of Fractions plain numbers become Fractions too: one float among them makes floats of all."""
        if not any(type(v.data) is Fraction for x in args if _is_grid(x) for v in np.ravel(x)[:1]):
            return args
        kinds = self.differentiable * len(args) if self.variadic else self.differentiable
        exact = np.frompyfunc(Fraction, 1, 1)
        plain = [k and not _is_grid(x) for x, k in zip(args, kinds)]  # noqa: B905
        return [exact(np.asarray(x).astype(object)) if p else x for x, p in zip(args, plain, strict=True)]

    # ---- backward -------------------------------------------------------------------------------------------------
    def pull(self, node, g, recorded):
        """(input, gradient) for each input of the node that requires a gradient."""
        kinds = self.differentiable * len(node.inputs) if self.variadic else self.differentiable
        needs = [k and type(x) is Tensor and x.requires_grad for k, x in zip(kinds, node.inputs)]  # noqa: B905
        if recorded:
            return self._pull_recorded(node, g, needs)
        arrays = [x._array if type(x) is Tensor else x for x in node.inputs]
        if self.fused is not None:
            grads = self.fused(needs, g, node.saved, *arrays, **node.options)
            pulled = [(x, gx) for x, gx, need in zip(node.inputs, grads, needs) if need]  # noqa: B905
        else:
            pulled = [
                (x, rule(g, node.saved, *arrays, **node.options))
                for x, rule, need in zip(node.inputs, self.rules(len(arrays)), needs, strict=True)
                if need
            ]
        if mode.trace is not None:
            mode.trace.pulled(node, g, pulled)
        return pulled

    def rules(self, count):
        """One rule per input; a variadic op has one rule that is told which input it is asked for."""
        if not self.variadic:
            return self.backward
        return [functools.partial(self.backward[0], i) for i in range(count)]

    def _pull_recorded(self, node, g, needs):
        if self.fused is None:
            y = Tensor(node.saved, True, node)
            return [
                (x, rule(g, y, *node.inputs, **node.options))
                for x, rule, need in zip(node.inputs, self.rules(len(needs)), needs, strict=True)
                if need
            ]
        copies = [OPS["positive"](x) if need else x for x, need in zip(node.inputs, needs, strict=True)]
        y = self.twin(*copies, **node.options)
        wanted = [x for x, need in zip(copies, needs, strict=True) if need]
        return list(
            zip([x for x, n in zip(node.inputs, needs, strict=True) if n], _tape.gradients(y, g, wanted), strict=True)
        )

    def __repr__(self):
        return f"<op {self.name}{self.signature}>"

    def __get__(self, instance, owner=None):  # an op stored on a class is not a method
        return self


def _is_grid(x):
    """Whether x is a grid of Values (an object array) or a bare Value: without importing microgrid for it."""
    if type(x) is np.ndarray:
        return x.dtype.char == "O"
    if type(x) is Parameter:
        return type(x.value) is not Tensor
    return type(x) not in _NUMBERS and type(x).__module__ == "microgrid.value"


def op(**record):
    """Declare an op; see the module's docstring. Returns the op, which is called like the function under it."""
    return lambda forward: Op(forward, **record)
