"""Optimizer: what SGD, Adam and your own share. An optimizer sees a parameter as flat numbers (`take`, `put`) and `.grad`."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .. import kernels
from .._parameter import Parameter
from ..errors import GradientError, OptionError
from ..kernels import Kernel, current, kept
from ._update import Update


@dataclass(frozen=True)
class Number:
    """What one of an optimizer's numbers may be: at least `low` (or above it), and below `below`."""

    low: float = 0.0
    below: float = math.inf
    above: bool = False
    called: str = ""  # in errors, where the option has another name

    def checked(self, owner, name, value):
        """The value as a float, or an OptionError."""
        real = isinstance(value, int | float | np.floating | np.integer) and not isinstance(value, bool)
        with np.errstate(over="ignore"):
            single = np.float32(value) if real else np.nan  # a float32 model computes with it
        if not (single > self.low if self.above else single >= self.low) or not single < self.below:
            bound = f"{'above' if self.above else 'of at least'} {self.low:g}"
            bound += "" if self.below == math.inf else f" and below {self.below:g}"
            raise OptionError(f"{owner}: {self.called or name} must be a number {bound}, got {value!r}")
        return float(value)


class Optimizer:
    """Base class. A subclass names its state arrays, its numbers, and its two forms of one update rule.

    `slots` are the arrays kept for each parameter, of its shape; `hyper` the numbers that a step reads, in order, with what
    they may be; `rule(p, g, *slots, *hyper, step)` the update in NumPy, the definition; `kernel` the same in one pass over
    memory.
    """

    slots: ClassVar[tuple[str, ...]] = ()
    hyper: ClassVar[dict[str, Number]] = {}
    kernel: ClassVar[Kernel]

    def __init__(self, parameters, **hyper):
        numbers = self._checked_hyper(hyper)
        self.parameters = self._checked_parameters(parameters)
        self._numbers = np.array([*numbers, 0.0], dtype=np.float64)  # the last counts the steps
        self._state = [tuple(np.zeros(p.size, dtype=_real(p)) for _ in self.slots) for p in self.parameters]  # flat
        self._shapes = [p.shape for p in self.parameters]
        self._tensors = all(p.engine == "tensor" for p in self.parameters)
        self._failed, self._stops = np.zeros(1, np.int64), np.zeros(1, np.int64)  # whether numbers were not finite
        self._update = None  # how to update tensors, made at the first step

    @property
    def steps(self):
        """How many steps were taken."""
        _noted("reads how many steps the optimizer took")
        return int(self._numbers[-1])

    def _checked_hyper(self, hyper):
        name = type(self).__name__
        return [number.checked(name, option, hyper[option]) for option, number in self.hyper.items()]

    def _checked_parameters(self, parameters):
        name = type(self).__name__
        if (
            not isinstance(parameters, Iterable)
            or isinstance(parameters, Parameter)
            or hasattr(parameters, "parameters")
        ):
            raise OptionError(f"{name}: expected a list of parameters, such as model.parameters(), got {parameters!r}")
        parameters = list(parameters)
        if not parameters:
            raise OptionError(
                f"{name}: the list of parameters is empty; there is nothing to train. Weights of your own must be tg.Parameter"
            )
        for i, p in enumerate(parameters):
            if not isinstance(p, Parameter):
                raise OptionError(f"{name}: parameter {i} is a {type(p).__name__}, expected a tensorgrad.Parameter")
        if len({id(p) for p in parameters}) != len(parameters):
            raise OptionError(f"{name}: a parameter is in the list twice; it would be updated twice a step")
        return parameters

    def __init_subclass__(cls):
        """Each number of `hyper` can be read and set by name, at any time: `optimizer.lr = 0.01`."""
        super().__init_subclass__()
        for i, (name, number) in enumerate(cls.hyper.items()):
            setattr(cls, name, _number_property(i, name, number))

    # ---- training -------------------------------------------------------------------------------------------------
    def step(self):
        """Update every parameter that is not frozen from its gradient.

        Raises GradientError if one has none: nothing is changed then.
        """
        self.apply(self.gradients())

    def gradients(self):
        """The gradient of each parameter, flat, and None for a frozen one; GradientError where one is missing."""
        grads = [p.value.grad if p._flat is not None and p._requires_grad else p.grad for p in self.parameters]
        for i, g in enumerate(grads):
            if g is None and (p := self.parameters[i]).requires_grad:
                raise GradientError(
                    f"{type(self).__name__}.step: parameter {i} of shape {p.shape} got no gradient; call loss.backward() "
                    "first, leave it out of the optimizer if the loss does not depend on it, or freeze it with "
                    "requires_grad = False. (Was the optimizer made before model.astype or model.to, which return a new model?)"
                )
        return grads

    def apply(self, grads, finite=False):
        """Update the parameters from these gradients; None leaves one as it is. Whether it was done.

        With `finite` nothing is changed if a gradient has an infinity or NaN in it.
        """
        self._failed[0] = 0
        for g, shape in zip(grads, self._shapes):  # noqa: B905
            if g is not None and (g.shape != shape or not g.flags.c_contiguous):
                raise GradientError(
                    f"{type(self).__name__}.step: a gradient of shape {g.shape} does not fit its parameter of shape {shape}"
                )
        if not self._tensors or current.log is not None:
            return self._apply_one_by_one(grads, finite)
        if self._update is None or not self._update.fits(grads):
            self._update = Update(self, grads)
        return self._update(grads, finite)

    def _apply_one_by_one(self, grads, finite):
        """The same, parameter by parameter: on Values, and while a log of kernel calls is open."""
        flat = [None if g is None else np.asarray(g).reshape(-1) for g in grads]
        if finite:
            for g in flat:
                if g is not None:
                    kernels.check_finite(g, kept(self._failed))
            if self._failed[0]:
                return False
            kernels.stop_if(self._failed, kept(self._stops))
        kernels.tick(kept(self._numbers))
        for p, g, slots in zip(self.parameters, flat, self._state, strict=True):
            if g is not None:
                numbers = p.take()
                self.kernel(g, self._numbers, kept(numbers), *(kept(slot) for slot in slots))
                p.put(numbers)
        return True

    def zero_grad(self):
        """Forget the gradients of all parameters."""
        for p in self.parameters:
            p.grad = None

    def __getstate__(self):
        """Copies make their own update calls: those of this optimizer know addresses."""
        return vars(self) | {"_update": None}

    # ---- state ----------------------------------------------------------------------------------------------------
    def state_dict(self):
        """A copy of everything the optimizer remembers: its numbers, the count of steps, the arrays of each parameter."""
        _noted("reads the optimizer's state")
        return {
            "hyper": dict(zip(self.hyper, self._numbers[:-1].tolist(), strict=True)),
            "steps": self.steps,
            "state": [
                {k: a.reshape(p.shape).copy() for k, a in zip(self.slots, arrays, strict=True)}
                for p, arrays in zip(self.parameters, self._state, strict=True)
            ],
        }

    def load_state_dict(self, state):
        """Take over what `state_dict` gave; the parameters must have the same shapes in the same order.

        Raises OptionError where it does not fit; nothing is changed then.
        """
        _noted("loads a state into the optimizer")
        name = type(self).__name__
        try:
            arrays = [{k: np.asarray(a, dtype=_real(p)) for k, a in s.items()}
                      for p, s in zip(self.parameters, state["state"], strict=True)]  # fmt: skip
            steps, hyper = int(state["steps"]), dict(state["hyper"])
            shapes = [{k: a.shape for k, a in s.items()} for s in arrays]
            fits = shapes == [dict.fromkeys(self.slots, p.shape) for p in self.parameters]
            fits = fits and steps >= 0 and set(hyper) == set(self.hyper)
        except (KeyError, TypeError, ValueError, AttributeError):
            fits = False
        if not fits:
            raise OptionError(
                f"{name}.load_state_dict: the state is of other parameters or another optimizer, or incomplete"
            )
        self._numbers[:-1] = self._checked_hyper(hyper)
        self._numbers[-1] = steps
        for mine, saved in zip(self._state, arrays, strict=True):
            for slot, array in zip(self.slots, mine, strict=True):
                array[...] = saved[slot].reshape(-1)

    def __repr__(self):
        numbers = ", ".join(f"{h}={v:g}" for h, v in zip(self.hyper, self._numbers[:-1], strict=True))
        return f"{type(self).__name__}({len(self.parameters)} parameters, {numbers})"


def _real(p):
    """The dtype of a parameter's optimizer state."""
    return p.dtype if p.dtype != object else np.float64


def _noted(what):
    """Note in an open log that the step does what its rows would not repeat."""
    if current.log is not None:
        current.log.fail(f"the step {what}")


def _number_property(i, name, number):
    def read(self):
        _noted(f"reads the optimizer's {name}")
        return float(self._numbers[i])

    def write(self, value):
        _noted(f"sets the optimizer's {name}: set it between the steps, where it is read anew")
        self._numbers[i] = number.checked(type(self).__name__, name, value)

    return property(read, write, doc=f"{name}; may be changed at any time.")
