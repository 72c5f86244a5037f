"""The run in the words of RO-Crate 1.1 and its profile Process Run Crate 0.5, for tools that know those."""

from __future__ import annotations

import json
import mimetypes
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from bis._version import __version__
from bis.repeat.capsule.layout import (
    CHANGES,
    CRATE,
    LOCK,
    MANIFEST,
    PLAN,
    RECORD,
    RUN,
    SOURCE,
    artifact_of,
    file_of_model,
)
from bis.tracking import RunStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bis.plans import Plan
    from bis.repeat.capsule.layout import PackedFile
    from bis.repeat.capsule.run_document import RunDocument

_PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
_TERMS = "https://w3id.org/ro/terms/workflow-run#"
_CONTEXT = [
    "https://w3id.org/ro/crate/1.1/context",
    {"environment": f"{_TERMS}environment", "sha256": f"{_TERMS}sha256"},
]
_BIS = "#bis"
_DESCRIPTIONS = {
    PLAN: "What was executed: source, command, parameters, environment, seed and variables",
    LOCK: "Every package of the environment, with its version and hashes",
    RECORD: "What happened: host, times, exit code, files, network, processes",
    SOURCE: "The source tree as it ran, uncommitted changes included",
    CHANGES: "The uncommitted changes of the source, to be read",
    RUN: "Parameters, metrics with their histories, tags and datasets",
    MANIFEST: "The manifest of this capsule of bis: each file with its SHA-256",
}
_OF_PROJECT = (SOURCE, PLAN, LOCK)
_TYPES = {
    ".patch": "text/x-diff",
    ".log": "text/plain",
    ".jsonl": "application/x-ndjson",
    ".yaml": "text/yaml",
}

Entity = dict[str, Any]


def describe(run: RunDocument, plan: Plan | None, files: Iterable[PackedFile]) -> str:
    """The text of ``ro-crate-metadata.json``. It depends on the run alone: the same run gives the same text."""
    listed = sorted(files, key=lambda file: file.path)
    parts = [_file(file) for file in listed]
    parts.append({"@id": MANIFEST, "@type": "File", "name": _DESCRIPTIONS[MANIFEST], **_media(MANIFEST)})
    params = [_value("parameter", key, value) for key, value in sorted(run.params.items())]
    metrics = [_value("metric", key, value) for key, value in sorted(_last_values(run).items())]
    variables = [] if plan is None else [_value("variable", *pair) for pair in sorted(plan.variables.items())]
    results = [part for part in parts if _is_result(part["@id"])]
    project = _project(run, plan, {file.path for file in listed})
    if project["@id"] == SOURCE:
        parts = [{**part, **project} if part["@id"] == SOURCE else part for part in parts]
        tools = []
    else:
        tools = [project]
    agent = {"@id": "#agent", "@type": "Person", "name": run.user_id or "unknown"}
    action = _action(
        run, project, inputs=params, results=[*metrics, *results], agent=agent, variables=variables
    )
    graph = [
        _descriptor(),
        _root(run, parts, action),
        {"@id": _PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"},
        _LICENSE,
        agent,
        action,
        {"@id": _BIS, "@type": "SoftwareApplication", "name": "bis", "version": __version__},
        *tools,
        *parts,
        *params,
        *metrics,
        *variables,
    ]
    return json.dumps({"@context": _CONTEXT, "@graph": graph}, indent=1, ensure_ascii=False) + "\n"


_LICENSE: Entity = {
    "@id": "#license",
    "@type": "CreativeWork",
    "name": "As the project states",
    "description": "The files of the source say under which license it is; a run adds none.",
}


def _descriptor() -> Entity:
    return {
        "@id": CRATE,
        "@type": "CreativeWork",
        "about": {"@id": "./"},
        "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
    }


def _root(run: RunDocument, parts: list[Entity], action: Entity) -> Entity:
    return {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Run {run.name}",
        "description": f"The run {run.run_id} of {_project_name(run)}, packed by bis to be executed again.",
        "datePublished": _time(run.end_time or run.start_time),
        "license": _link(_LICENSE),
        "conformsTo": {"@id": _PROFILE},
        "hasPart": [_link(part) for part in parts],
        "author": {"@id": "#agent"},
        "mentions": _link(action),
    }


def _action(
    run: RunDocument,
    project: Entity,
    *,
    inputs: list[Entity],
    results: list[Entity],
    agent: Entity,
    variables: list[Entity],
) -> Entity:
    finished = run.status is RunStatus.FINISHED
    action = {
        "@id": f"#{run.run_id}",
        "@type": "CreateAction",
        "name": f"Run {run.name}",
        "description": f"One execution of {_project_name(run)}",
        "instrument": _link(project),
        "agent": _link(agent),
        "startTime": _time(run.start_time),
        "endTime": _time(run.end_time or run.start_time),
        "actionStatus": f"http://schema.org/{'Completed' if finished else 'Failed'}ActionStatus",
        "object": [_link(each) for each in inputs],
        "result": [_link(each) for each in results],
        "environment": [_link(each) for each in variables],
    }
    if not finished:
        action["error"] = f"The run ended as {run.status.value}."
    return {key: value for key, value in action.items() if value != []}


def _project(run: RunDocument, plan: Plan | None, present: set[str]) -> Entity:
    """The tool of the action: the packed source, or what is known of the software when there is none."""
    name = _project_name(run)
    requirements = {"softwareRequirements": {"@id": LOCK}} if LOCK in present else {}
    if SOURCE in present and plan is not None:
        return {
            "@id": SOURCE,
            "@type": ["File", "SoftwareSourceCode"],
            "name": name,
            "version": plan.source.commit or plan.source.tree or "",
            **({"url": plan.source.repository} if plan.source.repository else {}),
            **requirements,
        }
    return {
        "@id": "#bis-project",
        "@type": "SoftwareApplication",
        "name": name,
        "version": "unknown",
    }


def _project_name(run: RunDocument) -> str:
    source = run.tags.get("mlflow.source.name", "")
    return source.rstrip("/").rpartition("/")[2] or run.name


def _file(file: PackedFile) -> Entity:
    return {
        "@id": _encoded(file.path),
        "@type": "File",
        "name": file.path.rpartition("/")[2],
        "description": _DESCRIPTIONS.get(file.path, "An artifact of the run"),
        "contentSize": str(file.size_bytes),
        "sha256": file.sha256,
        **_media(file.path),
    }


def _media(path: str) -> Entity:
    suffix = f".{path.rpartition('.')[2]}"
    return {
        "encodingFormat": _TYPES.get(suffix) or mimetypes.guess_type(path)[0] or "application/octet-stream"
    }


def _is_result(path: str) -> bool:
    return (artifact_of(path) or file_of_model(path)) is not None and path not in (
        *_OF_PROJECT,
        CHANGES,
        RECORD,
    )


def _value(kind: str, name: str, value: object) -> Entity:
    return {"@id": f"#{kind}-{_encoded(name)}", "@type": "PropertyValue", "name": name, "value": str(value)}


def _last_values(run: RunDocument) -> dict[str, float]:
    last = sorted(run.metrics, key=lambda metric: (metric.step, metric.timestamp))
    return {metric.key: metric.value for metric in last}


def _encoded(path: str) -> str:
    from urllib.parse import quote

    return quote(path, safe="/~()!*'")


def _link(entity: Entity) -> Entity:
    return {"@id": entity["@id"]}


def _time(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, timezone.utc).isoformat(timespec="milliseconds")
