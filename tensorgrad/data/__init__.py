"""Data in the form that training takes."""

from .batches import batches, checked

__all__ = ["batches", "checked"]
