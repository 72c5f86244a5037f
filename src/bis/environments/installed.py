"""What is installed in an interpreter, and which declared requirements that does not meet."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bis.environments.interpreters import probe
from bis.environments.locked_text import name_of
from bis.environments.python_request import PythonRequest
from bis.errors import InterpreterNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packaging.requirements import Requirement

    from bis.environments.spec import EnvironmentSpec

# The markers are those of PEP 508.
_PROBE = """
import json, os, platform, sys
found = sys.implementation.version
full = ".".join(map(str, found[:3])) + ("" if found[3] == "final" else found[3][0] + str(found[4]))
folders = [each for each in sys.path if os.path.isdir(each)]
print(json.dumps({"version": platform.python_version(), "folders": folders, "markers": {
    "implementation_name": sys.implementation.name, "implementation_version": full, "os_name": os.name,
    "platform_machine": platform.machine(), "platform_release": platform.release(),
    "platform_system": platform.system(), "platform_version": platform.version(),
    "python_full_version": platform.python_version(),
    "platform_python_implementation": platform.python_implementation(), "sys_platform": sys.platform,
    "python_version": ".".join(platform.python_version_tuple()[:2])}}))
"""
_DISTRIBUTION = re.compile(r"(?P<name>.+?)-(?P<version>[^-]+)(?:-py3[\d.]*)?\.(?:dist|egg)-info")


@dataclass(frozen=True)
class Installed:
    """An interpreter and its packages."""

    version: str
    folders: tuple[Path, ...]
    packages: dict[str, str]
    """Versions by name, as PyPI compares names."""
    markers: dict[str, str]


def look(python: Path) -> Installed:
    """Return what is installed in an interpreter; raise InterpreterNotFoundError when it does not run."""
    facts = probe(python, _PROBE, isolated=False)
    if not facts:
        raise InterpreterNotFoundError(
            f"the caller's interpreter {python} does not run, or is older than Python 3.3",
            hint="Activate an environment whose `python` works, or leave out --env-manager local.",
        )
    folders = tuple(Path(each) for each in facts["folders"] if each not in {"", "/"})
    packages: dict[str, str] = {}
    for folder in folders:
        for name, version in distributions(folder):
            packages.setdefault(name, version)
    return Installed(facts["version"], folders, packages, facts["markers"])


def distributions(folder: Path) -> Iterator[tuple[str, str]]:
    """Give name and version of each distribution that lies in a directory of packages."""
    for path in sorted(folder.glob("*.*-info")):
        match = _DISTRIBUTION.fullmatch(path.name)
        if match:
            yield name_of(match["name"]), match["version"]
        elif path.suffix == ".egg-info":
            yield from _from_metadata(path)


def _from_metadata(path: Path) -> Iterator[tuple[str, str]]:
    """Read a development install (``setup.py develop``), whose directory has no version in its name."""
    file = path / "PKG-INFO"
    text = file.read_text("utf-8", "replace") if file.is_file() else ""
    found = dict(re.findall(r"^(Name|Version): *(\S+)", text, re.MULTILINE))
    if len(found) == 2:
        yield name_of(found["Name"]), found["Version"]


def unmet(spec: EnvironmentSpec, here: Installed) -> list[str]:
    """Return what the spec declares and the interpreter has not, one phrase each."""
    found = []
    numbers = tuple(int(part) for part in re.findall(r"\d+", here.version)[:3])
    if not PythonRequest.parse(spec.python).admits(numbers):
        found.append(f"Python {spec.python} (here {here.version})")
    found += [
        f"{name} (a package of conda's)" for name, _ in spec.conda_only if name_of(name) not in here.packages
    ]
    for line in spec.requirements:
        requirement = _parsed(line)
        if requirement and (not requirement.marker or requirement.marker.evaluate(dict(here.markers))):
            problem = _problem(requirement, here.packages)
            if problem:
                found.append(problem)
    return found


def _parsed(line: str) -> Requirement | None:
    """Return the requirement of a line, None for one without a name that can be compared (a repository)."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return Requirement(line.split(" --hash=", maxsplit=1)[0])
    except InvalidRequirement:
        return None


def _problem(requirement: Requirement, packages: dict[str, str]) -> str | None:
    wanted = f"{requirement.name}{requirement.specifier}"
    version = packages.get(name_of(requirement.name))
    if version is None:
        return f"{wanted} (not installed)"
    if requirement.specifier.contains(version, prereleases=True):
        return None
    return f"{wanted} (here {version})"
