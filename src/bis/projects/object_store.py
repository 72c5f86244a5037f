"""Downloads from object stores (S3, Google Cloud Storage, Azure) with obstore, an optional dependency."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from bis.errors import ParameterError
from bis.object_stores import CREDENTIALS_HINT, first_line, open_object_store
from bis.projects.download import file_name, shown, write_whole


def download_object(uri: str, directory: Path) -> Path:
    """Fetch the object at ``uri``, or all objects below it, into ``directory``. Raises ParameterError."""
    try:
        import obstore
        from obstore.exceptions import BaseError
    except ImportError as error:
        raise ParameterError(
            f"{shown(uri)} needs a client for object stores", hint="Install one: pip install 'bis[cloud]'"
        ) from error
    parent, _, key = uri.rstrip("/").rpartition("/")
    if parent.endswith(("/", ":")):  # a whole bucket
        parent, key = uri.rstrip("/"), ""
    try:
        store = open_object_store(parent)
        target = directory / file_name(key or parent)
        if key and not uri.endswith("/"):
            try:
                write_whole(obstore.get(store, key).stream(), target)
            except FileNotFoundError:  # a "directory": a prefix that other objects have
                pass
            else:
                return target
        if _download_below(store, f"{key}/" if key else "", target):
            return target
    except FileNotFoundError as error:
        raise _failed(uri, "there is no such bucket") from error
    except (BaseError, OSError, ValueError) as error:
        raise _failed(uri, first_line(error)) from error
    raise _failed(uri, "there is nothing at that address")


def _download_below(store: Any, prefix: str, target: Path) -> int:
    """Fetch every object whose key begins with ``prefix``; returns how many there were."""
    import obstore

    count = 0
    for batch in obstore.list(store, prefix=prefix or None):
        for entry in batch:
            key = str(entry["path"])
            relative = key.removeprefix(prefix)
            if not relative or relative.endswith("/"):
                continue
            place = target / relative
            if not Path(os.path.normpath(place)).is_relative_to(target) or ".." in Path(relative).parts:
                raise ValueError(f"the object name {key!r} leaves its directory")
            place.parent.mkdir(parents=True, exist_ok=True)
            write_whole(obstore.get(store, key).stream(), place)
            count += 1
    return count


def _failed(uri: str, reason: str) -> ParameterError:
    return ParameterError(
        f"{shown(uri)} cannot be downloaded: {reason}",
        hint=CREDENTIALS_HINT,
    )
