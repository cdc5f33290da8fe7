"""Checks that a user can run: of an op, a gradient, a whole model."""

from .comparison import Comparison, compare
from .differences import gradcheck
from .op_check import OpReport, check_op

__all__ = ["Comparison", "OpReport", "check_op", "compare", "gradcheck"]
