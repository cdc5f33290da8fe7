"""Losses: `loss(prediction, target, sample_weight=None)` -> a scalar to call `.backward()` on, or each row's loss."""

from .binary import BCELoss, BCEWithLogitsLoss, HingeLoss, SquaredHingeLoss
from .classification import CrossEntropyLoss, MultiMarginLoss, NLLLoss
from .distribution import GaussianNLLLoss, KLDivLoss, PoissonNLLLoss
from .focal import FocalLoss
from .loss import Loss
from .overlap import DiceLoss
from .regression import HuberLoss, L1Loss, LogCoshLoss, MSELoss, SmoothL1Loss
from .similarity import CosineEmbeddingLoss, TripletMarginLoss

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CosineEmbeddingLoss",
    "CrossEntropyLoss",
    "DiceLoss",
    "FocalLoss",
    "GaussianNLLLoss",
    "HingeLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "LogCoshLoss",
    "Loss",
    "MSELoss",
    "MultiMarginLoss",
    "NLLLoss",
    "PoissonNLLLoss",
    "SmoothL1Loss",
    "SquaredHingeLoss",
    "TripletMarginLoss",
]  # fmt: skip
