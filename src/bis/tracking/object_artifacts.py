"""Artifacts in an object store: S3, Google Cloud Storage or Azure."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bis.errors import TrackingError
from bis.object_stores import CREDENTIALS_HINT, first_line, open_object_store
from bis.tracking.artifact_store import ArtifactStore, Target, checked_path, unknown_artifact
from bis.tracking.model import FileInfo
from bis.tracking.refusals import RefusedError, invalid

if TYPE_CHECKING:
    from collections.abc import Iterator

_PART_BYTES = 8 << 20
"""A part of an upload or a download. S3 takes 10,000 parts, so a file may have 80 GB."""

_PARTS_AT_A_TIME = 2
_NO_BUCKET = "NoSuchBucket"


@dataclass(frozen=True)
class ObjectArtifacts(ArtifactStore):
    """Objects below the prefix ``root`` of an opened obstore store; ``address`` is what the store is called."""

    address: str
    bucket: Any = field(repr=False)
    root: str = ""

    @classmethod
    def at(cls, address: str) -> ObjectArtifacts:
        """The store at ``s3://bucket/prefix``, ``gs://...`` or ``az://...``; credentials are the environment's."""
        try:
            parts = urlsplit(address)
            holds_secrets = parts.password is not None or bool(parts.query or parts.fragment)
        except ValueError:
            raise TrackingError(
                "the address of the artifacts is none", hint="It is like s3://bucket/prefix"
            ) from None
        if holds_secrets:
            raise TrackingError(
                f"the address {parts.scheme}://{parts.hostname} holds credentials or a query",
                hint="Give credentials in the environment: AWS_*, GOOGLE_*, AZURE_*.",
            )
        try:
            return cls(address.rstrip("/"), open_object_store(address))
        except ImportError as error:
            raise TrackingError(
                f"artifacts at {address} need a client for object stores",
                hint="Install it: pip install 'bis[server]'",
            ) from error
        except Exception as error:
            raise _explained(address, error) from error

    @property
    def uri(self) -> str:
        """The address of the root."""
        return f"{self.address}/{self.root}" if self.root else self.address

    def below(self, path: str) -> ObjectArtifacts:
        """The objects below the prefix ``path`` of this one."""
        return ObjectArtifacts(self.address, self.bucket, self._key(path))

    @contextmanager
    def open(self, path: str) -> Iterator[_OpenObject]:
        """The object at ``path``; each part of it is asked for as it is read."""
        key = self._named(path)
        with self._told(path):
            yield _OpenObject(self.bucket, key)

    @contextmanager
    def writing(self, path: str) -> Iterator[Target]:
        """A multipart upload, which is completed when the block ends and given up when it raises."""
        import obstore

        with (
            self._told(path),
            obstore.open_writer(
                self.bucket, self._named(path), buffer_size=_PART_BYTES, max_concurrency=_PARTS_AT_A_TIME
            ) as writer,
        ):
            yield writer

    def listing(self, path: str = "") -> list[FileInfo]:
        """What has the prefix ``path``, by name."""
        import obstore

        key, shown = self._key(path), checked_path(path)
        with self._told(path):
            found = obstore.list_with_delimiter(self.bucket, prefix=key or None)
        below = len(key) + 1 if key else 0
        entries = [FileInfo(name[below:], is_dir=True) for name in found["common_prefixes"]]
        entries += [
            FileInfo(item["path"][below:], is_dir=False, size_bytes=item["size"]) for item in found["objects"]
        ]
        named = {entry.path: entry for entry in entries if entry.path}
        return [
            FileInfo(f"{shown}/{name}" if shown else name, entry.is_dir, entry.size_bytes)
            for name, entry in sorted(named.items())
        ]

    def files(self, path: str = "") -> Iterator[FileInfo]:
        """All objects at or below ``path``, each with its path below the root."""
        import obstore

        key = self._key(path)
        with self._told(path):
            if key and (size := self._size(key)) is not None:
                yield FileInfo(checked_path(path), is_dir=False, size_bytes=size)
            for batch in obstore.list(self.bucket, prefix=key or None):
                for item in batch:
                    name = item["path"][len(self.root) + 1 if self.root else 0 :]
                    if not name.endswith("/") and item["path"] != key:
                        yield FileInfo(checked_path(name), is_dir=False, size_bytes=item["size"])

    def delete(self, path: str) -> None:
        """Remove the object at ``path`` and those below it; refused as absent when there are none."""
        import obstore

        key = self._named(path)
        with self._told(path):
            keys = [item["path"] for batch in obstore.list(self.bucket, prefix=key) for item in batch]
            if self._size(key) is not None:
                keys.append(key)
            if not keys:
                raise unknown_artifact(path)
            obstore.delete(self.bucket, keys)

    def _size(self, key: str) -> int | None:
        import obstore

        try:
            size: int = obstore.head(self.bucket, key)["size"]
        except FileNotFoundError:
            return None
        return size

    def _is_directory(self, path: str) -> bool:
        """Nothing is there but what holds objects; the root always is."""
        return not checked_path(path)

    def _key(self, path: str) -> str:
        return "/".join(part for part in (self.root, checked_path(path)) if part)

    def _named(self, path: str) -> str:
        if not checked_path(path):
            raise invalid("An artifact needs a path")
        return self._key(path)

    @contextmanager
    def _told(self, path: str) -> Iterator[None]:
        from obstore.exceptions import BaseError

        try:
            yield
        except FileNotFoundError as error:
            raise (
                _explained(self.uri, error) if _NO_BUCKET in str(error) else unknown_artifact(path)
            ) from error
        except ValueError as error:  # a control character, which obstore refuses
            raise invalid(f"Invalid path: {path[:200]!r}") from error
        except (BaseError, OSError) as error:
            raise _explained(self.uri, error) from error


class _OpenObject:
    """An object; all its parts are of the version that it had when it was opened."""

    def __init__(self, bucket: Any, key: str) -> None:
        import obstore

        self._bucket, self._key = bucket, key
        meta = obstore.head(bucket, key)
        self._version = meta["e_tag"]
        self.size_bytes = meta["size"]
        self.modified = meta["last_modified"].timestamp()
        self.etag = _quoted(self._version or f"{self.modified:.6f}-{self.size_bytes}")

    def chunks(self, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """One request a part, so that a slow reader runs into no time limit of the object store."""
        import obstore

        end = self.size_bytes if length is None else start + length
        options: dict[str, Any] = {"if_match": self._version} if self._version else {}
        for begin in range(start, end, _PART_BYTES):
            asked: Any = {**options, "range": (begin, min(begin + _PART_BYTES, end))}
            yield obstore.get(self._bucket, self._key, options=asked).bytes().to_bytes()


def _quoted(tag: str) -> str:
    return tag if tag.startswith('"') else f'"{tag}"'


def _explained(address: str, error: Exception) -> TrackingError:
    if _NO_BUCKET in str(error):
        return TrackingError(f"{address}: there is no such bucket", hint=CREDENTIALS_HINT)
    return RefusedError(
        f"{address} cannot be reached: {first_line(error)}",
        code="TEMPORARILY_UNAVAILABLE",
        hint=CREDENTIALS_HINT,
    )
