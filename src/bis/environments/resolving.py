"""Resolves a spec to a lock with uv: versions and hashes of every package, as of a date."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bis.environments import interpreters, local_paths
from bis.environments.compiling import Compilation, Solution
from bis.environments.credentials import without_user
from bis.environments.locked_text import LockedText, from_pylock, name_of, take_apart
from bis.environments.locks import Lock, LockedPath, platform_tag
from bis.environments.requirement_lines import RequirementLines
from bis.environments.resolution_errors import place_of, resolution_error
from bis.environments.uv_command import run_uv
from bis.errors import InterpreterNotFoundError, Position, SpecError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bis.environments.as_of import AsOf
    from bis.environments.interpreters import Interpreter
    from bis.environments.spec import EnvironmentSpec
    from bis.home import Home


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
    choice = _interpreter(spec, as_of, home=home, notify=notify)
    for note in (*spec.notes, choice.note):
        if note:
            notify(note)
    solution = solve(spec, as_of, choice.interpreter, home=home, notify=notify)
    for note in solution.notes:
        notify(note)
    local = locked_paths(spec, digests, solution.text.local, home)
    return Lock(
        manager=spec.manager,
        python=choice.interpreter.version,
        python_requested=spec.python,
        platform=platform_tag(),
        requirements=solution.text.hashed,
        unhashed=solution.text.unhashed,
        local=local,
        options=tuple(without_user(each) for each in spec.options),
        variables=spec.variables,
        undated=solution.undated,
        as_of=None if spec.lock_file else as_of.text,
        as_of_origin=spec.lock_file.name if spec.lock_file else as_of.origin,
        notes=spec.notes,
    ).with_notes(choice.note, *solution.notes, *unhashed_notes(solution.text.unhashed))


def _interpreter(
    spec: EnvironmentSpec, as_of: AsOf, *, home: Home, notify: Callable[[str], None]
) -> interpreters.Choice:
    try:
        return interpreters.find(spec.python, as_of.time, home=home, notify=notify)
    except (InterpreterNotFoundError, SpecError) as error:
        error.where = error.where or place_of(spec.file, ["python"])
        raise


def solve(
    spec: EnvironmentSpec,
    as_of: AsOf,
    interpreter: Interpreter,
    *,
    home: Home,
    notify: Callable[[str], None],
    present: Mapping[str, str] | None = None,
) -> Solution:
    """Have uv choose the packages of a spec; ``present`` is what its environment has already, with versions.

    Raises ResolutionError with uv's reasons, SpecError, HomeError.
    """
    if spec.lock_file:
        return Solution(take_apart(_exported(spec, spec.lock_file, interpreter)))
    if spec.empty:
        return Solution(LockedText("", "", ()))
    day = f" as of {as_of.time:%Y-%m-%d}" if as_of.time else ""
    notify(f"Resolving {_count(len(spec.requirements) + len(spec.local), 'declared package')}{day}")
    with tempfile.TemporaryDirectory(dir=home.ensure(home.cache), prefix="resolving-") as work:
        solution = Compilation(spec, as_of, interpreter, Path(work), present).solve()
    packages = sum(
        line[:1].isalnum() for line in f"{solution.text.hashed}{solution.text.unhashed}".splitlines()
    )
    notify(f"Resolved {_count(packages, 'package')}{day}")
    return solution


def _exported(spec: EnvironmentSpec, lock_file: Path, interpreter: Interpreter) -> str:
    """Return the versions and hashes of the project's own lock as requirements."""
    if lock_file.name == "pylock.toml":
        from bis.environments.pyproject_file import read_toml

        return from_pylock(read_toml(lock_file))
    flags = [
        "--frozen",
        "--no-emit-project",
        "--no-dev",
        "--no-header",
        "--no-annotate",
        "--format=requirements.txt",
    ]
    project: list[str | Path] = ["--python", interpreter.path, "--directory", spec.directory]
    done = run_uv(["export", *flags, *project])
    if done.code != 0:
        raise resolution_error(spec, None, done, hidden={str(spec.directory): "."})
    return done.output


def locked_paths(
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


def unhashed_notes(unhashed: str) -> list[str]:
    """Say which locked requirements no hash holds."""
    names = [name_of(line) or line for line in unhashed.splitlines() if line[:1].isalnum()]
    return [f"not pinned by hash: {', '.join(names)}"] if names else []


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
