"""Groups of parameters: numbers of their own for some of an optimizer's parameters."""

from difflib import get_close_matches

import numpy as np

from .._options import is_real, is_whole
from ..errors import OptionError
from ..kernels.updates import BASE_RATE, CLIP_VALUE, DECOUPLED, FIRST_OPTION, OWN_RATE, STEP, WEIGHT_DECAY

PLACES = {"lr": OWN_RATE, "weight_decay": WEIGHT_DECAY, "decoupled": DECOUPLED, "clip_value": CLIP_VALUE}


class Group:
    """Some of an optimizer's parameters; `group["weight_decay"]` reads a number and sets it, between steps.

    An lr of its own keeps its ratio to the optimizer's lr as it was when the own one was set.

    >>> import numpy as np, tensorgrad as tg
    >>> w, b = tg.Parameter(np.ones((2, 2))), tg.Parameter(np.ones(2))
    >>> adam = tg.optim.Adam([{"params": [w], "weight_decay": 0.1}, {"params": [b], "lr": 0.01}], lr=0.1)
    >>> adam.lr = 0.2
    >>> adam.groups[1]["lr"], adam.groups[0]["weight_decay"]
    (0.02, 0.1)
    """

    def __init__(self, optimizer, parameters, own):
        self._optimizer, self.parameters, self._own = optimizer, parameters, set(own)
        others = [name for name in optimizer.options if name not in PLACES]
        self._places = PLACES | {name: FIRST_OPTION + i for i, name in enumerate(others)}
        self.numbers = np.array([0.0] * (FIRST_OPTION + len(others)) + list(optimizer.carried.values()), np.float64)
        self.constants = np.zeros(optimizer.kernel.constants, np.float64)
        self.numbers[OWN_RATE] = self.numbers[BASE_RATE] = 1.0
        for name, number in (optimizer.defaults | own).items():
            if name != "lr" or name in own:
                self.set(name, number)

    def number(self, name):
        """A number as the kernels read it; of lr, what it is now."""
        found = float(self.numbers[self._places[name]])
        return found * (self._optimizer.lr / self.numbers[BASE_RATE]) if name == "lr" else found

    def set(self, name, number):
        """Set a number that has been checked."""
        if name == "lr":
            base = self._optimizer.lr
            if not base > 0:
                raise OptionError(
                    f"{self._owner}: a group's lr keeps its ratio to the optimizer's, which is {base:g}; set that above 0 first"
                )
            self.numbers[BASE_RATE] = base
        self.numbers[self._places[name]] = number

    def take_default(self, name, number):
        """Follow the optimizer's number, unless it has been given one of its own."""
        if name not in self._own and name != "lr":
            self.set(name, number)

    def __getitem__(self, name):
        self._optimizer._between_steps(f"reads a group's {name}")
        return self._kind(name).shown(self.number(name))

    def __setitem__(self, name, value):
        number = self._kind(name).checked(self._owner, name, value)
        self._optimizer._between_steps(f"sets a group's {name}")
        self._optimizer.check_together(self.values() | {name: value})
        self.set(name, number)
        self._own.add(name)

    def values(self):
        """{name: value} of all its numbers."""
        return {name: kind.shown(self.number(name)) for name, kind in self._optimizer.options.items()}

    def _kind(self, name):
        options = self._optimizer.options
        if name not in options:
            raise OptionError(f"{self._owner}: a group has no {name!r}{nearest(name, options)}")
        return options[name]

    @property
    def _owner(self):
        return type(self._optimizer).__name__

    # ---- state ----------------------------------------------------------------------------------------------------
    def state_dict(self):
        """Its numbers, which of them are its own, and how its lr stands to the optimizer's."""
        carried = self.numbers[len(self.numbers) - len(self._optimizer.carried) :].tolist()
        return {
            "numbers": {name: value for name, value in self.values().items() if name != "lr"},
            "own": [name for name in self._optimizer.options if name in self._own],
            "lr": [float(self.numbers[OWN_RATE]), float(self.numbers[BASE_RATE])],
            "steps": int(self.numbers[STEP]),
            "carried": dict(zip(self._optimizer.carried, carried, strict=True)),
        }

    def checked_state(self, state):
        """(numbers, names of its own) from what `state_dict` gave; OptionError, KeyError or ValueError if it does not fit."""
        options, numbers = self._optimizer.options, np.zeros_like(self.numbers)
        given, own = dict(state["numbers"]), set(state["own"])
        if (
            set(given) != set(options) - {"lr"}
            or not own <= set(options)
            or set(state["carried"]) != set(self._optimizer.carried)
        ):
            raise ValueError
        for name, value in given.items():
            numbers[self._places[name]] = options[name].checked(self._owner, name, value)
        self._optimizer.check_together(given)
        rates = [options["lr"].checked(self._owner, "lr", rate) for rate in state["lr"]]
        numbers[OWN_RATE], numbers[BASE_RATE] = rates
        carried = [state["carried"][name] for name in self._optimizer.carried]
        if not is_whole(state["steps"], 0) or not all(map(is_real, carried)):
            raise ValueError
        numbers[STEP], numbers[len(numbers) - len(carried) :] = state["steps"], carried
        if not numbers[BASE_RATE] > 0 or not np.isfinite(carried).all():
            raise ValueError
        return numbers, own

    def __repr__(self):
        return f"Group({len(self.parameters)} parameters, {shown(self.values())})"


def nearest(name, known):
    """A hint for an error: the nearest of the known names, and all of them."""
    near = get_close_matches(str(name), list(known), n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{hint} (known: {', '.join(known)})"


def shown(values):
    """name=value of all, as people read them."""
    return ", ".join(
        f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}" for name, value in values.items()
    )
