"""Who may ask a server, and for what."""

from __future__ import annotations

import asyncio
import base64
import re
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bis.server.access import MISSING, WRONG, Access, Refusal, needed_role
from bis.server.app import TABLE
from bis.server.guard import credential
from bis.server.guessing import Guessing
from bis.tracking.tokens import AccessToken, Role, digest_of, id_of

if TYPE_CHECKING:
    from bis.server.routes import Route

API = "/api/2.0/mlflow"
TEXT = "bis_0123456789ab_secret"


def a_token(role: Role = Role.WRITE, text: str = TEXT) -> AccessToken:
    token_id = id_of(text)
    assert token_id is not None
    return AccessToken(token_id, digest_of(text), "alice", role, 0, None, None, None)


@dataclass
class Table:
    """The tokens of a store, and a clock."""

    tokens: list[AccessToken] = field(default_factory=list)
    loads: int = 0
    now: float = 1000.0
    noted: list[dict[str, int]] = field(default_factory=list)

    async def load(self) -> list[AccessToken]:
        self.loads += 1
        return list(self.tokens)

    def access(self) -> Access:
        return Access(self.load, self.noted.append, lambda: self.now)


def admit(access: Access, method: str, path: str, text: str = TEXT) -> AccessToken | Refusal | None:
    header = f"Bearer {text}".encode() if text else b""
    return asyncio.run(access.admit(method, path, header))


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [
        ("GET", "/health", None),
        ("GET", "/version", None),
        ("GET", "/ready", None),
        ("POST", "/health", Role.WRITE),
        ("GET", "/metrics", Role.READ),
        ("GET", "/", Role.READ),
        ("GET", f"{API}/runs/get", Role.READ),
        ("HEAD", f"{API}/runs/get", Role.READ),
        ("POST", f"{API}/runs/search", Role.READ),
        ("POST", "/ajax-api/2.0/mlflow/runs/search", Role.READ),
        ("POST", "/api/2.0/preview/mlflow/registered-models/get-latest-versions", Role.READ),
        ("POST", "/api/3.0/mlflow/logged-models/search", Role.READ),
        ("POST", f"{API}/runs/search/", Role.WRITE),
        ("POST", f"{API}/runs/../runs/search", Role.WRITE),
        ("POST", f"{API}/runs/create", Role.WRITE),
        ("POST", f"{API}/runs/delete", Role.WRITE),
        ("DELETE", f"{API}/registered-models/alias", Role.WRITE),
        ("DELETE", f"{API}/registered-models/delete", Role.ADMIN),
        ("DELETE", f"{API}/model-versions/delete", Role.ADMIN),
        ("DELETE", "/api/2.0/mlflow-artifacts/artifacts/0/a", Role.ADMIN),
        ("DELETE", "/ajax-api/2.0/mlflow-artifacts/artifacts/a\nb", Role.ADMIN),
        ("PUT", "/api/2.0/mlflow-artifacts/artifacts/0/a", Role.WRITE),
        ("BREW", "/anything", Role.WRITE),
    ],
)
def test_each_kind_of_request_needs_a_role(method: str, path: str, role: Role | None) -> None:
    assert needed_role(method, path) is role


@given(st.sampled_from(["POST", "PUT", "PATCH", "DELETE", "get", "X"]), st.text(max_size=60))
def test_what_is_not_known_to_read_needs_a_token_that_writes(method: str, path: str) -> None:
    role = needed_role(method, path)
    assert role is not None
    assert role >= Role.WRITE


@pytest.mark.parametrize("route", TABLE.routes, ids=lambda route: f"{route.method} {route.path}")
def test_the_role_of_each_endpoint_agrees_with_whether_it_writes(route: Route) -> None:
    """A new endpoint that only reads by POST has to be named in access.py too."""
    path = re.sub(r"\{\w+\}", "x", route.path)
    for prefix in ("/api/2.0", "/ajax-api/2.0", "/api/2.0/preview", "/api/3.0"):
        role = needed_role(route.method, f"{prefix}/{path}")
        assert role is not None
        assert (role >= Role.WRITE) is route.writes


@pytest.mark.parametrize(
    ("header", "text"),
    [
        (b"Bearer abc", "abc"),
        (b"bearer  abc ", "abc"),
        (b"Basic " + base64.b64encode(b"anybody:abc"), "abc"),
        (b"Basic " + base64.b64encode(b":a:b:c"), "a:b:c"),
        (b"Basic " + base64.b64encode(b"no colon"), ""),
        (b"Basic not base64!", ""),
        (b"Digest abc", ""),
        (b"", ""),
        (b"Bearer", ""),
    ],
)
def test_a_token_is_read_from_bearer_and_basic(header: bytes, text: str) -> None:
    assert credential(header) == text


@given(st.binary(max_size=80))
def test_any_header_is_answered(header: bytes) -> None:
    found = asyncio.run(Table([a_token()]).access().admit("GET", "/metrics", header))
    assert found in (WRONG, MISSING)


def test_a_role_allows_what_is_below_it_and_no_more() -> None:
    reading = Table([a_token(Role.READ)]).access()
    assert admit(reading, "GET", f"{API}/runs/get") == a_token(Role.READ)
    refusal = admit(reading, "POST", f"{API}/runs/create")
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.code) == (403, "PERMISSION_DENIED")
    assert refusal.token == a_token(Role.READ)
    assert TEXT not in refusal.message
    admin = Table([a_token(Role.ADMIN)]).access()
    assert admit(admin, "DELETE", f"{API}/registered-models/delete") == a_token(Role.ADMIN)


@pytest.mark.parametrize(
    "text", ["bis_0123456789ab_other", "bis_000000000000_secret", "x", "bis_", "bis__", "é"]
)
def test_a_wrong_token_is_refused(text: str) -> None:
    assert admit(Table([a_token()]).access(), "GET", "/metrics", text) is WRONG


def test_no_token_is_refused_without_a_look_into_the_store() -> None:
    table = Table([a_token()])
    assert admit(table.access(), "GET", "/metrics", "") is MISSING
    assert table.loads == 0


def test_an_expired_token_is_refused() -> None:
    now = time.time_ns() // 1_000_000
    later, before = (replace(a_token(), expires=now + change) for change in (60_000, -1))
    assert admit(Table([later]).access(), "GET", "/metrics") == later
    assert admit(Table([before]).access(), "GET", "/metrics") is WRONG


def test_a_revoked_token_is_refused_within_two_seconds() -> None:
    table = Table([a_token()])
    access = table.access()
    assert admit(access, "GET", "/metrics") == a_token()
    table.tokens = [replace(a_token(), revoked=1)]
    table.now += 2.0
    assert admit(access, "GET", "/metrics") is WRONG


def test_a_new_token_is_taken_at_once() -> None:
    table = Table()
    access = table.access()
    assert admit(access, "GET", "/metrics") is WRONG
    table.tokens = [a_token()]
    table.now += 0.2
    assert admit(access, "GET", "/metrics") == a_token()


def test_the_store_is_asked_once_for_many_requests() -> None:
    table = Table([a_token()])
    access = table.access()
    for number in range(100):
        admit(access, "GET", "/metrics", TEXT if number % 2 else f"bis_{number:012}_x")
    assert table.loads == 1


def test_uses_are_noted_once_a_minute() -> None:
    table = Table([a_token()])
    access = table.access()
    for _ in range(10):
        admit(access, "GET", "/metrics")
    assert table.noted == []
    table.now += 60
    admit(access, "GET", "/metrics")
    admit(access, "GET", "/metrics")
    assert [list(uses) for uses in table.noted] == [["0123456789ab"]]
    access.note_uses(at_end=True)
    assert len(table.noted) == 2


def test_a_token_is_never_shown() -> None:
    assert digest_of(TEXT) not in repr(a_token())


class TestGuessing:
    """Wrong tokens of one address."""

    def test_each_waits_longer(self) -> None:
        guessing = Guessing(lambda: 0.0)
        delays = [guessing.delay_s("a") for _ in range(20)]
        assert delays[:4] == [0.25, 0.5, 1.0, 2.0]
        assert delays[-1] == 4.0
        assert guessing.delay_s("b") == 0.25

    def test_they_are_forgotten(self) -> None:
        now = [0.0]
        guessing = Guessing(lambda: now[0])
        for _ in range(5):
            guessing.delay_s("a")
        now[0] = 301.0
        assert guessing.delay_s("a") == 0.25

    def test_few_may_wait_at_once(self) -> None:
        guessing = Guessing(lambda: 0.0)
        waiting = [guessing.waiting("a") for _ in range(8)]
        for one in waiting:
            one.__enter__()
        assert guessing.delay_s("a") is None
        assert guessing.delay_s("b") is not None
        waiting[0].__exit__(None, None, None)
        assert guessing.delay_s("a") is not None

    def test_they_take_little_memory(self) -> None:
        guessing = Guessing(lambda: 0.0)
        for number in range(20_000):
            guessing.delay_s(str(number))
        assert len(guessing._failures) == 10_000
