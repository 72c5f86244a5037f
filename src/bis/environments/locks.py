"""Lock: what a spec resolved to, kept in BIS_HOME by what it was resolved from."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from bis.errors import BuildError
from bis.home_files import home_errors, replace_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bis.environments.as_of import AsOf
    from bis.environments.container.locked import LockedContainer
    from bis.environments.spec import EnvironmentSpec
    from bis.home import Home

FORMAT = 1
_PACKAGE = r"(?m)^([A-Za-z0-9][\w.-]*)(?:\[[^]]*\])?\s*(?:==|@)\s*([^\s;\\]+)"
_CONDA_PACKAGE = r'(?m)^- name: "([^"]+)"\n  version: "([^"]+)"\n  build: "([^"]+)"$'
_CONDA_FILE = r'(?m)^  url: ".*?([^/"]+/[^/"]+)"\n  hash:\n    (?:sha256|md5): "(\w+)"$'
_INDEX_OPTIONS = ("--index-url", "--extra-index-url", "--find-links", "--trusted-host", "--no-index")


@dataclass(frozen=True)
class LockedPath:
    """A local package with the digest of what is installed from it; the path is relative to the project."""

    path: str
    extras: str
    editable: bool
    digest: str


@dataclass(frozen=True)
class Lock:
    """Every package with version and hashes, and the interpreter; no URL of an index, no credentials."""

    manager: str
    python: str
    """The full version, as ``3.8.18``."""
    python_requested: str | None
    platform: str
    requirements: str = ""
    """pip's text, with a hash for each file that may be installed. For ``local``: what is installed."""
    unhashed: str = ""
    """Requirements that have no hash, as repositories at a commit."""
    local: tuple[LockedPath, ...] = ()
    options: tuple[str, ...] = ()
    """Option lines of the project's own files, without credentials."""
    variables: tuple[tuple[str, str], ...] = ()
    undated: tuple[str, ...] = ()
    """Packages of which the index gives no upload times."""
    as_of: str | None = None
    as_of_origin: str = ""
    notes: tuple[str, ...] = ()
    pinned: bool = True
    """False for ``local``: what is installed there can change under the lock."""
    container: LockedContainer | None = None
    """The image and what a container of it is started with, for ``docker_env``."""
    conda: str = ""
    """The packages of conda as text of conda-lock's format 1, without credentials and hosts of mirrors."""
    renv: str = ""
    """The packages of R that the project's ``renv.lock`` names, as text of that format."""

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of all that decides what is installed; notes, dates and indexes do not."""
        decides = [
            FORMAT,
            self.manager,
            self.python,
            self.platform,
            self.requirements,
            self.unhashed,
            [asdict(each) for each in self.local],
            self.deciding_options,
            self.variables,
        ]
        if self.conda:
            decides.append(self.deciding_conda)
        if self.renv:
            decides.append(self.renv)
        if self.container:
            decides.append(self.container.decides)
        return hashlib.sha256(json.dumps(decides).encode()).hexdigest()

    @property
    def deciding_options(self) -> list[str]:
        """The option lines that bear on what is installed; those that say where an index is do not."""
        return [each for each in self.options if not each.startswith(_INDEX_OPTIONS)]

    @property
    def deciding_conda(self) -> list[str]:
        """The packages of conda by platform, file and hash: where they come from does not bear on what they are."""
        return conda_files(self.conda)

    @cached_property
    def packages(self) -> dict[str, str]:
        """Versions (commits and files, where a URL was declared; with the build, of conda) by name of the package."""
        text = f"{self.requirements}\n{self.unhashed}"
        conda = {
            name: f"{version} {build}" for name, version, build in re.findall(_CONDA_PACKAGE, self.conda)
        }
        return {**conda, **{name: _version(found) for name, found in re.findall(_PACKAGE, text)}}

    @property
    def unhashed_packages(self) -> list[str]:
        """The names of the packages that no hash holds."""
        return [name for name, _ in re.findall(_PACKAGE, self.unhashed)]

    def to_dict(self) -> dict[str, Any]:
        """Return the lock as JSON takes it."""
        document = {"format": FORMAT, **asdict(self)}
        for name in ("conda", "renv", "container"):
            if not document[name]:
                del document[name]
        return document

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Lock:
        """Read a lock back; raise ValueError for one that is not of this format."""
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise ValueError(f"not a lock of format {FORMAT}")
        fields = {name: value for name, value in document.items() if name != "format"}
        for name in ("options", "undated", "notes"):
            fields[name] = tuple(fields.get(name, ()))
        fields["variables"] = tuple((name, value) for name, value in fields.get("variables", ()))
        fields["local"] = tuple(LockedPath(**each) for each in fields.get("local", ()))
        if fields.get("container"):
            from bis.environments.container.locked import LockedContainer  # most projects have none

            fields["container"] = LockedContainer.from_dict(fields["container"])
        return cls(**fields)

    def with_notes(self, *notes: str | None) -> Lock:
        """Return the lock with further notes; None is none."""
        return replace(self, notes=(*self.notes, *(note for note in notes if note)))


def conda_files(text: str) -> list[str]:
    """The files that a text of conda's packages names, each with its hash, found without reading it as YAML."""
    return [f"{file}#{digest}" for file, digest in re.findall(_CONDA_FILE, text)]


def _version(text: str) -> str:
    """Return a version as it is; of a URL the commit, or the name of the file."""
    if "://" not in text:
        return text
    commit = re.search(r"@([0-9a-f]{40})", text)
    return commit[1] if commit else text.rpartition("/")[2]


def platform_tag() -> str:
    """Return the platform that wheels are chosen for, as ``linux-x86_64-glibc2.36``."""
    system, machine = os.uname().sysname.lower(), os.uname().machine
    if sys.platform == "darwin":
        return f"{system}-{machine}-{os.uname().release.split('.')[0]}"
    try:
        libc = (os.confstr("CS_GNU_LIBC_VERSION") or "").replace(" ", "")
    except (ValueError, OSError):
        libc = ""  # musl
    return f"{system}-{machine}-{libc or 'musl'}"


def same_platform(tag: str) -> bool:
    """Whether a lock for ``tag`` is for this system and architecture; its C library may be another version."""
    return tag.split("-")[:2] == platform_tag().split("-")[:2]


def check_platform(lock: Lock) -> None:
    """Raise BuildError for a lock of another platform."""
    if not same_platform(lock.platform):
        raise BuildError(
            f"this environment was locked for {lock.platform}, and this machine is {platform_tag()}",
            hint="Its packages were chosen for that one: resolve them here, with `bis run` or `bis lock`.",
        )


def key_of(
    spec: EnvironmentSpec,
    as_of: AsOf,
    local_digests: Mapping[str, str],
    surroundings: Sequence[str] = (),
) -> str:
    """Return the key under which the lock of a spec is kept: a hash over all that it is resolved from."""
    resolved_from: list[Any] = [
        FORMAT,
        spec.declared_digest(),
        as_of.text,
        platform_tag(),
        sorted(local_digests.items()),
        *surroundings,
    ]
    return hashlib.sha256(json.dumps(resolved_from).encode()).hexdigest()[:32]


def read_kept(home: Home, key: str) -> Lock | None:
    """Return the lock that is kept under a key, None when there is none that can be read."""
    try:
        return Lock.from_dict(json.loads((home.locks / f"{key}.json").read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def keep(home: Home, key: str, lock: Lock) -> None:
    """Keep a lock under a key; raise HomeError when that cannot be."""
    with home_errors("keep the lock of the environment"):
        replace_text(home.ensure(home.locks) / f"{key}.json", json.dumps(lock.to_dict()))
