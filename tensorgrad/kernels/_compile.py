"""One decorator owns compiling: `@kernel("x[M,k] w[k,n] -> out[M,n]")` over a numba body.

The declaration names every buffer, what is read and what is written, and all extents. From it follow the check of a call
(`TENSORGRAD_CHECK=1` verifies each one and the bounds of every access), the rows of a program and how they are dealt out
to threads, and what a picture or a table says of it:

    x[M,k]          a buffer of the numbers' dtype (float32 or float64), with its extents
    labels:i[M]<n   :i int64, :u uint8, :b bool, :d float64, :f float32; "<n" says that its numbers are all in 0..n-1
    y[N|1]          N numbers, or one that stands for all
    -> out[M,n]     after the arrow: written; `&p[N]` is read and written, in place
    M, N            an extent in capitals can be dealt out to threads: buffers that have it are dealt out with it, and
                    written ones that lack it hold partial sums, to be added up afterwards
    first:i[1]@K    a number that tells a thread which share it has: where its share of K begins; `@alone`: whether it
                    does all of the work (1) or shares it with other threads (0)

A kernel takes C-contiguous arrays, writes the buffers it is declared to write, and never raises: what can be wrong is
checked by the op that calls it. (Only the rows that guard a program raise, `stop_if` and `meet`: that is how it stops.)
"""

import re
import threading
from dataclasses import dataclass
from inspect import signature
from typing import Any, ClassVar

import numpy as np
from numba import types

from ._arrays import call_on, readable, words_about
from ._cache import CHECK
from ._jit import jit
from ._log import current
from ._rows import LONGEST, count_for

KINDS = {
    ":i": (np.dtype(np.int64), types.int64),
    ":u": (np.dtype(np.uint8), types.uint8),
    ":b": (np.dtype(np.bool_), types.boolean),
    ":d": (np.dtype(np.float64), types.float64),
    ":f": (np.dtype(np.float32), types.float32),
}
REAL: dict[np.dtype, Any] = {np.dtype(np.float32): types.float32, np.dtype(np.float64): types.float64}


@dataclass(frozen=True)
class Buffer:
    """One buffer of a declaration."""

    name: str
    kind: str  # "" for the numbers' dtype, or one of KINDS
    extents: tuple[str, ...]
    read: bool
    written: bool
    below: str  # the extent that its numbers, indices, stay below; "" for none
    tells: str  # "alone", or the extent of which it tells where the share begins; "" for other buffers

    @classmethod
    def parse(cls, text, kernel, written):
        found = re.fullmatch(
            r"(&?)([a-z]\w*)(:[iubdf])?\[((?:\w+|\w+\|1)(?:,(?:\w+|\w+\|1))*)\](?:<(\w+))?(?:@(\w+))?", text
        )
        if not found or (found[1] and not written):
            raise ValueError(
                f"{kernel}: the declaration of a buffer reads like x[m,n] or labels:i[m]<n, got {text!r}; "
                "&x[n], read and written, stands after the arrow"
            )
        inplace, name, kind, extents, below, tells = found.groups(default="")
        return cls(name, kind, tuple(extents.split(",")), not written or bool(inplace), written, below, tells)


_making = threading.RLock()  # threads that call a kernel for the first time at once get one body


class Kernel:
    """A numba body with declared buffers; call it on arrays.

    >>> from tensorgrad import kernels
    >>> kernels.relu
    <kernel relu: x[N] -> out[N]>
    """

    registry: ClassVar[dict[str, "Kernel"]] = {}

    def __init__(self, function, declaration, products=0):
        self._function, self.__doc__ = function, function.__doc__
        self._declare(function.__name__, list(signature(function).parameters), declaration, products)

    def _declare(self, name, parameters, declaration, products=0):
        self.name, self.declaration = name, declaration
        # How many matrix products m * k * n it makes; or multiplications, given sizes and a plan.
        self.products = products
        read, _, written = declaration.partition("->")
        self.buffers = [Buffer.parse(text, self.name, False) for text in read.split()]
        self.buffers += [Buffer.parse(text, self.name, True) for text in written.split()]
        names = [b.name for b in self.buffers]
        if names != parameters:
            raise ValueError(f"{self.name}: declaration {declaration!r} names {names}, the body takes {parameters}")
        self._words = 2 + sum(5 + 2 * len(b.extents) for b in self.buffers)  # of a row
        if self._words > LONGEST - 2:
            raise ValueError(
                f"{self.name}: so many buffers make more than {LONGEST - 2} words in a row; use fewer axes"
            )
        self._addresses: dict[np.dtype, int] = {}
        self._calls = 0  # where the words are that `call_on` reads, once there is machine code
        self._kept: list = []  # all words that it ever read
        Kernel.registry[self.name] = self

    def __getattr__(self, name):
        """The compiled `body`, made when it is first asked for: that import makes none keeps it quick."""
        if name != "body":
            raise AttributeError(f"a kernel has no {name!r}")
        with _making:
            if "body" not in vars(self):
                self.body = jit(self._function)
        return vars(self)["body"]

    def __call__(self, *arrays):
        if call_on(self._calls, id(arrays)) != 0:
            self._call(arrays)
        if current.log is not None:
            current.log.rows.append((self, arrays))

    def _call(self, arrays):
        """A call that the machine code was not ready for, or on arrays that it does not take."""
        if CHECK:
            self.check(arrays)
            self.body(*arrays)
            return
        reals = {a.dtype for a, b in zip(arrays, self.buffers, strict=False) if not b.kind and type(a) is np.ndarray}
        real = next((kind for kind in REAL if reals <= {kind}), None)
        if real is not None and real not in self._addresses and readable():
            self.address(real)
            if call_on(self._calls, id(arrays)) == 0:
                return
        self.body(*arrays)

    def address(self, real):
        """The address of the machine code for numbers of this dtype: the very code that a call runs."""
        if real in self._addresses:
            return self._addresses[real]
        kinds = [KINDS[b.kind][1] if b.kind else REAL[real] for b in self.buffers]
        wanted = tuple(types.Array(kind, len(b.extents), "C") for kind, b in zip(kinds, self.buffers, strict=True))
        self.body.compile(wanted)
        compiled = self.body.overloads[wanted]
        self._addresses[real] = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
        if not CHECK:
            self._kept.append(self._words_about())
            self._calls = self._kept[-1].ctypes.data
        return self._addresses[real]

    def _words_about(self):
        """What `call_on` is to know of this kernel, with the machine code that there is."""
        buffers = [(KINDS[b.kind][0] if b.kind else None, len(b.extents), b.written) for b in self.buffers]
        codes = [self._addresses.get(real, 0) for real in REAL]
        return words_about(buffers, count_for(self._words), codes)

    def sizes(self, shapes):
        """{extent: length} of a call with buffers of these shapes; AssertionError where they do not fit."""
        sizes: dict[str, int] = {}
        one = []  # "n|1" may be one number for all: looked at when n is known
        for b, shape in zip(self.buffers, shapes, strict=True):
            if len(shape) != len(b.extents):
                raise AssertionError(f"{self.name}: {b.name}{list(shape)} does not fit {self.declaration}")
            for extent, n in zip(b.extents, shape, strict=True):
                if "|" in extent:
                    one.append((b, extent[:-2], n))
                    continue
                expected = int(extent) if extent.isdigit() else sizes.setdefault(extent, n)
                if n != expected:
                    raise AssertionError(f"{self.name}: {b.name}{list(shape)}: {extent} is {n}, expected {expected}")
        for b, extent, n in one:
            if n not in (1, sizes[extent]):
                raise AssertionError(f"{self.name}: {b.name}[{n}], expected {sizes[extent]} or 1")
        return sizes

    def fit(self, arrays):
        """{extent: length} of a call; AssertionError unless the arrays fit the declaration: dtype, layout, extents."""
        if len(arrays) != len(self.buffers):
            raise AssertionError(f"{self.name}: {len(arrays)} buffers for {self.declaration}")
        real = next((a.dtype for a, b in zip(arrays, self.buffers, strict=True) if not b.kind), None)
        for b, a in zip(self.buffers, arrays, strict=True):
            where = f"{self.name}: {b.name}{list(a.shape)} {a.dtype}"
            if b.kind and a.dtype != KINDS[b.kind][0]:
                raise AssertionError(f"{where}: expected dtype {KINDS[b.kind][0]}")
            if not b.kind and (a.dtype not in REAL or a.dtype != real):
                raise AssertionError(f"{where}: expected float32 or float64, the same for all")
            if not (a.flags.c_contiguous and a.flags.aligned):
                raise AssertionError(f"{where} is not C-contiguous")
        return self.sizes([a.shape for a in arrays])

    def check(self, arrays):
        """Raise AssertionError unless the arrays fit the declaration, the range of indices included."""
        sizes = self.fit(arrays)
        for b, a in zip(self.buffers, arrays, strict=True):
            if b.below and b.read and a.size and not 0 <= a.min() <= a.max() < sizes[b.below]:
                raise AssertionError(f"{self.name}: {b.name} has numbers outside 0..{sizes[b.below] - 1}")

    def __repr__(self):
        return f"<kernel {self.name}: {self.declaration}>"


def kernel(declaration, products=0):
    """Declare a kernel: its buffers with their extents, over a numba body.

    products: how many matrix products m * k * n it makes, or a function (sizes, plan) -> multiplications.
    """
    return lambda body: Kernel(body, declaration, products)
