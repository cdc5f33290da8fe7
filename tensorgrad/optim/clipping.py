"""Gradients clipped by hand, between backward and step."""

import math

import numpy as np

from .. import kernels
from .._options import is_real
from .._tensor import Tensor
from ..errors import EngineError, GradientError
from ..kernels import constant, current, kept, share, share_sums
from ..kernels.updates import ACCUMULATE, BATCHES, CLIP_NORM, NUMBERS
from ._given import checked_parameters
from ._numbers import Number

_LIMIT = Number(0.0, above=True)


def clip_grad_norm(parameters, max_norm):
    """Scale all gradients by min(1, max_norm / (norm + 1e-6)), where norm is that of all of them together, and return it.

    parameters: a list of Parameters; those without a gradient are left out. max_norm > 0, or infinity to measure only.
    The norm before scaling is a Tensor of shape (), float64. An optimizer's `clip_norm=` does the same in its own step, and
    faster. In a step of `tg.compile` nothing can be raised for gradients that are not finite: they all become NaN.

    Raises GradientError, and changes nothing, if no parameter has a gradient or one is not finite; OptionError for
    max_norm <= 0 and for what is no list of parameters. Pascanu et al. 2013, algorithm 1; torch.nn.utils.clip_grad_norm_.

    >>> import tensorgrad as tg
    >>> p = tg.Parameter(np.zeros(2))
    >>> p.grad = np.array([3.0, 4.0])
    >>> clip_grad_norm([p], max_norm=1.0).item(), p.grad.round(3)
    (5.0, array([0.6, 0.8]))
    """
    owner = "clip_grad_norm"
    limit = math.inf if is_real(max_norm) and max_norm == math.inf else _LIMIT.checked(owner, "max_norm", max_norm)
    graded = _with_gradients(owner, parameters)
    numbers = kept(np.zeros(NUMBERS))
    numbers[CLIP_NORM], numbers[ACCUMULATE], numbers[BATCHES] = limit, 1, 1
    kernels.tick(numbers)
    for _, g in graded:
        squares = np.zeros(2)
        share_sums(kernels.sum_squares, g, numbers, squares)
        kernels.add_squares(squares, numbers)
    norm = np.zeros(1)
    kernels.norm_of_squares(numbers, norm)
    if current.log is None and not math.isfinite(norm[0]):
        p = next(p for p, g in graded if not np.isfinite(g).all())
        raise GradientError(
            f"{owner}: the gradient of a parameter of shape {p.shape} has infinities or NaN in it; leave this step out, or "
            "train with a smaller learning rate"
        )
    if current.log is not None or not norm[0] + 1e-6 <= limit:
        _clip(graded, kernels.clip_by_norm, numbers)
    return Tensor(norm.reshape(()))


def clip_grad_value(parameters, value):
    """Keep every number of all gradients between -value and value; NaN stays NaN.

    parameters: a list of Parameters; those without a gradient are left out. value > 0. An optimizer's `clip_value=` does the
    same in its own step. It works in steps of `tg.compile`, too.

    Raises GradientError if no parameter has a gradient, OptionError for value <= 0 and for what is no list of parameters.
    torch.nn.utils.clip_grad_value_.

    >>> import tensorgrad as tg
    >>> p = tg.Parameter(np.zeros(3))
    >>> p.grad = np.array([3.0, -0.25, -4.0])
    >>> clip_grad_value([p], 0.5)
    >>> p.grad
    array([ 0.5 , -0.25, -0.5 ])
    """
    limit = _LIMIT.checked("clip_grad_value", "value", value)
    _clip(_with_gradients("clip_grad_value", parameters), kernels.clip_by_value, constant(np.array([limit])))


def _with_gradients(owner, parameters):
    """[(parameter, its gradient as flat numbers)] of those that have one."""
    parameters, found = checked_parameters(owner, parameters), []
    for p in parameters:
        g = p.value.grad if p.engine == "tensor" else p.grad
        if g is None or not p.requires_grad:
            continue
        if g.dtype == object:
            raise EngineError(f"{owner}: clipping needs floats; a gradient holds {type(g.flat[0]).__name__}s")
        found.append((p, np.ascontiguousarray(g, p.dtype).reshape(-1)))
    if not found:
        raise GradientError(
            f"{owner}: none of the {len(parameters)} parameters has a gradient; call loss.backward() first"
        )
    return found


def _clip(graded, kernel, limit):
    """Give each parameter a gradient that a kernel makes of the one that it has."""
    for p, g in graded:
        out = np.empty_like(g)
        share(kernel, g, limit, out)
        if p.engine == "tensor":
            p.value.grad = out.reshape(p.shape)
        else:
            p.grad = out.reshape(p.shape)
