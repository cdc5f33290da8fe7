"""Ops made from the formula for one number: a user's own, what is wrong in one, and its compiled code."""

import doctest
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad._samples import sample, special
from tensorgrad.errors import OptionError, ShapeError
from tensorgrad.ops._pointwise import pointwise

pytestmark = pytest.mark.usefixtures("registries")
ROOT = Path(__file__).parents[2]
SAMPLES = [sample(()), sample((0, 3)), sample((5, 3)), sample((67,)), special([np.inf, np.nan, 0.0])]


def soft_step(slope=lambda x, y, real, steepness: steepness / ((real(1) + abs(steepness * x)) ** 2)):
    """x / (1 + |x|) of steepness * x, as somebody would declare it."""

    @pointwise(twin=lambda x, steepness=1.0: steepness * x / (1 + abs(steepness * x)), slope=slope,
               samples=[*SAMPLES[:-1], sample((5, 3), steepness=2.5)])  # fmt: skip
    def soft_step(x, real, steepness=1.0):
        """An example."""
        return steepness * x / (real(1) + abs(steepness * x))

    return soft_step


def test_a_users_op():
    op = soft_step()
    report = tg.check_op("soft_step")
    assert report.ok, str(report)
    x = np.array([-1.0, 3.0])
    np.testing.assert_allclose(op(x, steepness=2), 2 * x / (1 + abs(2 * x)))
    assert op(x.astype(np.float32)).dtype == np.float32 and op([1, 3]).tolist() == [0.5, 0.75]
    np.testing.assert_allclose(tg.grad(tg.grad(lambda x: op(x)))(np.array(1.0)).item(), -0.25)
    step = tg.compile(lambda x: op(x, 2))
    for x in (np.ones(3), np.array([-1.0, 0.0, 5.0])):
        np.testing.assert_array_equal(step(x).numpy(), op(x, 2))
    assert not step.reason


def test_a_wrong_slope_is_caught():
    soft_step(slope=lambda x, y, real, steepness: real(1) / ((real(1) + abs(steepness * x)) ** 2))
    failures = tg.check_op("soft_step", dtypes=["float64"]).failures
    assert len(failures) == 1 and failures[0].startswith("sample 4 {'steepness': 2.5} float64: gradient 0 is")


@pytest.mark.parametrize("wrong", ["2", None, True, [1.0]])
def test_options_are_numbers(wrong):
    with pytest.raises(OptionError, match="soft_step: steepness must be a number, got "):
        soft_step()(np.ones(2), steepness=wrong)
    with pytest.raises(TypeError, match="soft_step has no option 'steep'; did you mean 'steepness'?"):
        soft_step()(np.ones(2), steep=1)


def test_several_inputs_broadcast_and_each_has_its_slope():
    # Two slopes on one line that differ in a constant alone.
    two = lambda a, b, y, real: real(2), lambda a, b, y, real: real(4)  # fmt: skip

    @pointwise(
        twin=lambda a, b: 2 * a + 4 * b,
        slope=two,
        samples=[sample((5, 3), (3,)), sample((), (2, 3)), sample((2,), (2,))],
    )
    def weighted_sum(a, b, real):
        """An example."""
        return real(2) * a + real(4) * b

    report = tg.check_op("weighted_sum")
    assert report.ok, str(report)
    with pytest.raises(ShapeError, match=r"weighted_sum: shapes \(2,\) and \(3,\) do not broadcast"):
        weighted_sum(np.ones(2), np.ones(3))


def test_an_input_without_slope_has_no_gradient():
    @pointwise(twin=lambda x, gate: np.where(gate > 0, x, 0), samples=[sample((5, 3), (3,)), sample((4,), (4,))],
               slope=(lambda x, gate, y, real: real(1) if gate > real(0) else real(0), None))  # fmt: skip
    def gated(x, gate, real):
        """An example."""
        return x if gate > real(0) else real(0)

    report = tg.check_op("gated")
    assert report.ok, str(report)
    x, gate = tg.tensor([1.0, 2.0], requires_grad=True), tg.tensor([1.0, -1.0], requires_grad=True)
    gated(x, gate).sum().backward()
    assert x.grad.tolist() == [1, 0] and gate.grad is None


def test_a_name_that_the_kernel_uses_is_refused():
    with pytest.raises(ValueError, match="difference: a parameter cannot be called 'y', which the kernel uses"):

        @pointwise(twin=lambda x, y: x - y, slope=(None, None), samples=[])
        def difference(x, y, real):
            return x - y


# ---- compiled code ---------------------------------------------------------------------------------------------------
CODE = """
from tensorgrad.ops._pointwise import pointwise
@pointwise(twin=lambda x: x * FACTOR, slope=lambda x, y, real: real(FACTOR), samples=[])
def times(x, real):
    return x * real(FACTOR)
import numpy as np, tensorgrad as tg
x = tg.tensor(np.ones(2), requires_grad=True)
y = times(x)
y.sum().backward()
print(y.numpy()[0], x.grad[0])
"""


def run(tmp_path, *command):
    env = os.environ | {
        "TENSORGRAD_CACHE_DIR": str(tmp_path / "cache"),
        "TENSORGRAD_QUIET": "",
        "PYTHONPATH": str(ROOT),
    }
    result = subprocess.run(
        [sys.executable, *command], env=env, capture_output=True, text=True, timeout=120, cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip(), "compiling" in result.stderr


def test_compiled_code_is_kept_and_is_fresh_when_the_file_changes(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(CODE.replace("FACTOR", "2"))
    assert run(tmp_path, str(file)) == ("2.0 2.0", True)
    assert run(tmp_path, str(file)) == ("2.0 2.0", False)
    file.write_text(CODE.replace("FACTOR", "3"))
    assert run(tmp_path, str(file)) == ("3.0 3.0", True)


def test_code_that_is_in_no_file_is_not_taken_for_other_code(tmp_path):
    assert run(tmp_path, "-c", "FACTOR = 2" + CODE)[0] == "2.0 2.0"
    assert run(tmp_path, "-c", "FACTOR = 3" + CODE)[0] == "3.0 3.0"


def test_the_example_in_contributing():
    failed, tried = doctest.testfile(str(ROOT / "CONTRIBUTING.md"), module_relative=False)
    assert tried > 5 and not failed
