"""What of this machine is in a container, and under which path."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bis.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


@dataclass(frozen=True)
class Mount:
    """A file or directory of this machine at a path of the container."""

    source: Path
    target: str
    writable: bool = False

    def words(self) -> list[str]:
        """The option of the engine's ``run``, with commas and quotes as its CSV has them."""
        fields = ["type=bind", f"source={self.source}", f"target={self.target}"]
        if not self.writable:
            fields.append("readonly")
        return ["--mount", ",".join(_csv(field) for field in fields)]


def _csv(field: str) -> str:
    return '"' + field.replace('"', '""') + '"' if re.search('[,"\n]', field) else field


def volumes(declared: Sequence[str], *, project: Path, environ: Mapping[str, str]) -> list[str]:
    """The volumes of ``docker_env`` as the engine takes them: ``$PWD`` is the project, other variables the caller's.

    Raises UsageError for a variable that is not set, and for a path that is not there, which an engine would make as
    root.
    """
    known = {**environ, "PWD": str(project)}
    return [_volume(text, project, known) for text in declared]


def _volume(text: str, project: Path, known: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name not in known:
            raise UsageError(
                f"the volume {text!r} needs the variable {name}, which is not set",
                hint=f"Set it: export {name}=...",
            )
        return known[name]

    expanded = re.sub(r"\$(?:\{(\w+)\}|(\w+))", value, text)
    place, separator, rest = expanded.partition(":")
    if not separator:
        return expanded  # a volume of the engine's own at that path
    if place.startswith("~"):
        place = os.path.expanduser(place)  # noqa: PTH111 (~ of another user stays as it is)
    elif place.startswith("."):
        place = os.path.normpath(project / place)
    if place.startswith("/") and not os.path.lexists(place):
        raise UsageError(
            f"the volume {text!r} of docker_env needs {place}, which does not exist", hint="Make it first."
        )
    return f"{place}:{rest}"


def of_volumes(texts: Iterable[str]) -> list[Mount]:
    """The volumes that are paths of this machine, as mounts: to find again what was read and written there."""
    parts = [text.split(":") for text in texts if text.startswith("/") and ":" in text]
    return [Mount(Path(part[0]), part[1].rstrip("/") or "/", writable=True) for part in parts]


class Translation:
    """From paths of the container to paths of this machine."""

    def __init__(self, mounts: Iterable[Mount]) -> None:
        self._mounts = sorted(mounts, key=lambda mount: len(mount.target), reverse=True)

    def outside(self, path: str) -> str | None:
        """Where a path of the container lies on this machine; None for one that is of the image."""
        path = os.path.normpath(path)
        for mount in self._mounts:
            if path == mount.target or path.startswith(f"{mount.target}/"):
                return f"{mount.source}{path[len(mount.target) :]}"
        return None
