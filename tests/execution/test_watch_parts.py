"""Processes, hosts, hashes and the fingerprint of the machine."""

from __future__ import annotations

import hashlib
import os
import time
from typing import TYPE_CHECKING

import pytest

from bis.execution.watch import fingerprint
from bis.execution.watch.hashing import Hashes
from bis.execution.watch.host import fingerprint as host_fingerprint
from bis.execution.watch.network import HostUse, find_hosts
from bis.execution.watch.processes import ProcessUse, find_processes, mask
from bis.execution.watch.reports import Process, Reports, Spawn
from bis.home import Home

if TYPE_CHECKING:
    from pathlib import Path

PYTHON = "/usr/bin/python3"
MAIN = Process(10, 9, "0", (PYTHON, "main.py"), "3.11.7", watched=True)
BIG = b"0123456789abcdef" * 100_000


def processes(
    *spawns: Spawn, command: str = "python main.py", also: tuple[Process, ...] = ()
) -> list[ProcessUse]:
    reports = Reports(processes={each.pid: each for each in (MAIN, *also)}, spawns=list(spawns))
    return list(find_processes(reports, command))


@pytest.mark.parametrize(
    ("spawn", "why"),
    [
        (Spawn(("git", "status"), 10), "not Python"),
        (Spawn(("python3", "-I", "-c", "pass"), 10), "Python's options -I, -E and -S shut the probe out"),
        (Spawn(("python3.8", "-uS", "x.py"), 10), "Python's options -I, -E and -S shut the probe out"),
        (Spawn((PYTHON, "x.py"), 10, probe_kept=False), "it was given an environment without the probe"),
        (Spawn(("python3.6", "x.py"), 10), "it did not report: older than Python 3.7, or ended at once"),
        (Spawn(("python3", "x.py", "-I"), 10), "it did not report: older than Python 3.7, or ended at once"),
    ],
)
def test_a_program_without_the_probe_is_listed_with_the_reason(spawn: Spawn, why: str) -> None:
    (main, other) = processes(spawn)
    assert main == ProcessUse((PYTHON, "main.py"), "0", probed=True)
    assert other == ProcessUse(spawn.argv, None, probed=False, why_not=why)


def test_a_child_that_reported_is_listed_once() -> None:
    child = Process(11, 10, "0.1", ("python", "child.py"), "3.11.7", watched=True)
    found = processes(Spawn(("/usr/bin/python", "child.py"), 10), also=(child,))
    assert [(use.lineage, use.probed) for use in found] == [("0", True), ("0.1", True)]


def test_programs_that_are_started_alike_are_counted() -> None:
    (_, git) = processes(*[Spawn(("git", "status"), 10)] * 3)
    assert git.count == 3


@pytest.mark.parametrize(
    ("command", "shut_out"),
    [
        ("python -I main.py", [("python", "-I")]),
        ("python a.py && /usr/bin/python3 -u -S b.py 1", [("python3", "-u", "-S")]),
        ("python main.py -I 3", []),
        ("python main.py", []),
    ],
)
def test_a_command_that_shuts_the_probe_out_is_said(command: str, shut_out: list[tuple[str, ...]]) -> None:
    found = processes(command=command)
    assert [use.argv for use in found if not use.probed] == shut_out


def test_a_run_in_which_nothing_reported_says_so() -> None:
    (use,) = find_processes(Reports(), "./train.sh")
    assert (use.argv, use.probed) == (("bash", "-c", "./train.sh"), False)
    assert use.why_not is not None
    assert use.why_not.startswith("no Python 3.7 or later with the probe reported")


def test_a_python_without_audit_events_says_so() -> None:
    old = Process(10, 9, "0", ("python", "main.py"), "3.7.16", watched=False)
    (use,) = find_processes(Reports(processes={10: old}), "python main.py")
    assert use.why_not == "Python 3.7 has no audit events: what it read is not known"


def test_programs_that_were_seen_executing_are_known_by_their_process() -> None:
    seen = [Spawn(("python", "main.py"), 0, pid=10), Spawn(("cat", "x"), 0, pid=12), Spawn(("cat", "x"), 10)]
    found = processes(*seen, command="python -I x.py; python main.py; cat x")
    assert [(use.argv, use.probed, use.count) for use in found] == [
        ((PYTHON, "main.py"), True, 1),
        (("cat", "x"), False, 1),
    ]


@pytest.mark.parametrize(
    ("argv", "masked"),
    [
        (("a", "--password=x", "--lr=1"), ("a", "--password=***", "--lr=1")),
        (("a", "--api-key", "x", "y"), ("a", "--api-key", "***", "y")),
        (("a", "--token", "--verbose"), ("a", "--token", "--verbose")),
        (("git", "clone", "https://u:p@host/x"), ("git", "clone", "https://***@host/x")),
        (("a", "--tokenizer=bert"), ("a", "--tokenizer=bert")),
    ],
)
def test_secrets_of_a_command_line_are_masked(argv: tuple[str, ...], masked: tuple[str, ...]) -> None:
    assert mask(argv) == masked


def hosts(server: str | None = None, **seen: set[tuple[str, str]] | set[str]) -> list[HostUse]:
    return list(find_hosts(Reports(**seen), server=server))  # type: ignore[arg-type]


def test_a_connection_is_listed_by_the_name_that_was_asked_for() -> None:
    found = hosts(
        resolved={("example.org", "443")},
        connected={("93.184.216.34", "443"), ("10.0.0.1", "53"), ("10.0.0.7", "5432")},
        urls={"https://example.org/data.csv"},
    )
    assert found == [
        HostUse("10.0.0.7", 5432),
        HostUse("example.org", 443, ("https://example.org/data.csv",)),
    ]


def test_the_tracking_server_of_the_run_is_left_out() -> None:
    assert hosts("http://127.0.0.1:4242", connected={("127.0.0.1", "4242")}) == []
    assert hosts("https://mlflow.example.org", connected={("10.1.1.1", "443")}) == []


def test_a_name_without_a_port_is_listed_once() -> None:
    assert hosts(resolved={("a.org", ""), ("a.org", "80"), ("b.org", "")}) == [
        HostUse("a.org", 80),
        HostUse("b.org", None),
    ]


def settled(path: Path, content: bytes) -> Path:
    """A large file that was not changed just now, as far as its time says."""
    path.write_bytes(content)
    return path


def test_a_large_file_is_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, home = settled(tmp_path / "big", BIG), Home(tmp_path / "home")
    later = time.time_ns() + 10_000_000_000
    monkeypatch.setattr(time, "time_ns", lambda: later)
    first = Hashes(home)
    found = first.of(str(file))
    first.close()
    assert found is not None
    assert found[0] == hashlib.sha256(BIG).hexdigest()
    monkeypatch.setattr(hashlib, "sha256", None)  # whoever hashes now fails
    second = Hashes(home)
    assert second.of(str(file)) == found
    second.close()


def test_a_file_that_changed_with_its_size_and_time_kept_is_hashed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, home = settled(tmp_path / "big", BIG), Home(tmp_path / "home")
    later = time.time_ns() + 10_000_000_000
    monkeypatch.setattr(time, "time_ns", lambda: later)
    hashes = Hashes(home)
    before, status = hashes.of(str(file)), file.stat()
    time.sleep(0.02)
    file.write_bytes(BIG[::-1])
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    after = hashes.of(str(file))
    hashes.close()
    assert before is not None
    assert after is not None
    assert after[0] == hashlib.sha256(BIG[::-1]).hexdigest()


def test_a_file_that_changed_just_now_is_not_remembered(tmp_path: Path) -> None:
    file, home = settled(tmp_path / "big", BIG), Home(tmp_path / "home")
    hashes = Hashes(home)
    hashes.of(str(file))
    file.write_bytes(BIG[::-1])
    again = hashes.of(str(file))
    hashes.close()
    assert again is not None
    assert again[0] == hashlib.sha256(BIG[::-1]).hexdigest()


def test_a_damaged_cache_is_begun_anew(tmp_path: Path) -> None:
    file, home = settled(tmp_path / "big", BIG), Home(tmp_path / "home")
    (home.ensure(home.cache) / "hashes.db").write_text("no database" * 1000)
    for _ in range(2):
        hashes = Hashes(home)
        found = hashes.of(str(file))
        hashes.close()
        assert found is not None


def test_small_files_leave_no_cache(tmp_path: Path) -> None:
    (tmp_path / "small").write_text("x")
    hashes = Hashes(Home(tmp_path / "home"))
    found = hashes.of(str(tmp_path / "small"))
    assert found is not None
    assert found[0] == hashlib.sha256(b"x").hexdigest()
    assert hashes.of(str(tmp_path / "absent")) is None
    assert not (tmp_path / "home").exists()


def test_the_fingerprint_names_the_processor_and_not_the_machine() -> None:
    found = fingerprint()
    assert found == host_fingerprint()
    assert set(found) == {
        "system",
        "release",
        "machine",
        "cpu_model",
        "cpu_flags_sha256",
        "cpu_count",
        "glibc",
        "gpu",
    }
    assert os.uname().nodename not in str(found) or len(os.uname().nodename) < 4
    assert found["cpu_flags_sha256"] is None or len(found["cpu_flags_sha256"]) == 64
