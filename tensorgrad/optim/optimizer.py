"""Optimizer: what all optimizers share. An optimizer sees a parameter as flat numbers (`take`, `put`) and `.grad`."""

import contextlib
import inspect
from typing import Any, ClassVar

import numpy as np

from .._options import is_whole, whole
from ..errors import GradientError, OptionError
from ..kernels import current
from ..kernels.updates import ACCUMULATE, BATCHES, CLIP_NORM, EMA, NUMBERS, RATE, STEP, Prepare, Update
from ._given import COMMON, EMA_RATE, WHOLE, by_name, check_attribute, checked_groups, checked_options, signature
from ._group import Group, shown
from ._numbers import Limit, Number
from ._step import Step, take_one_by_one


class Optimizer:
    """Base class. A subclass is its arrays, its numbers, and one update rule in two pure functions.

    `slots` are the arrays kept for each parameter, of its shape, zero at first; `hyper` the numbers, `lr` first, with their
    defaults and what they may be. `constants(lr, *hyper, step)` computes once a step, in double precision, what depends on
    no element; `rule(p, g, *slots, *constants)` gives (p, *slots) for one number of each, or for NumPy arrays: kernels are
    compiled from both. Every number in the rule is a constant, so that float32 stays float32. `carried` names what goes
    from step to step: `constants` is given it after `step`, and returns it last.

    Every optimizer takes these options by name:

    - weight_decay >= 0 is added to the gradient as weight_decay p or, with `decoupled`, shrinks p by the factor
      1 - lr weight_decay before the step (Loshchilov and Hutter 2019).
    - clip_norm > 0 scales all gradients by min(1, clip_norm / (norm + 1e-6)), where norm is that of all of them together
      (Pascanu et al. 2013); clip_value > 0 then limits each number to -clip_value..clip_value.
    - ema in [0, 1) keeps averages of the weights for `averaged`: of those after step i with weights in proportion to
      ema**(t - i), so the first steps are not drawn to any start.
    - accumulate = n makes one update of n calls of `step`, with the mean of their gradients.

    Instead of parameters, groups: `[{"params": [...], "lr": 1e-4, "weight_decay": 0}, {"params": [...]}]`. An lr of a
    group keeps its ratio to the optimizer's lr, which schedules set. Raises OptionError for unknown options, for numbers
    out of range and for lists of parameters that cannot be trained.
    """

    slots: ClassVar[tuple[str, ...]] = ()
    hyper: ClassVar[dict[str, Any]] = {"lr": Number(1e-3)}
    carried: ClassVar[dict[str, float]] = {}
    elsewhere: ClassVar[dict[str, str]] = {}  # options of other libraries: what to use here
    options: ClassVar[dict[str, Any]] = {}
    constants: ClassVar[Any]
    rule: ClassVar[Any]
    kernel: ClassVar[Update]
    __signature__: ClassVar[inspect.Signature]
    lr: Any
    prepare: ClassVar[Prepare]

    def __init_subclass__(cls):
        """Make the kernels, the signature, and a property for each number: `optimizer.lr = 0.01`."""
        super().__init_subclass__()
        before: Any = cls.__mro__[1]
        name = cls.__name__.lower()
        cls.options = {k: v for k, v in cls.hyper.items() if k not in COMMON} | COMMON | cls.hyper
        if cls.rule is not getattr(before, "rule", None) or cls.slots != before.slots:
            cls.kernel = Update(f"update_{name}", cls.rule, cls.slots)
        counts = len(cls.options) - 4, cls.kernel.constants, len(cls.carried)
        if cls.constants is not getattr(before, "constants", None) or counts != before.prepare.counts:
            cls.prepare = Prepare(f"prepare_{name}", cls.constants, *counts)
        for option, kind in cls.options.items():
            setattr(cls, option, _number_property(option, kind))
            if together := kind.called.partition("[")[0]:
                setattr(cls, together, _parts_property(together))
        cls.__signature__ = signature(cls)

    def __init__(self, parameters, *positional, **options):
        name = type(self).__name__
        options = by_name(type(self), positional, options)
        whole = {option: options.pop(option, None) for option in WHOLE}
        self.defaults = {k: kind.checked(name, k, kind.default) for k, kind in self.options.items()}
        self.defaults |= checked_options(type(self), options)
        self._numbers = np.zeros(NUMBERS, np.float64)
        self._numbers[RATE] = self.defaults["lr"]
        self._set_whole(name, **whole)
        self.groups = [Group(self, ps, own) for ps, own in checked_groups(type(self), parameters)]
        for group in self.groups:
            self.check_together(group.values())
        self.parameters = [p for group in self.groups for p in group.parameters]
        self._group_of = [group for group in self.groups for _ in group.parameters]
        self._slots = (
            *self.slots,
            *(["accumulated"] if self.accumulate > 1 else []),
            *(["average"] if self._averages else []),
        )
        self._state = [{s: np.zeros(p.size, dtype=_real(p)) for s in self._slots} for p in self.parameters]  # flat
        self._shapes, self._dtypes = [p.shape for p in self.parameters], [_real(p) for p in self.parameters]
        self._tensors = all(p.engine == "tensor" for p in self.parameters)
        self._failed, self._stops = np.zeros(1, np.int64), np.zeros(1, np.int64)  # whether numbers were not finite
        self._steps: dict[bool, Step] = {}  # how to update tensors, made at the first step
        self._weights: Any = None  # while the averages are in their place

    def __setattr__(self, name, value):
        if not name.startswith("_") and name not in vars(self) and not hasattr(type(self), name):
            check_attribute(type(self), name)
        object.__setattr__(self, name, value)

    def _set_whole(self, name, clip_norm, ema, accumulate):
        accumulate = 1 if accumulate is None else whole(name, "accumulate", accumulate, least=1)
        self._clips, self._averages = clip_norm is not None, ema is not None
        self._numbers[CLIP_NORM] = Limit().checked(name, "clip_norm", clip_norm)
        self._numbers[EMA] = EMA_RATE.checked(name, "ema", ema) if self._averages else 0.0
        self._numbers[ACCUMULATE] = self._numbers[BATCHES] = accumulate

    def check_together(self, values):
        """Raise OptionError where a group's numbers do not go together; `values` are all of them by name."""

    # ---- numbers of the whole -------------------------------------------------------------------------------------
    @property
    def steps(self):
        """How many updates were made."""
        self._between_steps("reads how many steps the optimizer took")
        return int(self.groups[0].numbers[STEP])

    @property
    def accumulate(self):
        """How many calls of `step` make an update."""
        return int(self._numbers[ACCUMULATE])

    @property
    def clip_norm(self):
        """The most that the norm of all gradients may be; None for no limit."""
        return Limit().shown(self._numbers[CLIP_NORM])

    @clip_norm.setter
    def clip_norm(self, value):
        self._set_later("clip_norm", CLIP_NORM, self._clips, Limit(), value)

    @property
    def ema(self):
        """The decay of the averages of the weights; None where there are none."""
        return float(self._numbers[EMA]) if self._averages else None

    @ema.setter
    def ema(self, value):
        self._set_later("ema", EMA, self._averages, EMA_RATE, value)

    def _set_later(self, name, place, given, kind, value):
        self._between_steps(f"sets the optimizer's {name}")
        if not given or value is None:
            raise OptionError(f"{type(self).__name__}: {name} is switched on and off only where the optimizer is made")
        self._numbers[place] = kind.checked(type(self).__name__, name, value)

    def _between_steps(self, what):
        """Note in an open log that the step does what its rows would not repeat."""
        if current.log is not None:
            current.log.fail(f"the step {what}")

    # ---- training -------------------------------------------------------------------------------------------------
    def step(self):
        """Update every parameter that is not frozen from its gradient.

        Raises GradientError if one has none: nothing is changed then.
        """
        self.apply(self.gradients())

    def gradients(self):
        """The gradient of each parameter, and None for a frozen one; GradientError where one is missing."""
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
        self._check_weights()
        for g, shape, dtype in zip(grads, self._shapes, self._dtypes):  # noqa: B905
            if g is None:
                continue
            if g.shape != shape:
                raise GradientError(
                    f"{type(self).__name__}.step: a gradient of shape {g.shape} does not fit its parameter of shape {shape}"
                )
            if self._tensors and (g.dtype != dtype or not g.flags.c_contiguous):
                raise GradientError(
                    f"{type(self).__name__}.step: a gradient must be {dtype} in C order, as its parameter is, got {g.dtype} "
                    f"with strides {g.strides}; parameter.grad = ... brings it there"
                )
        if current.log is not None:
            current.log.conditions.append(self._check_weights)
        if not self._tensors or current.log is not None:
            return take_one_by_one(self, grads, finite)
        step = self._steps.get(finite)
        if step is None or not step.fits(grads):
            step = self._steps[finite] = Step(self, grads, finite)
        return step(grads)

    def _check_weights(self, _=()):
        if self._weights is not None:
            raise OptionError(
                f"{type(self).__name__}.step: the averages are in place of the weights; step after `averaged()`"
            )

    def zero_grad(self):
        """Forget the gradients of all parameters."""
        for p in self.parameters:
            p.grad = None

    @contextlib.contextmanager
    def averaged(self):
        """Inside a `with` block the parameters are the averages that `ema=` keeps; afterwards they are as they were.

        Before the first update the averages are the weights. Raises OptionError without `ema=`.

        >>> import numpy as np, tensorgrad as tg
        >>> p = tg.Parameter(np.array([0.0]))
        >>> sgd = tg.optim.SGD([p], lr=1.0, ema=0.5)
        >>> for _ in range(2):
        ...     p.grad = -np.ones(1)
        ...     sgd.step()
        >>> with sgd.averaged():
        ...     print(p.data.round(4))  # (0.5 * 1 + 1 * 2) / (0.5 + 1)
        [1.6667]
        >>> p.data
        array([2.])
        """
        self._between_steps("takes the averages of the weights")
        name = type(self).__name__
        if not self._averages:
            raise OptionError(f"{name}.averaged: there are no averages; make the optimizer with ema=0.999, say")
        if self._weights is not None:
            raise OptionError(f"{name}.averaged: the averages are in place of the weights already")
        self._weights = [np.array(p.data) for p in self.parameters]
        try:
            for p, state in zip(self.parameters, self._state, strict=True):
                if self.steps:
                    p.data = state["average"].reshape(p.shape)
            yield
        finally:
            weights, self._weights = self._weights, None
            for p, before in zip(self.parameters, weights, strict=True):
                p.data = before

    def __getstate__(self):
        """Copies make their own update calls: those of this optimizer know addresses.

        One that is made inside `averaged` trains on from the averages: no block will end that puts the weights back.
        """
        return vars(self) | {"_steps": {}, "_weights": None}

    # ---- state ----------------------------------------------------------------------------------------------------
    def state_dict(self):
        """A copy of everything the optimizer remembers: its class, its numbers, the count of steps, the arrays of each
        parameter."""
        self._between_steps("reads the optimizer's state")
        return {
            "optimizer": type(self).__name__,
            "options": {k: kind.shown(self.defaults[k]) for k, kind in self.options.items()} | {"lr": self.lr}
            | {"clip_norm": self.clip_norm, "ema": self.ema, "accumulate": self.accumulate},
            "batches": int(self._numbers[BATCHES]),
            "groups": [group.state_dict() for group in self.groups],
            "state": [
                {k: a.reshape(p.shape).copy() for k, a in arrays.items()}
                for p, arrays in zip(self.parameters, self._state, strict=True)
            ],
        }  # fmt: skip

    def load_state_dict(self, state):
        """Take over what `state_dict` gave; the parameters must have the same shapes in the same order and groups.

        Raises OptionError where it does not fit; nothing is changed then.
        """
        self._between_steps("loads a state into the optimizer")
        name = type(self).__name__
        try:
            arrays = [{k: _as_state(a, _real(p)) for k, a in s.items()}
                      for p, s in zip(self.parameters, state["state"], strict=True)]  # fmt: skip
            shapes = [{k: a.shape for k, a in s.items()} for s in arrays]
            fits = shapes == [dict.fromkeys(self._slots, p.shape) for p in self.parameters]
            options = dict(state["options"])
            together = {k: options.pop(k) for k in WHOLE}
            fits = (
                fits
                and state["optimizer"] == name
                and set(options) == set(self.options)
                and together["accumulate"] == self.accumulate
            )
            fits = fits and (together["clip_norm"] is not None, together["ema"] is not None) == (
                self._clips,
                self._averages,
            )
            batches = state["batches"]
            fits = fits and is_whole(batches, 1) and batches <= self.accumulate
            defaults = {k: kind.checked(name, k, options[k]) for k, kind in self.options.items()} if fits else {}
            groups = [g.checked_state(s) for g, s in zip(self.groups, state["groups"], strict=True)]
            numbers = [Limit().checked(name, "clip_norm", together["clip_norm"])]
            numbers += [EMA_RATE.checked(name, "ema", 0.0 if together["ema"] is None else together["ema"])]
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError) as error:
            if isinstance(error, OptionError):
                raise
            fits = False
        if not fits:
            raise OptionError(
                f"{name}.load_state_dict: the state is of other parameters or another optimizer, or incomplete"
            )
        self.defaults = defaults
        self._numbers[[RATE, CLIP_NORM, EMA, BATCHES]] = defaults["lr"], *numbers, batches
        for group, (found, own) in zip(self.groups, groups, strict=True):
            group.numbers[...], group._own = found, own
        for mine, saved in zip(self._state, arrays, strict=True):
            for slot, array in mine.items():
                array[...] = saved[slot].reshape(-1)

    def __repr__(self):
        values = {k: kind.shown(self.defaults[k]) for k, kind in self.options.items()} | {"lr": self.lr}
        whole = {"clip_norm": self.clip_norm, "ema": self.ema, "accumulate": self.accumulate}
        plain = {"decoupled": False, "clip_value": None, "clip_norm": None, "ema": None, "accumulate": 1}
        told = {k: v for k, v in (values | whole).items() if k not in plain or v != plain[k]}
        groups = f" in {len(self.groups)} groups" if len(self.groups) > 1 else ""
        return f"{type(self).__name__}({len(self.parameters)} parameters{groups}, {shown(told)})"


def _as_state(a, dtype):
    """An array of a saved state; ValueError for what are no real numbers."""
    a = np.asarray(a)
    if a.dtype.kind not in "fiub":
        raise ValueError
    return a.astype(dtype)


def _real(p):
    """The dtype of a parameter's optimizer state."""
    return p.dtype if p.dtype != object else np.float64


def _parts_property(name):
    def parts(self):
        return [k for k, kind in self.options.items() if kind.called.startswith(f"{name}[")]

    def read(self):
        return tuple(getattr(self, part) for part in parts(self))

    def write(self, value):
        for part, number in checked_options(type(self), {name: value}).items():
            setattr(self, part, number)

    return property(read, write, doc=f"{name}, all parts of it; may be changed between steps.")


def _number_property(name, kind):
    def read(self):
        self._between_steps(f"reads the optimizer's {name}")
        return kind.shown(self._numbers[RATE] if name == "lr" else self.defaults[name])

    def write(self, value):
        self._between_steps(f"sets the optimizer's {name}: set it between the steps, where it is read anew")
        number = kind.checked(type(self).__name__, name, value)
        for group in self.groups:
            self.check_together(group.values() | ({} if name in group._own else {name: value}))
        self.defaults[name] = number
        if name == "lr":
            self._numbers[RATE] = number
        for group in self.groups:
            group.take_default(name, number)

    return property(
        read, write, doc=f"{name}; may be changed between steps, for the groups that have none of their own."
    )
