"""Starts a command whose system calls on files, programs and connections are told to a supervisor.

A program of its own: ``launcher.py SOCKET COUNT FALLBACK... COMMAND...``. It installs a seccomp filter that notifies
a supervisor (seccomp_unotify(2)), sends the listening descriptor through the socket and becomes COMMAND. Where the
kernel refuses, it becomes FALLBACK COMMAND (COUNT words, strace) when that works here, else COMMAND alone. What it says
first through the socket is ``seccomp``, ``strace:REASON`` or ``none:REASON``.

The filter fails closed: a system call of another architecture, which it could not tell apart, ends the process, and
io_uring, whose opens no filter sees, is refused as on a kernel without it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import socket
import struct
import sys
import warnings  # noqa: F401 (os.execvpe imports it, and by then the filter is there)

# By machine: AUDIT_ARCH (linux/audit.h), the number of seccomp(2), and of the calls that are notified.
ARCHITECTURES = {
    "x86_64": (
        0xC000003E,
        317,
        {
            "open": 2,
            "creat": 85,
            "openat": 257,
            "openat2": 437,
            "execve": 59,
            "execveat": 322,
            "rename": 82,
            "renameat": 264,
            "renameat2": 316,
            "connect": 42,
        },
    ),
    "aarch64": (
        0xC00000B7,
        277,
        {
            "openat": 56,
            "openat2": 437,
            "execve": 221,
            "execveat": 281,
            "renameat": 38,
            "renameat2": 276,
            "connect": 203,
        },
    ),
}
_IO_URING_SETUP = 425  # on both
_X32 = 0x40000000  # numbers from here on are those of the x32 ABI, under x86_64's AUDIT_ARCH

_PR_SET_NO_NEW_PRIVS = 38
_SET_MODE_FILTER = 1
_NEW_LISTENER = 1 << 3
_WAIT_KILLABLE = 1 << 5  # Linux 5.19: a signal does not begin the call anew

_KILL_PROCESS = 0x80000000
_ERRNO = 0x00050000
_USER_NOTIF = 0x7FC00000
_ALLOW = 0x7FFF0000

_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06  # linux/bpf_common.h


class UnavailableError(Exception):
    """The kernel does not let this process be observed."""


def filter_program(machine: str) -> bytes:
    """The classic BPF program: notify, refuse or allow by the number of the call."""
    architecture, _, calls = ARCHITECTURES[machine]
    numbers = sorted(calls.values())
    tests = [(_EQUAL, number, _USER_NOTIF) for number in numbers]
    tests.append((_EQUAL, _IO_URING_SETUP, _ERRNO | errno.ENOSYS))
    if machine == "x86_64":
        tests.insert(0, (_AT_LEAST, _X32, _KILL_PROCESS))
    code = [
        (_LOAD, 0, 0, 4),  # seccomp_data.arch
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD, 0, 0, 0),  # seccomp_data.nr
    ]
    for test, number, action in tests:
        code += [(test, 0, 1, number), (_RETURN, 0, 0, action)]
    code.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def install_filter() -> int:
    """Put this process and all that it starts under the filter; returns the descriptor of the notifications."""
    machine = os.uname().machine
    if not sys.platform.startswith("linux") or machine not in ARCHITECTURES or sys.maxsize < 1 << 32:
        raise UnavailableError(f"no filter for {sys.platform} on {machine}")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), *[ctypes.c_ulong(0)] * 3):
        raise UnavailableError(f"no_new_privs: {os.strerror(ctypes.get_errno())}")
    program = filter_program(machine)
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    for flags in (_NEW_LISTENER | _WAIT_KILLABLE, _NEW_LISTENER):
        descriptor = libc.syscall(
            ctypes.c_long(ARCHITECTURES[machine][1]),
            ctypes.c_ulong(_SET_MODE_FILTER),
            ctypes.c_ulong(flags),
            ctypes.c_char_p(header),
        )
        if descriptor >= 0:
            return int(descriptor)
        if ctypes.get_errno() != errno.EINVAL:
            break
    raise UnavailableError(f"seccomp: {os.strerror(ctypes.get_errno())}")


def original_environment() -> dict[bytes, bytes]:
    """The variables as they were given: an interpreter in the C locale adds one."""
    with open("/proc/self/environ", "rb") as file:  # noqa: PTH123
        pairs = [entry.partition(b"=") for entry in file.read().split(b"\0") if b"=" in entry]
    return {name: value for name, _, value in pairs}


def works(words: list[str]) -> bool:
    """Whether a tracer can trace here, tried on a program that does nothing."""
    try:
        pid = os.posix_spawnp(words[0], [*words, "true"], os.environ)
    except OSError:
        return False
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def main() -> None:
    """Observe in the best way that is to be had, and become the command."""
    supervisor = socket.socket(fileno=int(sys.argv[1]))
    count = int(sys.argv[2])
    fallback, command = sys.argv[3 : 3 + count], sys.argv[3 + count :]
    try:
        environment = original_environment()
    except OSError:
        environment = dict(os.environb)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores them, and what it starts would too
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    try:
        listener = install_filter()
    except UnavailableError as error:
        if fallback and works(fallback):
            supervisor.sendall(f"strace:{error}".encode())
            command = [*fallback, *command]
        else:
            supervisor.sendall(f"none:{error}".encode())
    else:
        socket.send_fds(supervisor, [b"seccomp"], [listener])
        os.close(listener)
    supervisor.close()
    os.execvpe(command[0], command, environment)  # noqa: S606 (a list of words)


if __name__ == "__main__":
    main()
