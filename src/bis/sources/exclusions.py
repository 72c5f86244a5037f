"""What never enters a snapshot, unless the project itself tracks it in Git."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# Made by running, and made anew by running again: directories by name, at any depth...
GENERATED_DIRECTORIES = ("__pycache__", ".ipynb_checkpoints", "mlruns", "mlartifacts")
# ...and files by the end of their name. A directory that holds this file is a virtual environment.
GENERATED_SUFFIXES = (".pyc", ".pyo")
ENVIRONMENT_MARKER = "pyvenv.cfg"
TRACKING_DATABASES = ("mlflow.db", "mlflow.db-wal", "mlflow.db-shm", "mlflow.db-journal")

# Files that hold secrets by their name, as shell patterns. A snapshot travels with the run, to other machines
# and people.
SECRETS = (
    ".env",
    ".env.*",
    "*.pem",
    "*.key",
    "*.p12",
    "*.pfx",
    "*.keystore",
    "*.jks",
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    ".netrc",
    "_netrc",
    ".pypirc",
    ".npmrc",
    ".git-credentials",
    ".pgpass",
    ".htpasswd",
    "credentials",
    "credentials.json",
    "credentials.ini",
    "client_secret*.json",
    "service-account*.json",
    "service_account*.json",
    "secrets.json",
    "secrets.toml",
    "secrets.yaml",
    "secrets.yml",
    "kaggle.json",
)
# Examples of what a secret file looks like are meant to be shared.
NOT_SECRETS = (".env.example", ".env.sample", ".env.template", ".env.dist")


@dataclass(frozen=True)
class Sifted:
    """Untracked paths, sorted into those that enter the snapshot and those withheld as likely secrets."""

    kept: tuple[bytes, ...]
    withheld: tuple[bytes, ...]


def sift(untracked: Iterable[bytes]) -> Sifted:
    """Leave out what is generated, then what looks like a secret. Paths are relative, with ``/``."""
    paths = [path for path in untracked if not _GENERATED.search(path)]
    environments = _environments(paths)
    if environments:
        paths = [path for path in paths if not path.startswith(environments)]
    withheld = tuple(path for path in paths if _SECRET.search(path) and not _NOT_SECRET.search(path))
    if withheld:
        secret = frozenset(withheld)
        paths = [path for path in paths if path not in secret]
    return Sifted(tuple(paths), withheld)


def is_secret(path: str) -> bool:
    """Whether a file holds secrets, by its name."""
    name = os.fsencode(path)
    return _SECRET.search(name) is not None and _NOT_SECRET.search(name) is None


def is_generated(path: str) -> bool:
    """Whether a file is made by running and made anew by running again; ``path`` is relative, with ``/``."""
    return _GENERATED.search(os.fsencode(path)) is not None


def _environments(paths: list[bytes]) -> tuple[bytes, ...]:
    marker = f"/{ENVIRONMENT_MARKER}".encode()
    return tuple(path.removesuffix(marker) + b"/" for path in paths if path.endswith(marker))


def _any(names: Iterable[str]) -> str:
    return "|".join(re.escape(name).replace(r"\*", "[^/]*") for name in names)


_GENERATED = re.compile(
    rf"(?:^|/)(?:{_any(GENERATED_DIRECTORIES)})/"
    rf"|(?:{_any(GENERATED_SUFFIXES)})$"
    rf"|(?:^|/)(?:{_any(TRACKING_DATABASES)})$".encode()
)
_SECRET = re.compile(rf"(?:^|/)(?:{_any(SECRETS)})$".encode(), re.IGNORECASE)
_NOT_SECRET = re.compile(rf"(?:^|/)(?:{_any(NOT_SECRETS)})$".encode(), re.IGNORECASE)
