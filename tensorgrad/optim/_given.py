"""What an optimizer is given: options by position and by name, parameters, groups of them."""

import inspect
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from .._parameter import Parameter
from ..errors import OptionError
from ._group import nearest
from ._numbers import Flag, Limit, Number

COMMON = {"weight_decay": Number(0.0), "decoupled": Flag(False), "clip_value": Limit()}  # each group may have its own
WHOLE = {"clip_norm": None, "ema": None, "accumulate": 1}  # of the optimizer as a whole
EMA_RATE = Number(0.0, below=1)


def signature(cls):
    """That of an optimizer: the numbers of its own, then by name those that all have."""
    P = inspect.Parameter
    found: dict = {}
    for name, kind in cls.options.items():
        option, part, _ = kind.called.partition("[")
        found[option if part else name] = (*found.get(option, ()), kind.default) if part else kind.default
    parameters = [P("parameters", P.POSITIONAL_OR_KEYWORD)]
    for name, default in (found | WHOLE).items():
        by_name_only = name in COMMON or name in WHOLE
        parameters.append(P(name, P.KEYWORD_ONLY if by_name_only else P.POSITIONAL_OR_KEYWORD, default=default))
    return inspect.Signature(parameters)


def _known(cls):
    return [name for name in cls.__signature__.parameters if name != "parameters"]


def by_name(cls, positional, options):
    """All options by name; OptionError for one that is unknown, or given twice."""
    name, given = cls.__name__, dict(options)
    places = [option for option in _known(cls) if option not in COMMON and option not in WHOLE]
    if len(positional) > len(places):
        raise OptionError(f"{name}: only {', '.join(places)} may be given by position; name the others")
    for option, value in zip(places, positional, strict=False):
        if option in given:
            raise OptionError(f"{name}: {option} is given twice, by position and by name")
        given[option] = value
    for option in given:
        _check_known(cls, option, _known(cls), f"unknown option {option!r}")
    return given


def _check_known(cls, option, known, what):
    if option in cls.elsewhere:
        raise OptionError(f"{cls.__name__}: {what}; {cls.elsewhere[option]}")
    if option not in known:
        raise OptionError(f"{cls.__name__}: {what}{nearest(option, known)}")


def check_attribute(cls, name):
    """Raise OptionError for an attribute that nobody has, where an option of another name seems to be meant."""
    meant = (
        "lr" if name == "learning_rate" else next(iter(get_close_matches(name, _known(cls), n=1, cutoff=0.75)), None)
    )
    if name in cls.elsewhere or meant is not None:
        hint = cls.elsewhere.get(name, f"did you mean {meant!r}?")
        raise OptionError(f"{cls.__name__}: there is no attribute {name!r} to set; {hint}")


def checked_options(cls, given):
    """{name: number} of options, those in several parts, such as betas, taken apart."""
    name, found = cls.__name__, {}
    for option, value in given.items():
        parts = [k for k, kind in cls.options.items() if kind.called.startswith(f"{option}[")]
        if parts and (not isinstance(value, tuple | list) or len(value) != len(parts)):
            raise OptionError(f"{name}: {option} must be two numbers, got {value!r}")
        for part, v in zip(parts or [option], value if parts else [value], strict=True):
            found[part] = cls.options[part].checked(name, part, v)
    return found


def checked_groups(cls, given):
    """[(parameters, {name: number of their own})] of a list of parameters or of groups."""
    name, given = cls.__name__, _listed(cls.__name__, given)
    if not any(isinstance(group, Mapping) for group in given):
        return [(_checked_parameters(name, given), {})]
    groups = []
    for i, group in enumerate(given):
        if not isinstance(group, Mapping) or "params" not in group:
            raise OptionError(f"{name}: group {i} must be a dict with 'params' and options, got {group!r}")
        for option in group:
            if option in WHOLE:
                raise OptionError(
                    f"{name}: {option} is of the whole optimizer; give it beside the groups, not in group {i}"
                )
            _check_known(
                cls,
                option,
                ["params", *(k for k in _known(cls) if k not in WHOLE)],
                f"group {i} has an unknown option {option!r}",
            )
        parameters = [group["params"]] if isinstance(group["params"], Parameter) else group["params"]
        if not isinstance(parameters, Iterable):
            raise OptionError(f"{name}: the params of group {i} must be a list of parameters, got {parameters!r}")
        own = {k: v for k, v in group.items() if k != "params"}
        groups.append((_checked_parameters(name, parameters, f" of group {i}"), checked_options(cls, own)))
    _refuse_twice(name, [p for parameters, _ in groups for p in parameters])
    return groups


def checked_parameters(owner, given):
    """A list of parameters; OptionError for anything else."""
    return _checked_parameters(owner, _listed(owner, given))


def _listed(name, given):
    if not isinstance(given, Iterable) or isinstance(given, Parameter | Mapping | str) or hasattr(given, "parameters"):
        raise OptionError(f"{name}: expected a list of parameters, such as model.parameters(), got {given!r}")
    return list(given)


def _checked_parameters(name, parameters, where=""):
    parameters = list(parameters)
    if not parameters:
        raise OptionError(
            f"{name}: the list of parameters{where} is empty; there is nothing to train. Weights of your own "
            "must be tg.Parameter"
        )
    for i, p in enumerate(parameters):
        if not isinstance(p, Parameter):
            raise OptionError(f"{name}: parameter {i}{where} is a {type(p).__name__}, expected a tensorgrad.Parameter")
    _refuse_twice(name, parameters)
    return parameters


def _refuse_twice(name, parameters):
    if len({id(p) for p in parameters}) != len(parameters):
        raise OptionError(f"{name}: a parameter is in the list twice; it would count twice in each step")
