"""The options of ``bis server``: what they are, and what an option, its variable or the default says."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bis.errors import UsageError

if TYPE_CHECKING:
    import argparse
    import socket

    from bis.cli.served import StoreAddress
    from bis.server.standalone import ServerOptions

PORT = "5000"
LOOPBACK = "127.0.0.1"
_DURABILITY = ("normal", "full")
_LONGEST_S = 3600


def add_port(parser: argparse.ArgumentParser) -> None:
    """Add ``--port``."""
    parser.add_argument(
        "--port", metavar="N", help=f"default: BIS_PORT, else {PORT}; 0 lets the system choose one"
    )


def add_access(parser: argparse.ArgumentParser) -> None:
    """Add what decides who may ask."""
    parser.add_argument(
        "--host",
        metavar="HOST",
        help=f"where to listen (default: BIS_HOST, else {LOOPBACK}; 0.0.0.0 is everywhere)",
    )
    asking = parser.add_mutually_exclusive_group()
    asking.add_argument(
        "--auth",
        action="store_true",
        default=None,
        help="ask for tokens on loopback too, as behind a reverse proxy",
    )
    asking.add_argument(
        "--no-auth",
        dest="auth",
        action="store_false",
        default=None,
        help="ask for none, wherever it listens: whoever reaches it can read and delete everything",
    )
    parser.add_argument(
        "--allowed-host",
        metavar="NAME",
        action="append",
        default=[],
        help="a name by which clients call it, as behind a reverse proxy (also BIS_ALLOWED_HOSTS, with commas)",
    )
    parser.add_argument(
        "--trusted-proxy",
        metavar="ADDRESS",
        action="append",
        default=[],
        help="a reverse proxy whose X-Forwarded-For logs believe (also BIS_TRUSTED_PROXIES, with commas)",
    )


def add_operation(parser: argparse.ArgumentParser) -> None:
    """Add what decides how it runs."""
    parser.add_argument(
        "--durability",
        choices=_DURABILITY,
        help="full: SQLite waits for the disk, so that a power cut loses nothing either (default: normal)",
    )
    parser.add_argument(
        "--audit",
        metavar="FILE",
        help="the log of writes (default: audit.jsonl beside the store where tokens are asked; none: no log)",
    )
    parser.add_argument("--access-log", metavar="FILE", help="log each request as JSON; - is standard output")
    parser.add_argument(
        "--drain",
        metavar="S",
        help="after SIGTERM, go on for S seconds while /ready says that it ends (default: 0)",
    )
    parser.add_argument(
        "--grace", metavar="S", help="how long requests that have begun may take then (default: 10)"
    )


def chosen(option: str | None, variable: str, default: str = "") -> str:
    """The option, else the variable, else the default."""
    return option or os.environ.get(variable) or default


def port(args: argparse.Namespace) -> int:
    """The port to listen at."""
    text = chosen(args.port, "BIS_PORT", PORT)
    number = int(text) if text.isascii() and text.isdigit() else -1
    if not 0 <= number <= 65535:
        raise UsageError(f"--port {text!r} is not a port", hint="A port is a number from 0 to 65535.")
    return number


def durability(args: argparse.Namespace) -> str:
    """How SQLite writes."""
    word = chosen(args.durability, "BIS_DURABILITY", _DURABILITY[0])
    if word not in _DURABILITY:
        raise UsageError(f"BIS_DURABILITY={word!r} is neither normal nor full")
    return word


def server_options(args: argparse.Namespace, address: StoreAddress, listener: socket.socket) -> ServerOptions:
    """How to serve. A token is asked wherever somebody else can reach the server, unless it is said otherwise."""
    from bis.server.hosts import Hosts
    from bis.server.listening import is_loopback
    from bis.server.standalone import ServerOptions

    names = [_name(word) for word in (*args.allowed_host, *_listed("BIS_ALLOWED_HOSTS"))]
    is_reached_by_others = not is_loopback(listener) or bool(names)
    auth = _auth_variable() if args.auth is None else args.auth
    asks_token = is_reached_by_others if auth is None else auth
    return ServerOptions(
        asks_token=asks_token,
        hosts=Hosts.named(names, every_address=not is_loopback(listener)),
        audit=_audit_file(chosen(args.audit, "BIS_AUDIT"), address, asks_token),
        access_log=chosen(args.access_log, "BIS_ACCESS_LOG") or None,
        proxies=frozenset(map(_address, (*args.trusted_proxy, *_listed("BIS_TRUSTED_PROXIES")))),
        drain_s=_seconds("--drain", chosen(args.drain, "BIS_DRAIN", "0")),
        grace_s=_seconds("--grace", chosen(args.grace, "BIS_GRACE", "10")),
    )


def _name(word: str) -> str:
    from bis.server.hosts import parse_authority

    found = parse_authority(word.encode("utf-8", "replace"))
    if found is None or found[1] is not None:
        raise UsageError(
            f"--allowed-host {word!r} is not a name",
            hint="Write it without scheme, port and path, as in mlflow.example.org",
        )
    return word


def _address(word: str) -> str:
    import ipaddress

    try:
        return str(ipaddress.ip_address(word))
    except ValueError as error:
        raise UsageError(
            f"--trusted-proxy {word!r} is not an address", hint="Write one as in 10.0.0.7"
        ) from error


def _audit_file(named: str, address: StoreAddress, asks_token: bool) -> str | None:
    if named:
        return None if named == "none" else named
    if not asks_token:
        return None
    from bis.home import Home

    beside = address.file or Home.locate().database
    return str(beside.with_name("audit.jsonl"))


def _auth_variable() -> bool | None:
    word = os.environ.get("BIS_AUTH", "")
    if word not in ("", "yes", "no"):
        raise UsageError(f"BIS_AUTH={word!r} is neither yes nor no")
    return {"yes": True, "no": False}.get(word)


def _listed(variable: str) -> list[str]:
    return [word.strip() for word in os.environ.get(variable, "").split(",") if word.strip()]


def _seconds(option: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= _LONGEST_S:
        raise UsageError(f"{option} {text!r} is not a number of seconds, at most an hour")
    return seconds
