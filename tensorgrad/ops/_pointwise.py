"""pointwise: ops that treat each number on its own. From the formula for one number follow both kernels and the op.

    @pointwise(twin=lambda x: x / (1 + abs(x)), slope=lambda x, y, real: real(1) / (real(1) + abs(x)) ** 2, samples=ANY)
    def softsign(x, real):
        return x / (real(1) + abs(x))

The formula and its slope are compiled by numba, as they are written, for float32 and for float64: `real` makes a constant
of the array's dtype, as Python's own numbers would turn float32 into float64. Parameters before `real` are the inputs,
which broadcast; those after it are options, numbers with a default. `slope` has the value `y` of the formula after the
inputs; with several inputs it is a tuple of functions, one for each, or None for an input without gradient. Derivatives of
derivatives follow the rules of `backward`, if the record has them, else the twin, which runs on Tensors.
"""

import inspect

import numpy as np

from .._op import Op
from .._options import is_real
from ..errors import OptionError
from ..kernels import share
from ..kernels._compile import Kernel
from ..kernels._jit import jit
from ._shared import check_broadcast, constants, flat, numbers, operand

RESERVED = {"g", "y", "i", "out", "real", "options", "formula"}  # of the kernels that are written here


def pointwise(*, twin, slope, samples, errors=(), check=None, **record):
    """Declare an op by its formula for one number; see the module's docstring. Other fields are those of `Op`."""

    def declare(formula):
        parameters = list(inspect.signature(formula).parameters.values())
        at = [p.name for p in parameters].index("real")
        inputs, options = parameters[:at], parameters[at + 1 :]
        names, settings = [p.name for p in inputs], [p.name for p in options]
        if taken := RESERVED.intersection(names + settings):
            raise ValueError(f"{formula.__name__}: a parameter cannot be called {min(taken)!r}, which the kernel uses")
        slopes = slope if isinstance(slope, tuple) else (slope,)
        value = _Loop(formula.__name__, formula, names, settings)
        backward = [
            None if s is None else _Loop(f"{formula.__name__}_slope_{name}", s, names, settings, slope=True)
            for s, name in zip(slopes, names, strict=True)
        ]

        def buffer(a, shape):
            return numbers(a) if len(names) == 1 else operand(a, shape)

        def forward(*arrays, **given):
            shape = arrays[0].shape if len(arrays) == 1 else np.broadcast_shapes(*[a.shape for a in arrays])
            out = np.empty(shape, arrays[0].dtype)
            if out.size:
                share(value, *[buffer(a, shape) for a in arrays], *_cell(options, given), flat(out))
            return out

        def fused(needs, g, y, *arrays, **given):
            grads = []
            for need, kernel in zip(needs, backward, strict=True):
                out = np.empty(y.shape, y.dtype) if need else None
                if out is not None and out.size:
                    operands = [numbers(g), *[buffer(a, y.shape) for a in arrays], flat(y)]
                    share(kernel, *operands, *_cell(options, given), flat(out))
                grads.append(out)
            return grads

        checks = [c for c in (check_broadcast(formula.__name__) if len(names) > 1 else None, check) if c is not None]

        def checked(*arrays, **given):
            _check_options(formula.__name__, options, given)
            for c in checks:
                c(*arrays, **given)

        forward.__name__, forward.__doc__, forward.__module__ = formula.__name__, formula.__doc__, formula.__module__
        only = inspect.Parameter.POSITIONAL_ONLY
        forward.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [*(p.replace(kind=only) for p in inputs), *options]
        )
        any_check = checked if checks or options else None
        op = Op(forward, twin, fused=fused, check=any_check, samples=samples, errors=list(errors), **record)
        op.differentiable = [kernel is not None for kernel in backward]
        return op

    return declare


class _Loop(Kernel):
    """The kernel that applies a formula to each number; that of a slope is given y too, and multiplies by g.

    It is written when it is first used.
    """

    def __init__(self, name, formula, inputs, options, slope=False):
        self._formula, self._settings, self._slope = formula, options, slope
        self._several = inputs if len(inputs) > 1 else []  # they broadcast: one number may stand for all
        self._arguments = [*inputs, "y"] if slope else inputs
        buffers = ["g", *self._arguments] if slope else self._arguments
        read = [f"{b}{'[N|1]' if b in self._several else '[N]'}" for b in buffers]
        cell = [f"options:d[{len(options)}]"] if options else []
        self._parameters = [*buffers, *(["options"] if options else []), "out"]
        self._declare(name, self._parameters, f"{' '.join([*read, *cell])} -> out[N]")

    def _line(self, index):
        numbers = [f"{a}[{index.format(a) if a in self._several else 'i'}]" for a in self._arguments]
        call = f"formula({', '.join([*numbers, 'real', *self._settings])})"
        return f"for i in range(out.size): out[i] = {'g[i] * ' if self._slope else ''}{call}"

    @property
    def _function(self):
        lines = [
            f"def {self.name}({', '.join(self._parameters)}):",
            "    real = out.dtype.type",
            *(f"    {option} = real(options[{i}])" for i, option in enumerate(self._settings)),
        ]
        if self._several:  # the plain loop fills whole vectors
            lines += [f"    if {' == '.join(f'{a}.size' for a in self._several)}:", f"        {self._line('i')}",
                      "    else:", f"        {self._line('i if {0}.size > 1 else 0')}"]  # fmt: skip
        else:
            lines += [f"    {self._line('i')}"]
        formula = jit(self._formula, fastmath={"contract"}, inline=True)  # in the order in which it is written
        code, found = self._formula.__code__, {"__name__": self._formula.__module__, "formula": formula}
        # The file and the line of the formula decide whether cached code is fresh.
        exec(compile("\n" * (code.co_firstlineno - 1) + "\n".join(lines), code.co_filename, "exec"), found)
        return found[self.name]


def _cell(options, given):
    """The numbers of a call's options as an array, if there are any."""
    if not options:
        return []
    return [constants(*[given.get(o.name, o.default) for o in options])]


def _check_options(name, options, given):
    for o in options:
        value = given.get(o.name, o.default)
        if not is_real(value):
            raise OptionError(f"{name}: {o.name} must be a number, got {value!r}")
