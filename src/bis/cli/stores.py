"""What the commands about runs begin with: the store, and the run that a word names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bis.errors import RunNotFoundError

if TYPE_CHECKING:
    from bis.home import Home
    from bis.tracking import Run, Store


def open_store() -> tuple[Home, Store]:
    """The home and the store of the caller, with the runs ended that were left behind."""
    from bis.cli.style import notifier
    from bis.home import Home
    from bis.liveness import sweep
    from bis.tracking import open_callers_store

    home = Home.locate()
    home.ensure()
    sweep(home, notify=notifier())
    return home, open_callers_store(home, notify=notifier())


def find_run(store: Store, word: str) -> Run:
    """The run that a word names: its id, the beginning of one, or ``latest``. Raises RunNotFoundError.

    A run that was made inside another is not the latest: that one is, which holds both.
    """
    if word == "latest":
        recent = store.recent_runs(1)
        if not recent:
            raise RunNotFoundError("there are no runs yet", hint="Make one:  bis run URI")
        return _outermost(store, store.run(recent[0].info.run_id))
    found = store.find_runs(word)
    if not found:
        raise RunNotFoundError(f"there is no run {word!r}", hint="See those that there are:  bis list")
    if len(found) > 1:
        raise RunNotFoundError(
            f"{word!r} is the beginning of {len(found)} runs or more",
            hint="Write more of it: " + ", ".join(info.run_id[: len(word) + 4] for info in found[:5]),
        )
    return store.run(found[0].run_id)


def _outermost(store: Store, run: Run) -> Run:
    """The run itself, or the one that it is nested under, at whatever depth."""
    from bis.tracking import tags

    seen = {run.info.run_id}
    while (parent := run.tags.get(tags.PARENT)) and parent not in seen:
        seen.add(parent)
        try:
            run = store.run(parent)
        except RunNotFoundError:  # it was removed, or is on another server
            return run
    return run
