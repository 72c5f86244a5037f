"""Why two runs may differ: their records compared layer by layer, the most telling first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bis.errors import SourceError
from bis.execution.enclosing import is_nested_bis
from bis.repeat.comparison.verdicts import Verdict
from bis.repeat.layers import layers_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bis.home import Home
    from bis.repeat.comparison.verdicts import Comparison
    from bis.repeat.layers import Facts, Layer
    from bis.repeat.recorded import RecordedRun
    from bis.sources.differences import FileDifference

NOT_DETERMINISTIC = "not deterministic"
UNSEEN = "something unseen changed"
UNDECIDED = "nothing recorded differs"
NOT_RECORDED = "not recorded"
LEFTOVERS = "outputs left in the source"

_SCANNED = ("*.py", "*.ipynb", "*.R", "*.sh")
_CLOCK_AND_CHANCE = (
    r"time\.time(_ns)?\(|datetime\.(now|utcnow|today)\(|date\.today\(|Sys\.time\("
    r"|os\.urandom\(|SystemRandom\(|secrets\.|uuid[14]\(|getpid\("
)
_NAMED = 4


@dataclass(frozen=True)
class Change:
    """One fact that is not the same; ``text`` is a unified diff, or what else there is to say."""

    name: str
    first: str | None
    second: str | None
    text: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The change as JSON types."""
        return {"name": self.name, "first": self.first, "second": self.second, "text": self.text}


@dataclass(frozen=True)
class Cause:
    """A layer in which two runs differ, or what is to be said when there is none."""

    layer: str
    """A name of ``layers.LAYERS``, or one of the four constants above."""
    what: str
    detail: str
    changes: tuple[Change, ...] = ()
    first_digest: str | None = None
    second_digest: str | None = None
    restored_by: tuple[str, ...] = ()
    """The layers of a Plan that put it back."""

    def __str__(self) -> str:
        return f"{self.layer}: {self.detail}"

    def to_dict(self) -> dict[str, Any]:
        """The cause as JSON types."""
        return {
            "layer": self.layer,
            "what": self.what,
            "detail": self.detail,
            "changes": [change.to_dict() for change in self.changes],
            "first_digest": self.first_digest,
            "second_digest": self.second_digest,
            "restored_by": list(self.restored_by),
        }


def causes(
    first: RecordedRun,
    second: RecordedRun,
    *,
    comparison: Comparison | None = None,
    repeat: Comparison | None = None,
    home: Home | None = None,
) -> list[Cause]:
    """The layers in which the two runs differ, and then what was not recorded of either.

    When no layer differs and the results do (``comparison`` says so, or is not given), ``repeat`` has the last word:
    the comparison of two executions with the same inputs. They differ too, so the run is not deterministic; or they
    do not, so something changed that nobody recorded. With ``home`` the source is compared file by file.
    """
    pairs = list(zip(layers_of(first), layers_of(second), strict=True))
    found = [_difference(one, other) for one, other in pairs if _differ(one, other)]
    if home is not None:
        leftovers = _leftovers(first, second)
        found = [_with_files(cause, home, leftovers) if cause.layer == "source" else cause for cause in found]
        found.sort(key=_is_leftover)  # the order of the rest stays
    if not _decisive(found) and (comparison is None or comparison.verdict > Verdict.CLOSE):
        found.append(_unexplained(first, second, repeat, home))
    unknown = [one.title for one, other in pairs if one.facts is None or other.facts is None]
    if unknown:
        found.append(_not_recorded(first, second, unknown))
    return found


def _differ(one: Layer, other: Layer) -> bool:
    return None not in (one.facts, other.facts) and one.digest != other.digest


def _decisive(found: list[Cause]) -> bool:
    """Whether a layer differs that can decide a result: the release of the kernel or an old output does not."""
    return any(cause.layer != "host" and not _is_leftover(cause) for cause in found)


def _is_leftover(cause: Cause) -> bool:
    return cause.layer == "source" and cause.what == LEFTOVERS


def _leftovers(first: RecordedRun, second: RecordedRun) -> frozenset[str]:
    """The files that one of the runs wrote and none was seen to read: what a run leaves in a working tree.

    The snapshot of the next run holds them, but they are a result of the first and no cause.
    """
    written, read = set[str](), set[str]()
    for recorded in (first, second):
        written |= {file.path for file in recorded.output_files}
        entries = (recorded.record or {}).get("files") or ()
        read |= {recorded.relative(str(each["path"])) for each in entries if each.get("access") == "read"}
    return frozenset(written - read)


def _difference(one: Layer, other: Layer) -> Cause:
    changes = tuple(_changes(one.facts or {}, other.facts or {}))
    return Cause(
        one.name, one.title, _detail(changes), changes, one.digest, other.digest, restored_by=one.restored_by
    )


def _changes(ones: Facts, others: Facts) -> Iterable[Change]:
    names = [*ones, *(name for name in others if name not in ones)]
    found = [
        Change(name, ones.get(name), others.get(name)) for name in names if ones.get(name) != others.get(name)
    ]
    if len(found) > 1:  # the digest of all says nothing more once they are named
        found = [change for change in found if change.name != "files of the packages"]
    return sorted(found, key=lambda change: change.first is None or change.second is None)


def _detail(changes: tuple[Change, ...]) -> str:
    words = [_words(change) for change in changes[:_NAMED]]
    if len(changes) > _NAMED:
        words.append(f"and {len(changes) - _NAMED} more")
    return ", ".join(words)


def _words(change: Change) -> str:
    if change.first is None:
        return f"{change.name} only in the second ({_short(change.second)})"
    if change.second is None:
        return f"{change.name} only in the first ({_short(change.first)})"
    return f"{change.name}: {_short(change.first)} → {_short(change.second)}"


def _short(text: str | None) -> str:
    text = text or ""
    return text if len(text) <= 60 else text[:59] + "…"


def _with_files(cause: Cause, home: Home, leftovers: frozenset[str]) -> Cause:
    """The cause with a change for each file, and its diff; as it was when a snapshot is not here.

    ``leftovers`` come last, and alone they make it a cause that decides nothing.
    """
    from bis.sources.differences import diff_trees

    trees = next((change for change in cause.changes if change.name == "tree"), None)
    if trees is None or trees.first is None or trees.second is None:
        return cause
    try:
        files = diff_trees(home, trees.first, trees.second)
    except SourceError as error:
        return replace(cause, detail=f"{cause.detail} ({error.message})")
    files.sort(key=lambda file: file.path in leftovers)
    changes = tuple(Change(file.path, file.first, file.second, file.patch) for file in files)
    words = [f"{file.path} {_change_words(file, leftovers)}" for file in files[:_NAMED]]
    if len(files) > _NAMED:
        words.append(f"and {len(files) - _NAMED} more files")
    rest = tuple(change for change in cause.changes if change.name != "tree")
    what = LEFTOVERS if not rest and all(file.path in leftovers for file in files) else cause.what
    return replace(
        cause, what=what, detail=", ".join([*words, *map(_words, rest)]), changes=(*changes, *rest)
    )


def _change_words(file: FileDifference, leftovers: frozenset[str]) -> str:
    return (
        f"{file.change} (an output, which no run was seen to read)" if file.path in leftovers else file.change
    )


def _unexplained(
    first: RecordedRun, second: RecordedRun, repeat: Comparison | None, home: Home | None
) -> Cause:
    suspects = tuple(_suspects(first, second, home))
    seen = f"; seen: {', '.join(change.text for change in suspects[:_NAMED])}" if suspects else ""
    if repeat is None:
        detail = f"two runs with the same inputs would tell chance from an unseen change{seen}"
        return Cause(UNDECIDED, "no layer differs", detail, suspects)
    if repeat.verdict > Verdict.CLOSE:
        return Cause(
            NOT_DETERMINISTIC, "the same inputs give other results", f"repeated, it differs{seen}", suspects
        )
    detail = "repeated, it gives the same result each time: the two runs were given something else"
    return Cause(UNSEEN, "no layer differs", detail + seen, suspects)


def _suspects(first: RecordedRun, second: RecordedRun, home: Home | None) -> Iterable[Change]:
    """The usual reasons that were seen in either run: threads, GPU kernels, time, chance, the network."""
    seen: dict[tuple[str, str], None] = {}
    for recorded in (first, second):
        record = recorded.record or {}
        for each in record.get("suspects") or ():
            seen[str(each.get("kind")), str(each.get("detail"))] = None
        for path in record.get("changed_while_read") or ():
            seen["input", f"{path} changed while it was read"] = None
        for entry in record.get("network") or ():
            seen["network", f"data from {entry.get('host')}"] = None
        for entry in record.get("processes") or ():
            argv = entry.get("argv") or [""]
            if not entry.get("probed") and "python" in argv[0] and not is_nested_bis(argv):
                seen["not seeded", f"{' '.join(argv[:3])}: {entry.get('why_not')}"] = None
    if home is not None:
        for detail in _clock_and_chance(first, home):
            seen["clock or chance", detail] = None
    days = {_day(recorded) for recorded in (first, second)}
    if len(days) > 1:
        seen["clock", f"the runs are of {' and '.join(sorted(days))} (UTC)"] = None
    return [Change(kind, None, None, detail) for kind, detail in seen]


def _clock_and_chance(recorded: RecordedRun, home: Home) -> list[str]:
    """The lines of the source that ask for the time, or for random numbers that no seed decides."""
    from bis.sources.differences import find_lines

    tree = (recorded.plan_document.get("source") or {}).get("tree")
    if not tree:
        return []
    lines = find_lines(home, str(tree), _CLOCK_AND_CHANCE, files=_SCANNED, most=10)
    return [f"{path}:{number} {_short(text)}" for path, number, text in lines]


def _day(recorded: RecordedRun) -> str:
    import time

    return time.strftime("%Y-%m-%d", time.gmtime(recorded.run.info.start_time / 1000))


def _not_recorded(first: RecordedRun, second: RecordedRun, unknown: list[str]) -> Cause:
    without = [run.run_id[:8] for run in (first, second) if not run.plan_document]
    why = f"; {' and '.join(without)} was not made by bis run" if without else ""
    return Cause(NOT_RECORDED, "cannot be compared", f"{', '.join(unknown)}{why}")
