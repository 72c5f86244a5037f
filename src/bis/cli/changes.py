"""``bis diff RUN``: how the source of one run differs from its commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bis.errors import NotRepeatableError, UsageError
from bis.execution.attached_source import CHANGES

if TYPE_CHECKING:
    import argparse

    from bis.home import Home
    from bis.repeat.recorded import RecordedRun
    from bis.tracking import Store

_PATCH = f"bis/{CHANGES}"
"""The artifact that has the changes where the home has no snapshot: of a run on a server, or from a capsule."""


def print_changes(args: argparse.Namespace, home: Home, store: Store) -> int:
    """Print the uncommitted changes with which a run was made; 1 when there are some, 0 when there are none."""
    from bis.cli.stores import find_run
    from bis.cli.style import print_json
    from bis.repeat.recorded import RecordedRun

    if args.repeat or args.report:
        option = "--repeat" if args.repeat else "--report"
        raise UsageError(f"{option} needs two runs", hint="bis diff RUN RUN compares them.")
    with RecordedRun.load(store, find_run(store, args.first).info.run_id) as run:
        source = run.plan_document.get("source") or {}
        commit = source.get("commit")
        patch = _changes(run, source, home) if commit else None
    if args.json:
        print_json({"run": run.run_id, "commit": commit, "tree": source.get("tree"), "changes": patch})
    elif not commit:
        print(f"run {run.run_id[:8]} was made from no commit; compare it with another: bis diff RUN RUN")
    elif not patch:
        print(f"run {run.run_id[:8]} was made from commit {commit[:10]}, without a change")
    else:
        print(f"commit {commit}, and what was changed in run {run.run_id[:8]}:\n\n{patch}", end="")
    return 1 if patch else 0


def _changes(run: RecordedRun, source: dict[str, Any], home: Home) -> str:
    """The patch; empty for a clean tree."""
    from bis.sources.bases import read_changes

    if not source.get("dirty"):
        return ""
    if _PATCH in run.own:
        with run.own[_PATCH].open() as file:
            return file.read().decode("utf-8", "replace")
    patch = read_changes(home, str(source["commit"]), str(source["tree"]))
    if patch is None:
        raise NotRepeatableError(
            f"the changes of run {run.run_id[:8]} cannot be read: commit {source['commit'][:10]} is not kept",
            hint="A capsule of the run has them: bis import FILE.zip",
        )
    return patch
