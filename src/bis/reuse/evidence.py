"""Whether somebody saw all that a run read.

An observer of system calls did. The audit hook of Python did where each program was Python, and no library is
installed that opens files by itself.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bis.plans import Plan

_OPEN_BY_THEMSELVES = frozenset(
    {
        "pyarrow", "fastparquet", "h5py", "tables", "netcdf4", "zarr", "polars", "duckdb", "pylance", "vaex",
        "opencv-python", "opencv-python-headless", "opencv-contrib-python", "rasterio", "gdal", "fiona",
        "pyogrio", "soundfile", "torchaudio", "decord", "av", "tensorflow", "tensorflow-cpu", "tensorflow-intel",
        "nvidia-dali", "datatable", "pyspark", "jpype1",
    }
)  # fmt: skip
"""Packages that read files in C, C++, Rust or Java, which no audit event tells of."""
_HARMLESS = frozenset({"cd", "echo", "export", "mkdir", "printf", "set", "test", "true", "unset", ":", "["})
"""Words of the shell, and programs, that read no file."""
_LOOKING_AT_THE_MACHINE = frozenset(
    {"git", "ldconfig", "lscpu", "nvidia-smi", "uname", "which", "sh", "file"}
)
_PYTHON = re.compile(r"(?:python|pypy)[0-9.]*")
_HINT = "; with --trace full it would be known"
_IN_CONTAINER = ": of a container, its Python alone is observed"


def unseen(record: Mapping[str, Any], plan: Plan) -> Iterator[str]:
    """What nobody looked at: a reason for each."""
    observer = record.get("observer") or {}
    if observer.get("name") in ("seccomp", "strace"):
        return
    hint = _IN_CONTAINER if plan.environment.manager == "container" else _HINT
    processes = record.get("processes") or ()
    for process in processes:
        name = _name((process.get("argv") or [""])[0])
        if process.get("why_not") and name not in _LOOKING_AT_THE_MACHINE:
            yield f"what {name} read is not known{hint}"
    yield from _of_shell(plan.command(), processes, hint)
    for package in sorted(_OPEN_BY_THEMSELVES.intersection(plan.environment.packages)):
        yield f"what {package} opened by itself is not known{hint}"


def _of_shell(command: str, processes: Any, hint: str) -> Iterator[str]:
    """Programs that the command names and no process with the probe was."""
    probed = {
        _name(word) for each in processes if each.get("probed") for word in (each.get("argv") or [])[:2]
    }
    try:
        words = _first_words(command)
    except ValueError:  # quotes that the shell understands and shlex does not
        yield f"what the shell read is not known{hint}"
        return
    for word in words:
        name = _name(word)
        if not (_PYTHON.fullmatch(name) or name in _HARMLESS or name in probed):
            yield f"what {name or 'the shell'} read is not known{hint}"


def _first_words(command: str) -> list[str]:
    """The first word of each command of a shell line; ``<`` where a file is read by the shell itself."""
    lexer = shlex.shlex(command.replace("\\\n", " ").replace("\n", ";"), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    found, is_first = [], True
    for token in lexer:
        if set(token) <= set(";&|()") and token:
            is_first = True
        elif token.startswith("<") or "`" in token or "$(" in token:
            found.append("<")
        elif is_first and not re.fullmatch(r"[A-Za-z_]\w*=.*", token):
            found.append(token)
            is_first = False
    return found


def _name(word: str) -> str:
    return "the shell" if word == "<" else word.rpartition("/")[2]
