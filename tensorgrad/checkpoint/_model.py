"""tg.save and tg.load: a model with all its numbers as one file."""

import numpy as np

from .._file import checked_path, read, write
from .._parameter import Parameter
from .._tensor import FLOATS
from ..errors import CheckpointError, DTypeError, OptionError, TensorgradError
from ..nn import Module
from ._architecture import described, rebuilt
from ._format import decoded, encoded

SUFFIX = ".safetensors"
_KEPT = [
    np.dtype(kind) for kind in ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?"]
]  # in a file


def save(model, path):
    """Write a model to a file of safetensors, whose name ends in .safetensors, and return the path.

    The file has every parameter and buffer of `state_dict()` under its name and in its dtype (float32 or float64; numbers of
    the scalar engine as float64), and as JSON: the classes of the modules and their options, which parameters are shared,
    which are frozen, penalties, training or evaluation, and the engine. Hooks, gradients and optimizers are not in it.
    A file that is there is replaced once the new one is on the disk as a whole: whenever the process dies, the path has
    the old file or the new one (and there may be one beside it whose name ends in .unfinished, to be deleted).

    A class of your own, or a function (`nn.Lambda`), is saved by its name and its numbers; `tg.load` then fills a model
    that you make (`into=`).

    Raises OptionError for something else than a model, or another suffix; DTypeError for numbers that are no floats,
    Fractions say; FileError where the file cannot be written.

    >>> import tempfile
    >>> import tensorgrad as tg
    >>> from tensorgrad import nn
    >>> model = nn.Sequential(nn.Dense(2, 16), nn.ReLU(), nn.Dense(16, 3), rng=0)
    >>> path = tg.save(model, tempfile.mkdtemp() + "/model.safetensors")
    >>> tg.load(path)
    Sequential(
      (0) Dense(2, 16)
      (1) ReLU()
      (2) Dense(16, 3)
    )
    """
    from .. import __version__

    if not isinstance(model, Module):
        hint = "; numbers by name are saved by np.savez(path, **numbers)" if isinstance(model, dict) else ""
        raise OptionError(f"save: expected a model (nn.Module), got {_kind(model)}{hint}")
    path = checked_path("save", path)
    if path.suffix.lower() != SUFFIX:
        raise OptionError(f"save: expected a path that ends in {SUFFIX}, got {str(path)!r}")
    description = {
        "version": __version__,
        "engine": model.engine,
        "frozen": [name for name, p in model.named_parameters() if not p.requires_grad],
        "modules": described(model),
    }
    write("save", path, encoded(_numbers(model), description))
    return path


def load(path, into=None):
    """Read a model that `save` wrote, and return it: made again from layers of `nn`, or filled into a model of yours.

    Without `into` the model is what was saved: classes, options, numbers, shared and frozen parameters, penalties, training
    or evaluation, engine. Nothing in the file is run, and sizes that it asks for are held against its arrays first.

    `into` is a model that has parameters and buffers of the same names and shapes, all of which are copied; it keeps its own
    engine and dtype, which must hold the numbers exactly: float32 goes into float64, and float64 into float32 is refused.
    Nothing of it changes unless everything fits.

    Raises CheckpointError for a file that is damaged, truncated, newer or not written by `save` (a checksum covers every
    byte), for a model that tg.load cannot make, and with all names that are missing, unknown or misshapen for an `into` that
    does not fit; FileError for a path that cannot be read; OptionError for an `into` that is no model.

    >>> import tempfile
    >>> import tensorgrad as tg
    >>> from tensorgrad import nn
    >>> path = tg.save(nn.Sequential(nn.Dense(2, 3), rng=0), tempfile.mkdtemp() + "/model.safetensors")
    >>> mine = tg.load(path, into=nn.Sequential(nn.Dense(2, 3, dtype="float64")))
    >>> mine[0].weight
    Parameter(shape=(2, 3), dtype=float64)
    >>> tg.load(path, into=nn.Sequential(nn.Dense(2, 4), nn.Dense(4, 1)))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    tensorgrad.errors.CheckpointError: load: '...' does not fit into this Sequential: missing 1.weight; ...
    """
    path = checked_path("load", path)
    if into is not None and not isinstance(into, Module):
        hint = f"; make one: into={into.__name__}(...)" if isinstance(into, type) else ""
        raise OptionError(f"load: into must be a model (nn.Module), got {_kind(into)}{hint}")
    what = f"load: {str(path)!r}"
    arrays, description = decoded(what, read("load", path))
    return _new(what, arrays, description) if into is None else _filled(what, arrays, into)


def _kind(x):
    return f"the class {x.__name__}" if isinstance(x, type) else type(x).__name__


def _numbers(model):
    """{name: array in C order} of all numbers of a model."""
    named = [*model.named_parameters(), *model.named_buffers()]
    arrays = {name: np.asarray(x.data if isinstance(x, Parameter) else x) for name, x in named}
    if len(arrays) < len(named) or "__metadata__" in arrays:
        names = [name for name, _ in named]
        twice = next((name for name in names if names.count(name) > 1), "__metadata__")
        raise OptionError(f"save: {twice!r} cannot be the name of one array in the file; rename the attribute")
    for name, array in arrays.items():
        if array.dtype.newbyteorder("=") not in _KEPT:
            of = f"numbers of type {type(array.flat[0]).__name__}" if array.dtype == object else f"dtype {array.dtype}"
            hint = '; model.to("tensor") has float64' if array.dtype == object else ""
            raise DTypeError(f"save: {name} has {of}, and a file holds floats, whole numbers and booleans{hint}")
    return {name: np.array(array, array.dtype.newbyteorder("<"), order="C") for name, array in arrays.items()}


def _new(what, arrays, description):
    """The model of a file."""
    engine, frozen = description.get("engine"), description.get("frozen")
    if engine not in ("tensor", "scalar") or not isinstance(frozen, list):
        raise CheckpointError(f"{what} describes no model: engine {engine!r}, frozen {frozen!r}")
    made: dict = {}

    def parameter(name):
        if name not in made:
            numbers = arrays[name]
            if engine == "scalar":
                from microgrid import grid

                numbers = np.asarray(grid(numbers), object)
            made[name] = Parameter(numbers, name not in frozen)
        return made[name]

    return rebuilt(what, description.get("modules"), arrays, parameter)


def _filled(what, arrays, model):
    """A model with the numbers of a file; CheckpointError, and nothing changed, unless they fit."""
    mine = dict(model.named_parameters()) | dict(model.named_buffers())
    problems = [f"missing {name}" for name in mine if name not in arrays]
    problems += [f"unknown {name}" for name in arrays if name not in mine]
    for name, x in mine.items():
        if name in arrays and (problem := _problem(arrays[name], x)):
            problems.append(f"{name} has {problem}")
    try:
        if not problems:
            return model.load_state_dict(arrays)
    except TensorgradError as error:
        problems = [str(error)]
    raise CheckpointError(f"{what} does not fit into this {type(model).__name__}: {'; '.join(problems)}")


def _problem(numbers, x):
    """What keeps numbers of a file from standing in a parameter or buffer; "" if nothing does."""
    if numbers.shape != x.shape:
        return f"shape {numbers.shape} in the file, and {x.shape} in the model"
    if x.dtype == object:
        return 'no floats in the model: fill one of floats, then model.to("scalar", number=...)'
    if not np.can_cast(numbers.dtype, x.dtype):
        rounds = f"dtype {numbers.dtype} in the file, which {x.dtype} would round"
        if numbers.dtype not in FLOATS or x.dtype not in FLOATS:
            return rounds
        return f"{rounds}: fill model.astype({str(numbers.dtype)!r}), and take .astype({str(x.dtype)!r}) of that"
    return ""
