"""Calls of kernels on arrays that compiled code finds by the address of their tuple."""

import numpy as np
import pytest

from tensorgrad.kernels import Kernel, _arrays, _compile, kernel

pytestmark = pytest.mark.skipif(_compile.CHECK, reason="checked calls go through numba")


@kernel("x[M,n] labels:i[M] on:b[1] scale:d[1] -> out[M,n] &count:i[1]")
def chosen(x, labels, on, scale, out, count):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[i, j] = x[i, j] * scale[0] if on[0] else 0
        out[i, labels[i]] += 100
        count[0] += 1


del Kernel.registry[chosen.name]  # which other tests look at


def buffers(dtype=np.float32, shape=(3, 5)):
    x = np.arange(np.prod(shape), dtype=dtype).reshape(shape)
    labels, on, scale = np.arange(shape[0]) % shape[1], np.array([True]), np.array([2.0])
    return [x, labels, on, scale, np.full(shape, 7, dtype), np.array([40])]


def expected(x, labels, on, scale, out, count):
    y = x * scale[0]
    y[np.arange(len(x)), labels] += 100
    return y


def test_this_python_and_this_numpy_are_readable():
    assert _arrays.readable()


@pytest.mark.parametrize(
    ("name", "planted"),
    [
        ("count_of", lambda arrays: 7),
        ("array_at", lambda arrays, i: arrays),
        ("numbers_of", lambda array: array),
        ("has", lambda *_: True),
        ("has", lambda *_: False),
        ("has_shape", lambda *_: True),
        ("has_shape", lambda *_: False),
    ],
)
def test_another_layout_is_noticed(name, planted, monkeypatch):
    monkeypatch.setattr(_arrays, name, planted)
    assert not _arrays.readable.__wrapped__()


@pytest.fixture
def by_numba(monkeypatch):
    """Counts the calls that machine code did not take."""
    found, call = [], Kernel._call
    monkeypatch.setattr(Kernel, "_call", lambda self, arrays: found.append(self) or call(self, arrays))
    return found


@pytest.mark.parametrize("shape", [(3, 5), (1, 1), (0, 5), (40, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_call_runs_machine_code(by_numba, dtype, shape):
    chosen(*buffers(dtype))  # makes it
    by_numba.clear()
    given = buffers(dtype, shape)
    y = expected(*given)
    chosen(*given)
    assert not by_numba and given[4].tobytes() == y.astype(dtype).tobytes() and given[5] == 40 + shape[0]


def test_arrays_that_only_may_be_read_need_no_code_of_their_own(by_numba):
    given = buffers()
    chosen(*given)
    made = len(chosen.body.overloads)
    for a in given[:4]:
        a.flags.writeable = False
    by_numba.clear()
    chosen(*given)
    assert not by_numba and len(chosen.body.overloads) == made


def other_layout(given):
    given[0] = np.asfortranarray(given[0])


def other_dtype(given):
    given[3] = given[3].astype(np.float32)


def a_float16(given):
    given[0] = given[0].astype(np.float16)


def mixed(given):
    given[4] = given[4].astype(np.float64)


def a_subclass(given):
    given[0] = given[0].view(np.recarray)


def a_list(given):
    given[3] = [2.0]


def fewer_axes(given):
    given[0] = given[0][0]


def fewer_arrays(given):
    del given[-1]


def more_arrays(given):
    given.append(given[-1])


def not_to_be_written(given):
    given[4].flags.writeable = False


@pytest.mark.parametrize(
    "change",
    [other_layout, other_dtype, a_float16, mixed, a_subclass, a_list, fewer_axes, fewer_arrays, more_arrays, not_to_be_written],
    ids=lambda change: change.__name__,
)  # fmt: skip
def test_what_machine_code_does_not_take(change):
    chosen(*buffers())
    given = buffers()
    change(given)
    held, before = tuple(given), [np.array(a) for a in given]
    assert _arrays.call_on(chosen._calls, id(held)) != 0
    assert all(np.array_equal(a, b) for a, b in zip(given, before, strict=True))  # nothing was written


def test_numba_answers_for_what_is_wrong():
    given = buffers()
    with pytest.raises(TypeError):
        chosen(*given[:-1])
    given[4].flags.writeable = False
    with pytest.raises(Exception, match=r"(?s)readonly"):
        chosen(*given)


def test_without_it_calls_go_through_numba(monkeypatch):
    monkeypatch.setattr(_compile, "readable", lambda: False)
    monkeypatch.setattr(chosen, "_calls", 0)
    monkeypatch.setattr(chosen, "_addresses", {})
    given = buffers()
    chosen(*given)
    assert chosen._calls == 0 and np.array_equal(given[4], expected(*given))


def test_another_thread_may_use_words_that_were_replaced():
    idle = Kernel(lambda x, out: None, "x[n] -> out[n]")
    del Kernel.registry[idle.name]
    x, out = np.ones(9, np.float32), np.ones(9, np.float32)
    idle(x, out)
    before = idle._calls
    idle(x.astype(np.float64), out.astype(np.float64))
    held = (x, out)
    assert idle._calls != before and _arrays.call_on(before, id(held)) == 0
    assert before in [words.ctypes.data for words in idle._kept]  # so that nothing else comes to lie there
