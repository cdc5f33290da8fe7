"""Who takes part: ours and the peers, and in which workloads."""

import importlib
import importlib.util
from dataclasses import dataclass

from .launch import Failed
from .workloads import MLP, WORKLOADS

ALL = tuple(WORKLOADS)
MLPS = tuple(name for name, work in WORKLOADS.items() if work.kind == MLP)
CALLED = ("predict_one", "dqn")


@dataclass(frozen=True)
class Contestant:
    """A library used in one way.

    module, table  where its sides are: a module of this package, and in it a dict from kinds of work to Sides
    package, pip   what must be importable, and what pip calls it
    workloads      those where it makes sense
    """

    name: str
    label: str
    module: str
    table: str
    package: str
    pip: str
    workloads: tuple[str, ...]
    ours: bool = False

    def require(self):
        """Raises Failed where it is not installed."""
        if importlib.util.find_spec(self.package) is None:
            raise Failed(f"not installed: pip install {self.pip}")

    def side(self, work):
        """Its Side for this workload. Imports the library."""
        return getattr(self._imported(), self.table)[work.kind](work)

    def about(self):
        """The library, its version and what it says of threads and kernels. Imports the library."""
        return self._imported().about()

    def _imported(self):
        return importlib.import_module(f".{self.module}", __package__)


PIP = "microgrid-tensorgrad"
REFERENCE = Contestant("reference", "NumPy in float64", "numpy_by_hand", "REFERENCE", "numpy", "numpy", ALL)
CONTESTANTS = {
    c.name: c
    for c in (
        Contestant("ours", "tensorgrad", "ours", "SIDES", "tensorgrad", PIP, ALL, ours=True),
        Contestant("ours-eager", "tensorgrad, compile=False", "ours_eager", "FIT", "tensorgrad", PIP, ("spiral",), ours=True),
        Contestant("ours-loop", "tensorgrad, eager loop", "ours_eager", "LOOP", "tensorgrad", PIP, ("spiral",), ours=True),
        Contestant("jax", "JAX, jit per step", "jax_", "STEP", "jax", "jax", (*MLPS, *CALLED)),
        Contestant("jax-scan", "JAX, jit + lax.scan", "jax_", "SCAN", "jax", "jax", (*MLPS, "sweep")),
        Contestant("jax-vmap", "JAX, vmap + lax.scan", "jax_", "VMAP", "jax", "jax", ("sweep",)),
        Contestant("pytorch", "PyTorch, fused Adam", "pytorch", "SIDES", "torch", "torch", ALL),
        Contestant("pytorch-vmap", "PyTorch, torch.func.vmap", "pytorch_vmap", "SIDES", "torch", "torch", ("sweep",)),
        Contestant("torch-compile", "PyTorch, torch.compile", "torch_compile", "SIDES", "torch", "torch", (*MLPS, *CALLED)),
        Contestant("numpy", "NumPy by hand", "numpy_by_hand", "SIDES", "numpy", "numpy", ALL),
        Contestant("sklearn", "scikit-learn", "sklearn_", "SIDES", "sklearn", "scikit-learn", MLPS),
        Contestant("mygrad", "MyGrad", "mygrad_", "SIDES", "mygrad", "mygrad", ("spiral", "digits")),
    )
}  # fmt: skip
