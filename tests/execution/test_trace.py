"""``--trace full``: every program of a run is seen, by the best observer that is to be had."""

from __future__ import annotations

import errno
import json
import os
import signal
import struct
import subprocess
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bis.execution.group import Command
from bis.execution.interruption import Interruption
from bis.execution.output import Streams
from bis.execution.supervision import Ending, supervise
from bis.execution.watch import launcher
from bis.execution.watch.notes import Notes
from bis.execution.watch.strace import read_strace
from bis.execution.watch.tracing import Tracer, is_possible

KILL, REFUSE, NOTIFY, ALLOW = 0x80000000, 0x00050000 | errno.ENOSYS, 0x7FC00000, 0x7FFF0000


def decide(program: bytes, architecture: int, number: int) -> int:
    """What a classic BPF program answers: an interpreter of the four instructions that it uses."""
    code = [struct.unpack_from("=HBBI", program, at) for at in range(0, len(program), 8)]
    data = {0: number, 4: architecture}
    accumulator = at = 0
    while True:
        instruction, true, false, k = code[at]
        if instruction == 0x06:
            return int(k)
        if instruction == 0x20:
            accumulator = data[k]
        else:
            holds = accumulator == k if instruction == 0x15 else accumulator >= k
            at += true if holds else false
        at += 1


@pytest.mark.parametrize("machine", list(launcher.ARCHITECTURES))
def test_the_filter_notifies_its_calls_and_lets_the_others_pass(machine: str) -> None:
    architecture, _, calls = launcher.ARCHITECTURES[machine]
    program = launcher.filter_program(machine)
    for number in calls.values():
        assert decide(program, architecture, number) == NOTIFY
    assert decide(program, architecture, 9999) == ALLOW
    assert decide(program, architecture, 425) == REFUSE  # io_uring_setup


@pytest.mark.parametrize("machine", list(launcher.ARCHITECTURES))
@pytest.mark.parametrize("foreign", [0x40000003, 0x40000028, 0])  # i386, 32-bit ARM, nothing
def test_the_filter_ends_a_process_of_another_architecture(machine: str, foreign: int) -> None:
    assert decide(launcher.filter_program(machine), foreign, 5) == KILL


def test_the_filter_ends_a_process_that_uses_the_x32_numbers() -> None:
    program = launcher.filter_program("x86_64")
    assert decide(program, launcher.ARCHITECTURES["x86_64"][0], 0x40000000 + 2) == KILL


needs_linux = pytest.mark.skipif(not is_possible(), reason="only Linux lets every program be observed")


@dataclass
class Bench:
    """Runs commands under the tracer, in a directory of their own."""

    directory: Path
    lines: list[dict[str, Any]] = field(default_factory=list)

    def trace(self, command: str, **variables: str) -> Ending:
        report = self.directory / "report"
        report.mkdir()
        self.tracer = Tracer(report, directory=self.directory)
        ending = supervise(
            Command(
                command,
                cwd=self.directory,
                env={**os.environ, **variables},
                words_before=self.tracer.words,
                descriptors=(self.tracer.descriptor,),
            ),
            log=self.directory / "log",
            streams=Streams(None, None),
            interruption=Interruption(),
            timeout_s=60,
            on_start=lambda _: self.tracer.started(),
        )
        self.observer = self.tracer.finish()
        self.lines = [json.loads(line) for line in (report / "0-trace.jsonl").read_text().splitlines()]
        return ending

    @property
    def output(self) -> str:
        return (self.directory / "log").read_text()

    def paths(self, kind: str) -> set[str]:
        """The paths below the directory."""
        found = {os.path.normpath(line["path"]) for line in self.lines if line["kind"] == kind}
        start = f"{self.directory}/"
        return {path.removeprefix(start) for path in found if path.startswith(start)}

    def programs(self) -> list[list[str]]:
        return [line["argv"] for line in self.lines if line["kind"] == "exec"]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.txt").write_text("b")
    return Bench(tmp_path)


@needs_linux
def test_it_sees_what_every_program_reads_and_writes(bench: Bench) -> None:
    ending = bench.trace("cat a.txt; cd sub; cat b.txt > c.txt; mv c.txt d.txt; cat none.txt; exit 3")
    assert ending.exit_code == 3
    assert bench.observer.name == "seccomp"
    assert bench.paths("read") == {"a.txt", "sub/b.txt"}
    assert {"sub/c.txt", "sub/d.txt"} <= bench.paths("write")
    assert ["cat", "a.txt"] in bench.programs()


@needs_linux
def test_it_sees_a_python_without_the_probe_and_files_opened_in_c(bench: Bench) -> None:
    code = "import ctypes; print(ctypes.CDLL(None).open(b'a.txt', 0))"
    bench.trace(f'{sys.executable} -I -c "{code}"')
    assert "a.txt" in bench.paths("read")


@needs_linux
def test_it_sees_names_relative_to_a_directory_that_was_opened(bench: Bench) -> None:
    code = "import os; os.open('b.txt', os.O_RDONLY, dir_fd=os.open('sub', os.O_RDONLY))"
    bench.trace(f'{sys.executable} -I -c "{code}"')
    assert "sub/b.txt" in bench.paths("read")


@needs_linux
def test_it_sees_connections_of_every_program(bench: Bench) -> None:
    bench.trace("exec 3<>/dev/tcp/127.0.0.1/9")
    assert {"kind": "connect", "host": "127.0.0.1", "port": "9"} in bench.lines


@needs_linux
def test_it_sees_threads_forks_and_programs_that_become_another(bench: Bench) -> None:
    (bench.directory / "main.py").write_text(
        textwrap.dedent(
            """
            import os, subprocess, sys, threading
            threads = [threading.Thread(target=lambda n=n: open(f"t{n}.txt", "w").close()) for n in range(8)]
            [thread.start() for thread in threads]; [thread.join() for thread in threads]
            if os.fork() == 0:
                open("fork.txt", "w").close(); os._exit(0)
            os.wait()
            for number in range(20):
                subprocess.run(["sh", "-c", f"echo > s{number}.txt"], check=True)
            os.execv("/bin/sh", ["sh", "-c", "echo > exec.txt"])
            """
        )
    )
    ending = bench.trace(f"{sys.executable} main.py")
    assert (ending.exit_code, bench.output) == (0, "")
    expected = {"fork.txt", "exec.txt", *(f"t{n}.txt" for n in range(8)), *(f"s{n}.txt" for n in range(20))}
    assert expected <= bench.paths("write")
    assert bench.observer.blind_to[-1].startswith("system calls through io_uring")  # no fault is said


@needs_linux
def test_the_command_finds_the_world_as_it_was(bench: Bench) -> None:
    bench.trace(
        "env; grep -E 'SigIgn|SigBlk' /proc/self/status; ls /proc/self/fd", LC_ALL="", LANG="", FROM="me"
    )
    assert "FROM=me\n" in bench.output
    assert "LC_CTYPE" not in bench.output
    ignored = next(line for line in bench.output.splitlines() if line.startswith("SigIgn"))
    assert int(ignored.split()[1], 16) & (1 << 12) == 0  # SIGPIPE
    assert bench.output.split()[-4:] == ["0", "1", "2", "3"]  # 3 is what ls looks through


@needs_linux
def test_the_launcher_itself_leaves_no_trace(bench: Bench) -> None:
    bench.trace("exit 0")
    assert [line for line in bench.lines if line["kind"] in ("read", "write")] == []
    assert bench.programs() == [["bash", "-c", "exit 0"]]


@needs_linux
def test_a_command_that_is_killed_ends_and_what_was_seen_is_kept(bench: Bench) -> None:
    ending = bench.trace("cat a.txt; kill -9 $$")
    assert ending.exit_code == 137
    assert "a.txt" in bench.paths("read")


@needs_linux
def test_what_outlives_the_command_is_served_until_it_is_ended(bench: Bench) -> None:
    bench.trace("(while true; do cat sub/b.txt; sleep 0.01; done) & cat a.txt; sleep 0.1")
    assert {"a.txt", "sub/b.txt"} <= bench.paths("read")


@needs_linux
def test_where_a_listener_is_there_already_strace_looks_and_it_is_said(bench: Bench, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    (inner / "sub").mkdir(parents=True)
    (inner / "a.txt").write_text("a")
    script = tmp_path / "nested.py"
    script.write_text(
        textwrap.dedent(
            f"""
            from pathlib import Path
            from execution.test_trace import Bench
            bench = Bench(Path({str(inner)!r}))
            ending = bench.trace("cat a.txt > b.txt; cd sub; mv ../b.txt c.txt; (exec 3<>/dev/tcp/127.0.0.1/9); exit 4")
            print(ending.exit_code, bench.observer.name, bench.observer.instead_of)
            print(sorted(bench.paths("read")), sorted(bench.paths("write")))
            print({{"kind": "connect", "host": "127.0.0.1", "port": "9"}} in bench.lines)
            """
        )
    )
    bench.trace(f"{sys.executable} {script}", PYTHONPATH=str(Path(__file__).parent.parent))
    said = bench.output.splitlines()
    if "4 strace" not in bench.output:
        assert (
            "4 audit hook seccomp is not available (seccomp: Device or resource busy), and strace neither"
            in said
        )
        pytest.skip("strace is not here, or may not trace")
    assert "4 strace seccomp is not available (seccomp: Device or resource busy)" in said
    assert "['a.txt'] ['b.txt', 'sub/c.txt']" in said
    assert said[-1] == "True"


@needs_linux
def test_where_nothing_can_look_the_command_runs_and_it_is_said(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    unable = bench.directory / "launcher.py"
    text = (
        Path(launcher.__file__)
        .read_text()
        .replace('"x86_64": (', '"none": (')
        .replace('"aarch64": (', '"no": (')
    )
    unable.write_text(text)
    monkeypatch.setattr("bis.execution.watch.tracing._LAUNCHER", unable)
    monkeypatch.setattr("bis.execution.watch.tracing.strace_words", lambda _: ["no-such-tracer"])
    ending = bench.trace("cat a.txt; exit 5")
    assert (ending.exit_code, bench.output, bench.lines) == (5, "a", [])
    machine = os.uname().machine
    assert bench.observer.name == "audit hook"
    assert bench.observer.instead_of == (
        f"seccomp is not available (no filter for linux on {machine}), and strace neither"
    )


def test_the_output_of_strace_is_read(tmp_path: Path) -> None:
    def hexed(text: str) -> str:
        return "".join(f"\\x{byte:02x}" for byte in text.encode())

    here, port = f"AT_FDCWD<{hexed('/p')}>", 'sin_port=htons(80), sin_addr=inet_addr("10.0.0.1")'
    lines = [
        f'7 openat({here}, "{hexed("a")}", O_RDONLY|O_CLOEXEC) = 3<{hexed("/p/a")}>',
        f'7 openat({here}, "{hexed("none")}", O_RDONLY) = -1 ENOENT (No such file or directory)',
        f'8 openat({here}, "{hexed("o")}", O_WRONLY|O_CREAT <unfinished ...>',
        f'7 renameat2({here}, "{hexed("a")}", {here}, "{hexed("b")}", 0) = 0',
        f"8 <... openat resumed>, 0666) = 4<{hexed('/p/o')}>",
        f'7 rename("{hexed("b")}", "{hexed("c")}") = 0',
        f"7 connect(3<{hexed('socket:[1]')}>, {{sa_family=AF_INET, {port}}}, 16) = -1 ECONNREFUSED (refused)",
        f'9 execve("{hexed("/bin/cat")}", ["{hexed("cat")}", "{hexed("x y")}"], 0x7ffc /* 3 vars */) = 0',
        "9 +++ exited with 0 +++",
    ]
    (tmp_path / "strace.txt").write_text("\n".join(lines) + "\n")
    notes = Notes()
    read_strace(tmp_path / "strace.txt", notes, tmp_path)
    notes.write(tmp_path)
    found = [json.loads(line) for line in (tmp_path / "0-trace.jsonl").read_text().splitlines()]
    assert sorted(found, key=str) == sorted(
        [
            {"kind": "read", "path": "/p/a"},
            *({"kind": "write", "path": path} for path in ("/p/o", "/p/b", "/p/c")),
            {"kind": "connect", "host": "10.0.0.1", "port": "80"},
            {"kind": "exec", "pid": 9, "argv": ["cat", "x y"]},
        ],
        key=str,
    )


def run_alone(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=Path(launcher.__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )


@needs_linux
def test_without_its_observer_a_program_cannot_go_on_unseen() -> None:
    answer = run_alone(
        """
        import os, launcher
        os.close(launcher.install_filter())
        try:
            os.open("launcher.py", os.O_RDONLY)
        except OSError as error:
            print(error.errno)
        """
    )
    assert answer.stdout == f"{errno.ENOSYS}\n"


@needs_linux
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the machine code is of x86_64")
def test_a_system_call_of_another_architecture_ends_the_process() -> None:
    call = """
        import ctypes, mmap, os, launcher
        listener = {}
        code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        code.write(b"\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3")  # i386's getpid: mov eax, 20; int 0x80; ret
        address = ctypes.addressof(ctypes.c_char.from_buffer(code))
        print(ctypes.CFUNCTYPE(ctypes.c_int)(address)() == os.getpid(), flush=True)
    """
    if run_alone(call.format("None")).stdout != "True\n":
        pytest.skip("this kernel knows no other architecture")
    assert run_alone(call.format("launcher.install_filter()")).returncode == -signal.SIGSYS
