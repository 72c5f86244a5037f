"""Where the artifacts that a source names are: on this disk, in an object store, or behind a server."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bis.errors import TrackingError
from bis.tracking.artifact_store import OBJECT_SCHEMES, ArtifactStore, checked_path, open_artifacts
from bis.tracking.artifacts import SCHEME, ArtifactDirectory, local_directory
from bis.tracking.mlflow_import.source import StoredFiles
from bis.tracking.refusals import RefusedError

if TYPE_CHECKING:
    from pathlib import Path

_OWNED = re.compile(r"(?:^|/)(?P<owner>[^/]+)/artifacts/*$")
_INSIDE = re.compile(r"(?:^|/)(?P<owner>[0-9a-f]{32}|m-[0-9a-f]{32})/artifacts(?P<path>/.*)?$")


@dataclass(frozen=True)
class ArtifactPlaces:
    """Finds artifacts by the address that a source has for them.

    ``beside`` is the directory that relative addresses begin in. ``proxied`` is where the old server kept what it calls
    ``mlflow-artifacts:``, when the user has said so.
    """

    beside: Path | None
    proxied: str | None

    def of(self, uri: str, owner: str, fallback: Path | None = None) -> StoredFiles:
        """The artifacts of the run or model ``owner``; from ``fallback`` when nothing is at their address.

        MLflow ends such an address with the id of its owner. Any other is refused: data of others could name any
        directory of this disk. Raises TrackingError when they cannot be reached.
        """
        match = _OWNED.search(uri)
        if match is None or match["owner"] != owner:
            what = f"{shown(uri)} is no address of artifacts of {owner}" if uri else f"{owner} has no address"
            raise TrackingError(what)
        store = self._store(uri)
        if isinstance(store, ArtifactDirectory) and not store.root.is_dir():
            if fallback is not None:
                return StoredFiles(ArtifactDirectory(fallback))
            if not any(place.is_dir() for place in store.root.parents[1:3]):  # else nothing was logged, ever
                raise TrackingError(f"there is no directory {store.root}")
        return StoredFiles(store)

    def _store(self, uri: str) -> ArtifactStore:
        if uri.startswith(SCHEME):
            return self._kept_by_the_server().below(re.sub(r"^mlflow-artifacts:(//[^/]*)?/*", "", uri))
        if uri.partition("://")[0].lower() in OBJECT_SCHEMES:
            return open_artifacts(uri)
        if ":/" not in uri and not uri.startswith("/") and self.beside is not None:
            return ArtifactDirectory(self.beside).below(checked_path(uri.removeprefix("file:")))
        return ArtifactDirectory(local_directory(uri))

    def _kept_by_the_server(self) -> ArtifactStore:
        if self.proxied is not None:
            return open_artifacts(self.proxied)
        usual = self.beside / "mlartifacts" if self.beside is not None else None  # MLflow's default
        if usual is None or not usual.is_dir():
            raise TrackingError("a server kept it, and --artifacts DIR does not say where")
        return ArtifactDirectory(usual)


def inside(address: str) -> tuple[str, str] | None:
    """The run or model in whose artifacts an address is, and the path there; None for another address."""
    match = _INSIDE.search(address)
    if match is None:
        return None
    try:
        return match["owner"], checked_path((match["path"] or "").strip("/"))
    except RefusedError:
        return None


def shown(uri: str) -> str:
    """An address without the credentials that may be in it."""
    scheme, separator, rest = uri.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"[:300]
