"""How results are laid out on a terminal."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import struct
import termios
from fcntl import ioctl
from typing import TYPE_CHECKING

import pytest

from bis.cli.style import Style, fields, notifier, table

if TYPE_CHECKING:
    from collections.abc import Iterator

PAIRS = [("why", "one two three four five six seven"), ("again", "bis run somewhere -P name=value -P b=1")]


@pytest.fixture
def terminal() -> Iterator[Style]:
    """The style of a terminal of 30 columns."""
    leader, follower = pty.openpty()
    ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 30, 0, 0))
    with os.fdopen(follower, "w") as stream:
        yield Style(stream)
    os.close(leader)


def test_a_note_that_nobody_can_read_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    gone = os.fdopen(writer, "w")
    monkeypatch.setattr("sys.stderr", gone)
    notifier()("the run was killed")
    with contextlib.suppress(BrokenPipeError):  # of what still waits to be written
        gone.close()


def test_prose_is_broken_between_words_and_a_command_is_not(terminal: Style) -> None:
    terminal.on = False
    assert fields(PAIRS, terminal, prose=["why"]).splitlines() == [
        "  why    one two three four",
        "         five six seven",
        "  again  bis run somewhere -P name=value -P b=1",
    ]


def test_what_goes_to_a_file_keeps_its_lines() -> None:
    shown = fields(PAIRS, Style(io.StringIO()), prose=["why"])
    assert shown.splitlines()[0] == "  why    one two three four five six seven"


ROWS = [["3457c70e", "a name that is too long", "finished"], ["c87540a1", "日本語の名前です", "failed"]]


def test_a_row_stays_a_line_of_the_terminal(terminal: Style) -> None:
    terminal.on = False
    assert table(["RUN", "NAME", "STATUS"], ROWS, terminal, flexible=["NAME"]).splitlines() == [
        "RUN       NAME        STATUS",
        "3457c70e  a name th…  finished",
        "c87540a1  日本語の…   failed",
    ]


def test_no_row_is_cut_in_a_file() -> None:
    shown = table(["RUN", "NAME", "STATUS"], ROWS, Style(io.StringIO()), flexible=["NAME"])
    assert "a name that is too long  finished" in shown
