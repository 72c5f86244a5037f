"""Answers the notifications of the seccomp filter: each call goes on, and what it is about is noted.

seccomp_unotify(2). The calls are only looked at, so a program that changes a path between the look and the kernel's own
fools nobody but the record. Whatever goes wrong in here, the call goes on: a program must not hang on its observer.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import socket
import struct
from typing import TYPE_CHECKING

from bis.execution.watch.launcher import ARCHITECTURES

if TYPE_CHECKING:
    from collections.abc import Callable

    from bis.execution.watch.notes import Notes

_RECEIVE = 0xC0502100  # SECCOMP_IOCTL_NOTIF_RECV: _IOWR('!', 0, struct seccomp_notif)
_SEND = 0xC0182101  # SECCOMP_IOCTL_NOTIF_SEND
_NOTIFICATION = struct.Struct("=QIIiIQ6Q")  # id, pid, flags, then seccomp_data: nr, arch, ip, args
_RESPONSE = struct.Struct("=QqiI")
_CONTINUE = 1

_AT_FDCWD = 0xFFFFFF9C  # -100 as the 32 bits that the kernel looks at
_PAGE = 4096
_MOST_MEMORIES = 64
_MOST_WORDS = 100


class Supervisor:
    """Serves one listening descriptor until the last process under the filter has ended, or ``stop`` is called."""

    def __init__(self, listener: int, notes: Notes) -> None:
        self._listener = listener
        self._notes = notes
        self._memories: dict[int, int] = {}
        self._stop_read, self._stop_write = os.pipe()
        self.faults = 0
        """Calls that could not be looked at."""
        calls = ARCHITECTURES[os.uname().machine][2]
        self._handlers: dict[int, Callable[[int, tuple[int, ...]], None]] = {
            number: getattr(self, f"_{name}") for name, number in calls.items()
        }

    def serve(self) -> None:
        """Answer until there is nobody left to ask."""
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        poll.register(self._stop_read, select.POLLIN)
        try:
            while True:
                events = dict(poll.poll())
                if events.get(self._listener, 0) & select.POLLIN:
                    self._answer()
                elif events:  # the last one has ended, or we are to stop
                    return
        finally:
            for descriptor in (self._listener, *self._memories.values()):
                os.close(descriptor)
            self._memories.clear()

    def stop(self) -> None:
        """End ``serve``, from another thread: what is still under the filter gets ENOSYS from then on."""
        os.write(self._stop_write, b"!")

    def close(self) -> None:
        """Give back what is left, once ``serve`` has ended."""
        os.close(self._stop_read)
        os.close(self._stop_write)

    def _answer(self) -> None:
        buffer = bytearray(_NOTIFICATION.size)
        try:
            fcntl.ioctl(self._listener, _RECEIVE, buffer, True)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EINTR):  # it was killed meanwhile
                return
            raise
        number, pid, _, call, _, _, *arguments = _NOTIFICATION.unpack(buffer)
        try:
            self._handlers[call](pid, tuple(arguments))
        except (OSError, ValueError, OverflowError, KeyError):
            self.faults += 1
        try:
            fcntl.ioctl(self._listener, _SEND, _RESPONSE.pack(number, 0, 0, _CONTINUE))
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise

    # The calls, with their arguments as the manual pages name them.

    def _open(self, pid: int, arguments: tuple[int, ...]) -> None:
        self._opened(pid, _AT_FDCWD, arguments[0], arguments[1])

    def _creat(self, pid: int, arguments: tuple[int, ...]) -> None:
        self._opened(pid, _AT_FDCWD, arguments[0], os.O_CREAT | os.O_WRONLY | os.O_TRUNC)

    def _openat(self, pid: int, arguments: tuple[int, ...]) -> None:
        self._opened(pid, arguments[0], arguments[1], arguments[2])

    def _openat2(self, pid: int, arguments: tuple[int, ...]) -> None:
        flags = struct.unpack("=Q", self._read(pid, arguments[2], 8))[0]  # struct open_how
        self._opened(pid, arguments[0], arguments[1], flags)

    def _opened(self, pid: int, directory: int, path: int, flags: int) -> None:
        self._notes.opened(self._path(pid, directory, path), flags & 0xFFFFFFFF)

    def _rename(self, pid: int, arguments: tuple[int, ...]) -> None:
        self._notes.written(self._path(pid, _AT_FDCWD, arguments[1]))

    def _renameat(self, pid: int, arguments: tuple[int, ...]) -> None:
        self._notes.written(self._path(pid, arguments[2], arguments[3]))

    _renameat2 = _renameat

    def _execve(self, pid: int, arguments: tuple[int, ...]) -> None:
        self._executed(pid, self._path(pid, _AT_FDCWD, arguments[0]), arguments[1])

    def _execveat(self, pid: int, arguments: tuple[int, ...]) -> None:
        self._executed(pid, self._path(pid, arguments[0], arguments[1]), arguments[2])

    def _executed(self, pid: int, path: str, words: int) -> None:
        argv = self._words(pid, words)
        memory = self._memories.pop(pid, None)  # the program after it has another
        if memory is not None:
            os.close(memory)
        if os.access(path, os.X_OK):  # a search along PATH tries many that are not there
            self._notes.executed(pid, argv or [path])

    def _connect(self, pid: int, arguments: tuple[int, ...]) -> None:
        length = min(arguments[2], 28)
        if length < 8:
            return
        address = self._read(pid, arguments[1], length)
        (family,) = struct.unpack_from("=H", address)
        (port,) = struct.unpack_from("!H", address, 2)
        if family == socket.AF_INET:
            self._notes.connected(socket.inet_ntop(socket.AF_INET, address[4:8]), port)
        elif family == socket.AF_INET6 and length >= 24:
            self._notes.connected(socket.inet_ntop(socket.AF_INET6, address[8:24]), port)

    # What lies behind them.

    def _path(self, pid: int, directory: int, address: int) -> str:
        """The absolute path; ``directory`` is a descriptor of the process."""
        path = os.fsdecode(self._text(pid, address))
        if path.startswith("/"):
            return path
        directory &= 0xFFFFFFFF
        place = "cwd" if directory == _AT_FDCWD else f"fd/{directory}"
        base = os.readlink(f"/proc/{pid}/{place}")  # noqa: PTH115 (text is what it is, and many)
        return f"{base}/{path}" if path else base

    def _words(self, pid: int, address: int) -> list[str]:
        """The strings of an argument vector."""
        words: list[str] = []
        while address and len(words) < _MOST_WORDS:
            (pointer,) = struct.unpack("=Q", self._read(pid, address, 8))
            if not pointer:
                break
            words.append(os.fsdecode(self._text(pid, pointer)))
            address += 8
        return words

    def _text(self, pid: int, address: int) -> bytes:
        """The string at an address, at most one page of it."""
        found = b""
        while len(found) < _PAGE:
            here = address + len(found)
            part = self._read(pid, here, min(256, _PAGE - here % _PAGE), whole=False)
            text, end, _ = part.partition(b"\0")
            found += text
            if end:
                break
        return found

    def _read(self, pid: int, address: int, size: int, *, whole: bool = True) -> bytes:
        memory = self._memory(pid)
        data = os.pread(memory, size, address)
        if not data:  # the process has become another program since
            os.close(self._memories.pop(pid))
            data = os.pread(self._memory(pid), size, address)
        if not data or (whole and len(data) < size):
            raise ValueError("the memory of the process cannot be read")
        return data

    def _memory(self, pid: int) -> int:
        if pid not in self._memories:
            if len(self._memories) >= _MOST_MEMORIES:
                os.close(self._memories.pop(next(iter(self._memories))))
            self._memories[pid] = os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
        return self._memories[pid]
