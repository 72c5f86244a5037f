"""Draws a transcript of a terminal as an SVG picture.

    python docs/pictures/terminal.py docs/pictures/run.txt docs/pictures/run.svg

The transcript is what the terminal received: text with the marks for bold, dim and colours (SGR, ECMA-48 section
8.3.117). The same transcript gives the same picture, byte for byte.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FONT_PX, CHARACTER_PX, LINE_PX, MARGIN_PX, BAR_PX = 14, 8.43, 21, 20, 32
BACKGROUND, TEXT = "#11151c", "#d5dae3"
STYLES = {
    "1": 'font-weight="bold"',
    "2": 'fill="#7f8a9c"',
    "31": 'fill="#f07178"',
    "32": 'fill="#a5d46a"',
    "33": 'fill="#ffcb6b"',
}
FONTS = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"

_MARK = re.compile(r"\x1b\[([\d;]*)m")


def draw(transcript: str) -> str:
    """The picture of a transcript."""
    lines = transcript.rstrip("\n").split("\n")
    width = max(map(columns, lines)) * CHARACTER_PX + 2 * MARGIN_PX
    height = len(lines) * LINE_PX + BAR_PX + MARGIN_PX
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}"'
        f' viewBox="0 0 {width:.0f} {height}" font-family="{FONTS}" font-size="{FONT_PX}">',
        f'<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>',
        *(f'<circle cx="{MARGIN_PX + 18 * i}" cy="16" r="5" fill="#3a4352"/>' for i in range(3)),
    ]
    for number, line in enumerate(lines):
        text = "".join(_spans(line))
        if text:
            y = BAR_PX + (number + 0.75) * LINE_PX
            parts.append(f'<text y="{y:.1f}" fill="{TEXT}" xml:space="preserve">{text}</text>')
    return "\n".join([*parts, "</svg>", ""])


def columns(line: str) -> int:
    """How many columns a line takes: its marks none, wide characters two."""
    return sum(
        2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in _MARK.sub("", line)
    )


def _spans(line: str) -> Iterator[str]:
    """The pieces of a line, each at its column, so that another font keeps the columns."""
    column, style = 0, ""
    for index, piece in enumerate(_MARK.split(line)):
        if index % 2:
            style = " ".join(STYLES[code] for code in piece.split(";") if code in STYLES)
        elif piece:
            x = MARGIN_PX + column * CHARACTER_PX
            yield f'<tspan x="{x:.1f}"{" " * bool(style)}{style}>{escape(piece, quote=False)}</tspan>'
            column += columns(piece)


def main() -> None:
    """Read the transcript named first, write the picture named second."""
    if len(sys.argv) != 3:
        sys.exit("usage: terminal.py TRANSCRIPT PICTURE")
    Path(sys.argv[2]).write_text(draw(Path(sys.argv[1]).read_text("utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
