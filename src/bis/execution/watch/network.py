"""The hosts that a run was in touch with: nothing of what they answered is pinned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from bis.execution.watch.reports import Reports

_NAME_SERVICE = "53"
_MOST_URLS = 1000


@dataclass(frozen=True)
class HostUse:
    """One host and port; ``urls`` without credentials and query, where they were seen."""

    host: str
    port: int | None
    urls: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The entry as JSON types."""
        return {"host": self.host, "port": self.port, "urls": list(self.urls)}


def find_hosts(reports: Reports, *, server: str | None) -> tuple[HostUse, ...]:
    """The hosts by name. ``server`` is the tracking server of the run, which is left out.

    A connection goes to an address; where a name was asked for with the same port, the name is what is listed.
    """
    urls: dict[tuple[str, str], set[str]] = {}
    for url in reports.urls:
        urls.setdefault(_server(url), set()).add(url)
    hosts = set(urls) | {(host, port) for host, port in reports.resolved if port}
    ports = {port for _, port in hosts} | ({_server(server)[1]} if server else set())
    hosts |= {(host, port) for host, port in reports.connected if port not in ports and port != _NAME_SERVICE}
    named = {host for host, _ in hosts}
    hosts |= {(host, "") for host, port in reports.resolved if not port and host not in named}
    hosts.discard(_server(server) if server else ("", ""))
    return tuple(
        HostUse(host, _number(port), tuple(sorted(urls.get((host, port), ()))[:_MOST_URLS]))
        for host, port in sorted(hosts)
    )


def _server(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    default = "443" if parts.scheme == "https" else "80"
    try:
        return parts.hostname or "", str(parts.port or default)
    except ValueError:  # a port that is none
        return parts.hostname or "", ""


def _number(port: str) -> int | None:
    """The port as a number; the names of two services are asked for by name."""
    return int(port) if port.isdigit() else {"http": 80, "https": 443}.get(port)
