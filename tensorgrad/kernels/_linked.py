"""Code that kernels call by name instead of taking it in: compiled once for a dtype, not once in every kernel.

The register tile is a thousand instructions for each of its sizes, and took four fifths of the time that a first run
spends on compiling when every kernel that multiplies had a copy of it.
"""

from inspect import Parameter, Signature, signature

import llvmlite.binding as llvm
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ._compile import REAL
from ._jit import jit

_REALS = {str(dtype): real for dtype, real in REAL.items()}


def linked(arguments):
    """Compile a function apart from its callers; `arguments` gives the types that it takes, for a dtype.

    A caller has that dtype among the types of its own arguments: so it is known what to load before its code is.
    """
    return lambda body: _linked(body, arguments)


def _linked(body, arguments):
    compiled, loaded = jit(body), set()

    def symbol(real):
        return f"tensorgrad_{body.__name__}_{real}"

    def load(real):
        """Compile the function, or load it, and tell the linker where it is."""
        if real in loaded:
            return
        wanted = tuple(arguments(real))
        compiled.compile(wanted)
        code = compiled.overloads[wanted]
        llvm.add_symbol(symbol(real), code.library.get_pointer_to_function(code.fndesc.llvm_func_name))
        loaded.add(real)

    def load_for(types_of_a_caller):
        """Load the function for every dtype among the types of a caller's arguments."""
        kinds = {str(getattr(kind, "dtype", kind)) for kind in types_of_a_caller}
        for name in kinds & _REALS.keys():
            load(_REALS[name])

    def call(typingctx, *given):
        real = next(real for name, real in _REALS.items() if str(getattr(given[0], "dtype", given[0])) == name)
        load(real)
        taken = tuple(arguments(real))

        def emit(context, builder, signature, values):
            kind = context.call_conv.get_function_type(types.none, taken)
            function = cgutils.get_or_insert_function(builder.module, kind, symbol(real))
            context.call_conv.call_function(builder, function, types.none, taken, values)
            return context.get_dummy_value()

        return types.none(*taken), emit

    call.__name__ = body.__name__
    first = Parameter("typingctx", Parameter.POSITIONAL_OR_KEYWORD)
    call.__signature__ = Signature([first, *signature(body).parameters.values()])  # type: ignore[attr-defined]
    caller = intrinsic(call)  # type: ignore[arg-type]
    caller.load_for = load_for  # type: ignore[attr-defined]
    return caller
