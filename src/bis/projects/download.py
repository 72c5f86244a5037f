"""Fetches remote ``path`` parameters: http(s), object stores, and what a tracking store holds.

A file is written beside its place and moved there when it is whole. What is shown of a URI never holds its
password or query (a presigned URL is a secret).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bis.errors import ParameterError
from bis.projects.locations import HTTP, OBJECT_STORES, TRACKED, scheme_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    Resolve = Callable[[str], Path]

ATTEMPTS = 4
PAUSE_S = 0.5  # before the second attempt, doubled before each further one


def download_all(
    parameters: Iterable[str], downloads: Mapping[str, str], directory: Path, *, resolve: Resolve | None
) -> dict[str, str]:
    """Fetch each URI of ``downloads`` into ``directory/param_<index>/``, and return the absolute local paths.

    The index is the parameter's place in ``parameters``. Raises ParameterError.
    """
    places = {name: directory / f"param_{index}" for index, name in enumerate(parameters)}
    return {
        name: os.path.abspath(download(uri, places[name], resolve=resolve))  # noqa: PTH100
        for name, uri in downloads.items()
    }


def download(uri: str, directory: Path, *, resolve: Resolve | None) -> Path:
    """Fetch the file or directory at ``uri`` into ``directory`` under its own name, and return its path.

    ``resolve`` gives the local place of what ``runs:/``, ``models:/`` and ``mlflow-artifacts:/`` name; it is
    copied, so that the run cannot change the original. Raises ParameterError when it cannot be had.
    """
    directory.mkdir(parents=True, exist_ok=True)
    scheme = scheme_of(uri)
    if scheme in HTTP:
        return _download_http(uri, directory)
    if scheme in OBJECT_STORES:
        from bis.projects.object_store import download_object

        return download_object(uri, directory)
    if scheme in TRACKED and resolve is not None:
        return _copy(resolve(uri), directory)
    raise ParameterError(f"{shown(uri)} cannot be downloaded: {scheme or 'no scheme'} is not supported here")


def shown(uri: str) -> str:
    """``uri`` without user, password, query and fragment; only its scheme when it cannot be taken apart."""
    from urllib.parse import urlsplit, urlunsplit

    try:
        parts = urlsplit(uri)
    except ValueError:  # an IPv6 address without its bracket
        return f"{scheme_of(uri)}:..."
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def file_name(path: str) -> str:
    """The last part of a URI's path as a name that stays in its directory; else ``download``."""
    name = path.rstrip("/").rpartition("/")[2].replace("\0", "")
    return name if name not in ("", ".", "..") else "download"


def write_whole(chunks: Iterable[bytes | memoryview], target: Path) -> None:
    """Write ``target`` from ``chunks`` so that it exists only when it is whole."""
    partial = target.with_name(f".{target.name[:200]}.{os.getpid()}.part")
    try:
        with partial.open("wb") as file:
            for chunk in chunks:
                file.write(chunk)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _copy(source: Path, directory: Path) -> Path:
    import shutil

    target = directory / (source.name or "download")
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, target)
    return target


def _download_http(uri: str, directory: Path) -> Path:
    import time
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.parse import unquote, urlsplit

    from bis.http_downloads import pieces

    try:
        target = directory / file_name(unquote(urlsplit(uri).path))
    except ValueError as error:
        raise _failed(uri, "the address is malformed") from error
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE_S * 2 ** (attempt - 1))
        try:
            write_whole(pieces(*_without_credentials(uri)), target)
        except HTTPError as error:
            reason = f"the server answers {error.code} {error.reason}"
            error.close()
            if error.code < 500 and error.code not in (408, 429):
                raise _failed(uri, reason) from error
        except URLError as error:
            reason = str(error.reason)
        except (HTTPException, TimeoutError, ConnectionError) as error:
            reason = f"the connection broke off ({error or type(error).__name__})"
        except (OSError, ValueError) as error:
            raise _failed(uri, getattr(error, "strerror", None) or type(error).__name__) from error
        else:
            return target
    raise _failed(uri, f"{reason}, {ATTEMPTS} times")


def _without_credentials(uri: str) -> tuple[str, str | None]:
    """The URI without user and password, and the header that they become: urllib does not know them."""
    from base64 import b64encode
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(uri)
    credentials, _, host = parts.netloc.rpartition("@")
    token = b64encode(unquote(credentials).encode()).decode()
    return parts._replace(netloc=host).geturl(), f"Basic {token}" if credentials else None


def _failed(uri: str, reason: str) -> ParameterError:
    return ParameterError(
        f"{shown(uri)} cannot be downloaded: {reason}",
        hint="Check the address, or download the file yourself and pass its path.",
    )
