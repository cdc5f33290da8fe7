"""What the examples share: their command line, and errors as one line of text."""

import argparse
import math
import sys
from pathlib import Path

from tensorgrad.errors import TensorgradError, need

_HELP = {
    "points": "points of each class",
    "rows": "rows of data, to learn from and to test on",
    "hidden": "units of each hidden layer",
    "epochs": "times to go through the training data",
    "batch_size": "rows in one step",
    "lr": "learning rate at the start; it falls to 0",
}


def arguments(description, numbers, scalar=None, needs=(), without=(), **helps):
    """The command line of an example, parsed.

    `numbers` are default numbers by name, and `scalar` those on the scalar engine, for an example that trains on either;
    `needs` names the packages it imports, `without` the usual options (dtype, digits, quiet) that it does not have;
    `helps` say by name what a number means where it is not what it is in the other examples.
    """
    name = Path(sys.argv[0]).stem
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)

    def add(option, text, *more, **options):
        parser.add_argument(f"--{option.replace('_', '-')}", *more, help=text, **options)

    if scalar:
        text = (
            "what trains the model: arrays and kernels, or one Value for each number, which is slow, so that the sizes "
        )
        add("engine", text + "are smaller then (default: tensor)", choices=["tensor", "scalar"], default="tensor")
    for option, number in numbers.items():
        default = f"default: {number}" + (f"; on the scalar engine {scalar[option]}" if scalar else "")
        text = f"{(_HELP | helps)[option]} ({default})"
        add(option, text, type=number_type(type(number)), metavar="N" if isinstance(number, int) else "X")
    add("seed", "seed of all random numbers (default: 0)", type=number_type(int, 0), default=0, metavar="N")
    path = f"default: pictures/{name}.png" + (f", or {name}-scalar.png" if scalar else "")
    add("picture", f"where to save the picture: a .png, .svg or .pdf ({path})", type=picture_path, metavar="PATH")
    if "dtype" not in without:
        text = "numbers of the tensor engine; the scalar one trains in Python's floats (default: float32)"
        add("dtype", text, choices=["float32", "float64"], default="float32")
    if "digits" not in without:
        text = "decimal digits of the check at the end: with 50, say, it shows true errors (default: Python's floats)"
        add("digits", text, type=number_type(int, 17), metavar="N")
    if "quiet" not in without:
        add("quiet", "show no progress bar", "--no-progress", action="store_true")
    args = parser.parse_args()
    on_values = scalar and args.engine == "scalar"
    for option, number in (scalar if on_values else numbers).items():
        if getattr(args, option) is None:
            setattr(args, option, number)
    if args.picture is None:
        args.picture = Path(f"pictures/{name}{'-scalar' if on_values else ''}.png")
    for package in [*needs, "matplotlib", *(["mpmath"] if getattr(args, "digits", None) else [])]:
        need(package, "examples", f"examples/{name}.py")
    return args


def number_type(kind, least=None):
    """An argparse type: an int of at least `least` (1 if it is None), or a float above 0; below 2**32."""

    def parse(text):
        try:
            number = kind(text)
        except ValueError:
            number = math.nan
        if kind is float:
            fits, wanted = 0 < number < 2**32, "a positive number"
        else:
            low = 1 if least is None else least
            fits, wanted = low <= number < 2**32, f"a whole number of at least {low}"
        if not fits:
            raise argparse.ArgumentTypeError(f"expected {wanted} (and below 2**32), got {text!r}")
        return number

    return parse


def time_of(history):
    """How long a training took, and apart from it the compiling of kernels."""
    compiling = f", and {history.compile_seconds:.0f} s to compile kernels" if history.compile_seconds > 0.5 else ""
    return f"{history.seconds:.2f} s{compiling}"


def picture_path(text):
    """An argparse type: a path with a picture's suffix."""
    if Path(text).suffix.lower() not in (".png", ".svg", ".pdf"):
        raise argparse.ArgumentTypeError(f"expected a path that ends in .png, .svg or .pdf, got {text!r}")
    return Path(text)


def run(main):
    """Run an example; an error that tensorgrad explains ends it with that explanation and exit code 1."""
    try:
        main()
    except TensorgradError as error:
        sys.exit(f"error: {error}")
