"""Object stores (S3, Google Cloud Storage, Azure) by address, with obstore, an optional dependency.

Credentials come from the environment (``AWS_*``, ``GOOGLE_*``, ``AZURE_*``) or the files of ``aws configure``, never
from an address.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from obstore.store import RetryConfig, S3Config

CREDENTIALS_HINT = "Check the address and the credentials (AWS_*, GOOGLE_*, AZURE_*) in the environment."

_RETRIES_S = 20
"""For how long a request is repeated; obstore does so for three minutes, and clients wait no longer than two."""

_AWS_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_SKIP_SIGNATURE")
_AWS_KEYS = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token", "region")


def open_object_store(url: str) -> Any:
    """The obstore store at ``s3://bucket/prefix``, ``gs://...`` or ``az://...``.

    Raises ImportError without obstore; ValueError, OSError or obstore's BaseError for an address it cannot take.
    """
    from urllib.parse import quote

    from obstore.store import from_url

    scheme, _, rest = url.partition("://")
    address = f"{scheme}://{quote(rest, safe='/@:%')}"
    retries: RetryConfig = {"max_retries": 4, "retry_timeout": timedelta(seconds=_RETRIES_S)}
    if scheme.lower() not in ("s3", "s3a"):
        return from_url(address, retry_config=retries)
    config = _s3_config(os.environ)
    plain = str(config.get("endpoint", "")).startswith("http://")
    return from_url(address, config=config, client_options={"allow_http": plain}, retry_config=retries)


def first_line(error: Exception) -> str:
    """What an error of obstore says, without the request that it quotes on further lines."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]


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
