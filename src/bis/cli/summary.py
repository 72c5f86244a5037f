"""What ``bis run`` says before and after the script's own output."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Any

from bis.cli.style import Style, counted, duration, fields, number, short_digest, short_place, when

if TYPE_CHECKING:
    from bis.backends.project_run import ProjectRun
    from bis.plans import Prepared
    from bis.runs import RunOptions
    from bis.sources import Source


_PROSE = ("parameters", "pinned", "not pinned")


def print_opening(prepared: Prepared, style: Style) -> None:
    """What is going to run, on standard error."""
    title = f"{project_words(prepared)} · {prepared.plan.entry_point}"
    pairs = [
        ("source", source_words(prepared)),
        ("environment", environment_words(prepared)),
        ("command", prepared.plan.command().strip()),
    ]
    print(f"{style.strong(title)}\n{fields(pairs, style)}\n", file=sys.stderr, flush=True)


def print_summary(finished: ProjectRun, style: Style, *, again: str = "") -> None:
    """How it ended, what came out, what pins it, and the command that repeats it, on standard error."""
    outcome = finished.result
    info, record = outcome.run.info, outcome.record
    title = f"{style.status(info.status.value)} in {duration(record.duration_s)}{_ending_words(finished)}"
    if finished.reused:
        title = f"reused: run {info.run_id[:8]} of {when(info.start_time)} had the same plan and inputs"
    metrics = "\n".join(f"{key} = {number(value)}" for key, value in sorted(finished.metrics.items())[:20])
    parameters = "  ".join(
        f"{key}={value!r}" if " " in value else f"{key}={value}" for key, value in finished.parameters.items()
    )
    pairs = [
        ("run", f"{info.run_id[:8]} {style.faint(info.name)}"),
        ("parameters", _shorten(parameters, 400)),
        ("metrics", metrics),
        ("pinned", "\n".join(pinned_words(finished.prepared))),
        ("not pinned", "\n".join(unpinned_words(finished.prepared))),
        ("again", again),
        ("more", f"bis show {info.run_id[:8]}"),
    ]
    shown = fields([pair for pair in pairs if pair[1]], style, prose=_PROSE)
    print(f"\n{title}\n{shown}", file=sys.stderr)


def result_document(finished: ProjectRun) -> dict[str, Any]:
    """The object that ``bis run --json`` prints."""
    outcome = finished.result
    prepared, run, record = finished.prepared, outcome.run, outcome.record
    environment = finished.environment
    return {
        "run_id": run.info.run_id,
        "run_name": run.info.name,
        "experiment_id": run.info.experiment_id,
        "status": run.info.status.value,
        "reused": finished.reused,
        "exit_code": record.exit_code,
        "duration_s": round(record.duration_s, 3),
        "parameters": run.params,
        "metrics": finished.metrics,
        "tags": run.tags,
        "artifact_uri": finished.artifact_uri,
        "source": {
            "uri": prepared.source.uri,
            "commit": prepared.source.commit,
            "branch": prepared.source.branch,
            "dirty": prepared.source.dirty,
            "tree": prepared.source.tree,
        },
        "environment": {
            "manager": prepared.lock.manager,
            "python": prepared.lock.python,
            "lock_digest": prepared.lock.digest,
            "created": environment is not None and environment.created,
            "seconds": 0 if environment is None else round(environment.seconds, 3),
        },
        "command": record.command,
        "plan_digest": record.plan_digest,
    }


def plan_fields(prepared: Prepared, style: Style) -> str:
    """A plan for people (``bis run --dry-run``)."""
    parameters = "\n".join(f"{key} = {value}" for key, value in prepared.plan.parameters.items())
    pairs = [
        ("source", source_words(prepared)),
        ("entry point", prepared.plan.entry_point),
        ("parameters", parameters),
        ("environment", environment_words(prepared)),
        ("command", prepared.plan.command().strip()),
        ("pinned", "\n".join(pinned_words(prepared))),
        ("not pinned", "\n".join(unpinned_words(prepared))),
        ("plan", prepared.plan.digest),
    ]
    return fields([pair for pair in pairs if pair[1]], style, prose=_PROSE)


def project_words(prepared: Prepared) -> str:
    """What the project calls itself, else the place that it comes from."""
    source = prepared.source
    place = source.directory.name if source.kind == "directory" else short_place(source.name)
    return prepared.name or place


def source_words(prepared: Prepared) -> str:
    """The source in one line: where, which commit, modified or not."""
    source = prepared.source
    words = source.uri
    if source.commit:
        words += f" at {source.commit[:10]}" + (f" ({source.branch})" if source.branch else "")
        words += ", with uncommitted changes" if source.dirty else ""
    return words


def environment_words(prepared: Prepared) -> str:
    """The environment in one line."""
    lock = prepared.lock
    if lock.container:
        return f"container, image {lock.container.image} ({lock.container.image_id[7:19]})"
    words = f"{lock.manager}, Python {lock.python}" if lock.python else lock.manager
    if lock.manager != "local":
        words += f", {counted(len(lock.packages), 'package')}"
    if lock.as_of:
        words += f" as of {lock.as_of[:10]}"
    return words


def pinned_words(prepared: Prepared) -> list[str]:
    """What a later run can take again exactly as it was."""
    lines = []
    if prepared.source.tree:
        lines.append(f"source tree {prepared.source.tree[:12]}")
    if prepared.lock.container:
        lines.append(f"image {prepared.lock.container.image_id[7:19]}")
    if prepared.lock.python:
        lines.append(f"Python {prepared.lock.python}")
    if prepared.lock.pinned and prepared.lock.packages:
        hashed = len(prepared.lock.packages) - len(prepared.lock.unhashed_packages)
        lines.append(f"{counted(hashed, 'package')} by hash (lock {short_digest(prepared.lock.digest)})")
    plan = prepared.plan
    seeded = [] if plan.level == "observe" else [f"seed {plan.seed}, level {plan.level}"]
    return [", ".join(lines), *seeded]


def unpinned_words(prepared: Prepared) -> list[str]:
    """What decided the result and is not held: said, so that nobody takes the run for more than it is."""
    unseeded = "random numbers that the script does not seed, " if prepared.plan.level == "observe" else ""
    lines = [f"{unseeded}files outside the project, the network"]
    if not prepared.lock.pinned:
        lines.append("packages: the local environment is used as it is")
    elif unhashed := prepared.lock.unhashed_packages:
        lines.append(f"{counted(len(unhashed), 'package')} without a hash: {', '.join(unhashed)}")
    if prepared.source.large_files:
        lines.append(f"{counted(len(prepared.source.large_files), 'large file')}: recorded by hash, not kept")
    if prepared.source.withheld:
        lines.append(
            f"files that look like secrets, left out: {_shorten(', '.join(prepared.source.withheld), 200)}"
        )
    lines += [f"input {name}: fetched at each run" for name in prepared.plan.downloads]
    return lines


def repeat_command(options: RunOptions, prepared: Prepared) -> str:
    """The ``bis run`` command that runs the same again, as far as it is committed."""
    source, plan = prepared.source, prepared.plan
    words = ["bis", "run", _address(source)]
    given = {
        "-e": None if plan.entry_point == "main" else plan.entry_point,
        "-v": source.commit if source.kind == "git" else None,
        "--env-manager": options.env_manager,
        "--as-of": options.as_of,
        "--env-file": options.env_file,
        "--seed": str(plan.seed) if plan.seed else None,
        "--level": None if plan.level == "seed" else plan.level,
    }
    for option, text in given.items():
        words += [option, text] if text else []
    for name in options.keep_env:
        words += ["--keep-env", name]
    for key, value in plan.parameters.items():
        words += ["-P", f"{key}={value}"]
    return _shorten(shlex.join(words), 1000)


def _address(source: Source) -> str:
    """The URI without the version in it, which may move."""
    place, separator, subdirectory = source.uri.partition("#")
    if source.kind != "git" or not source.version:
        return source.uri
    if place.endswith(f"@{source.version}"):
        return place.removesuffix(f"@{source.version}") + separator + subdirectory
    if f"/{source.version}" in place and source.repo_url:  # the address of a web page, .../tree/main/sub
        return source.repo_url + (f"#{source.subdirectory}" if source.subdirectory else "")
    return source.uri


def _ending_words(finished: ProjectRun) -> str:
    record = finished.result.record
    if record.stopped_by == "timeout":
        return " (ended at its time limit)"
    if record.stopped_by:
        return f" ({record.stopped_by})"
    return f" with exit code {record.exit_code}" if record.exit_code else ""


def _shorten(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
