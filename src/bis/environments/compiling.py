"""Has uv choose versions for declared packages: ``uv pip compile``, tried again where its first answer allows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bis.environments import local_paths
from bis.environments.locked_text import LockedText, blocks, name_of, take_apart
from bis.environments.requirement_lines import flags_for_uv, lines_for_uv
from bis.environments.resolution_errors import resolution_error
from bis.environments.uv_command import Finished, run_uv

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from bis.environments.as_of import AsOf
    from bis.environments.interpreters import Interpreter
    from bis.environments.spec import EnvironmentSpec, LocalRequirement

_YANKED = re.compile(r"`([^`]+)` is yanked(?: \(reason: \"(.*?)\"\))?")
_UNDATED = re.compile(r"`([^`]+)` is missing an upload date")
_FLAGS = ("--generate-hashes", "--no-header", "--no-annotate", "--no-emit-index-url", "--color=never")
_SETUPTOOLS = "setuptools<81"
"""The last ones with ``pkg_resources``, which packages of the time of Python 3.11 and before import."""


@dataclass(frozen=True)
class Solution:
    """The versions that were chosen, what is to be said of them, and the packages without upload times."""

    text: LockedText
    notes: tuple[str, ...] = ()
    undated: tuple[str, ...] = ()


@dataclass(frozen=True)
class Compilation:
    """One spec to be resolved as of a moment for an interpreter, in an empty directory to work in."""

    spec: EnvironmentSpec
    as_of: AsOf
    interpreter: Interpreter
    work: Path
    present: Mapping[str, str] | None = None
    """What the environment has already, versions by name: it stays, unless what is declared needs another version."""

    def solve(self) -> Solution:
        """Return the solution; raise ResolutionError or HomeError."""
        self._write_inputs(bound_setuptools=True)
        undated: tuple[str, ...] = ()
        done = self._run(undated)
        if done.code != 0 and self.present:
            self._write_lines_of_present(keep=False)
            done = self._run(undated)
        if done.code != 0 and (pinned := _undated_but_pinned(self.spec, done)):
            undated = pinned
            done = self._run(undated)
        if done.code != 0 and "setuptools" in done.errors:
            self._write_inputs(bound_setuptools=False)
            done = self._run(undated)
        if done.code != 0:
            copies = {f"{self.work}/local-{i}": each.path for i, each in enumerate(self.spec.local)}
            hidden = {**copies, str(self.work): "", str(self.spec.directory): "."}
            raise resolution_error(self.spec, self.as_of.time, done, hidden=hidden)
        text = take_apart(self._without_present(done.output))
        notes = (*_notes(done, undated), *self._replaced(text.hashed))
        return Solution(LockedText(text.hashed, text.unhashed, ()), notes, undated)

    def _write_inputs(self, *, bound_setuptools: bool) -> None:
        options = lines_for_uv(self.spec.options, self.spec.directory)
        seeds = []
        if self.present is None:
            seeds = _seeds(self.spec, self.interpreter, bound_setuptools=bound_setuptools)
        lines = [*options, *self.spec.requirements, *self._local_lines(), *seeds]
        _write_lines(self.work / "requirements.in", lines)
        _write_lines(self.work / "constraints.txt", self.spec.constraints)
        self._write_lines_of_present(keep=True)

    def _write_lines_of_present(self, *, keep: bool) -> None:
        """Offer what is there as wheels of its own: an index need not have it. ``keep`` holds its versions."""
        present = self.present or {}
        (self.work / "present").mkdir(exist_ok=True)
        for name, version in present.items():
            _write_stub(self.work / "present", name, version)
        held = [f"{name}=={version}" for name, version in present.items()] if keep else []
        _write_lines(self.work / "present.txt", held)

    def _without_present(self, text: str) -> str:
        """Leave out of a solution what is there in that version."""
        there = {f"{name}=={version}" for name, version in (self.present or {}).items()}
        kept = (block for block in blocks(text) if re.split(r"[\s;\\]", block, maxsplit=1)[0] not in there)
        return "".join(kept) if there else text

    def _local_lines(self) -> list[str]:
        found = enumerate(self.spec.local)
        return [
            _staged_line(each, self.spec.directory, self.work / f"local-{index}") for index, each in found
        ]

    def _replaced(self, hashed: str) -> list[str]:
        """Say what is there and gives way to another version."""
        chosen = {name_of(block): re.split(r"[\s;\\]", block, maxsplit=1)[0] for block in blocks(hashed)}
        both = sorted(chosen.keys() & (self.present or {}).keys())
        return (
            [f"the pip section replaces {', '.join(f'{each} with {chosen[each]}' for each in both)}"]
            if both
            else []
        )

    def _run(self, undated: Sequence[str]) -> Finished:
        flags = [*_FLAGS, *flags_for_uv(self.spec.options)]
        if "--pre" in self.spec.options:
            flags.append("--prerelease=allow")
        if self.as_of.text:
            flags.append(f"--exclude-newer={self.as_of.text}")
            flags += [f"--exclude-newer-package={each}=false" for each in (*undated, *(self.present or ()))]
        if self.present:
            flags += ["--find-links=present"]
        files = ["requirements.in", "--constraint", "constraints.txt", "--constraint", "present.txt"]
        return run_uv(["pip", "compile", *flags, "--python", self.interpreter.path, *files], cwd=self.work)


def _write_stub(folder: Path, name: str, version: str) -> None:
    """Write a wheel that holds nothing but its name and version."""
    import zipfile

    distribution = f"{name.replace('-', '_')}-{version}"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    tags = "Wheel-Version: 1.0\nGenerator: bis\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(folder / f"{distribution}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{distribution}.dist-info/METADATA", metadata)
        wheel.writestr(f"{distribution}.dist-info/WHEEL", tags)
        wheel.writestr(f"{distribution}.dist-info/RECORD", "")


def _write_lines(path: Path, lines: Sequence[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _seeds(spec: EnvironmentSpec, interpreter: Interpreter, *, bound_setuptools: bool) -> list[str]:
    """What environments have without being asked, pip's and conda's too: pip, before 3.12 setuptools."""
    seeds = ["pip"]
    if interpreter.minor < (3, 12):
        named = any(
            name_of(each) == "setuptools" and name_of(each) != each.strip() for each in spec.requirements
        )
        seeds.append(_SETUPTOOLS if bound_setuptools and not named else "setuptools")
    return seeds


def _staged_line(local: LocalRequirement, directory: Path, goal: Path) -> str:
    """Return the requirement line of a local package for uv, from a copy where it is a directory."""
    path = directory / local.path
    if path.is_dir():
        if not goal.exists():
            local_paths.stage(path, goal)
        path = goal
    marker = f" ; {local.marker}" if local.marker else ""
    return f"{path}{local.extras}{marker}"


def _undated_but_pinned(spec: EnvironmentSpec, done: Finished) -> tuple[str, ...]:
    """Return the packages without upload times when each is pinned, so that the date decides nothing."""
    undated = {name_of(re.split(r"-\d", file)[0]) for file in _UNDATED.findall(done.errors)}
    pinned = {
        name_of(each)
        for each in spec.requirements
        if re.search(r"[^=<>!~]={2,3}[^=*,]+$", each.split(";")[0])
    }
    return tuple(sorted(undated)) if undated <= pinned else ()


def _notes(done: Finished, undated: Sequence[str]) -> tuple[str, ...]:
    notes = [
        f"{package} was withdrawn by its authors (yanked)" + (f": {reason}" if reason else "")
        for package, reason in dict.fromkeys(_YANKED.findall(done.errors))
    ]
    if undated:
        notes.append(f"the index gives no upload times for {', '.join(undated)}: the pinned version is used")
    elif _UNDATED.search(done.errors):
        files = sorted(set(_UNDATED.findall(done.errors)))
        more = f" and {len(files) - 3} more" if len(files) > 3 else ""
        notes.append(f"left out, as the index gives no upload time: {', '.join(files[:3])}{more}")
    return tuple(notes)
