"""From a URI to a plan: every mistake of the user's is found here, before anything is built or recorded."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bis import environments, projects, sources
from bis.plans.plan import Plan, PlannedSource

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bis.environments import AsOf, EnvironmentSpec, Lock
    from bis.home import Home
    from bis.projects import Binding, Project
    from bis.sources import Source

DETERMINING_VARIABLES = {"PYTHONUNBUFFERED": "1"}
"""Set for every run: output is shown as it is written."""

REMOVED_VARIABLES = ("PYTHONDONTWRITEBYTECODE",)
"""Not handed down: without bytecode caches every import of a run compiles again, which costs seconds."""


@dataclass(frozen=True)
class Request:
    """What the user asked to run."""

    uri: str
    entry_point: str = "main"
    version: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    env_manager: str | None = None
    as_of: AsOf | None = None
    upgrade: bool = False


@dataclass(frozen=True)
class Prepared:
    """A plan, and what it was made from. The source is held until it is closed."""

    source: Source
    project: Project
    binding: Binding
    spec: EnvironmentSpec
    lock: Lock
    plan: Plan


def prepare(request: Request, *, home: Home, notify: Callable[[str], None]) -> Prepared:
    """Fetch, read, check and lock what ``request`` names, and write the plan.

    Raises a BisError for every mistake in the URI, the project, the parameters or the environment.
    """
    source = sources.fetch(request.uri, request.version, home=home, notify=notify)
    try:
        return _prepare(source, request, home=home, notify=notify)
    except BaseException:
        source.close()
        raise


def _prepare(source: Source, request: Request, *, home: Home, notify: Callable[[str], None]) -> Prepared:
    project = projects.load(source.directory, root=source.root)
    binding = project.entry_point(request.entry_point).bind(request.parameters, cwd=Path.cwd())
    for warning in binding.warnings:
        notify(warning)
    spec = detect_environment(project, request.env_manager)
    lock = environments.lock(
        spec,
        as_of=request.as_of or as_of_source(source),
        home=home,
        notify=notify,
        upgrade=request.upgrade,
    )
    plan = Plan(
        source=PlannedSource(
            tree=source.tree,
            subdirectory=source.subdirectory,
            repository=source.repo_url,
            commit=source.commit,
            dirty=source.dirty,
        ),
        entry_point=binding.entry_point,
        template=binding.template,
        parameters=binding.parameters,
        extra=binding.extra,
        environment=lock,
        local=binding.local,
        downloads={name: binding.parameters[name] for name in binding.downloads},
        variables=DETERMINING_VARIABLES,
        removed_variables=REMOVED_VARIABLES,
    )
    return Prepared(source, project, binding, spec, lock, plan)


def detect_environment(project: Project, manager: str | None) -> EnvironmentSpec:
    """What the project declares as its environment, read and checked, nothing resolved."""
    declaration = project.environment
    kind, file = (None, None) if declaration is None else (declaration.kind, declaration.file)
    return environments.detect(project.directory, kind=kind, file=file, manager=manager)


def as_of_source(source: Source) -> AsOf:
    """The date a spec is resolved at: the commit's for a Git version, else that of the spec's first run."""
    if source.kind == "git" and source.committed_at is not None:
        return environments.AsOf.commit(source.committed_at)
    return environments.AsOf.first_run()
