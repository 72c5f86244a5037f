"""Logs of JSON lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bis.errors import UsageError
from bis.server.json_lines import JsonLines, moment


def lines(file: Path) -> list[object]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_a_line_cannot_be_forged(tmp_path: Path) -> None:
    log = JsonLines(str(tmp_path / "new" / "log"), print)
    entry = {"path": 'a\n{"forged": 1}\r\u2028\x85\ud800', "n": 1}
    log.write(entry)
    log.close()
    assert lines(tmp_path / "new" / "log") == [entry]


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    JsonLines(str(tmp_path / "log"), print).close()
    assert (tmp_path / "log").stat().st_mode & 0o077 == 0


def test_it_goes_on_in_a_new_file_after_a_rotation(tmp_path: Path) -> None:
    file = tmp_path / "log"
    log = JsonLines(str(file), print)
    log.write({"n": 1})
    file.rename(tmp_path / "log.1")
    log.write({"n": 2})
    log.reopen()
    log.write({"n": 3})
    log.close()
    assert lines(tmp_path / "log.1") == [{"n": 1}, {"n": 2}]
    assert lines(file) == [{"n": 3}]


def test_two_may_write_one_file(tmp_path: Path) -> None:
    logs = [JsonLines(str(tmp_path / "log"), print) for _ in range(2)]
    for number in range(10):
        logs[number % 2].write({"n": number})
    for log in logs:
        log.close()
    assert lines(tmp_path / "log") == [{"n": number} for number in range(10)]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_told_once_and_counted() -> None:
    said: list[str] = []
    log = JsonLines("/dev/full", said.append)
    for _ in range(3):
        log.write({"n": 1})
    log.close()
    assert log.lost == 3
    assert len(said) == 1
    assert "No space left" in said[0]


def test_a_log_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot write the log"):
        JsonLines(str(tmp_path), print)


def test_times_are_utc_with_milliseconds() -> None:
    assert len(moment()) == len("2026-05-01T12:00:00.123Z")
    assert moment().endswith("Z")
