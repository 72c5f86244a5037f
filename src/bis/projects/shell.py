"""Puts values into a bash command so that each arrives as exactly the text the user gave.

MLflow quotes a value with ``shlex.quote`` wherever its placeholder stands, which is right only outside of
quotes. Here the command is read as bash reads it (quotes, ``$(...)``, backticks, here-documents, comments),
and a value is quoted for the place where it lands. A value of plain characters needs no quoting anywhere and
is written as it is, as MLflow does. Where bash gives no way to quote (arithmetic, ``${...}``) or the reading
is in doubt (``case`` inside ``$(...)``, nested backticks), only such plain values are taken.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from bis.errors import ParameterError
from bis.projects.quoting import WRITERS, escape, is_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bis.projects.heredoc import Heredoc

    Kind = Literal["code", "ticks", "single", "double", "ansi", "brace", "arithmetic", "comment", "heredoc"]

MARK = "\0"  # stands for a placeholder in the text; no command can hold it

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CASE = re.compile(r"case\s")
_BEFORE_A_WORD = frozenset(" \t\n;&|()<>")


class _Frame:
    """One level of nesting; ``depth`` counts open parentheses."""

    def __init__(self, kind: Kind, start: int, depth: int = 0) -> None:
        self.kind = kind
        self.start = start
        self.depth = depth
        self.substitution = kind == "code" and depth == 1


class _Body:
    """The body of a here-document: where it ends in the text, and where it begins in the output."""

    def __init__(self, heredoc: Heredoc, level: int, end: int, begin: int) -> None:
        self.heredoc = heredoc
        self.level = level
        self.end = end
        self.begin = begin


def fill(text: str, values: Sequence[tuple[str, str]]) -> tuple[str, str | None]:
    """``text`` with each MARK replaced by the next of ``values`` (name, value), quoted for its place.

    The second result says why nothing can be appended to the last line; None when something can.
    Raises ParameterError for a value that cannot be put where its placeholder stands.
    """
    scanner = _Scanner(text, values)
    scanner.run()
    return "".join(scanner.out), scanner.open_end()


class _Scanner:
    def __init__(self, text: str, values: Sequence[tuple[str, str]]) -> None:
        self.text = text
        self.values = iter(values)
        self.at = 0
        self.out: list[str] = []
        self.frames: list[_Frame] = [_Frame("code", 0)]
        self.waiting: list[Heredoc] = []  # their bodies begin after this line
        self.bodies: list[_Body] = []  # that we are in, the outermost first
        self.in_doubt = False
        self.escaped_until = -1
        self.heredoc_end = -1

    def run(self) -> None:
        while self.at < len(self.text):
            char = self.text[self.at]
            if self.leave_heredoc():
                continue
            if char == MARK:
                self.place(*next(self.values))
                self.at += 1
            else:
                _READERS[self.frames[-1].kind](self, char)
        self.leave_heredoc()

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
        self.frames.append(_Frame(kind, self.at, depth))

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
        if is_plain(value):
            self.out.append(value)
            return
        if self.in_doubt or self.has("brace", "arithmetic"):
            raise _not_plain(name)
        written = self.written(name, value)
        # $ too: bash looks for $( in "`...`" before it looks at the quotes between the backticks
        self.out.append(escape(written) if self.has("ticks") else written)

    def written(self, name: str, value: str) -> str:
        kind = self.frames[-1].kind
        if not self.bodies:
            return WRITERS[kind](value)
        heredoc = self.bodies[-1].heredoc
        if kind != "heredoc" and "\n" in value:
            raise _not_plain(name)  # the body is read by lines before what it nests is read
        if heredoc.strips_tabs and "\t" in value:
            raise ParameterError(
                f"the value of {name!r} holds a tab, which a here-document that begins with <<- takes away",
                hint="Write << instead of <<- in the command.",
            )
        return WRITERS["literal" if heredoc.literal else kind](value)

    # What reads the same in several places

    def backslash(self) -> None:
        if self.text[self.at + 1 : self.at + 2] == MARK:
            self.backslash_before_value()
            return
        if self.has("ticks") and self.text[self.at + 1 : self.at + 2] == "`":
            self.in_doubt = True  # a backtick within backticks
        if self.ahead("\\\n") and self.text[self.at - 1 : self.at] in ("<", "("):
            self.in_doubt = True  # an operator that goes on in the next line
        self.take(2)
        self.escaped_until = self.at

    def backslash_before_value(self) -> None:
        """The backslash would escape the first character of our quoting: resolve it first."""
        name, value = next(self.values)
        if is_plain(value):
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
            self.in_doubt |= following == "\\"  # what follows could become $'...' or $(
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
            self.enter_heredoc()
        else:
            self.ordinary()

    def ordinary(self) -> None:
        within = self.frames[-1].substitution or self.frames[-1].kind == "ticks"
        if within and self.at_word_start() and _CASE.match(self.text, self.at):
            self.in_doubt = True  # the unmatched ) of its patterns would end $(...) too early
        self.take(1)

    def parenthesis(self, char: str) -> None:
        frame = self.frames[-1]
        if self.ahead("(("):
            if self.at_word_start():
                self.push("arithmetic", 2, depth=2)
                return
            self.in_doubt = True  # no syntax of bash; it goes on reading from there
        frame.depth += 1 if char == "(" else -1
        if frame.substitution and frame.depth == 0:
            self.pop()
        else:
            self.take(1)

    def heredoc_operator(self) -> None:
        from bis.projects.heredoc import heredoc_at  # few commands have one

        heredoc = heredoc_at(self.text, self.at)
        if self.ahead("<<<"):
            self.take(3)
        elif heredoc is None or MARK in heredoc.operator or self.has("ticks"):
            self.in_doubt = True
            self.take(2)
        else:
            self.waiting.append(heredoc)
            self.take(len(heredoc.operator))

    def enter_heredoc(self) -> None:
        if self.waiting:
            heredoc = self.waiting.pop(0)
            end = heredoc.end(self.text, self.at)
            lines = self.text[self.at : end].split("\n")
            self.in_doubt |= any(
                heredoc.may_end(line) for line in [*lines, self.text[end:].split("\n", 1)[0]]
            )
            self.bodies.append(_Body(heredoc, len(self.frames), end, len(self.out)))
            self.frames.append(_Frame("heredoc", self.at))

    def leave_heredoc(self) -> bool:
        """At the end of a body: bash finds it by lines, whatever the body nests."""
        ended = next((body for body in self.bodies if self.at >= body.end), None)
        if ended is None:
            return False
        self.check_heredoc(ended)
        self.in_doubt |= ended.level < len(self.frames) - 1 or self.at > ended.end
        del self.frames[ended.level :]
        del self.bodies[self.bodies.index(ended) :]
        self.take(len(self.text[self.at :].split("\n", 1)[0]))
        self.heredoc_end = self.at
        if self.waiting and self.at < len(self.text):
            self.take(1)
            self.enter_heredoc()
        return True

    def check_heredoc(self, body: _Body) -> None:
        lines = "".join(self.out[body.begin :]).split("\n")
        if any(body.heredoc.is_end(line) for line in lines):
            raise ParameterError(
                f"a value holds the line {body.heredoc.delimiter!r}, which ends the command's here-document",
                hint="Use another delimiter after << in the command.",
            )

    def read_heredoc(self, char: str) -> None:
        if self.bodies[-1].heredoc.literal or char not in "\\$`":
            self.take(1)
        elif char == "\\":
            self.backslash()
        elif char == "$":
            self.dollar()
        else:
            self.tick()

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
        self.in_doubt |= char == "`" and self.has("ticks")
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


def _not_plain(name: str) -> ParameterError:
    return ParameterError(
        f"the value of {name!r} has characters that bash gives no way to quote where {{{name}}} stands "
        "(in arithmetic, ${...} or nested backticks)",
        hint="Use the placeholder outside of these, or a value of letters, digits and ._-+/:,=@% only.",
    )
