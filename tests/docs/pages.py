"""The pages of the documentation, and what stands in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).parents[2]

_FENCE = re.compile(
    r"(?:<!-- not run: (?P<reason>[^>]+) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    """A fenced block of code. ``reason`` says why it is not run, and is None for one that is."""

    language: str
    text: str
    line: int
    reason: str | None


def all_pages() -> list[Path]:
    """Every Markdown page of the repository."""
    return [*sorted(REPOSITORY.glob("*.md")), *sorted((REPOSITORY / "docs").rglob("*.md"))]


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of code of a page, in order."""
    text = page.read_text("utf-8")
    for found in _FENCE.finditer(text):
        line = text.count("\n", 0, found.start("text")) + 1
        yield Block(found["language"], found["text"], line, found["reason"])


def without_blocks(page: Path) -> str:
    """The prose of a page."""
    return _FENCE.sub("", page.read_text("utf-8"))


def name_of(page: Path) -> str:
    """The path of a page in the repository: the name of its test."""
    return page.relative_to(REPOSITORY).as_posix()
