"""The shape of the tree: imports run one way, names do not collide, and what is public is documented."""

import ast
import inspect
from pathlib import Path

import numpy as np
import pytest

import microgrid
import tensorgrad as tg

ROOT = Path(tg.__file__).parent
# Lowest first; a module imports only from its own layer and from those before it. Imports inside functions are free:
# they run when everything is loaded.
LAYERS = [
    ["errors"],
    ["_options", "_names", "_file"],
    ["kernels"],
    ["_registry", "_samples", "_random"],
    ["_tape"],
    ["_watch"],
    ["_tensor"],
    ["_parameter"],
    ["_coerce", "_logged"],
    ["_op"],
    ["ops"],
    ["_transforms"],
    ["nn"],
    ["checkpoint"],
    ["optim"],
    ["data"],
    ["_program"],
    ["metrics"],
    ["training"],
    ["check", "show", "export", "_doctor", "sklearn", "cli"],
    ["__init__", "__main__"],
]
RANK = {name: i for i, names in enumerate(LAYERS) for name in names}
MODULES = sorted(ROOT.rglob("*.py"))


def module_imports(path, root=ROOT):
    """(line, dotted name inside tensorgrad) of every import that runs when the module is loaded."""
    package = path.relative_to(root.parent).with_suffix("").parts[:-1]
    nodes = list(ast.parse(path.read_text(encoding="utf-8")).body)
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, [base, node.module]))
            # `from . import data, errors` imports modules; `from .data import checked` one module
            yield from (
                (node.lineno, f"{module}.{alias.name}" if module == "tensorgrad" else module) for alias in node.names
            )
        nodes.extend(ast.iter_child_nodes(node))


def layer(dotted):
    parts = dotted.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_run_one_way(path):
    check_imports(path, ROOT)


def check_imports(path, root):
    own = path.relative_to(root).with_suffix("").parts[0]
    assert own in RANK, f"{own} is in no layer: add it to LAYERS"
    for line, name in module_imports(path, root):
        if name.split(".")[0] == "tensorgrad":
            other = layer(name)
            assert RANK[other] <= RANK[own], f"{path.name}:{line} ({own}) imports {name}, which is above it"


WRONG = [
    "from ..nn import Module",
    "from .. import nn",
    "import tensorgrad.nn",
    "if True:\n    from ..nn.dense import Dense",
]


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_import_is_noticed(text, tmp_path):
    path = tmp_path / "tensorgrad" / "kernels" / "wrong.py"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(AssertionError, match=r"imports tensorgrad\.nn.*, which is above it"):
        check_imports(path, tmp_path / "tensorgrad")


def test_kernels_know_nothing_of_autograd():
    for path in (ROOT / "kernels").glob("*.py"):
        names = {layer(n) for _, n in module_imports(path) if n.startswith("tensorgrad")}
        assert names <= {"kernels", "errors"}, path.name


def test_microgrid_imports_nothing_of_tensorgrad():
    for path in Path(microgrid.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert not any(a.name.startswith("tensorgrad") for a in node.names), path.name
            elif isinstance(node, ast.ImportFrom):
                assert not (node.module or "").startswith("tensorgrad"), path.name
                assert node.level < 2, path.name


def public(module):
    names = getattr(module, "__all__", None) or [n for n in vars(module) if not n.startswith("_")]
    return {n: getattr(module, n) for n in names}


def test_no_module_shares_the_name_of_a_public_function():
    functions = {n for n, v in public(tg).items() if callable(v)}
    modules = {p.stem for p in MODULES} | {p.name for p in ROOT.iterdir() if p.is_dir()}
    assert not functions & modules


PUBLIC = [
    tg,
    tg.nn,
    tg.optim,
    tg.ops,
    tg.data,
    tg.errors,
    tg.metrics,
    tg.optim.schedules,
    tg.training,
    tg.check,
    microgrid,
]


@pytest.mark.parametrize("module", PUBLIC, ids=lambda m: m.__name__)
def test_every_public_name_has_a_docstring(module):
    without = [n for n, v in public(module).items() if not (inspect.getdoc(v) or "").strip()]
    assert not without


@pytest.mark.parametrize(
    "cls",
    [tg.Tensor, tg.Parameter, tg.History, tg.nn.Module, tg.nn.Sequential, tg.optim.Optimizer],
    ids=lambda c: c.__name__,
)
def test_every_public_method_has_a_docstring(cls):
    own = {n: v for n, v in vars(cls).items() if callable(v) or isinstance(v, property)}
    known = {"forward", "children", "reset_parameters", *dir(np), *tg.ops.__all__}  # documented where they come from
    without = [n for n, v in own.items() if n[0] != "_" and n not in known and not (inspect.getdoc(v) or "").strip()]
    assert not without


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_module_has_a_docstring_and_is_of_a_readable_length(path):
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text))
    assert len(text.splitlines()) <= 400


@pytest.mark.parametrize("path", sorted((Path(__file__).parent / "oracle").glob("test_*.py")), ids=lambda p: p.stem)
def test_oracles_are_marked(path):
    """What is not marked is left out where oracles are run by their mark."""
    text = path.read_text(encoding="utf-8")
    assert "pytest.mark.oracle" in text.partition("\npytestmark = ")[2].partition("\n\n")[0]
