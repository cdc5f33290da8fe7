"""An op is one record in one place: forward, backward, twin, samples, errors. All else follows from it.

    @op(twin=np.tanh, backward=[lambda g, y, _x: tanh_backward(g, y)], samples=[sample((5, 3))])
    def tanh(x, /):
        return unary(kernels.tanh, x)

Parameters before the slash are the inputs (arrays, Tensors or grids of Values), those after it are options. The function
under the decorator computes on plain arrays. Calling the op computes on arrays, records on Tensors, and runs the twin on
grids. `backward` has one rule per input, `(g, y, *inputs, **options) -> gradient of that input`, written with ops, so
that it can itself be differentiated. A parameter of a rule whose name begins with "_" is one whose numbers it does not
read (its shape it may), so that they may change in the meantime. A rule may return a gradient of the broadcast shape: it
is summed back centrally. None instead of a rule: not differentiable. Of an op of any number of inputs there is one rule,
`(i, g, y, *inputs, **options)`, told which input it is asked for; it reads all the others, or none if it says `*_inputs`.

A *fused* op computes the gradients of all its inputs in kernels of its own, `fused(needs, g, saved, *inputs, **options)`;
for derivatives of derivatives its rules are followed if it has any, else its twin is run on Tensors. A *composed* op is
written with other ops and needs neither.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches

import numpy as np

from . import _tape
from ._coerce import (
    CHANGING,
    are_arrays,
    as_array,
    as_arrays,
    as_inputs,
    beside_grids,
    check_numbers,
    frozen,
    is_grid,
    shares,
)
from ._logged import known
from ._parameter import Parameter
from ._registry import BY_NUMPY, OPS, find
from ._samples import Bad, Sample, Tolerance, elementwise
from ._tape import Node, mode
from ._tensor import FLOATS, Tensor
from .errors import DTypeError, EngineError
from .kernels import LARGE, current, threads_allowed


@dataclass(eq=False)
class Op:
    """One op; call it. Its fields are what the tests, the checker and the documentation read."""

    forward: Callable
    twin: Callable
    backward: list = field(default_factory=list)
    fused: Callable | None = None
    unread: tuple = ()  # the inputs whose numbers a fused backward does not read, by name
    constants: tuple = ()  # the inputs that are no numbers to compute with (labels, conditions), by name
    composed: bool = False
    check: Callable | None = None  # raises on bad inputs; runs on both engines before anything is computed
    samples: list[Sample] = field(default_factory=list)
    errors: list[Bad] = field(default_factory=list)
    tolerance: Tolerance = elementwise(4)
    gradient_tolerance: Tolerance | None = None  # that of the value, unless said otherwise
    numpy: tuple = ()
    integers: Callable | None = None  # NumPy's function for integers and booleans, if it keeps them
    ties: str = ""  # the gradient at kinks and between equals, for the table in docs/ops.md
    name: str = ""

    def __post_init__(self):
        self.name = self.name or self.forward.__name__
        functools.update_wrapper(self, self.forward, updated=())
        self.signature = inspect.signature(self.forward)
        parameters = self.signature.parameters.values()
        self.inputs = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.VAR_POSITIONAL)]
        self.options = [p.name for p in parameters if p.name not in self.inputs]
        self.variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
        self.casts = [name not in self.constants for name in self.inputs]
        rules = self.backward or [self.fused or (self.composed or None)] * len(self.inputs)
        self.differentiable = [c and rule is not None for c, rule in zip(self.casts, rules, strict=True)]
        self._first = next((i for i, k in enumerate(self.differentiable) if k), 0)
        self._count = -1 if self.variadic else len(self.inputs)
        self._read = [self._read_by(rule) for rule in rules]
        OPS[self.name] = self
        for function in self.numpy:
            BY_NUMPY[function] = self

    def _read_by(self, rule):
        """The numbers of the inputs that a rule reads."""
        if self.fused is not None:
            return [i for i, name in enumerate(self.inputs) if name not in self.unread + self.constants]
        if not callable(rule):
            return []
        if self.variadic:
            parameters = inspect.signature(rule).parameters.values()
            return [p.name for p in parameters if p.kind is p.VAR_POSITIONAL and not p.name.startswith("_")]
        names = list(inspect.signature(rule).parameters)[2 : 2 + len(self.inputs)]
        return [i for i, name in enumerate(names) if not name.startswith("_")]

    def for_each(self, kinds, inputs):
        """`casts` or `differentiable`, one for each input: a variadic op has one for all."""
        return kinds * len(inputs) if self.variadic else kinds

    # ---- forward --------------------------------------------------------------------------------------------------
    def __call__(self, *args, **options):
        if len(args) != self._count:
            args, options = self._bind(args, options)
        for name, option in options.items():
            if name not in self.options:
                raise TypeError(f"{self.name} has no option {name!r}{self._nearest(name)}")
            if name == "axis" and type(option) is list:  # NumPy's functions, in twins, take several axes as a tuple
                options[name] = tuple(option)
        log, casts, differentiable = current.log, self.casts, self.differentiable
        if self.variadic:
            casts, differentiable = casts * len(args), differentiable * len(args)
        if self.composed:
            if log is None:
                args = as_inputs(self.name, args, casts)
            return self.forward(*args, **options)
        if log is not None:
            args = known(args, casts)
        inputs, arrays, needs, dtype, plain = [], [], [], None, 0
        for x, cast, k in zip(args, casts, differentiable):  # noqa: B905
            if type(x) is Parameter:
                x = x.value
            inputs.append(x)
            if type(x) is Tensor:
                array = x._array
                arrays.append(array)
                needs.append(k and x.requires_grad)
                if cast and array.dtype is not dtype:
                    if dtype is not None and array.dtype != dtype:
                        raise self._mixed_dtypes(args)
                    dtype = array.dtype
            elif is_grid(x):
                return self._on_grids(args, options)
            else:
                plain += 1
                arrays.append(x)
                needs.append(False)
        if (plain or dtype not in FLOATS) and not are_arrays(arrays, dtype, casts):
            if self.integers is not None and log is None and as_array(self.name, arrays[0]).dtype.kind in "iub":
                return self._on_integers(self.integers, as_array(self.name, arrays[0]), plain, options)
            arrays = as_arrays(self.name, arrays, dtype, casts)
        if self.check is not None:
            self.check(*arrays, **options)
        saved = self.forward(*arrays, **options)
        y = saved[0] if type(saved) is tuple else saved
        if type(y) is not np.ndarray:  # NumPy gives a bare number where no axes are left
            y = saved = np.asarray(y)
        watch = mode.watch
        if watch is not None:
            watch.forward(self, arrays, options, y)
        if plain == len(inputs):
            return y
        if True not in needs or not mode.recording:
            return Tensor(y)
        if plain:  # the backward reads plain inputs as the forward did, also if a buffer is filled anew in the meantime
            reads = self.reads(needs)
            for i, (x, a) in enumerate(zip(inputs, arrays)):  # noqa: B905
                if type(x) is not Tensor:
                    inputs[i] = a.copy() if i in reads and log is None and shares(a, x) else a
        for name, option in options.items():
            if type(option) in CHANGING and log is None:
                options[name] = frozen(option)
        node = Node(self, inputs, options, saved, needs)
        if watch is not None:
            watch.recorded(node)
        return Tensor(y, True, node)

    def _on_integers(self, function, x, plain, options):
        """What NumPy's function gives for one array of integers or booleans; it has no gradient."""
        if self.check is not None:
            self.check(x, **options)
        y = np.asarray(function(x, **options))
        return y if plain else Tensor(y)

    def _bind(self, args, options):
        """Options that were given by position, by name."""
        count = len(self.inputs)
        if self.variadic:
            return args, options
        takes = f"{self.name} takes {count} input{'' if count == 1 else 's'}"
        if len(args) < count:
            raise TypeError(f"{takes}, got {len(args)}")
        if len(args) > count + len(self.options):
            raise TypeError(f"{takes} and {len(self.options)} options, got {len(args)} arguments")
        by_position = dict(zip(self.options, args[count:], strict=False))
        for name in by_position.keys() & options.keys():
            raise TypeError(f"{self.name} got option {name!r} twice, by position and by name")
        return args[:count], by_position | options

    def _nearest(self, name):
        near = get_close_matches(name, self.options, n=1)
        known = f" (known: {', '.join(self.options)})" if self.options else ""
        return f"; did you mean {near[0]!r}?" if near else known

    def _mixed_dtypes(self, args):
        kinds = ", ".join(str(x.dtype) for x in args if isinstance(x, Tensor | Parameter))
        return DTypeError(
            f"{self.name}: the tensors have different dtypes ({kinds}); bring them to one with .astype(...), "
            'or the whole model with model.astype("float64")'
        )

    def _on_grids(self, args, options):
        from microgrid._grid import lift

        inputs = [x.value if type(x) is Parameter else x for x in args]
        for x in inputs:
            if is_grid(x):
                check_numbers(self.name, x)
        if any(type(x) is Tensor for x in inputs):
            raise EngineError(
                f"{self.name}: a Tensor and a grid of Values cannot be mixed; "
                'bring the whole model to one engine with model.to("scalar") or model.to("tensor")'
            )
        inputs = beside_grids(self.name, inputs, self.for_each(self.casts, inputs))
        if self.check is not None:
            self.check(*(np.asarray(x) for x in inputs), **options)
        with np.errstate(all="ignore"):  # infinities and NaN are results
            y = lift(self.twin(*inputs, **options))
        return y[()] if isinstance(y, np.ndarray) and not y.ndim else y

    # ---- backward -------------------------------------------------------------------------------------------------
    def reads(self, needs):
        """Which inputs' numbers the backward reads, given for which inputs a gradient is needed."""
        if self.fused is not None:
            return self._read[0]
        if self.variadic:  # the gradient of one input reads all others
            return [i for i, need in enumerate(needs) if self._read[0] and sum(needs) > need]
        return [i for need, read in zip(needs, self._read) if need for i in read]  # noqa: B905

    def pull(self, node, g, recorded):
        """The gradient of each input of the node that requires one: Tensors if `recorded`, else arrays."""
        needs, inputs = node.needs, node.inputs
        if recorded:
            grads = self._gradients_recorded(node, g, needs)
        else:
            arrays = [x._array if type(x) is Tensor else x for x in inputs]
            if self.fused is not None:
                real = arrays[self._first].dtype
                if g.dtype is not real and g.dtype != real:  # a rule made it so; kernels read memory as they are told
                    g = g.astype(real)
                grads = self.fused(needs, g, node.saved, *arrays, **node.options)
            elif current.log is not None or (
                g.size >= 2 * LARGE and threads_allowed() > 1
            ):  # NumPy would use one thread
                grads = self._follow_rules_by_kernels(needs, g, node.saved, arrays, node.options)
            else:
                grads = self._follow_rules(needs, g, node.saved, arrays, node.options)
        if mode.watch is not None and not recorded:
            mode.watch.pulled(node, g, [(x, gx) for x, gx, need in zip(inputs, grads, needs, strict=True) if need])
        return grads

    def _follow_rules(self, needs, g, y, inputs, options):
        """One gradient for each input (None where it is not needed), on arrays or on Tensors."""
        rules = self.backward
        if self.variadic:  # one rule that is told which input it is asked for
            rules = [functools.partial(rules[0], i) for i in range(len(inputs))]
        return [rule(g, y, *inputs, **options) if need else None for rule, need in zip(rules, needs)]  # noqa: B905

    def _follow_rules_by_kernels(self, needs, g, y, arrays, options):
        """The gradients as arrays, from rules followed on Tensors: every number that they make comes from a kernel."""
        with _tape.no_grad():
            tensors = [Tensor(a) if a.dtype in FLOATS else a for a in arrays]
            grads = self._follow_rules(needs, Tensor(g), Tensor(y), tensors, options)
        return [gx._array if type(gx) is Tensor else gx for gx in grads]

    def _gradients_recorded(self, node, g, needs):
        if self.backward:
            y = node.saved[0] if type(node.saved) is tuple else node.saved
            return self._follow_rules(needs, g, Tensor(y, True, node), node.inputs, node.options)
        copies = [OPS["positive"](x) if need else x for x, need in zip(node.inputs, needs, strict=True)]
        y = self.twin(*copies, **node.options)
        found = iter(_tape.gradients([y], [g], [x for x, need in zip(copies, needs, strict=True) if need]))
        return [next(found) if need else None for need in needs]

    def __reduce__(self):
        """Copies, also by pickle, are the op on record."""
        return find, (self.name,)

    def __repr__(self):
        return f"<op {self.name}{self.signature}>"


def op(**record):
    """Declare an op; see the module's docstring. Returns the op, which is called like the function under it."""
    return lambda forward: Op(forward, **record)
