"""The levels of determinism, and the environment variables that each sets.

``observe`` records only. ``seed`` seeds what a program leaves unseeded and fixes what costs nothing. ``strict`` gives
speed away for results that are the same bit for bit, on any processor of one kind. What the probe and the start of the
command add to the variables is in docs/reference/levels.md; the facts behind each are in its last column.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Level = Literal["observe", "seed", "strict"]
LEVELS: tuple[Level, ...] = ("observe", "seed", "strict")

SEED, CORES = "{seed}", "{cores}"
"""Stand for the run's seed and the number of cores, in the values of the table."""


@dataclass(frozen=True)
class Held:
    """A variable, its value at two levels (None: not set), and what it holds still. ``machine``: only there."""

    name: str
    seed: str | None
    strict: str | None
    holds: str
    machine: str | None = None


_THREADS = "the number of threads: it decides in which order numbers are added"
_KERNELS = "which of its kernels a library takes: each rounds in its own way"
_ONE = ("1", _THREADS)

TABLE: tuple[Held, ...] = (
    Held("PYTHONHASHSEED", SEED, SEED, "the order of sets, and of dicts made from them"),
    Held("OMP_NUM_THREADS", CORES, *_ONE),
    Held("OPENBLAS_NUM_THREADS", CORES, *_ONE),
    Held("VECLIB_MAXIMUM_THREADS", CORES, *_ONE),
    Held("NUMBA_NUM_THREADS", CORES, *_ONE),
    Held("RAYON_NUM_THREADS", CORES, *_ONE),
    Held("POLARS_MAX_THREADS", CORES, *_ONE),
    Held("TF_NUM_INTRAOP_THREADS", CORES, *_ONE),
    Held("LOKY_MAX_CPU_COUNT", CORES, "1", "what `n_jobs=-1` means"),
    # MKL counts physical cores and BLIS starts one thread, unless told otherwise; NumExpr adds nothing up.
    Held("MKL_NUM_THREADS", None, *_ONE),
    Held("BLIS_NUM_THREADS", None, *_ONE),
    Held("NUMEXPR_NUM_THREADS", None, *_ONE),
    Held("TF_NUM_INTEROP_THREADS", None, *_ONE),
    Held("OMP_THREAD_LIMIT", None, "1", "as above, for programs that ask for threads themselves"),
    Held("OMP_DYNAMIC", "FALSE", "FALSE", "that no library takes fewer threads when the machine is busy"),
    Held("MKL_DYNAMIC", None, "FALSE", "that no library takes fewer threads when the machine is busy"),
    Held("CUBLAS_WORKSPACE_CONFIG", ":4096:8", ":4096:8", "the way cuBLAS adds up"),
    Held("TF_CUDNN_DETERMINISTIC", "1", "1", "deterministic convolutions of cuDNN, for TensorFlow"),
    Held("TF_DETERMINISTIC_OPS", None, "1", "deterministic operations of TensorFlow, or an error"),
    Held("TF_ENABLE_ONEDNN_OPTS", None, "0", _KERNELS),
    Held("NVIDIA_TF32_OVERRIDE", None, "0", "full precision of 32-bit numbers on GPUs"),
    Held("MKL_CBWR", None, "COMPATIBLE", _KERNELS, "x86_64"),
    Held("OPENBLAS_CORETYPE", None, "Haswell", _KERNELS, "x86_64"),
    Held("ONEDNN_MAX_CPU_ISA", None, "AVX2", _KERNELS, "x86_64"),
    Held("ATEN_CPU_CAPABILITY", None, "avx2", _KERNELS, "x86_64"),
    Held(
        "NPY_DISABLE_CPU_FEATURES",
        None,
        "AVX512F AVX512CD AVX512_KNL AVX512_KNM AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR X86_V4",
        _KERNELS,
        "x86_64",
    ),
    Held("GLIBC_TUNABLES", None, "glibc.cpu.hwcaps=-FMA,-FMA4,-AVX2", _KERNELS, "x86_64"),
    Held("TZ", None, "UTC", "the time zone"),
    Held("LC_ALL", None, "C.UTF-8", "the language, and how text is sorted"),
)
"""What each level sets. Processors without AVX2 get what ``_BEFORE_AVX2`` has."""

_BEFORE_AVX2 = {
    "OPENBLAS_CORETYPE": "Nehalem",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "ATEN_CPU_CAPABILITY": "default",
}


def variables_of(
    level: Level, seed: int, cores: int, *, machine: str | None = None, avx2: bool | None = None
) -> dict[str, str]:
    """The variables that ``level`` sets for a run with ``seed`` on a machine with so many ``cores``.

    ``machine`` and ``avx2`` are this machine's where they are not given.
    """
    if level == "observe":
        return {}
    machine = machine or os.uname().machine
    words = {SEED: str(seed), CORES: str(cores)}
    variables = {}
    for held in TABLE:
        value = held.strict if level == "strict" else held.seed
        if value is not None and held.machine in (None, machine):
            variables[held.name] = words.get(value, value)
    if level == "strict" and machine == "x86_64" and not (_has_avx2() if avx2 is None else avx2):
        variables.update(_BEFORE_AVX2)
    return variables


def _has_avx2() -> bool:
    """Whether this processor has AVX2; taken as given where the system does not tell, as on macOS."""
    try:
        with Path("/proc/cpuinfo").open("rb") as file:
            return b" avx2" in file.read(20_000)
    except OSError:
        return True
