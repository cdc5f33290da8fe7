"""What threads that run one program together need: a place to meet, and sums of what each has found.

A barrier is two atomic instructions, spinning and then yielding, so nothing of numba's threading layers is needed: a
program can run in several Python threads at once and after a fork, and its sums have a fixed order.
"""

import os
import platform

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ._compile import kernel
from ._jit import jit

# Found in the C library (or the Windows kernel) when the code is loaded.
_give_way = types.ExternalFunction("SwitchToThread" if os.name == "nt" else "sched_yield", types.int32())
_SPINS = 2000


@intrinsic  # type: ignore[arg-type]
def _fetch_add(typingctx, address, amount):
    """Add to the integer at an address, at once for all threads; what it was before."""

    def emit(context, builder, signature, values):
        pointer = builder.inttoptr(values[0], ir.IntType(64).as_pointer())
        return builder.atomic_rmw("add", pointer, values[1], "seq_cst")

    return types.int64(types.intp, types.int64), emit


@intrinsic  # type: ignore[arg-type]
def _load(typingctx, address):
    """The integer at an address, as the other threads left it."""

    def emit(context, builder, signature, values):
        pointer = builder.inttoptr(values[0], ir.IntType(64).as_pointer())
        return builder.load_atomic(pointer, "seq_cst", 8)

    return types.int64(types.intp), emit


@intrinsic  # type: ignore[arg-type]
def _store(typingctx, address, value):
    """Set the integer at an address, after all that was written before."""

    def emit(context, builder, signature, values):
        pointer = builder.inttoptr(values[0], ir.IntType(64).as_pointer())
        builder.store_atomic(values[1], pointer, "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), emit


@intrinsic  # type: ignore[arg-type]
def _pause(typingctx):
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


@jit
def _meet(arrived, aborted, threads):
    target = (_fetch_add(arrived, 1) // threads + 1) * threads  # type: ignore[call-arg]
    spins = 0
    while _load(arrived) < target:
        spins += 1
        if spins < _SPINS:
            _pause()
            continue
        if _load(aborted) != 0:
            return False
        _give_way()
    return True


@kernel("threads:i[1] -> &arrived:i[8] &aborted:i[8]")
def meet(threads, arrived, aborted):
    """Wait until every thread is here; ends the program if one could not be started."""
    if not _meet(arrived.ctypes.data, aborted.ctypes.data, threads[0]):
        raise RuntimeError


@kernel("x[n] -> seen[1]")
def fetch(x, seen):
    """Look at every line of x once, in order: what other threads have written comes quicker so than number by number."""
    total = x.dtype.type(0)
    for i in range(0, x.size, 64 // x.itemsize):
        total += x[i]
    seen[0] = total


@kernel("parts[t,s] start:i[1] -> out[n]")
def sum_parts(parts, start, out):
    """out[i] = the sum over threads of parts[:, start + i], always in the same order."""
    for i in range(out.size):
        out[i] = parts[0, start[0] + i]
    for t in range(1, parts.shape[0]):
        for i in range(out.size):
            out[i] += parts[t, start[0] + i]
