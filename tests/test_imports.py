"""What an import brings in, and how long it takes."""

import importlib.resources
import statistics
import subprocess
import sys
import time

import pytest


def python(code, **options):
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, **options)
    assert result.returncode == 0, result.stderr
    return result


def test_microgrid_needs_no_numpy():
    code = """
import sys
sys.modules["numpy"] = None  # importing it raises
import microgrid
x = microgrid.Value(3.0)
(x * x).backward()
assert x.grad == 6
"""
    python(code)


HEAVY = ["matplotlib", "sklearn", "mpmath", "torch", "pandas", "onnx", "pygraphviz", "scipy.linalg", "scipy.special", "sympy"]  # fmt: skip


@pytest.mark.parametrize("module", HEAVY)
def test_tensorgrad_does_not_load(module):
    python(f"import sys, tensorgrad; assert {module!r} not in sys.modules")


@pytest.mark.parametrize("missing", ["matplotlib", "mpmath", "sklearn"])
def test_tensorgrad_trains_without_extras(missing):
    code = f"""
import sys
sys.modules[{missing!r}] = None
import numpy as np, tensorgrad as tg
model = tg.nn.Sequential(tg.nn.Dense(1, 1), rng=0)
X = np.ones((4, 1))
print(tg.fit(model, (X, X), loss=tg.nn.MSELoss(), optimizer=tg.optim.SGD(model.parameters(), lr=0.1), progress=False))
"""
    assert python(code).stdout.startswith("<History of 1 epoch: loss ")


@pytest.mark.parametrize(
    ("missing", "call", "extra"),
    [
        ("mpmath", "tg.check_op('exp')", "check"),
        ("matplotlib", "tg.History('tensor').plot()", "plot"),
        ("pygraphviz", "tg.draw(tg.tensor(1.0)).svg", "viz"),
    ],
)
def test_a_missing_extra_says_how_to_get_it(missing, call, extra):
    code = f"""
import sys
sys.modules[{missing!r}] = None
import tensorgrad as tg
try:
    {call}
except tg.errors.MissingPackage as error:
    print(error)
"""
    assert f'pip install "microgrid-tensorgrad[{extra}]"' in python(code).stdout


def test_import_is_quick_and_compiles_nothing():
    """Most of it is numba's own import; a bound that a slow machine keeps too."""

    def seconds():
        start = time.perf_counter()
        result = python("import tensorgrad")
        assert (result.stdout, result.stderr) == ("", "")
        return time.perf_counter() - start

    assert statistics.median(seconds() for _ in range(3)) < 3


def test_import_changes_no_global_state():
    code = """
import signal, numba, numpy as np
before = (np.geterr(), np.get_printoptions(), signal.getsignal(signal.SIGINT), numba.config.CACHE_DIR,
          numba.get_num_threads(), np.random.get_state()[1].tolist() if np.random.seed(0) is None else 0)
import tensorgrad
after = (np.geterr(), np.get_printoptions(), signal.getsignal(signal.SIGINT), numba.config.CACHE_DIR,
         numba.get_num_threads(), np.random.get_state()[1].tolist())
assert before == after
"""
    python(code)


def test_packages_are_typed():
    for name in ("microgrid", "tensorgrad"):
        assert importlib.resources.files(name).joinpath("py.typed").is_file()
