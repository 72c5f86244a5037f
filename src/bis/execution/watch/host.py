"""The numeric fingerprint of this machine: what of it can decide the last bits of a result. No name of it."""

from __future__ import annotations

import hashlib
import os
from typing import Any

_CPU_CHUNK = 16384  # holds the first processor; the file of a large machine takes long to read


def fingerprint() -> dict[str, Any]:
    """``system``, ``release``, ``machine``, ``cpu_model``, ``cpu_flags_sha256``, ``cpu_count``, ``glibc``, ``gpu``.

    ``gpu`` is None without one, else ``driver`` and ``models``. What cannot be known here is None.
    """
    system = os.uname()
    model, flags = _processor(system.sysname)
    return {
        "system": system.sysname,
        "release": system.release,
        "machine": system.machine,
        "cpu_model": model,
        "cpu_flags_sha256": None if flags is None else hashlib.sha256(flags.encode()).hexdigest(),
        "cpu_count": os.cpu_count(),
        "glibc": _glibc(),
        "gpu": _gpu(),
    }


def _processor(system: str) -> tuple[str | None, str | None]:
    """Its model, and its features in order of their names."""
    facts = _cpuinfo() if system == "Linux" else _sysctl()
    model = facts.get("model name") or facts.get("CPU part") or facts.get("machdep.cpu.brand_string")
    flags = facts.get("flags") or facts.get("Features") or facts.get("machdep.cpu.features")
    return model, " ".join(sorted(flags.split())) if flags else None


def _cpuinfo() -> dict[str, str]:
    text = _read("/proc/cpuinfo", _CPU_CHUNK) or ""
    facts: dict[str, str] = {}
    for line in text.splitlines():
        name, separator, value = line.partition(":")
        if separator:
            facts.setdefault(name.strip(), value.strip())
    return facts


def _sysctl() -> dict[str, str]:
    import subprocess  # where there is no /proc

    names = ["machdep.cpu.brand_string", "machdep.cpu.features"]
    facts = {}
    for name in names:
        try:
            answer = subprocess.run(["sysctl", "-n", name], capture_output=True, text=True, check=False)
        except OSError:
            return {}
        if answer.returncode == 0:
            facts[name] = answer.stdout.strip()
    return facts


def _glibc() -> str | None:
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").removeprefix("glibc ") or None
    except (ValueError, OSError):
        return None


def _gpu() -> dict[str, Any] | None:
    """NVIDIA's driver and cards, as its kernel module lists them."""
    version = _read("/proc/driver/nvidia/version", 4096)
    if version is None:
        return None
    models = []
    root = "/proc/driver/nvidia/gpus"
    for name in sorted(os.listdir(root) if os.path.isdir(root) else []):  # noqa: PTH112, PTH208
        for line in (_read(f"{root}/{name}/information", 4096) or "").splitlines():
            if line.startswith("Model:"):
                models.append(line.partition(":")[2].strip())
    return {"driver": version.splitlines()[0].partition(":")[2].strip(), "models": models}


def _read(path: str, limit: int) -> str | None:
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 (one read call)
            return file.read(limit).decode("utf-8", "replace")
    except OSError:
        return None
