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

import ast
import inspect

import numpy as np

from .._op import Op
from ..errors import OptionError
from ..kernels import constant, share
from ..kernels._compile import Kernel, jit
from ._shared import check_broadcast, contiguous, flat, operand

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
        value = _kernel(formula.__name__, formula, names, settings)
        backward = [
            None if s is None else _kernel(f"{formula.__name__}_slope_{name}", s, names, settings, slope=True)
            for s, name in zip(slopes, names, strict=True)
        ]

        def forward(*arrays, **given):
            shape = np.broadcast_shapes(*(a.shape for a in arrays))
            out = np.empty(shape, arrays[0].dtype)
            if out.size:
                share(value, *(operand(a, shape) for a in arrays), *_cell(options, given), flat(out))
            return out

        def fused(needs, g, y, *arrays, **given):
            grads = []
            for need, kernel in zip(needs, backward, strict=True):
                out = np.empty(y.shape, y.dtype) if need else None
                if out is not None and kernel is not None and out.size:
                    operands = [flat(contiguous(g)), *(operand(a, y.shape) for a in arrays), flat(y)]
                    share(kernel, *operands, *_cell(options, given), flat(out))
                grads.append(out)
            return tuple(grads)

        def checked(*arrays, **given):
            _check_options(formula.__name__, options, given)
            if len(names) > 1:
                check_broadcast(formula.__name__)(*arrays)
            if check is not None:
                check(*arrays, **given)

        forward.__name__, forward.__doc__, forward.__module__ = formula.__name__, formula.__doc__, formula.__module__
        only = inspect.Parameter.POSITIONAL_ONLY
        forward.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [*(p.replace(kind=only) for p in inputs), *options]
        )
        op = Op(forward, twin, fused=fused, check=checked, samples=samples, errors=list(errors), **record)
        op.differentiable = [kernel is not None for kernel in backward]
        return op

    return declare


def _kernel(name, formula, inputs, options, slope=False):
    """The kernel that applies a formula to each number; that of a slope is given y too, and multiplies by g."""
    several = inputs if len(inputs) > 1 else []  # they broadcast: one number may stand for all
    arguments = [*inputs, "y"] if slope else inputs
    buffers = ["g", *arguments] if slope else arguments

    def loop(index):
        numbers = [f"{a}[{index.format(a) if a in several else 'i'}]" for a in arguments]
        call = f"formula({', '.join([*numbers, 'real', *options])})"
        return f"for i in range(out.size): out[i] = {'g[i] * ' if slope else ''}{call}"

    lines = [
        f"def {name}({', '.join([*buffers, *(['options'] if options else []), 'out'])}):",
        "    real = out.dtype.type",
        *(f"    {option} = real(options[{i}])" for i, option in enumerate(options)),
    ]
    if several:  # the plain loop fills whole vectors
        lines += [f"    if {' == '.join(f'{a}.size' for a in several)}:", f"        {loop('i')}",
                  "    else:", f"        {loop('i if {0}.size > 1 else 0')}"]  # fmt: skip
    else:
        lines += [f"    {loop('i')}"]
    tree = ast.increment_lineno(ast.parse("\n".join(lines)), formula.__code__.co_firstlineno)
    compiled = jit(formula, fastmath={"contract"}, inline=True)  # in the order in which it is written
    found = {"__name__": formula.__module__, "formula": compiled}
    exec(compile(tree, formula.__code__.co_filename, "exec"), found)  # the file decides whether cached code is fresh
    read = [f"{b}{'[N|1]' if b in several else '[N]'}" for b in buffers]
    cell = [f"options:d[{len(options)}]"] if options else []
    return Kernel(found[name], f"{' '.join([*read, *cell])} -> out[N]")


def _cell(options, given):
    """The numbers of a call's options as an array, if there are any."""
    if not options:
        return []
    return [constant(np.array([given.get(o.name, o.default) for o in options], np.float64))]


def _check_options(name, options, given):
    for o in options:
        value = given.get(o.name, o.default)
        if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
            raise OptionError(f"{name}: {o.name} must be a number, got {value!r}")
