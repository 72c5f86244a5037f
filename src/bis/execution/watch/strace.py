"""strace as the observer, where the kernel does not let a process be notified."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bis.execution.watch.notes import Notes

_CALLS = "open,openat,openat2,creat,execve,execveat,rename,renameat,renameat2,connect"
_LINE = re.compile(r"(\d+) +(\w+)\((.*)\) += (-?\d+)(?:<([^>]*)>)?")
_DIRECTORY = re.compile(r"AT_FDCWD<([^>]*)>")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_WRITING = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND")
_PORT = re.compile(r"sin6?_port=htons\((\d+)\)")
_HOST = re.compile(r'(?:inet_addr\(|inet_pton\(AF_INET6, )"([^"]*)"')


def strace_words(output: str) -> list[str]:
    """The words that come before a command, which then runs under strace; ``output`` is the file that it writes."""
    options = ["-f", "-qq", "-xx", "-y", "-s", "4096", "--seccomp-bpf", "-e", "signal=none"]
    return ["strace", *options, "-e", f"trace={_CALLS}", "-o", output]


def read_strace(file: Path, notes: Notes, directory: Path) -> None:
    """Note what strace wrote; relative names that it does not resolve start at ``directory``."""
    try:
        text = file.read_text("ascii", "replace")
    except OSError:
        return
    unfinished: dict[str, str] = {}
    directories: dict[str, str] = {}
    for line in text.splitlines():
        whole = _join(line, unfinished)
        match = _LINE.match(whole) if whole else None
        if not match:
            continue
        pid, call, arguments, result, path = match.groups()
        if found := _DIRECTORY.search(arguments):
            directories[pid] = _decode(found.group(1))
        if call == "connect":
            _note_connection(notes, arguments)
        elif not result.startswith("-"):
            here = Path(directories.get(pid, directory))
            _note(notes, int(pid), call, arguments, path, here)


def _join(line: str, unfinished: dict[str, str]) -> str | None:
    """The whole line of a call that others came between."""
    pid = line.partition(" ")[0]
    if line.endswith("<unfinished ...>"):
        unfinished[pid] = line.removesuffix("<unfinished ...>")
        return None
    if "resumed>" in line[:80]:
        return unfinished.pop(pid, "") + line.partition("resumed>")[2]
    return line


def _note(notes: Notes, pid: int, call: str, arguments: str, path: str | None, directory: Path) -> None:
    strings = [_decode(text) for text in _STRING.findall(arguments)]
    if call.startswith(("open", "creat")) and path:
        if call == "creat" or _WRITING.search(arguments):
            notes.written(_decode(path))
        else:
            notes.read(_decode(path))
    elif call.startswith("rename") and len(strings) == 2:
        notes.written(str(directory / strings[1]))
    elif call.startswith("exec") and strings:
        notes.executed(pid, strings[1:] or strings)


def _note_connection(notes: Notes, arguments: str) -> None:
    port, host = _PORT.search(arguments), _HOST.search(arguments)
    if port and host:
        notes.connected(_decode(host.group(1)), int(port.group(1)))


def _decode(text: str) -> str:
    """The text that ``-xx`` wrote as hexadecimal numbers."""
    if not text.startswith("\\x"):
        return text
    return bytes.fromhex(text.replace("\\x", "")).decode("utf-8", "surrogateescape")
