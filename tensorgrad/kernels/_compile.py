"""One decorator owns compiling and caching: `@kernel("x[m,k] w[k,n] out[m,n]")` over a numba body.

The declaration names every buffer and its extents. From it follow the check of a call (`TENSORGRAD_CHECK=1` verifies
each one) and what a picture or a table says of it. A kernel takes C-contiguous arrays, writes the buffers it is
declared to write, and never raises: what can be wrong is checked by the op that calls it.

Compiled code is kept in a folder of our own, keyed by a hash of all kernel sources and of the versions that shape the
machine code. numba's own cache re-uses stale code when a function in another file changed, and raises on a truncated
file; here every entry carries a checksum, and any trouble with the cache means compiling again. Where nothing can be
written, code is compiled in memory.
"""

import contextlib
import functools
import hashlib
import os
import re
import sys
import tempfile
from inspect import signature
from pathlib import Path
from typing import ClassVar

import llvmlite
import numba
import numpy as np
from numba.core import caching
from platformdirs import user_cache_dir

# NaN and infinity must survive, so not "nnan" and not "ninf"; sums may be reordered and products fused.
FASTMATH = {"reassoc", "contract", "nsz", "arcp"}
CHECK = os.environ.get("TENSORGRAD_CHECK", "") not in ("", "0")


@functools.cache
def _source_hash():
    """A hash of every kernel source and of the versions that decide the machine code."""
    parts = [numba.__version__, llvmlite.__version__, np.__version__, sys.version]
    parts += [p.read_text(encoding="utf-8") for p in sorted(Path(__file__).parent.glob("*.py"))]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


@functools.cache
def cache_folder():
    """The folder that compiled kernels are kept in, or None where nothing can be written.

    `TENSORGRAD_CACHE_DIR` chooses another place than the user's cache folder.
    """
    root = os.environ.get("TENSORGRAD_CACHE_DIR") or user_cache_dir("tensorgrad", appauthor=False)
    folder = Path(root) / _source_hash()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        # A folder that can only be read may still hold code that was compiled earlier.
        return folder if folder.is_dir() and os.access(folder, os.R_OK | os.X_OK) else None
    return folder


class _Locator:
    """Tells numba's cache where a function is kept and how fresh it is."""

    def __init__(self, function):
        code = function.__code__
        self._py_file = code.co_filename  # numba names it in a warning
        self._disambiguator = hashlib.sha256(f"{code.co_filename}:{code.co_firstlineno}".encode()).hexdigest()[:8]

    def get_cache_path(self):
        return str(cache_folder())

    def ensure_cache_path(self):
        pass

    def get_source_stamp(self):
        return _source_hash()

    def get_disambiguator(self):
        return self._disambiguator

    @classmethod
    def from_function(cls, function, _file):
        return cls(function)


class _Entries(caching.CompileResultCacheImpl):
    _locator_classes = [_Locator]  # type: ignore  # noqa: RUF012


class _Files(caching.IndexDataCacheFile):
    """numba's index and data files, each data file behind a checksum of its name and content."""

    @staticmethod
    def _digest(name, data):
        return hashlib.sha256(name.encode() + data).digest()

    def _save_data(self, name, data):
        data = self._dump(data)
        with self._open_for_write(self._data_path(name)) as file:
            file.write(self._digest(name, data) + data)

    def _load_data(self, name):
        stored = Path(self._data_path(name)).read_bytes()
        digest, data = stored[:32], stored[32:]
        if self._digest(name, data) != digest:
            raise OSError("damaged cache file")  # numba then compiles again
        return caching.pickle.loads(data)


class _Cache(caching.FunctionCache):
    """numba's function cache, for which any trouble means: compile again, and say so once."""

    _impl_class = _Entries

    def __init__(self, function):
        super().__init__(function)
        self._cache_file = _Files(self._cache_path, self._impl.filename_base, self._impl.locator.get_source_stamp())

    def load_overload(self, sig, target_context):
        try:
            found = super().load_overload(sig, target_context)
        except Exception:  # a damaged index can fail in any way that unpickling can
            found = None
        if found is None:
            _say_compiling()
        return found

    def save_overload(self, sig, data):
        try:
            super().save_overload(sig, data)
        except Exception:
            self._replace(sig, data)

    def _replace(self, sig, data):
        """Drop a damaged index and save afresh; a folder that cannot be written is left alone."""
        with contextlib.suppress(Exception):
            os.unlink(self._cache_file._index_path)
            super().save_overload(sig, data)


class _NoCache(caching.NullCache):
    """Where nothing can be written: compile in every process, and say so once."""

    def load_overload(self, sig, target_context):
        _say_compiling()


@functools.cache
def _say_compiling():
    """Tell, once a process, why the first call takes seconds."""
    if sys.stderr is not None and os.environ.get("TENSORGRAD_QUIET", "") in ("", "0"):
        where = cache_folder()
        kept = f"kept in {where}" if where and os.access(where, os.W_OK) else "no folder can be written: kept in memory"
        print(f"tensorgrad: compiling kernels on their first use, some seconds ({kept})", file=sys.stderr, flush=True)


def jit(function=None, *, fastmath=FASTMATH):
    """Compile a function on its first call; for the helpers that kernels are made of."""
    if function is None:
        return functools.partial(jit, fastmath=fastmath)
    dispatcher = numba.njit(nogil=True, fastmath=fastmath, error_model="numpy")(function)
    dispatcher._cache = _NoCache() if cache_folder() is None else _Cache(function)  # type: ignore[attr-defined]
    return dispatcher


_DTYPES = {":i": np.dtype(np.int64), ":b": np.dtype(np.bool_), ":d": np.dtype(np.float64)}


def _buffer(text, kernel):
    """(name, kind, extents) of `x[m,n]`, `labels:i[m]` (int64), `mask:b[n]` (bool), `numbers:d[4]` (float64), `y[n|1]`."""
    found = re.fullmatch(r"([a-z]\w*)(:[ibd])?\[((?:\w+|\w+\|1)(?:,(?:\w+|\w+\|1))*)\]", text)
    if not found:
        raise ValueError(f"{kernel}: the declaration of a buffer reads like x[m,n] or labels:i[m], got {text!r}")
    return found[1], found[2] or "", found[3].split(",")


class Kernel:
    """A numba body with declared buffers; call it on arrays.

    >>> from tensorgrad import kernels
    >>> kernels.relu
    <kernel relu: x[n] out[n]>
    """

    registry: ClassVar[dict[str, "Kernel"]] = {}
    log: ClassVar[list | None] = None  # a list while calls are being logged: see `logging`

    def __init__(self, body, declaration):
        self.name, self.declaration, self.__doc__ = body.__name__, declaration, body.__doc__
        self.buffers = [_buffer(text, self.name) for text in declaration.split()]
        names, parameters = [name for name, *_ in self.buffers], list(signature(body).parameters)
        if names != parameters:
            raise ValueError(f"{self.name}: declaration {declaration!r} names {names}, the body takes {parameters}")
        self.body = jit(body)
        Kernel.registry[self.name] = self

    def __call__(self, *arrays):
        if CHECK:
            self.check(arrays)
        self.body(*arrays)
        if Kernel.log is not None:
            Kernel.log.append((self, arrays))

    def check(self, arrays):
        """Raise AssertionError unless the arrays fit the declaration: count, dtype, layout and every extent."""
        if len(arrays) != len(self.buffers):
            raise AssertionError(f"{self.name}: {len(arrays)} buffers for {self.declaration}")
        real = next((a.dtype for a, (_, kind, _) in zip(arrays, self.buffers, strict=True) if not kind), None)
        calls = list(zip(self.buffers, arrays, strict=True))
        sizes: dict[str, int] = {}
        for (name, kind, extents), a in calls:
            where = f"{self.name}: {name}{list(a.shape)} {a.dtype}"
            if kind and a.dtype != _DTYPES[kind]:
                raise AssertionError(f"{where}: expected dtype {_DTYPES[kind]}")
            if not kind and (a.dtype not in (np.float32, np.float64) or a.dtype != real):
                raise AssertionError(f"{where}: expected float32 or float64, the same for all")
            if not (a.flags.c_contiguous and a.flags.aligned):
                raise AssertionError(f"{where} is not C-contiguous")
            if a.ndim != len(extents):
                raise AssertionError(f"{where} does not fit {self.declaration}")
            for extent, n in zip(extents, a.shape, strict=True):
                expected = int(extent) if extent.isdigit() else n if "|" in extent else sizes.setdefault(extent, n)
                if n != expected:
                    raise AssertionError(f"{where}: {extent} is {n}, expected {expected}")
        for (name, _, extents), a in calls:  # "n|1" may be one number for all, now that n is known
            for extent, n in zip(extents, a.shape, strict=True):
                if "|" in extent and n not in (1, sizes[extent[:-2]]):
                    expected = sizes[extent[:-2]]
                    raise AssertionError(f"{self.name}: {name}{list(a.shape)} {a.dtype}: {n}, expected {expected} or 1")

    def __repr__(self):
        return f"<kernel {self.name}: {self.declaration}>"


class logging:
    """Collect `(kernel, arrays)` of every kernel call inside a `with` block."""

    def __enter__(self):
        self.outer, Kernel.log = Kernel.log, []
        return Kernel.log

    def __exit__(self, *_):
        Kernel.log = self.outer


def kernel(declaration):
    """Declare a kernel: its buffers with their extents, over a numba body."""
    return lambda body: Kernel(body, declaration)
