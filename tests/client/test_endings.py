"""However a script ends, what it logged is there: all of it, unless it was killed; then all that was flushed."""

from __future__ import annotations

import os
import random
import signal
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from client.conftest import Tracked

MANY = 3500  # some full batches and a rest
LOG_MANY = f"""
import bis, os, sys
run = bis.start_run()
for i in range({MANY}):
    bis.log_metric("m", i)
"""


def assert_all(tracked: Tracked, number: int = MANY) -> None:
    (run,) = tracked.runs()
    assert tracked.history(run["info"]["run_id"], "m") == [float(i) for i in range(number)]


@pytest.mark.parametrize(
    ("ending", "code", "status"),
    [
        ("", 0, "FINISHED"),
        ("bis.end_run()", 0, "FINISHED"),
        ("bis.end_run('KILLED')", 0, "KILLED"),
        ("sys.exit(3)", 3, "FINISHED"),
        ("1 / 0", 1, "FAILED"),
        ("raise KeyboardInterrupt", -signal.SIGINT, "KILLED"),
        ("bis.flush(); os._exit(0)", 0, "RUNNING"),
        ("bis.flush(); os.kill(os.getpid(), 9)", -9, "RUNNING"),
    ],
)
def test_all_that_was_logged_is_there(tracked: Tracked, ending: str, code: int, status: str) -> None:
    tracked.script(LOG_MANY + ending, status=code)
    assert_all(tracked)
    assert tracked.runs()[0]["info"]["status"] == status


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        ("pass", "FINISHED"),
        ("sys.exit()", "FINISHED"),
        ("sys.exit(0)", "FINISHED"),
        ("sys.exit('no')", "FAILED"),
        ("raise ValueError", "FAILED"),
        ("raise KeyboardInterrupt", "KILLED"),
    ],
)
def test_a_block_ends_its_run_as_it_ends_itself(tracked: Tracked, ending: str, status: str) -> None:
    tracked.script(
        f"""
        import bis, sys
        try:
            with bis.start_run():
                bis.log_metric("m", 0)
                {ending}
        except BaseException:
            pass
        assert bis.active_run() is None
        """
    )
    assert tracked.runs()[0]["info"]["status"] == status
    assert_all(tracked, 1)


def test_a_handler_of_the_scripts_own_that_exits_loses_nothing(tracked: Tracked) -> None:
    process = tracked.start(
        """
        import bis, signal, sys, time
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        i = 0
        try:
            with bis.start_run():
                print("begun", flush=True)
                while True:
                    bis.log_metric("m", i)
                    i += 1
        finally:
            print(i)
        """
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    (run,) = tracked.runs()
    history = tracked.history(run["info"]["run_id"], "m")
    assert history == [float(i) for i in range(len(history))]
    assert len(history) - int(out.split()[-1]) in (0, 1)  # the signal may come between the two lines


def test_a_signal_handler_may_log_and_flush(tracked: Tracked) -> None:
    tracked.script(
        """
        import bis, os, signal, threading, time
        def handle(*_):
            bis.log_metric("h", 1)
            bis.flush()
        signal.signal(signal.SIGUSR1, handle)
        with bis.start_run():
            over = threading.Event()
            def disturb():
                for _ in range(50):
                    os.kill(os.getpid(), signal.SIGUSR1)
                    time.sleep(0.005)
                over.set()
            thread = threading.Thread(target=disturb)
            thread.start()
            i = 0
            while not over.is_set() or i < 3500:
                bis.log_metric("m", i)
                i += 1
                if i % 100 == 0:
                    bis.flush()
            thread.join()
        """
    )
    (run,) = tracked.runs()
    history = tracked.history(run["info"]["run_id"], "m")
    assert history == [float(i) for i in range(len(history))]
    assert len(history) >= 3500


def test_a_thread_that_goes_on_after_the_script_loses_nothing(tracked: Tracked) -> None:
    tracked.script(
        """
        import bis, threading, time
        bis.start_run()
        def work():
            time.sleep(0.3)
            for i in range(100):
                bis.log_metric("m", i)
        threading.Thread(target=work).start()
        """
    )
    assert_all(tracked, 100)


def test_what_is_logged_while_the_process_ends_is_sent(tracked: Tracked) -> None:
    tracked.script(
        """
        import atexit, bis
        atexit.register(lambda: bis.log_metric("m", 1, run_id=run.info.run_id))
        run = bis.start_run()
        bis.log_metric("m", 0)
        """
    )
    assert_all(tracked, 2)


def test_a_forked_child_starts_clean_and_the_run_stays_its_parents(tracked: Tracked) -> None:
    tracked.script(
        """
        import bis, os, sys
        with bis.start_run():
            for i in range(500):
                bis.log_metric("m", i)
            child = os.fork()
            if child == 0:
                bis.log_metric("child", 1)
                sys.exit(0)
            os.waitpid(child, 0)
            assert bis.get_run(bis.active_run().info.run_id).info.status == "RUNNING"
            for i in range(500, 1000):
                bis.log_metric("m", i)
        """
    )
    assert_all(tracked, 1000)
    run = tracked.runs()[0]
    assert tracked.history(run["info"]["run_id"], "child") == [1.0]
    assert run["info"]["status"] == "FINISHED"


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize(
    "work",
    [
        "[p.start() for p in ps]; [p.join() for p in ps]",
        "pool = context.Pool(2); pool.map(log, range(4)); pool.terminate()",
        "pool = concurrent.futures.ProcessPoolExecutor(2, mp_context=context); list(pool.map(log, range(4)))",
    ],
    ids=["processes", "pool", "executor"],
)
def test_processes_of_multiprocessing_lose_nothing(tracked: Tracked, method: str, work: str) -> None:
    run_id = tracked.new_run()
    tracked.script(
        f"""
        import bis, concurrent.futures, multiprocessing
        def log(n):
            for i in range(25):
                bis.log_metric("m%d" % n, i)
        if __name__ == "__main__":
            context = multiprocessing.get_context("{method}")
            bis.log_param("parent", 1)
            ps = [context.Process(target=log, args=(n,)) for n in range(4)]
            {work}
        """,
        run_id=run_id,
    )
    for n in range(4):
        assert tracked.history(run_id, f"m{n}") == [float(i) for i in range(25)]
    assert tracked.run(run_id)["info"]["status"] == "RUNNING"  # it is for bis to end it


@pytest.mark.parametrize("seed", range(4))
def test_a_script_killed_at_any_moment_has_what_it_flushed(tracked: Tracked, seed: int) -> None:
    process = tracked.start(
        """
        import bis
        bis.start_run()
        i = 0
        while True:
            for _ in range(700):
                bis.log_metric("m", i)
                i += 1
            bis.flush()
            print(i, flush=True)
        """
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(random.Random(seed).random() / 2)
    os.killpg(process.pid, signal.SIGKILL)
    out, _ = process.communicate(timeout=30)
    flushed = int(out.split()[-1]) if out.split() else 700
    (run,) = tracked.runs()
    history = tracked.history(run["info"]["run_id"], "m")
    assert len(history) >= flushed
    assert history == [float(i) for i in range(len(history))]  # in order, and each one once


def test_threads_log_to_the_run_of_the_process_each_in_its_order(tracked: Tracked) -> None:
    tracked.script(
        """
        import bis, threading
        def log(n):
            for i in range(1000):
                bis.log_metric("m%d" % n, i)
        with bis.start_run():
            threads = [threading.Thread(target=log, args=(n,)) for n in range(10)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
        """
    )
    (run,) = tracked.runs()
    for n in range(10):
        assert tracked.history(run["info"]["run_id"], f"m{n}") == [float(i) for i in range(1000)]


@pytest.mark.parametrize(("typed", "status"), [("", "FAILED"), ("sys.ps1 = '>>> '", "FINISHED")])
def test_an_error_in_a_session_of_a_person_is_no_failure(tracked: Tracked, typed: str, status: str) -> None:
    code = f"import bis, sys\n{typed}\nbis.log_metric('m', 0)\nraise ValueError"
    tracked.script(code, status=1)
    assert tracked.runs()[0]["info"]["status"] == status


def test_a_server_that_is_gone_at_the_end_is_said_and_does_not_hold_the_script(tracked: Tracked) -> None:
    _, said = tracked.script(
        """
        import bis, os
        from bis.client import connection
        connection.PATIENCE_S = 0.5
        run = bis.start_run()
        run.server._port = 9
        run.server._idle.clear()
        bis.log_metric("m", 1)
        """
    )
    assert "does not answer" in said
    assert "1 metrics are lost" in said
    assert "Traceback" not in said
