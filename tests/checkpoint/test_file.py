"""Where models are written: whole or not at all, whatever happens, and with the errors of this library."""

import errno
import os
import random
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import _file, nn
from tensorgrad.errors import FileError, OptionError


def network(value=0.0):
    model = nn.Sequential(nn.Dense(200, 100))
    model[0].weight.data = np.full((200, 100), value)
    return model


@pytest.fixture
def old(tmp_path):
    """A path at which there is a model already."""
    return tg.save(network(1.0), tmp_path / "model.safetensors")


def check_old(path):
    """Raise AssertionError unless the old model is there, and nothing else."""
    assert (tg.load(path)[0].weight.data == 1.0).all()
    assert os.listdir(path.parent) == [path.name]


def child(code, **options):
    """A Python process that runs this with the library at hand."""
    head = "import sys, os\nimport numpy as np\nimport tensorgrad as tg\nfrom tensorgrad import nn\n"
    return subprocess.Popen(
        [sys.executable, "-c", head + textwrap.dedent(code)], stdout=subprocess.PIPE, text=True, **options
    )


SAVES = """
model = nn.Sequential(nn.Dense(700, 400, init="zeros"))
for i in range(10**9):
    model[0].weight.data = np.full((700, 400), float(i))
    model[0].bias.data = np.full(400, float(i))
    tg.save(model, sys.argv[1] if len(sys.argv) > 1 else os.environ["TARGET"])
    if i == 0:
        print("saved", flush=True)
"""


def kill_while_saving(times, path, code=SAVES):
    """Kill processes that save one model after the other, each at some moment; what is there must load each time."""
    chance, found = random.Random(0), set()
    for _ in range(times):
        process = child(code, env={**os.environ, "TARGET": str(path)})
        assert process.stdout.readline() == "saved\n"
        time.sleep(chance.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        model = tg.load(path)
        (weight,), (bias,) = (set(p.data.ravel().tolist()) for p in model.parameters())
        assert weight == bias
        found.add(weight)
    return found


@pytest.mark.skipif(os.name != "posix", reason="there is no SIGKILL")
def test_a_process_that_is_killed_leaves_the_old_or_the_new_file(tmp_path, request):
    times = 100 if request.config.getoption("--full") else 8
    found = kill_while_saving(times, tmp_path / "model.safetensors")
    assert len(found) > 1  # it was killed at different moments


@pytest.mark.skipif(os.name != "posix", reason="there is no SIGKILL")
def test_a_file_that_is_written_in_place_is_noticed(tmp_path):
    in_place = SAVES.replace("model =", """
        from tensorgrad.checkpoint import _model
        def write(owner, path, data):
            with open(path, "wb") as file:
                for i in range(0, len(data), 50_000):
                    file.write(data[i : i + 50_000])
                    file.flush()
        _model.write = write
        model =""".replace("\n        ", "\n"), 1)  # fmt: skip
    with pytest.raises((tg.errors.CheckpointError, AssertionError)):
        kill_while_saving(60, tmp_path / "model.safetensors", in_place)


@pytest.mark.skipif(os.name != "posix", reason="there are no such limits")
def test_a_full_disk(old):
    """The system refuses to write more than 20,000 bytes."""
    process = child(f"""
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        try:
            tg.save(nn.Sequential(nn.Dense(200, 100)), {str(old)!r})
        except tg.errors.FileError as error:
            print(error)
    """)
    assert process.communicate()[0] == f"save: cannot write {str(old)!r}: File too large\n"
    check_old(old)


@pytest.mark.parametrize("where", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_what_fails_at_the_end_is_undone(where, error, old, monkeypatch):
    def fails(*args):
        raise error

    monkeypatch.setattr(_file.os, where, fails)
    expected = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else FileError
    with pytest.raises(
        expected, match="^save: cannot write '.*': No space left on device$" if expected is FileError else None
    ):
        tg.save(network(2.0), old)
    monkeypatch.undo()
    check_old(old)


def test_all_is_on_the_disk_before_it_takes_the_place(old, monkeypatch):
    calls = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)

        def noted(*args, name=name, real=real):
            kind = stat.S_IFMT(os.fstat(args[0]).st_mode) if name == "fsync" else 0
            size = os.fstat(args[0]).st_size if kind == stat.S_IFREG else 0
            calls.append((name, kind == stat.S_IFDIR, size > 80_000))
            return real(*args)

        monkeypatch.setattr(_file.os, name, noted)
    tg.save(network(2.0), old)
    assert (
        calls
        == [("fsync", False, True), ("replace", False, False), ("fsync", True, False)][: 3 if os.name == "posix" else 2]
    )


@pytest.mark.skipif(os.name != "posix", reason="other permissions")
def test_a_folder_that_is_read_only():
    with tempfile.TemporaryDirectory() as folder:  # which, unlike pytest's own, anybody may look into
        path = tg.save(network(1.0), Path(folder) / "model.safetensors")
        os.chmod(folder, 0o555)
        process = child(f"""
            if os.getuid() == 0:  # whom nothing stops
                os.setgid(65534), os.setuid(65534)
            assert os.listdir({folder!r}) == ["model.safetensors"]
            try:
                tg.save(nn.Sequential(nn.Dense(2, 2)), {str(path)!r})
            except tg.errors.FileError as error:
                print(error)
        """)
        assert (
            process.communicate()[0]
            == f"save: cannot write {str(path)!r}: Permission denied; give a path in a folder that you may write to\n"
        )
        check_old(path)
        os.chmod(folder, 0o755)


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("no/such/model.safetensors", ": No such file or directory; make its folder first$"),
        ("folder.safetensors", ": it is a folder$"),
        ("model.safetensors/model.safetensors", ": Not a directory; give a path in a folder that you may write to$"),
        ("a\0b.safetensors", ": .*null byte"),
        ("x" * 300 + ".safetensors", ": File name too long$"),
    ],
)
def test_a_path_that_cannot_be(place, text, old):
    (old.parent / "folder.safetensors").mkdir()
    with pytest.raises(FileError, match="^save: cannot write .*" + text):
        tg.save(network(2.0), old.parent / place)
    (old.parent / "folder.safetensors").rmdir()
    check_old(old)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no such device")
def test_a_device_is_not_replaced(tmp_path):
    link = tmp_path / "model.safetensors"
    link.symlink_to("/dev/full")
    with pytest.raises(FileError, match="^save: cannot write .*: it is no regular file$"):
        tg.save(network(), link)
    with pytest.raises(FileError, match="^load: cannot read .*: it is no regular file$"):
        tg.load(link)
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)


@pytest.mark.parametrize("place", ["none.safetensors", ".", "a\0b"])
def test_a_path_that_cannot_be_read(place, tmp_path):
    with pytest.raises(FileError, match="^load: cannot read"):
        tg.load(tmp_path / place)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "model.safetensors")
    code = f"""
        try:
            tg.load({str(tmp_path / "model.safetensors")!r})
        except tg.errors.FileError as error:
            print(error)
    """
    with child(code) as process:
        try:
            assert "it is no regular file" in process.communicate(timeout=30)[0]
        finally:
            process.kill()


@pytest.mark.parametrize(
    "letter", ["x", "\N{CJK UNIFIED IDEOGRAPH-4E2D}", "\N{SNOWMAN WITHOUT SNOW}", "\N{UNICORN FACE}"]
)
def test_a_name_as_long_as_the_disk_takes(letter, tmp_path):
    name = letter * ((255 - len(".safetensors")) // len(letter.encode())) + ".safetensors"
    tg.save(network(), tmp_path / name)
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["model", "model.npz", "model.pt", "model.safetensor", ".safetensors"])
def test_another_suffix(name, tmp_path):
    with pytest.raises(OptionError, match=f"^save: expected a path that ends in .safetensors, got '.*{name}'$"):
        tg.save(network(), tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", [3, None, b"model.safetensors", ["model.safetensors"]])
def test_what_is_no_path(path):
    for call in (lambda: tg.save(network(), path), lambda: tg.load(path)):
        with pytest.raises(OptionError, match="^(save|load): expected a path, as a string or a pathlib.Path, got "):
            call()


def test_a_model_in_place_of_a_path():
    with pytest.raises(OptionError, match="^load: expected a path, as a string or a pathlib.Path, got Sequential$"):
        tg.load(network())


@pytest.mark.skipif(os.name != "posix", reason="other links and permissions")
def test_links_and_permissions_are_kept(tmp_path):
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "a.safetensors", tmp_path / "model.safetensors"
    link.symlink_to(target)
    mask = os.umask(0o027)
    try:
        tg.save(network(1.0), link)  # to a file that is not there yet
        assert stat.S_IMODE(target.stat().st_mode) == 0o640
        os.chmod(target, 0o604)
        tg.save(network(2.0), link)
    finally:
        os.umask(mask)
    assert link.is_symlink() and stat.S_IMODE(target.stat().st_mode) == 0o604
    assert (tg.load(target)[0].weight.data == 2.0).all()
    assert os.listdir(tmp_path / "there") == ["a.safetensors"]


def test_a_path_relative_to_the_folder_at_hand(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert str(tg.save(network(1.0), "Model.SAFETENSORS")) == "Model.SAFETENSORS"
    check_old(tmp_path / "Model.SAFETENSORS")
    with pytest.raises(FileError, match="No such file or directory; make its folder first$"):
        tg.save(network(1.0), "sub/model.safetensors")
