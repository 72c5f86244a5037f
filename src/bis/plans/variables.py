"""Environment variables of the caller that decide a result, by an allow list.

They are recorded in the plan, and only from there do they reach a run: two executions of a plan have the same ones,
whoever starts them. All others are handed down as they are and recorded nowhere, since they may hold secrets.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bis.plans.levels import TABLE

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAMES = frozenset(
    {
        # how text, time and order come out
        "LANG", "LANGUAGE", "TZ", "SOURCE_DATE_EPOCH",
        "PYTHONHASHSEED", "PYTHONOPTIMIZE", "PYTHONUTF8", "PYTHONIOENCODING", "PYTHONCOERCECLOCALE",
        # how many threads add up
        "OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
        "NUMEXPR_NUM_THREADS", "NUMEXPR_MAX_THREADS", "NUMBA_NUM_THREADS", "LOKY_MAX_CPU_COUNT",
        "RAYON_NUM_THREADS", "POLARS_MAX_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS",
        # which kernels do
        "OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES", "NPY_ENABLE_CPU_FEATURES", "GLIBC_TUNABLES",
        "ATEN_CPU_CAPABILITY", "TF_DETERMINISTIC_OPS", "TF_CUDNN_DETERMINISTIC", "TF_ENABLE_ONEDNN_OPTS",
        "XLA_FLAGS", "CUBLAS_WORKSPACE_CONFIG", "CUDA_LAUNCH_BLOCKING", "CUDA_VISIBLE_DEVICES",
        "NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "FLAX_USE_FLAX_RNG",
    }
)  # fmt: skip
_NAMES |= {held.name for held in TABLE}
_PREFIXES = ("LC_", "OMP_", "MKL_", "KMP_", "NCCL_ALGO", "NCCL_PROTO", "JAX_")


def decides(name: str) -> bool:
    """Whether a variable of this name is known to decide results."""
    return name in _NAMES or name.startswith(_PREFIXES)


def recorded_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of ``environ`` that are known to decide results, sorted by name.

    ``PYTHONHASHSEED=random`` is as good as none.
    """
    found = {name: environ[name] for name in sorted(environ) if decides(name)}
    if found.get("PYTHONHASHSEED") == "random":
        del found["PYTHONHASHSEED"]
    return found


def core_count() -> int:
    """The cores that this process may use, which is how many threads numeric libraries start by default."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        return os.cpu_count() or 1
