"""How a later bis knows that a run was left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from bis.home import Home
from bis.liveness import Owner, RunningDirectory, abandoned, live_directory, sweep

_HOLD = """
import sys, time
from pathlib import Path
from bis.liveness import Owner, RunningDirectory
from bis.home import Home
running = RunningDirectory.create(Home(Path(sys.argv[1])))
running.belong_to(Owner("a" * 32, None))
print(running.path, flush=True)
time.sleep(600)
"""


def _hold(home: Home) -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(home.root)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process.stdout:
        return process, Path(process.stdout.readline().strip())


def test_a_live_run_is_not_abandoned(tmp_path: Path) -> None:
    home = Home(tmp_path)
    process, path = _hold(home)
    try:
        with abandoned(home) as found:
            assert found == []
        assert live_directory(home, "a" * 32) == path
    finally:
        process.kill()
        process.wait()


def test_a_run_whose_process_was_killed_is_abandoned(tmp_path: Path) -> None:
    home = Home(tmp_path)
    process, path = _hold(home)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with abandoned(home) as found:
        assert found == [(path, Owner("a" * 32, None))]
        with abandoned(home) as found_by_another:
            assert found_by_another == []  # it is being taken care of
    sweep(home, notify=print)
    assert live_directory(home, "a" * 32) is None
    with abandoned(home) as found:
        assert found == []


def test_a_directory_that_was_not_finished_has_no_owner(tmp_path: Path) -> None:
    home = Home(tmp_path)
    running = RunningDirectory.create(home)
    os.close(running._lock)
    with abandoned(home) as found:
        assert found == [(running.path, None)]


def test_an_ended_run_leaves_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path)
    running = RunningDirectory.create(home)
    running.belong_to(Owner(running.token, None))
    running.log.write_text("output")
    running.close()
    assert list(home.running.iterdir()) == []


def test_a_run_that_could_not_be_ended_is_left_to_the_next_bis(tmp_path: Path) -> None:
    home = Home(tmp_path)
    running = RunningDirectory.create(home)
    running.belong_to(Owner(running.token, None))
    running.leave()
    running.close()
    with abandoned(home) as found:
        assert found == [(running.path, Owner(running.token, None))]


def test_runs_that_begin_are_never_swept(tmp_path: Path) -> None:
    home, ended = Home(tmp_path / "home"), threading.Event()

    def sweep_on() -> None:
        while not ended.is_set():
            sweep(home, notify=lambda _: None)

    sweepers = [threading.Thread(target=sweep_on) for _ in range(2)]
    for each in sweepers:
        each.start()
    try:
        for _ in range(300):
            running = RunningDirectory.create(home)
            assert (running.path / "alive").exists()
            running.close()
    finally:
        ended.set()
        for each in sweepers:
            each.join()
