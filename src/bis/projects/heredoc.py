"""Here-documents of a bash command: where they begin and end, by lines, as bash finds them."""

from __future__ import annotations

import re
from dataclasses import dataclass

_OPERATOR = re.compile(r"<<(-?)[ \t]*((?:\\.|'[^'\n]*'|\"[^\"\n]*\"|[^\s;&|<>()'\"\\`])+)")


@dataclass(frozen=True)
class Heredoc:
    """``<<delimiter`` as it is written in ``operator``; nothing expands in a ``literal`` body."""

    operator: str
    delimiter: str
    strips_tabs: bool
    literal: bool

    def is_end(self, line: str) -> bool:
        """Whether the line is the delimiter."""
        return self._bare(line) == self.delimiter

    def may_end(self, line: str) -> bool:
        """Whether some versions of bash take the line as the end: ``EOF)`` within ``$(...)``."""
        return self._bare(line).startswith(f"{self.delimiter})")

    def end(self, text: str, start: int) -> int:
        """Where the line begins that ends the body which begins at ``start``; the text's end if none does."""
        at = start
        joined = False
        for line in text[start:].split("\n"):
            if self.is_end(line) and not joined:
                return at
            backslashes = len(line) - len(line.rstrip("\\"))
            joined = not self.literal and backslashes % 2 == 1
            at += len(line) + 1
        return len(text)

    def _bare(self, line: str) -> str:
        return line.lstrip("\t") if self.strips_tabs else line


def heredoc_at(text: str, at: int) -> Heredoc | None:
    """The here-document whose operator (``<<``, not ``<<<``) stands at ``at``; None when it cannot be read."""
    found = _OPERATOR.match(text, at)
    if found is None:
        return None
    word = found.group(2)
    delimiter = re.sub(r"\\(.)|['\"]", r"\1", word)
    return Heredoc(found.group(), delimiter, bool(found.group(1)), literal=word != delimiter)
