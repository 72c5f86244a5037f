"""What stands around the protocol."""

from __future__ import annotations

from typing import Any

import pytest

from bis.server.operated import remote_address

PROXIES = frozenset(("10.0.0.1", "10.0.0.2"))


@pytest.mark.parametrize(
    ("peer", "headers", "remote"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", [b"198.51.100.1"], "203.0.113.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [b"198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", [b"6.6.6.6, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", [b"6.6.6.6", b"198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("::ffff:10.0.0.1", [b"198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", [b", ,"], "10.0.0.1"),
        ("10.0.0.1", [b"x" * 1000], "x" * 64),
    ],
)
def test_only_what_a_trusted_proxy_has_seen_is_believed(peer: str, headers: list[bytes], remote: str) -> None:
    scope: dict[str, Any] = {
        "client": (peer, 1),
        "headers": [(b"x-forwarded-for", value) for value in headers],
    }
    assert remote_address(scope, PROXIES) == remote
