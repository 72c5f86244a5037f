"""Whether a store could be served: what ``bis server --check`` says."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from bis.errors import BisError
from bis.tracking.artifact_store import folder_of, open_artifacts
from bis.tracking.database import VERSION
from bis.tracking.database_sqlite import found_version

LEAST_FREE_BYTES = 10**9
"""Below this much free space a store is about to fail."""

_PROBE = ".bis-check"
"""The name of the artifact that is written to see whether that can be."""


@dataclass(frozen=True)
class Check:
    """One fact, and whether it is as it has to be."""

    name: str
    ok: bool
    detail: str


def check(uri: str, artifacts: str) -> list[Check]:
    """Look at the store, which is neither made nor migrated, and write and delete an artifact."""
    file = Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None
    folder = folder_of(artifacts)
    checks = [_postgres(uri) if file is None else _sqlite(file), _artifacts(artifacts, folder)]
    places = {"of the store": file, "of the artifacts": folder}
    return checks + [_space(name, place) for name, place in places.items() if place is not None]


def obstacle(folder: Path) -> str | None:
    """Why no files can be kept in a folder, which need not be there yet; None when they can."""
    place = _existing(folder)
    if not place.is_dir():
        return f"{place} is no folder"
    return None if os.access(place, os.W_OK | os.X_OK) else f"{place} cannot be written"


def _sqlite(file: Path) -> Check:
    name = f"store {file}"
    if not file.exists():
        hindered = obstacle(file.parent)
        return Check(name, hindered is None, hindered or "will be made at the first start")
    try:
        version = _version(name, found_version(file))
    except BisError as error:
        return Check(name, False, error.message.removeprefix(f"{file}").lstrip(": "))
    hindered = obstacle(file.parent) or (None if os.access(file, os.W_OK) else "the file cannot be written")
    return version if hindered is None else Check(name, False, hindered)


def _postgres(uri: str) -> Check:
    from bis.tracking.postgres_errors import shown

    name = f"store {shown(uri)}"
    try:
        from bis.tracking.database_postgres import PostgresDatabase

        database = PostgresDatabase(uri, prepares=False)
        try:
            found = database.found_version()
        finally:
            database.close()
    except BisError as error:
        return Check(name, False, error.message)
    return _version(name, found) if found else Check(name, True, "tables will be made at the first start")


def _version(name: str, found: int) -> Check:
    detail = f"format {found}"
    return Check(name, True, detail if found == VERSION else f"{detail}; the start brings it to {VERSION}")


def _artifacts(place: str, folder: Path | None) -> Check:
    name = f"artifacts {place}"
    if folder is not None and (hindered := obstacle(folder)):
        return Check(name, False, hindered)
    if folder is not None and not folder.exists():
        return Check(name, True, "will be made with the first of them")
    try:
        store = open_artifacts(place)
        store.write(_PROBE, b"bis")
        store.delete(_PROBE)
    except BisError as error:
        return Check(name, False, error.message)
    return Check(name, True, "can be written")


def _space(name: str, place: Path) -> Check:
    free = shutil.disk_usage(_existing(place)).free
    return Check(f"free space {name}", free >= LEAST_FREE_BYTES, f"{free / 1e9:.1f} GB")


def _existing(place: Path) -> Path:
    return next(one for one in (place, *place.parents) if one.exists())
