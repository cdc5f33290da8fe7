"""Module: what all layers, models and losses are made of."""

import copy
from numbers import Number
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any

import numpy as np

from .._options import flag, float_dtype
from .._parameter import Parameter, changes
from .._random import generator
from .._tape import mode
from .._tensor import Tensor
from ..errors import EngineError, OptionError, choose
from ..kernels import current
from ._elsewhere import check_options, missing
from ._hooks import FORWARD, GRADIENT, Handle, call_with_hooks
from ._making import Given
from ._state import checked_state, fill
from .penalties import penalise, penalised, total

__all__ = ["Module"]


class Module:
    """A part of a model: Parameters and other Modules as attributes (or in lists), and a `forward`, (n, ...) -> (n, ...).

    >>> import tensorgrad as tg
    >>> class Scale(Module):
    ...     def __init__(self):
    ...         self.factor = tg.Parameter([2.0])
    ...
    ...     def forward(self, x):
    ...         return x * self.factor
    >>> Scale()(np.ones((1, 2), np.float32))
    tensor([[2., 2.]], op='multiply')
    """

    training = True
    _hooks: tuple = ()  # of functions that watch it
    _penalties: tuple = ()  # (name of a parameter of its own, l1, l2)
    buffers: tuple[str, ...] = ()  # attributes that are arrays which training changes, and no optimizer
    fixed: tuple[str, ...] = ()  # attributes that are arrays which nothing changes, in the dtype of the model
    unpenalised: tuple[str, ...] = ("bias",)  # parameters that `penalise` leaves out unless they are named
    exact_buffers: tuple[str, ...] = ()  # those that hold whole numbers in a dtype of their own, not the model's

    def __new__(cls, *args, **kwargs):
        check_options(cls, args, kwargs)
        make = super().__new__
        module = make(cls) if make is object.__new__ else make(cls, *args, **kwargs)
        if (args or kwargs) and cls.__module__.startswith(__package__):
            vars(module)["_given"] = Given(args, kwargs, Module)
        return module

    def forward(self, *args, **kwargs):
        """Compute the output; every subclass has its own."""
        raise NotImplementedError(f"{type(self).__name__} has no forward(self, ...)")

    def __setattr__(self, name, value):
        if name in self.buffers and name in vars(self):
            fill(f"{type(self).__name__}: {name}", vars(self)[name], value)
            return
        if isinstance(value, np.ndarray | Tensor | Number) and type(vars(self).get(name)) is Parameter:
            raise OptionError(
                f"{type(self).__name__}: {name} is a Parameter, which {type(value).__name__} would put out of training; "
                f"copy numbers into it, layer.{name}.data = ..., or give a Parameter"
            )
        if name == "training":
            self.train(value)
            return
        if name in ("requires_grad", "trainable") and isinstance(value, bool) and not hasattr(type(self), name):
            raise OptionError(
                f"{type(self).__name__}: a module has no {name} of its own; {'un' if value else ''}freeze() sets that of "
                "all its parameters"
            )
        changes.count += 1
        object.__setattr__(self, name, value)

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            """What is missing, with where to find it."""
            raise AttributeError(missing(self, name), name=name, obj=self)

    def __delattr__(self, name):
        changes.count += 1
        object.__delattr__(self, name)

    def __call__(self, *args, **kwargs):
        if current.log is not None:
            current.log.modules[id(self)] = self
            current.log.watch(vars(self).values())
        if self._hooks:
            return call_with_hooks(self, args, kwargs)
        if mode.watch is None:
            return self.forward(*args, **kwargs)
        with mode.watch.inside(self):
            return self.forward(*args, **kwargs)

    def fused_with(self, following):
        """A callable that does the work of this layer and of the following one at once, or None where there is none."""
        return None

    def check_inputs(self, X):
        """Raise an error if there are rows in this data that cannot be: `fit` asks before it trains."""

    def check_batch(self, shape):
        """Raise an error if it cannot train on an input of so few rows: `fit` asks where the last batch is smaller."""

    # ---- structure ------------------------------------------------------------------------------------------------
    def children(self):
        """(name, module) of the modules directly inside; those in a list or dict are named by its name and their key."""
        yield from ((name, value) for name, value in _members(vars(self)) if isinstance(value, Module))

    def named_modules(self):
        """(path, module) of this module (path "") and of all inside it, depth first; a shared one comes once."""
        seen, stack = set(), [("", self)]
        while stack:
            path, module = stack.pop()
            if id(module) not in seen:
                seen.add(id(module))
                yield path, module
                inside = [(f"{path}.{name}" if path else name, child) for name, child in module.children()]
                stack += reversed(inside)

    def named_parameters(self):
        """(path, Parameter) of all parameters; one that is used in several places comes once."""
        seen = set()
        for path, module in self.named_modules():
            for name, value in _members(vars(module)):
                if isinstance(value, Parameter) and id(value) not in seen:
                    seen.add(id(value))
                    yield f"{path}.{name}" if path else name, value

    def named_buffers(self):
        """(path, array) of all arrays that modules name in `buffers`: numbers that training changes, and no optimizer.

        They are plain arrays on both engines. Assigning to one copies into its memory, which stays where it is.
        """
        seen = set()
        for path, module in self.named_modules():
            for name in module.buffers:
                value = vars(module).get(name)
                if value is not None and id(value) not in seen:
                    seen.add(id(value))
                    yield f"{path}.{name}" if path else name, value

    def parameters(self):
        """All parameters, as a list."""
        return [p for _, p in self.named_parameters()]

    def own_parameters(self):
        """{name: Parameter} of the parameters that are directly in this module."""
        return {name: value for name, value in _members(vars(self)) if isinstance(value, Parameter)}

    @property
    def engine(self):
        """ "tensor" or "scalar"; a model without parameters is on the tensor engine."""
        engines = {p.engine for p in self.parameters()}
        if len(engines) > 1:
            raise EngineError(
                f"{type(self).__name__}: parts of the model are on different engines; use model.to(...) on the whole"
            )
        return engines.pop() if engines else "tensor"

    @property
    def dtype(self):
        """The dtype of the first parameter, or where there is none of the first other array of floats; else float32."""
        floats = (a.dtype for a in self._arrays_of_floats())
        return next((p.dtype for p in self.parameters()), next(floats, np.dtype(np.float32)))

    def _exact(self):
        """The ids of all exact buffers."""
        return {id(vars(m).get(name)) for _, m in self.named_modules() for name in m.exact_buffers}

    def _arrays_of_floats(self):
        """The buffers and fixed arrays in the dtype of the model."""
        exact = self._exact()
        buffers = [a for _, a in self.named_buffers() if a.dtype.kind == "f" and id(a) not in exact]
        return buffers + [vars(m)[name] for _, m in self.named_modules() for name in m.fixed if name in vars(m)]

    # ---- state ----------------------------------------------------------------------------------------------------
    def train(self, on=True):
        """Switch the whole model to training (or, with False, to evaluation), as `model.training = on` does; returns it."""
        on = flag("train", "on", on)
        for _, module in self.named_modules():
            module.switch(on)
        return self

    def switch(self, on):
        """Switch this module alone, and none inside it."""
        changes.count += 1
        object.__setattr__(self, "training", on)

    def eval(self):
        """Switch the whole model to evaluation; returns it."""
        return self.train(False)

    def freeze(self):
        """Let training leave all parameters as they are, until `unfreeze`; returns the module.

        The running statistics of a BatchNorm inside move on in training, as they are no parameters: `eval()` stops them.
        """
        for p in self.parameters():
            p.requires_grad = False
        return self

    def unfreeze(self):
        """Let training change all parameters again; returns the module."""
        for p in self.parameters():
            p.requires_grad = True
        return self

    def zero_grad(self):
        """Forget all gradients."""
        for p in self.parameters():
            p.grad = None

    def reset(self, seed):
        """Draw all initial weights anew, in order, from one generator: the same seed gives the same model."""
        rng = generator("reset", seed)
        for _, module in self.named_modules():
            module.reset_parameters(rng)
        return self

    def reset_parameters(self, rng):
        """Draw this module's own weights; layers with weights override it."""

    def state_dict(self):
        """A copy of the numbers of every parameter and buffer, by path, with the states of layers of noise among them.

        With it, `optimizer.state_dict()` and the state of the Generator that is given to `fit` as `seed` a training can be
        taken up again as if it had not been interrupted: on one thread with the same bits.
        """
        state = {name: np.array(p.data) for name, p in self.named_parameters()}
        return state | {name: a.copy() for name, a in self.named_buffers()}

    def load_state_dict(self, state):
        """Copy numbers into the parameters and buffers; nothing changes unless every name and shape fits.

        Raises ShapeError otherwise, saying what does not; `model.state_dict() | weights` completes a dictionary of weights
        alone.
        """
        mine: dict = dict(self.named_parameters()) | dict(self.named_buffers())
        state = checked_state(type(self).__name__, state, mine, self._exact())
        for name, p in mine.items():
            if isinstance(p, Parameter):
                p.data = state[name]
            else:
                p[...] = state[name]
        return self

    # ---- penalties, hooks, summary ----------------------------------------------------------------------------------
    def penalise(self, l1=0.0, l2=0.0, parameters=None):
        """Let large weights cost l1 sum(|w|) + l2 sum(w**2) in training: of every parameter inside, or of
        those of the given names ("weight", "bias"). Without names, biases and the weights of normalisations and of PReLU are
        left out. Said again it replaces what was said before;
        returns the module.

        `fit` adds `penalty()` to the loss of each step; so does a loop of your own. `evaluate` does not.
        Raises OptionError for a name that no module inside has.

        >>> from tensorgrad import nn
        >>> model = nn.Sequential(nn.Dense(2, 64).penalise(l2=5e-4).penalise(l2=1e-4, parameters="bias"), nn.ReLU())
        """
        return penalise(self, l1, l2, parameters)

    def penalty(self):
        """The sum of all penalties, a scalar to add to the loss; 0.0 where there are none. A shared parameter counts once.

        >>> from tensorgrad import nn
        >>> layer = nn.Dense(2, 1, init="zeros").penalise(l1=1.0, l2=0.5)
        >>> layer.weight.data = [[2.0], [-3.0]]
        >>> layer.penalty().item()  # |2| + |-3| + (2**2 + 3**2) / 2
        11.5
        """
        return total(penalised(self))

    def on_forward(self, function):
        """Call `function(module, inputs, output)` after each forward; what it returns, unless None, takes the output's place.

        Returns a handle: `.remove()` takes it off, as does the end of a `with` block. Steps with hooks run eagerly, and
        copies have none.

        >>> from tensorgrad import nn
        >>> model, shapes = nn.Sequential(nn.Dense(2, 3, rng=0), nn.Tanh()), []
        >>> with model[0].on_forward(lambda module, inputs, output: shapes.append(output.shape)):
        ...     y = model(np.zeros((5, 2), np.float32))
        >>> shapes
        [(5, 3)]
        """
        return Handle(self, FORWARD, function)

    def on_gradient(self, function):
        """Call `function(module, gradient)` when a backward brings the gradient of the module's output, an array; what it
        returns, unless None, goes on in its place. Returns a handle, as `on_forward` does.

        >>> from tensorgrad import nn
        >>> model, seen = nn.Sequential(nn.Dense(2, 3, rng=0), nn.Dense(3, 1, rng=0)), []
        >>> handle = model[1].on_gradient(lambda module, gradient: seen.append(gradient))
        >>> model(np.zeros((2, 2), np.float32)).sum().backward()
        >>> seen[0].tolist()
        [[1.0], [1.0]]
        >>> handle.remove()
        """
        return Handle(self, GRADIENT, function)

    def summary(self, input_shape, dtype=None):
        """A table of the layers with output shapes, parameters and floating-point operations, for rows of `input_shape`.

        Returns a Summary: print it, or read `.rows`, `.parameters`, `.trainable`, `.flops`. The model runs once, in
        evaluation, on one row of zeros; `dtype` is theirs (None: the model's, or whole numbers where it asks for them).
        See `Summary` for how operations are counted.

        >>> from tensorgrad import nn
        >>> print(nn.Sequential(nn.Dense(2, 64), nn.ReLU(), nn.Dense(64, 3)).summary((2,)))
        layer             output   parameters  FLOPs
        (0) Dense(2, 64)  (n, 64)         192    256
        (1) ReLU()        (n, 64)           0     64
        (2) Dense(64, 3)  (n, 3)          195    384
        total                             387    704
        """
        from .summary import summarise

        return summarise(self, input_shape, dtype)

    # ---- conversion -----------------------------------------------------------------------------------------------
    def to(self, engine, number=float):
        """A copy of the model on the other engine: "scalar" (microgrid Values) or "tensor".

        number is the number type of the scalar engine: float, fractions.Fraction or an mpmath context's mpf.
        Coming back from Values gives float64.
        """
        choose("to", "engine", engine, {"scalar": 0, "tensor": 0})

        def convert(p):
            if engine == "tensor":
                return Parameter(np.array(p.data, p.dtype if p.dtype != object else np.float64), p.requires_grad)
            from microgrid import grid

            return Parameter(np.asarray(grid(p.data, number=number)), p.requires_grad)

        return self._copy(convert, lambda a: a.astype(np.float64))

    def astype(self, dtype):
        """A copy of the model in "float32" or "float64", on the tensor engine."""
        dtype = float_dtype("astype", dtype)
        if self.engine == "scalar":
            raise EngineError('astype: the scalar engine computes with Python numbers; use model.to("tensor") first')
        return self._copy(lambda p: Parameter(p.data.astype(dtype), p.requires_grad), lambda a: a.astype(dtype))

    def _copy(self, convert, convert_buffer):
        """A deep copy in which every Parameter and buffer of floats is converted, each once: shared ones stay shared."""
        made: dict = {id(p): convert(p) for p in self.parameters()}
        made |= {id(a): convert_buffer(a) for a in self._arrays_of_floats()}
        return copy.deepcopy(self, made)

    def __getstate__(self):
        """Copies, also by pickle, have no hooks."""
        state: Any = object.__getstate__(self)  # the attributes; with slots a pair of those and what is in the slots
        own = state[0] if isinstance(state, tuple) else state
        if own and "_hooks" in own:
            own = {name: value for name, value in own.items() if name != "_hooks"}
            state = (own, *state[1:]) if isinstance(state, tuple) else own
        return state

    @recursive_repr("...")
    def __repr__(self):
        """The class, with what is directly inside it, line by line."""
        inside = [*self.children(), *self.own_parameters().items()]
        lines = [f"({name}) {value!r}".replace("\n", "\n  ") for name, value in inside]
        return "\n  ".join([f"{type(self).__name__}(", *lines]) + ("\n)" if lines else ")")


def _members(attributes):
    """(name, value) of attributes, and of what is in their lists, tuples and dicts."""
    for name, value in attributes.items():
        if isinstance(value, list | tuple):
            yield from _members({f"{name}.{i}": v for i, v in enumerate(value)})
        elif isinstance(value, dict):
            yield from _members({f"{name}.{k}": v for k, v in value.items()})
        else:
            yield name, value
