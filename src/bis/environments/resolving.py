"""Resolves a spec to a lock with uv: versions and hashes of every package, as of a date."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bis.environments import interpreters, local_paths
from bis.environments.locked_text import LockedText, from_pylock, name_of, take_apart
from bis.environments.locks import Lock, LockedPath, platform_tag
from bis.environments.requirement_lines import RequirementLines
from bis.environments.resolution_errors import resolution_error
from bis.environments.uv_command import Finished, run_uv, without_credentials
from bis.errors import Position

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bis.environments.as_of import AsOf
    from bis.environments.interpreters import Interpreter
    from bis.environments.spec import EnvironmentSpec, LocalRequirement
    from bis.home import Home

_YANKED = re.compile(r"`([^`]+)` is yanked(?: \(reason: \"(.*?)\"\))?")
_UNDATED = re.compile(r"`([^`]+)` is missing an upload date")
_IN_FILE = ("--index-url", "--extra-index-url", "--find-links", "--no-index", "--no-binary", "--only-binary")
_SETUPTOOLS = "setuptools<81"
"""The last ones with ``pkg_resources``, which packages of the time of Python 3.11 and before import."""


@dataclass(frozen=True)
class _Solution:
    text: LockedText
    notes: tuple[str, ...] = ()
    undated: tuple[str, ...] = ()


def resolve(
    spec: EnvironmentSpec,
    as_of: AsOf,
    *,
    digests: Mapping[str, str],
    home: Home,
    notify: Callable[[str], None],
) -> Lock:
    """Return the lock of a spec.

    Raises InterpreterNotFoundError, ResolutionError with uv's reasons, HomeError.
    """
    choice = interpreters.find(spec.python, as_of.time, home=home, notify=notify)
    for note in (*spec.notes, choice.note):
        if note:
            notify(note)
    solution = _solve(spec, as_of, choice.interpreter, home=home, notify=notify)
    for note in solution.notes:
        notify(note)
    local = _locked_paths(spec, digests, solution.text.local, home)
    return Lock(
        manager=spec.manager,
        python=choice.interpreter.version,
        python_requested=spec.python,
        platform=platform_tag(),
        requirements=solution.text.hashed,
        unhashed=solution.text.unhashed,
        local=local,
        options=tuple(without_credentials(each) for each in spec.options),
        variables=spec.variables,
        undated=solution.undated,
        as_of=None if spec.lock_file else as_of.text,
        as_of_origin=spec.lock_file.name if spec.lock_file else as_of.origin,
        notes=spec.notes,
    ).with_notes(choice.note, *solution.notes, *_unhashed_notes(solution.text.unhashed))


def _solve(
    spec: EnvironmentSpec,
    as_of: AsOf,
    interpreter: Interpreter,
    *,
    home: Home,
    notify: Callable[[str], None],
) -> _Solution:
    if spec.lock_file:
        return _Solution(take_apart(_exported(spec, spec.lock_file, interpreter)))
    if spec.empty:
        return _Solution(LockedText("", "", ()))
    day = f" as of {as_of.time:%Y-%m-%d}" if as_of.time else ""
    notify(f"Resolving {_count(len(spec.requirements) + len(spec.local), 'declared package')}{day}")
    solution = _compile(spec, as_of, interpreter, home)
    packages = sum(line[:1].isalnum() for line in f"{solution.text.hashed}{solution.text.unhashed}".splitlines())
    notify(f"Resolved {_count(packages, 'package')}{day}")
    return solution


def _exported(spec: EnvironmentSpec, lock_file: Path, interpreter: Interpreter) -> str:
    """Return the versions and hashes of the project's own lock as requirements."""
    if lock_file.name == "pylock.toml":
        from bis.environments.pyproject_file import read_toml

        return from_pylock(read_toml(lock_file))
    flags = ["--frozen", "--no-emit-project", "--no-dev", "--no-header", "--no-annotate", "--format=requirements.txt"]
    project = ["--python", interpreter.path, "--directory", spec.directory]
    done = run_uv(["export", *flags, *project])
    if done.code != 0:
        raise resolution_error(spec, None, done, hidden={str(spec.directory): "."})
    return done.output


def _compile(spec: EnvironmentSpec, as_of: AsOf, interpreter: Interpreter, home: Home) -> _Solution:
    import tempfile

    with tempfile.TemporaryDirectory(dir=home.ensure(home.cache), prefix="resolving-") as name:
        work = Path(name)
        local = [_staged_line(each, spec.directory, work / f"local-{index}") for index, each in enumerate(spec.local)]
        undated: tuple[str, ...] = ()
        done = _run(spec, as_of, interpreter, work, local, undated)
        if done.code != 0 and (pinned := _undated_but_pinned(spec, done)):
            undated = pinned
            done = _run(spec, as_of, interpreter, work, local, undated)
        if done.code != 0 and "setuptools" in done.errors:
            done = _run(spec, as_of, interpreter, work, local, undated, bound_setuptools=False)
        if done.code != 0:
            raise resolution_error(spec, as_of.time, done, hidden={name: "", str(spec.directory): "."})
    text = take_apart(done.output)
    return _Solution(LockedText(text.hashed, text.unhashed, ()), _notes(done, undated), undated)


def _run(
    spec: EnvironmentSpec,
    as_of: AsOf,
    interpreter: Interpreter,
    work: Path,
    local: Sequence[str],
    undated: Sequence[str],
    *,
    bound_setuptools: bool = True,
) -> Finished:
    lines = [each for each in spec.options if each.startswith(_IN_FILE)]
    lines += [*spec.requirements, *local, *_seeds(spec, interpreter, bound_setuptools=bound_setuptools)]
    (work / "requirements.in").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    (work / "constraints.txt").write_text("".join(f"{line}\n" for line in spec.constraints), encoding="utf-8")
    flags = ["--generate-hashes", "--no-header", "--no-annotate", "--no-emit-index-url", "--color=never"]
    if as_of.text:
        flags += [f"--exclude-newer={as_of.text}", *(f"--exclude-newer-package={each}=false" for each in undated)]
    flags += _flags_of_options(spec.options)
    files = ["requirements.in", "--constraint", "constraints.txt"]
    return run_uv(["pip", "compile", *flags, "--python", interpreter.path, *files], cwd=work)


def _flags_of_options(options: Sequence[str]) -> list[str]:
    """Return uv's flags for pip's options that uv does not take from a file."""
    flags = ["--prerelease=allow"] if "--pre" in options else []
    if any(each.startswith("--extra-index-url") for each in options):
        flags.append("--index-strategy=unsafe-best-match")  # pip looks at all indexes for the best version
    trusted = (each.partition("=")[2] for each in options if each.startswith("--trusted-host"))
    return flags + [f"--allow-insecure-host={host}" for host in trusted]


def _seeds(spec: EnvironmentSpec, interpreter: Interpreter, *, bound_setuptools: bool) -> list[str]:
    """What an environment of pip's and conda's users has without their asking: pip, and before 3.12 setuptools."""
    seeds = ["pip"]
    if interpreter.minor < (3, 12):
        named = any(name_of(each) == "setuptools" and name_of(each) != each.strip() for each in spec.requirements)
        seeds.append(_SETUPTOOLS if bound_setuptools and not named else "setuptools")
    return seeds


def _staged_line(local: LocalRequirement, directory: Path, goal: Path) -> str:
    """Return the requirement line of a local package for uv, from a copy where it is a directory."""
    path = directory / local.path
    if path.is_dir():
        local_paths.stage(path, goal)
        path = goal
    marker = f" ; {local.marker}" if local.marker else ""
    return f"{path}{local.extras}{marker}"


def _undated_but_pinned(spec: EnvironmentSpec, done: Finished) -> tuple[str, ...]:
    """Return the packages without upload times when each is pinned to one version, so that the date decides nothing."""
    undated = {name_of(re.split(r"-\d", file)[0]) for file in _UNDATED.findall(done.errors)}
    pinned = {name_of(each) for each in spec.requirements if re.search(r"[^=<>!~]={2,3}[^=*,]+$", each.split(";")[0])}
    return tuple(sorted(undated)) if undated <= pinned else ()


def _locked_paths(
    spec: EnvironmentSpec, digests: Mapping[str, str], exported: Sequence[str], home: Home
) -> tuple[LockedPath, ...]:
    """Return the local packages of the spec, and those that the project's own lock names."""
    lines = RequirementLines(spec.directory)
    for line in exported:
        lines.add(line, Position(spec.lock_file or spec.directory, 1))
    found = [*spec.local, *(each for each in lines.local if each.path not in digests)]
    every = {**local_paths.digests(tuple(found[len(spec.local) :]), spec.directory, home), **digests}
    return tuple(
        LockedPath(each.path, each.extras, editable=each.editable, digest=every[each.path]) for each in found
    )


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


def _unhashed_notes(unhashed: str) -> list[str]:
    names = [name_of(line) or line for line in unhashed.splitlines() if line[:1].isalnum()]
    return [f"not pinned by hash: {', '.join(names)}"] if names else []


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
