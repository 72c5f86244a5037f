"""``bis tokens``: who may use a server, and for what."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from bis.cli.parser import Parser, command
from bis.cli.served import add_store, existing, located
from bis.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from bis.cli.served import StoreAddress
    from bis.tracking.sql_store import SqlStore
    from bis.tracking.tokens import AccessToken

_DAY_MS = 24 * 3600 * 1000
_LONGEST_NAME = 100
_ROLES = ("read", "write", "admin")


def add_commands(commands: argparse._SubParsersAction[Any]) -> None:
    """Add ``tokens create``, ``tokens list`` and ``tokens revoke``."""
    parser = command(
        commands,
        "tokens",
        list_tokens,
        help="create, list and revoke the tokens of a server",
        description="The tokens that a server asks for. They are kept in its store, as hashes.",
        example="  bis tokens create --role write --name alice\n  bis tokens revoke 3fa9c1d204b7",
    )
    _add_shared(parser)
    actions = parser.add_subparsers(metavar="ACTION", title="actions", parser_class=Parser)
    creating = command(
        actions,
        "create",
        create,
        help="make one, and show it once",
        description="Make a token. It is shown now and never again. A running server takes it at once.",
        example="  bis tokens create --role write --name alice --expires 90",
    )
    creating.add_argument(
        "--role",
        choices=_ROLES,
        default="write",
        help="read, write (the default), or admin, which may also delete for ever",
    )
    creating.add_argument("--name", metavar="NAME", default="", help="whose it is: shown in lists and logs")
    creating.add_argument(
        "--expires", metavar="DAYS", help="how long it is valid (default: until it is revoked)"
    )
    _add_shared(creating)
    listing = command(
        actions,
        "list",
        list_tokens,
        help="list them",
        description="List the tokens, the newest first.",
        example="  bis tokens list",
    )
    _add_shared(listing)
    revoking = command(
        actions,
        "revoke",
        revoke,
        help="end one",
        description="End a token. A running server refuses it within two seconds.",
        example="  bis tokens revoke 3fa9c1d204b7",
    )
    revoking.add_argument(
        "id", metavar="ID", help="its id, or the beginning of it, as `bis tokens list` shows it"
    )
    _add_shared(revoking)


def _add_shared(parser: argparse.ArgumentParser) -> None:
    add_store(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def create(args: argparse.Namespace) -> int:
    """Make a token and print it: the token alone on standard output, the rest on standard error."""
    from bis.cli.style import notifier, print_json
    from bis.tracking.tokens import Role

    if len(args.name) > _LONGEST_NAME or not args.name.isprintable():
        raise UsageError(f"--name has more than {_LONGEST_NAME} characters, or some that cannot be printed")
    store = _open(located(args))
    made, text = store.tokens.create(args.name, Role[args.role.upper()], expires=_end(args.expires))
    store.close()
    if args.json:
        print_json({**_document(made), "token": text})
        return 0
    print(text)
    notify = notifier()
    notify(f"the token {made.token_id} of the role {made.role.word} is shown once; keep it in a safe place")
    notify("clients:  export MLFLOW_TRACKING_TOKEN=TOKEN")
    return 0


def list_tokens(args: argparse.Namespace) -> int:
    """Print one line a token."""
    from bis.cli.style import Style, print_json, table, when

    store = _open(existing(args))
    found = store.tokens.all()
    store.close()
    if args.json:
        print_json([_document(token) for token in found])
    elif not found:
        print("No tokens yet. Make one:  bis tokens create --role write --name NAME", file=sys.stderr)
    else:
        now = time.time_ns() // 1_000_000
        rows = [
            [
                token.token_id,
                token.name or "-",
                token.role.word,
                _state(token, now),
                *("-" if at is None else when(at) for at in (token.created, token.expires, token.last_used)),
            ]
            for token in found
        ]
        print(table(["ID", "NAME", "ROLE", "STATE", "MADE", "EXPIRES", "USED"], rows, Style(sys.stdout)))
    return 0


def revoke(args: argparse.Namespace) -> int:
    """End a token."""
    from bis.cli.style import print_json

    store = _open(existing(args))
    revoked = store.tokens.revoke(args.id)
    store.close()
    if args.json:
        print_json(_document(revoked))
        return 0
    print(f"Revoked {revoked.token_id}{f' ({revoked.name})' if revoked.name else ''}")
    return 0


def _open(address: StoreAddress) -> SqlStore:
    from bis.tracking.sql_store import open_sql_store

    return open_sql_store(address.uri, address.artifacts)


def _end(days: str | None) -> int | None:
    if days is None:
        return None
    try:
        length = float(days)
    except ValueError:
        length = -1.0
    if not 0 < length <= 36500:
        raise UsageError(f"--expires {days!r} is not a number of days, above 0 and at most 36500")
    return time.time_ns() // 1_000_000 + int(length * _DAY_MS)


def _state(token: AccessToken, now: int) -> str:
    if token.revoked is not None:
        return "revoked"
    return "valid" if token.is_valid(now) else "expired"


def _document(token: AccessToken) -> dict[str, Any]:
    return {
        "id": token.token_id,
        "name": token.name,
        "role": token.role.word,
        "created": token.created,
        "expires": token.expires,
        "last_used": token.last_used,
        "revoked": token.revoked,
    }
