"""Two runs held against each other, as a page and as a document."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bis.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from bis.cli.style import Style
    from bis.repeat.causes import Cause
    from bis.repeat.comparison import Comparison, Difference, Tolerance
    from bis.repeat.recorded import RecordedRun


def print_comparison(
    args: argparse.Namespace,
    first: RecordedRun,
    second: RecordedRun,
    comparison: Comparison,
    changed_inputs: list[str],
    *,
    rounds: int = 1,
    again: Comparison | None = None,
) -> None:
    """Print the verdict, the causes and the differences; write the report where one is asked for."""
    from bis.cli.style import Style, print_json
    from bis.home import Home
    from bis.repeat.causes import causes
    from bis.tracking import tags

    is_whole = tags.PIPELINE not in first.run.tags  # the steps of a pipeline have plans, it has none itself
    found = causes(first, second, comparison=comparison, repeat=again, home=Home.locate()) if is_whole else []
    if args.report:
        from bis.repeat.report import report_html

        _write_report(Path(args.report), report_html(comparison, found))
    if args.json:
        document = comparison.to_dict()
        document["causes"] = [cause.to_dict() for cause in found]
        print_json({**document, "changed_inputs": changed_inputs, "rounds": rounds})
        return
    style = Style(sys.stdout)
    print(_page(first, second, comparison, found, changed_inputs, rounds, style))


def check_metrics(tolerance: Tolerance, *runs: RecordedRun) -> None:
    """Say before anything is executed that a tolerance is for a metric that no run has; raises UsageError."""
    known = {metric.key for run in runs for metric in run.run.metrics}
    for name in tolerance.metrics:
        if name not in known:
            raise UsageError(
                f"there is no metric {name!r}",
                hint=did_you_mean(name, known) or f"There are: {', '.join(sorted(known)[:20]) or 'none'}.",
            )


def check_report(args: argparse.Namespace) -> None:
    """Say before anything is executed that the report has no place."""
    if args.report and not Path(args.report).parent.is_dir():
        raise UsageError(f"--report {args.report}: there is no directory {Path(args.report).parent}")


def _write_report(file: Path, page: str) -> None:
    try:
        file.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--report {file} cannot be written: {error.strerror}") from error


def _page(
    first: RecordedRun,
    second: RecordedRun,
    comparison: Comparison,
    found: Iterable[Cause],
    changed_inputs: list[str],
    rounds: int,
    style: Style,
) -> str:
    from bis.cli.style import counted, fields

    verdict = comparison.verdict.name
    mark = style.good if comparison.exit_status == 0 else style.bad
    words = (
        f"{first.run_id[:8]} and {second.run_id[:8]}"
        if rounds == 1
        else f"{first.run_id[:8]}, {rounds} rounds"
    )
    compared = ", ".join(counted(count, kind) for kind, count in comparison.compared.items())
    pairs = [
        ("compared", compared),
        ("causes", "\n".join(str(cause) for cause in found)),
        ("inputs", "\n".join(changed_inputs)),
        ("differs", "\n".join(_difference_line(each) for each in comparison.counted[:30])),
        ("not counted", "\n".join(_difference_line(each) for each in comparison.not_counted[:10])),
        ("notes", "\n".join(comparison.notes)),
    ]
    return f"{mark(verdict)}  {words}\n{fields([pair for pair in pairs if pair[1]], style)}"


def _difference_line(difference: Difference) -> str:
    line = f"{difference.kind} {difference.name}"
    if difference.first is not None or difference.second is not None:
        line += f": {_shown(difference.first)} → {_shown(difference.second)}"
    if difference.absolute is not None:
        line += f" (error {difference.absolute:.3g})"
    if difference.reason:
        line += f": {difference.reason}"
    return line if difference.verdict.name == "DIFFERENT" else f"{line} [{difference.verdict.name}]"


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict) and "sha256" in value:
        digest = value["sha256"]
        return f"{value.get('size_bytes')} bytes, " + (f"sha256 {digest[:12]}" if digest else "not hashed")
    text = f"{value:.10g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 80 else text[:79] + "…"
