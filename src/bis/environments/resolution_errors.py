"""What is said when uv finds no solution: its reasons, where the project asks for it, and the way out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bis.environments.uv_command import Finished, cleaned
from bis.errors import BisError, HomeError, Position, ResolutionError, SpecError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from bis.environments.spec import EnvironmentSpec

_UNREADABLE = re.compile(
    r"Couldn't parse requirement in `[^`]*`[^\n]*\n\s*cause: (?P<why>[\s\S]*?)\n\s*(?P<line>[^\n]*)\n\s*\^"
)
_OF_GIT = "Git operation failed"
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
    unreadable = _UNREADABLE.search(reasons)
    if unreadable:
        why = " ".join(unreadable["why"].split())
        return SpecError(
            f"cannot read the requirement {unreadable['line']!r}: {why}",
            where=_place_of_text(spec.file, unreadable["line"]),
            hint="Write it as name, name==1.2 or name>=1,<2, with a marker after ` ; `.",
        )
    local = [each.path for each in spec.local if f"`{each.path}`" in reasons]
    where = place_of(spec.file, [*reversed(_REQUIRED.findall(reasons)), *local])
    if done.unreachable and not any(words in done.errors for words in ("No solution found", _OF_GIT)):
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
    if _OF_GIT in errors:
        return "Check the address of the repository, the version after @, and that Git may read it."
    if "is missing an upload date" in errors:
        return (
            "The package index gives no upload times, so that nothing can be chosen as of a date: "
            "use --as-of latest, or pin the versions."
        )
    if "filtered by `exclude-newer`" in errors:
        return "There are newer versions than that date allows: --as-of latest takes today's packages."
    if "does not appear to be a Python project" in errors:
        return "A folder that is to be installed needs a pyproject.toml or a setup.py."
    if "yanked" in errors and "depend on" not in errors and " depends on " not in errors:
        return "Its authors have withdrawn that version: declare another one."
    if "was not found in the package registry" in errors:
        return "Check the spelling of the package's name, and the index that has it."
    if "Failed to build" in errors:
        return "It has no wheel for this Python and cannot be built: declare another version or Python."
    if "there is no version of" in errors or "there are no versions of" in errors:
        return "Check the version: the index has no such one, or none for this Python."
    return "Loosen the versions that contradict each other, or declare another Python."


def place_of(file: Path | None, names: Sequence[str]) -> Position | None:
    """Return the line of a file that has the first of the names to be found there, else the file's first."""
    lines = _lines(file)
    for name in names:
        spelling = re.compile(r"(?<![\w-])" + re.sub(r"[-_.]+", "[-_.]", name) + r"(?![\w-])", re.IGNORECASE)
        for number, line in enumerate(lines, start=1):
            if file and spelling.search(line):
                return Position(file, number)
    return Position(file, 1) if file else None


def _place_of_text(file: Path | None, text: str) -> Position | None:
    """Return the line of a file that holds the text, else the file's first."""
    numbers = [number for number, line in enumerate(_lines(file), start=1) if text in line]
    return Position(file, (numbers or [1])[0]) if file else None


def _lines(file: Path | None) -> list[str]:
    try:
        return file.read_text("utf-8", "replace").splitlines() if file else []
    except OSError:
        return []
