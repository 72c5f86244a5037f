"""The argument parser: argparse, with hints for what was misspelt."""

from __future__ import annotations

import argparse
import re
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from bis.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are UsageErrors, and which takes no abbreviated options."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        kwargs.setdefault("allow_abbrev", False)
        super().__init__(*args, **kwargs)
        self.value_hints: dict[str, str] = {}
        """What to write after an option that was given without a value."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of exiting: errors are printed in one place."""
        without_value = re.fullmatch(r"argument (-[^/ ]+).*: expected (?:at least )?one argument", message)
        if without_value is not None:
            name = without_value[1]
            raise UsageError(
                f"{name} needs a value",
                hint=self.value_hints.get(name)
                or f"A value that begins with a dash is written {name}=VALUE. See {self.prog} --help.",
            )
        raise UsageError(message, hint=f"See {self.prog} --help.")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            known = [str(choice) for choice in action.choices]
            what = "command" if isinstance(action, argparse._SubParsersAction) else "value"
            raise UsageError(
                f"there is no {what} {str(value)!r}"
                + ("" if what == "command" else f" for {_named(action)}"),
                hint=did_you_mean(str(value), known) or f"There are: {', '.join(known)}.",
            )

    def parse_all(self, argv: Sequence[str]) -> argparse.Namespace:
        """Parse; what is left over is a UsageError that names the nearest option of the command."""
        args, left = self.parse_known_args(argv)
        if left:
            command: Parser = getattr(args, "parser", self)
            raise UsageError(
                f"{command.prog} does not take {left[0]!r}",
                hint=command.hint_for(left[0].split("=", 1)[0]),
            )
        return args

    def hint_for(self, word: str) -> str:
        """What may have been meant by an argument that this command does not take."""
        names = list(self._option_string_actions)
        if word in names:
            return "What follows -- is no option: write options before it."
        same = [name for name in names if name.lower() == word.lower()]
        begun = [name for name in names if len(word) > 3 and name.startswith(word)]
        if near := same or begun:
            return f"Did you mean {' or '.join(map(repr, near))}?"
        if guess := did_you_mean(word, names):
            return guess
        if "-P" in names:
            return f"A parameter of the project is given as -P NAME=VALUE. See {self.prog} --help."
        return f"See {self.prog} --help."


RUN_HELP = "a run's id, the beginning of one, or 'latest'"


def add_run(parser: argparse.ArgumentParser, help: str = RUN_HELP) -> None:
    """Add the argument RUN, which is the latest run when it is left out."""
    parser.add_argument("run", metavar="RUN", nargs="?", default="latest", help=f"{help} (default: latest)")


def command(
    commands: argparse._SubParsersAction[Any],
    name: str,
    run: Any,
    *,
    help: str,
    description: str,
    example: str,
) -> Parser:
    """Add a command: ``run`` takes the parsed arguments and returns the exit status."""
    keywords: dict[str, Any] = {}
    if sys.version_info >= (3, 14):
        keywords["color"] = False
    parser: Parser = commands.add_parser(
        name, help=help, description=description, epilog=f"example:\n{example}", **keywords
    )
    parser.set_defaults(call=run, parser=parser)
    return parser


def _named(action: argparse.Action) -> str:
    return "/".join(action.option_strings) or str(action.metavar or action.dest)
