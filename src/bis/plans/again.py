"""From a plan that was read back to one that can be executed here."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from bis import projects
from bis.errors import BisError, SourceError, UsageError
from bis.plans.inputs import found_here, inside
from bis.plans.levels import variables_of
from bis.plans.prepare import Prepared
from bis.plans.variables import core_count
from bis.projects.steps import filled, references_in
from bis.sources import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from bis.plans.levels import Level
    from bis.plans.plan import Plan
    from bis.projects import EntryPoint


def prepare_again(
    plan: Plan,
    root: Path,
    *,
    inputs: Mapping[str, str] | None = None,
    secrets: Mapping[str, str] | None = None,
    origin: str | None = None,
    steps: Mapping[str, str] | None = None,
) -> Prepared:
    """Make ``plan`` ready to be executed in ``root``, the top of its tree.

    ``inputs`` says where path parameters lie now, ``secrets`` has the variables of ``--env-file``, ``origin`` is
    what the run calls its source, and ``steps`` has the artifact directories of the steps before it. Raises
    UsageError for an input or a secret that is missing, SourceError when the tree has no such subdirectory.
    """
    check_secrets(plan, secrets or {})
    places = found_here(plan, root, inputs or {})
    downloads = {name: uri for name, uri in plan.downloads.items() if name not in places}
    return Prepared(
        _with_inputs_moved(plan, inputs or {}),
        planned_source(plan, root, origin=origin),
        name=None if origin is None else origin.rstrip("/").replace("#", "/").rpartition("/")[2],
        downloads=downloads,
        places=places,
        steps=steps or {},
    )


def _with_inputs_moved(plan: Plan, inputs: Mapping[str, str]) -> Plan:
    """``plan`` with the inputs where the user says that they lie now: what is recorded is what was executed."""
    moved = {
        name: os.path.abspath(path)  # noqa: PTH100 (as the shell's pwd has it, links kept)
        for name, path in inputs.items()
        if name in plan.local and name not in plan.in_tree
    }
    return replace(plan, local={**plan.local, **moved}) if moved else plan


def planned_source(plan: Plan, root: Path, *, origin: str | None = None) -> Source:
    """The Source of a plan whose tree lies in ``root``."""
    planned = plan.source
    directory = root / planned.subdirectory if planned.subdirectory else root
    if not directory.is_dir():
        raise SourceError(f"there is no directory {planned.subdirectory!r} in the tree of this plan")
    name = origin or planned.repository or f"snapshot:{(planned.tree or '')[:12]}"
    return Source(
        name,
        name,
        "directory",
        directory,
        root,
        planned.subdirectory,
        commit=planned.commit,
        repo_url=planned.repository,
        dirty=planned.dirty,
        tree=planned.tree,
    )


def with_parameters(plan: Plan, values: Mapping[str, str], *, root: Path, cwd: Path) -> Plan:
    """``plan`` with other values of some parameters, checked against the project in ``root``.

    Raises a BisError for a value, as a first run would. Relative paths in ``values`` start at ``cwd``.
    """
    if not values:
        return plan
    try:
        return _with_values(plan, values, root, cwd)
    except BisError as error:
        if error.where is not None and error.where.file.is_relative_to(
            root
        ):  # nobody knows where it was restored
            error.where = replace(error.where, file=error.where.file.relative_to(root))
        raise


def _with_values(plan: Plan, values: Mapping[str, str], root: Path, cwd: Path) -> Plan:
    directory = planned_source(plan, root).directory
    entry_point = projects.load(directory, root=root).entry_point(plan.entry_point)
    given = {name: text for name, text in plan.parameters.items() if name not in plan.local}
    unchanged = {name: path for name, path in found_here(plan, root, {}).items() if name not in values}
    bound = entry_point.bind({**given, **unchanged, **values}, cwd=cwd, steps={})
    written = {name: plan.parameters[name] for name in unchanged}
    return replace(
        plan,
        template=bound.template,
        parameters={**bound.parameters, **written},
        extra=bound.extra,
        local={**bound.local, **{name: plan.local[name] for name in unchanged}},
        in_tree={
            **inside(root, {name: path for name, path in bound.local.items() if name in values}),
            **{name: path for name, path in plan.in_tree.items() if name in unchanged},
        },
        downloads={name: bound.parameters[name] for name in bound.downloads},
    )


def with_steps(plan: Plan, root: Path, values: Callable[[EntryPoint], Mapping[str, tuple[str, str]]]) -> Plan:
    """``plan`` of a step with what its references to earlier steps stand for now.

    ``values`` has for each reference of the entry point, by its text, what it stood for and what it does now. A
    parameter that the user had given another value than its default keeps that.
    """
    entry_point = projects.load(planned_source(plan, root).directory, root=root).entry_point(plan.entry_point)
    found = values(entry_point)
    then, now = ({text: pair[which] for text, pair in found.items()} for which in (0, 1))
    changed = {text: now[text] for text in plan.parameters if text in now}
    for parameter in entry_point.parameters:
        default = parameter.default or ""
        if references_in(default) and plan.parameters.get(parameter.name) == filled(default, then):
            changed[parameter.name] = filled(default, now)
    return replace(
        plan,
        parameters={**plan.parameters, **changed},
        local={**plan.local, **{name: text for name, text in changed.items() if name in plan.local}},
        downloads={
            **plan.downloads,
            **{name: text for name, text in changed.items() if name in plan.downloads},
        },
    )


def with_words(plan: Plan, words: Mapping[str, str]) -> Plan:
    """``plan`` with each of ``words`` replaced in the values of its parameters."""
    if not words:
        return plan

    def replaced(values: Mapping[str, str]) -> dict[str, str]:
        found = dict(values)
        for before, now in words.items():
            found = {name: text.replace(before, now) for name, text in found.items()}
        return found

    return replace(
        plan,
        parameters=replaced(plan.parameters),
        local=replaced(plan.local),
        downloads=replaced(plan.downloads),
    )


def check_secrets(plan: Plan, given: Mapping[str, str]) -> None:
    """Raise UsageError when a variable of the first run's ``--env-file`` is neither given nor set."""
    missing = [name for name in plan.secrets if name not in given and name not in os.environ]
    if missing:
        raise UsageError(
            f"this plan was made with the variables {', '.join(missing)} of an --env-file, which it does not hold",
            hint="Give them again: --env-file FILE",
        )


def with_level(plan: Plan, level: Level) -> Plan:
    """``plan`` at another level of determinism, with the variables that this level sets on this machine."""
    before = variables_of(plan.level, plan.seed, core_count())
    kept = {name: value for name, value in plan.variables.items() if name not in before}
    after = variables_of(level, plan.seed, core_count())
    return replace(plan, level=level, variables={**kept, **after})
