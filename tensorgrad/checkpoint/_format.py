"""The format: arrays and a description as the bytes of a safetensors file, with a checksum of all of them."""

import hashlib
import json

import safetensors.numpy

from ..errors import CheckpointError

VERSION = 1  # of the format: one more when an older tensorgrad could not read it
KEY = "tensorgrad"  # our entry among the metadata
_NO_CHECKSUM = "0" * 64
_KINDS = {  # how files of other kinds begin
    b"PK": "a zip archive: if np.savez wrote it, model.load_state_dict(np.load(path)) takes it",
    b"\x89HDF": "an HDF5 file, as Keras writes them",
    b"\x93NUMPY": "a file of np.save",
    b"\x80": "a pickle, which is not read, as that would run what is in it",
}


def encoded(arrays, description):
    """The file that holds arrays, {name: array in C order}, and a description, a dict of what JSON has."""
    text = json.dumps({"format": VERSION, "checksum": _NO_CHECKSUM, **description}, allow_nan=False)
    data = bytearray(safetensors.numpy.save(arrays, {KEY: text}))
    start = data.index(_NO_CHECKSUM.encode())  # metadata come first
    data[start : start + 64] = hashlib.sha256(data).hexdigest().encode()
    return data


def decoded(what, data):
    """(arrays, description) of a file's bytes; CheckpointError that begins with `what` for all that `encoded` did not write.

    The checksum is looked at before anything that the file says is believed.
    """
    metadata, names, end = _header(what, data)
    description = _description(what, metadata, names)
    version = description.get("format")
    if isinstance(version, int) and version > VERSION:
        raise CheckpointError(
            f"{what} has format {version}, and this tensorgrad reads formats up to {VERSION}: "
            "pip install --upgrade microgrid-tensorgrad"
        )
    if len(data) != end:
        kind = "truncated" if len(data) < end else "damaged"
        raise CheckpointError(f"{what} is {kind}: it has {len(data):,} bytes, and its header speaks of {end:,}")
    if version != VERSION or not _has_checksum(data, description.get("checksum")):
        raise CheckpointError(
            f"{what} is damaged: its checksum is not that of its contents; take another copy, or save the model again"
        )
    try:
        return dict(sorted(safetensors.numpy.load(bytes(data)).items())), description
    except Exception as error:  # whatever the library finds in a file that somebody made to be wrong
        raise CheckpointError(f"{what} has arrays that cannot be read: {error}") from error


def _has_checksum(data, checksum):
    """Whether this is the checksum of a file in which it stands."""
    start = data.find(checksum.encode()) if isinstance(checksum, str) and checksum.isascii() else -1
    if start < 0:
        return False
    view, digest = memoryview(data), hashlib.sha256()
    for part in (view[:start], _NO_CHECKSUM.encode(), view[start + len(checksum) :]):
        digest.update(part)
    return digest.hexdigest() == checksum


def _header(what, data):
    """(metadata, names of the arrays, where the last of them ends) of a safetensors file."""
    size = int.from_bytes(data[:8], "little")
    if data[8:9] != b"{":
        kind = "it is empty" if not data else next((k for start, k in _KINDS.items() if data.startswith(start)), "")
        raise CheckpointError(f"{what} is no safetensors file" + (f": {kind}" if kind else ""))
    if size > len(data) - 8:
        raise CheckpointError(
            f"{what} is truncated or damaged: its header is longer than the {len(data):,} bytes there are"
        )
    try:
        header = json.loads(bytes(data[8 : 8 + size]))
        metadata = header.pop("__metadata__", {})
        ends = [int(entry["data_offsets"][1]) for entry in header.values()]
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{what} is damaged: its header cannot be read ({error})") from error
    return metadata, list(header), 8 + size + max(ends, default=0)


def _description(what, metadata, names):
    """The description that `encoded` was given, with the format and the checksum."""
    text = metadata.get(KEY) if isinstance(metadata, dict) else None
    if text is None:
        listed = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        raise CheckpointError(
            f"{what} was not written by tg.save: it has no entry {KEY!r}, only arrays ({listed or 'none'}). What they mean "
            "only who wrote it knows: read them with safetensors.numpy.load_file(path), give them the names and shapes of "
            "your model (PyTorch keeps a dense weight transposed), and fill it with model.load_state_dict(arrays)"
        )
    try:
        description = json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{what} is damaged: its description cannot be read ({error})") from error
    if not isinstance(description, dict):
        raise CheckpointError(f"{what} is damaged: its description is no dict")
    return description
