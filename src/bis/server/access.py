"""Who may ask, and for what: tokens, roles, and what happens to those who guess.

Everything is denied but what is named here, before a request is routed.
"""

from __future__ import annotations

import asyncio
import hmac
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bis.server.guard import OPEN_PATHS, credential
from bis.tracking.tokens import Role, digest_of, id_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from bis.tracking.tokens import AccessToken

_OPEN_PATHS = OPEN_PATHS | {"/ready"}
"""Paths that answer without a token: they say nothing about what is stored."""

_API = r"/(?:ajax-)?api/[23]\.0/(?:preview/)?"
_READING_POSTS = re.compile(
    _API + r"mlflow/(?:(?:runs|experiments|logged-models|registered-models|model-versions)/search"
    r"|registered-models/get-latest-versions|experiments/search-datasets)"
)
"""Requests that only read although their method is POST."""

_LASTING_DELETES = re.compile(
    _API + r"(?:mlflow-artifacts/artifacts/.*|mlflow/(?:registered-models|model-versions)/delete|bis/gc)",
    re.DOTALL,
)
"""What cannot be undone. A deleted run or experiment can be restored, so that a token that writes may do it."""

_FRESH_S = 2.0
"""How old the list of tokens may be: within this time a revoked token is refused."""

_ASK_AGAIN_S = 0.2
"""How old it may be when a token is not in it: a new token works at once, and guesses cost few queries."""

_NOTE_EVERY_S = 60.0


def needed_role(method: str, path: str) -> Role | None:
    """The role that a request needs; None when it needs no token at all."""
    if path in _OPEN_PATHS and method in ("GET", "HEAD"):
        return None
    if method in ("GET", "HEAD") or (method == "POST" and _READING_POSTS.fullmatch(path)):
        return Role.READ
    if method in ("DELETE", "POST") and _LASTING_DELETES.fullmatch(path):
        return Role.ADMIN
    return Role.WRITE


@dataclass(frozen=True)
class Refusal:
    """Why a request is not admitted; ``token`` is known when it is valid and its role is too small."""

    status: int
    code: str
    message: str
    token: AccessToken | None = None


# Newer servers of MLflow say UNAUTHENTICATED, a word that makes clients of 1.x end in a ValueError.
MISSING = Refusal(401, "CUSTOMER_UNAUTHORIZED", "A token is needed: set MLFLOW_TRACKING_TOKEN.")
WRONG = Refusal(401, "CUSTOMER_UNAUTHORIZED", "The token is wrong, revoked or expired.")


class Access:
    """The tokens of a store, read again every two seconds while requests come.

    ``load`` reads all of them, so that wrong tokens never reach the store one by one. ``note`` has it kept when
    tokens were used (id -> milliseconds), once a minute.
    """

    def __init__(
        self,
        load: Callable[[], Awaitable[Sequence[AccessToken]]],
        note: Callable[[dict[str, int]], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load, self._note, self._clock = load, note, clock
        self._tokens: dict[str, AccessToken] = {}
        self._loaded = float("-inf")
        self._loading = asyncio.Lock()
        self._uses: dict[str, int] = {}
        self._noted = clock()

    async def admit(self, method: str, path: str, authorization: bytes) -> AccessToken | Refusal | None:
        """Whose request it is; None for what is open to all; a Refusal when it may not be answered."""
        needed = needed_role(method, path)
        if needed is None:
            return None
        if not authorization:
            return MISSING
        token = await self.find(credential(authorization))
        if token is None:
            return WRONG
        if token.role < needed:
            return Refusal(
                403,
                "PERMISSION_DENIED",
                f"This needs a token of the role {needed.word}; the token {token.token_id} has {token.role.word}.",
                token,
            )
        return token

    async def find(self, text: str) -> AccessToken | None:
        """The valid token with that text."""
        token_id = id_of(text)
        if token_id is None:
            return None
        await self._refresh(_FRESH_S if token_id in self._tokens else _ASK_AGAIN_S)
        known = self._tokens.get(token_id)
        if known is None or not hmac.compare_digest(digest_of(text), known.digest):
            return None
        now = time.time_ns() // 1_000_000
        if not known.is_valid(now):
            return None
        self._uses[token_id] = now
        self.note_uses()
        return known

    def note_uses(self, *, at_end: bool = False) -> None:
        """Once a minute, have it noted when tokens were used."""
        if not self._uses or (not at_end and self._clock() - self._noted < _NOTE_EVERY_S):
            return
        uses, self._uses, self._noted = self._uses, {}, self._clock()
        self._note(uses)

    async def _refresh(self, oldest_s: float) -> None:
        if self._clock() - self._loaded < oldest_s:
            return
        async with self._loading:
            before = self._clock()
            if before - self._loaded < oldest_s:  # another request has done it meanwhile
                return
            self._tokens = {token.token_id: token for token in await self._load()}
            self._loaded = before
