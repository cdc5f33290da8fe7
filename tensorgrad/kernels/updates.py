"""Optimizer steps: the kernels that are made from a rule, and those around every rule.

A step of an optimizer is rows: a look at the gradients (`check_finite`, `sum_squares`), one `Prepare` for each group of
parameters, one `Update` for each parameter, in one pass over it, and `average` where averages of the weights are kept.
All of an optimizer's numbers are read at run time: those of the whole in `numbers` (`RATE` and the places that follow it),
those of a group in an array of its own, of which `Prepare` makes the `constants` of a step.
"""

import inspect
import math

import numpy as np

from ._compile import Kernel, kernel
from ._jit import jit
from ._subnormals import flush_subnormals, restore

# Places in the numbers of an optimizer: the squares are summed as they are, and scaled down where they would overflow.
RATE, CLIP_NORM, ACCUMULATE, BATCHES, EMA, SQUARES, SCALED_SQUARES = range(7)
NUMBERS = 7
OWN_RATE, BASE_RATE, STEP, WEIGHT_DECAY, DECOUPLED, CLIP_VALUE, FIRST_OPTION = range(7)  # in those of a group
ACTIVE, SCALE, RESCALE, MOST, DECAY, SHRINK, TOWARDS, FIRST_CONSTANT = range(8)  # in the constants of a step
RESERVED = {
    "i",
    "p",
    "g",
    "real",
    "rule",
    "product",
    "formula",
    "constants",
    "numbers",
    "group",
    "lr",
    "step",
}  # of what is written here
_DOWN, _LOW = 2.0**-600, 2.0**-100
_BLOCK = 4096


class Update(Kernel):
    """The kernel that applies `rule(p, g, *slots, *constants)`, one number of each in, (p, *slots) out, to a parameter.

    The gradient is scaled, clipped to -most..most, and has decay p added; p is shrunk first. It is written when it is first
    used.
    """

    def __init__(self, name, rule, slots):
        parameters = list(inspect.signature(rule).parameters)
        self._rule, self._constants = rule, parameters[2 + len(slots) :]
        if parameters[: 2 + len(slots)] != ["p", "g", *slots]:
            raise ValueError(
                f"{name}: a rule takes p, g and the slots {', '.join(slots)}, in this order, got {parameters}"
            )
        if taken := RESERVED.intersection(parameters[2:]):
            raise ValueError(f"{name}: a slot or constant cannot be called {min(taken)!r}, which the kernel uses")
        self._slots, self.constants = slots, FIRST_CONSTANT + len(self._constants)
        state = " ".join(f"&{slot}[N]" for slot in ("p", *slots))
        self._declare(name, ["g", "constants", "p", *slots], f"g[N] constants:d[{self.constants}] -> {state}")

    @property
    def _function(self):
        state = ", ".join(f"{slot}[i]" for slot in ("p", *self._slots))
        given = ", ".join(["x", "d", *(f"{slot}[i]" for slot in self._slots), *(f"_{c}" for c in self._constants)])
        lines = [
            f"def {self.name}(g, constants, {', '.join(['p', *self._slots])}):",
            f"    if constants[{ACTIVE}] == 0: return",
            "    before = flush_subnormals()",
            "    real = p.dtype.type",
            f"    scale, rescale = real(constants[{SCALE}]), real(constants[{RESCALE}])",
            f"    most = real(constants[{MOST}])",
            f"    decay, shrink = real(constants[{DECAY}]), real(constants[{SHRINK}])",
            *(f"    _{c} = real(constants[{FIRST_CONSTANT + i}])" for i, c in enumerate(self._constants)),
            "    for i in range(p.size):",
            "        d = product(g[i], scale, rescale)",
            "        d = -most if d < -most else most if d > most else d",
            "        d += decay * p[i]",
            "        x = shrink * p[i]",
            f"        {state} = rule({given})",
            "    restore(before)",
        ]
        return _written(self.name, lines, self._rule, rule=_inlined(self._rule))


class Prepare(Kernel):
    """The kernel that counts a group's step and makes the constants of it, by `formula(lr, *options, step)`.

    Options come in the order in which the group has them. The formula's last results, as many as `carried` says, are not
    constants of the rule: it is given them again in the next step, after `step`.
    """

    def __init__(self, name, formula, options, constants, carried):
        self._formula, self.counts = formula, (options, constants, carried)
        self._declare(name, ["numbers", "group", "constants"],
                      f"-> &numbers:d[{NUMBERS}] &group:d[{FIRST_OPTION + options + carried}] "
                      f"&constants:d[{constants}]")  # fmt: skip

    @property
    def _function(self):
        options, constants, carried = self.counts
        first, last = FIRST_OPTION, FIRST_OPTION + options
        given = ["rate", *(f"group[{i}]" for i in range(first, last)), f"group[{STEP}]"]
        given += [f"group[{i}]" for i in range(last, last + carried)]
        results = [f"constants[{i}]" for i in range(FIRST_CONSTANT, constants)]
        results += [f"group[{i}]" for i in range(last, last + carried)]
        lines = [
            f"def {self.name}(numbers, group, constants):",
            "    rate = begin(numbers, group, constants)",
            f"    if constants[{ACTIVE}] != 0:",
            f"        {', '.join(results)}{',' * (len(results) == 1)} = formula({', '.join(given)})",
        ]
        return _written(self.name, lines, self._formula, begin=_begin, formula=_inlined(self._formula))


@jit(fastmath=set(), inline=True)
def product(g, scale, rescale):
    return g * scale * rescale  # in this order, so that it neither over- nor underflows


def _inlined(function):
    return jit(function, fastmath={"contract"}, inline=True)  # in the order in which it is written


def _written(name, lines, function, **used):
    """The function of these lines; the file and the line of another one decide whether cached code is fresh."""
    code = function.__code__
    found = {
        "__name__": function.__module__,
        "flush_subnormals": flush_subnormals,
        "restore": restore,
        "product": product,
    }
    found |= used
    exec(compile("\n" * (code.co_firstlineno - 1) + "\n".join(lines), code.co_filename, "exec"), found)
    return found[name]


@jit(inline=True)
def norm_of(numbers):
    """The norm of the mean gradient; squares of numbers above 1e150 overflow."""
    total = numbers[SQUARES]
    norm = math.sqrt(total) if math.isfinite(total) else math.sqrt(numbers[SCALED_SQUARES]) / _DOWN
    return norm / numbers[ACCUMULATE]


@jit(inline=True)
def scales(numbers):
    """What gradients are multiplied by, one factor after the other, so that their norm keeps to its limit."""
    factor = numbers[CLIP_NORM] / (norm_of(numbers) + 1e-6)
    scale = (1.0 if factor > 1.0 else factor) / numbers[ACCUMULATE]
    return (scale / _LOW, _LOW) if scale < _LOW else (scale, 1.0)  # in two steps what float32 does not hold


@jit(inline=True)
def _begin(numbers, group, constants):
    """The constants that every rule has, and the group's rate."""
    rate = group[OWN_RATE] * (numbers[RATE] / group[BASE_RATE])
    if numbers[BATCHES] < numbers[ACCUMULATE]:  # more batches are to come
        constants[ACTIVE] = 0.0
        return rate
    group[STEP] += 1.0
    decay, ema = group[WEIGHT_DECAY], numbers[EMA]
    constants[ACTIVE] = 1.0
    constants[SCALE], constants[RESCALE] = scales(numbers)
    constants[MOST] = group[CLIP_VALUE]
    constants[DECAY] = 0.0 if group[DECOUPLED] != 0 else decay
    constants[SHRINK] = 1.0 - rate * decay if group[DECOUPLED] != 0 else 1.0
    constants[TOWARDS] = (1.0 - ema) / (1.0 - ema ** group[STEP])
    return rate


@kernel(f"-> &numbers:d[{NUMBERS}]")
def tick(numbers):
    """A new batch: one more of those that an update is made from, and no squares yet."""
    numbers[BATCHES] = numbers[BATCHES] + 1.0 if numbers[BATCHES] < numbers[ACCUMULATE] else 1.0
    numbers[SQUARES] = 0.0
    numbers[SCALED_SQUARES] = 0.0


@kernel(f"g[N] numbers:d[{NUMBERS}] -> &total[N]")
def accumulate(g, numbers, total):
    """Add the gradient of a batch; the first one replaces what is there."""
    if numbers[BATCHES] == 1:
        for i in range(g.size):
            total[i] = g[i]
    else:
        for i in range(g.size):
            total[i] += g[i]


@kernel(f"numbers:d[{NUMBERS}] -> &total[N]")
def forget(numbers, total):
    """Begin anew with the first batch, where no gradient comes to replace what is there."""
    if numbers[BATCHES] == 1:
        for i in range(total.size):
            total[i] = 0


@kernel(f"g[N] numbers:d[{NUMBERS}] -> squares:d[2]")
def sum_squares(g, numbers, squares):
    """The sum of the squares, in double precision, and that of numbers scaled down: it is finite if all numbers are.

    Blocks of float32 are summed as they are; where that overflows, number by number in double precision.
    """
    before = flush_subnormals()
    plain, scaled = 0.0, 0.0
    if numbers[BATCHES] == numbers[ACCUMULATE]:
        if g.itemsize == 4:
            for first in range(0, g.size, _BLOCK):
                block, zero = g[first : first + _BLOCK], g.dtype.type(0)
                total = zero
                for i in range(block.size):
                    total += block[i] * block[i]
                part = np.float64(total)
                if not math.isfinite(part):
                    part = np.float64(0)
                    for i in range(block.size):
                        part += np.float64(block[i]) * np.float64(block[i])
                plain += part
            scaled = plain * _DOWN * _DOWN
        else:
            for i in range(g.size):
                x = np.float64(g[i])
                plain += x * x
                x *= _DOWN
                scaled += x * x
    squares[0], squares[1] = plain, scaled
    restore(before)


@kernel(f"squares:d[2] -> &numbers:d[{NUMBERS}]")
def add_squares(squares, numbers):
    """Add one gradient's sums to those of all."""
    numbers[SQUARES] += squares[0]
    numbers[SCALED_SQUARES] += squares[1]


@kernel(f"numbers:d[{NUMBERS}] -> &failed:i[1]")
def check_squares(numbers, failed):
    """Set `failed` if a number of those that were squared is infinite or NaN."""
    if not math.isfinite(numbers[SCALED_SQUARES]):
        failed[0] = 1


@kernel("p[N] constants:d[c] -> &mean[N]")
def average(p, constants, mean):
    """Move the averages of the weights towards the weights."""
    if constants[ACTIVE] == 0:
        return
    towards = p.dtype.type(constants[TOWARDS])
    for i in range(p.size):
        mean[i] += towards * (p[i] - mean[i])


@kernel("g[N] -> &failed:i[1]")
def check_finite(g, failed):
    """Set `failed` if a number is infinite or NaN: 0 * x is 0 for all others."""
    zero = g.dtype.type(0)
    total = zero
    for i in range(g.size):
        total += g[i] * zero
    if total != zero:
        failed[0] = 1


@kernel("failed:i[1] -> &stops:i[1]")
def stop_if(failed, stops):
    """End the program if `failed` is set: the rows after this one are not run."""
    if failed[0] != 0:
        stops[0] = 1
        raise FloatingPointError
