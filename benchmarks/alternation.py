"""Taking turns: every claim here is a ratio of numbers from one run, round by round, with its spread."""

import statistics
from dataclasses import dataclass, field

from .launch import Failed
from .quiet import DISTURBED, Others


@dataclass
class Outcome:
    """A contestant's number in each round, and what else it reported last; or why it has none."""

    numbers: list[float] = field(default_factory=list)
    others: list[float | None] = field(default_factory=list)  # the share of our cores that other processes took
    details: dict = field(default_factory=dict)
    error: str = ""

    @property
    def median(self):
        return statistics.median(self.numbers)


def alternate(runs, rounds, worded, say, labels=None):
    """Call each of `runs`, {name: function () -> (number, details)}, once a round: {name: Outcome}.

    Each round begins with another one. One that raises Failed keeps that as its error and is left out from then on.
    `say` prints a line for each, with the number as `worded` gives it, under the name or its label.
    """
    outcomes, names, labels = {name: Outcome() for name in runs}, list(runs), labels or {name: name for name in runs}
    for i in range(rounds):
        for name in [*names[i % len(names) :], *names[: i % len(names)]]:
            outcome = outcomes[name]
            if outcome.error:
                continue
            others, line = Others(), f"  round {i + 1} of {rounds}: {labels[name]:40} "
            try:
                number, outcome.details = runs[name]()
            except Failed as failure:
                outcome.error = str(failure)
                say(f"{line}failed: {failure}")
            else:
                outcome.numbers.append(number)
                outcome.others.append(others.share())
                say(f"{line}{worded(number)}{disturbance(outcome.others[-1:])}")
    return outcomes


def disturbance(shares):
    """A warning in brackets, if other processes took a part of our cores; else nothing."""
    most = max((share for share in shares if share is not None), default=0)
    return f" (other processes took {most:.0%} of our cores)" if most > DISTURBED else ""


def ratios(outcomes, name, base):
    """How many times the number of `base` that of `name` was, round by round; [] where one of them has none."""
    if base not in outcomes or outcomes[base].error or outcomes[name].error:
        return []
    return [theirs / mine for theirs, mine in zip(outcomes[name].numbers, outcomes[base].numbers, strict=True)]
