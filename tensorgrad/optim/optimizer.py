"""Optimizer: what SGD, Adam and your own share. An optimizer sees parameters only as `.data` and `.grad`."""

import numpy as np

from .._parameter import Parameter
from ..errors import GradientError, OptionError
from ..kernels import Kernel


class Optimizer:
    """Base class. A subclass names its state arrays, its numbers, and its two forms of one update rule.

    `slots` are the arrays kept for each parameter, of its shape; `hyper` the numbers that a step reads, in order;
    `rule(p, g, *slots, *hyper, step)` the update in NumPy, the definition; `kernel` the same in one pass over memory.
    """

    slots: tuple[str, ...] = ()
    hyper: tuple[str, ...] = ()
    kernel: Kernel

    def __init__(self, parameters, **hyper):
        self.parameters = self._checked(parameters)
        self.steps = 0
        self._numbers = np.array([*(float(hyper[h]) for h in self.hyper), 0.0], dtype=np.float64)
        self._state = [tuple(np.zeros(p.shape, dtype=_real(p)) for _ in self.slots) for p in self.parameters]
        self._flat = [tuple(a.reshape(-1) for a in arrays) for arrays in self._state]  # views: the memory never moves

    def _checked(self, parameters):
        name = type(self).__name__
        if isinstance(parameters, Parameter) or hasattr(parameters, "parameters"):
            raise OptionError(f"{name}: expected a list of parameters, such as model.parameters(), got {parameters!r}")
        parameters = list(parameters)
        if not parameters:
            raise OptionError(f"{name}: the list of parameters is empty; a model without weights has nothing to train")
        for i, p in enumerate(parameters):
            if not isinstance(p, Parameter):
                raise OptionError(f"{name}: parameter {i} is a {type(p).__name__}, expected a tensorgrad.Parameter")
        if len({id(p) for p in parameters}) != len(parameters):
            raise OptionError(f"{name}: a parameter is in the list twice; it would be updated twice a step")
        return parameters

    def _option(self, option, value, low=0.0, below=float("inf")):
        """A number in [low, below), or an OptionError."""
        if not isinstance(value, int | float | np.number) or not low <= value < below:
            upper = "" if below == float("inf") else f" and below {below:g}"
            raise OptionError(
                f"{type(self).__name__}: {option} must be a number of at least {low:g}{upper}, got {value!r}"
            )
        return float(value)

    # ---- the numbers that may change while training ---------------------------------------------------------------
    @property
    def lr(self):
        """The learning rate; may be changed at any time."""
        return float(self._numbers[self.hyper.index("lr")])

    @lr.setter
    def lr(self, value):
        self._numbers[self.hyper.index("lr")] = self._option("lr", value)

    # ---- training -------------------------------------------------------------------------------------------------
    def step(self):
        """Update every parameter that is not frozen from its gradient.

        Raises GradientError if one has none: nothing is changed then.
        """
        grads = [p.grad for p in self.parameters]
        if any(g is None for g in grads):
            self._check_missing(grads)
        self.steps += 1
        self._numbers[-1] = self.steps
        for p, g, slots in zip(self.parameters, grads, self._flat):  # noqa: B905
            if g is not None:
                numbers = p.take()
                self.kernel(numbers, g.reshape(-1), *slots, self._numbers)
                p.put(numbers)

    def _check_missing(self, grads):
        """A parameter without a gradient must be a frozen one."""
        for i, (p, g) in enumerate(zip(self.parameters, grads, strict=True)):
            if g is None and p.requires_grad:
                raise GradientError(
                    f"{type(self).__name__}.step: parameter {i} of shape {p.shape} got no gradient; call loss.backward() "
                    "first, leave it out of the optimizer if the loss does not depend on it, or freeze it with "
                    "requires_grad = False"
                )

    def zero_grad(self):
        """Forget the gradients of all parameters."""
        for p in self.parameters:
            p.grad = None

    # ---- state ----------------------------------------------------------------------------------------------------
    def state_dict(self):
        """A copy of everything the optimizer remembers: its numbers, the count of steps, the arrays of each parameter."""
        return {
            "hyper": dict(zip(self.hyper, self._numbers[:-1].tolist(), strict=True)),
            "steps": self.steps,
            "state": [{k: np.array(a) for k, a in zip(self.slots, arrays, strict=True)} for arrays in self._state],
        }

    def load_state_dict(self, state):
        """Take over what `state_dict` gave; the parameters must have the same shapes in the same order."""
        shapes = [[np.shape(a) for a in s.values()] for s in state["state"]]
        mine = [[a.shape for a in arrays] for arrays in self._state]
        if shapes != mine or set(state["hyper"]) != set(self.hyper):
            raise OptionError(
                f"{type(self).__name__}.load_state_dict: the state is of other parameters or another optimizer"
            )
        self._numbers[:-1] = [state["hyper"][h] for h in self.hyper]
        self.steps = int(state["steps"])
        for arrays, saved in zip(self._state, state["state"], strict=True):
            for name, array in zip(self.slots, arrays, strict=True):
                array[...] = saved[name]

    def __repr__(self):
        numbers = ", ".join(f"{h}={v:g}" for h, v in zip(self.hyper, self._numbers[:-1], strict=True))
        return f"{type(self).__name__}({len(self.parameters)} parameters, {numbers})"


def _real(p):
    """The dtype of a parameter's optimizer state."""
    return p.dtype if p.dtype != object else np.float64
