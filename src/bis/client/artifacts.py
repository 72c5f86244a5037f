"""Files of a run: through the server's artifact proxy, or into the directory that it names on this disk."""

from __future__ import annotations

import io
import os

from bis.client.errors import RefusedError, TrackingError
from bis.client.fluent import owner_of

TYPE_CHECKING = False  # importing typing costs more than this module
if TYPE_CHECKING:
    from typing import IO, Any

    from bis.client.connection import Server

_PROXY = "mlflow-artifacts/artifacts"


def log_artifact(local_path: str, artifact_path: str | None = None, run_id: str | None = None) -> None:
    """Keep a file, or a directory with all it holds, below ``artifact_path`` of the run."""
    path = os.path.normpath(os.fspath(local_path))
    folder = ArtifactFolder.of(run_id)
    place = checked_path(artifact_path or "")
    if os.path.isdir(path):
        _add_directory(folder, path, _joined(place, os.path.basename(os.path.abspath(path))))
    else:
        folder.add(path, _joined(place, os.path.basename(path)))


def log_artifacts(local_dir: str, artifact_path: str | None = None, run_id: str | None = None) -> None:
    """Keep all that a directory holds below ``artifact_path`` of the run."""
    path = os.fspath(local_dir)
    if not os.path.isdir(path):
        raise NotADirectoryError("{} is no directory: log_artifact() takes one file".format(path))
    _add_directory(ArtifactFolder.of(run_id), path, checked_path(artifact_path or ""))


def log_text(text: str, artifact_file: str, run_id: str | None = None) -> None:
    """Keep a text as a file of the run, in UTF-8."""
    ArtifactFolder.of(run_id).write(artifact_file, text.encode("utf-8"))


def log_dict(dictionary: Any, artifact_file: str, run_id: str | None = None) -> None:
    """Keep a dictionary as JSON, or as YAML when the name ends in ``.yaml`` or ``.yml``.

    What JSON does not know is kept as its text. Without PyYAML, the YAML is written as JSON, which YAML is too.
    """
    import json

    text = json.dumps(dictionary, indent=2, default=_plain)
    if artifact_file.endswith((".yaml", ".yml")):
        try:
            import yaml
        except ImportError:
            pass
        else:
            text = yaml.safe_dump(json.loads(text), indent=2, default_flow_style=False, sort_keys=False)
    log_text(text, artifact_file, run_id)


class ArtifactFolder:
    """The artifacts of one run."""

    def __init__(self, server: Server, uri: str) -> None:
        self._server = server
        self._root = _proxied(server, uri)
        self._directory = None if self._root is not None else _local(uri)

    @classmethod
    def of(cls, run_id: str | None) -> ArtifactFolder:
        """Of the run with that id, else of the active one."""
        from bis.client import active

        if run_id is None:
            run = active.current()
            return cls(run.server, run.artifact_uri)
        server, where = owner_of(run_id)
        info = server.get("mlflow/runs/get", run_id=where)["run"]["info"]
        return cls(server, str(info.get("artifact_uri", "")))

    def add(self, file: str, path: str) -> None:
        """Copy a file to ``path``."""
        with open(file, "rb") as content:
            self._put(path, content, os.fstat(content.fileno()).st_size)

    def write(self, path: str, content: bytes) -> None:
        """Write a file."""
        self._put(checked_path(path, is_file=True), io.BytesIO(content), len(content))

    def read(self, path: str) -> bytes | None:
        """The content of a file; None when it is not there."""
        path = checked_path(path, is_file=True)
        if self._directory is not None:
            try:
                with open(os.path.join(self._directory, path), "rb") as file:
                    return file.read()
            except FileNotFoundError:
                return None
        folder, _, name = _joined(str(self._root), path).rpartition("/")
        listed = self._server.get(_PROXY, path=folder).get("files", ())
        if name not in [str(file["path"]).rpartition("/")[2] for file in listed]:
            return None  # old servers of MLflow answer with a fault of their own when it is asked for
        return self._server.download("{}/{}/{}".format(_PROXY, folder, name))

    def _put(self, path: str, content: IO[bytes], size_bytes: int) -> None:
        if self._directory is not None:
            _write_aside(os.path.join(self._directory, path), content)
            return
        from mimetypes import guess_type

        kind = guess_type(path)[0] or "application/octet-stream"
        self._server.upload("{}/{}".format(_PROXY, _joined(str(self._root), path)), content, size_bytes, kind)


def checked_path(path: str, *, is_file: bool = False) -> str:
    """The path of an artifact, relative and below its run; raises RefusedError for any other."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts or path.startswith("/") or "\0" in path or "\\" in path or (is_file and not parts):
        raise RefusedError(
            "{!r} is no path of an artifact: it is like folder/file".format(path), "INVALID_PARAMETER_VALUE"
        )
    return "/".join(parts)


def _add_directory(folder: ArtifactFolder, directory: str, place: str) -> None:
    for parent, folders, files in os.walk(directory):
        folders.sort()
        relative = os.path.relpath(parent, directory).replace(os.sep, "/")
        for name in sorted(files):
            folder.add(os.path.join(parent, name), _joined(place, "" if relative == "." else relative, name))


def _joined(*parts: str) -> str:
    return "/".join(part for part in parts if part)


def _proxied(server: Server, uri: str) -> str | None:
    """The path below the server's proxy; None for an address elsewhere."""
    if uri.startswith("mlflow-artifacts:"):
        rest = uri.partition(":")[2]
        if rest.startswith("//"):
            host, _, rest = rest[2:].partition("/")
            if host not in ("", server.host):
                raise TrackingError("the artifacts of this run are on another server, {}".format(host))
        return rest.strip("/")
    before, proxy, path = uri.partition("/api/2.0/{}/".format(_PROXY))
    return path.strip("/") if proxy and before == server.address else None


def _local(uri: str) -> str:
    """The directory on this disk that a server without a proxy names, where it is."""
    scheme, separator, path = uri.partition("://")
    if not separator and uri.startswith("file:"):
        scheme, path = "file", uri[len("file:") :]
    if scheme == "file" or (uri.startswith("/") and not separator):
        from urllib.parse import unquote

        return unquote(path) if scheme == "file" else uri
    raise TrackingError(
        "the artifacts of this run are in {}, which this client cannot write to: start the server with"
        " --serve-artifacts, or log them with mlflow".format(uri.partition("?")[0])
    )


def _write_aside(path: str, content: IO[bytes]) -> None:
    """Write a file so that it is there whole or not at all."""
    from shutil import copyfileobj

    os.makedirs(os.path.dirname(path), exist_ok=True)
    aside = "{}.{}.new".format(path, os.getpid())
    with open(aside, "wb") as file:
        copyfileobj(content, file, 1 << 20)
    os.replace(aside, path)


def _plain(value: Any) -> Any:
    """What JSON does not know: NumPy's numbers and arrays by value, the rest as text."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
