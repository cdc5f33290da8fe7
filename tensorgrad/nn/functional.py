"""A model as a function of its parameters."""

from .._parameter import Parameter
from .._tensor import Tensor, tensor
from ..errors import EngineError, ShapeError, choose
from ..kernels import current

__all__ = ["functional_call"]


def functional_call(model, parameters, *args, **kwargs):
    """`model(*args, **kwargs)`, computed with the tensors of `parameters`, {path: tensor}, in place of its own.

    The paths are those of `model.named_parameters()`; what is not among them keeps its numbers. The model is left as it
    is. With it `tg.grad`, `tg.hessian`, `tg.hvp` and the like take derivatives by a model's parameters. A parameter that
    two layers share is replaced in both. Raises OptionError for an unknown path, ShapeError for another shape,
    EngineError for a model on the scalar engine. Named after PyTorch's `torch.func.functional_call`.

    >>> import numpy as np
    >>> import tensorgrad as tg
    >>> from tensorgrad import nn
    >>> model = nn.Sequential(nn.Dense(2, 3, rng=0), nn.Tanh(), nn.Dense(3, 1, rng=1))
    >>> def loss(bias):
    ...     return (nn.functional_call(model, {"0.bias": bias}, np.ones((4, 2), np.float32)) ** 2).mean()
    >>> tg.hessian(loss)(model[0].bias).shape
    (3, 3)
    """
    if model.engine != "tensor":
        raise EngineError('functional_call: expected a model on the tensor engine; use model.to("tensor")')
    own = dict(model.named_parameters())
    replaced = {}
    for path, x in parameters.items():
        p = choose("functional_call", "parameter", path, own)
        x = x.value if isinstance(x, Parameter) else x if isinstance(x, Tensor) else tensor(x, dtype=p.dtype)
        if x.shape != p.shape:
            raise ShapeError(f"functional_call: {path!r} has shape {p.shape}, got {x.shape}")
        if current.log is not None and not x.requires_grad:
            current.log.fail(f"functional_call replaces {path!r} by numbers without a gradient")
        replaced[p] = x
    before = {p: p.value for p in replaced}
    try:
        for p, x in replaced.items():
            p.value = x
        return model(*args, **kwargs)
    finally:
        for p, x in before.items():
            p.value = x
