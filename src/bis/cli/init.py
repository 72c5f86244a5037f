"""``bis init``: a new project that runs as it is."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bis.cli.parser import command
from bis.errors import UsageError

if TYPE_CHECKING:
    import argparse

TUTORIAL = Path(__file__).parent / "tutorial"
"""The project that is copied: the one of the documentation's tutorial."""

_DESCRIPTION = """\
Make a new project: MLproject, conda.yaml, train.py and data/, ready to run.
Nothing that is there is overwritten."""


def add_commands(commands: argparse._SubParsersAction[Any]) -> None:
    """Add ``init``."""
    parser = command(
        commands,
        "init",
        run,
        help="make a new project",
        description=_DESCRIPTION,
        example="  bis init demo && bis run demo",
    )
    parser.add_argument("directory", metavar="DIR", help="the project's folder, made when absent")
    parser.add_argument("--json", action="store_true", help="print what was made as JSON")


def run(args: argparse.Namespace) -> int:
    """Copy the tutorial project."""
    if not args.directory:
        raise UsageError("the folder has no name", hint="Name one: bis init demo")
    directory = Path(args.directory)
    made = copy_tutorial(directory)
    if args.json:
        from bis.cli.style import print_json

        print_json({"directory": str(directory.absolute()), "files": made})
    else:
        shown = shlex.quote(args.directory)
        print(f"Made {len(made)} files in {args.directory}: {', '.join(made)}")
        print(f"Run it:  bis run {shown} -P num_epochs=20")
    return 0


def copy_tutorial(directory: Path) -> list[str]:
    """Copy the files of the tutorial project; returns their names. Raises UsageError before anything is written."""
    files = sorted(path for path in TUTORIAL.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    names = [path.relative_to(TUTORIAL) for path in files]
    for name in names:
        if (directory / name).exists():
            raise UsageError(
                f"{directory / name} is there already", hint="Name a new folder; nothing is overwritten."
            )
    try:
        for source, name in zip(files, names, strict=True):
            target = directory / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    except OSError as error:
        raise UsageError(f"cannot write {directory}: {error.strerror}") from error
    return [name.as_posix() for name in names]
