"""Training: fit, predict, evaluate, and what they give back."""

from ..metrics import accuracy
from .history import History
from .inference import evaluate, predict
from .loop import fit
from .many import fit_many
from .program import show_program

__all__ = ["History", "accuracy", "evaluate", "fit", "fit_many", "predict", "show_program"]
