"""Each process of a run has a stream of its own, and the same one on every rerun."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from execution.seeding import run_script
from execution.test_seed import PYTHONS

if TYPE_CHECKING:
    from pathlib import Path

WORKERS = """
    import multiprocessing, random

    def work(queue, number):
        queue.put((number, random.random(), random.Random().random()))

    if __name__ == "__main__":
        context = multiprocessing.get_context("{method}")
        queue = context.SimpleQueue()
        workers = [context.Process(target=work, args=(queue, number)) for number in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        drawn = sorted(queue.get() for _ in workers)
        print(drawn, random.random(), sep="\\n")
        assert len({{line[1] for line in drawn}}) == len({{line[2] for line in drawn}}) == 3, drawn
"""

POOLS = """
    import multiprocessing, random, time
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing.pool import ThreadPool

    def work(number):
        time.sleep(random.SystemRandom().random() / 100)  # so that it is open which worker takes which task
        return number, random.random()

    if __name__ == "__main__":
        context = multiprocessing.get_context("{method}")
        with context.Pool(3) as pool:
            drawn = pool.map(work, range(12), chunksize=1) + [pool.apply(work, (12,))]
        with ProcessPoolExecutor(2) as executor:
            drawn += executor.map(work, range(6))
        print(drawn)
        assert len({{line[1] for line in drawn}}) == 19, drawn
        with ThreadPool(2) as pool:
            print(sorted(number for _, number in pool.map(work, range(3))))
"""

DRAW = "import random; print(random.random())"

CHILDREN = f"""
    import os, subprocess, sys
    draw = [sys.executable, "-c", {DRAW!r}]
    kept = dict(os.environ)
    drawn = [
        subprocess.check_output(draw),
        subprocess.check_output(draw),
        subprocess.check_output(draw, env=kept),
        subprocess.check_output(draw, env=kept),
        subprocess.check_output(draw, env={{os.fsencode(k): os.fsencode(v) for k, v in kept.items()}}),
        subprocess.check_output(draw, preexec_fn=os.getpid),
        *subprocess.check_output('"$PYTHON" -c "$DRAW"; "$PYTHON" -c "$DRAW"', shell=True).split(),
    ]
    for number in range(2):
        os.system('"$PYTHON" -c "$DRAW" > drawn')
        drawn.append(open("drawn").read())
    print(drawn)
    assert len({{text.strip() if isinstance(text, bytes) else text.encode().strip() for text in drawn}}) == 10, drawn
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("python", PYTHONS)
def test_workers_never_share_a_stream_and_draw_the_same_again(
    python: str, method: str, tmp_path: Path
) -> None:
    code = WORKERS.format(method=method)
    assert run_script(python, code, tmp_path) == run_script(python, code, tmp_path)


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("python", PYTHONS)
def test_it_does_not_matter_which_worker_of_a_pool_takes_a_task(
    python: str, method: str, tmp_path: Path
) -> None:
    code = POOLS.format(method=method)
    assert run_script(python, code, tmp_path) == run_script(python, code, tmp_path)


@pytest.mark.parametrize("python", PYTHONS)
def test_subprocesses_have_a_stream_each_whatever_way_they_are_started(python: str, tmp_path: Path) -> None:
    first, second = (run_script(python, CHILDREN, tmp_path, caller={"DRAW": DRAW}) for _ in range(2))
    assert first == second


def test_a_loop_in_a_shell_draws_anew_each_time_and_the_same_again(tmp_path: Path) -> None:
    command = 'for _ in 1 2 3; do "$PYTHON" script.py; done'
    first, second = (run_script(sys.executable, DRAW, tmp_path, command=command) for _ in range(2))
    assert first == second
    assert len(set(first.split())) == 3


def test_other_programs_that_are_started_between_shift_no_place(tmp_path: Path) -> None:
    code = """
        import subprocess, sys
        {}
        print(subprocess.check_output([sys.executable, "-c", "import bis_lineage; print(bis_lineage.current())"]))
    """
    without = run_script(sys.executable, code.format(""), tmp_path)
    between = run_script(sys.executable, code.format("subprocess.check_call(['true'])"), tmp_path)
    assert without == between == "b'0.1\\n'\n"


def test_forks_of_forks_have_places_below_their_own(tmp_path: Path) -> None:
    code = """
        import os, bis_lineage
        for _ in range(2):
            if os.fork() == 0:
                if os.fork() == 0:
                    print(bis_lineage.current(), os.environ["BIS_LINEAGE"], flush=True)
                    os._exit(0)
                os.wait()
                os._exit(0)
            os.wait()
        print(bis_lineage.current())
    """
    assert run_script(sys.executable, code, tmp_path) == "0.f1.f1 0.f1.f1.o\n0.f2.f1 0.f2.f1.o\n0\n"


def test_ranks_of_an_mpi_program_have_a_stream_each(tmp_path: Path) -> None:
    drawn = {
        run_script(sys.executable, DRAW, tmp_path, caller={"OMPI_COMM_WORLD_RANK": rank})
        for rank in ("0", "1", "2")
    }
    assert len(drawn) == 3


def test_a_child_that_is_given_few_variables_is_seeded_apart_from_its_parent(tmp_path: Path) -> None:
    code = f"""
        import os, random, subprocess, sys
        print(random.random())
        few = {{name: os.environ[name] for name in ("BIS_SEED", "BIS_LEVEL", "PYTHONPATH", "PATH")}}
        print(subprocess.check_output([sys.executable, "-c", {DRAW!r}], env=few).decode())
    """
    first, second = (run_script(sys.executable, code, tmp_path) for _ in range(2))
    assert first == second
    assert len(set(first.split())) == 2


def test_what_is_amended_can_still_be_sent_to_workers(tmp_path: Path) -> None:
    code = """
        import multiprocessing, multiprocessing.pool, os, pickle, random
        for function in (os.system, random.Random.seed, multiprocessing.pool.worker):
            assert pickle.loads(pickle.dumps(function)) == function, function
        if __name__ == "__main__":
            with multiprocessing.get_context("spawn").Pool(2) as pool:
                print(pool.map(os.system, ["exit 0", "exit 1"]))
    """
    assert run_script(sys.executable, code, tmp_path) == "[0, 256]\n"
