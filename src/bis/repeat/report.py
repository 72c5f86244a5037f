"""The comparison of two runs as one HTML page that needs nothing else: no script, no font, no address."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from bis.repeat.comparison.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bis.repeat.causes import Cause, Change
    from bis.repeat.comparison.verdicts import Comparison, Difference

_MEANINGS = {
    Verdict.IDENTICAL: "Every byte and every number is the same.",
    Verdict.EQUAL: "The same values; only ids, times and places of each run differ.",
    Verdict.CLOSE: "Within the tolerance that was stated.",
    Verdict.DIFFERENT: "The results differ.",
    Verdict.UNSTABLE: "The run is not deterministic: it differs between repetitions on one machine.",
}
_TITLE = "Two runs compared"
_MOST_ROWS = 1000
_MOST_LINES = 400


def report_html(comparison: Comparison, causes: Sequence[Cause]) -> str:
    """The page. Whatever a run has logged is shown as text, never as markup."""
    verdict = comparison.verdict
    parts = [
        f"<h1>{_TITLE}</h1>",
        f'<p class="verdict v{verdict.value}"><strong>{verdict.name}</strong> {_MEANINGS[verdict]}</p>',
        _facts(comparison),
        _causes(causes),
        _differences("What differs", comparison.counted),
        _differences("What differs and is not counted", comparison.not_counted),
        _notes(comparison.notes),
    ]
    return _PAGE.format(title=_TITLE, style=_STYLE, body="\n".join(part for part in parts if part))


def _facts(comparison: Comparison) -> str:
    compared = ", ".join(f"{count} {_plural(kind, count)}" for kind, count in comparison.compared.items())
    rows = {"First run": comparison.first_run, "Second run": comparison.second_run, "Compared": compared}
    cells = "".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in rows.items())
    return f"<dl>{cells}</dl>"


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"


def _causes(causes: Sequence[Cause]) -> str:
    if not causes:
        return ""
    return "<h2>Causes, the most telling first</h2>\n" + "\n".join(map(_cause, causes))


def _cause(cause: Cause) -> str:
    head = f"<summary><strong>{escape(cause.layer)}</strong> {escape(cause.detail)}</summary>"
    rows = [change for change in cause.changes if not _is_patch(change)]
    patches = [change for change in cause.changes if _is_patch(change)]
    table = _table(("", "First", "Second", ""), (_change_cells(change) for change in rows)) if rows else ""
    return f"<details open>{head}{table}{''.join(map(_patch, patches))}</details>"


def _is_patch(change: Change) -> bool:
    return change.text.startswith("@@ ")


def _change_cells(change: Change) -> list[str]:
    return [change.name, change.first or "", change.second or "", change.text]


def _patch(change: Change) -> str:
    lines = change.text.splitlines()
    shown = [f'<span class="{_line_class(line)}">{escape(line)}</span>' for line in lines[:_MOST_LINES]]
    if len(lines) > _MOST_LINES:
        shown.append(f"… {len(lines) - _MOST_LINES} more lines")
    return f"<h3>{escape(change.name)}</h3><pre>{chr(10).join(shown)}</pre>"


def _line_class(line: str) -> str:
    return {"+": "add", "-": "del", "@": "at"}.get(line[:1], "same")


def _differences(title: str, differences: Sequence[Difference]) -> str:
    if not differences:
        return ""
    header = ("Kind", "Name", "Verdict", "First", "Second", "Largest error", "Relative", "Why")
    more = len(differences) - _MOST_ROWS
    rest = f"<p>… and {more} more; they are all in the JSON form.</p>" if more > 0 else ""
    table = _table(header, map(_difference_cells, differences[:_MOST_ROWS]))
    return f"<h2>{escape(title)} ({len(differences)})</h2>{table}{rest}"


def _difference_cells(difference: Difference) -> list[str]:
    return [
        difference.kind,
        difference.name,
        difference.verdict.name,
        value_text(difference.first),
        value_text(difference.second),
        "" if difference.absolute is None else f"{difference.absolute:.3g}",
        "" if difference.relative is None else f"{difference.relative:.3g}",
        difference.reason,
    ]


def value_text(value: Any) -> str:
    """A value of a difference in a few words: a number exactly, a file by size and hash."""
    if value is None:
        return "—"
    if isinstance(value, dict):
        digest = value.get("sha256")
        return f"{value.get('size_bytes')} bytes" + (f", {digest[:12]}" if digest else "")
    return str(value)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _notes(notes: Sequence[str]) -> str:
    if not notes:
        return ""
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f"<h2>Not compared</h2><ul>{items}</ul>"


_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --good: #1a7f37; --mid: #9a6700; --bad: #cf222e; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; } h3 { font-size: 1rem; margin: .8rem 0 .2rem; }
.verdict { border-left: .4rem solid var(--bad); padding: .5rem 1rem; background: #8881; }
.v0, .v1 { border-color: var(--good); } .v2 { border-color: var(--mid); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 1rem; } dt { opacity: .7; } dd { margin: 0; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .25rem .6rem; border-bottom: 1px solid var(--line); }
td { overflow-wrap: anywhere; } th { opacity: .7; font-weight: 600; }
details { margin: .6rem 0; } summary { cursor: pointer; }
pre { overflow-x: auto; border: 1px solid var(--line); padding: .6rem; font-size: 13px; line-height: 1.35; }
.add { color: var(--good); } .del { color: var(--bad); } .at { opacity: .6; }
"""
