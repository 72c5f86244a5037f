"""The inputs of a run: are the files that it read, and that are in no snapshot, still what they were?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bis.errors import NotRepeatableError
from bis.repeat.capsule import packed_input

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bis.plans import Plan
    from bis.repeat.recorded import RecordedRun
    from bis.tracking import Store

_INPUT_PLACES = ("declared", "undeclared")


def packed_inputs(
    original: RecordedRun, plan: Plan, given: Mapping[str, str], *, store: Store, directory: Path
) -> dict[str, str]:
    """Path parameters whose file is not here and came in the run's capsule: name to where it is brought."""
    found = {}
    for name, path in plan.local.items():
        entry = next((each for each in _inputs(original) if each["path"] == path), None)
        if name in given or name in plan.in_tree or entry is None or Path(path).exists():
            continue
        target = directory / name
        target.mkdir(parents=True, exist_ok=True)
        packed = packed_input(store, original.run_id, str(entry.get("sha256")), target)
        if packed is not None:
            named = packed.with_name(Path(path).name)
            packed.rename(named)
            found[name] = str(named)
    return found


def check_inputs(
    original: RecordedRun, plan: Plan, given: Mapping[str, str], *, allow_changed: bool
) -> tuple[str, ...]:
    """What is not what it was: one line for each input that is missing or has another content.

    ``given`` says where inputs lie now. Raises NotRepeatableError for the first, unless changed inputs are allowed.
    """
    changed = tuple(_changes(original, plan, given))
    if changed and not allow_changed:
        more = f" (and {len(changed) - 1} more)" if len(changed) > 1 else ""
        raise NotRepeatableError(
            f"run {original.run_id[:8]} would not have its inputs: {changed[0]}{more}",
            hint="Say where an input lies now with --input PATH=NEW_PATH, or run with --allow-changed-inputs.",
        )
    return changed


def _changes(original: RecordedRun, plan: Plan, given: Mapping[str, str]) -> Iterator[str]:
    by_path = {plan.local[name]: path for name, path in given.items() if name in plan.local}
    for entry in _inputs(original):
        recorded = str(entry["path"])
        path = Path(given.get(recorded) or _moved(recorded, by_path) or recorded)
        if not path.is_file():
            yield f"{path} is missing"
        elif entry.get("sha256") and _sha256(path) != entry["sha256"]:
            yield f"{path} has changed"


def _inputs(original: RecordedRun) -> Iterator[Mapping[str, Any]]:
    """The recorded inputs, but for those that were downloaded for the run alone and are fetched again."""
    for entry in (original.record or {}).get("files") or ():
        if entry.get("access") == "read" and entry.get("place") in _INPUT_PLACES and not entry.get("fetched"):
            yield entry


def _moved(recorded: str, by_path: Mapping[str, str]) -> str | None:
    """Where a file lies now that was in a directory which the user has named."""
    for old, new in by_path.items():
        if recorded == old:
            return new
        if recorded.startswith(old.rstrip("/") + "/"):
            return new + recorded[len(old.rstrip("/")) :]
    return None


def _sha256(path: Path) -> str:
    import hashlib

    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
