"""The argument parser: argparse, with hints for what was misspelt; and what the values of options say."""

from __future__ import annotations

import argparse
import re
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from bis.errors import ParameterError, UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


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


def print_help(args: argparse.Namespace) -> int:
    """What a command with actions does without one."""
    args.parser.print_help()
    return 0


def read_parameters(pairs: Iterable[str]) -> dict[str, str]:
    """``NAME=VALUE`` split at the first ``=``; a repeated name or a missing ``=`` is a ParameterError."""
    parameters: dict[str, str] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not name:
            raise ParameterError(f"-P {pair!r} is not NAME=VALUE", hint="Write it as -P learning_rate=0.1.")
        _check_text("-P", pair)
        if name in parameters:
            raise ParameterError(f"parameter {name!r} is given twice", hint="Give each parameter once.")
        parameters[name] = value
    return parameters


def read_pairs(option: str, pairs: Iterable[str]) -> dict[str, str]:
    """``KEY=VALUE`` words of an option, split at the first ``=``; raises UsageError."""
    found: dict[str, str] = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not key:
            raise UsageError(f"{option} {pair!r} is not KEY=VALUE")
        _check_text(option, pair)
        found[key] = value
    return found


def read_seconds(text: str, option: str = "--timeout") -> float:
    """A time in seconds: ``90``, ``1.5``, ``30m``, ``2h``; raises UsageError."""
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    unit = units.get(text[-1:])
    try:
        seconds = float(text[:-1] if unit else text) * (unit or 1.0)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < 1e10:
        raise UsageError(f"{option} {text!r} is not a time", hint="Write seconds, or 30m, or 2h.")
    return seconds


def read_count(text: str, option: str, what: str) -> int:
    """A number of something, from 1 on; raises UsageError."""
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(
            f"{option} {text!r} is not a number of {what}", hint="Give a whole number from 1 on."
        )
    return int(text)


def read_days(text: str, option: str = "--older-than") -> float:
    """A number of days; raises UsageError."""
    try:
        days = float(text)
    except ValueError:
        days = -1.0
    if not days >= 0:  # nan is older than nothing, and would remove all
        raise UsageError(f"{option} {text!r} is not a number of days")
    return days


def _check_text(option: str, pair: str) -> None:
    """Refuse bytes that are no UTF-8: a run's parameters and tags are text wherever they are kept."""
    try:
        pair.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{option} {pair!r} is not UTF-8 text") from None


def _named(action: argparse.Action) -> str:
    return "/".join(action.option_strings) or str(action.metavar or action.dest)
