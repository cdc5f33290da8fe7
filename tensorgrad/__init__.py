"""tensorgrad: a batched autograd engine over NumPy arrays with numba kernels, checked against `microgrid`.

>>> import tensorgrad as tg
>>> from tensorgrad import nn, optim
>>> model = nn.Sequential(nn.Dense(2, 16), nn.ReLU(), nn.Dense(16, 3), rng=0)
>>> optimizer = optim.Adam(model.parameters(), lr=1e-2)
"""

from typing import TYPE_CHECKING as _TYPE_CHECKING

from . import data, errors, metrics, nn, ops, optim, show
from ._doctor import doctor
from ._parameter import Parameter
from ._program.callable import compile
from ._program.threads import set_threads
from ._tape import no_grad
from ._tensor import Tensor, constant, tensor
from ._transforms import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
from .check import check_op, compare, gradcheck
from .checkpoint import load, save
from .show.graph import draw
from .training import History, accuracy, evaluate, fit, fit_many, predict, show_program

__version__ = "0.1.0"

__all__ = [
    "History", "Parameter", "Tensor", "accuracy", "check_op", "compare", "compile", "constant", "data", "doctor", "draw",
    "errors", "evaluate", "fit", "fit_many", "grad", "gradcheck", "hessian", "hvp", "jacobian", "jvp", "load", "metrics", "nn",
    "no_grad", "ops", "optim", "predict", "save", "set_threads", "show", "show_program", "tensor", "value_and_grad", "vjp",
]  # fmt: skip

if not _TYPE_CHECKING:  # tools that read types would take any name for one that is there

    def __getattr__(name):
        from ._names import missing

        places = {n: where.__name__.rpartition(".")[2] for where in (ops, optim, nn) for n in where.__all__}
        raise missing("tensorgrad", name, __all__, places)
