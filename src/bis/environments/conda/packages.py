"""The packages of conda in a lock: as text of conda-lock's format 1, and read back.

The format is that of conda-lock's ``lockfile/v1``; rattler's lock files read it too. Only its own keys are used. Each
value is written as a JSON string, which YAML reads alike, so that a lock can be searched line by line.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bis.environments.conda.channels import used_variables
from bis.environments.locks import conda_files

if TYPE_CHECKING:
    from collections.abc import Sequence

_VALUE = r'"(?:[^"\\\n]|\\.)*"'
_CHANNEL = re.compile(rf"(?m)^  - url: ({_VALUE})$")
_NEED = re.compile(rf"    ({_VALUE}): ({_VALUE})\n")
_ENTRY = re.compile(
    rf"name: (?P<name>{_VALUE})\n  version: (?P<version>{_VALUE})\n  build: (?P<build>{_VALUE})\n"
    r"  manager: conda\n  platform: (?P<platform>[\w-]+)\n"
    rf"  dependencies:(?: {{}}\n|\n(?P<needs>(?:    {_VALUE}: {_VALUE}\n)+))"
    rf"  url: (?P<url>{_VALUE})\n  hash:\n"
    rf"(?:    sha256: (?P<sha256>{_VALUE})\n)?(?:    md5: (?P<md5>{_VALUE})\n)?"
    r"  category: main\n  optional: false\n"
)


@dataclass(frozen=True)
class Package:
    """A package of conda, chosen: a file with a hash."""

    name: str
    version: str
    build: str
    platform: str
    """The one that it is locked for, as ``linux-64``; the file itself may be ``noarch``."""
    url: str
    sha256: str
    md5: str
    depends: tuple[str, ...] = ()

    @property
    def channel(self) -> str:
        """The address of its channel."""
        return self.url.rsplit("/", 2)[0]

    @property
    def file(self) -> str:
        """The name of its file, with the folder of its platform."""
        return "/".join(self.url.rsplit("/", 2)[1:])


@dataclass(frozen=True)
class LockedConda:
    """What the text says."""

    channels: tuple[str, ...]
    """As written, in order, without credentials but with the names of variables that hold some."""
    packages: tuple[Package, ...]


def to_text(packages: Sequence[Package], *, channels: Sequence[str], platform: str, source: str) -> str:
    """Return the text; the addresses of the packages and channels are taken as they are."""
    import hashlib

    chosen = sorted(packages, key=lambda each: each.name)
    digest = hashlib.sha256("".join(f"{each.file}{each.sha256 or each.md5}" for each in chosen).encode())
    lines = ["version: 1", "metadata:", "  content_hash:", f"    {platform}: {_text(digest.hexdigest())}"]
    lines.append("  channels:")
    for channel in channels:
        lines += [f"  - url: {_text(channel)}", f"    used_env_vars: {json.dumps(used_variables(channel))}"]
    lines += ["  platforms:", f"  - {platform}", "  sources:", f"  - {_text(source)}"]
    lines.append("package:" if chosen else "package: []")
    for package in chosen:
        lines += _lines(package)
    return "".join(f"{line}\n" for line in lines)


def _lines(package: Package) -> list[str]:
    found = [
        f"- name: {_text(package.name)}",
        f"  version: {_text(package.version)}",
        f"  build: {_text(package.build)}",
        "  manager: conda",
        f"  platform: {package.platform}",
    ]
    needs = _needs(package.depends)
    found.append("  dependencies:" if needs else "  dependencies: {}")
    found += [f"    {_text(name)}: {_text(version)}" for name, version in needs.items()]
    found += [f"  url: {_text(package.url)}", "  hash:"]
    hashes = {"sha256": package.sha256, "md5": package.md5}
    found += [f"    {kind}: {_text(digest)}" for kind, digest in hashes.items() if digest]
    return [*found, "  category: main", "  optional: false"]


def _needs(depends: Sequence[str]) -> dict[str, str]:
    """What a package needs, by name; the format has one entry for each, so that ranges are put together."""
    found: dict[str, str] = {}
    for each in sorted(depends):
        name, _, version = each.partition(" ")
        joined = [text for text in (found.get(name, ""), version) if text]
        found[name] = ",".join(joined) if all(" " not in text for text in joined) else joined[-1]
    return found


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def from_text(text: str) -> LockedConda:
    """Read a text that ``to_text`` wrote, or another of the same lines; raise ValueError for one that is none.

    It is read line by line, since YAML takes several times as long, and has more ways to say a thing than the digest
    of a lock knows.
    """
    head, *entries = re.split(r"(?m)^- ", text)
    try:
        if not head.startswith("version: 1\n") or not head.endswith(("package:\n", "package: []\n")):
            raise ValueError("not a lock of conda packages")
        channels = tuple(json.loads(each) for each in _CHANNEL.findall(head))
        found = LockedConda(channels, tuple(map(_package, entries)))
    except (ValueError, KeyError) as error:
        raise ValueError(f"not a lock of conda packages: {error}") from error
    if [f"{each.file}#{each.sha256 or each.md5}" for each in found.packages] != conda_files(text):
        raise ValueError("not a lock of conda packages that bis has written: its digest would not hold them")
    return found


def _package(entry: str) -> Package:
    match = _ENTRY.fullmatch(entry)
    if match is None:
        raise ValueError(f"cannot read {entry.splitlines()[0]!r}")
    names = ("name", "version", "build", "url", "sha256", "md5")
    values = {name: json.loads(match[name]) for name in names if match[name]}
    needs = [(json.loads(name), json.loads(value)) for name, value in _NEED.findall(match["needs"] or "")]
    return Package(
        values["name"],
        values["version"],
        values["build"],
        match["platform"],
        values["url"],
        sha256=values.get("sha256", ""),
        md5=values.get("md5", ""),
        depends=tuple(f"{name} {version}".strip() for name, version in needs),
    )
