"""Steps: entry points that come after others (``after: [other]``), and what they may use of them.

``{steps.other.artifact_uri}``, ``{steps.other.run_id}``, ``{steps.other.params.x}`` and ``{steps.other.metrics.x}`` may
stand in the command, and in the default of a parameter, of an entry point that comes after ``other``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bis.errors import ProjectError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bis.errors import Position
    from bis.projects.entry_points import EntryPoint
    from bis.projects.project import Project

_PLACEHOLDER = re.compile(r"(?<!\{)\{(steps\.[^{}]+)\}(?!\})")
_FIELDS = ("artifact_uri", "run_id")
_KEYED = ("params", "metrics")
_WRITE = (
    "Write {steps.NAME.artifact_uri}, {steps.NAME.run_id}, {steps.NAME.params.X} or {steps.NAME.metrics.X}."
)


@dataclass(frozen=True)
class Reference:
    """One ``{steps...}``: which step, which of its fields, and the name behind ``params`` and ``metrics``."""

    text: str
    """As it is written between the braces."""
    step: str
    field: str
    key: str = ""


def needed(project: Project, name: str) -> tuple[EntryPoint, ...]:
    """The entry point ``name`` and all that it comes after, each behind those that it needs.

    Raises ProjectError, with its place in the file, for a step that there is not, one that comes after itself, and a
    reference to a step that is not before it.
    """
    ordered: dict[str, EntryPoint] = {}
    _visit(project, project.entry_point(name), [], ordered)
    for entry in ordered.values():
        references(entry)
    return tuple(ordered.values())


def _visit(project: Project, entry: EntryPoint, way: list[str], ordered: dict[str, EntryPoint]) -> None:
    if entry.name in ordered:
        return
    for name in entry.after:
        before = project.entry_points.get(name)
        if name == entry.name:
            raise ProjectError(f"entry point {name!r} comes after itself", where=entry.after_position)
        if before is None:
            raise ProjectError(
                f"entry point {entry.name!r} comes after {name!r}, which is not there",
                hint=did_you_mean(name, project.entry_points)
                or f"Entry points: {', '.join(project.entry_points)}.",
                where=entry.after_position,
            )
        if name in way:
            circle = " after ".join([*way[way.index(name) :], entry.name, name])
            raise ProjectError(
                f"entry points come after each other in a circle: {circle}",
                hint="Take one of them out of an 'after'.",
                where=entry.after_position,
            )
        _visit(project, before, [*way, entry.name], ordered)
    ordered[entry.name] = entry


def references(entry: EntryPoint) -> tuple[Reference, ...]:
    """The references of an entry point, each once. None of one that comes after nothing: there, they are plain text.

    Raises ProjectError for one that cannot be read, or names a step that is not in ``after``.
    """
    found = {reference.text: reference for reference in _references(entry)}
    return tuple(found.values())


def _references(entry: EntryPoint) -> Iterator[Reference]:
    if not entry.after:
        return
    for text in _PLACEHOLDER.findall(entry.command or ""):
        yield _read(text, entry, entry.locate("{" + text + "}"))
    for parameter in entry.parameters:
        for text in _PLACEHOLDER.findall(parameter.default or ""):
            yield _read(text, entry, parameter.position)


def _read(text: str, entry: EntryPoint, where: Position | None) -> Reference:
    rest = text.removeprefix("steps.")
    for name in sorted(entry.after, key=len, reverse=True):
        if rest.startswith(f"{name}."):
            field, _, key = rest[len(name) + 1 :].partition(".")
            if (field in _FIELDS and not key) or (field in _KEYED and key):
                return Reference(text, name, field, key)
            near = None if field in _ALL else did_you_mean(field, _ALL)
            raise ProjectError(f"{{{text}}} names nothing of a step", hint=near or _WRITE, where=where)
    step = rest.partition(".")[0]
    raise ProjectError(
        f"{{{text}}} is of a step that entry point {entry.name!r} does not come after",
        hint=did_you_mean(step, entry.after) or f"Add {step!r} to its 'after'.",
        where=where,
    )


_ALL = (*_FIELDS, *_KEYED)


def references_in(text: str) -> tuple[str, ...]:
    """The references within ``text``, as they are written."""
    return tuple(_PLACEHOLDER.findall(text))


def filled(text: str, values: Mapping[str, str]) -> str:
    """``text`` with each ``{steps...}`` replaced by its value."""
    return _PLACEHOLDER.sub(lambda found: values.get(found.group(1), found.group()), text)
