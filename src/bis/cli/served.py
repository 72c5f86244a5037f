"""What the commands about a served store share: where it is, by option or environment variable."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bis.errors import UsageError

if TYPE_CHECKING:
    import argparse

_SQLITE = "sqlite:///"


@dataclass(frozen=True)
class StoreAddress:
    """A store: the URI of its database, which may hold a password, and where its artifacts are."""

    uri: str
    artifacts: str

    @property
    def shown(self) -> str:
        """The URI without its password."""
        if self.file is not None:
            return self.uri
        from bis.tracking.postgres_errors import shown

        return shown(self.uri)

    @property
    def file(self) -> Path | None:
        """The file of a SQLite store."""
        return Path(self.uri.removeprefix(_SQLITE)) if self.uri.startswith(_SQLITE) else None


def add_store(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which store is meant."""
    parser.add_argument(
        "--store",
        metavar="URL",
        help="sqlite:///FILE or postgresql://HOST/NAME (default: BIS_STORE, else the store in BIS_HOME)",
    )
    parser.add_argument(
        "--artifacts",
        metavar="URL",
        help="where files are kept: a folder, s3://, gs:// or az:// (default: BIS_ARTIFACTS, else beside the store)",
    )


def located(args: argparse.Namespace) -> StoreAddress:
    """The store that the options, the variables or the home name."""
    from bis.home import Home

    home = Home.locate()
    named = args.store or _variable("BIS_STORE") or _from_file("BIS_STORE_FILE")
    uri = _store_uri(named) if named else f"{_SQLITE}{home.database}"
    address = StoreAddress(uri, "")
    file = address.file
    beside = home.artifacts if file is None or file == home.database else file.with_name("artifacts")
    if file is None or file == home.database:
        home.ensure()
    return StoreAddress(uri, _place(args.artifacts or _variable("BIS_ARTIFACTS") or str(beside)))


def _store_uri(named: str) -> str:
    """The URI; a path is one of a SQLite file, and is made absolute."""
    if named.startswith(("postgresql://", "postgres://")):
        return named
    path = named.removeprefix(_SQLITE)
    scheme, separator, _ = path.partition("://")
    if separator or not path:
        raise UsageError(
            f"bis has no store for {scheme}://" if separator else f"--store {named!r} names no file",
            hint="There are sqlite:///FILE and postgresql://HOST/NAME.",
        )
    return f"{_SQLITE}{Path(path).expanduser().absolute()}"


def _place(named: str) -> str:
    """Where artifacts are; a folder by its whole path."""
    return named if "://" in named or named.startswith("file:") else str(Path(named).expanduser().absolute())


def _variable(name: str) -> str:
    return os.environ.get(name, "")


def _from_file(name: str) -> str:
    """The first line of the file that a variable names: a secret that a container is given."""
    path = _variable(name)
    if not path:
        return ""
    try:
        return Path(path).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{name}: cannot read {path}") from error
