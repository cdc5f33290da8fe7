"""Every script in examples/ runs as a person would run it: in a process of its own, on both engines."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted(p for p in (Path(__file__).parents[2] / "examples").glob("*.py") if not p.name.startswith("_"))
TINY = ["--quiet", "--epochs", "2", "--hidden", "8"]
TINY_DATA = {
    "spiral": ["--points", "10"],
    "digits": ["--rows", "200"],
    "digits_conv": ["--rows", "100", "--hidden", "2"],
    "regression": ["--rows", "60"],
}
PROMISED = {
    "spiral": ("train accuracy", 0.97),
    "digits": ("test accuracy", 0.97),
    "digits_conv": ("test accuracy", 0.985),
    "regression": ("test R2", 0.4),
}

each_example = pytest.mark.parametrize("script", EXAMPLES, ids=lambda p: p.stem)


def run(script, *options, folder, before=""):
    """The finished process of `python script options`, started in `folder`; `before` is Python code that runs first."""
    start = f"import sys, runpy; sys.argv[0] = {str(script)!r}; sys.path.insert(0, {str(script.parent)!r})"
    code = f"{start}; {before}; runpy.run_path({str(script)!r}, run_name='__main__')"
    command = [sys.executable, *(["-c", code] if before else [str(script)]), *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def test_there_are_examples():
    assert {"spiral", "digits", "digits_conv", "regression"} <= {script.stem for script in EXAMPLES}


@each_example
def test_help_explains_every_flag_and_its_default(script, tmp_path):
    done = run(script, "--help", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    for flag in (
        "--engine",
        "--epochs",
        "--batch-size",
        "--hidden",
        "--lr",
        "--seed",
        "--dtype",
        "--picture",
        "--quiet",
    ):
        assert flag in done.stdout
    assert done.stdout.count("(default: ") >= 8


@each_example
@pytest.mark.parametrize("engine", ["tensor", "scalar"])
def test_a_short_run_makes_a_picture_and_the_engines_agree(script, engine, tmp_path):
    path = tmp_path / "new" / f"{engine}.png"
    options = [*TINY, *TINY_DATA.get(script.stem, []), "--engine", engine, "--picture", str(path)]
    if engine == "scalar":
        options += ["--dtype", "float64", "--digits", "30"]
    done = run(script, *options, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "" or "compiling kernels" in done.stderr
    assert f" on the {engine} engine" in done.stdout
    checked = "(float32) against scalar engine (Python floats)"
    checked = "(float64) against scalar engine (30 digits)" if engine == "scalar" else checked
    assert f"tensor engine {checked}" in done.stdout
    assert "the engines agree" in done.stdout
    assert path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 20_000
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@each_example
def test_the_accuracy_that_the_defaults_promise(script, tmp_path):
    done = run(script, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    words, least = PROMISED[script.stem]
    assert float(re.search(rf"^{words} ([\d.]+)", done.stdout, re.MULTILINE)[1]) >= least
    assert "the engines agree" in done.stdout
    assert (tmp_path / "pictures" / f"{script.stem}.png").exists()


@each_example
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--epochs", "-1"], "argument --epochs: expected a whole number of at least 1 (and below 2**32), got '-1'"),
        (["--batch-size", "2.5"], "argument --batch-size: expected a whole number of at least 1"),
        (["--lr", "nan"], "argument --lr: expected a positive number (and below 2**32), got 'nan'"),
        (["--seed", "-1"], "argument --seed: expected a whole number of at least 0"),
        (["--digits", "3"], "argument --digits: expected a whole number of at least 17"),
        (["--picture", "x.txt"], "argument --picture: expected a path that ends in .png, .svg or .pdf, got 'x.txt'"),
        (["--engine", "gpu"], "argument --engine: invalid choice: 'gpu'"),
    ],
    ids=lambda x: x[0] if isinstance(x, list) else "",
)
def test_a_bad_flag_says_what_was_expected(script, options, message, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(script), *options])
    monkeypatch.syspath_prepend(script.parent)
    module = load(script)
    with pytest.raises(SystemExit) as stopped:
        module.main()
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


@each_example
def test_a_missing_package_says_which_pip_install_brings_it(script, tmp_path):
    package = {"spiral": "nnfs", "digits": "sklearn"}.get(script.stem, "matplotlib")
    done = run(script, *TINY, folder=tmp_path, before=f"sys.modules[{package!r}] = None")
    assert done.returncode == 1
    assert done.stderr == (
        f"error: examples/{script.name} needs {package}, which is not installed: "
        'pip install "microgrid-tensorgrad[examples]"\n'
    )


@pytest.mark.parametrize("script", EXAMPLES[-1:], ids=lambda p: p.stem)
def test_a_picture_that_cannot_be_written_is_one_line_of_error(script, tmp_path):
    (tmp_path / "file").write_text("")
    options = [*TINY, *TINY_DATA.get(script.stem, []), "--picture", "file/picture.png"]
    done = run(script, *options, folder=tmp_path)
    assert done.returncode == 1
    assert "error: save_picture: cannot write 'file/picture.png'" in done.stderr
    assert "Traceback" not in done.stderr


def load(script):
    """The script as a module, without running its main."""
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location(f"example_{script.stem}", script)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
