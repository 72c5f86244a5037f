"""``bis completion``: what a shell needs to complete bis's commands and options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bis.cli.parser import command

if TYPE_CHECKING:
    import argparse

_EXAMPLE = """\
  bis completion bash > ~/.local/share/bash-completion/completions/bis
  bis completion zsh > ~/.zfunc/_bis"""


def add_commands(commands: argparse._SubParsersAction[Any]) -> None:
    """Add ``completion``."""
    parser = command(
        commands,
        "completion",
        run,
        help="print the completion script of a shell",
        description="Print a script that completes bis's commands and options in a shell.",
        example=_EXAMPLE,
    )
    parser.add_argument("shell", choices=["bash", "zsh", "tcsh"], metavar="SHELL", help="bash, zsh or tcsh")


def run(args: argparse.Namespace) -> int:
    """Print the script."""
    import shtab  # only here: it takes 30 ms

    from bis.cli.main import build_parser

    print(shtab.complete(build_parser(), shell=args.shell))
    return 0
