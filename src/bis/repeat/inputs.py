"""The inputs of a run: are the files that it read, and that are in no snapshot, still what they were?"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bis.errors import NotRepeatableError
from bis.file_digests import sha256_of
from bis.repeat.capsule import packed_input
from bis.tracking.families import step_folders

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bis.plans import Plan
    from bis.repeat.recorded import RecordedRun
    from bis.tracking import Store

_INPUT_PLACES = ("declared", "undeclared")


def by_parameter(plan: Plan, given: Mapping[str, str]) -> dict[str, str]:
    """``given`` with the name of the parameter for an input that the user named by the path that it had."""
    names = {path: name for name, path in plan.local.items()}
    return {names.get(key, key): path for key, path in given.items()}


def packed_inputs(
    original: RecordedRun, plan: Plan, given: Mapping[str, str], *, store: Store, directory: Path
) -> dict[str, str]:
    """Path parameters whose file is not here and came in the run's capsule: name to where it is brought."""
    found = {}
    for name, path in plan.local.items():
        entry = next((each for each in _inputs(original) if each["path"] == path), None)
        if name in given or name in plan.in_tree or entry is None or os.path.exists(path):  # noqa: PTH110
            continue
        packed = _unpacked(original, entry, store, directory / name)
        if packed is not None:
            found[name] = str(packed)
    return found


def inputs_inside(
    original: RecordedRun,
    plan: Plan,
    given: Mapping[str, str],
    *,
    root: Path | None,
    store: Store,
    directory: Path,
) -> dict[str, Path]:
    """The inputs that lay in the source and are in no snapshot, because Git ignores them: where each is now.

    The path from the top of the source, to what the user has ``given``, what still lies below ``root``, or what came
    in the run's capsule, which is brought below ``directory``; a path that is not there, where it is nowhere.
    """
    found: dict[str, Path] = {}
    moved_to = {plan.in_tree[name]: path for name, path in given.items() if name in plan.in_tree}
    for entry in _inputs(original):
        path = str(entry["path"])
        if path.startswith("/"):
            continue
        named = given.get(path) or _moved(path, moved_to)
        here = Path(named) if named else root / path if root else None
        if here is None or not _is_file(here):
            here = _unpacked(original, entry, store, directory / str(len(found))) or here
        found[path] = here or Path(path)
    return found


def to_be_placed(
    original: RecordedRun, plan: Plan, given: Mapping[str, str], inside: Mapping[str, Path]
) -> dict[str, Path]:
    """Those of ``inside`` that the command finds at no other path: what a path parameter names is passed as it lies."""
    passed = set()
    for entry in _inputs(original):
        name = str(entry.get("parameter"))
        if name in plan.local and (name in given or os.path.exists(plan.local[name])):  # noqa: PTH110
            passed.add(str(entry["path"]))
    return {path: now for path, now in inside.items() if path not in passed and _is_file(now)}


def check_inputs(
    original: RecordedRun,
    plan: Plan,
    given: Mapping[str, str],
    inside: Mapping[str, Path],
    *,
    allow_changed: bool,
) -> tuple[str, ...]:
    """What is not what it was: one line for each input that is missing or has another content.

    ``given`` says where inputs lie now, ``inside`` where those of the source do. Raises NotRepeatableError for the
    first, unless changed inputs are allowed. One that changed while the run read it has no content to be held against:
    it is named, and stops nothing.
    """
    changed = tuple(_changes(original, plan, given, inside))
    if changed and not allow_changed:
        more = f" (and {len(changed) - 1} more)" if len(changed) > 1 else ""
        raise NotRepeatableError(
            f"run {original.run_id[:8]} would not have its inputs: {changed[0]}{more}",
            hint="Say where an input lies now with --input PATH=NEW_PATH, or run with --allow-changed-inputs.",
        )
    return (*changed, *_uncertain(original))


def _uncertain(original: RecordedRun) -> Iterator[str]:
    for path in (original.record or {}).get("changed_while_read") or ():
        yield f"{path} changed while run {original.run_id[:8]} read it: what it read is not known"


def _changes(
    original: RecordedRun, plan: Plan, given: Mapping[str, str], inside: Mapping[str, Path]
) -> Iterator[str]:
    by_path = {plan.local[name]: path for name, path in given.items() if name in plan.local}
    for entry in _inputs(original):
        recorded = str(entry["path"])
        path = inside.get(recorded) or Path(_moved(recorded, by_path) or recorded)
        if not _is_file(path) and recorded in given:
            yield f"{path} is missing, and the code opens it by that name: put the file there"
        elif not _is_file(path):
            yield f"{path} is missing"
        elif entry.get("sha256") and sha256_of(path) != entry["sha256"]:
            yield f"{path} has changed"


def _inputs(original: RecordedRun) -> Iterator[Mapping[str, Any]]:
    """The recorded inputs, but for those that are downloaded or made by an earlier step again."""
    made = tuple(f"{folder}/" for folder in step_folders(original.run).values())
    for entry in (original.record or {}).get("files") or ():
        is_input = entry.get("access") == "read" and entry.get("place") in _INPUT_PLACES
        if is_input and not entry.get("fetched") and not str(entry["path"]).startswith(made):
            yield entry


def is_of_step(original: RecordedRun, path: str) -> bool:
    """Whether a path of a step was one of the artifacts of the steps before it."""
    return any(path == each or path.startswith(f"{each}/") for each in step_folders(original.run).values())


def _unpacked(original: RecordedRun, entry: Mapping[str, Any], store: Store, directory: Path) -> Path | None:
    """The input from the run's capsule, below ``directory`` and under its own name; None when it did not come in it."""
    sha256 = entry.get("sha256")
    if not sha256:
        return None
    directory.mkdir(parents=True, exist_ok=True)
    packed = packed_input(store, original.run_id, str(sha256), directory)
    return None if packed is None else packed.rename(packed.with_name(Path(str(entry["path"])).name))


def _is_file(path: Path) -> bool:
    """Also False in a folder that this user may not look into, where ``Path.is_file`` raises."""
    return os.path.isfile(path)  # noqa: PTH113


def _moved(recorded: str, by_path: Mapping[str, str]) -> str | None:
    """Where a file lies now that was in a directory which the user has named."""
    for old, new in by_path.items():
        if recorded == old:
            return new
        if recorded.startswith(old.rstrip("/") + "/"):
            return new + recorded[len(old.rstrip("/")) :]
    return None
