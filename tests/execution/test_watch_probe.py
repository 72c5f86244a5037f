"""What the probe reports of a Python process, in every interpreter that is here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bis.execution.variables import PROBE
from execution.interpreters import interpreters
from seeded_environments import SKLEARN, stack_python


@dataclass
class Seen:
    """The answer of a process, and the lines of all reports."""

    answer: subprocess.CompletedProcess[str]
    lines: list[dict[str, Any]] = field(default_factory=list)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["kind"] == kind]

    def paths(self, kind: str) -> set[str]:
        return {line["path"] for line in self.of(kind)}


def watch(tmp_path: Path, code: str, *, python: str = sys.executable, words: tuple[str, ...] = ()) -> Seen:
    """Run ``code`` as a script in ``tmp_path/project`` with the probe."""
    project, report = tmp_path / "project", tmp_path / "report"
    project.mkdir(exist_ok=True)
    report.mkdir()
    (project / "main.py").write_text(textwrap.dedent(code))
    environ = {
        **os.environ,
        "PYTHONPATH": str(PROBE),
        "BIS_REPORT": str(report),
        "BIS_LINEAGE": "0",
        "BIS_SEED": "0",
        "BIS_LEVEL": "observe",
    }
    answer = subprocess.run(
        [python, *words, "main.py"], cwd=project, env=environ, capture_output=True, text=True, check=False
    )
    lines = [
        json.loads(line)
        for file in sorted(report.glob("*.jsonl"))
        for line in file.read_text("ascii").splitlines()
    ]
    return Seen(answer, lines)


def version(python: str) -> tuple[int, ...]:
    code = "import sys; print(*sys.version_info[:2])"
    return tuple(map(int, subprocess.check_output([python, "-S", "-c", code], text=True).split()))


def test_each_file_is_reported_once_with_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("1,2\n")
    seen = watch(
        tmp_path,
        """
        import os, pathlib
        for _ in range(3):
            open("../data.csv").read()
            pathlib.Path("../data.csv").read_bytes()
            os.close(os.open(b"../data.csv", os.O_RDONLY))
        """,
    )
    assert seen.answer.stderr == ""
    (data,) = [line for line in seen.of("read") if line["path"].endswith("data.csv")]
    status = (tmp_path / "data.csv").stat()
    assert data == {
        "kind": "read",
        "path": f"{tmp_path}/project/../data.csv",
        "size": 4,
        "mtime_ns": status.st_mtime_ns,
        "ctime_ns": status.st_ctime_ns,
        "inode": status.st_ino,
    }


@pytest.mark.parametrize("python", interpreters())
def test_every_python_reports_what_it_can(python: str, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("1,2\n")
    seen = watch(tmp_path, "open('../data.csv').read(); open('out.txt', 'w').close()", python=python)
    assert (seen.answer.stderr, seen.answer.returncode) == ("", 0)
    if version(python) < (3, 7):
        assert seen.lines == []
        return
    (process,) = seen.of("process")
    assert process["watched"] == (version(python) >= (3, 8))
    assert process["argv"][1:] == ["main.py"]
    expected = {f"{tmp_path}/project/../data.csv", f"{tmp_path}/project/main.py"}
    assert {path for path in seen.paths("read") if path.startswith(str(tmp_path))} == (
        expected if process["watched"] else set()
    )
    assert seen.paths("write") == ({f"{tmp_path}/project/out.txt"} if process["watched"] else set())
    (end,) = seen.of("end")
    assert end["memory_peak_bytes"] > 1_000_000


def test_installed_packages_and_the_standard_library_need_no_word(tmp_path: Path) -> None:
    seen = watch(tmp_path, "import json, http.client, yaml")
    assert seen.paths("read") == {f"{tmp_path}/project/main.py"}


def test_a_module_is_read_by_its_source_when_only_its_bytecode_is_opened(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "model.py").write_text("x = 1\n")
    code = "import sys; sys.dont_write_bytecode = False; import model"
    environ = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path / "project", env=environ, check=True)
    (bytecode,) = (tmp_path / "project" / "__pycache__").iterdir()
    seen = watch(tmp_path, code)
    assert f"{tmp_path}/project/model.py" in seen.paths("read")
    assert not [path for path in seen.paths("read") | seen.paths("write") if bytecode.name in path]


def test_what_a_program_writes_and_reads_back_is_no_input(tmp_path: Path) -> None:
    seen = watch(
        tmp_path,
        """
        import os, sqlite3
        open("a.txt", "w").write("x")
        open("a.txt").read()
        os.replace("a.txt", "b.txt")
        open("b.txt").read()
        sqlite3.connect("c.db").execute("CREATE TABLE t (x)")
        open("d.txt", "a").close()
        """,
    )
    assert seen.paths("read") == {f"{tmp_path}/project/main.py"}
    names = {Path(path).name for path in seen.paths("write")}
    assert {"a.txt", "b.txt", "d.txt"} <= names
    assert "c.db" in names or sys.version_info < (3, 9)


def test_a_file_that_is_updated_in_place_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "state.bin").write_bytes(b"1")
    seen = watch(tmp_path, "open('../state.bin', 'r+b').write(b'2')")
    path = f"{tmp_path}/project/../state.bin"
    assert path in seen.paths("read")
    assert path in seen.paths("write")


def test_hosts_and_urls_are_reported_without_credentials_and_query(tmp_path: Path) -> None:
    seen = watch(
        tmp_path,
        """
        import contextlib, http.client, urllib.request
        with contextlib.suppress(OSError):
            urllib.request.urlopen("http://user:secret@localhost:9/data.csv?token=secret#part")
        with contextlib.suppress(OSError):
            http.client.HTTPConnection("127.0.0.1", 9).request("GET", "/a?token=secret")
        """,
    )
    assert "http://localhost:9/data.csv" in {line["url"] for line in seen.of("url")}
    assert ("127.0.0.1", "9") in {(line["host"], line["port"]) for line in seen.of("resolve")}
    assert "secret" not in json.dumps(seen.lines)


def test_the_url_of_a_request_through_an_open_connection_is_reported(tmp_path: Path) -> None:
    seen = watch(
        tmp_path,
        """
        import http.client, http.server, threading
        server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
        threading.Thread(target=server.handle_request).start()
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port)
        connection.request("GET", "/main.py?x=1")
        connection.getresponse().read()
        print(server.server_port)
        """,
    )
    port = seen.answer.stdout.strip()
    assert {line["url"] for line in seen.of("url")} == {f"http://127.0.0.1:{port}/main.py"}


def test_started_programs_are_reported_and_whether_the_probe_went_along(tmp_path: Path) -> None:
    seen = watch(
        tmp_path,
        """
        import os, subprocess, sys
        subprocess.run([sys.executable, "-c", "pass"])
        subprocess.run([sys.executable, "-I", "-c", "pass"])
        subprocess.run([sys.executable, "-c", "'clean'"], env={})
        subprocess.run("true", shell=True)
        os.system("exit 0")
        """,
    )
    spawned = [(line["argv"][1:], line["probe_kept"]) for line in seen.of("spawn")]
    assert (["-c", "pass"], True) in spawned
    assert (["-I", "-c", "pass"], True) in spawned
    assert (["-c", "'clean'"], False) in spawned
    assert [argv for argv, _ in spawned].count(["-c", "true"]) == 1
    assert (["-c", "exit 0"], True) in spawned
    assert [process["argv"][1:] for process in seen.of("process")].count(["-c", "pass"]) == 1


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_report_for_themselves_with_their_place(tmp_path: Path, method: str) -> None:
    (tmp_path / "data.csv").write_text("1\n")
    seen = watch(
        tmp_path,
        f"""
        import multiprocessing

        def work():
            open("../data.csv").read()

        if __name__ == "__main__":
            multiprocessing.set_start_method({method!r})
            worker = multiprocessing.Process(target=work)
            worker.start()
            worker.join()
        """,
    )
    assert seen.answer.stderr == ""
    assert f"{tmp_path}/project/../data.csv" in seen.paths("read")
    places = {line["lineage"] for line in [*seen.of("process"), *seen.of("place")]}
    assert {"0", "0.p1"} <= places


def test_entropy_that_no_seed_holds_is_reported_with_who_asked(tmp_path: Path) -> None:
    seen = watch(tmp_path, "import os, uuid; print(len(os.urandom(3))); uuid.uuid4()")
    assert seen.answer.stdout == "3\n"
    assert [line["by"] for line in seen.of("urandom")] == ["__main__"]


def test_a_program_that_closes_all_descriptors_is_still_watched_and_its_files_stay_whole(
    tmp_path: Path,
) -> None:
    (tmp_path / "data.csv").write_text("1\n")
    seen = watch(
        tmp_path,
        """
        import os
        os.closerange(3, 4096)
        first = os.open("theirs.txt", os.O_WRONLY | os.O_CREAT)
        open("../data.csv").read()
        os.write(first, b"only mine")
        """,
    )
    assert seen.answer.returncode == 0, seen.answer.stderr
    assert (tmp_path / "project" / "theirs.txt").read_text() == "only mine"
    assert f"{tmp_path}/project/../data.csv" in seen.paths("read")


def test_a_report_that_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    seen = watch(
        tmp_path,
        """
        import os, shutil
        shutil.rmtree(os.environ["BIS_REPORT"])
        os.closerange(3, 4096)
        open("main.py").read()
        print("done")
        """,
    )
    assert (seen.answer.stdout, seen.answer.stderr, seen.answer.returncode) == ("done\n", "", 0)


def test_names_that_are_no_text_are_reported(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9\n.txt")
    (tmp_path / name).write_text("x")
    seen = watch(tmp_path, r"""open(b"../caf\xe9\n.txt").read()""")
    assert any(path.endswith(name) for path in seen.paths("read"))


def test_an_interrupt_reaches_the_program(tmp_path: Path) -> None:
    seen = watch(
        tmp_path,
        """
        import os, signal
        try:
            os.kill(os.getpid(), signal.SIGINT)
            while True:
                open("main.py").close()
        except KeyboardInterrupt:
            print("interrupted")
        """,
    )
    assert seen.answer.stdout == "interrupted\n"


@pytest.mark.parametrize("stack", SKLEARN)
def test_numeric_libraries_say_their_kernel_and_threads(tmp_path: Path, stack: str) -> None:
    code = "import numpy, sklearn.cluster; numpy.ones((2, 2)) @ numpy.ones((2, 2))"
    seen = watch(tmp_path, code, python=stack_python(stack))
    libraries = {line["library"]: line for line in seen.of("library")}
    assert libraries["openblas"]["kernel"]
    assert libraries["openblas"]["threads"] >= 1
    assert libraries["openmp"]["threads"] >= 1
    assert "SSE2" in libraries["numpy"]["kernel"] or "ASIMD" in libraries["numpy"]["kernel"]
