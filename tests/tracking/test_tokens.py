"""The table of tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bis.errors import TrackingError
from bis.tracking.tokens import Role, digest_of, id_of

if TYPE_CHECKING:
    from bis.tracking.sql_store import SqlStore


def test_a_token_is_kept_as_its_hash(local: SqlStore) -> None:
    made, text = local.tokens.create("alice", Role.WRITE, expires=5)
    assert local.tokens.all() == [made]
    assert (made.digest, made.token_id) == (digest_of(text), id_of(text))
    assert (made.name, made.role, made.expires) == ("alice", Role.WRITE, 5)
    assert len(text.split("_", 2)[2]) == 43  # 256 bits, 6 a letter
    assert local.tokens.create("alice", Role.WRITE)[1] != text


def test_a_first_token_is_made_when_no_valid_one_may_do_all(local: SqlStore) -> None:
    local.tokens.create("reads", Role.READ)
    local.tokens.create("expired", Role.ADMIN, expires=1)
    assert local.tokens.create_first("first") is not None
    assert local.tokens.create_first("again") is None
    admin = next(token for token in local.tokens.all() if token.name == "first")
    local.tokens.revoke(admin.token_id)
    assert local.tokens.create_first("after") is not None


def test_a_revoked_token_stays_in_the_list(local: SqlStore) -> None:
    made, _ = local.tokens.create("", Role.READ)
    revoked = local.tokens.revoke(made.token_id[:4])
    (first,) = local.tokens.all()
    assert revoked == first
    assert first.revoked is not None
    assert local.tokens.revoke(made.token_id) == first
    assert local.tokens.all() == [first]
    assert not first.is_valid(first.revoked)


@pytest.mark.parametrize("beginning", ["", "zz"])
def test_no_token_has_that_beginning(local: SqlStore, beginning: str) -> None:
    local.tokens.create("", Role.READ)
    with pytest.raises(TrackingError, match="there is no token"):
        local.tokens.revoke(beginning)


def test_a_beginning_of_several_is_refused(local: SqlStore) -> None:
    for _ in range(17):  # of 16 first digits
        local.tokens.create("", Role.READ)
    first = [token.token_id[0] for token in local.tokens.all()]
    shared = next(digit for digit in first if first.count(digit) > 1)
    with pytest.raises(TrackingError, match="is the beginning of"):
        local.tokens.revoke(shared)


def test_the_last_use_only_grows(local: SqlStore) -> None:
    made, _ = local.tokens.create("", Role.READ)
    for used in (5, 7, 6):
        local.tokens.note_use({made.token_id: used, "unknown": 1})
    assert local.tokens.all()[0].last_used == 7


def test_running_runs_are_counted_from_an_index(local: SqlStore) -> None:
    local.create_run("0")
    assert local.running_count() == 1
    if local.uri.startswith("sqlite:"):  # PostgreSQL reads a table of one row whole, index or not
        plan = local._db.rows("EXPLAIN QUERY PLAN SELECT COUNT(*) FROM runs WHERE status = 'RUNNING'")
        assert "runs_running" in str(list(map(tuple, plan)))


@pytest.mark.parametrize("text", ["", "bis", "bis_x", "abc_x_y"])
def test_what_is_no_token_has_no_id(text: str) -> None:
    assert id_of(text) is None
