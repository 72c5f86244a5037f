"""How things look in a terminal: colours only there, and plain text everywhere else."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence


class Style:
    """Marks text for one stream; on anything but a terminal, or with ``NO_COLOR``, it leaves it as it is."""

    def __init__(self, stream: TextIO) -> None:
        is_terminal = stream.isatty()
        self.on = is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self.columns = _columns(stream) if is_terminal else None

    def strong(self, text: str) -> str:
        """Bold."""
        return self._mark("1", text)

    def faint(self, text: str) -> str:
        """Dim."""
        return self._mark("2", text)

    def good(self, text: str) -> str:
        """Green."""
        return self._mark("32", text)

    def bad(self, text: str) -> str:
        """Red and bold."""
        return self._mark("1;31", text)

    def warn(self, text: str) -> str:
        """Yellow."""
        return self._mark("33", text)

    def status(self, status: str) -> str:
        """A run's status in its colour."""
        mark = {"FINISHED": self.good, "FAILED": self.bad, "KILLED": self.bad}.get(status, self.warn)
        return mark(status.lower())

    def _mark(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.on else text


def _columns(stream: TextIO) -> int | None:
    """The width of a terminal, where it tells one."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except (OSError, ValueError):
        return None


def notifier(*, quiet: bool = False) -> Callable[[str], None]:
    """Prints one-line notes on standard error, marked as bis's own; drops them when quiet."""
    style = Style(sys.stderr)

    def notify(message: str) -> None:
        if not quiet:
            with contextlib.suppress(
                OSError
            ):  # a terminal that was closed, a reader that went away: the work goes on
                print(f"{style.faint('bis:')} {message}", file=sys.stderr, flush=True)

    return notify


def print_json(value: Any) -> None:
    """One JSON value on standard output."""
    import json

    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def table(
    header: Sequence[str], rows: Sequence[Sequence[str]], style: Style, *, flexible: Collection[str] = ()
) -> str:
    """Columns as wide as their widest cell, two spaces apart. Cells may hold colour marks.

    On a terminal that is narrower, the widest of the ``flexible`` columns are cut, so that a row stays a line.
    """
    cells = [[style.faint(word) for word in header], *[list(row) for row in rows]]
    widths = [max(_width(row[i]) for row in cells) for i in range(len(header))]
    if style.columns:
        may_shrink = [name in flexible for name in header]
        widths = _narrowed(widths, may_shrink, style.columns - 2 * (len(widths) - 1))
    lines = []
    for row in cells:
        shown = [_cut(cell, width) for cell, width in zip(row, widths, strict=True)]
        padded = [cell + " " * (width - _width(cell)) for cell, width in zip(shown, widths, strict=True)]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def fields(pairs: Sequence[tuple[str, str]], style: Style, *, prose: Collection[str] = ()) -> str:
    """``name  value`` lines, the names in one column; a value of several lines stays in its column.

    The values of the names in ``prose`` are broken between words where the terminal ends. Commands are not: they
    are there to be copied.
    """
    width = max((len(name) for name, _ in pairs), default=0)
    room = (style.columns or 0) - width - 4
    lines = []
    for name, value in pairs:
        first, *rest = _wrapped(value, room) if name in prose and room >= 20 else value.split("\n")
        lines.append(f"  {style.faint(name.ljust(width))}  {first}".rstrip())
        lines += [f"  {' ' * width}  {line}".rstrip() for line in rest]
    return "\n".join(lines)


def _wrapped(text: str, room: int) -> list[str]:
    lines = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split(" "):
            if line and _width(f"{line} {word}") > room:
                lines.append(line)
                line = word
            else:
                line = f"{line} {word}" if line else word
        lines.append(line)
    return lines


def duration(seconds: float) -> str:
    """``0.42 s``, ``12.3 s``, ``3 min 20 s``, ``2 h 05 min``."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def when(time_ms: float) -> str:
    """Local time to the minute; the day alone would hide the order of a morning's runs."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(time_ms / 1000))


def size(size_bytes: int) -> str:
    """``598 MB``; powers of ten, as disks are sold."""
    value = float(size_bytes)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def counted(number_of: int, noun: str) -> str:
    """``1 package``, ``2 packages``."""
    return f"{number_of} {noun}" + ("" if number_of == 1 else "s")


def short_digest(digest: str) -> str:
    """As much of a digest as tells it from others: twelve hex digits."""
    return digest.removeprefix("sha256:")[:12]


def short_place(name: str) -> str:
    """The last part of a path or URI, with its ``#subdirectory``."""
    place, separator, subdirectory = name.partition("#")
    return place.rstrip("/").rpartition("/")[2] + separator + subdirectory


def number(value: float) -> str:
    """A metric as people read it: six significant digits, or the whole number."""
    return f"{value:.6g}"


_NARROWEST = 10
"""No column is cut below this width: there would be nothing left to tell its cells apart."""


def _narrowed(widths: Sequence[int], may_shrink: Sequence[bool], room: int) -> list[int]:
    """The widths, those of the widest columns less until all fit into the room."""
    narrowed = list(widths)
    while sum(narrowed) > room:
        widest = max((width for width, may in zip(narrowed, may_shrink, strict=True) if may), default=0)
        if widest <= _NARROWEST:
            break
        place = next(i for i, width in enumerate(narrowed) if width == widest and may_shrink[i])
        narrowed[place] -= 1
    return narrowed


def _cut(cell: str, width: int) -> str:
    if _width(cell) <= width or "\x1b" in cell:
        return cell
    while _width(cell) > width - 1:
        cell = cell[:-1]
    return f"{cell}…"


def _width(text: str) -> int:
    if "\x1b" not in text and text.isascii():
        return len(text)
    import re
    import unicodedata

    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    return sum(
        2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1 for c in plain
    )
