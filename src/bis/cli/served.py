"""What the commands about a served store share: where it is, by option or environment variable."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bis.errors import UsageError
from bis.home import Home

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
    def is_home(self) -> bool:
        """Whether it is the store that is meant where none is named."""
        return self.file == Home.locate().database

    @property
    def file(self) -> Path | None:
        """The file of a SQLite store."""
        return Path(self.uri.removeprefix(_SQLITE)) if self.uri.startswith(_SQLITE) else None


def private_files() -> None:
    """Let only this user read what is made from now on: a server's store is what its tokens protect."""
    os.umask(os.umask(0o077) | 0o077)


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


def existing(args: argparse.Namespace) -> StoreAddress:
    """The store that is named, which has to be there: a wrong name is to be said, not made a store of."""
    address = located(args)
    if address.file is not None and not address.is_home and not address.file.exists():
        raise UsageError(f"there is no store at {address.file}", hint="Look at --store, or BIS_STORE.")
    return address


def _place(named: str) -> str:
    """Where artifacts are; a folder by its whole path."""
    scheme, separator, _ = named.partition("://")
    if separator and scheme != "file":
        from bis.tracking.artifact_store import OBJECT_SCHEMES

        if scheme.lower() not in OBJECT_SCHEMES:
            raise UsageError(
                f"bis keeps no artifacts at {scheme}://", hint="There are a folder, s3://, gs:// and az://."
            )
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
        raise UsageError(
            f"{name}: cannot read {path}: {getattr(error, 'strerror', None) or error}",
            hint="It names a file that has the address of the store.",
        ) from error
