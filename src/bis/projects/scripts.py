"""Scripts as entry points: a ``.py``, ``.sh`` or ``.R`` file named in place of an entry point."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from bis.errors import ProjectError
from bis.projects.entry_points import EntryPoint
from bis.projects.quoting import quote

SUFFIXES = (".py", ".sh", ".R")


def script_entry_point(directory: Path, name: str) -> EntryPoint | None:
    """The entry point that runs the script ``name``; None when no such script is there.

    Raises ProjectError for a path that leaves the project directory.
    """
    suffix = PurePosixPath(name).suffix
    if suffix not in SUFFIXES:
        return None
    script = directory / name
    if not script.resolve().is_relative_to(directory.resolve()):
        raise ProjectError(
            f"the script {name!r} lies outside of the project directory",
            hint="Name a script inside of it, relative to it.",
        )
    if not script.is_file():
        return None
    path = f"./{name}" if name.startswith("-") else name  # else python would read an option
    command = _command(suffix, path).replace("{", "{{").replace("}", "}}")
    return EntryPoint(name, command, (), directory)


def scripts_in(directory: Path) -> list[str]:
    """The scripts of the directory itself, sorted."""
    return sorted(path.name for path in directory.iterdir() if path.suffix in SUFFIXES and path.is_file())


def _command(suffix: str, path: str) -> str:
    if suffix == ".py":
        return f"python {quote(path)}"
    if suffix == ".sh":
        return f"bash {quote(path)}"  # not $SHELL, which MLflow takes: a script is to run alike for everyone
    literal = path.replace("\\", "\\\\").replace("'", "\\'")
    call = f"mlflow::mlflow_source('{literal}')"
    for special in ("\\", '"', "$", "`"):
        call = call.replace(special, f"\\{special}")
    return f'Rscript -e "{call}" --args'
