"""Training: fit, predict, evaluate, and what they give back."""

from .history import History
from .inference import evaluate, predict
from .loop import fit
from .metrics import accuracy

__all__ = ["History", "accuracy", "evaluate", "fit", "predict"]
