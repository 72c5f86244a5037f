"""How a value is written in each place of a bash command."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_PLAIN = re.compile(r"[\w@%+=:,./-]+", re.ASCII)  # the characters that shlex.quote leaves alone


def is_plain(text: str) -> bool:
    """Whether ``text`` needs no quoting, wherever it stands; the empty text does."""
    return _PLAIN.fullmatch(text) is not None


def quote(text: str) -> str:
    """One bash word that reads as ``text``: what ``shlex.quote`` returns, without importing it."""
    return text if is_plain(text) else "'" + text.replace("'", "'\"'\"'") + "'"


def escape(text: str) -> str:
    r"""A backslash before each ``\``, ``$`` and backtick: for here-documents and between backticks."""
    return re.sub(r"([\\$`])", r"\\\1", text)


def _escape_in_double_quotes(text: str) -> str:
    return re.sub(r'([\\"$`])', r"\\\1", text)


#: By the kind of place (``shell.Kind``); "literal" is a here-document with a quoted delimiter.
WRITERS: dict[str, Callable[[str], str]] = {
    "code": quote,
    "ticks": quote,
    "single": lambda text: text.replace("'", "'\\''"),
    "double": _escape_in_double_quotes,
    "ansi": lambda text: text.replace("\\", "\\\\").replace("'", "\\'"),
    "comment": lambda text: quote(text.replace("\n", " ")),
    "heredoc": escape,
    "literal": lambda text: text,
}
