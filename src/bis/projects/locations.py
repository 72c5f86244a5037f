"""Values of ``path`` parameters: local ones made absolute, remote ones told apart."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bis.errors import ParameterError
from bis.projects.parameters import has_scheme

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bis.projects.parameters import Parameter

HTTP = ("http", "https")
OBJECT_STORES = ("s3", "s3a", "gs", "az", "abfs", "abfss")
TRACKED = ("runs", "models", "mlflow-artifacts")


def local_path(parameter: Parameter, value: str, directories: Sequence[Path]) -> str | None:
    """The absolute path of ``value`` in the first of ``directories`` that has it; None when it is remote.

    Raises ParameterError when nothing is there, or nothing can fetch it.
    """
    is_file_uri = value.startswith("file:")
    if not is_file_uri and scheme_of(value) in (*HTTP, *OBJECT_STORES, *TRACKED):
        _check_fetchable(parameter, value)
        return None
    text = _path_of_file_uri(parameter, value) if is_file_uri else value
    for directory in directories if text else ():
        path = directory / text
        if os.path.lexists(path):
            return os.path.abspath(path)  # noqa: PTH100  # Path.absolute keeps "..", which MLflow takes out
    raise _missing(parameter, value, directories)


def scheme_of(uri: str) -> str:
    """The scheme in lower case, or "" when there is none."""
    return uri.partition(":")[0].lower() if has_scheme(uri) else ""


def without_user(uri: str) -> str:
    """``uri`` without user and password; its query, which may be needed to fetch it, stays."""
    scheme, separator, rest = uri.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}" if separator else uri


def _path_of_file_uri(parameter: Parameter, uri: str) -> str:
    from urllib.parse import unquote, urlparse

    rest = uri[len("file:") :]
    host = rest[2:].partition("/")[0] if rest.startswith("//") else ""
    if host not in ("", "localhost"):
        raise ParameterError(
            f"{uri!r} for parameter {parameter.name!r} names another host",
            hint="A file: URI has three slashes, as in file:///data/train.csv.",
            where=parameter.position,
        )
    return unquote(urlparse(uri).path)


def _check_fetchable(parameter: Parameter, uri: str) -> None:
    if scheme_of(uri) not in OBJECT_STORES:
        return
    from importlib.util import find_spec

    if find_spec("obstore") is None:
        raise ParameterError(
            f"parameter {parameter.name!r} is in an object store ({scheme_of(uri)}:), and no client is here",
            hint="Install one: pip install 'bis[cloud]'",
            where=parameter.position,
        )


def _missing(parameter: Parameter, value: str, directories: Sequence[Path]) -> ParameterError:
    if has_scheme(value) and "//" in value and not value.startswith("file:"):
        schemes = ", ".join(f"{scheme}:" for scheme in (*HTTP, *OBJECT_STORES, *TRACKED, "file"))
        return ParameterError(
            f"parameter {parameter.name!r}: {scheme_of(value)}: files cannot be downloaded",
            hint=f"These can: {schemes}",
            where=parameter.position,
        )
    looked_in = " and ".join(str(directory) for directory in directories)
    return ParameterError(
        f"there is no file or directory {value!r} for parameter {parameter.name!r}",
        hint=f"A relative path is looked for in {looked_in}.",
        where=parameter.position,
    )
