"""``runs:/`` and ``models:/`` addresses: what they name in a store, brought to this disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bis.errors import TrackingError
from bis.tracking.artifacts import SCHEME
from bis.tracking.refusals import RefusedError

if TYPE_CHECKING:
    from pathlib import Path

    from bis.tracking.store import Store


def resolve_artifact_uri(store: Store, uri: str, destination: Path) -> Path:
    """Download what the address names below ``destination``; returns the file or directory.

    Addresses: ``runs:/RUN/path``, ``models:/NAME/VERSION[/path]`` with a number, a stage or ``latest``,
    ``models:/NAME@ALIAS``, ``models:/m-ID`` (MLflow 3), and the store's own ``mlflow-artifacts:/...``.
    """
    scheme, _, rest = uri.partition(":")
    rest = rest.lstrip("/")
    if scheme == "runs":
        run_id, _, path = rest.partition("/")
        return _of_run(store, run_id, path, destination)
    if scheme == "models":
        return _of_model(store, uri, rest, destination)
    if uri.startswith(SCHEME):
        directory, _, name = uri.rpartition("/")
        return store.download_from(directory, name, destination)
    raise TrackingError(
        f"{uri} is not an address of artifacts", hint="It is like runs:/RUN/path or models:/NAME/1."
    )


def _of_run(store: Store, run_id: str, path: str, destination: Path) -> Path:
    run = store.run(run_id)
    try:
        return store.download_artifacts(run_id, path, destination)
    except RefusedError:
        name, _, inner = path.partition("/")
        for link in run.model_outputs:  # MLflow 3 keeps the models of a run outside of its artifacts
            model = store.logged_model(link.model_id)
            if model.name == name:
                return store.download_from(model.artifact_uri, inner, destination)
        raise


def _of_model(store: Store, uri: str, rest: str, destination: Path) -> Path:
    name, _, path = rest.partition("/")
    if name.startswith("m-") and len(name) == 34:
        return store.download_from(store.logged_model(name).artifact_uri, path, destination)
    if "@" in name:
        name, _, alias = name.partition("@")
        version = f"@{alias}"
    else:
        version, _, path = path.partition("/")
    if not name or version in ("", "@"):
        raise TrackingError(
            f"{uri} names no version", hint="It is like models:/NAME/1 or models:/NAME@ALIAS."
        )
    return store.download_from(store.model_artifact_uri(name, version), path, destination)
