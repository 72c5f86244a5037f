"""Names of the server and origins of pages, as tables; no name passes because it begins like an address."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bis.server.hosts import Hosts, is_from_elsewhere, parse_authority

LOCAL = Hosts()
TEAM = Hosts.named(["Mlflow.Corp.", "tracker"], every_address=True)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:5000",
        "LOCALHOST",
        "localhost.",
        "localhost.:80",
        "127.0.0.1",
        "127.0.0.1:65535",
        "127.0.0.1.",
        "127.8.9.1",
        "[::1]",
        "[::1]:80",
        "[0:0:0:0:0:0:0:1]",
    ],
)
def test_a_server_for_one_person_answers_to_every_name_of_loopback(host: str) -> None:
    assert LOCAL.accepts(host.encode())
    assert LOCAL.accepts(host.encode())  # now from memory
    assert TEAM.accepts(host.encode())


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.com",
        "localhost.evil.com",
        "127.0.0.1.evil.com",
        "10.0.0.1",
        "[fd00::1]",
        "0.0.0.0",
        "127.1",
        "0x7f.0.0.1",
        "2130706433",
        "0177.0.0.1",
        "localhost:port",
        "localhost:",
        "localhost:99999",
        "localhost:80:80",
        "user@localhost",
        "localhost/evil",
        "localhost\\evil",
        "localhost#",
        "localhost evil.com",
        "[::1",
        "::1",
        "[::1]evil.com",
        "[::ffff:10.0.0.1]",
        "[",
        "ⓛocalhost",
        "localhost\0",
    ],
)
def test_a_server_for_one_person_answers_to_nothing_else(host: str) -> None:
    assert not LOCAL.accepts(host.encode())


@pytest.mark.parametrize("host", ["mlflow.corp", "MLFLOW.corp:8080", "tracker.", "10.0.0.1", "[fd00::1]:80"])
def test_a_server_for_a_team_answers_to_its_names_and_addresses(host: str) -> None:
    assert TEAM.accepts(host.encode())


@pytest.mark.parametrize(
    "host",
    ["10.evil.com", "192.168.evil.com", "10.0.0.1.evil.com", "mlflow.corp.evil.com", "1.2.3", "fd00:x"],
)
def test_a_name_that_begins_like_an_address_is_a_name(host: str) -> None:
    assert not TEAM.accepts(host.encode())


def test_hosts_that_were_seen_do_not_pile_up() -> None:
    hosts = Hosts(every_address=True)
    for port in range(1, 1000):
        assert hosts.accepts(b"localhost:%d" % port)
    assert len(hosts._known) <= 64


@given(st.binary(max_size=60))
def test_any_bytes_are_a_name_or_none(host: bytes) -> None:
    found = parse_authority(host)
    assert found is None or found[1] is None or 0 <= found[1] <= 65535
    assert LOCAL.accepts(host) is (found is not None and (found[0] == "localhost" or _is_loopback(found[0])))


def _is_loopback(name: object) -> bool:
    return bool(getattr(name, "is_loopback", False))


@pytest.mark.parametrize(
    ("host", "origin", "site", "elsewhere"),
    [
        ("localhost:5000", None, None, False),
        ("localhost:5000", "http://localhost:5000", None, False),
        ("localhost:5000", "http://LOCALHOST:5000", "same-origin", False),
        ("localhost:5000", "http://localhost.:5000", None, False),
        ("localhost", "http://localhost", None, False),
        ("localhost", "http://localhost:80", None, False),
        ("mlflow.corp", "https://mlflow.corp", None, False),
        ("mlflow.corp:443", "https://mlflow.corp", None, False),
        ("[::1]:5000", "http://[::1]:5000", None, False),
        ("localhost:5000", "http://localhost:3000", None, True),
        ("localhost:5000", "http://localhost", None, True),
        ("localhost:5000", "http://127.0.0.1:5000", None, True),
        ("localhost:5000", "null", None, True),
        ("localhost:5000", "", None, True),
        ("localhost:5000", "http://evil.com", None, True),
        ("localhost:5000", "http://localhost:5000.evil.com", None, True),
        ("localhost:5000", "http://localhost:5000@evil.com", None, True),
        ("localhost:5000", "http://localhost:5000/", None, True),
        ("localhost:5000", "file://localhost:5000", None, True),
        ("localhost:5000", "chrome-extension://localhost:5000", None, True),
        ("localhost:5000", None, "cross-site", True),
        ("localhost:5000", "http://localhost:5000", "same-site", True),
        ("localhost:5000", None, "none", False),
    ],
)
def test_another_port_is_another_origin(
    host: str, origin: str | None, site: str | None, elsewhere: bool
) -> None:
    of = origin.encode() if origin is not None else None
    assert is_from_elsewhere(host.encode(), of, site.encode() if site else None) is elsewhere
