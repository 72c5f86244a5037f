"""Runs inside runs: the children of one, by MLflow's own tag."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bis.errors import TrackingError
from bis.tracking.model import all_items
from bis.tracking.tags import CALL, PARENT, REUSED, STEP, STEPS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bis.tracking.model import Run
    from bis.tracking.store import Store


_MOST_DEEP = 50


def children(store: Store, run_id: str) -> list[Run]:
    """The runs that were begun inside ``run_id``, the earliest first."""
    inside = f"tags.`{PARENT}` = '{run_id}'"
    order = ("attributes.start_time ASC",)
    return list(all_items(lambda token: store.search_runs(filter=inside, order_by=order, page_token=token)))


@dataclass(frozen=True)
class Family:
    """A run and the runs inside it. ``label`` is the step or the call that it was; ``taken``: it was reused."""

    run: Run
    children: tuple[Family, ...] = ()
    label: str = ""
    taken: bool = False

    def descendants(self) -> Iterator[Family]:
        """The runs inside it, each before its own."""
        for child in self.children:
            yield child
            yield from child.descendants()


def family(store: Store, run: Run) -> Family:
    """The run with all runs inside it, in the order in which they were begun."""
    return _family(store, run, frozenset())


def _family(store: Store, run: Run, above: frozenset[str], label: str = "") -> Family:
    run_id = run.info.run_id
    if run_id in above or len(above) >= _MOST_DEEP:  # a tag that somebody set by hand may make a circle
        return Family(run, label=label)
    within = above | {run_id}
    found = [_family(store, child, within, label_of(child)) for child in children(store, run_id)]
    for key, taken_id in run.tags.items():
        if key.startswith(REUSED):
            try:
                other = store.run(taken_id)
            except TrackingError:  # it was deleted since
                continue
            found.append(Family(other, label=key.removeprefix(REUSED), taken=True))
    return Family(run, tuple(found), label)


def label_of(run: Run) -> str:
    """What a run was inside its parent: a step, a call of a script, else its entry point."""
    tags = run.tags
    return tags.get(STEP) or tags.get(CALL) or tags.get("mlflow.project.entryPoint", "")


def step_folders(run: Run) -> dict[str, str]:
    """The artifact directory of each earlier step of a pipeline, by name, as the run of a step had it."""
    try:
        found = json.loads(run.tags.get(STEPS, "{}"))
    except ValueError:
        return {}
    return {name: str(path) for name, path in found.items()} if isinstance(found, dict) else {}
