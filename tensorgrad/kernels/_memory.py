# mypy: disable-error-code="call-arg, var-annotated"
"""Integers in memory by their addresses, those that several threads read and write among them, and how a thread waits."""

import os
import platform

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

# Found in the C library (or the Windows kernel) when the code is loaded.
give_way = types.ExternalFunction("SwitchToThread" if os.name == "nt" else "sched_yield", types.int32())


@intrinsic  # type: ignore[arg-type]
def word(typingctx, address):
    """The integer at an address."""

    def emit(context, builder, signature, values):
        return builder.load(builder.inttoptr(values[0], ir.IntType(64).as_pointer()))

    return types.int64(types.int64), emit


@intrinsic  # type: ignore[arg-type]
def put(typingctx, address, value):
    """Set the integer at an address."""

    def emit(context, builder, signature, values):
        builder.store(values[1], builder.inttoptr(values[0], ir.IntType(64).as_pointer()))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), emit


@intrinsic  # type: ignore[arg-type]
def fetch_add(typingctx, address, amount):
    """Add to the integer at an address, at once for all threads; what it was before."""

    def emit(context, builder, signature, values):
        pointer = builder.inttoptr(values[0], ir.IntType(64).as_pointer())
        return builder.atomic_rmw("add", pointer, values[1], "seq_cst")

    return types.int64(types.intp, types.int64), emit


@intrinsic  # type: ignore[arg-type]
def load(typingctx, address):
    """The integer at an address, as the other threads left it."""

    def emit(context, builder, signature, values):
        pointer = builder.inttoptr(values[0], ir.IntType(64).as_pointer())
        return builder.load_atomic(pointer, "seq_cst", 8)

    return types.int64(types.intp), emit


@intrinsic  # type: ignore[arg-type]
def store(typingctx, address, value):
    """Set the integer at an address, after all that was written before."""

    def emit(context, builder, signature, values):
        pointer = builder.inttoptr(values[0], ir.IntType(64).as_pointer())
        builder.store_atomic(values[1], pointer, "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), emit


@intrinsic  # type: ignore[arg-type]
def pause(typingctx):
    """Tell the processor that this is a waiting loop, where it has a word for that."""
    machine = platform.machine().lower()
    hint = ir.IntType(32)
    words = {"x86_64": ("llvm.x86.sse2.pause", []), "amd64": ("llvm.x86.sse2.pause", []),
             "arm64": ("llvm.aarch64.hint", [hint(1)]), "aarch64": ("llvm.aarch64.hint", [hint(1)])}  # fmt: skip

    def emit(context, builder, signature, values):
        if machine in words:
            name, arguments = words[machine]
            kind = ir.FunctionType(ir.VoidType(), [a.type for a in arguments])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)
        return context.get_dummy_value()

    return types.void(), emit
