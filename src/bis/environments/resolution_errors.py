"""What is said when uv finds no solution: its reasons, where the project asks for it, and the way out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bis.environments.uv_command import Finished, cleaned
from bis.errors import BisError, HomeError, Position, ResolutionError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from bis.environments.spec import EnvironmentSpec

_REQUIRED = re.compile(r"you require ([A-Za-z0-9][\w.-]*)")


def resolution_error(
    spec: EnvironmentSpec, time: datetime | None, done: Finished, *, hidden: Mapping[str, str]
) -> BisError:
    """Return the error for a resolution that failed; ``time`` is the date it was held to."""
    reasons = cleaned(done.errors, hidden)
    if done.disk_full:
        return HomeError(
            "the disk is full", hint="Free some space; `bis env prune` removes unused environments."
        )
    where = place_of(spec.file, list(reversed(_REQUIRED.findall(reasons))))
    if done.unreachable and "No solution found" not in done.errors:
        return ResolutionError(
            f"the package index cannot be reached, and the packages are not all in the cache:\n{reasons}",
            hint="Check the network, the proxy, the index (UV_DEFAULT_INDEX, PIP_INDEX_URL), and run again.",
            where=where,
        )
    held = f" as of {time:%Y-%m-%d %H:%M} UTC" if time else ""
    without_hint = reasons.split("\nhint:")[0].strip()
    return ResolutionError(
        f"the declared packages cannot be resolved{held}:\n{without_hint}",
        hint=_hint(done.errors),
        where=where,
    )


def _hint(errors: str) -> str:
    if "is missing an upload date" in errors:
        return (
            "The package index gives no upload times, so that nothing can be chosen as of a date: "
            "use --as-of latest, or pin the versions."
        )
    if "filtered by `exclude-newer`" in errors:
        return "There are newer versions than that date allows: --as-of latest takes today's packages."
    if "yanked" in errors:
        return "Its authors have withdrawn that version: declare another one."
    if "was not found in the package registry" in errors:
        return "Check the spelling of the package's name, and the index that has it."
    if "Failed to build" in errors:
        return "It has no wheel for this Python and cannot be built: declare another version or Python."
    return "Loosen the versions that contradict each other, or declare another Python."


def place_of(file: Path | None, names: Sequence[str]) -> Position | None:
    """Return the line of a file that has the first of the names to be found there, else the file's first."""
    if file is None:
        return None
    try:
        lines = file.read_text("utf-8", "replace").splitlines()
    except OSError:
        return None
    for name in names:
        spelling = re.compile(r"(?<![\w-])" + re.sub(r"[-_.]+", "[-_.]", name) + r"(?![\w-])", re.IGNORECASE)
        for number, line in enumerate(lines, start=1):
            if spelling.search(line):
                return Position(file, number)
    return Position(file, 1)
