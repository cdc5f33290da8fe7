"""The log of kernel calls: what a program is made from.

While a log is open in a thread, every kernel call is noted with its arrays, in order. Work on numbers that does not go
through a kernel would be missing from it, so ops move numbers with kernels while a log is open (`ops/_shared.py`), and
whoever reads a number, or computes with NumPy, leaves a reason in the log why its rows cannot simply be run again.
"""

import threading
import weakref
from typing import Any

import numpy as np


class Log:
    """Kernel calls in order, and what is known of the memory that they work on."""

    def __init__(self):
        self.rows = []  # (kernel, arrays); holding the arrays keeps every address from being used again
        self.arguments = []  # the arrays that each run fills anew
        self.kept = {}  # id -> array: memory that outlives the calls, such as parameters and optimizer state
        self.states = {}  # id -> (array, its numbers before): of the kept memory, what a step that fails puts back
        self.constants = {}  # id -> array: numbers that never change
        self.touched = {}  # id -> leaf tensor: those whose numbers may be changed
        self.cleared = set()  # ids of the leaf tensors whose gradient was set to None
        self.cleared_first = set()  # of those for which that was done before they got one
        self.graded = set()  # of those that got a gradient
        self.modules = {}  # id -> module: those that were called
        self.generators = {}  # id -> (generator, its state): of the modules and functions that were called
        self.grads = {}  # id -> (leaf tensor, its gradient before)
        self.limits = []  # (array, low, high): indices that each call has to check
        self.checks = []  # (array, function that raises on bad numbers): what each call has to check
        self.glances = []  # the same, where the array may also be one that the step computes: then nobody looks
        self.conditions = []  # functions that raise where a call must not run: checks of no array
        self.reason = ""  # why the rows cannot be run again in place of the function

    def watch(self, values):
        """Note the state of every random generator among these."""
        for g in values:
            if isinstance(g, np.random.Generator):
                self.generators.setdefault(id(g), (g, g.bit_generator.state))

    def fail(self, reason):
        """Note the first reason."""
        self.reason = self.reason or reason


class _Current(threading.local):
    log: Any = None  # a Log while one is open
    targets: str | None = None  # what a loss said of all targets that there will be, where it has looked at them


current = _Current()


class logging:
    """Open a log of this thread's kernel calls inside a `with` block."""

    def __enter__(self):
        self.outer, current.log = current.log, Log()
        return current.log

    def __exit__(self, *_):
        current.log = self.outer


def root(array):
    """The array that owns the memory of this one."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


_outside: weakref.WeakValueDictionary = weakref.WeakValueDictionary()  # id -> array that `readable` was told of


def readable(array):
    """Allow every log to read an array from outside, where it is: later changes of its numbers are seen. Returns it."""
    _outside[id(root(array))] = root(array)
    return array


def is_readable(owner):
    """Whether `readable` was told of this array."""
    return _outside.get(id(owner)) is owner


def constant(array):
    """Note that an array's numbers are fixed, if a log is open; returns it."""
    if current.log is not None:
        owner = root(array)
        current.log.constants[id(owner)] = owner
    return array


def kept(array):
    """Note that an array's memory outlives the calls, if a log is open; returns it."""
    if current.log is not None:
        owner = root(array)
        current.log.kept[id(owner)] = owner
    return array


def kept_state(array):
    """Note that an array's memory outlives the calls, and its numbers as they are: for those that steps go on from."""
    if current.log is not None:
        owner = root(kept(array))
        current.log.states.setdefault(id(owner), (owner, owner.copy()))
    return array
