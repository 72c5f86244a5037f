"""Takes uv's locked requirements apart: what has hashes, what has none, what is local."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bis.environments.credentials import without_user

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LOCAL = re.compile(r"(-e |\.|/|file:|\S+ @ file:)")
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class LockedText:
    """The parts of a locked requirements text."""

    hashed: str
    unhashed: str
    local: tuple[str, ...]


def take_apart(text: str) -> LockedText:
    """Sort the requirements of a text that ``uv pip compile`` or ``uv export`` wrote."""
    hashed, unhashed, local = [], [], []
    for block in blocks(text):
        if _LOCAL.match(block):
            local.append(block.strip())
        elif "--hash=" in block:
            hashed.append(without_user(block))
        else:
            unhashed.append(without_user(block))
    return LockedText("".join(hashed), "".join(unhashed), tuple(local))


def blocks(text: str) -> Iterator[str]:
    """Give each requirement with its lines of hashes; comments and options are left out."""
    block = ""
    for line in text.splitlines():
        if line.startswith(" ") and block:
            block += f"{line}\n"
            continue
        if block:
            yield block
        block = "" if not line.strip() or line.startswith(("#", "--")) else f"{line}\n"
    if block:
        yield block


def name_of(requirement: str) -> str:
    """Return the package of a requirement line as PyPI compares names, "" when it names none.

    >>> name_of("Ruamel.yaml>=0.17 ; python_version < '3.9'")
    'ruamel-yaml'
    """
    match = _NAME.match(requirement)
    return re.sub(r"[-_.]+", "-", match[0]).lower() if match else ""


def from_pylock(document: Mapping[str, object]) -> str:
    """Return the packages of a ``pylock.toml`` (PEP 751) as requirements, groups and extras left out."""
    packages = document.get("packages", [])
    blocks = (
        [_pylock_block(each) for each in packages if isinstance(each, dict)]
        if isinstance(packages, list)
        else []
    )
    return "".join(block for block in blocks if block)


def _pylock_block(package: dict[str, object]) -> str:
    marker = str(package.get("marker", ""))
    if "dependency_groups" in marker or "extras" in marker:
        return ""
    wheels = package.get("wheels")
    files = [*(wheels if isinstance(wheels, list) else []), package.get("sdist"), package.get("archive")]
    hashes = [each["hashes"]["sha256"] for each in files if isinstance(each, dict)]
    suffix = f" ; {marker}" if marker else ""
    vcs, archive, local = package.get("vcs"), package.get("archive"), package.get("directory")
    if isinstance(local, dict):
        path = local["path"]
        return "" if path == "." else f"{'-e ' if local.get('editable') else ''}./{path}\n"
    if isinstance(vcs, dict):
        return f"{package['name']} @ {vcs['type']}+{vcs['url']}@{vcs['commit-id']}{suffix}\n"
    source = f" @ {archive['url']}" if isinstance(archive, dict) else f"=={package['version']}"
    return (
        f"{package['name']}{source}{suffix}"
        + "".join(f" \\\n    --hash=sha256:{each}" for each in hashes)
        + "\n"
    )
