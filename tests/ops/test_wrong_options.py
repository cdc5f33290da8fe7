"""Every option of every op, given what it cannot be: a result, or an error of tensorgrad.errors that names the op."""

import numpy as np
import pytest

import tensorgrad as tg
from microgrid import grid
from tensorgrad._op import Op
from tensorgrad._registry import OPS
from tensorgrad.errors import TensorgradError

WRONG = {
    "None": None, "an empty list": [], "text": "x", "an array": np.array([0, 1]), "2**70": 2**70, "-2**70": -(2**70),
    "nan": np.nan, "inf": np.inf, "an object": object(), "a tensor": tg.tensor([0.0, 1.0]), "1.5": 1.5, "-1": -1, "1j": 1j,
    "texts": ("a", "b"), "a ragged list": [[1], [2, 3]], "a dict": {"a": 1}, "an array of one": np.array([1]), "bytes": b"x",
    "a pair with None": (1, None), "an array of objects": np.array([None, 1], object), "a float array": np.array(0.5),
}  # fmt: skip
WITH_OPTIONS = sorted(name for name, op in OPS.items() if isinstance(op, Op) and op.options)
ENGINES = {"arrays": np.asarray, "tensors": tg.tensor, "grids": grid}


def _samples(op, option):
    """One sample of the op for each set of its options."""
    seen = {}
    for s in op.samples:
        arrays = s.arrays(np.random.default_rng(0))
        if any(np.size(a) for a in arrays):
            seen.setdefault(frozenset(s.options), (arrays, s.options))
    return [given for names, given in seen.items() if option in names] or [*seen.values()][:1]


def _on(engine, op, arrays):
    kinds = op.for_each(op.casts, arrays)
    return [ENGINES[engine](a) if cast else a for a, cast in zip(arrays, kinds, strict=True)]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", WITH_OPTIONS)
def test_an_option_is_taken_or_refused_by_name(name, engine):
    op, wrong = OPS[name], []
    for option in op.options:
        for what, value in WRONG.items():
            for arrays, options in _samples(op, option):
                try:
                    op(*_on(engine, op, arrays), **options | {option: value})
                except TensorgradError as error:
                    if name not in str(error):
                        wrong.append(f"{option}={what}: {type(error).__name__} does not name the op: {error}")
                except Exception as error:  # what this test is there to find
                    wrong.append(f"{option}={what}: {type(error).__name__}: {error}")
    assert not wrong, "\n".join([f"{name} on {engine}, {len(wrong)} times:", *wrong])


# The functions beside the records, with one good call each.
FUNCTIONS = {
    "concatenate": (lambda x: [x, x], {"axis": 0}), "stack": (lambda x: [x, x], {"axis": 0}),
    "split": (lambda x: x, {"indices_or_sections": 2, "axis": 0}), "argmax": (lambda x: x, {"axis": 0, "keepdims": False}),
    "array_split": (lambda x: x, {"indices_or_sections": 3, "axis": 0}), "argmin": (lambda x: x, {"axis": 0, "keepdims": True}),
}  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_option_of_a_function_is_taken_or_refused_by_name(name, engine):
    function, wrong = getattr(tg.ops, name), []
    inputs, options = FUNCTIONS[name]
    x = inputs(ENGINES[engine](np.arange(8.0).reshape(4, 2)))
    function(x, **options)
    for option in options:
        for what, value in WRONG.items():
            try:
                function(x, **options | {option: value})
            except TensorgradError as error:
                if name not in str(error):
                    wrong.append(f"{option}={what}: {type(error).__name__} does not name the function: {error}")
            except Exception as error:
                wrong.append(f"{option}={what}: {type(error).__name__}: {error}")
    assert not wrong, "\n".join([f"{name} on {engine}, {len(wrong)} times:", *wrong])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["sum", "prod", "max", "softmax", "flip"])
def test_several_axes_are_given_as_a_list_or_as_a_tuple(name, engine):
    x, op = ENGINES[engine](np.arange(8.0).reshape(4, 2)), OPS[name]
    assert np.array_equal(_plain(op(x, axis=[0, 1])), _plain(op(x, axis=(0, 1))))


def _plain(y):
    return np.asarray(getattr(y, "data", y), float) if not isinstance(y, np.ndarray) else y.astype(float)
