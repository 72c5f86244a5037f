"""Names the processor features that NumPy is not to use, at the level ``strict``, as the release at hand knows them.

NumPy warns of each name that it has no kernels for or the processor does not have, and the names differ from release
to release; so the list of the plan is narrowed when NumPy is about to be imported.

Standard library only, Python 3.7 to 3.14.
"""

from __future__ import annotations

import os

from bis_hooks import before

TYPE_CHECKING = False  # importing typing would cost more than all the rest
if TYPE_CHECKING:
    from typing import Any

_VARIABLE = "NPY_DISABLE_CPU_FEATURES"
# Feature, since release, until release, the flag of a processor that has it. From NumPy's own sources.
_FEATURES = (
    ("AVX512F", (1, 20), (2, 4), "avx512f"),
    ("AVX512CD", (1, 20), (2, 4), "avx512cd"),
    ("AVX512_KNL", (1, 20), (2, 4), "avx512er"),
    ("AVX512_KNM", (1, 20), (2, 4), "avx512_4fmaps"),
    ("AVX512_SKX", (1, 20), (2, 4), "avx512dq"),
    ("AVX512_CLX", (1, 20), (2, 4), "avx512_vnni"),
    ("AVX512_CNL", (1, 20), (2, 4), "avx512vbmi"),
    ("AVX512_ICL", (1, 20), (99, 0), "avx512_vbmi2"),
    ("AVX512_SPR", (1, 25), (99, 0), "avx512_fp16"),
    ("X86_V4", (2, 4), (99, 0), "avx512dq"),
)


def install() -> None:
    """Narrow the list, where the level ``strict`` has set it."""
    if os.environ.get("BIS_LEVEL") == "strict" and _VARIABLE in os.environ:
        before("numpy", _narrow)


def known_features(release: tuple[int, int], flags: set[str], wanted: list[str]) -> list[str]:
    """Those of ``wanted`` that this release of NumPy has kernels for and a processor with these flags has."""
    known = {name for name, since, until, flag in _FEATURES if since <= release < until and flag in flags}
    return [name for name in wanted if name in known]


def _narrow(spec: Any) -> None:
    release, flags = _release(os.path.dirname(spec.origin)), _flags()
    if release is not None and flags:
        os.environ[_VARIABLE] = " ".join(known_features(release, flags, os.environ[_VARIABLE].split()))


def _flags() -> set[str]:
    """The flags of the first processor; empty where the system does not tell."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith("flags"):
                    return set(line.partition(":")[2].split())
    except OSError:
        pass
    return set()


def _release(package: str) -> tuple[int, int] | None:
    """The release of the package in that directory, from the file that its build has written."""
    import re

    for name in ("version.py", "_version.py"):  # up to 1.25 the number is in the second
        try:
            with open(os.path.join(package, name), encoding="utf-8") as file:
                found = re.search(r"""version["']?\s*[:=]\s*["'](\d+)\.(\d+)""", file.read())
        except OSError:
            continue
        if found:
            return int(found.group(1)), int(found.group(2))
    return None
