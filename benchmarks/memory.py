"""Part `memory`: the peak resident memory of a whole process that trains the spiral for 500 steps."""

from .alternation import alternate
from .contestants import CONTESTANTS
from .process import script
from .report import against_first

STEPS = 500


def part(options, say):
    """{label: Outcome}, numbers in MB."""

    def run(name):
        _, printed = script(name, STEPS)
        return printed["peak"], printed

    names = ("ours", "numpy", "jax-scan", "pytorch", "sklearn", "mygrad")
    runs = {CONTESTANTS[name].label: lambda name=name: run(name) for name in names}
    outcomes = alternate(runs, options.rounds, "{:.0f} MB".format, say)
    say("\n### Peak memory of a process that trains the spiral\n\n" + against_first(outcomes, "MB") + "\n")
    return outcomes
