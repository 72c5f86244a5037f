"""The ``git`` command: how it is called, with which settings, and what its failures mean to the user.

Nothing else starts Git. Every call has the same settings (transports by an allow-list, no prompt, no hook, no
file system monitor, no background maintenance) and none of the variables that would point Git at another
repository.
"""

from __future__ import annotations

import itertools
import os
import re
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bis.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bis.sources.credentials import Credentials

NOT_REPEATABLE = "git is not installed: no snapshot is taken, so this run cannot be repeated from its record"
"""What the user is told where a project can be run without Git."""
TRANSPORTS = ("file", "git", "http", "https", "ssh")

SETTINGS = (
    "core.fsmonitor=false",  # would start a program that the repository names
    "core.hooksPath=/dev/null",
    "safe.directory=*",  # the owner matters little: the code of the directory is about to be run
    "gc.auto=0",
    "maintenance.auto=false",
    "fetch.writeCommitGraph=false",
    "fetch.recurseSubmodules=false",
    "http.lowSpeedLimit=1",  # a server that went silent is given up after a minute
    "http.lowSpeedTime=60",
)

# What of the caller's GIT_* variables is handed on: how to reach a server, and where the settings lie. The
# rest (GIT_DIR, GIT_INDEX_FILE, GIT_TRACE...) would change another repository or write a token into a log.
_KEPT = re.compile(
    r"GIT_(SSH|SSH_COMMAND|SSH_VARIANT|ASKPASS|EXEC_PATH|CEILING_DIRECTORIES|DISCOVERY_ACROSS_FILESYSTEM"
    r"|CONFIG_(GLOBAL|SYSTEM|NOSYSTEM|COUNT|KEY_\d+|VALUE_\d+)|(SSL|HTTP|PROXY|LFS)_\w+)"
)


# What Git only ever writes to is the home.
_FULL = re.compile(r"No space left on device|Disk quota exceeded|Read-only file system")


class GitFailedError(SourceError):
    """A Git command ended with a failure; ``output`` is what it said."""

    def __init__(self, message: str, *, output: str, status: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.output = output
        self.status = status


class GitMissingError(SourceError):
    """There is no ``git`` on PATH."""

    def __init__(self) -> None:
        super().__init__(
            "git is not installed, or not on PATH",
            hint="Install git 2.25 or newer: https://git-scm.com/downloads, or the package manager.",
        )


@dataclass(frozen=True)
class Result:
    """What an ended Git command wrote, and its exit status."""

    status: int
    output: bytes
    errors: str

    @property
    def text(self) -> str:
        """The output as one value: decoded like a file name, without the newline at its end."""
        return os.fsdecode(self.output).removesuffix("\n")


@dataclass(frozen=True)
class Running:
    """A Git command that was started; several may run at once."""

    action: str
    process: subprocess.Popen[bytes]
    credentials: Credentials | None = field(default=None, repr=False)

    def finish(self, stdin: bytes | None = None) -> Result:
        """Wait for the end; the process is killed when the wait is interrupted."""
        try:
            output, errors = self.process.communicate(stdin)
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        text = errors.decode("utf-8", "replace").strip()
        if self.credentials:
            text = self.credentials.hide(text)
        return Result(self.process.returncode, output, text)

    def check(self, stdin: bytes | None = None) -> Result:
        """Wait for the end; raise GitFailedError when it failed."""
        result = self.finish(stdin)
        if result.status:
            raise failure(self.action, result)
        return result


def start(
    *arguments: str | bytes | Path,
    cwd: Path | str | bytes | None = None,
    settings: tuple[str, ...] = (),
    variables: Mapping[str, str] | None = None,
    credentials: Credentials | None = None,
    feed: bool = False,
) -> Running:
    """Start ``git`` with these arguments; ``feed`` when ``finish`` will be given standard input."""
    environ = environment()
    environ.update(variables or {})
    if credentials:
        environ.update(credentials.variables())
        settings = (*settings, *credentials.settings())
    command: list[str | bytes | Path] = ["git"]
    for setting in (*SETTINGS, *settings):
        command += ["-c", setting]
    try:
        process = subprocess.Popen(
            [*command, *arguments],
            cwd=cwd,
            env=environ,
            stdin=subprocess.PIPE if feed else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except FileNotFoundError as error:
        if cwd is not None and not os.path.isdir(cwd):  # noqa: PTH112 - bytes too
            raise SourceError(f"no such directory: {os.fsdecode(cwd)}") from error
        raise GitMissingError from error
    return Running(f"git {os.fsdecode(arguments[0])}", process, credentials)


def run(
    *arguments: str | bytes | Path,
    cwd: Path | str | bytes | None = None,
    settings: tuple[str, ...] = (),
    variables: Mapping[str, str] | None = None,
    credentials: Credentials | None = None,
    stdin: bytes | None = None,
) -> Result:
    """Run ``git`` to its end; raise GitFailedError when it fails."""
    running = start(
        *arguments,
        cwd=cwd,
        settings=settings,
        variables=variables,
        credentials=credentials,
        feed=stdin is not None,
    )
    return running.check(stdin)


def environment() -> dict[str, str]:
    """The variables of every Git process."""
    kept = {name: value for name, value in os.environ.items() if _is_kept(name)}
    kept.update(
        LC_ALL="C",
        GIT_ALLOW_PROTOCOL=":".join(TRANSPORTS),
        GIT_TERMINAL_PROMPT="0",
        GIT_OPTIONAL_LOCKS="0",  # reading a repository never writes to it
        GIT_NO_LAZY_FETCH="1",
        GIT_LFS_SKIP_SMUDGE="1",
    )
    return kept


def _is_kept(name: str) -> bool:
    return not name.startswith("GIT_") or _KEPT.fullmatch(name) is not None


def failure(action: str, result: Result) -> GitFailedError:
    """What a failed Git command means to the user."""
    last = _reason(result.errors)
    hint = None
    if (
        result.status == 129 or "unknown option" in result.errors
    ):  # Git's status for an option it does not know
        version = start("version").finish().text
        hint = f"bis needs git 2.25 or newer; this is {version!r}."
    elif _FULL.search(result.errors):
        hint = "Make room, or set BIS_HOME to a directory that you can write to."
    return GitFailedError(
        f"{action} failed: {last or f'exit status {result.status}'}",
        output=result.errors,
        status=result.status,
        hint=hint,
    )


def _reason(errors: str) -> str:
    """The line of Git's words that names the cause."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    for prefix in ("ssh: ", "fatal: ", "error: "):  # what ssh says is the cause of what Git says
        for line, following in itertools.zip_longest(lines, lines[1:], fillvalue=""):
            if line.startswith(prefix):
                more = f" {following}" if line.endswith(":") else ""
                return line.removeprefix(prefix) + more
    return lines[-1] if lines else ""
