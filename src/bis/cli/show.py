"""One run, as a page and as a document."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any

from bis.cli.runs import time_taken
from bis.cli.style import Style, fields, number, short_digest, size, when
from bis.tracking import tags as names
from bis.tracking.artifact_reading import artifact_files, artifact_text
from bis.tracking.families import family

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bis.tracking import FileInfo, Run, Store
    from bis.tracking.families import Family

_MOST_ARTIFACTS = 200


def run_page(store: Store, run: Run, style: Style) -> str:
    """The run for people."""
    info, tags = run.info, run.tags
    title = f"{style.strong(info.run_id)}  {info.name}  {style.status(info.status.value)}"
    others = {key: value for key, value in sorted(tags.items()) if not key.startswith(("mlflow.", "bis."))}
    pairs = [
        ("started", _started(run)),
        ("time", time_taken(run)),
        ("exit code", tags.get(names.EXIT_CODE, "")),
        ("experiment", store.experiment(info.experiment_id).name),
        ("source", tags.get("mlflow.source.name", "")),
        ("commit", _commit(tags)),
        ("tree", tags.get(names.SOURCE_TREE, "")),
        ("entry point", tags.get("mlflow.project.entryPoint", "")),
        ("environment", _environment(tags)),
        ("plan", tags.get(names.PLAN_DIGEST, "")),
        ("parent", tags.get("mlflow.parentRunId", "")),
        ("runs inside", "\n".join(_tree_lines(family(store, run), style))),
        ("not run", "\n".join(_steps_not_run(store, run))),
        ("repeats", tags.get(names.RERUN_OF, "")),
        ("verdict", _verdict(tags)),
        ("note", tags.get("mlflow.note.content", "")),
        ("parameters", "\n".join(f"{key} = {value}" for key, value in sorted(run.params.items()))),
        ("metrics", "\n".join(f"{metric.key} = {number(metric.value)}" for metric in run.metrics)),
        ("tags", "\n".join(f"{key} = {value}" for key, value in others.items())),
        ("artifacts", "\n".join(_artifact_line(file) for file in _artifacts(store, info.run_id))),
        ("kept in", store.artifact_location(info.run_id)),
    ]
    return f"{title}\n{fields([pair for pair in pairs if pair[1]], style)}"


def run_document(store: Store, run: Run) -> dict[str, Any]:
    """The run for programs."""
    info = run.info
    exit_code = run.tags.get(names.EXIT_CODE)
    taken = run.tags.get(names.DURATION)
    return {
        "run_id": info.run_id,
        "run_name": info.name,
        "experiment_id": info.experiment_id,
        "status": info.status.value,
        "start_time": info.start_time,
        "end_time": info.end_time,
        "exit_code": None if exit_code is None else int(exit_code),
        "duration_s": None if taken is None else float(taken),
        "parameters": run.params,
        "metrics": {metric.key: metric.value for metric in run.metrics},
        "tags": run.tags,
        "artifact_uri": store.artifact_location(info.run_id),
        "artifacts": [file.path for file in _artifacts(store, info.run_id)],
        "plan_digest": run.tags.get(names.PLAN_DIGEST),
        "children": _tree_document(family(store, run)),
    }


def _tree_lines(top: Family, style: Style, before: str = "") -> Iterator[str]:
    """A line for each run inside, drawn as a tree."""
    for index, child in enumerate(top.children):
        is_last = index == len(top.children) - 1
        info = child.run.info
        status = style.faint("reused") if child.taken else style.status(info.status.value)
        words = [_short_label(child), status, time_taken(child.run), metric_words(child.run)]
        line = "  ".join(word for word in (info.run_id[:8], *words) if word)
        yield f"{before}{'└─ ' if is_last else '├─ '}{line}"
        yield from _tree_lines(child, style, before + ("   " if is_last else "│  "))


def _steps_not_run(store: Store, run: Run) -> Iterator[str]:
    """A line for each step of a pipeline that has no run, with the reason."""
    text = artifact_text(store, run.info.run_id, "bis/pipeline.json") if names.PIPELINE in run.tags else None
    for step in json.loads(text)["steps"] if text else ():
        if not step["run_id"]:
            yield f"{step['name']}  {step['state']}: {step['reason']}"


def _short_label(child: Family) -> str:
    """The step, or the entry point and which of its calls it was, without the place of the calling process."""
    label = child.label
    if label == child.run.tags.get(names.CALL):
        entry_point, _, count = label.partition(":")[2].rpartition(":")
        label = entry_point if count == "1" else f"{entry_point} ({count})"
    return label or child.run.info.name


def metric_words(run: Run) -> str:
    """The first of a run's metrics, in a few words."""
    return ", ".join(f"{metric.key} {number(metric.value)}" for metric in run.metrics[:3])


def _tree_document(top: Family) -> list[dict[str, Any]]:
    return [
        {
            "run_id": child.run.info.run_id,
            "label": child.label,
            "status": child.run.info.status.value,
            "reused": child.taken,
            "children": _tree_document(child),
        }
        for child in top.children
    ]


def _artifacts(store: Store, run_id: str) -> list[FileInfo]:
    """The run's artifacts, without the folders that hold them; at most 200."""
    return sorted(islice(artifact_files(store, run_id), _MOST_ARTIFACTS), key=lambda file: file.path)


def _artifact_line(file: FileInfo) -> str:
    return file.path if file.size_bytes is None else f"{file.path}  {size(file.size_bytes)}"


def _started(run: Run) -> str:
    return when(run.info.start_time) + (f" by {run.info.user_id}" if run.info.user_id else "")


def _verdict(tags: dict[str, str]) -> str:
    verdict, rounds = tags.get(names.VERDICT), tags.get(names.VERIFIED_ROUNDS, "1")
    return f"{verdict} after {rounds} round{'' if rounds == '1' else 's'}" if verdict else ""


def _commit(tags: dict[str, str]) -> str:
    commit = tags.get("mlflow.source.git.commit", "")
    branch = tags.get("mlflow.source.git.branch")
    dirty = tags.get("mlflow.source.git.dirty") == "true"
    return commit + (f" ({branch})" if branch else "") + (", with uncommitted changes" if dirty else "")


def _environment(tags: dict[str, str]) -> str:
    manager = tags.get("mlflow.project.env", "")
    python = tags.get(names.PYTHON)
    lock = short_digest(tags.get(names.LOCK_DIGEST, ""))
    return ", ".join(
        part
        for part in (manager, f"Python {python}" if python else "", f"lock {lock}" if lock else "")
        if part
    )
