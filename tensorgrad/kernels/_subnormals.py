"""Products, losses and updates take subnormal numbers for 0: a processor needs a hundred times as long for them.

They are common where a model is nearly sure, as gradients of 1e-39, and weigh nothing there. A kernel sets the
processor's bits for that and puts them back, so that nobody else notices. Elementwise ops keep subnormals, and so do
threads of BLAS other than the caller's.
"""

import platform
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_MACHINE = platform.machine().lower()
_X86, _ARM = _MACHINE in ("x86_64", "amd64"), _MACHINE in ("arm64", "aarch64")
_BITS = 0x8040 if _X86 else 1 << 24  # flush results and take inputs for 0 (MXCSR: FTZ and DAZ; FPCR: FZ)


def _call(builder, name, result, arguments):
    kind = ir.FunctionType(result, [a.type for a in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)


def _read(builder):
    if _ARM:
        return _call(builder, "llvm.aarch64.get.fpcr", ir.IntType(64), [])
    word = cgutils.alloca_once(builder, ir.IntType(32))
    _call(builder, "llvm.x86.sse.stmxcsr", ir.VoidType(), [builder.bitcast(word, ir.IntType(8).as_pointer())])
    return builder.zext(builder.load(word), ir.IntType(64))


def _write(builder, value):
    if _ARM:
        _call(builder, "llvm.aarch64.set.fpcr", ir.VoidType(), [value])
        return
    word = cgutils.alloca_once(builder, ir.IntType(32))
    builder.store(builder.trunc(value, ir.IntType(32)), word)
    _call(builder, "llvm.x86.sse.ldmxcsr", ir.VoidType(), [builder.bitcast(word, ir.IntType(8).as_pointer())])


def _flush(typingctx):
    """Take subnormal numbers for 0 from here on; what to give to `restore`."""

    def emit(context, builder, signature, values):
        if not (_X86 or _ARM):
            return ir.Constant(ir.IntType(64), 0)
        before = _read(builder)
        _write(builder, builder.or_(before, ir.Constant(ir.IntType(64), _BITS)))
        return before

    return types.int64(), emit


flush_subnormals: Any = intrinsic(_flush)


def _restore(typingctx, before):
    """Back to how it was."""

    def emit(context, builder, signature, values):
        if _X86 or _ARM:
            _write(builder, values[0])
        return context.get_dummy_value()

    return types.void(types.int64), emit


restore: Any = intrinsic(_restore)
