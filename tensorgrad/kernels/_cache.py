"""Where compiled kernels are kept: a folder of our own, keyed by a hash of all kernel sources and versions.

numba's own cache re-uses stale code when a function in another file changed, and raises on a truncated file; here every
file carries a checksum, and any trouble with the cache means compiling again. Where nothing can be written, code is
compiled in memory.
"""

import contextlib
import functools
import hashlib
import os
import sys
import tempfile
from pathlib import Path

import llvmlite
import numba
import numpy as np
from numba.core import caching
from numba.core.runtime import rtsys
from platformdirs import user_cache_dir

_FOLDERS = [Path(__file__).parent, Path(__file__).parent.parent / "ops"]  # where functions are compiled
CHECK = os.environ.get("TENSORGRAD_CHECK", "") not in ("", "0")  # verify the bounds of every kernel call


@functools.cache
def _source_hash():
    """A hash of every kernel source and of the versions that decide the machine code."""
    parts = [numba.__version__, llvmlite.__version__, np.__version__, sys.version, str(CHECK)]
    parts += [p.read_text(encoding="utf-8") for folder in _FOLDERS for p in sorted(folder.glob("*.py"))]
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
        constants = [c for c in code.co_consts if not hasattr(c, "co_code")]
        where = f"{code.co_filename}:{code.co_firstlineno}:{code.co_names}:{constants}"  # one line may hold two lambdas
        if Path(code.co_filename).parent not in _FOLDERS and os.path.exists(code.co_filename):  # somebody's own file
            where += Path(code.co_filename).read_text(encoding="utf-8")
        self._disambiguator = hashlib.sha256(where.encode()).hexdigest()[:8]

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
    """A file for each compiled function and its types, behind a checksum of what it is and of its content.

    numba keeps an index of numbered files beside them: processes that compile at once can overwrite each other's.
    """

    def __init__(self, folder, name, stamp):
        super().__init__(folder, name, stamp)
        self._name = name

    def _path(self, key):
        return os.path.join(self._cache_path, f"{self._name}.{hashlib.sha256(repr(key).encode()).hexdigest()[:16]}.nbc")

    def _digest(self, key, data):
        return hashlib.sha256(repr((self._name, key)).encode() + data).digest()

    def save(self, key, data):
        data = self._dump(data)
        with self._open_for_write(self._path(key)) as file:
            file.write(self._digest(key, data) + data)

    def load(self, key):
        with open(self._path(key), "rb") as file:
            stored = file.read()
        digest, data = stored[:32], stored[32:]
        if self._digest(key, data) != digest:
            raise OSError("damaged cache file")
        return caching.pickle.loads(data)


class Cache(caching.FunctionCache):
    """numba's function cache, for which any trouble means: compile again."""

    _impl_class = _Entries

    def __init__(self, function, prepare):
        super().__init__(function)
        self._prepare = prepare  # called with the types of the arguments before code is loaded
        self._cache_file = _Files(self._cache_path, self._impl.filename_base, self._impl.locator.get_source_stamp())

    def load_overload(self, sig, target_context):
        self._prepare(sig)
        try:  # numba's own would first import all that compiling needs, a quarter of a second
            rtsys.initialize(target_context)
            return self._load_overload(sig, target_context)
        except Exception:  # no such file, or a damaged one
            return None

    def save_overload(self, sig, data):
        with contextlib.suppress(Exception):  # a folder that cannot be written is left alone
            super().save_overload(sig, data)
