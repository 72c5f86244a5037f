"""Addresses of files that clients name: where a version of a model comes from, where an experiment keeps its
artifacts. They are checked, and never opened.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from bis.tracking.refusals import invalid

if TYPE_CHECKING:
    from bis.tracking.sql_store import SqlStore

_LOGGED_MODEL = re.compile(r"models:/(m-[0-9a-f]+)")
_MODEL_VERSION = re.compile(r"models:/([^/@]+)/([0-9]{1,18})")
_MOST_DECODINGS = 5
_NO_SOURCES = ("dummy-source", "prompt-template")
"""What MLflow's clients say for a version that has no files: a prompt."""


@dataclass(frozen=True)
class Origin:
    """``source`` as it is kept; the run and the logged model that it belongs to, empty when unknown."""

    source: str
    run_id: str
    model_id: str


def origin_of(store: SqlStore, source: str, run_id: str, model_id: str) -> Origin:
    """What is kept for a version that is made from ``source``.

    Of a logged model the run is known. A version that is made from another one has its files where that one
    has them. A path on a disk is taken only when it lies among the artifacts of the run, as in MLflow.
    """
    refuse_climbing(source, "model version source")
    model = _LOGGED_MODEL.fullmatch(source)
    if model is not None or (model_id and not run_id):
        logged = store.logged_model(model[1] if model else model_id)
        return Origin(source, run_id or logged.source_run_id, logged.model_id)
    version = _MODEL_VERSION.fullmatch(source)
    if version is not None:
        source = store.model_artifact_uri(version[1], version[2])
    elif (
        is_local(source)
        and source not in _NO_SOURCES
        and not (run_id and _is_below(source, store.artifact_location(run_id)))
    ):
        raise invalid(
            f"Invalid model version source: '{source[:200]}'. To use a local path as a model version source, the"
            " run_id request parameter has to be specified and the local path has to be contained within the"
            " artifact directory of the run specified by the run_id."
        )
    return Origin(source, run_id, model_id)


def is_local(source: str) -> bool:
    """Whether the address names a place on a disk."""
    try:
        return urlsplit(source).scheme in ("", "file")
    except ValueError:
        return True


def _is_below(source: str, root: str) -> bool:
    path, top = (unquote(urlsplit(uri).path).rstrip("/") for uri in (source, root))
    return is_local(root) and f"{path}/".startswith(f"{top}/")


def check_location(location: str) -> None:
    """Refuse an ``artifact_location`` that is no place of its own, or that climbs out of one."""
    refuse_climbing(location, "artifact_location")
    if location.partition(":")[0] in ("runs", "models"):
        raise invalid(f"Artifact location cannot be a runs:/ or models:/ URI. Given: '{location[:200]}'")


def refuse_climbing(address: str, what: str) -> None:
    """Refuse ``..`` in any disguise: clients decode an address as often as they like, and cut it at ``#`` or ``;``."""
    decoded = address
    for _ in range(_MOST_DECODINGS):
        if "\0" in decoded or "#" in decoded or ".." in re.split(r"[/\\;?]", decoded):
            break
        before, decoded = decoded, unquote(decoded)
        if before == decoded:
            return
    raise invalid(f"Invalid {what}: '{address[:200]}'.")
