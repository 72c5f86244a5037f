"""Downloads from object stores (S3, Google Cloud Storage, Azure) with obstore, an optional dependency."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from bis.errors import ParameterError
from bis.projects.download import file_name, shown, write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from obstore.store import S3Config

_AWS_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_SKIP_SIGNATURE")
_AWS_KEYS = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token", "region")


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
        store = _open(parent, os.environ)
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
        raise _failed(uri, _first_line(error)) from error
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


def _open(url: str, environ: Mapping[str, str]) -> Any:
    from urllib.parse import quote

    from obstore.store import from_url

    scheme, _, rest = url.partition("://")
    address = f"{scheme}://{quote(rest, safe='/@:%')}"
    if scheme.lower() not in ("s3", "s3a"):
        return from_url(address)
    config = _s3_config(environ)
    plain = str(config.get("endpoint", "")).startswith("http://")
    return from_url(address, config=config, client_options={"allow_http": plain})


def _s3_config(environ: Mapping[str, str]) -> S3Config:
    """What obstore does not find itself: MLflow's endpoint variable, and the files of ``aws configure``."""
    config: S3Config = {}
    names = ("MLFLOW_S3_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
    endpoint = next((environ[name] for name in names if environ.get(name)), None)
    if endpoint:
        config.update({"endpoint": endpoint, "virtual_hosted_style_request": False})
    if not any(environ.get(name) for name in _AWS_VARIABLES):
        config.update(cast("S3Config", _aws_profile(environ)))
    return config


def _aws_profile(environ: Mapping[str, str]) -> dict[str, str]:
    from configparser import RawConfigParser

    home = Path(environ.get("HOME") or Path.home()) / ".aws"
    profile = environ.get("AWS_PROFILE") or "default"
    parser = RawConfigParser()
    parser.read(
        [
            environ.get("AWS_CONFIG_FILE") or home / "config",
            environ.get("AWS_SHARED_CREDENTIALS_FILE") or home / "credentials",
        ]
    )
    found: dict[str, str] = {}
    for section in (f"profile {profile}", profile):  # the config file says "profile NAME", the other NAME
        if parser.has_section(section):
            found.update(
                {key: parser.get(section, key) for key in _AWS_KEYS if parser.has_option(section, key)}
            )
    return found


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]


def _failed(uri: str, reason: str) -> ParameterError:
    return ParameterError(
        f"{shown(uri)} cannot be downloaded: {reason}",
        hint="Check the address and the credentials (AWS_*, GOOGLE_*, AZURE_*) in the environment.",
    )
