"""Part `process`: whole processes from start to exit, in alternation.

Three comparisons: a script that trains the spiral for 5,000 steps and prints its accuracy, with the caches that an earlier
run left; the same on the first run ever, with empty caches; and examples/spiral.py, its picture and cross-check included,
beside the same training and picture in PyTorch (no cross-check), which needs the extras `examples` and `oracle`.
"""

import json
import tempfile

from .alternation import alternate
from .contestants import CONTESTANTS
from .launch import ROOT, timed
from .report import against_first

STEPS = 5000
JAX_CACHE = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": 0, "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": -1}


def script(contestant, steps=STEPS, **variables):
    """Run benchmarks/whole.py: wall seconds, and what it printed."""
    CONTESTANTS[contestant].require()
    printed, seconds = timed(["-m", f"{__package__}.whole", contestant, "--steps", steps], **variables)
    return seconds, json.loads(printed.splitlines()[-1])


def first_run(contestant, *caches):
    """The same with these variables naming empty folders."""
    with tempfile.TemporaryDirectory() as folder:
        return script(contestant, **{name: f"{folder}/{name}" for name in caches})


def example(*command):
    """Run a script that prints `train accuracy 0.9933`."""
    printed, seconds = timed(command)
    line = next(line for line in printed.splitlines() if line.startswith("train accuracy"))
    return seconds, {"accuracy": float(line.split()[2])}


def part(options, say):
    """All three comparisons: {title: {label: Outcome}}."""
    with tempfile.TemporaryDirectory() as folder:
        comparisons = {
            f"A script, {STEPS} steps of the spiral": {
                "tensorgrad": lambda: script("ours"),
                "JAX, lax.scan": lambda: script("jax-scan"),
                "JAX, lax.scan, its compilation cache on": lambda: script(
                    "jax-scan", JAX_COMPILATION_CACHE_DIR=folder, **JAX_CACHE
                ),
                "PyTorch, fused Adam": lambda: script("pytorch"),
            },
            "The same, first run ever": {
                "tensorgrad": lambda: first_run("ours", "TENSORGRAD_CACHE_DIR"),
                "JAX, lax.scan": lambda: first_run("jax-scan", "JAX_COMPILATION_CACHE_DIR"),
                "PyTorch, torch.compile": lambda: first_run(
                    "torch-compile", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"
                ),
            },
            "examples/spiral.py with its picture": {
                "tensorgrad": lambda: example(
                    ROOT / "examples/spiral.py", "--quiet", "--picture", f"{folder}/ours.png"
                ),
                "PyTorch": lambda: example(ROOT / "benchmarks/torch_spiral.py", f"{folder}/theirs.png"),
            },
        }
        return {title: compare(title, runs, options.rounds, say) for title, runs in comparisons.items()}


def compare(title, runs, rounds, say):
    """Take turns, after one turn that fills the caches; print the table."""

    def worded(seconds):
        return f"{seconds:.2f} s"

    if "first" not in title:
        alternate(runs, 1, worded, lambda line: say(f"{line} (to fill the caches)"))
    outcomes = alternate(runs, rounds, worded, say)
    say(f"\n### {title}\n\n" + against_first(outcomes, "seconds", "accuracy") + "\n")
    return outcomes
