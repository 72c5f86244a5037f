"""``bis``: finds the command, runs it, and prints an error in one place."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import sys
from importlib import import_module
from io import TextIOWrapper
from typing import TYPE_CHECKING

from bis._version import __version__
from bis.errors import BisError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bis.cli.parser import Parser

_DESCRIPTION = """\
Run a machine-learning project from a folder or a Git URI, in the environment it
declares, record all that decided the result, and run it again with the same result.
"""

_EPILOG = """\
examples:
  bis init demo && bis run demo -P num_epochs=20
  bis run https://host/user/repo -v v1.2 -P learning_rate=0.1
  bis show latest
"""

INTERRUPTED = 130

_ELSEWHERE = "Let this user read and write there, or name another place."
_FULL = (errno.ENOSPC, errno.EDQUOT)

_OF_A_PATH = {
    errno.EACCES: _ELSEWHERE,
    errno.EPERM: _ELSEWHERE,
    errno.EROFS: _ELSEWHERE,
    errno.ENOTDIR: "Look at its path: a file is where a directory should be.",
    errno.ENAMETOOLONG: "Choose a shorter name.",
}
"""What to do about a path that cannot be used, where no room has put that into words."""

_MODULES = {
    "run": "run",
    "execute": "execute",
    "lock": "lock",
    "check": "inspect",
    "describe": "inspect",
    "init": "init",
    "list": "runs",
    "show": "runs",
    "logs": "runs",
    "runs": "runs_search",
    "experiments": "experiments",
    "rerun": "repeat",
    "verify": "repeat",
    "diff": "repeat",
    "export": "capsule",
    "import": "capsule",
    "artifacts": "artifacts",
    "server": "server",
    "ui": "server",
    "tokens": "tokens",
    "store": "store",
    "gc": "gc",
    "env": "environments",
    "completion": "completion",
}
"""The module of each command, in the order in which help shows them."""


def build_parser(word: str | None = None) -> Parser:
    """The parser of the command ``word`` alone, which saves 10 ms at each start; or of all commands."""
    from bis.cli.parser import Parser

    parser = Parser(prog="bis", description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=f"bis {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", title="commands", dest="command", required=True)
    names = [_MODULES[word]] if word in _MODULES else dict.fromkeys(_MODULES.values())
    for name in names:
        import_module(f"bis.cli.{name}").add_commands(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        args = build_parser(words[0] if words else None).parse_all(words or ["--help"])
        _require_a_place()
        status: int = args.call(args)
        sys.stdout.flush()
    except BisError as error:
        _print_error(error)
        return error.exit_status
    except KeyboardInterrupt:
        print("bis: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # `bis list | head`
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        _print_error(_mishap(error))
        return BisError.exit_status
    return status


def _mishap(error: OSError) -> BisError:
    """The words for a full disk, and for a path that cannot be used; any other error is a defect, and raised."""
    if error.errno in _FULL:
        place = f" {error.filename}" if error.filename else ""
        return BisError(f"cannot write{place}: {error.strerror}", hint="Free some space, and try again.")
    if error.errno in _OF_A_PATH and error.filename:
        return BisError(f"cannot use {error.filename}: {error.strerror}", hint=_OF_A_PATH[error.errno])
    raise error


def _require_a_place() -> None:
    try:
        os.getcwd()  # noqa: PTH109  pathlib is not imported yet
    except FileNotFoundError:
        raise UsageError(
            "the current directory is gone", hint="Go to one that is there, as with  cd ~"
        ) from None


def _print_error(error: BisError) -> None:
    from bis.cli.style import Style

    style = Style(sys.stderr)
    place = f"{error.where}: " if error.where else ""
    print(f"{style.bad('error:')} {place}{error.message}", file=sys.stderr)
    if error.hint:
        print(f"  {error.hint}", file=sys.stderr)


def _replace_closed_streams() -> None:
    """Open what was closed (``bis list >&-``): else the next file, maybe the database, has that descriptor."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w"))  # noqa: PTH123, SIM115


def run_command_line() -> None:
    """The ``bis`` program.

    It ends without tearing the interpreter down, and collects garbage less often than Python does by itself: nothing
    is left to flush or close, and both cost more than many of its commands.
    """
    gc.set_threshold(50_000)
    _replace_closed_streams()
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal may not know every letter of a name
    status = main()
    with contextlib.suppress(OSError):  # a reader that went away
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)
