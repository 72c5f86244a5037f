"""Whether a store could be served: what ``bis server --check`` says."""

from __future__ import annotations

import os
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from bis.errors import BisError
from bis.tracking.artifact_store import open_artifacts
from bis.tracking.database import VERSION

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
    checks = [_postgres(uri) if file is None else _sqlite(file), _artifacts(artifacts)]
    places = {"of the store": file, "of the artifacts": None if "://" in artifacts else Path(artifacts)}
    return checks + [_space(name, place) for name, place in places.items() if place is not None]


def _sqlite(file: Path) -> Check:
    name = f"store {file}"
    if not file.exists():
        place = _existing(file.parent)
        made = os.access(place, os.W_OK)
        return Check(name, made, "will be made at the first start" if made else f"{place} cannot be written")
    if not os.access(file, os.W_OK) or not os.access(file.parent, os.W_OK):
        return Check(name, False, "the file, or its folder, cannot be written")
    try:
        connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
        try:
            found: int = connection.execute("PRAGMA user_version").fetchone()[0]
        finally:
            connection.close()
    except sqlite3.Error as error:
        return Check(name, False, str(error))
    return _version(name, found)


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
    if found > VERSION:
        return Check(name, False, f"its format {found} is of a newer bis; this one knows {VERSION}")
    if found == VERSION:
        return Check(name, True, f"format {found}")
    return Check(
        name, found > 0, f"format {found}; the start brings it to {VERSION}" if found else "is not of bis"
    )


def _artifacts(place: str) -> Check:
    name = f"artifacts {place}"
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
