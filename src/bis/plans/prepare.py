"""From a URI to a plan: every mistake of the user's is found here, before anything is built or recorded."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bis import environments, projects, sources
from bis.plans.containers import NO_OPTIONS, ContainerOptions, declared_container
from bis.plans.inputs import inside
from bis.plans.levels import variables_of
from bis.plans.plan import Plan, PlannedSource
from bis.plans.variables import core_count, recorded_variables

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bis.environments import AsOf, EnvironmentSpec, Lock
    from bis.home import Home
    from bis.plans.levels import Level
    from bis.projects import Project
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
    locked: bool = False
    seed: int = 0
    level: Level = "seed"
    keep: tuple[str, ...] = ()
    """Names of further variables of the caller that decide the result (``--keep-env``)."""
    env_file: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The variables of ``--env-file``, and those of ``-A env=``."""
    container: ContainerOptions = field(default_factory=ContainerOptions)
    source: Source | None = None
    """The source that ``uri`` names, where it is known already."""
    project: Project | None = None
    """The project in it, where it is read already."""
    lock: Lock | None = None
    """The lock to take, whatever the files declare."""
    steps: Mapping[str, str] | None = None
    """Of a step of a pipeline: what its references to earlier steps stand for."""
    step_folders: Mapping[str, str] = field(default_factory=dict)
    """The artifact directories of those steps, by name."""


@dataclass(frozen=True)
class Prepared:
    """A plan and the directory that it is executed in. The source is held until it is closed."""

    plan: Plan
    source: Source
    name: str | None = None
    """What the project calls itself."""
    downloads: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Path parameters that are fetched before the start: name to URI, with the credentials that the plan leaves out."""
    places: Mapping[str, str] = field(default_factory=dict)
    """Path parameters that lie elsewhere than where the plan says: name to absolute path."""
    steps: Mapping[str, str] = field(default_factory=dict)
    """Of a step of a pipeline: the artifact directories of the steps before it, by name."""
    reuse: bool = False
    """Whether the entry point asks for a finished run in its place (``reuse: true``)."""

    @property
    def lock(self) -> Lock:
        """The lock of the plan's environment."""
        return self.plan.environment


def prepare(request: Request, *, home: Home, notify: Callable[[str], None]) -> Prepared:
    """Fetch, read, check and lock what ``request`` names, and write the plan.

    Raises a BisError for every mistake in the URI, the project, the parameters or the environment.
    """
    source = request.source or sources.fetch(request.uri, request.version, home=home, notify=notify)
    try:
        return _prepare(source, request, home=home, notify=notify)
    except BaseException:
        source.close()
        raise


def _prepare(source: Source, request: Request, *, home: Home, notify: Callable[[str], None]) -> Prepared:
    project = request.project or projects.load(source.directory, root=source.root)
    entry_point = project.entry_point(request.entry_point)
    binding = entry_point.bind(request.parameters, cwd=Path.cwd(), steps=request.steps)
    for warning in binding.warnings:
        notify(warning)
    if request.container.given and (project.environment is None or project.environment.docker is None):
        notify("-A and --build-image have no effect: the project declares no docker_env")
    lock = lock_for(project, source, request, home=home, notify=notify)
    variables, absent = decided_variables(request, os.environ)
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
        in_tree=inside(source.root, binding.local),
        downloads={name: binding.parameters[name] for name in binding.downloads},
        seed=request.seed,
        level=request.level,
        variables={**DETERMINING_VARIABLES, **variables},
        removed_variables=(*REMOVED_VARIABLES, *absent),
        secrets=tuple(sorted(name for name in request.env_file if name not in variables)),
    )
    return Prepared(
        plan,
        source,
        project.name,
        binding.downloads,
        steps=request.step_folders,
        reuse=bool(entry_point.reuse),
    )


def lock_for(
    project: Project, source: Source, request: Request, *, home: Home, notify: Callable[[str], None]
) -> Lock:
    """The lock of the environment in which the project is to run: the one that is asked for, else the project's."""
    return request.lock or environments.lock(
        detect_environment(project, request.env_manager, request.container),
        as_of=request.as_of or as_of_source(source),
        home=home,
        notify=notify,
        upgrade=request.upgrade,
        locked=request.locked,
    )


def decided_variables(request: Request, environ: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The variables that decide the result, and the names of those that were to be kept and are not set.

    What the user named with ``--keep-env`` goes before what the level sets; ``strict`` goes before the caller's
    other variables, and these go before what ``seed`` sets.
    """
    level = variables_of(request.level, request.seed, core_count())
    environ = {**environ, **request.env_file}
    recorded = recorded_variables(environ)
    kept = {name: environ[name] for name in request.keep if name in environ}
    absent = tuple(sorted(name for name in request.keep if name not in environ))
    if request.level == "strict":
        return {**recorded, **level, **kept}, absent
    return {**level, **recorded, **kept}, absent


def detect_environment(
    project: Project, manager: str | None, container: ContainerOptions = NO_OPTIONS
) -> EnvironmentSpec:
    """What the project declares as its environment, read and checked, nothing resolved."""
    declaration = project.environment
    kind, file = (None, None) if declaration is None else (declaration.kind, declaration.file)
    docker = None if declaration is None else declaration.docker
    declared = None if docker is None else declared_container(docker, container)
    return environments.detect(project.directory, kind=kind, file=file, manager=manager, container=declared)


def as_of_source(source: Source) -> AsOf:
    """The date a spec is resolved at: the commit's for a Git version, else that of the spec's first run."""
    if source.kind == "git" and source.committed_at is not None:
        return environments.AsOf.commit(source.committed_at)
    return environments.AsOf.first_run()
