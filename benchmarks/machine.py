"""What the figures come from: processor, cores, system, versions, BLAS kernels and threads."""

import datetime
import os
import platform
import re
from pathlib import Path

from .launch import PINS, usable_cores


def processor():
    """The name of the processor, as the system gives it."""
    cpuinfo = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", cpuinfo.read_text()) if cpuinfo.exists() else None
    return found[1].strip() if found else platform.processor() or platform.machine()


def vectors():
    """Its vector instructions, where the system names them."""
    cpuinfo = Path("/proc/cpuinfo")
    flags = cpuinfo.read_text().split() if cpuinfo.exists() else []
    return [flag for flag in ("avx2", "avx512f", "amx_tile", "asimd", "sve") if flag in flags]


def describe():
    """Lines about the machine and its environment."""
    unset = [name for name in PINS if name in os.environ]
    kept = [f"{k}={v}" for k, v in os.environ.items() if re.match("(OPENBLAS|OMP|MKL|NUMBA|XLA)_", k) and k not in PINS]
    return [
        f"{processor()} ({', '.join(vectors()) or platform.machine()}), {usable_cores()} of {os.cpu_count()} cores used",
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}, {datetime.date.today()}, float32",
        f"removed from the environment: {', '.join(unset) or 'nothing'}; left in it: {', '.join(kept) or 'nothing'}",
    ]


def describe_pools(pools):
    """A process's BLAS libraries and thread pools in one line."""
    lines = []
    for pool in pools:
        kernels = f" {pool['architecture']} kernels" if "architecture" in pool else ""
        lines.append(f"{pool['internal_api']} {pool.get('version', '')}{kernels}, {pool['num_threads']} threads")
    return "; ".join(sorted({line.replace("  ", " ").replace(" ,", ",") for line in lines}))
