"""tensorgrad beside other libraries: python -m benchmarks [workload or part ...]

Workloads compare the time of a training step (or of one prediction); without a name all of them run. Parts measure
something else: `process` whole processes, `memory` their peak memory, `compile_time` the wait before a new
architecture's first step, `scaling` how a step's time grows, `scalar` microgrid against micrograd, `ops` every elementwise
op and reduction and `layers` convolution, pooling and normalisation against PyTorch's, `networks` whole steps of networks
with such layers, `optim` Adam on a million parameters. Peers that are not installed are named and left out.
All workloads take five minutes a
round; leave the machine alone meanwhile.
"""

import argparse
import dataclasses
import importlib
import json
from pathlib import Path

from . import machine, plot, report
from .contestants import CONTESTANTS
from .launch import Failed, limit_cores
from .runner import compare
from .workloads import WORKLOADS

PARTS = ("process", "memory", "compile_time", "scaling", "scalar", "ops", "layers", "networks", "optim")
PICTURE = Path(__file__).parent / "speed.png"


def arguments():
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names, peers = [*WORKLOADS, *PARTS], [name for name, c in CONTESTANTS.items() if not c.ours]
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(names)}")
    parser.add_argument("--rounds", type=int, default=5, help="how often everybody takes a turn (default 5)")
    parser.add_argument("--peers", nargs="*", choices=peers, metavar="peer",
                        help=f"only these, in workloads and scaling: {', '.join(peers)}")  # fmt: skip
    parser.add_argument(
        "--quick", action="store_true", help="short runs in workloads and scaling: a look, not figures to quote"
    )
    parser.add_argument("--cores", type=int, default=2, help="cores that everybody may use (default 2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers there")
    options = parser.parse_args()
    if strange := [name for name in options.names if name not in names]:
        parser.error(f"no workload or part {', '.join(strange)}; there are {', '.join(names)}")
    if options.rounds < 1 or options.cores < 1:
        parser.error("--rounds and --cores must be at least 1")
    return options


def say(line=""):
    print(line, flush=True)


def compare_all(names, options):
    """The workloads, one after another: {workload: {contestant: Outcome}}."""
    results = {}
    for name in names:
        work = WORKLOADS[name]
        taking_part = [
            c for c in CONTESTANTS.values()
            if name in c.workloads and (c.ours or options.peers is None or c.name in options.peers)
        ]  # fmt: skip
        try:
            results[name] = compare(work, taking_part, options.rounds, options.quick, say)
        except Failed as failure:
            say(f"  {name}: no reference to compare with: {failure}")
    return results


def main():
    options = arguments()
    limit_cores(options.cores)
    say("\n".join(machine.describe()) + "\n")
    everything = {"machine": machine.describe(), "options": {k: str(v) for k, v in vars(options).items()}}
    workloads = [name for name in WORKLOADS if name in options.names or not options.names]
    if workloads:
        results = compare_all(workloads, options)
        for name, outcomes in results.items():
            say("\n" + report.one_workload(name, outcomes))
        say("\n" + report.summary(results) + "\n\n" + report.LEGEND + "\n\n" + report.libraries(results) + "\n")
        everything["workloads"] = results
        if not options.quick:
            plot.draw(plot.bars, results, PICTURE, say)
    for part in PARTS:
        if part in options.names:
            say(f"{part}:")
            try:
                everything[part] = importlib.import_module(f".{part}", __package__).part(options, say)
            except Failed as failure:
                say(f"  failed: {failure}")
    if options.json:
        options.json.write_text(json.dumps(everything, indent=1, default=dataclasses.asdict))
        say(f"numbers: {options.json}")


if __name__ == "__main__":
    main()
