"""``bis.lock``: the lock of a project, in the project, to be committed with it.

It holds one lock for each platform that it was made on, and the digest of the declaration that they were resolved
from: when that is another one, the file is stale. What is in the project itself, its local packages, is not held by
it but for what they declare: their code changes with every commit.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bis.environments.locks import Lock, LockedPath, platform_tag, same_platform
from bis.errors import Position, ResolutionError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bis.environments.spec import EnvironmentSpec

NAME = "bis.lock"
FORMAT = "bis.lock/1"
_TEXTS = {"requirements", "unhashed", "conda", "renv"}


@dataclass(frozen=True)
class LockFile:
    """What a project's ``bis.lock`` says: its locks, and what they were resolved from."""

    path: Path
    declared: str
    locks: tuple[Lock, ...]

    def current(self, spec: EnvironmentSpec, digests: Mapping[str, str]) -> Lock:
        """The lock for ``spec`` on this platform, its local packages as they are now (``digests``, by path).

        Raises ResolutionError when the file is stale or has no lock for this platform.
        """
        managers = {lock.manager for lock in self.locks}
        if managers and spec.manager not in managers:
            raise ResolutionError(
                f"the lock is of {' and '.join(sorted(managers))}, and what is asked for is of {spec.manager}",
                where=Position(self.path, 1),
                hint="Leave --env-manager out, or write the lock anew with `bis lock`.",
            )
        if self.declared != declared_digest(spec):
            raise ResolutionError(
                "the lock is stale: what the project declares was changed after it was written",
                where=Position(self.path, 1),
                hint="Refresh it with `bis lock`, or go back to what was declared.",
            )
        found = next((lock for lock in self.locks if same_platform(lock.platform)), None)
        if found is None:
            known = ", ".join(sorted(lock.platform for lock in self.locks)) or "none"
            raise ResolutionError(
                f"the lock has nothing for this platform, {platform_tag()}; it has {known}",
                where=Position(self.path, 1),
                hint="Add this platform to it with `bis lock`.",
            )
        local = tuple(replace(each, digest=digests.get(each.path, each.digest)) for each in found.local)
        return replace(found, local=local)

    def with_lock(self, lock: Lock) -> LockFile:
        """The file with ``lock`` for this platform, in place of the one that it had."""
        others = tuple(each for each in self.locks if not same_platform(each.platform))
        return replace(self, locks=tuple(sorted((*others, lock), key=lambda each: each.platform)))

    def to_text(self) -> str:
        """The text of the file: a line for each package and hash, so that a change reads as what it is."""
        document = {
            "format": FORMAT,
            "about": "Written by `bis lock`; commit it. `bis run` takes its packages from here.",
            "declared": self.declared,
            "locks": [_written(lock) for lock in self.locks],
        }
        return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def read(directory: Path) -> LockFile | None:
    """The lock file of a project; None when there is none. Raises ResolutionError for one that cannot be read."""
    path = directory / NAME
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, str(error)) from error
    try:
        document = json.loads(text)
        if document["format"] != FORMAT:
            raise _unreadable(path, f"its format is {document['format']!r}; this bis reads {FORMAT!r}")
        locks = tuple(_read_lock(each) for each in document["locks"])
        return LockFile(path, str(document["declared"]), locks)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        conflict = "<<<<<<<" in text
        raise _unreadable(path, "an unresolved merge conflict" if conflict else repr(error)) from error


def new(spec: EnvironmentSpec) -> LockFile:
    """A lock file for ``spec`` without any lock, not yet written."""
    return LockFile(spec.directory / NAME, declared_digest(spec), ())


def declared_digest(spec: EnvironmentSpec) -> str:
    """The SHA-256 of what is declared, the metadata of local packages included: it decides what they need."""
    decides = [spec.declared_digest()]
    if spec.local:
        from bis.environments.local_paths import metadata_digest

        decides += [metadata_digest(spec.directory / each.path) for each in spec.local]
    return hashlib.sha256(json.dumps(decides).encode()).hexdigest()


def _written(lock: Lock) -> dict[str, Any]:
    document = lock.to_dict()
    for name in _TEXTS & document.keys():
        document[name] = document[name].splitlines()
    document["local"] = [{**each, "digest": ""} for each in document["local"]]
    return document


def _read_lock(document: Mapping[str, Any]) -> Lock:
    texts = {name: "".join(f"{line}\n" for line in document[name]) for name in _TEXTS & document.keys()}
    lock = Lock.from_dict({**document, **texts})
    if not (isinstance(lock.python, str) and all(isinstance(each, LockedPath) for each in lock.local)):
        raise TypeError("a lock has no Python")
    return lock


def _unreadable(path: Path, why: str) -> ResolutionError:
    return ResolutionError(
        f"the lock cannot be read: {why}", where=Position(path, 1), hint="Write it anew with `bis lock`."
    )
