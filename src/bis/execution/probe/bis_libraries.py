"""The numeric libraries that a process has loaded, and what they run on: kernel, threads. Asked at its exit.

As threadpoolctl does it: the functions of the libraries that lie in the process already; nothing is loaded for it.
Standard library only, Python 3.7 to 3.14.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# By the beginning of a file's name.
_KINDS = (
    ("libopenblas", "openblas"),
    ("libscipy_openblas", "openblas"),
    ("libblas", "openblas"),
    ("libmkl_rt", "mkl"),
    ("libblis", "blis"),
    ("libgomp", "openmp"),
    ("libiomp", "openmp"),
    ("libomp", "openmp"),
)
_PREFIXES = ("", "scipy_")
_SUFFIXES = ("", "64_", "_64")


def loaded() -> list[dict[str, Any]]:
    """One entry for each library: ``library``, ``file`` (its name), ``version``, ``kernel``, ``threads``."""
    found = [_ask(kind, path) for kind, path in _mapped()]
    return [*found, *_numpy(), *_torch()]


def memory_peak_bytes() -> int | None:
    """The most memory that this process has had, without what its parent had when it was started."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _mapped() -> list[tuple[str, str]]:
    """Kind and path of the numeric libraries that lie in this process."""
    if "ctypes" not in sys.modules and "numpy" not in sys.modules:
        return []  # looking through a process without any would only cost time
    found = []
    for path in sorted(set(_shared_objects())):
        name = os.path.basename(path)
        kind = next((kind for beginning, kind in _KINDS if name.startswith(beginning)), None)
        if kind is not None:
            found.append((kind, path))
    return found


def _shared_objects() -> list[str]:
    """The paths of all that is loaded, by dl_iterate_phdr(3): the kernel takes ten times as long to write its map."""
    import ctypes

    class Info(ctypes.Structure):
        _fields_ = [("address", ctypes.c_void_p), ("name", ctypes.c_char_p)]  # as far as it is needed

    paths = []

    def take(info: Any, _size: int, _data: Any) -> int:
        name = info.contents.name
        if name:
            paths.append(os.fsdecode(name))
        return 0

    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(Info), ctypes.c_size_t, ctypes.c_void_p)
    try:
        iterate = ctypes.CDLL(None).dl_iterate_phdr
    except AttributeError:  # macOS
        return []
    iterate(kind(take), None)
    return paths


def _ask(kind: str, path: str) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "library": kind,
        "file": os.path.basename(path),
        "version": None,
        "kernel": None,
        "threads": None,
    }
    try:
        import ctypes

        library = ctypes.CDLL(path, mode=getattr(os, "RTLD_NOLOAD", 0))
        if kind == "openblas":
            answer["kernel"] = _string(library, "openblas_get_corename")
            answer["version"] = _string(library, "openblas_get_config")
            answer["threads"] = _number(library, "openblas_get_num_threads")
        elif kind == "mkl":
            answer["threads"] = _number(library, "MKL_Get_Max_Threads")
        elif kind == "blis":
            answer["version"] = _string(library, "bli_info_get_version_str")
            answer["threads"] = _number(library, "bli_thread_get_num_threads")
        else:
            answer["threads"] = _number(library, "omp_get_max_threads")
    except (OSError, ImportError):
        pass
    return answer


def _function(library: Any, name: str) -> Any:
    for prefix in _PREFIXES:
        for suffix in _SUFFIXES:
            try:
                return getattr(library, prefix + name + suffix)
            except AttributeError:
                continue
    return None


def _string(library: Any, name: str) -> str | None:
    import ctypes

    function = _function(library, name)
    if function is None:
        return None
    function.restype = ctypes.c_char_p
    answer = function()
    return None if answer is None else answer.decode("utf-8", "replace").strip()


def _number(library: Any, name: str) -> int | None:
    function = _function(library, name)
    return None if function is None else int(function())


def _numpy() -> list[dict[str, Any]]:
    """NumPy's own kernels: the processor features that it uses, after NPY_DISABLE_CPU_FEATURES."""
    module: Any = sys.modules.get("numpy._core._multiarray_umath") or sys.modules.get(
        "numpy.core._multiarray_umath"
    )
    features = getattr(module, "__cpu_features__", None)
    if not features:
        return []
    used = " ".join(sorted(name for name, here in features.items() if here))
    version = getattr(sys.modules.get("numpy"), "__version__", None)
    return [{"library": "numpy", "file": None, "version": version, "kernel": used, "threads": None}]


def _torch() -> list[dict[str, Any]]:
    torch: Any = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "get_num_threads"):
        return []
    entry = {
        "library": "torch",
        "file": None,
        "version": str(torch.__version__),
        "kernel": None,
        "threads": torch.get_num_threads(),
    }
    asking = getattr(getattr(torch.backends, "cpu", None), "get_cpu_capability", None)  # 2.0 and later
    if asking is not None:
        entry["kernel"] = asking()
    found = [entry]
    try:
        if torch.cuda.is_initialized():
            names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
            found.append(
                {
                    "library": "cuda",
                    "file": None,
                    "version": torch.version.cuda,
                    "kernel": ", ".join(names),
                    "threads": None,
                }
            )
    except (AttributeError, RuntimeError):
        pass
    return found
