"""The cache of compiled kernels: used, repaired, done without; and what may come between (forks, threads, nnfs)."""

import ctypes
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tensorgrad

SAYS = "tensorgrad: compiling kernels on their first use, some seconds"
KEPT_IN_MEMORY = f"{SAYS} (no folder can be written: kept in memory)"
# Two kernels that compile quickly; and one that is made of helpers in another file.
CODE = """
import numpy as np
from tensorgrad import kernels
x, out = np.array([0.0, 3.0]), np.empty(2)
kernels.negative(x, out)
assert out.tolist() == [0, -3], out
kernels.square(x, out)
assert out.tolist() == [0, 9], out
"""
CODE_OF_HELPERS = """
import numpy as np
from tensorgrad import kernels
x, out = np.array([0.0, 1.0]), np.empty(2)
kernels.exp(x, out)
assert abs(out - np.exp(x)).max() < 1e-15, out
"""
# One whose machine code calls code of another function, which has to be loaded before it.
CODE_OF_PRODUCTS = """
import numpy as np
from tensorgrad import kernels
x, w, b, out = np.ones((2, 3)), np.ones((3, 4)), np.ones(4), np.empty((2, 4))
kernels.dense(x, w, b, np.zeros(1, int), out)
assert (out == 4).all(), out
"""


def run(folder, code=CODE, **options):
    """Run code in a new process with its cache in that folder; its standard error."""
    env = os.environ | {"TENSORGRAD_CACHE_DIR": str(folder), "TENSORGRAD_QUIET": "", "TENSORGRAD_CHECK": ""}
    result = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=120, **options
    )
    assert result.returncode == 0, result.stderr
    return result.stderr


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """A folder in which CODE has been compiled once."""
    folder = tmp_path_factory.mktemp("compiled")
    assert run(folder).startswith(f"{SAYS} (kept in {folder}")
    return folder


@pytest.fixture
def cache(compiled, tmp_path):
    return Path(shutil.copytree(compiled, tmp_path / "cache"))


def contents(cache):
    return {p.name: p.read_bytes() for p in cache.rglob("*") if p.is_file()}


def test_second_process_compiles_nothing(cache):
    before = contents(cache)
    assert len(before) >= 2
    assert run(cache) == ""
    assert contents(cache) == before


def test_code_that_calls_other_code(tmp_path):
    run(tmp_path, CODE_OF_PRODUCTS)
    assert run(tmp_path, CODE_OF_PRODUCTS) == ""


DAMAGE = {
    "empty": lambda b: b"", "half": lambda b: b[: len(b) // 2], "garbage": lambda b: bytes(range(256)) * 8,
    "a bit": lambda b: b[: len(b) // 2] + bytes([b[len(b) // 2] ^ 16]) + b[len(b) // 2 + 1 :],
    "another pickle": lambda b: b"\x80\x04K\x01.",
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_files_give_right_results_and_are_repaired(damage, cache):
    for path in cache.rglob("*.nbc"):
        path.write_bytes(DAMAGE[damage](path.read_bytes()))
    run(cache)
    assert run(cache) == "", "the cache was not repaired"


def test_any_damage_to_a_file_is_noticed(cache):
    """In one process: every way of damage, and a flipped bit at many places."""
    code = f"""
import random, numpy as np
from pathlib import Path
from tensorgrad.kernels import _compile, elementwise
file, = [p for p in Path({str(cache)!r}).rglob("*negative*.nbc")]
whole = file.read_bytes()
random.seed(0)
damaged = [b"", whole[:-1], whole + b"x", bytes(300)]
for _ in range(40):
    i = random.randrange(len(whole))
    damaged.append(whole[:i] + bytes([whole[i] ^ 1 << random.randrange(8)]) + whole[i + 1:])
for content in damaged:
    file.write_bytes(content)
    kernel = _compile.Kernel(elementwise.negative.body.py_func, "x[n] out[n]")
    out = np.empty(2)
    kernel(np.ones(2), out)
    assert out.tolist() == [-1, -1]
"""
    run(cache, code)


def test_files_of_two_kernels_that_were_swapped(cache):
    negative = next(iter(cache.rglob("*negative*.nbc")))
    square = next(iter(cache.rglob("*square*.nbc")))
    a, b = negative.read_bytes(), square.read_bytes()
    negative.write_bytes(b)
    square.write_bytes(a)
    run(cache)


def test_folders_in_the_place_of_files(cache):
    for path in list(cache.rglob("*.nb?")):
        path.unlink()
        path.mkdir()
    run(cache)


@pytest.mark.parametrize("place", ["a file", "below a file", "no such disk"])
def test_nowhere_to_write_is_in_memory(place, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    folder = {"a file": file, "below a file": file / "cache", "no such disk": "/proc/self/fd/tensorgrad"}[place]
    assert run(folder).strip() == KEPT_IN_MEMORY
    assert file.read_text() == ""


def obey_permissions():
    """Give up root's right to pass over permission bits, in a child before it runs Python."""
    if not os.geteuid():
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            if libc.prctl(24, capability, 0, 0, 0):  # PR_CAPBSET_DROP
                raise OSError(ctypes.get_errno(), "prctl")


@pytest.mark.parametrize("filled", [True, False])
def test_read_only_folder(filled, cache, tmp_path):
    folder = cache if filled else tmp_path / "empty"
    folder.mkdir(exist_ok=True)
    before = contents(folder)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        said = run(folder, preexec_fn=obey_permissions)
    except subprocess.SubprocessError:
        pytest.skip("this root cannot give up its rights")
    finally:
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755)
    assert said.strip() == ("" if filled else KEPT_IN_MEMORY)
    assert contents(folder) == before


def test_full_disk(tmp_path):
    """Files can be made and not written: what is left must not be taken for compiled code."""
    run(tmp_path, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)))
    run(tmp_path)
    assert run(tmp_path) == ""


def test_a_changed_kernel_source_gets_its_own_folder(cache, tmp_path):
    package = shutil.copytree(Path(tensorgrad.__file__).parent, tmp_path / "src" / "tensorgrad",
                              ignore=shutil.ignore_patterns("__pycache__"))  # fmt: skip
    shutil.copytree(Path(tensorgrad.__file__).parents[1] / "microgrid", tmp_path / "src" / "microgrid")
    code = f"import sys; sys.path.insert(0, {str(package.parent)!r})\n"
    code += "import tensorgrad; assert tensorgrad.__file__.startswith(sys.path[0]), tensorgrad.__file__\n"
    before = {p.name for p in cache.iterdir()}
    run(cache, code + CODE_OF_HELPERS)
    assert {p.name for p in cache.iterdir()} == before
    source = package / "kernels" / "_math.py"
    source.write_text(source.read_text().replace("return y if x <= most", "return y + y if x <= most"))
    assert (
        "AssertionError"
        in subprocess.run(
            [sys.executable, "-c", code + CODE_OF_HELPERS],
            env=os.environ | {"TENSORGRAD_CACHE_DIR": str(cache)},
            capture_output=True,
            text=True,
        ).stderr
    ), "a helper in another file was changed and the stale code was used"
    assert len({p.name for p in cache.iterdir()} - before) == 1


def test_quiet(tmp_path):
    env = os.environ | {"TENSORGRAD_CACHE_DIR": str(tmp_path), "TENSORGRAD_QUIET": "1"}
    code = "import numpy as np; from tensorgrad import kernels; kernels.copy(np.ones(1), np.ones(1))"
    assert (
        subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stderr == ""
    )


# ---- what may come between -------------------------------------------------------------------------------------------
TRAIN = """
import numpy as np, tensorgrad as tg
model = tg.nn.Sequential(tg.nn.Dense(2, 4), tg.nn.ReLU(), tg.nn.Dense(4, 2), rng=0)
X = np.linspace(-1, 1, 20).reshape(10, 2)
def train():
    model.reset(0)
    return tg.fit(model, (X, np.arange(10) % 2), loss=tg.nn.CrossEntropyLoss(), epochs=3, progress=False,
                  optimizer=tg.optim.Adam(model.parameters(), lr=0.1)).loss
"""


@pytest.fixture(scope="module")
def losses():
    """The losses of TRAIN as text, from this process."""
    scope = {}
    exec(TRAIN, scope)
    return repr(scope["train"]())


def test_nnfs_init_before_and_after(losses, tmp_path):
    """nnfs.init() patches np.dot, np.zeros, np.eye and reseeds; the first process compiles under its patches."""
    pytest.importorskip("nnfs")
    init = "\nimport nnfs; nnfs.init()\n"
    for code in (init + TRAIN, TRAIN + init):
        run(tmp_path, f"{code}\nassert repr(train()) == {losses!r}, train()")


def test_after_fork(losses):
    code = f"""{TRAIN}
import os
train()
child = os.fork()
if not child:
    os._exit(0 if repr(train()) == {losses!r} else 1)
assert os.waitpid(child, 0)[1] == 0
assert repr(train()) == {losses!r}
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr


def test_threads_that_call_kernels_at_once_for_the_first_time(tmp_path):
    code = """
import threading, numpy as np
from tensorgrad import kernels
x, results, errors, start = np.linspace(-1, 1, 1000), [], [], threading.Barrier(6)
def work(i):
    try:
        start.wait()
        out = np.empty(1000)
        (kernels.exp if i % 2 else kernels.tanh)(x, out)
        results.append(abs(out - (np.exp(x) if i % 2 else np.tanh(x))).max())
    except BaseException as error:
        errors.append(repr(error))
threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
[t.start() for t in threads]; [t.join() for t in threads]
assert not errors, errors
assert len(results) == 6 and max(results) < 1e-15, results
"""
    run(tmp_path, code)
    assert run(tmp_path, code) == ""


def test_threads_that_share_a_kernel_at_once_for_the_first_time(tmp_path):
    code = """
import threading, numpy as np
from tensorgrad import ops
x, results, errors, start = np.linspace(-1, 1, 200_000), [], [], threading.Barrier(6)
def work():
    try:
        start.wait()
        results.append(ops.arctan(x))
    except BaseException as error:
        errors.append(repr(error))
threads = [threading.Thread(target=work) for _ in range(6)]
[t.start() for t in threads]; [t.join() for t in threads]
assert not errors, errors
assert all(np.array_equal(r, results[0]) for r in results) and np.allclose(results[0], np.arctan(x))
"""
    run(tmp_path, code)
    for _ in range(3):
        assert run(tmp_path, code) == ""


def test_processes_that_compile_at_once(tmp_path):
    env = os.environ | {"TENSORGRAD_CACHE_DIR": str(tmp_path), "TENSORGRAD_CHECK": ""}
    both = [
        subprocess.Popen([sys.executable, "-c", CODE], env=env, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    for process in both:
        assert process.wait(timeout=60) == 0, process.stderr.read()
        process.stderr.close()
    assert run(tmp_path) == ""


def test_only_the_user_may_write_what_is_unpickled(compiled):
    (folder,) = compiled.iterdir()
    assert folder.stat().st_mode & 0o022 == 0
    assert {p.stat().st_uid for p in folder.iterdir()} == {os.geteuid()}
