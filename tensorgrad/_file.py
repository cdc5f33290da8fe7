"""Bytes on a disk: read whole, or written so that a path holds the old file or the new one, whatever happens."""

import os
import secrets
import stat
from pathlib import Path

from .errors import FileError, OptionError

_ELSEWHERE = "; give a path in a folder that you may write to"
_HINTS = {
    FileNotFoundError: "; make its folder first",
    FileExistsError: _ELSEWHERE,
    NotADirectoryError: _ELSEWHERE,
    PermissionError: _ELSEWHERE,
}


def checked_path(owner, path):
    """A path as a Path; OptionError for what is none."""
    if not isinstance(path, str | os.PathLike) or not isinstance(os.fspath(path), str):
        raise OptionError(f"{owner}: expected a path, as a string or a pathlib.Path, got {_short(path)}")
    return Path(path)


def read(owner, path):
    """The bytes of a file; FileError if there is none, or none that can be read."""
    try:
        with open(path, "rb", opener=_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError("it is no regular file")
            return file.read()
    except (OSError, ValueError) as error:  # a ValueError for a path with a null byte
        raise FileError(f"{owner}: cannot read {str(path)!r}: {_reason(error)}") from error


def _at_once(path, flags):
    """Open a file without waiting for somebody to write to it, as a named pipe would."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def write(owner, path, data, folders=False):
    """Write bytes to a path: a file beside it takes its place once all is on the disk. `folders`: missing ones are made.

    What a symbolic link points to is replaced, and a new file has the permissions of an old one, else those of any new
    file. FileError for a path that cannot be written; what was there stays as it was, and nothing else is left behind.
    """
    unfinished = None
    try:
        target = Path(os.path.realpath(path))
        if folders:
            target.parent.mkdir(parents=True, exist_ok=True)
        mode = _mode(target)
        unfinished = target.with_name(f".{target.name[:50]}.{secrets.token_hex(8)}.unfinished")
        with open(unfinished, "xb") as file:  # which has the permissions of any new file
            if mode is not None:
                os.chmod(unfinished, mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, target)
        _sync_folder(target.parent)
    except (OSError, ValueError) as error:
        hint = next((said for kind, said in _HINTS.items() if isinstance(error, kind)), "")
        raise FileError(f"{owner}: cannot write {str(path)!r}: {_reason(error)}{hint}") from error
    finally:
        if unfinished is not None:
            unfinished.unlink(missing_ok=True)


def _mode(target):
    """The permissions of a file that is there, or None; OSError for a folder, a device and the like."""
    try:
        found = target.stat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        raise OSError("it is a folder" if target.is_dir() else "it is no regular file")
    return stat.S_IMODE(found.st_mode)


def _sync_folder(folder):
    """Have the folder's new entry on the disk; Windows has no way to ask for it."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _short(x):
    """What came in place of a path: a number or a string as it is, of else the kind."""
    return repr(x) if x is None or isinstance(x, int | float | str | bytes) else type(x).__name__


def _reason(error):
    return getattr(error, "strerror", None) or str(error)
