"""doctor: what this installation runs on, for a bug report or when training is slower than expected."""

import os
import platform
import re
from importlib import metadata, util

from .kernels._cache import cache_folder

DISTRIBUTION = "microgrid-tensorgrad"
_IMPORT_NAMES = {"scikit-learn": "sklearn"}  # where a package is imported under another name than it is installed by


def doctor():
    """Print versions, BLAS and the kernels it picked, threads, SIMD, the kernel cache, and what each extra lacks.

    >>> doctor()  # doctest: +ELLIPSIS
    tensorgrad ...
    """
    print(report())


def report():
    """The text that `doctor` prints."""
    sections = {
        "versions": _versions(),
        "machine": _machine(),
        "BLAS": _blas(),
        "kernels": _cache(),
        "extras": _extras(),
    }
    lines = [f"tensorgrad {_version(DISTRIBUTION)} on Python {platform.python_version()}, {platform.platform()}"]
    for title, rows in sections.items():
        lines += [f"\n{title}"] + [f"  {row}" for row in rows]
    return "\n".join(lines)


def _version(package):
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "(not installed as a package)"


def _versions():
    return [f"{p:14s} {_version(p)}" for p in ("numpy", "numba", "llvmlite", "scipy", "matplotlib", "mpmath")]


def _machine():
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    simd = [f for f in ("sse4.2", "avx", "avx2", "fma", "avx512f", "avx512_bf16", "neon", "sve") if features.get(f)]
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return [
        f"processor      {llvm.get_host_cpu_name()}, {platform.machine()}, {usable} of {os.cpu_count()} cores usable",
        f"SIMD           {', '.join(simd) or 'none that is known here'}",
    ]


def _blas():
    import scipy.linalg.cython_blas  # noqa: F401  (what numba's np.dot calls; loads it, so that it can be asked)
    from threadpoolctl import threadpool_info

    rows = []
    for info in threadpool_info():
        if info["user_api"] == "blas":
            owner = "scipy" if "scipy.libs" in info["filepath"] else "numpy" if "numpy" in info["filepath"] else "other"
            rows.append(
                f"{owner:14s} {info['internal_api']} {info['version']}, kernels for {info.get('architecture', 'unknown')}, "
                f"{info['num_threads']} threads" + (" (kernels and matmul use this one)" if owner == "scipy" else "")
            )
    pins = [f"{k}={v}" for k, v in os.environ.items() if re.match("(OPENBLAS|OMP|MKL)_", k)]
    return [*rows, f"environment    {', '.join(pins) or 'no OPENBLAS_, OMP_ or MKL_ variable is set'}"]


def _cache():
    folder = cache_folder()
    if folder is None:
        return ["no folder can be written: kernels are compiled anew in every process; set TENSORGRAD_CACHE_DIR"]
    files = list(folder.glob("*.nbc"))
    size = sum(f.stat().st_size for f in files) / 1e6
    state = "writable" if os.access(folder, os.W_OK) else "read-only"
    return [f"folder         {folder} ({state})", f"compiled       {len(files)} kernels and helpers, {size:.1f} MB"]


def _extras():
    try:
        requirements = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return [f"unknown: {DISTRIBUTION} is not installed as a package"]
    missing: dict[str, list[str]] = {}
    for line in requirements:
        found = re.match(r"""([\w.-]+).*;\s*extra\s*==\s*['"]([\w-]+)['"]""", line)
        if found and found[1] != DISTRIBUTION:
            package, extra = found.groups()
            missing.setdefault(extra, [])
            if util.find_spec(_IMPORT_NAMES.get(package, package).replace("-", "_")) is None:
                missing[extra].append(package)
    rows = []
    for extra, packages in missing.items():
        lack = f'lacks {", ".join(packages)}: pip install "{DISTRIBUTION}[{extra}]"' if packages else "complete"
        rows.append(f"{extra:14s} {lack}")
    return rows
