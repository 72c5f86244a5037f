"""Puts values into a bash command so that each arrives as exactly the text the user gave.

MLflow quotes a value with ``shlex.quote`` wherever its placeholder stands, which is right only outside of
quotes. Here the command is read as bash reads it (quotes, ``$(...)``, backticks, here-documents, comments),
and a value is quoted for the place where it lands. A value of plain characters needs no quoting anywhere and
is written as it is, as MLflow does. Where bash gives no way to quote (arithmetic, ``${...}``) or the reading
is in doubt (``case`` inside ``$(...)``, nested backticks), only such plain values are taken.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bis.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Kind = Literal["code", "ticks", "single", "double", "ansi", "brace", "arithmetic", "comment", "heredoc"]

MARK = "\0"  # stands for a placeholder in the text; no command can hold it

_PLAIN = re.compile(r"[\w@%+=:,./-]+", re.ASCII)  # the characters that shlex.quote leaves alone
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NAME_GOES_ON = re.compile(r"[A-Za-z0-9_]")
_CASE = re.compile(r"case\s")
_HEREDOC = re.compile(r"<<(-?)[ \t]*((?:\\.|'[^'\n]*'|\"[^\"\n]*\"|[^\s;&|<>()'\"\\`])+)")
_BEFORE_A_WORD = frozenset(" \t\n;&|()<>")


@dataclass
class _Frame:
    """One level of nesting; ``depth`` counts open parentheses, the rest belongs to here-documents."""

    kind: Kind
    start: int
    depth: int = 0
    substitution: bool = False
    delimiter: str = ""
    strips_tabs: bool = False
    literal: bool = False
    body: int = 0


@dataclass(frozen=True)
class Filled:
    """The finished command; ``open_end`` says why nothing can be appended to its last line, if so."""

    command: str
    open_end: str | None


def quote(text: str) -> str:
    """One bash word that reads as ``text``: what ``shlex.quote`` returns, without importing it."""
    if _PLAIN.fullmatch(text):
        return text
    return "'" + text.replace("'", "'\"'\"'") + "'"


def fill(text: str, values: Sequence[tuple[str, str]]) -> Filled:
    """``text`` with each MARK replaced by the next of ``values`` (name, value), quoted for its place.

    Raises ParameterError for a value that cannot be put where its placeholder stands.
    """
    scanner = _Scanner(text, values)
    scanner.run()
    return Filled("".join(scanner.out), scanner.open_end())


class _Scanner:
    def __init__(self, text: str, values: Sequence[tuple[str, str]]) -> None:
        self.text = text
        self.values = iter(values)
        self.at = 0
        self.out: list[str] = []
        self.frames: list[_Frame] = [_Frame("code", 0)]
        self.waiting: list[_Frame] = []  # here-documents whose body begins after this line
        self.in_doubt = False
        self.escaped_until = -1
        self.heredoc_end = -1

    def run(self) -> None:
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == MARK:
                self.place(*next(self.values))
                self.at += 1
            else:
                _READERS[self.frames[-1].kind](self, char)
        while self.frames[-1].kind == "heredoc":
            self.close_heredoc()

    def open_end(self) -> str | None:
        if self.frames[-1].kind == "comment":
            return "ends with a comment"
        if len(self.frames) > 1 or self.waiting:
            return "ends inside quotes or brackets"
        if self.heredoc_end >= 0 and not self.text[self.heredoc_end :].strip():
            return "ends with a here-document"
        return None

    # Moving on

    def take(self, count: int) -> None:
        self.out.append(self.text[self.at : self.at + count])
        self.at += count

    def push(self, kind: Kind, taking: int, *, depth: int = 0) -> None:
        self.take(taking)
        self.frames.append(_Frame(kind, self.at, depth, substitution=depth == 1))

    def pop(self) -> None:
        self.take(1)
        self.frames.pop()

    def ahead(self, text: str) -> bool:
        return self.text.startswith(text, self.at)

    def at_word_start(self) -> bool:
        if self.at == self.frames[-1].start:
            return True
        return self.text[self.at - 1] in _BEFORE_A_WORD and self.at != self.escaped_until

    def has(self, *kinds: Kind) -> bool:
        return any(frame.kind in kinds for frame in self.frames)

    # Placing a value

    def place(self, name: str, value: str) -> None:
        if _PLAIN.fullmatch(value):
            self.out.append(value)
            return
        if self.in_doubt or self._is_unquotable():
            raise _not_plain(name)
        frame = self.frames[-1]
        if frame.kind == "heredoc" and frame.strips_tabs and "\t" in value:
            raise ParameterError(
                f"the value of {name!r} holds a tab, which a here-document that begins with <<- takes away",
                hint="Write << instead of <<- in the command.",
            )
        quoted = _QUOTERS["literal" if frame.literal else frame.kind](value)
        if self.has("ticks"):
            quoted = quoted.replace("\\", "\\\\").replace("`", "\\`")
        self.out.append(quoted)

    def _is_unquotable(self) -> bool:
        for frame in reversed(self.frames):
            if frame.kind in ("brace", "arithmetic"):
                return True
            if frame.kind in ("code", "ticks"):
                return False
        return False

    # What reads the same in several places

    def backslash(self) -> None:
        if self.text[self.at + 1 : self.at + 2] == MARK:
            self.backslash_before_value()
            return
        if self.has("ticks") and self.text[self.at + 1 : self.at + 2] == "`":
            self.in_doubt = True  # a backtick within backticks
        self.take(2)
        self.escaped_until = self.at

    def backslash_before_value(self) -> None:
        """The backslash would escape the first character of our quoting: resolve it first."""
        name, value = next(self.values)
        if _PLAIN.fullmatch(value):
            self.take(1)
        elif self.has("ticks"):
            raise _not_plain(name)
        else:
            kind = self.frames[-1].kind
            self.out.append("" if kind == "code" else "\\\\")
            self.at += 1
        self.place(name, value)
        self.at += 1

    def dollar(self) -> None:
        following = self.text[self.at + 1 : self.at + 2]
        if following == MARK:  # ${x} of a parameter x: its value
            self.at += 1
        elif self.ahead("$(("):
            self.push("arithmetic", 3, depth=2)
        elif following == "(":
            self.push("code", 2, depth=1)
        elif following == "{":
            self.push("brace", 2)
        elif following == "[":
            self.in_doubt = True  # the arithmetic of old shells
            self.take(2)
        elif name := _NAME.match(self.text, self.at + 1):
            self.variable(name.group())
        else:
            self.take(2 if following and following in "$?!#@*-0123456789" else 1)

    def variable(self, name: str) -> None:
        """``$DIR`` directly before a value would swallow the value's letters: write ``${DIR}`` there."""
        end = self.at + 1 + len(name)
        if self.text[end : end + 1] == MARK:
            self.out.append("${" + name + "}")
            self.at = end
        else:
            self.take(1 + len(name))

    def tick(self) -> None:
        if self.frames[-1].kind == "ticks":
            self.pop()
        elif self.has("ticks"):
            self.in_doubt = True
            self.take(1)
        else:
            self.push("ticks", 1)

    # One reader for each place

    def read_code(self, char: str) -> None:
        if char == "\\":
            self.backslash()
        elif char == "'":
            self.push("single", 1)
        elif char == '"':
            self.push("double", 1)
        elif char == "`":
            self.tick()
        elif char == "$":
            if self.ahead("$'"):
                self.push("ansi", 2)
            else:
                self.dollar()
        elif char == "#" and self.at_word_start():
            self.push("comment", 1)
        elif char in "()":
            self.parenthesis(char)
        elif char == "<" and self.ahead("<<"):
            self.heredoc_operator()
        elif char == "\n":
            self.take(1)
            self.open_heredoc()
        else:
            self.ordinary()

    def ordinary(self) -> None:
        within = self.frames[-1].substitution or self.frames[-1].kind == "ticks"
        if within and self.at_word_start() and _CASE.match(self.text, self.at):
            self.in_doubt = True  # the unmatched ) of its patterns would end $(...) too early
        self.take(1)

    def parenthesis(self, char: str) -> None:
        frame = self.frames[-1]
        if self.ahead("((") and self.at_word_start():
            self.push("arithmetic", 2, depth=2)
            return
        frame.depth += 1 if char == "(" else -1
        if frame.substitution and frame.depth == 0:
            self.pop()
        else:
            self.take(1)

    def heredoc_operator(self) -> None:
        found = None if self.ahead("<<<") else _HEREDOC.match(self.text, self.at)
        if self.ahead("<<<"):
            self.take(3)
            return
        if found is None or MARK in found.group() or self.has("ticks"):
            self.in_doubt = True
            self.take(2)
            return
        word = found.group(2)
        delimiter = re.sub(r"\\(.)|['\"]", r"\1", word)
        frame = _Frame("heredoc", 0, delimiter=delimiter, strips_tabs=bool(found.group(1)))
        frame.literal = word != delimiter
        self.waiting.append(frame)
        self.take(len(found.group()))

    def open_heredoc(self) -> None:
        if self.waiting:
            frame = self.waiting.pop(0)
            frame.start, frame.body = self.at, len(self.out)
            self.frames.append(frame)

    def close_heredoc(self) -> None:
        frame = self.frames.pop()
        for line in "".join(self.out[frame.body :]).split("\n"):
            if (line.lstrip("\t") if frame.strips_tabs else line) == frame.delimiter:
                raise ParameterError(
                    f"a value holds the line {frame.delimiter!r}, which ends the here-document of the command",
                    hint="Use another delimiter after << in the command.",
                )

    def read_heredoc(self, char: str) -> None:
        frame = self.frames[-1]
        if self.at == frame.start or self.text[self.at - 1] == "\n":
            line = self.text[self.at :].split("\n", 1)[0]
            bare = line.lstrip("\t") if frame.strips_tabs else line
            self.in_doubt |= bare.startswith(f"{frame.delimiter})")
            if bare == frame.delimiter:
                self.close_heredoc()
                self.take(len(line))
                self.heredoc_end = self.at
                self.open_next_heredoc()
                return
        if frame.literal or char not in "\\$`":
            self.take(1)
        elif char == "\\":
            self.backslash()
        elif char == "$":
            self.dollar()
        else:
            self.tick()

    def open_next_heredoc(self) -> None:
        if self.waiting and self.at < len(self.text):
            self.take(1)
            self.open_heredoc()

    def read_single(self, char: str) -> None:
        self.in_doubt |= char == "`" and self.has("ticks")
        if char == "'":
            self.pop()
        else:
            self.take(1)

    def read_double(self, char: str) -> None:
        if char == '"':
            self.pop()
        elif char == "\\":
            self.backslash()
        elif char == "$":
            self.dollar()
        elif char == "`":
            self.tick()
        else:
            self.take(1)

    def read_ansi(self, char: str) -> None:
        if char == "'":
            self.pop()
        elif char == "\\":
            self.backslash()
        else:
            self.take(1)

    def read_brace(self, char: str) -> None:
        if char == "}":
            self.pop()
        elif char == "'":
            self.quote_in_brace()
        elif char == '"':
            self.push("double", 1)
        elif char == "\\":
            self.backslash()
        elif char == "$":
            self.dollar()
        elif char == "`":
            self.tick()
        else:
            self.take(1)

    def quote_in_brace(self) -> None:
        if self.has("double", "heredoc"):
            self.in_doubt = True  # whether ' quotes here depends on the operator
            self.take(1)
        else:
            self.push("single", 1)

    def read_arithmetic(self, char: str) -> None:
        frame = self.frames[-1]
        if char in "()":
            frame.depth += 1 if char == "(" else -1
            if frame.depth == 0:
                self.pop()
            else:
                self.take(1)
        elif char == "$":
            self.dollar()
        elif char == "`":
            self.tick()
        elif char == "\\":
            self.backslash()
        else:
            self.in_doubt |= char in "'\"#"
            self.take(1)

    def read_comment(self, char: str) -> None:
        if char == "\n" or (char == "`" and self.has("ticks")):
            self.frames.pop()
        else:
            self.take(1)


_READERS: dict[Kind, Callable[[_Scanner, str], None]] = {
    "code": _Scanner.read_code,
    "ticks": _Scanner.read_code,
    "single": _Scanner.read_single,
    "double": _Scanner.read_double,
    "ansi": _Scanner.read_ansi,
    "brace": _Scanner.read_brace,
    "arithmetic": _Scanner.read_arithmetic,
    "comment": _Scanner.read_comment,
    "heredoc": _Scanner.read_heredoc,
}


def _within_double(value: str) -> str:
    return re.sub(r'([\\"$`])', r"\\\1", value)


def _within_heredoc(value: str) -> str:
    return re.sub(r"([\\$`])", r"\\\1", value)


_QUOTERS: dict[str, Callable[[str], str]] = {
    "code": quote,
    "ticks": quote,
    "single": lambda value: value.replace("'", "'\\''"),
    "double": _within_double,
    "ansi": lambda value: value.replace("\\", "\\\\").replace("'", "\\'"),
    "comment": lambda value: quote(value.replace("\n", " ")),
    "heredoc": _within_heredoc,
    "literal": lambda value: value,
}


def _not_plain(name: str) -> ParameterError:
    return ParameterError(
        f"the value of {name!r} has characters that bash gives no way to quote where {{{name}}} stands "
        "(in arithmetic, ${...} or nested backticks)",
        hint="Use the placeholder outside of these, or a value of letters, digits and ._-+/:,=@% only.",
    )
