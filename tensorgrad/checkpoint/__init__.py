"""Models as files: safetensors with the architecture as JSON, a format version and a checksum."""

from ._model import load, save

__all__ = ["load", "save"]
