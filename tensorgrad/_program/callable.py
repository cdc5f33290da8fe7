"""`tg.compile`: a hand-written step, or a model for inference, as a program that is called with fresh arrays."""

import contextlib
import functools
import threading
from typing import Any

import numpy as np

from .. import kernels
from .._parameter import Parameter, changes
from .._tape import changed, no_grad
from .._tensor import Tensor
from ..errors import DTypeError, GraphError, OptionError, TensorgradError
from ..kernels import Segment, current, walk
from ..nn import Module
from .record import around, modules_in, record, traced
from .run import Program
from .structure import fingerprint, lists, same_lists
from .trace import KEPT, NotCompilable

TRIES = 2  # recordings that may fail, before a function is run eagerly for good
MOST_CALLS = 32  # recordings of one function, before it is run eagerly
FIXED = (int, float, complex, str, bytes, bool, type(None))  # arguments that are part of what is recorded


class _Call:
    """One recorded call: where its arguments go, what must still be true, and how its result is put together."""

    def __init__(self, program, log, rebuild, without=(), around=()):
        self.program, self.rebuild, self.without, self.keep = program, rebuild, without, around
        self.arguments = [program.argument(0, i) for i in range(len(program.trace.arguments))]
        self.flat = [a.reshape(log.arguments[i].shape) for i, a in enumerate(self.arguments)]
        self.outputs = [program.output(0, i) for i in range(len(program.trace.outputs))]
        self.checks = program.trace.checks
        self.limits = [(b.array.reshape(-1), low, high) for b, low, high in program.trace.limits]
        self.segment: Segment = program.segments()[0]
        self.plan = np.array(self.segment(1), np.int64)
        self.address = self.plan.ctypes.data
        self.touched = program.trace.touched
        self.tensors = list(log.touched.values())
        self.graded, self.cleared_first = [t for t in self.tensors if id(t) in log.graded], log.cleared_first
        seen = [m for root in modules_in(around) for _, m in root.named_modules()]
        self.modules = list({id(m): m for m in [*log.modules.values(), *seen]}.values())
        self.lists = lists(self.modules)
        self.made_for, self.version = self.now(), changes.count

    def now(self):
        return fingerprint(self.modules, self.tensors, self.without)

    def holds(self):
        """Whether models are still as they were recorded."""
        if self.version != changes.count:
            if self.now() != self.made_for:
                return False
            self.version = changes.count
        return not self.lists or same_lists(self.lists)

    def run(self, arrays):
        """Run the program on these arrays; False if it cannot take their numbers, or gradients that are there already."""
        for tensor in self.graded:
            if tensor.grad is not None:
                if id(tensor) not in self.cleared_first:
                    return False
                tensor.grad = None
        for mine, a in zip(self.flat, arrays):  # noqa: B905
            mine[...] = a
        for array, low, high in self.limits:
            if kernels.outside(array, low, high):
                return False
        try:
            for array, check in self.checks:
                check(array)
        except TensorgradError:
            return False
        if walk(self.address, 1) != 1:
            raise AssertionError("a row of the program went out of its bounds; please report this")
        if self.touched:
            changed(self.touched)
        return True


class CompiledStep:
    """A function that was given to `compile`; call it like the function. `reason` says why it runs eagerly, if it does."""

    def __init__(self, function, verify=0):
        functools.update_wrapper(self, function)
        self.function, self.verify = function, verify
        self.reason, self.tries, self.count = "", 0, 0
        self.calls: dict = {}
        self.lock = threading.RLock()

    def __call__(self, *args, **named):
        if current.log is not None:  # inside a step that is recorded, this is a part of it
            return self.function(*args, **named)
        with self.lock:
            self.count += 1
            key, arrays = (None, []) if self.tries >= TRIES else self._key(args, named)
            if key is None:
                return self.function(*args, **named)
            call = self.calls.get(key)
            if call is None or not call.holds():
                return self._record(key, arrays, args, named)
            if self.verify and self.count % self.verify == 0:
                return self._verified(call, arrays, args, named)
            if not call.run(arrays):
                return self.function(*args, **named)  # which says what is wrong with the indices
            self.reason = ""
            return call.rebuild(call.outputs)

    def __get__(self, instance, owner=None):
        return self if instance is None else functools.partial(self, instance)  # a method

    def _key(self, args, named):
        """What a recording depends on (None if it cannot be), and the arrays that are given to it anew in each call."""
        key: list = []
        arrays: list = []
        for a in (*args, *named.values()) if named else args:
            if type(a) is Tensor:
                if a.requires_grad:
                    self.reason = "an argument is a Tensor that requires a gradient; pass arrays"
                    return None, []
                a = a._array
            if (
                isinstance(a, np.ndarray | np.generic)
                and not isinstance(a, np.ma.MaskedArray)
                and a.dtype.kind in "fiub"
            ):
                key.append((a.shape, a.dtype))
                arrays.append(a)
            elif isinstance(a, FIXED):
                key.append((type(a), repr(a)))
            elif not isinstance(a, list | tuple | dict | set | np.ndarray | np.generic):
                key.append(id(a))  # a recording keeps it alive
            else:
                self.reason = f"an argument is a {type(a).__name__}; pass arrays, numbers or models"
                return None, []
        return (*key, *named), arrays

    def _record(self, key, arrays, args, named):
        """Run the function once, for real, and make a program of what it did."""
        if len(self.calls) >= MOST_CALLS and key not in self.calls:
            self.reason, self.tries = (
                f"more than {MOST_CALLS} kinds of calls: pass changing numbers as arrays, np.array(0.1)",
                TRIES,
            )
            return self.function(*args, **named)
        seen = [*around(self.function), *args, *named.values()]
        single = {m.dtype for m in modules_in(seen)} == {np.dtype(np.float32)}
        for cast in dict.fromkeys((single, True)):  # double precision is taken as single if the step works with that
            fresh = [_argument(a, cast) for a in arrays]
            try:
                result, log = record(functools.partial(self._on_tensors, args, named), fresh)
            except NotCompilable as reason:
                if not cast and isinstance(reason.__cause__, DTypeError):
                    continue
                self.reason, self.tries = str(reason), self.tries + 1
                return self.function(*args, **named)
            break
        try:
            tensors: list = []
            rebuild = _rebuilder(result, tensors)
            trace = traced(log, tensors)
            self.calls[key] = _Call(Program(trace), log, rebuild, around=seen)
            self.reason, self.tries = "", 0
            for tensor in log.touched.values():
                if id(tensor) in log.cleared:
                    tensor.grad = None
        except NotCompilable as reason:
            self.reason, self.tries = str(reason), self.tries + 1
        except MemoryError:
            self.reason, self.tries = "there is not enough memory for a program", TRIES
        return _detached(result)

    def _on_tensors(self, args, named, *tensors):
        """Call the function with Tensors in place of arrays."""
        given = iter(tensors)
        args = [next(given) if _is_array(a) else a for a in args]
        return self.function(*args, **{k: next(given) if _is_array(a) else a for k, a in named.items()})

    def _verified(self, call, arrays, args, named):
        """Run the program and the function from the same state, compare, and go on with what the function did."""
        kept = {o.buffer for row in call.program.trace.rows for o in row.writes if o.buffer.kind == KEPT}
        before = {b: b.array.copy() for b in kept}
        if not call.run(arrays):
            return self.function(*args, **named)
        mine = [a.copy() for a in call.outputs]
        after = {b: b.array.copy() for b in kept}
        for b in kept:
            b.array[...] = before[b]
        result = self.function(*args, **named)
        for tensor in call.graded:
            tensor.grad = None
        tensors: list = []
        _rebuilder(result, tensors)
        theirs = [t._array if isinstance(t, Tensor) else t for t in tensors]
        pairs = [*zip(mine, theirs, strict=False), *((after[b], b.array) for b in kept)]
        if len(mine) != len(theirs) or not all(_close(a, b) for a, b in pairs):
            raise GraphError(
                "compile: verify found that the program and the function differ: the function depends on something that was "
                "fixed when it was recorded, such as a Python number or random draws inside it; pass that as an array argument"
            )
        return result


class CompiledModel:
    """A model for inference: `compiled(x)` is `model(x)` in evaluation, as an array."""

    def __init__(self, model, patient=False):
        self.model, self.patient = model, patient  # a patient one records a shape when it comes a second time
        self.reason = ""
        self.calls: dict = {}
        self.seen: set = set()
        self.lock = threading.RLock()
        self.last: Any = (None, None, None)

    def __call__(self, x):
        if current.log is not None:
            current.log.fail("a compiled model was called in the step: call the model itself")
            return self._eagerly(x)
        shape, dtype, call = self.last
        if (
            type(x) is np.ndarray
            and x.shape == shape
            and x.dtype is dtype
            and call.version == changes.count
            and not call.lists
        ):
            with self.lock:
                if call.run((x,)):
                    return call.outputs[0].copy()
        return self._slowly(x)

    def _slowly(self, x):
        x = np.asarray(x._array if isinstance(x, Tensor) else x)
        key = (x.shape, x.dtype)
        with self.lock:
            call = self.calls.get(key)
            if self.reason or call is None or not call.holds():
                if self.reason or (self.patient and key not in self.seen):
                    self.seen.add(key)
                    return self._eagerly(x)
                return self._record(key, x)
            self.last = (*key, call) if len(call.outputs) == 1 and call.rebuild is _only else (None, None, None)
            if not call.run((x,)):
                return self._eagerly(x)
            return call.rebuild(call.outputs)

    def _eagerly(self, x):
        with evaluating(self.model):
            return _numbers(self.model(x))

    def _record(self, key, x):
        if any(m._hooks for _, m in self.model.named_modules()):  # which a recording that fails would call, too
            return self._eagerly(x)
        argument = np.array(x, self.model.dtype) if x.dtype.kind == "f" else _argument(x, False)
        try:
            with evaluating(self.model):
                result, log = record(self.model, [argument])
            tensors: list = []
            rebuild = _rebuilder(result, tensors)
            rebuild = _only if isinstance(result, Tensor) else functools.partial(_as_numbers, rebuild)
            if len(self.calls) >= MOST_CALLS:
                self.calls.clear()
            self.calls[key] = _Call(
                Program(traced(log, tensors)), log, rebuild, without=("training",), around=[self.model]
            )
        except (NotCompilable, MemoryError) as reason:
            outputs = self._eagerly(x)  # which raises if the input is to blame
            self.reason = str(reason)
            return outputs
        return _numbers(result)


def compile(step_or_model, verify=0):
    """A step of your own, or a model for inference, as a program: called with fresh arrays, without Python in between.

    A step is any function that trains or computes with ops, on as many models as you like, `optimizer.step()` inside. Its
    first call with arrays of certain shapes runs eagerly and is recorded; array arguments become Tensors meanwhile. Later
    calls run the recorded kernels on the arrays given: the same numbers. It is recorded anew when a model's structure or
    settings change. Learning rates are read at each call. All other Python state is fixed when it is recorded, numbers
    among the arguments are part of what is recorded, and after a compiled step gradients are None. Where a step cannot be
    recorded, as it asks a Tensor for its number, say, it runs eagerly and `.reason` says why.

    `verify=n` runs every nth call eagerly as well and raises GraphError where the two differ. A model is compiled for
    inference, in evaluation: arrays in, arrays out.

    >>> import tensorgrad as tg
    >>> from tensorgrad import nn, optim
    >>> model = nn.Sequential(nn.Dense(2, 8), nn.ReLU(), nn.Dense(8, 1), rng=0)
    >>> optimizer = optim.Adam(model.parameters(), lr=0.01)
    >>> @tg.compile
    ... def step(x, y):
    ...     optimizer.zero_grad()
    ...     loss = ((model(x) - y) ** 2).mean()
    ...     loss.backward()
    ...     optimizer.step()
    ...     return loss
    >>> X = np.linspace(-1, 1, 20).reshape(10, 2)
    >>> losses = [step(X, X[:, :1] * X[:, 1:]).item() for _ in range(100)]
    >>> losses[-1] < losses[0] and step.reason == ""
    True
    >>> tg.compile(model)(X).shape
    (10, 1)
    """
    if isinstance(verify, bool) or not isinstance(verify, int) or verify < 0:
        raise OptionError(f"compile: verify must be a whole number of at least 0, got {verify!r}")
    if isinstance(step_or_model, Module):
        return CompiledModel(step_or_model)
    if callable(step_or_model) and not isinstance(step_or_model, type):
        return CompiledStep(step_or_model, verify)
    raise OptionError(f"compile: expected a function or a model, got {step_or_model!r}")


@contextlib.contextmanager
def evaluating(model):
    """The model switched to evaluation, nothing recorded on the tape; afterwards each module is as it was."""
    training = [m for _, m in model.named_modules() if m.training]
    for m in training:
        m.switch(False)
    try:
        with no_grad():
            yield
    finally:
        for m in training:
            m.switch(True)


# ---- arguments and results --------------------------------------------------------------------------------------------
def _argument(a, single):
    """A copy of an array argument in the dtype that programs take it in; with `single`, never double precision."""
    if a.dtype.kind in "iu":
        return np.array(a, np.int64)
    if a.dtype.kind not in "fb":
        raise DTypeError(f"compile: an argument has dtype {a.dtype}; expected numbers")
    dtype = np.float32 if a.dtype.kind == "f" and (single or a.dtype.itemsize < 4) else a.dtype
    return np.array(a, dtype, order="C")


def _is_array(a):
    return isinstance(a, Tensor | np.ndarray | np.generic)


def _rebuilder(result, tensors):
    """A function that puts a result together from the arrays of its tensors, which are added to `tensors`."""
    if isinstance(result, Parameter | np.generic):
        result = result.value if isinstance(result, Parameter) else np.asarray(result)
    if isinstance(result, Tensor | np.ndarray):
        at = len(tensors)
        tensors.append(result)
        if isinstance(result, Tensor):
            return lambda arrays: Tensor(arrays[at].copy())
        return lambda arrays: arrays[at].copy()
    if isinstance(result, tuple | list):
        parts = [_rebuilder(r, tensors) for r in result]
        make: Any = type(result) if type(result) in (tuple, list) else getattr(type(result), "_make", tuple)
        return lambda arrays: make([part(arrays) for part in parts])
    if isinstance(result, dict):
        items = {k: _rebuilder(r, tensors) for k, r in result.items()}
        return lambda arrays: {k: part(arrays) for k, part in items.items()}
    if isinstance(result, FIXED):
        return lambda arrays: result
    raise NotCompilable(f"the step returns a {type(result).__name__}; return Tensors, arrays or numbers")


def _only(outputs):
    return outputs[0].copy()


def _as_numbers(rebuild, outputs):
    return _numbers(rebuild(outputs))


def _numbers(result):
    """A result with arrays in place of Tensors."""
    if isinstance(result, Tensor):
        return result._array
    if isinstance(result, tuple | list):
        return type(result)(_numbers(r) for r in result)
    if isinstance(result, dict):
        return {k: _numbers(r) for k, r in result.items()}
    return np.asarray(result) if isinstance(result, np.ndarray) else result


def _detached(result):
    """What a recorded call gives back: as later calls do, without a graph."""
    try:
        tensors: list = []
        rebuild = _rebuilder(result, tensors)
    except NotCompilable:
        return result
    return rebuild([np.asarray(t._array if isinstance(t, Tensor) else t) for t in tensors])


def _close(a, b):
    """Whether two arrays agree to a few digits less than their precision."""
    single = a.dtype == np.float32
    return a.shape == b.shape and np.allclose(
        a, b, rtol=1e-4 if single else 1e-9, atol=1e-6 if single else 1e-12, equal_nan=True
    )
