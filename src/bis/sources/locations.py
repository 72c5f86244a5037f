"""Reads the URI of a project: what kind of place it names, without going there.

The forms are those of ``mlflow run`` and pip: a path, ``file://``, a URL that Git understands, an archive;
with ``@version`` and ``#subdirectory`` behind it. A local path that exists always wins over another reading.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from bis.errors import SourceError, did_you_mean
from bis.sources.credentials import Credentials, hide_query

if TYPE_CHECKING:
    from collections.abc import Iterator

ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")

_GIT_SCHEMES = ("git", "http", "https", "ssh")
_FORMS = "Use a path, an http(s), ssh, git or file URL, git@host:path, or an archive (.zip, .tar.gz)."
_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>.*)", re.DOTALL)
_HELPER = re.compile(r"[A-Za-z0-9][\w+.-]*::")
_SCP = re.compile(r"(?P<host>(?:[^/:@\s]+@)?(?:[^/:@\s]+|\[[0-9A-Fa-f:.]+\])):(?P<path>(?!//).+)", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_GITHUB_TREE = re.compile(r"(?P<repository>/[^/]+/[^/]+)/tree/(?P<tree>.+?)/*")
_GITLAB_TREE = re.compile(r"(?P<repository>/.+?)/-/tree/(?P<tree>.+?)/*")
_NOT_A_REVISION = re.compile(r"[\x00-\x20\x7f:?*\[\\]|\.\.|^-")


@dataclass(frozen=True)
class LocalPath:
    """A directory here: run in place, or as a repository when a version is asked for or ``as_repository``."""

    text: str
    path: Path
    subdirectory: str
    version: str | None
    as_repository: bool = False


@dataclass(frozen=True)
class Remote:
    """A repository that Git reaches by ``url``, which is free of credentials.

    ``tree`` is the part behind ``/tree/`` in the address of a web page: a branch or tag, then a subdirectory,
    and only the repository knows where the one ends.
    """

    text: str
    url: str
    subdirectory: str
    version: str | None
    credentials: Credentials | None = field(default=None, repr=False)
    tree: str | None = None


@dataclass(frozen=True)
class Archive:
    """An archive: a file here, or one to be downloaded from ``url``."""

    text: str
    path: Path | None
    url: str | None
    subdirectory: str
    credentials: Credentials | None = field(default=None, repr=False)


Location = LocalPath | Remote | Archive


def parse(uri: str, version: str | None = None) -> Location:
    """The place that ``uri`` names; raise SourceError when it names none that bis goes to."""
    text = _unquote(uri)
    _refuse_dangerous(text)
    version = check_version(version) if version else None
    if text.startswith("file:/"):
        return _file_url(text, version)
    found = _existing(text, text, version)
    if found:
        return found
    scheme = _SCHEME.fullmatch(text)
    if scheme:
        return _url(text, scheme["scheme"].lower(), scheme["rest"], version)
    scp = _SCP.fullmatch(text)
    if scp:
        return _scp(text, scp["host"], scp["path"], version)
    raise _no_such_path(text)


def check_version(version: str) -> str:
    """``version`` when it can be a Git revision; raise SourceError when Git would read it otherwise."""
    if _NOT_A_REVISION.search(version):
        raise SourceError(
            f"{version!r} is not a version",
            hint="Give a branch, a tag, a commit, or one with ~N or ^N behind it.",
        )
    return version


def check_subdirectory(text: str) -> str:
    """``text`` as a plain relative path with ``/``; raise SourceError when it climbs out."""
    parts = [part for part in PurePosixPath(text.strip("/")).parts if part != "."]
    if ".." in parts or ".git" in (part.lower() for part in parts):
        raise SourceError(
            f"the subdirectory {text!r} leaves the project",
            hint="Name a directory below the top, without '..'.",
        )
    return "/".join(parts)


def is_archive(name: str) -> bool:
    """Whether a file of this name is an archive that bis unpacks."""
    return name.lower().endswith(ARCHIVE_SUFFIXES)


def is_bare_repository(path: Path) -> bool:
    """Whether ``path`` is a Git directory itself, without a work tree."""
    return (path / "HEAD").is_file() and (path / "objects").is_dir() and (path / "refs").is_dir()


def read_repository_url(url: str) -> tuple[str, Credentials | None, bool]:
    """A repository's URL without credentials, these, and whether it is a path here."""
    _refuse_dangerous(url)
    _refuse_control(url)
    scheme = _SCHEME.fullmatch(url)
    if scheme and scheme["scheme"].lower() == "file":
        return url, None, True
    if scheme:
        name = scheme["scheme"].lower()
        if name not in _GIT_SCHEMES:
            raise SourceError(f"bis cannot fetch a repository by {name}://", hint=_FORMS)
        authority, slash, path = scheme["rest"].partition("/")
        host, user, credentials = _userinfo(name, authority)
        return f"{name}://{f'{user}@' if user else ''}{host}{slash}{path}", credentials, False
    scp = _SCP.fullmatch(url)
    if scp:
        _scp(url, scp["host"], scp["path"], None)
        return url, None, False
    return url, None, True


def submodule_url(url: str, parent: str, *, parent_is_local: bool) -> str:
    """The absolute form of a submodule's ``url``, which may be relative to its ``parent``.

    A repository from elsewhere may not name a path of this machine. Relative forms: gitmodules(5).
    """
    if url.startswith(("./", "../")):
        return _join(parent, url)
    if not parent_is_local and not _SCHEME.fullmatch(url) and not _SCP.fullmatch(url):
        raise SourceError(f"the submodule URL {url!r} is a path on this machine")
    if not parent_is_local and url.lower().startswith("file:"):
        raise SourceError(f"the submodule URL {url!r} is a path on this machine")
    return url


def _join(parent: str, relative: str) -> str:
    """Git's own rule: each ``../`` takes one part off, at a ``/`` or else at the ``:`` of the scp form."""
    result = parent.rstrip("/")
    separator = "/"
    while relative.startswith(("./", "../")):
        if relative.startswith("../"):
            head, slash, _ = result.rpartition("/")
            if not slash or head.endswith(":/"):
                head, colon, _ = result.rpartition(":")
                if not colon or "/" in result[len(head) :]:
                    raise SourceError(f"the submodule URL {relative!r} climbs out of {parent!r}")
                separator = ":"
            result = head
        relative = relative.partition("/")[2]
    return f"{result}{separator}{relative.rstrip('/')}"


def _unquote(uri: str) -> str:
    """MLflow takes a URI in quotes, as shells on Windows leave it (mlflow#5114)."""
    text = uri.strip()
    while len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    if not text:
        raise SourceError("the project URI is empty", hint=_FORMS)
    return uri if _exists(uri) and not uri.startswith("-") else text


def _refuse_dangerous(text: str) -> None:
    if text.startswith("-"):
        raise SourceError(
            f"the project URI {text!r} begins with '-'", hint=f"If it is a directory, write {'./' + text!r}."
        )
    if _HELPER.match(text):
        raise SourceError(f"bis does not use Git's transport helpers: {text!r}", hint=_FORMS)


def _existing(path: str, text: str, version: str | None) -> Location | None:
    """The first reading of ``path`` that exists: whole, then without #subdirectory, then @version."""
    for head, subdirectory in _splits(path):
        if _exists(head):
            return _local(head, text, subdirectory, version)
        name, at, suffix = head.rpartition("@")
        if at and suffix and "#" not in suffix and name and _exists(name):
            return _local(name, text, subdirectory, _one_version(suffix, version))
    return None


def _splits(text: str) -> Iterator[tuple[str, str]]:
    """``text`` and "", then what is before and behind each ``#``, the last one first."""
    yield text, ""
    end = text.rfind("#")
    while end > 0:
        yield text[:end], text[end + 1 :]
        end = text.rfind("#", 0, end)


def _exists(text: str) -> bool:
    try:
        return Path(text).expanduser().exists()
    except (OSError, ValueError, RuntimeError):  # too long, a NUL, no such user
        return False


def _local(path: str, text: str, subdirectory: str, version: str | None) -> Location:
    place = Path(path).expanduser().absolute()
    inner = check_subdirectory(subdirectory)
    if place.is_dir():
        return LocalPath(text, place, inner, version, as_repository=is_bare_repository(place))
    if not is_archive(place.name):
        raise SourceError(f"{path} is a file, not a project", hint=f"Give its directory: {Path(path).parent}")
    if version:
        raise _version_of_archive(text)
    return Archive(text, place, None, inner)


def _file_url(text: str, version: str | None) -> Location:
    from urllib.parse import unquote

    rest = text.removeprefix("file:")
    if rest.startswith("//"):
        host, slash, tail = rest[2:].partition("/")
        if host not in ("", "localhost") or not slash:
            raise SourceError(f"{text!r} names a file on another machine", hint="Write file:///path.")
        rest = f"/{tail}"
    for path in dict.fromkeys((unquote(rest), rest)):
        found = _existing(path, text, version)
        if found:
            return found
    raise _no_such_path(unquote(rest))


def _url(text: str, scheme: str, rest: str, version: str | None) -> Location:
    forced = scheme.startswith("git+")
    scheme = scheme.removeprefix("git+")
    if scheme == "file":
        local = _file_url(f"file://{rest}", version)
        if isinstance(local, LocalPath):
            return LocalPath(text, local.path, local.subdirectory, local.version, as_repository=True)
        raise SourceError(f"{text!r} is not a repository")
    if scheme not in _GIT_SCHEMES:
        raise SourceError(f"bis cannot fetch a project by {scheme}://", hint=_FORMS)
    address, _, fragment = rest.partition("#")
    _refuse_control(address)
    authority, slash, path = address.partition("/")
    host, shown_user, credentials = _userinfo(scheme, authority)
    is_http = scheme in ("http", "https")
    prefix = f"{scheme}://{host}" if is_http or not shown_user else f"{scheme}://{shown_user}@{host}"
    shown = hide_query(_without_userinfo(text, authority, prefix.partition("://")[2]))
    subdirectory = _fragment(fragment)
    if is_http and not forced and is_archive(path.partition("?")[0]):
        if version:
            raise _version_of_archive(shown)
        return Archive(shown, None, f"{prefix}/{path}", subdirectory, credentials)
    page = _web_page(host, f"/{path}") if is_http else None
    if page and not version:
        repository, tree = page
        return Remote(shown, prefix + repository, subdirectory, None, credentials, tree)
    path, inline = _split_version(path)
    if not path:
        raise SourceError(f"{shown!r} names no repository", hint=_FORMS)
    return Remote(shown, f"{prefix}{slash}{path}", subdirectory, _one_version(inline, version), credentials)


def _scp(text: str, host: str, path: str, version: str | None) -> Remote:
    if path.startswith("-") or host.rpartition("@")[2].startswith("-"):  # ssh would take it for an option
        raise SourceError(f"{text!r} is not a repository: a part of it begins with '-'")
    address, _, fragment = path.partition("#")
    _refuse_control(address)
    address, inline = _split_version(address)
    return Remote(text, f"{host}:{address}", _fragment(fragment), _one_version(inline, version))


def _userinfo(scheme: str, authority: str) -> tuple[str, str, Credentials | None]:
    """The host with its port, the user that may be shown, and the credentials."""
    from urllib.parse import unquote

    user, at, host = authority.rpartition("@")
    if not host or host.startswith("-") or "%" in host:
        raise SourceError("the project URL names no host", hint=_FORMS)
    if not at:
        return host, "", None
    name, colon, password = user.partition(":")
    if scheme == "ssh":
        return host, name, None  # a password in an ssh URL is of no use: ssh never takes it
    if scheme not in ("http", "https"):
        return host, "", None
    return host, "", Credentials(f"{scheme}://{host}", unquote(name), unquote(password) if colon else None)


def _without_userinfo(text: str, authority: str, shown: str) -> str:
    return text.replace(f"//{authority}", f"//{shown}", 1)


def _web_page(host: str, path: str) -> tuple[str, str] | None:
    """The repository and what is behind ``/tree/``, of an address copied from the browser."""
    found = _GITLAB_TREE.fullmatch(path)
    if not found and host.lower().removeprefix("www.").startswith("github."):
        found = _GITHUB_TREE.fullmatch(path)
    return (found["repository"], found["tree"]) if found else None


def _split_version(path: str) -> tuple[str, str | None]:
    """``org/repo@v1`` as ``org/repo`` and ``v1``; an ``@`` at the begin of a part belongs to the name."""
    head, at, version = path.rpartition("@")
    if not at or not version or not head or head.endswith("/"):
        return path, None
    return head, version


def _one_version(inline: str | None, option: str | None) -> str | None:
    if inline and option and inline != option:
        raise SourceError(f"two versions are given: @{inline} in the URI and --version {option}")
    return check_version(inline) if inline else option


def _fragment(text: str) -> str:
    """The subdirectory; pip's form ``subdirectory=x&egg=y`` is known too."""
    from urllib.parse import unquote

    if re.match(r"(subdirectory|egg)=", text):
        pairs = dict(pair.partition("=")[::2] for pair in text.split("&"))
        text = pairs.get("subdirectory", "")
    return check_subdirectory(unquote(text))


def _refuse_control(address: str) -> None:
    if _CONTROL.search(address):
        raise SourceError("the project URL holds a newline or another control character")


def _version_of_archive(text: str) -> SourceError:
    return SourceError(
        f"{text} is an archive, which has no versions",
        hint="Only a Git repository takes a version: leave it out.",
    )


def _no_such_path(text: str) -> SourceError:
    try:
        missing = Path(text).expanduser()
        while not missing.parent.exists() and missing.parent != missing:
            missing = missing.parent
        near = did_you_mean(missing.name, (entry.name for entry in missing.parent.iterdir()))
    except (OSError, ValueError, RuntimeError):  # what no path can be, as in `_exists`
        near = None
    if near is None and re.match(r"[\w-]+(\.[\w-]+)+/[^/]+/", text):
        near = f"If it is a repository on the web, write https://{text}"
    what = "file" if text.endswith(ARCHIVE_SUFFIXES) else "directory"
    return SourceError(f"no such {what}: {text}", hint=near or _FORMS)


def without_credentials(url: str) -> str:
    """``url`` without a password, and without a user unless it is one of ssh."""
    scheme = _SCHEME.fullmatch(url)
    if not scheme:
        return url
    authority = scheme["rest"].partition("/")[0]
    user, at, host = authority.rpartition("@")
    shown = f"{user.partition(':')[0]}@{host}" if at and scheme["scheme"].endswith("ssh") else host
    return hide_query(url.replace(authority, shown, 1)) if at else hide_query(url)
