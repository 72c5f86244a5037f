"""The values of the parameters of each step: of the user, and of the steps before it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bis.errors import ParameterError, did_you_mean
from bis.projects.steps import references

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bis.backends.project_run import ProjectRun
    from bis.projects import EntryPoint
    from bis.projects.steps import Reference
    from bis.tracking import Store


def values_by_step(parameters: Mapping[str, str], entries: Sequence[EntryPoint]) -> dict[str, dict[str, str]]:
    """``step.name=value`` belongs to that step, ``name=value`` to each that declares it.

    Raises ParameterError for a name that no step declares.
    """
    values: dict[str, dict[str, str]] = {entry.name: {} for entry in entries}
    for key, text in parameters.items():
        owners = [entry for entry in entries if key in {p.name for p in entry.parameters}]
        for entry in owners:
            values[entry.name].setdefault(key, text)
        if owners:
            continue
        step = max((name for name in values if key.startswith(f"{name}.")), key=len, default=None)
        if step is None or len(key) == len(step) + 1:
            raise _undeclared(key, entries)
        values[step][key[len(step) + 1 :]] = text
    return values


def _undeclared(key: str, entries: Sequence[EntryPoint]) -> ParameterError:
    declared = {p.name: entry.name for entry in entries for p in entry.parameters}
    names = [*declared, *(f"{step}.{name}" for name, step in declared.items())]
    steps = ", ".join(entry.name for entry in entries)
    return ParameterError(
        f"no step of this pipeline declares the parameter {key!r}",
        hint=did_you_mean(key, names)
        or f"For one step alone: -P STEP.{key.rpartition('.')[2]}=VALUE. Steps: {steps}.",
    )


def check_values(
    entries: Sequence[EntryPoint], values: Mapping[str, Mapping[str, str]], directory: Path
) -> None:
    """Bind each step with stand-ins for what earlier steps will give: mistakes are found before anything runs."""
    for entry in entries:
        found = references(entry)
        given = dict(values[entry.name])
        for parameter in entry.parameters:
            waits = any("{" + each.text + "}" in (parameter.default or "") for each in found)
            if waits and parameter.is_path:
                given.setdefault(parameter.name, str(directory))
        stand_ins = {each.text: str(directory) for each in found}
        entry.bind(given, cwd=Path.cwd(), steps=stand_ins)


def values_of(entry: EntryPoint, before: Mapping[str, ProjectRun], store: Store) -> dict[str, str]:
    """What the references of a step stand for, now that the steps before it have ended."""
    return {each.text: _value(each, before[each.step], store) for each in references(entry)}


def _value(reference: Reference, run: ProjectRun, store: Store) -> str:
    if reference.field == "run_id":
        return run.run_id
    if reference.field == "artifact_uri":
        return artifact_place(store, run.run_id)
    found: Mapping[str, object] = run.parameters if reference.field == "params" else run.metrics
    if reference.key not in found:
        what = "parameter" if reference.field == "params" else "metric"
        raise ParameterError(
            f"step {reference.step!r} has no {what} {reference.key!r}, which {{{reference.text}}} asks for",
            hint=did_you_mean(reference.key, found) or f"It has: {', '.join(found) or 'none'}.",
        )
    value = found[reference.key]
    return repr(value) if isinstance(value, float) else str(value)


def artifact_place(store: Store, run_id: str) -> str:
    """The directory of a run's artifacts where they lie on this disk, else their address."""
    from bis.tracking.sql_store import SqlStore

    if isinstance(store, SqlStore):
        return str(store.artifact_path(run_id))
    return store.run(run_id).info.artifact_uri


def folders_of(before: Mapping[str, ProjectRun], store: Store) -> dict[str, str]:
    """The artifact directories of the steps before, by name; none where they do not lie on this disk."""
    places = {name: artifact_place(store, run.run_id) for name, run in before.items()}
    return {name: place for name, place in places.items() if place.startswith("/")}
