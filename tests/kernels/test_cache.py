"""The cache of compiled kernels: used, repaired, done without; and what may come between (forks, threads, nnfs)."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tensorgrad

SAYS = "tensorgrad: compiling kernels for this machine, some seconds, once"
KEPT_IN_MEMORY = f"{SAYS} (no folder can be written: kept in memory)"
# Two small kernels; the second one is made of helpers in another file.
CODE = """
import numpy as np
from tensorgrad import kernels
x, out = np.array([0.0, 1.0]), np.empty(2)
kernels.negative(x, out)
assert out.tolist() == [0, -1], out
kernels.exp(x, out)
assert abs(out - np.exp(x)).max() < 1e-15, out
"""


def run(folder, code=CODE, **options):
    """Run code in a new process with its cache in that folder; its standard error."""
    env = os.environ | {"TENSORGRAD_CACHE_DIR": str(folder), "TENSORGRAD_QUIET": "", "TENSORGRAD_CHECK": ""}
    result = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=120, **options)
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
    assert len(before) >= 4
    assert run(cache) == ""
    assert contents(cache) == before


DAMAGE = {
    "empty": lambda b: b"", "one byte": lambda b: b[:1], "half": lambda b: b[: len(b) // 2], "all but one": lambda b: b[:-1],
    "garbage": lambda b: bytes(range(256)) * 8, "first bit": lambda b: bytes([b[0] ^ 1]) + b[1:],
    "last bit": lambda b: b[:-1] + bytes([b[-1] ^ 128]),
    "middle bit": lambda b: b[: len(b) // 2] + bytes([b[len(b) // 2] ^ 16]) + b[len(b) // 2 + 1 :], "longer": lambda b: b + b"x",
    "another pickle": lambda b: b"\\x80\\x04K\\x01.",
}  # fmt: skip


@pytest.mark.parametrize("kind", ["nbi", "nbc"])
@pytest.mark.parametrize("damage", ["empty", "half", "garbage", "middle bit", "another pickle"])
def test_damaged_files_give_right_results_and_are_repaired(kind, damage, cache):
    for path in cache.rglob(f"*.{kind}"):
        path.write_bytes(DAMAGE[damage](path.read_bytes()))
    run(cache)
    assert run(cache) == "", "the cache was not repaired"


def test_any_damage_to_an_index_is_noticed(cache):
    """In one process: every way of damage, and a flipped bit at many places."""
    code = f"""
import random, numpy as np
from pathlib import Path
from tensorgrad.kernels import _compile, elementwise
index, = [p for p in Path({str(cache)!r}).rglob("*negative*.nbi")]
whole = index.read_bytes()
random.seed(0)
damaged = [b"", whole[:-1], whole + b"x", bytes(300)]
for _ in range(150):
    i = random.randrange(len(whole))
    damaged.append(whole[:i] + bytes([whole[i] ^ 1 << random.randrange(8)]) + whole[i + 1:])
for content in damaged:
    index.write_bytes(content)
    kernel = _compile.Kernel(elementwise.negative.body.py_func, "x[n] out[n]")
    out = np.empty(2)
    kernel(np.ones(2), out)
    assert out.tolist() == [-1, -1]
"""
    run(cache, code)


@pytest.mark.parametrize("swap", ["nbi", "nbc"])
def test_files_of_two_kernels_that_were_swapped(swap, cache):
    negative = next(iter(cache.rglob(f"*negative*.{swap}")))
    exp = next(iter(cache.rglob(f"elementwise.exp*.{swap}")))
    a, b = negative.read_bytes(), exp.read_bytes()
    negative.write_bytes(b)
    exp.write_bytes(a)
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


def nobody():
    """subprocess options of a user who is not root, so that permissions hold; None if that user cannot run our code."""
    if os.geteuid():
        return {}
    options = {"user": 65534, "group": 65534, "cwd": "/"}
    try:
        code = f"import numba, sys; sys.path.insert(0, {str(Path(tensorgrad.__file__).parents[1])!r}); import microgrid"
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60, **options)
    except (OSError, subprocess.SubprocessError):
        return None
    return options


@pytest.mark.parametrize("filled", [True, False])
def test_read_only_folder(filled, cache, tmp_path):
    options = nobody()
    if options is None:
        pytest.skip("needs a second user who can read the code")
    for parent in tmp_path.parents:
        if parent.stat().st_uid == os.geteuid() and not parent.stat().st_mode & 1:
            parent.chmod(parent.stat().st_mode | 0o005)
    tmp_path.chmod(0o755)
    folder = cache if filled else tmp_path / "empty"
    folder.mkdir(exist_ok=True)
    before = contents(folder)
    for path in sorted([folder, *folder.rglob("*")], reverse=True):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        said = run(folder, **options)
    finally:
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755)
    assert said.strip() == ("" if filled else KEPT_IN_MEMORY)
    assert contents(folder) == before


def test_a_changed_kernel_source_gets_its_own_folder(cache, tmp_path):
    package = shutil.copytree(Path(tensorgrad.__file__).parent, tmp_path / "src" / "tensorgrad",
                              ignore=shutil.ignore_patterns("__pycache__"))  # fmt: skip
    shutil.copytree(Path(tensorgrad.__file__).parents[1] / "microgrid", tmp_path / "src" / "microgrid")
    code = f"import sys; sys.path.insert(0, {str(package.parent)!r})\n"
    code += "import tensorgrad; assert tensorgrad.__file__.startswith(sys.path[0]), tensorgrad.__file__\n"
    before = {p.name for p in cache.iterdir()}
    assert run(cache, code + CODE) == "", "the same source in another place compiles anew"
    source = package / "kernels" / "_math.py"
    source.write_text(source.read_text().replace("x if x != x else y", "x if x != x else y + y"))
    assert "AssertionError" in subprocess.run(
        [sys.executable, "-c", code + CODE], env=os.environ | {"TENSORGRAD_CACHE_DIR": str(cache)}, capture_output=True, text=True
    ).stderr, "a helper in another file was changed and the stale code was used"  # fmt: skip
    assert len({p.name for p in cache.iterdir()} - before) == 1


def test_quiet(tmp_path):
    env = os.environ | {"TENSORGRAD_CACHE_DIR": str(tmp_path), "TENSORGRAD_QUIET": "1"}
    code = "import numpy as np; from tensorgrad import kernels; kernels.copy(np.ones(1), np.ones(1))"
    assert subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stderr == ""


# ---- what may come between --------------------------------------------------------------------------------------------
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
def plain_training(tmp_path_factory):
    """The losses of TRAIN, and a cache folder that holds its kernels."""
    folder = tmp_path_factory.mktemp("train")
    code = f"{TRAIN}\nopen({str(folder / 'loss')!r}, 'w').write(repr(train()))"
    run(folder, code)
    return folder, (folder / "loss").read_text()


@pytest.mark.parametrize("fresh", [True, False], ids=["compiling", "cached"])
@pytest.mark.parametrize("order", ["before", "after"])
def test_after_nnfs_init(order, fresh, plain_training, tmp_path):
    """nnfs.init() patches np.dot, np.zeros, np.eye and reseeds; a fresh folder makes numba compile under the patches."""
    pytest.importorskip("nnfs")
    folder, losses = plain_training
    init = "import nnfs; nnfs.init()\n"
    code = init + TRAIN if order == "before" else TRAIN + init
    run(tmp_path if fresh else folder, f"{code}\nassert repr(train()) == {losses!r}, train()")


def test_after_fork(plain_training):
    folder, losses = plain_training
    code = f"""{TRAIN}
import os
train()
child = os.fork()
if not child:
    os._exit(0 if repr(train()) == {losses!r} else 1)
assert os.waitpid(child, 0)[1] == 0
assert repr(train()) == {losses!r}
"""
    run(folder, code)


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


def test_processes_that_compile_at_once(tmp_path):
    env = os.environ | {"TENSORGRAD_CACHE_DIR": str(tmp_path)}
    both = [subprocess.Popen([sys.executable, "-c", CODE], env=env, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    for process in both:
        assert process.wait(timeout=60) == 0, process.stderr.read()
        process.stderr.close()
    assert run(tmp_path) == ""


def test_the_cache_holds_no_more_than_numbers(compiled):
    """Loading unpickles: only the user may write there."""
    (folder,) = compiled.iterdir()
    assert folder.stat().st_mode & 0o022 == 0
    assert np.all([p.stat().st_uid == os.geteuid() for p in folder.iterdir()])
