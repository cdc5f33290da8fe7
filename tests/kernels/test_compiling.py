"""What is said of compiling, and how its time is counted."""

import types

import numba
import pytest

from tensorgrad import kernels
from tensorgrad.kernels import _compile
from tensorgrad.kernels._compiling import Compiling


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def compiler(monkeypatch):
    """compile(seconds, others) stands for one function that is compiled, with those that it calls inside it."""
    monkeypatch.setenv("TENSORGRAD_QUIET", "")
    clock = Clock()
    compiling = Compiling(clock)
    ours = types.SimpleNamespace(data={"dispatcher": _compile.jit(lambda x: x)})

    def compile(seconds, *inside):
        compiling.on_start(ours)
        clock.now += seconds
        for others in inside:
            compile(others)
        compiling.on_end(ours)

    return types.SimpleNamespace(compile=compile, compiling=compiling, clock=clock)


def test_seconds_are_those_of_the_outermost_function(compiler):
    compiler.compile(2, 1, 0.5)
    compiler.clock.now += 10
    compiler.compile(0.25)
    assert compiler.compiling.seconds == 3.75


def test_the_first_is_announced_and_a_later_run_once_it_is_long(compiler, capfd):
    for _ in range(5):
        compiler.compile(0.4)
    assert capfd.readouterr().err.count("tensorgrad: compiling kernels on their first use, some seconds") == 1
    compiler.clock.now += 60
    for _ in range(3):
        compiler.compile(0.4)
        assert capfd.readouterr().err == ""
    for _ in range(5):
        compiler.compile(0.4)
    assert (
        capfd.readouterr().err.count("tensorgrad: compiling kernels for a new dtype or new layers, some seconds (") == 1
    )
    for _ in range(9):  # now and then a quick one
        compiler.clock.now += 60
        compiler.compile(0.4)
    assert capfd.readouterr().err == ""


def test_functions_of_others_are_not_counted():
    before = kernels.compiling.seconds
    assert numba.njit(lambda x: x + 1)(1) == 2
    assert kernels.compiling.seconds == before
    typed_in = eval("lambda x: x + 1")  # what is in a file is kept, and need not be compiled the next time
    assert _compile.jit(typed_in)(1) == 2
    assert kernels.compiling.seconds > before
