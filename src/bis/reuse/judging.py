"""Is what a run saw still there, and did somebody see all of it? One reason against it is enough."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bis.execution.kept_artifacts import artifact_words
from bis.execution.watch.hashing import Hashes
from bis.reuse.evidence import unseen
from bis.reuse.trees import changed_code
from bis.tracking import tags
from bis.tracking.families import step_folders

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bis.home import Home
    from bis.plans import Prepared
    from bis.reuse.finding import Policy
    from bis.tracking import Run, Store

_LOOPBACK = ("127.", "localhost", "::1")
_FETCHED_SAFELY = ("runs:/",)


@dataclass(frozen=True)
class Judge:
    """One run that has the key of what was prepared."""

    run: Run
    record: Mapping[str, Any]
    prepared: Prepared
    store: Store
    home: Home
    policy: Policy

    def reason(self) -> str | None:
        """Why the run cannot be taken; None when it can."""
        hashes = Hashes(self.home)
        try:
            return next(self._reasons(hashes), None)
        finally:
            hashes.close()

    def _reasons(self, hashes: Hashes) -> Iterator[str]:
        if self.policy != "always":
            yield from self._not_pinned()
            yield from unseen(self.record, self.prepared.plan)
        yield from self._changed_code()
        yield from self._changed_inputs(hashes)
        yield from self._lost_outputs(hashes)
        if artifact_words(self.store, self.run.info.run_id) != self.run.tags.get(tags.ARTIFACTS):
            yield "its artifacts are not what they were"

    def _not_pinned(self) -> Iterator[str]:
        if self.prepared.plan.level == "observe":
            yield "at the level 'observe' random numbers are not held"
        for use in self.record.get("network") or ():
            host = str(use.get("host"))
            if not host.startswith(_LOOPBACK):
                yield f"it used the network ({host}), which may answer otherwise today"
        for name, uri in self.prepared.plan.downloads.items():
            if not uri.startswith(_FETCHED_SAFELY):
                yield f"its input {name} was fetched from {uri}, which may be another file today"

    def _changed_code(self) -> Iterator[str]:
        before, now = self.run.tags.get(tags.SOURCE_TREE), self.prepared.plan.source.tree
        if before is None or now is None:
            yield "its source has no snapshot"
        elif before != now:
            yield from changed_code(self.record, before, now, self.prepared.plan, self.home)

    def _changed_inputs(self, hashes: Hashes) -> Iterator[str]:
        for path in self.record.get("changed_while_read") or ():
            yield f"{path} changed while it read it"
        if self.record.get("files_unlisted"):
            yield "it read more files than a record lists"
        steps = self._moved_steps()
        for entry in self._files("read"):
            if entry.get("place") not in ("declared", "undeclared") or entry.get("fetched"):
                continue
            path = self._now(str(entry["path"]), steps)
            if entry.get("secret"):
                yield f"it read {path}, which looks like a secret and has no hash"
            elif not os.path.isfile(path):  # noqa: PTH113 (False where it may not be looked at)
                yield f"the input {path} is gone"
            elif not entry.get("sha256") or _sha256(hashes, path) != entry["sha256"]:
                yield f"the input {path} has changed"

    def _lost_outputs(self, hashes: Hashes) -> Iterator[str]:
        """Files that it left: in a folder of the user's they are a result too, and a later step may read them."""
        in_place = self.prepared.source.kind == "directory"
        for entry in self._files("written"):
            path = self._now(str(entry["path"]), {})
            inside = not str(entry["path"]).startswith("/")
            if (inside and not in_place) or (not inside and _is_passing(path)):
                continue
            if self.policy == "always" and not inside:
                continue
            if not entry.get("sha256") or _sha256(hashes, path) != entry["sha256"]:
                yield f"it wrote {path}, which is not there any more as it was"

    def _files(self, access: str) -> Iterator[Mapping[str, Any]]:
        for entry in self.record["files"]:
            if entry.get("access") == access:
                yield entry

    def _moved_steps(self) -> dict[str, str]:
        """The artifact directory of each earlier step, as the run had it, to the one that it would have now."""
        now = self.prepared.steps
        return {path: now[name] for name, path in step_folders(self.run).items() if name in now}

    def _now(self, path: str, steps: Mapping[str, str]) -> str:
        if not path.startswith("/"):
            return str(self.prepared.source.root / path)
        for before, now in steps.items():
            if path.startswith(before + "/"):
                return now + path[len(before) :]
        return path


def _sha256(hashes: Hashes, path: str) -> str | None:
    found = hashes.of(path)
    return None if found is None else found[0]


def _is_passing(path: str) -> bool:
    """Whether a file lies where no result is kept: temporary files, caches."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111
    return path.startswith((tempfile.gettempdir() + "/", cache + "/", "/dev/"))
