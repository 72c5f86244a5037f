"""A command and its process group, with real processes and real signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from bis.execution.group import Command
from bis.execution.interruption import Interruption, on_signals
from bis.execution.output import Streams
from bis.execution.supervision import Ending, supervise


class Bench:
    """Runs a command in a directory of its own and keeps what it wrote."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.log = directory / "output.log"
        self.interruption = Interruption()
        self.started = threading.Event()

    def run(
        self,
        command: str,
        *,
        timeout_s: float | None = None,
        streams: Streams | None = None,
        env: dict[str, str] | None = None,
    ) -> Ending:
        return supervise(
            Command(command, cwd=self.directory, env=env or dict(os.environ)),
            log=self.log,
            streams=streams or Streams(None, None),
            interruption=self.interruption,
            timeout_s=timeout_s,
            on_start=lambda _: self.started.set(),
        )

    @property
    def output(self) -> str:
        return self.log.read_text()

    def await_file(self, name: str) -> str:
        """Wait until the command has written a file, for at most ten seconds."""
        path = self.directory / name
        for _ in range(1000):
            if path.exists() and path.read_text().strip():
                return path.read_text().strip()
            time.sleep(0.01)
        raise AssertionError(f"{name} was not written; the log says: {self.output}")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def is_running(pid: int) -> bool:
    """Whether the process lives; one that has ended and waits for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def await_end(pid: int) -> bool:
    """Whether the process ends within ten seconds."""
    for _ in range(1000):
        if not is_running(pid):
            return True
        time.sleep(0.01)
    return False


def test_output_of_both_streams_is_kept_in_the_order_it_came(bench: Bench) -> None:
    ending = bench.run("echo one; sleep 0.1; echo two >&2; sleep 0.1; echo three")
    assert (ending.exit_code, ending.stopped_by) == (0, None)
    assert bench.output == "one\ntwo\nthree\n"


def test_output_is_shown_on_the_stream_it_was_written_to(bench: Bench, tmp_path: Path) -> None:
    out, err = (os.open(tmp_path / name, os.O_RDWR | os.O_CREAT) for name in ("out", "err"))
    bench.run("echo result; echo progress >&2", streams=Streams(out, err))
    os.close(out)
    os.close(err)
    assert (tmp_path / "out").read_text() == "result\n"
    assert (tmp_path / "err").read_text() == "progress\n"


def test_a_large_output_is_whole(bench: Bench) -> None:
    bench.run("head -c 3000000 /dev/zero | tr '\\0' x")
    assert bench.log.stat().st_size == 3_000_000


def test_a_reader_that_went_away_does_not_end_the_run(bench: Bench) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    ending = bench.run("seq 20000; echo done > finished", streams=Streams(write_end, write_end))
    os.close(write_end)
    assert ending.exit_code == 0
    assert (bench.directory / "finished").exists()
    assert bench.output.splitlines()[-1] == "20000"


@pytest.mark.parametrize(
    ("command", "code"), [("exit 7", 7), ("kill -SEGV $$", 139), ("no-such-program", 127)]
)
def test_the_exit_code_is_that_of_a_shell(bench: Bench, command: str, code: int) -> None:
    assert bench.run(command).exit_code == code


def test_the_command_runs_as_bash_has_it_without_errexit(bench: Bench) -> None:
    ending = bench.run("false\necho ${BASH_VERSION:+bash}")
    assert (ending.exit_code, bench.output) == (0, "bash\n")


def test_the_time_limit_ends_the_whole_group(bench: Bench) -> None:
    ending = bench.run("sleep 600 & echo $! > child; sleep 600", timeout_s=0.5)
    assert ending.stopped_by == "timeout"
    assert await_end(int(bench.await_file("child")))


def test_a_group_that_ignores_term_is_killed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bis.execution.supervision.KILL_AFTER_S", 0.3)
    ending = bench.run("trap '' TERM; echo $$ > pid; while :; do sleep 0.1; done", timeout_s=0.5)
    assert ending.stopped_by == "timeout"
    assert ending.exit_code == 128 + signal.SIGKILL
    assert await_end(int(bench.await_file("pid")))


def test_what_the_shell_left_running_is_ended(bench: Bench) -> None:
    ending = bench.run("sleep 600 & echo $! > child; exit 3")
    assert ending.exit_code == 3
    assert await_end(int(bench.await_file("child")))


def test_cancelling_from_another_thread_ends_the_group(bench: Bench) -> None:
    def cancel() -> None:
        bench.await_file("pid")
        bench.interruption.interrupt("cancelled")

    thread = threading.Thread(target=cancel)
    thread.start()
    ending = bench.run("echo $$ > pid; sleep 600")
    thread.join()
    assert ending.stopped_by == "cancelled"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_bis_ends_the_group_and_says_which(bench: Bench, number: signal.Signals) -> None:
    def send() -> None:
        bench.await_file("pid")
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=send)
    with on_signals(bench.interruption.interrupt):
        thread.start()
        ending = bench.run("echo $$ > pid; sleep 600")
    thread.join()
    assert ending.stopped_by == number.name
    assert await_end(int(bench.await_file("pid")))


def test_a_second_interrupt_kills_at_once(bench: Bench) -> None:
    def interrupt_twice() -> None:
        bench.await_file("pid")
        bench.interruption.interrupt("SIGINT")
        time.sleep(0.2)
        bench.interruption.interrupt("SIGINT")

    thread = threading.Thread(target=interrupt_twice)
    thread.start()
    ending = bench.run("trap '' TERM; echo $$ > pid; while :; do sleep 0.1; done")
    thread.join()
    assert ending.exit_code == 128 + signal.SIGKILL


def test_no_process_is_left_when_bis_itself_is_killed(bench: Bench) -> None:
    script = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        sys.path.insert(0, str(Path(sys.argv[2])))
        from test_supervision import Bench
        Bench(Path(sys.argv[1])).run("(sleep 600 & echo $! > child; wait) & echo $$ > pid; wait")
        """
    )
    bis = subprocess.Popen([sys.executable, "-c", script, str(bench.directory), str(Path(__file__).parent)])
    pids = [int(bench.await_file(name)) for name in ("pid", "child")]
    bis.kill()
    bis.wait()
    assert all(await_end(pid) for pid in pids)


def test_a_clock_that_jumps_has_no_effect(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 0.0)
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    ending = bench.run("sleep 0.2", timeout_s=30)
    assert ending.stopped_by is None
    assert 0.1 < ending.duration_s < 30


def test_a_terminal_is_given_to_the_command_when_it_is_shown_on_one(bench: Bench) -> None:
    ours, theirs = os.openpty()
    ending = bench.run("test -t 1 && echo terminal; test -t 2 || echo pipe", streams=Streams(theirs, None))
    os.close(theirs)
    os.close(ours)
    assert ending.exit_code == 0
    assert bench.output == "terminal\npipe\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_ends_the_log_and_not_the_run(bench: Bench) -> None:
    bench.log.symlink_to("/dev/full")
    ending = bench.run("echo one; echo two > finished")
    assert (ending.exit_code, ending.log_fault) == (0, "No space left on device")
    assert (bench.directory / "finished").exists()
