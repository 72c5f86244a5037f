"""The argument parser: argparse, with hints for what was misspelt."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from bis.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are UsageErrors, and which takes no abbreviated options."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        kwargs.setdefault("allow_abbrev", False)
        super().__init__(*args, **kwargs)

    def error(self, message: str) -> NoReturn:
        """Raise instead of exiting: errors are printed in one place."""
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
                hint=did_you_mean(left[0].split("=", 1)[0], command.option_names())
                or f"See {command.prog} --help.",
            )
        return args

    def option_names(self) -> Iterable[str]:
        """Every option that this command takes, as it is written."""
        return list(self._option_string_actions)


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
