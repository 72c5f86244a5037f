"""``bis export`` and ``bis import``: a run as one file."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from bis.cli import mlflow_import
from bis.cli.parser import RUN_HELP, command

if TYPE_CHECKING:
    import argparse

_EXPORT = """\
Pack a run as one zip, from which it can be executed again on a machine that never
saw it: source, plan, lock, record, parameters, metrics, tags and artifacts. It is
a Process Run Crate (RO-Crate), and the source in it is a zip of its own.
Inputs from outside the project stay out, unless they are asked for."""

_IMPORT = """\
Take in the run of a capsule. All its digests are checked first, and nothing of it
is executed. Code that came from elsewhere is executed by bis rerun only once you
have said yes: then, or here with --yes."""


def add_commands(commands: argparse._SubParsersAction[Any]) -> None:
    """Add ``export`` and ``import``."""
    exporting = command(
        commands,
        "export",
        export,
        help="pack a run as one file",
        description=_EXPORT,
        example="  bis export latest run.zip\n  bis export 3fa9 run.zip --with-inputs",
    )
    exporting.add_argument("run", metavar="RUN", help=RUN_HELP)
    exporting.add_argument("file", metavar="FILE", help="the file to write, as run.zip")
    exporting.add_argument(
        "--with-inputs",
        action="store_true",
        help="pack the files that the run read from outside the project, too",
    )
    exporting.add_argument(
        "--max-file-size",
        metavar="SIZE",
        default="50M",
        help="larger artifacts are packed by their digest only, as 200K, 50M or 2G (default: 50M)",
    )
    exporting.add_argument(
        "--alone", action="store_true", help="leave out the runs inside it, as the steps of a pipeline"
    )
    exporting.add_argument("--force", action="store_true", help="replace the file when it is there")
    exporting.add_argument("--json", action="store_true", help="print JSON")
    importing = command(
        commands,
        "import",
        import_,
        help="take in the run of a capsule, or what MLflow has kept",
        description=f"{_IMPORT}\n\n{mlflow_import.DESCRIPTION}",
        example="  bis import run.zip\n  bis rerun 3fa9\n\n  bis import mlflow ./mlruns",
    )
    importing.add_argument(
        "file",
        metavar="FILE",
        help="a capsule, as bis export wrote it; or the word mlflow, with SOURCE behind it",
    )
    importing.add_argument(
        "--yes", action="store_true", help="say that the code of the capsule may be executed here"
    )
    importing.add_argument("--json", action="store_true", help="print JSON")
    mlflow_import.add_arguments(importing)


def export(args: argparse.Namespace) -> int:
    """Write the capsule of a run."""
    from pathlib import Path

    from bis.cli.stores import find_run, open_store
    from bis.cli.style import counted, notifier, print_json, size
    from bis.repeat.capsule import export_capsule
    from bis.sources.large_files import read_size

    limit_bytes = read_size("--max-file-size", args.max_file_size)
    home, store = open_store()
    exported = export_capsule(
        store,
        home,
        find_run(store, args.run).info.run_id,
        Path(args.file),
        notify=notifier(),
        with_inputs=args.with_inputs,
        alone=args.alone,
        max_file_bytes=limit_bytes,
        replace=args.force,
    )
    if args.json:
        print_json(
            {
                "run_id": exported.run_id,
                "file": str(exported.file),
                "size_bytes": exported.size_bytes,
                "files": [file.path for file in exported.files],
                "absent": [file.path for file in exported.absent],
                "can_be_executed": exported.can_be_executed,
                "inside": exported.inside,
            }
        )
        return 0
    for file in exported.absent:
        print(f"by its digest only: {file.path}, {size(file.size_bytes)}", file=sys.stderr)
    inside = f" and {counted(exported.inside, 'run')} inside it" if exported.inside else ""
    print(f"Packed run {exported.run_id[:8]}{inside} in {exported.file}, {size(exported.size_bytes)}")
    return 0


def import_(args: argparse.Namespace) -> int:
    """Take in a capsule, or what MLflow has kept."""
    if args.file == "mlflow":
        return mlflow_import.import_from_mlflow(args)
    mlflow_import.refuse_arguments(args)
    from pathlib import Path

    from bis.cli.style import counted, print_json
    from bis.home import Home
    from bis.repeat.capsule import import_capsule

    home = Home.locate()
    home.ensure()
    imported = import_capsule(home, Path(args.file), trusted=args.yes)
    if args.json:
        print_json(
            {
                "run_id": imported.run_id,
                "original_run_id": imported.original_run_id,
                "tree": imported.tree,
                "plan_digest": imported.plan.digest if imported.plan else None,
                "must_consent": imported.must_consent,
                "was_here": imported.was_here,
                "inside": imported.inside,
            }
        )
        return 0
    short = imported.run_id[:8]
    inside = f", and {counted(imported.inside, 'run')} inside it" if imported.inside else ""
    print(
        f"The capsule is whole; its run was here already: {short}"
        if imported.was_here
        else f"Run {short} is here{inside}"
    )
    if imported.plan is not None or (imported.is_pipeline and imported.inside):
        print(f"Look at it:       bis show {short}\nExecute it again: bis rerun {short}")
    elif imported.is_pipeline:
        print(
            f"Look at it:       bis show {short}\nExecute it again: bis rerun {short}  (when its steps are here too)"
        )
    else:
        print(f"Look at it: bis show {short}  (it has no plan, so it cannot be executed again)")
    return 0
