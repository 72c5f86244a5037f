"""What PostgreSQL answers when something goes wrong, in words, and never with the password."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from bis.errors import TrackingError
from bis.tracking.database import AgainError
from bis.tracking.refusals import RefusedError, invalid

if TYPE_CHECKING:
    from psycopg import Error

_LONGEST = 300


def shown(uri: str) -> str:
    """The address without its password, and without what may hold another."""
    scheme, _, rest = uri.partition("://")
    place = rest.partition("?")[0]
    user, at, host = place.rpartition("@")
    return f"{scheme}://{user.partition(':')[0]}{at}{host}"


def lost() -> str:
    """The connection broke off."""
    return "the connection to PostgreSQL was lost"


def address_error(uri: str) -> TrackingError:
    """The address cannot be read; what libpq says of it may hold the password."""
    return TrackingError(
        f"{shown(uri)} is not an address of PostgreSQL",
        hint="It is like postgresql://USER:PASSWORD@HOST:5432/NAME. In a password, write / as %2F, @ as %40 and % as"
        " %25.",
    )


def connection_error(uri: str, error: Error) -> TrackingError:
    """Why there is no connection."""
    said, place = str(error), shown(uri)
    for words, what, hint in _NO_CONNECTION:
        if words in said:
            return RefusedError(f"{place}: {what}", code="TEMPORARILY_UNAVAILABLE", hint=hint)
    return RefusedError(
        f"{place}: no connection to PostgreSQL: {_without_password(uri, said)}",
        code="TEMPORARILY_UNAVAILABLE",
        hint="Look at the address, and whether the server runs.",
    )


_WHO = "Look at user and password in the address, or set PGPASSWORD or ~/.pgpass."
_NO_CONNECTION = (
    ("password authentication failed", "PostgreSQL refuses the user or the password", _WHO),
    ("no password supplied", "PostgreSQL asks for a password", _WHO),
    (
        "could not translate host name",
        "the name of the host is not known",
        "In a password, write @ as %40 and / as %2F.",
    ),
    ("failed to resolve host", "the name of the host is not known", "Look at the address."),
    ("Connection refused", "nothing answers there", "Start PostgreSQL, or look at host and port."),
    ("No such file or directory", "nothing answers there", "Start PostgreSQL, or look at host and port."),
    ("timeout", "PostgreSQL does not answer", "Look at the address, and at the network between."),
    (
        "does not exist",
        "there is no such database or user in PostgreSQL",
        "Make them:  createuser USER  and  createdb --owner USER NAME",
    ),
    ("no pg_hba.conf entry", "PostgreSQL admits nobody from here", "Add a line to its pg_hba.conf."),
    ("starting up", "PostgreSQL is starting", "Try again."),
    ("shutting down", "PostgreSQL is ending", "Start it, and try again."),
    (
        "too many clients",
        "PostgreSQL has no connection left",
        "Raise its max_connections, or start fewer servers.",
    ),
)


def explained(error: Exception, *, is_impatient: bool = False) -> Exception:
    """What went wrong with a statement, by the code of the error (Appendix A of PostgreSQL's manual).

    What is a defect of ours, as a wrong statement, comes back as it is: a server logs it, and shows nobody our SQL.
    """
    if isinstance(error, UnicodeEncodeError):
        return invalid(f"{error.object[:100]!r} cannot be stored: it is not UTF-8 text")
    state, said = getattr(error, "sqlstate", None), str(error)[:_LONGEST]
    if state in _AGAIN or (state == _LOCK_TIMEOUT and is_impatient):
        return AgainError("another process wrote at the same time")
    if state == _LOCK_TIMEOUT:
        return RefusedError(
            "another process has held what was to be written for 30 s",
            code="TEMPORARILY_UNAVAILABLE",
            hint="Wait for it to end, and try again.",
        )
    if state is None and "NUL" in said:
        return invalid("a text with a NUL character (\\0) cannot be stored in PostgreSQL")
    if state is None:
        return RefusedError(f"{lost()}: {said}", code="TEMPORARILY_UNAVAILABLE", hint="Try again.")
    for beginning, what in _REFUSED.items():
        if state.startswith(beginning):
            return invalid(what)
    for beginning, (what, hint) in _MISHAPS.items():
        if state.startswith(beginning):
            return TrackingError(f"PostgreSQL: {what}", hint=hint)
    if state.startswith(_DEFECTS):
        return error
    return TrackingError(f"PostgreSQL: {said.splitlines()[0]} ({state})")


_DEFECTS = ("42", "0A", "25", "26", "34", "3B")
"""Wrong statements, what is not supported, and statements, cursors and savepoints that are not there."""
_LOCK_TIMEOUT = "55P03"
_AGAIN = ("40001", "40P01", "23505", "23503")
"""A serialization failure, a deadlock, and a row that another has just made, or removed."""

_REFUSED = {
    "22003": "a number is too large to be stored: it has more than 64 bits",
    "22021": "a text holds characters that the database cannot store",
    "22P05": "a text holds characters that the database cannot store",
    "54": "a name is too long to be kept in an index of PostgreSQL",
}
_MISHAPS = {
    "53100": ("the disk is full", "Free some space on the server of the database."),
    "42501": ("the user may not do this", "Make the user the owner of the database."),
    "25006": ("the database is read-only, as a standby is", "Name the primary server."),
    "XX": ("the database is damaged", "Put a back-up in its place."),
}


def _without_password(uri: str, said: str) -> str:
    password = uri.partition("://")[2].rpartition("@")[0].partition(":")[2]
    for secret in {password, unquote(password)} - {""}:
        said = said.replace(secret, "***")
    return " ".join(said.split())[:_LONGEST]
