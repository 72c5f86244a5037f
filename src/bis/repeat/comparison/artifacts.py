"""Artifacts and output files: by their bytes, and by what their format means where the bytes differ."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from bis.file_digests import sha256_of_stream
from bis.repeat.comparison.formats import LARGEST_BYTES, compare_files
from bis.repeat.comparison.tally import Context
from bis.repeat.comparison.verdicts import Difference, Verdict, only_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bis.repeat.comparison.tolerance import Tolerance
    from bis.repeat.recorded import OutputFile, RecordedRun
    from bis.repeat.recorded_files import Content

LOOKED_INTO_BYTES = 1 << 24
"""How much is still compared by value once two runs are known to differ."""

_PIECE_BYTES = 1 << 22
_LOG = "bis/output.log"
_NOTE = b"bis: "


@dataclass(frozen=True)
class AbsentContent:
    """A file that is known by its digest alone: it was too large for the capsule that its run came in."""

    size_bytes: int
    sha256: str


if TYPE_CHECKING:
    AnyContent: TypeAlias = "Content | AbsentContent"


def compare_artifacts(
    first: RecordedRun, second: RecordedRun, tolerance: Tolerance, *, settled: bool = False
) -> list[Difference]:
    """The artifacts that differ. A name that holds a word of its run alone is paired without it.

    Once the runs are known to differ (``settled``, or by an artifact), of the rest only the first ``LOOKED_INTO_BYTES``
    are compared by value, the smallest first: it cannot change the verdict, and may take long.
    """
    context = Context(first.words, second.words, tolerance.everywhere)
    ones = {first.words.mask(name): (name, content) for name, content in first.artifacts.items()}
    others = {second.words.mask(name): (name, content) for name, content in second.artifacts.items()}
    found, spent = [], 0
    for name, one, other in sorted(_pairs(ones, others), key=_size):
        by_value = spent <= LOOKED_INTO_BYTES
        difference = _compare("artifact", name, one, other, context, by_value=by_value)
        if difference is not None:
            found.append(difference)
            settled = settled or difference.verdict is Verdict.DIFFERENT
            spent += _size((name, one, other)) if settled else 0
    return found


def _pairs(
    ones: Mapping[str, tuple[str, AnyContent]], others: Mapping[str, tuple[str, AnyContent]]
) -> list[tuple[str, AnyContent | None, AnyContent | None]]:
    names = sorted({*ones, *others})
    return [
        ((ones.get(key) or others[key])[0], ones.get(key, _NONE)[1], others.get(key, _NONE)[1])
        for key in names
    ]


_NONE: tuple[str, None] = ("", None)


def _size(pair: tuple[str, AnyContent | None, AnyContent | None]) -> int:
    return max(content.size_bytes for content in pair[1:] if content is not None)


def compare_outputs(first: RecordedRun, second: RecordedRun, tolerance: Tolerance) -> list[Difference]:
    """The output files that differ: by their hash, or by their content where it is kept."""
    context = Context(first.words, second.words, tolerance.everywhere)
    ones = {first.words.mask(file.path): file for file in first.output_files}
    others = {second.words.mask(file.path): file for file in second.output_files}
    found = []
    for path in sorted({*ones, *others}):
        one, other = ones.get(path), others.get(path)
        if one is None or other is None:
            found.append(_lonely("file", path, _facts(one), _facts(other)))
        elif one.sha256 != other.sha256 or one.sha256 is None:
            found.append(_compare_output(path, (one, other), (first, second), context))
    return found


def compare_logs(first: RecordedRun, second: RecordedRun) -> list[Difference]:
    """What the runs printed, when it differs: shown, not counted, for programs print what they like."""
    one, other = (_printed(run.own.get(_LOG)) for run in (first, second))
    if one is None or other is None:
        return []
    difference = _compare("log", "output", one, other, Context(first.words, second.words))
    return [] if difference is None else [replace(difference, counted=False)]


def _printed(log: AnyContent | None) -> AnyContent | None:
    """A log without what bis said in it of the runs that a script started: nothing with ``--quiet``."""
    from bis.repeat.recorded_files import BytesContent

    if log is None or isinstance(log, AbsentContent) or log.size_bytes > LARGEST_BYTES:
        return log
    with log.open() as file:
        return BytesContent(b"".join(line for line in file if not line.startswith(_NOTE)))


def _compare_output(
    path: str, files: tuple[OutputFile, OutputFile], runs: tuple[RecordedRun, RecordedRun], context: Context
) -> Difference:
    contents = [
        run.own.get(file.stored_as or "") or run.artifacts.get(file.stored_as or "")
        for file, run in zip(files, runs, strict=True)
    ]
    if contents[0] is not None and contents[1] is not None:
        difference = _compare("file", path, contents[0], contents[1], context)
        if difference is not None:
            return difference
    one, other = map(_facts, files)
    if files[0].sha256 is None or files[1].sha256 is None:
        same = files[0].size_bytes == files[1].size_bytes
        reason = "not hashed" + ("; the same size" if same else "; another size")
        return Difference("file", path, Verdict.DIFFERENT, one, other, counted=not same, reason=reason)
    reason = "other bytes; the contents were not kept"
    return Difference("file", path, Verdict.DIFFERENT, one, other, reason=reason)


def _compare(
    kind: str,
    name: str,
    one: AnyContent | None,
    other: AnyContent | None,
    context: Context,
    *,
    by_value: bool = True,
) -> Difference | None:
    if one is None or other is None:
        return _lonely(kind, name, one and _described(one), other and _described(other))
    if isinstance(one, AbsentContent) or isinstance(other, AbsentContent):
        return _compare_digests(kind, name, one, other)
    if not by_value:
        return _compare_bytes(kind, name, one, other, "not compared by value, since the runs differ already")
    if max(one.size_bytes, other.size_bytes) > LARGEST_BYTES:
        return _compare_bytes(kind, name, one, other, "too large to be compared by value")
    with one.open() as first, other.open() as second:
        contents = first.read(), second.read()
    finding = compare_files(name, *contents, context)
    if finding.verdict is Verdict.IDENTICAL:
        return None
    return Difference(
        kind,
        name,
        finding.verdict,
        _described_bytes(contents[0]),
        _described_bytes(contents[1]),
        finding.absolute,
        finding.relative,
        reason=finding.reason,
    )


def _compare_bytes(kind: str, name: str, one: Content, other: Content, why: str) -> Difference | None:
    if one.size_bytes == other.size_bytes and _same_bytes(one, other):
        return None
    facts = _described(one), _described(other)
    return Difference(kind, name, Verdict.DIFFERENT, *facts, reason=f"other bytes; {why}")


def _compare_digests(kind: str, name: str, one: AnyContent, other: AnyContent) -> Difference | None:
    facts = _described(one), _described(other)
    if facts[0] == facts[1]:
        return None
    reason = "other bytes; the capsule of the run knew it by its digest only"
    return Difference(kind, name, Verdict.DIFFERENT, *facts, reason=reason)


def _same_bytes(one: Content, other: Content) -> bool:
    with one.open() as first, other.open() as second:
        while piece := first.read(_PIECE_BYTES):
            if piece != second.read(_PIECE_BYTES):
                return False
        return True


def _lonely(kind: str, name: str, one: Any, other: Any) -> Difference:
    return Difference(kind, name, Verdict.DIFFERENT, one, other, reason=only_in(one))


def _facts(file: OutputFile | None) -> Mapping[str, Any] | None:
    return None if file is None else {"size_bytes": file.size_bytes, "sha256": file.sha256}


def _described_bytes(data: bytes) -> Mapping[str, Any]:
    import hashlib

    return {"size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _described(content: AnyContent) -> Mapping[str, Any]:
    if isinstance(content, AbsentContent):
        return asdict(content)
    with content.open() as file:
        return {"size_bytes": content.size_bytes, "sha256": sha256_of_stream(file)}
