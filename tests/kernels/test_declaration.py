"""The kernel decorator: what a declaration says, and what `check` (TENSORGRAD_CHECK=1) catches."""

import inspect
import subprocess
import sys

import numpy as np
import pytest

from tensorgrad import kernels
from tensorgrad.kernels import Kernel

f32, f64 = np.float32, np.float64


def made(declaration, body=lambda x, out: None):
    kernel = Kernel(body, declaration)
    Kernel.registry.pop(kernel.name)
    return kernel


def test_declaration_says_kinds_extents_and_what_is_read_and_written():
    declaration = "x[M,k] labels:i[M]<k hyper:d[4] y[N|1] -> out:b[M,1] &p[N]"
    found = made(declaration, lambda x, labels, hyper, y, out, p: None).buffers
    assert [(b.name, b.kind, b.extents, b.read, b.written, b.below) for b in found] == [
        ("x", "", ("M", "k"), True, False, ""), ("labels", ":i", ("M",), True, False, "k"),
        ("hyper", ":d", ("4",), True, False, ""), ("y", "", ("N|1",), True, False, ""),
        ("out", ":b", ("M", "1"), False, True, ""), ("p", "", ("N",), True, True, ""),
    ]  # fmt: skip


@pytest.mark.parametrize("name", sorted(Kernel.registry))
def test_every_kernel_declares_the_parameters_of_its_body(name):
    kernel = Kernel.registry[name]
    assert [b.name for b in kernel.buffers] == list(inspect.signature(kernel.body.py_func).parameters)
    assert repr(kernel) == f"<kernel {name}: {kernel.declaration}>"
    made = ("tensorgrad.ops.", "tensorgrad.optim.")  # from an op's formula, from an optimizer's rule
    if not kernel.body.py_func.__module__.startswith(made):
        assert getattr(kernels, name) is kernel


@pytest.mark.parametrize(
    "declaration",
    [
        "x[n] -> out",
        "-> x[n]",
        "x[n] -> y[n]",
        "x[n+1] -> out[n]",
        "x[n] -> out[n",
        "x:q[n] -> out[n]",
        "",
        "out[n] -> x[n]",
        "&x[n] -> out[n]",
        "x[n]< -> out[n]",
        "x[n|2] -> out[n]",
    ],
)
def test_a_declaration_that_does_not_fit_the_body_is_refused(declaration):
    with pytest.raises(ValueError, match="declaration"):
        made(declaration)


PRODUCT = (np.ones((2, 3), f32), np.ones((3, 4), f32), np.ones(4, f32), np.zeros(1, int), np.ones((2, 4), f32))
ROWS = np.array([2])
PAIR = (np.ones(5, f32), np.ones(5, f32), np.ones(5, f32))


def replaced(arrays, i, new):
    return (*arrays[:i], new, *arrays[i + 1 :])


WRONG = {
    "extent": ("dense", replaced(PRODUCT, 1, np.ones((2, 4), f32)), "dense: w[2, 4]: k is 2, expected 3"),
    "output": ("dense", replaced(PRODUCT, 4, np.ones((2, 5), f32)), "dense: out[2, 5]: n is 5, expected 4"),
    "axes": ("dense", replaced(PRODUCT, 2, np.ones((1, 4), f32)), "dense: b[1, 4] does not fit x[M,k] w[k,n]"),
    "order": ("dense", replaced(PRODUCT, 0, np.ones((3, 2), f32).T), "dense: x[2, 3] float32 is not C-contiguous"),
    "strided": ("exp", (np.ones(6, f32)[::2], np.ones(3, f32)), "exp: x[3] float32 is not C-contiguous"),
    "integers": ("exp", (np.ones(3, int), np.ones(3, f32)), "exp: x[3] int64"),
    "half": ("exp", (np.ones(3, np.float16), np.ones(3, f32)), "exp: x[3] float16"),
    "mixed floats": ("exp", (np.ones(3, f64), np.ones(3, f32)), "exp: out[3] float32"),
    "mixed product": ("dense", replaced(PRODUCT, 1, np.ones((3, 4))), "dense: w[3, 4] float64"),
    "float labels": ("softmax_cross_entropy", (PRODUCT[0], np.ones(2), ROWS, np.ones(1, f32), PRODUCT[0]),
                     "softmax_cross_entropy: labels[2] float64"),
    "short labels": ("softmax_cross_entropy", (PRODUCT[0], np.ones(2, np.int32), ROWS, np.ones(1, f32), PRODUCT[0]),
                     "softmax_cross_entropy: labels[2] int32"),
    "labels outside": ("softmax_cross_entropy", (PRODUCT[0], np.array([0, 3]), ROWS, np.ones(1, f32), PRODUCT[0]),
                       "softmax_cross_entropy: labels has numbers outside 0..2"),
    "negative labels": ("softmax_cross_entropy", (PRODUCT[0], np.array([-1, 2]), ROWS, np.ones(1, f32), PRODUCT[0]),
                        "softmax_cross_entropy: labels has numbers outside 0..2"),
    "fixed extent": ("update_sgd", (PAIR[0], np.ones(5), *PAIR[1:]), "update_sgd: constants[5]: 11 is 5, expected 11"),
    "float32 numbers": ("update_sgd", (PAIR[0], np.ones(11, f32), *PAIR[1:]), "update_sgd: constants[11] float32"),
    "count": ("exp", PAIR, "exp: 3 buffers for x[N] -> out[N]"),
    "operand of another size": ("add", replaced(PAIR, 0, np.ones(2, f32)), "add: x[2], expected 5 or 1"),
    "output longer than both": ("add", replaced(PAIR, 2, np.ones(9, f32)), "add: "),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_check_catches(case):
    name, arrays, text = WRONG[case]
    with pytest.raises(AssertionError) as error:
        Kernel.registry[name].check(arrays)
    assert str(error.value).startswith(text)


@pytest.mark.parametrize(
    "arrays",
    [PAIR, replaced(PAIR, 0, np.ones(1, f32)), replaced(PAIR, 1, np.ones(1, f32)), tuple(a.astype(f64) for a in PAIR)],
    ids=["same", "x is one", "y is one", "float64"],
)
def test_check_lets_good_calls_pass(arrays):
    kernels.add.check(arrays)


CALL = "import numpy as np; from tensorgrad import kernels; kernels.exp(np.ones(3), np.ones(2))"


@pytest.mark.parametrize("flags", [[], ["-O"]], ids=["", "-O"])
def test_the_environment_switches_checking_on(flags, monkeypatch):
    monkeypatch.setenv("TENSORGRAD_CHECK", "1")
    result = subprocess.run([sys.executable, *flags, "-c", CALL], capture_output=True, text=True, timeout=60)
    assert "AssertionError: exp: out[2]: N is 2, expected 3" in result.stderr


def test_logging_collects_calls_and_ends():
    x, out = np.zeros(2), np.empty(2)
    with kernels.logging() as log:
        kernels.exp(x, out)
        with pytest.raises(ZeroDivisionError), kernels.logging():
            1 / 0
        kernels.negative(x, out)
    kernels.exp(x, out)
    assert [(k.name, a[0] is x) for k, a in log.rows] == [("exp", True), ("negative", True)]
    assert kernels.current.log is None


def test_a_name_that_does_not_exist():
    with pytest.raises(AttributeError, match=r"'tensorgrad\.kernels' has no attribute 'expp'"):
        kernels.expp
