"""Compiling for the widest vectors: LLVM keeps to half of a 512-bit register unless a function says that it prefers more.

Processors that have no such registers use the widest that they have.
"""

from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.lowering import Lower
from numba.core.typed_passes import BaseNativeLowering, NativeLowering


class _Lower(Lower):
    def setup_function(self, fndesc):
        super().setup_function(fndesc)
        set.add(self.function.attributes, '"prefer-vector-width"="512"')  # llvmlite's own `add` knows plain names only


@register_pass(mutates_CFG=True, analysis_only=False)
class _Lowering(BaseNativeLowering):
    _name = "wide_native_lowering"  # type: ignore[assignment]

    @property
    def lowering_class(self):
        return _Lower


class Wide(CompilerBase):
    """numba's pipeline of passes, in which functions prefer 512-bit vectors."""

    def define_pipelines(self):
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.passes = [(_Lowering, text) if kind is NativeLowering else (kind, text) for kind, text in passes.passes]
        passes.finalize()
        return [passes]
