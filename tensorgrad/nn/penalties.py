"""Penalties on large weights, which training adds to the loss."""

from .. import ops
from .._options import number
from .._parameter import Parameter
from ..errors import OptionError


def penalise(model, l1, l2, parameters):
    """What `Module.penalise` does."""
    l1, l2 = number("penalise", "l1", l1, 0), number("penalise", "l2", l2, 0)
    wanted = None if parameters is None else [parameters] if isinstance(parameters, str) else list(parameters)
    found: set = set()
    for _, module in model.named_modules():
        mine = [n for n in module.own_parameters() if (n not in module.unpenalised if wanted is None else n in wanted)]
        found.update(mine)
        if mine:
            others = [entry for entry in module._penalties if entry[0] not in mine]
            new = [(name, l1, l2) for name in mine] if l1 or l2 else []
            module._penalties = (*others, *new)
    missing = sorted(set(wanted or ()) - found)
    if missing or not found:
        known = ", ".join(dict.fromkeys(n for _, m in model.named_modules() for n in m.own_parameters()))
        what = f"no parameter {missing[0]!r}" if missing else "no parameter to penalise"
        raise OptionError(f"penalise: {type(model).__name__} has {what} (it has: {known or 'none'})")
    return model


def penalised(model):
    """(parameter, l1, l2) of all that cost; a shared parameter costs once."""
    found: dict = {}
    for _, module in model.named_modules():
        if module._penalties:
            mine = module.own_parameters()
            for name, l1, l2 in module._penalties:
                if isinstance(mine.get(name), Parameter):
                    found.setdefault(id(mine[name]), (mine[name], l1, l2))
    return list(found.values())


def total(entries):
    """The sum of the penalties, a scalar of the model's engine; 0.0 if there are none."""
    terms = [ops.elastic_net(p, l1=l1, l2=l2) for p, l1, l2 in entries]
    return sum(terms[1:], terms[0]) if terms else 0.0
