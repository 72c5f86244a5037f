"""``bis artifacts``: the files of a run, listed, downloaded, uploaded."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bis.cli.parser import RUN_HELP, Parser, command, print_help
from bis.errors import TrackingError, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from bis.tracking import FileInfo, Store


def add_commands(commands: argparse._SubParsersAction[Any]) -> None:
    """Add ``artifacts list``, ``artifacts download`` and ``artifacts upload``."""
    parser = command(
        commands,
        "artifacts",
        print_help,
        help="list, download and upload the files of a run",
        description="The files that a run has kept, in bis's store or on the server in MLFLOW_TRACKING_URI.",
        example="  bis artifacts list latest\n  bis artifacts download latest model --to ./here",
    )
    actions = parser.add_subparsers(metavar="ACTION", title="actions", parser_class=Parser)
    listing = command(
        actions,
        "list",
        list_artifacts,
        help="list them, with their sizes",
        description="List the files of a run, at any depth, with their sizes.",
        example="  bis artifacts list latest model",
    )
    _add_run_and_path(listing, "only what is in this directory")
    downloading = command(
        actions,
        "download",
        download,
        help="copy files to this disk",
        description="Copy a file of a run, a directory of them, or all of them to this disk.",
        example="  bis artifacts download latest model/MLmodel --to /tmp",
    )
    _add_run_and_path(downloading, "a file, or a directory (default: all)")
    downloading.add_argument(
        "--to", metavar="DIR", default=".", help="the directory to copy into (default: this one)"
    )
    downloading.add_argument("--force", action="store_true", help="replace files that are there")
    uploading = command(
        actions,
        "upload",
        upload,
        help="add files to a run",
        description="Add a file, or what a directory holds, to the files of a run.",
        example="  bis artifacts upload latest plot.png\n  bis artifacts upload latest ./plots figures",
    )
    uploading.add_argument("run", metavar="RUN", help=RUN_HELP)
    uploading.add_argument("local", metavar="FILE", help="a file or a directory on this disk")
    uploading.add_argument("path", metavar="PATH", nargs="?", help="the directory of the run to put it in")
    uploading.add_argument("--json", action="store_true", help="print JSON")


def _add_run_and_path(parser: argparse.ArgumentParser, about_path: str) -> None:
    parser.add_argument("run", metavar="RUN", help=RUN_HELP)
    parser.add_argument("path", metavar="PATH", nargs="?", default="", help=about_path)
    parser.add_argument("--json", action="store_true", help="print JSON")


def list_artifacts(args: argparse.Namespace) -> int:
    """Print one line a file."""
    from bis.cli.stores import find_run, open_store
    from bis.cli.style import Style, print_json, size, table

    _, store = open_store()
    run_id = find_run(store, args.run).info.run_id
    found = list(_files(store, run_id, args.path))
    if not found and args.path:
        raise _nothing(run_id, args.path)
    if args.json:
        print_json([{"path": file.path, "size_bytes": file.size_bytes} for file in found])
    elif not found:
        print(f"run {run_id[:8]} has no artifacts", file=sys.stderr)
    else:
        rows = [[size(file.size_bytes or 0), file.path] for file in found]
        print(table(["SIZE", "PATH"], rows, Style(sys.stdout)))
    return 0


def download(args: argparse.Namespace) -> int:
    """Copy files here."""
    from bis.cli.stores import find_run, open_store
    from bis.cli.style import counted, print_json, size

    _, store = open_store()
    run_id, place = find_run(store, args.run).info.run_id, Path(args.to)
    if place.exists() and not place.is_dir():
        raise UsageError(f"--to {args.to} is no directory", hint="Name the directory to copy into.")
    found = list(_files(store, run_id, args.path))
    if not found:
        raise _nothing(run_id, args.path)
    there = [place / file.path for file in found if (place / file.path).exists()]
    if there and not args.force:
        raise UsageError(f"{there[0]} is there already", hint="Give --force to replace it, or another --to.")
    for file in found:
        store.download_artifacts(run_id, file.path, place)
    files = [
        {"path": file.path, "file": str(place / file.path), "size_bytes": file.size_bytes} for file in found
    ]
    if args.json:
        print_json({"run_id": run_id, "files": files})
        return 0
    total = sum(file.size_bytes or 0 for file in found)
    where = place / found[0].path if len(found) == 1 else place / args.path
    print(f"{counted(len(found), 'file')}, {size(total)}, in {where}")
    return 0


def upload(args: argparse.Namespace) -> int:
    """Add files to the run."""
    from bis.cli.stores import find_run, open_store
    from bis.cli.style import counted, print_json, size
    from bis.tracking.artifact_store import local_files

    _, store = open_store()
    run_id, local = find_run(store, args.run).info.run_id, Path(args.local)
    found = local_files(local)
    if not found:
        raise UsageError(f"there are no files in {local}")
    store.log_artifact(run_id, local, args.path)
    total = sum(file.stat().st_size for file, _ in found)
    if args.json:
        print_json({"run_id": run_id, "path": args.path or "", "files": len(found), "size_bytes": total})
        return 0
    below = f", below {args.path}" if args.path else ""
    print(f"{counted(len(found), 'file')}, {size(total)}, added to run {run_id[:8]}{below}")
    return 0


def _files(store: Store, run_id: str, path: str) -> Iterator[FileInfo]:
    """The file at ``path``, or all files below it, by name."""
    from bis.tracking.artifact_reading import artifact_files

    if path and not store.list_artifacts(run_id, path):
        parent = path.rstrip("/").rpartition("/")[0]
        yield from [
            file for file in store.list_artifacts(run_id, parent) if file.path == path and not file.is_dir
        ]
    yield from artifact_files(store, run_id, path)


def _nothing(run_id: str, path: str) -> TrackingError:
    what = f"no artifact {path!r}" if path else "no artifacts"
    return TrackingError(
        f"run {run_id[:8]} has {what}", hint=f"See those that it has:  bis artifacts list {run_id[:8]}"
    )
