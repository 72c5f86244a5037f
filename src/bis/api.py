"""``bis.run``: from a URI to a tracked result, in one call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bis.errors import RunFailedError
from bis.pipelines import PipelineOptions, start
from bis.plans import ContainerOptions
from bis.runs import RunOptions, read_backend_config, read_reuse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from bis.backends.project_run import ProjectRun
    from bis.pipelines.submitted import PipelineRun
    from bis.plans import Level


def run(
    uri: str,
    entry_point: str = "main",
    version: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    docker_args: Mapping[str, Any] | None = None,
    experiment_name: str | None = None,
    experiment_id: str | None = None,
    backend: str = "local",
    backend_config: Mapping[str, Any] | str | None = None,
    storage_dir: str | None = None,
    synchronous: bool = True,
    run_id: str | None = None,
    run_name: str | None = None,
    env_manager: str | None = None,
    build_image: bool = False,
    docker_auth: Mapping[str, str] | None = None,
    *,
    tags: Mapping[str, str] | None = None,
    env_file: str | None = None,
    timeout_s: float | None = None,
    as_of: str | None = None,
    upgrade: bool = False,
    seed: int | None = None,
    level: Level | None = None,
    keep_env: Iterable[str] = (),
    locked: bool = False,
    reuse: bool | str | None = None,
    jobs: int | None = None,
    notify: Callable[[str], None] | None = None,
) -> ProjectRun | PipelineRun:
    """Run a project, from a folder or a Git URI to a tracked result.

    Takes what ``mlflow.projects.run`` takes (positions included). ``timeout_s`` is in seconds; ``as_of`` is a date
    or ``latest``, ``upgrade`` resolves anew, and ``locked`` wants the project's own lock, up to date. ``seed`` is 0
    unless given, ``level`` is ``observe``, ``seed`` (the default) or ``strict``, and ``keep_env`` names variables that
    decide the result, to be recorded with their values. ``reuse`` takes a finished run of the same plan, whose inputs
    are still the same, instead of executing it (``"always"``: also one that used the network). An entry point that
    comes after others is run with them as a pipeline, ``jobs`` steps at a time (default: one for each core).
    ``notify`` is given one-line notes, which are dropped by default. With ``synchronous=False`` the run goes on in a
    thread of this process, which waits for it before it exits.

    Returns the run. Raises RunFailedError when a synchronous run did not finish well, and another BisError for
    every mistake in the arguments, the project or its environment.
    """
    read_backend_config(backend_config)
    options = RunOptions(
        uri=str(uri),
        entry_point=entry_point,
        version=version,
        parameters={key: str(value) for key, value in (parameters or {}).items()},
        experiment_name=experiment_name,
        experiment_id=None if experiment_id is None else str(experiment_id),
        backend=backend,
        env_manager=env_manager,
        storage_dir=storage_dir,
        run_id=run_id,
        run_name=run_name,
        tags=tags or {},
        env_file=env_file,
        container=ContainerOptions.read(docker_args, build_image=build_image, docker_auth=docker_auth),
        timeout_s=timeout_s,
        as_of=as_of,
        upgrade=upgrade,
        seed=seed,
        level=level,
        keep_env=tuple(keep_env),
        locked=locked,
        reuse=read_reuse(reuse),
        quiet=notify is None,
    )
    submitted = start(
        options,
        notify=notify or (lambda _: None),
        synchronous=synchronous,
        pipeline=lambda: PipelineOptions(jobs=jobs),
    )
    if synchronous and submitted.status != "FINISHED":
        raise RunFailedError(
            f"run {submitted.run_id} is {submitted.status}: its command ended with exit code"
            f" {submitted.exit_code}",
            hint=f"See its output with: bis logs {submitted.run_id[:8]}",
        )
    return submitted
