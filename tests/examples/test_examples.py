"""Every script in examples/ runs as a person would run it: in a process of its own, those that train on both engines."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples"
EXAMPLES = sorted(p for p in FOLDER.glob("*.py") if not p.name.startswith("_"))
TRAINING = [p for p in EXAMPLES if "args.engine" in p.read_text()]
TINY = {
    "cartpole": ["--hidden", "8", "--steps", "1100"],
    "compare_gradients": ["--hidden", "4", "--rows", "3", "--digits", "20"],
    "custom_layer_and_op": ["--quiet", "--epochs", "2", "--hidden", "8", "--rows", "40"],
    "digits": ["--quiet", "--epochs", "2", "--hidden", "8", "--rows", "200"],
    "digits_conv": ["--quiet", "--epochs", "2", "--hidden", "2", "--rows", "100"],
    "exact_fractions": ["--hidden", "4", "--rows", "2", "--steps", "2"],
    "hand_written_loop": ["--hidden", "4", "--steps", "3"],
    "regression": ["--quiet", "--epochs", "2", "--hidden", "8", "--rows", "60"],
    "spiral": ["--quiet", "--epochs", "2", "--hidden", "8", "--points", "10"],
    "xor": ["--quiet", "--epochs", "2", "--hidden", "8"],
}
PROMISED = {  # a number that is printed, between these two
    "cartpole": ("mean pushes", 475, 500),
    "compare_gradients": (".*largest error", 0.01, 16),
    "custom_layer_and_op": ("RMSE", 0, 0.04),
    "digits": ("test accuracy", 0.97, 1),
    "digits_conv": ("test accuracy", 0.985, 1),
    "exact_fractions": (r"derivatives of \(x - 1\)\^7 that equal 7 \(x - 1\)\^6 exactly:", 257, 257),
    "hand_written_loop": ("train accuracy", 0.98, 1),
    "regression": ("test R2", 0.4, 1),
    "spiral": ("train accuracy", 0.97, 1),
    "xor": ("correct answers", 4, 4),
}
SAID = {
    "cartpole": "in 20 new trials: solved",
    "exact_fractions": "f'(1/3) = 27/50, and 2 x / (1 + x^2)^2 = 27/50",
    "hand_written_loop": "arrays and compiled 0.0e+00",
}

each_example = pytest.mark.parametrize("script", EXAMPLES, ids=lambda p: p.stem)
each_training = pytest.mark.parametrize("script", TRAINING, ids=lambda p: p.stem)


def run(script, *options, folder, before=""):
    """The finished process of `python script options`, started in `folder`; `before` is Python code that runs first."""
    start = f"import sys, runpy; sys.argv[0] = {str(script)!r}; sys.path.insert(0, {str(script.parent)!r})"
    code = f"{start}; {before}; runpy.run_path({str(script)!r}, run_name='__main__')"
    command = [sys.executable, *(["-c", code] if before else [str(script)]), *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def test_there_are_examples():
    assert set(TINY) == set(PROMISED) == {script.stem for script in EXAMPLES}
    assert {"spiral", "digits", "digits_conv", "regression", "xor", "custom_layer_and_op"} == {p.stem for p in TRAINING}


@each_example
def test_help_explains_every_flag_and_its_default(script, tmp_path):
    done = run(script, "--help", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    flags = re.findall(r"^  (--[a-z-]+)", done.stdout, re.MULTILINE)
    wanted = {"--seed", "--picture"}
    if script in TRAINING:
        wanted |= {"--engine", "--epochs", "--batch-size", "--hidden", "--lr", "--dtype", "--digits", "--quiet"}
    assert wanted <= set(flags)
    assert " ".join(done.stdout.split()).count("(default: ") == len(set(flags) - {"--quiet"})
    assert f"python examples/{script.name}" in done.stdout


@pytest.mark.sampled(3)
@each_training
@pytest.mark.parametrize("engine", ["tensor", "scalar"])
def test_a_short_run_makes_a_picture_and_the_engines_agree(script, engine, tmp_path):
    path = tmp_path / "new" / f"{engine}.png"
    options = [*TINY[script.stem], "--engine", engine, "--picture", str(path)]
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


@pytest.mark.sampled(3)
@pytest.mark.parametrize("script", [p for p in EXAMPLES if p not in TRAINING], ids=lambda p: p.stem)
def test_a_short_run_makes_a_picture(script, tmp_path):
    done = run(script, *TINY[script.stem], "--picture", "new/small.png", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "" or "compiling kernels" in done.stderr
    path = tmp_path / "new" / "small.png"
    assert path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 20_000


@pytest.mark.sampled(3)
@each_example
def test_what_the_defaults_promise(script, tmp_path):
    done = run(script, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    words, least, most = PROMISED[script.stem]
    assert least <= float(re.search(rf"^{words} ([\d.]+\d|\d)", done.stdout, re.MULTILINE)[1]) <= most
    assert SAID.get(script.stem, "the engines agree") in done.stdout
    assert (tmp_path / "pictures" / f"{script.stem}.png").exists()


@pytest.mark.sampled(5)
@pytest.mark.parametrize("seed", range(1, 11))
def test_the_pole_is_balanced_whatever_the_seed(seed, tmp_path):
    done = run(FOLDER / "cartpole.py", "--seed", str(seed), folder=tmp_path)
    assert "in 20 new trials: solved" in done.stdout, done.stderr


@pytest.mark.parametrize(("right", "force"), [(False, -10.0), (True, 10.0)])
def test_the_energy_of_cart_and_pole_grows_by_the_work_of_the_push(right, force, monkeypatch):
    """Written in coordinates of the pole's mass, not by the formula that is tested; 1e-5 s is a nearly exact step."""
    from math import cos, sin

    cart = load(FOLDER / "cartpole.py", monkeypatch)
    monkeypatch.setattr(cart, "TICK", 1e-5)

    def energy(state):
        _, speed, angle, turning = state
        across, upwards = speed + 0.5 * cos(angle) * turning, -0.5 * sin(angle) * turning  # of the pole's centre
        spin = 0.1 * 1.0**2 / 12 * turning**2 / 2  # of a rod 1 m long about its centre
        return speed**2 / 2 + 0.1 * (across**2 + upwards**2) / 2 + spin + 0.1 * 9.8 * 0.5 * cos(angle)

    first = state = (0.1, -0.3, 0.2, 0.5)
    for _ in range(30_000):
        state = cart.pushed(state, right)
    assert abs(state[2] - first[2]) > 0.3
    assert energy(state) - energy(first) == pytest.approx(force * (state[0] - first[0]), rel=1e-3)


def test_a_trial_of_the_pole_ends_where_it_is_lost_or_won(monkeypatch):
    import numpy as np

    cart = load(FOLDER / "cartpole.py", monkeypatch)
    states = cart.trial(lambda state: True, np.random.default_rng(0))
    assert [cart.lost(state) for state in states] == [False] * (len(states) - 1) + [True]
    assert 5 < len(states) < 15  # a push to one side alone upsets it within a fifth of a second
    monkeypatch.setattr(cart, "LEAN", 100.0)
    monkeypatch.setattr(cart, "TRACK", 1e9)
    assert len(cart.trial(lambda state: True, np.random.default_rng(0))) == 501


def test_a_step_of_q_learning_is_that_of_the_formulas(monkeypatch):
    from types import SimpleNamespace

    import numpy as np

    import tensorgrad as tg

    cart = load(FOLDER / "cartpole.py", monkeypatch)
    learner = cart.Learner(SimpleNamespace(hidden=8, lr=0.01, seed=0))
    rng = np.random.default_rng(0)
    for p in learner.target.parameters():
        p.data = rng.normal(size=p.shape)
    states, following = rng.normal(size=(2, 6, 4)).astype(np.float32)
    right, ends = np.array([0, 1, 1, 0, 1, 0]), np.array([0, 0, 1, 0, 1, 0], np.float32)
    goals = np.where(ends == 1, -1, 0.99 * tg.predict(learner.target, following).max(axis=1))
    off = tg.predict(learner.model, states)[np.arange(6), right] - goals
    huber = np.where(abs(off) < 1, off**2 / 2, abs(off) - 0.5).mean()
    before, copy = learner.model.state_dict(), learner.target.state_dict()
    assert learner.learn(states, np.eye(2, dtype=np.float32)[right], ends, following).item() == pytest.approx(huber)
    assert all(np.any(before[name] != p.numpy()) for name, p in learner.model.named_parameters())
    assert all(np.all(copy[name] == p.numpy()) for name, p in learner.target.named_parameters())


def test_fractions_that_would_take_hours_are_refused(tmp_path):
    done = run(FOLDER / "exact_fractions.py", "--steps", "13", folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "error: --steps: after 12 steps fractions have 300,000 digits, got 13\n"


def test_the_readme_shows_every_example_with_a_light_picture():
    text = (FOLDER / "README.md").read_text()
    for script in EXAMPLES:
        assert f"[`{script.name}`]({script.name})" in text
        assert f"](../docs/examples/{script.stem}.png)" in text
    for link in re.findall(r"\]\(([^)]+)\)", text):
        assert (FOLDER / link).exists(), link
    for picture in (FOLDER.parent / "docs" / "examples").iterdir():
        assert picture.stat().st_size < 80_000, picture
        assert picture.stem in TINY


@each_training
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
def test_a_bad_flag_says_what_was_expected(script, options, message, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(script), *options])
    module = load(script, monkeypatch)
    with pytest.raises(SystemExit) as stopped:
        module.main()
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.sampled(4)
@each_example
def test_a_missing_package_says_which_pip_install_brings_it(script, tmp_path):
    needs = {"spiral": "nnfs", "digits": "sklearn", "compare_gradients": "mpmath", "custom_layer_and_op": "mpmath"}
    package = needs.get(script.stem, "matplotlib")
    done = run(script, *TINY[script.stem], folder=tmp_path, before=f"sys.modules[{package!r}] = None")
    assert done.returncode == 1
    assert done.stderr == (
        f"error: examples/{script.name} needs {package}, which is not installed: "
        'pip install "microgrid-tensorgrad[examples]"\n'
    )


@pytest.mark.sampled(4)
@each_example
def test_a_picture_that_cannot_be_written_is_one_line_of_error(script, tmp_path):
    (tmp_path / "file").write_text("")
    options = [*TINY[script.stem], "--picture", "file/picture.png"]
    done = run(script, *options, folder=tmp_path)
    assert done.returncode == 1
    assert "error: save_picture: cannot write 'file/picture.png'" in done.stderr
    assert "Traceback" not in done.stderr


def load(script, monkeypatch):
    """The script as a module, without running its main."""
    from importlib.util import module_from_spec, spec_from_file_location

    monkeypatch.syspath_prepend(script.parent)
    spec = spec_from_file_location(f"example_{script.stem}", script)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
