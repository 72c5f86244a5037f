"""What lies where in a capsule, and its manifest.

    ro-crate-metadata.json   the run for tools that know RO-Crate (Process Run Crate 0.5)
    capsule.json             the manifest: format, run, and each other file with size and SHA-256
    run.json                 parameters, metrics with their histories, tags, datasets, logged models
    plan.json, lock.txt, record.json, output.log, source.zip, changes.patch
    artifacts/...            the artifacts of the run
    models/ID/...            the files of a model that the run logged (MLflow 3 keeps them apart)
    runs/ID/...              a run inside it: its own capsule.json, and what that names. Runs of one source share the
                             first source.zip

The artifacts that bis itself adds to a run, below ``bis/``, stand at the top. In the store that a capsule is imported
to, ``bis/absent.json`` lists what the capsule knows by its digest only, under the names of the capsule.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from bis.errors import BisError

if TYPE_CHECKING:
    from collections.abc import Iterable

FORMAT = "bis.capsule/1"
CRATE = "ro-crate-metadata.json"
MANIFEST = "capsule.json"
RUN = "run.json"
ABSENT = "absent.json"
PLAN = "plan.json"
LOCK = "lock.txt"
RECORD = "record.json"
SOURCE = "source.zip"
CHANGES = "changes.patch"

_OF_BIS = (PLAN, LOCK, RECORD, SOURCE, CHANGES, "output.log")
_ARTIFACTS = "artifacts/"
_MODELS = "models/"
_INSIDE = re.compile(r"runs/([0-9a-f]{32})/")


class CapsuleError(BisError):
    """A file is no capsule, is damaged, or is not what it says."""


@dataclass(frozen=True)
class PackedFile:
    """A file of a capsule, or one that is left out and stands there by its digest only."""

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a capsule holds. ``plan_sha256`` is that of the plan as it was, with the lock in it."""

    run_id: str
    files: tuple[PackedFile, ...]
    absent: tuple[PackedFile, ...] = ()
    plan_sha256: str | None = None

    def to_json(self) -> str:
        """The document, indented for people."""
        document = {"format": FORMAT, **asdict(self)}
        return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: bytes, *, shown: str) -> Manifest:
        """Read a manifest; raise CapsuleError when it is none, or of a newer format."""
        try:
            document = json.loads(text)
            known = document["format"]
        except (ValueError, KeyError, TypeError) as error:
            raise CapsuleError(f"{shown} is not a capsule of bis: its {MANIFEST} cannot be read") from error
        if known != FORMAT:
            raise CapsuleError(
                f"{shown} has the format {known!r}; this bis reads {FORMAT!r}",
                hint="Use the version of bis that wrote it, or a newer one.",
            )
        try:
            return cls(
                str(document["run_id"]),
                _read_files(document["files"]),
                _read_files(document["absent"]),
                document["plan_sha256"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise CapsuleError(f"{shown} is damaged: its {MANIFEST} is not whole") from error


def member_of(artifact: str) -> str:
    """Where an artifact of a run lies in its capsule."""
    name = artifact.removeprefix("bis/")
    return name if name != artifact and name in _OF_BIS else _ARTIFACTS + artifact


def artifact_of(member: str) -> str | None:
    """Which artifact a file of a capsule is; None when it is another document."""
    if member.startswith(_ARTIFACTS):
        return member.removeprefix(_ARTIFACTS)
    return f"bis/{member}" if member in _OF_BIS else None


def member_of_model(model_id: str, path: str) -> str:
    """Where a file of a logged model lies in the capsule of its run."""
    return f"{_MODELS}{model_id}/{path}"


def file_of_model(member: str) -> tuple[str, str] | None:
    """The id of the model and the path of its file that a file of a capsule is; None when it is none."""
    model_id, separator, path = member.removeprefix(_MODELS).partition("/")
    return (model_id, path) if member.startswith(_MODELS) and separator else None


def prefix_of(run_id: str) -> str:
    """The directory of a run inside the first one of a capsule."""
    return f"runs/{run_id}/"


def inside(member: str) -> tuple[str, str] | None:
    """The id of the inner run and the path below its directory that a file of a capsule is; None when it is none."""
    found = _INSIDE.match(member)
    return (found[1], member[found.end() :]) if found else None


def below(prefix: str, file: PackedFile) -> PackedFile:
    """The file by its path in the capsule."""
    return replace(file, path=prefix + file.path)


def without_lock(plan: str, lock: str | None) -> str:
    """The text of a plan with the lock in it replaced by the name of its file: it is most of the plan."""
    if not lock:
        return plan
    return plan.replace(_as_value(lock), _as_value(f"@{LOCK}"), 1)


def with_lock(plan: str, lock: str | None) -> str:
    """The text of a plan as it was before ``without_lock``."""
    return plan.replace(_as_value(f"@{LOCK}"), _as_value(lock), 1) if lock else plan


def sha256_of_bytes(content: bytes) -> str:
    """The SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def absent_to_json(files: Iterable[PackedFile]) -> str:
    """The document that keeps, with an imported run, what its capsule knows by digest only."""
    return json.dumps([asdict(file) for file in files], indent=1) + "\n"


def absent_from_json(text: str) -> tuple[PackedFile, ...]:
    """Read that document; raise ValueError when it is none."""
    try:
        return _read_files(json.loads(text))
    except (KeyError, TypeError) as error:
        raise ValueError(f"{ABSENT} is no list of files") from error


def _as_value(text: str) -> str:
    return f'"requirements":{json.dumps(text, ensure_ascii=False)}'


def _read_files(entries: list[dict[str, Any]]) -> tuple[PackedFile, ...]:
    return tuple(PackedFile(str(e["path"]), int(e["size_bytes"]), str(e["sha256"])) for e in entries)
