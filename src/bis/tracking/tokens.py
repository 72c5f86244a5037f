"""Access tokens in SQL: who may ask a server, and for what.

A token is ``bis_<id>_<secret>``: the id is public and finds the row, the secret has 256 random bits. Only the
SHA-256 of the token is kept. A slow hash (argon2, bcrypt) protects what people choose, because it can be guessed;
nobody guesses 256 random bits, and a slow hash would be paid at each request.
"""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import TYPE_CHECKING

from bis.errors import TrackingError
from bis.tracking.experiments import now_ms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bis.tracking.database import Database

_PREFIX = "bis_"
_ID_BYTES = 6
_SECRET_BYTES = 32
_COLUMNS = "token_id, digest, name, role, created, expires, last_used, revoked"


class Role(IntEnum):
    """What a token allows; each role includes those before it."""

    READ = 1
    WRITE = 2
    ADMIN = 3

    @property
    def word(self) -> str:
        """The role as people write it."""
        return self.name.lower()


@dataclass(frozen=True)
class AccessToken:
    """A token as the store knows it. Times are milliseconds since 1970 UTC."""

    token_id: str
    digest: str = field(repr=False)
    name: str
    role: Role
    created: int
    expires: int | None
    last_used: int | None
    revoked: int | None

    def is_valid(self, now: int) -> bool:
        """Whether it admits at that time."""
        return self.revoked is None and (self.expires is None or now < self.expires)


def digest_of(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def id_of(token: str) -> str | None:
    """The public id in a token's text; None for what is no token of bis."""
    parts = token.split("_", 2)
    return parts[1] if len(parts) == 3 and token.startswith(_PREFIX) else None


class Tokens:
    """The table of tokens."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def create(self, name: str, role: Role, *, expires: int | None = None) -> tuple[AccessToken, str]:
        """Make a token; its text is in this answer and nowhere else."""
        made, text = _new(name, role, expires)
        with self._db.writing() as connection:
            connection.execute(_INSERT, _values(made))
        return made, text

    def create_first(self, name: str) -> str | None:
        """Make a token of the role admin when there is no valid one; None when there is."""
        made, text = _new(name, Role.ADMIN, None)
        with self._db.writing() as connection:
            valid = connection.execute(
                "SELECT COUNT(*) FROM access_tokens"
                " WHERE role = 'admin' AND revoked IS NULL AND (expires IS NULL OR expires > ?)",
                (made.created,),
            ).fetchone()
            if valid[0]:
                return None
            connection.execute(_INSERT, _values(made))
        return text

    def all(self) -> list[AccessToken]:
        """All tokens, the newest first; revoked and expired ones too."""
        found = self._db.rows(f"SELECT {_COLUMNS} FROM access_tokens ORDER BY created DESC, token_id")  # noqa: S608
        return [_token(row) for row in found]

    def revoke(self, beginning: str) -> AccessToken:
        """End the token whose id begins so. Refused when there is none, or more than one."""
        found = [token for token in self.all() if token.token_id.startswith(beginning)]
        if not found or not beginning:
            raise TrackingError(
                f"there is no token whose id begins with {beginning[:100]!r}",
                hint="See the ids:  bis tokens list",
            )
        if len(found) > 1:
            raise TrackingError(
                f"{beginning!r} is the beginning of {len(found)} tokens", hint="Write more of the id."
            )
        revoked = found[0].revoked or now_ms()
        with self._db.writing() as connection:
            connection.execute(
                "UPDATE access_tokens SET revoked = COALESCE(revoked, ?) WHERE token_id = ?",
                (revoked, found[0].token_id),
            )
        return replace(found[0], revoked=revoked)

    def note_use(self, uses: Mapping[str, int]) -> None:
        """Note when tokens were used last: id -> time."""
        with self._db.writing() as connection:
            for token_id, used in uses.items():
                connection.execute(
                    "UPDATE access_tokens SET last_used = ? WHERE token_id = ? AND COALESCE(last_used, 0) < ?",
                    (used, token_id, used),
                )


_INSERT = (
    "INSERT INTO access_tokens (token_id, digest, name, role, created, expires) VALUES (?, ?, ?, ?, ?, ?)"
)


def _new(name: str, role: Role, expires: int | None) -> tuple[AccessToken, str]:
    token_id = os.urandom(_ID_BYTES).hex()
    text = f"{_PREFIX}{token_id}_{_letters(os.urandom(_SECRET_BYTES))}"
    return AccessToken(token_id, digest_of(text), name, role, now_ms(), expires, None, None), text


def _letters(secret: bytes) -> str:
    return base64.urlsafe_b64encode(secret).rstrip(b"=").decode()


def _values(made: AccessToken) -> tuple[object, ...]:
    return made.token_id, made.digest, made.name, made.role.word, made.created, made.expires


def _token(row: tuple[str, str, str, str, int, int | None, int | None, int | None]) -> AccessToken:
    token_id, digest, name, role, created, expires, last_used, revoked = row
    return AccessToken(token_id, digest, name, Role[role.upper()], created, expires, last_used, revoked)
