"""Requests to a tracking server: connections that are kept, credentials, TLS, proxies, repetition.

What costs time to import is imported with the first request.
"""

from __future__ import annotations

import os
import sys
import time

from bis.client.errors import RefusedError, TrackingError

TYPE_CHECKING = False  # importing typing costs more than this module
if TYPE_CHECKING:
    import ssl
    from http.client import HTTPConnection, HTTPResponse
    from typing import IO, Any

    Json = dict[str, Any]
    Body = bytes | IO[bytes] | None

PATIENCE_S = 120.0
"""How long a server that has answered before may be gone, before a request fails."""
FIRST_PATIENCE_S = 20.0
"""The same for a server that has never answered: its address may be wrong."""

_TRANSIENT = frozenset((408, 425, 429, 502, 503, 504))
_NOT_BEGUN = frozenset((425, 429, 503))  # the server says that it did not begin
_FAULTS = 3  # a fault of the server (500) may pass, but is often for ever
_LONGEST_PAUSE_S = 10.0
_SAID_AFTER_S = 1.0
_VARIABLES = "MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"


class Server:
    """The tracking server at ``uri``, for all threads of a process.

    ``token`` is sent where the URI and the variables have no credentials. ``address`` is the URI without them.
    Every request is repeated while the server is away, but for those that must not happen twice.
    """

    def __init__(self, uri: str, *, token: str | None = None, patience_s: float | None = None) -> None:
        from urllib.parse import unquote, urlsplit

        try:
            parts = urlsplit(uri)
            self._host, self._port = parts.hostname or "", parts.port
        except ValueError:
            self._host = ""
        if not self._host or parts.scheme not in ("http", "https"):
            raise TrackingError(
                "the tracking URI is no address of a server: it is like https://mlflow.example.org"
            )
        self._is_https = parts.scheme == "https"
        self._port = self._port or (443 if self._is_https else 80)
        self.host = parts.netloc.rpartition("@")[2]
        self._root = parts.path.rstrip("/")
        self.address = "{}://{}{}".format(parts.scheme, self.host, self._root)
        user, password = (
            None if word is None else unquote(word) for word in (parts.username, parts.password)
        )
        self._headers = {
            "User-Agent": "bis",
            "Accept": "application/json",
            **_authorization(user, password, token),
        }
        self._timeout_s = float(os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT") or 120)
        self._proxy = _Proxy.of(parts.scheme, self.host)
        self._tls: ssl.SSLContext | None = None
        self._idle: dict[
            int, list[HTTPConnection]
        ] = {}  # by process: a forked child leaves its parent's alone
        self._patience_s = patience_s
        self._has_answered = False
        self._away_since: float | None = None

    @property
    def is_near(self) -> bool:
        """Whether a request costs next to nothing: the server is on this machine."""
        return self._host in ("127.0.0.1", "localhost", "::1")

    def get(self, endpoint: str, **query: object) -> Json:
        """The answer to a question."""
        from urllib.parse import urlencode

        path = "/api/2.0/{}?{}".format(endpoint, urlencode(query, doseq=True))
        return self._object(self._answer("GET", path, None, {}))

    def post(self, endpoint: str, body: Json, *, repeat: bool = True) -> Json:
        """The answer to a change; ``repeat=False`` for one that must not happen twice."""
        import json

        content = json.dumps(body, allow_nan=False).encode()
        headers = {"Content-Type": "application/json"}
        return self._object(self._answer("POST", "/api/2.0/" + endpoint, content, headers, repeat=repeat))

    def upload(self, endpoint: str, content: Body, size_bytes: int, media_type: str) -> None:
        """PUT bytes, or an open file."""
        headers = {"Content-Type": media_type, "Content-Length": str(size_bytes)}
        self._answer("PUT", _quoted("/api/2.0/" + endpoint), content if size_bytes else b"", headers)

    def download(self, endpoint: str) -> bytes:
        """The content of a file."""
        return self._answer("GET", _quoted("/api/2.0/" + endpoint), None, {})

    def close(self) -> None:
        """Close the connections that this process keeps; another request opens one again."""
        for connection in self._idle.pop(os.getpid(), []):
            connection.close()

    def _object(self, content: bytes) -> Json:
        import json

        try:
            answer = json.loads(content or b"{}")
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise TrackingError(
                "{} did not answer in JSON, so it is no MLflow server, or a login page stands before it. Check"
                " MLFLOW_TRACKING_URI; set {} where a login is needed".format(self.address, _VARIABLES)
            )
        return answer

    def _answer(
        self, method: str, path: str, body: Body, headers: dict[str, str], *, repeat: bool = True
    ) -> bytes:
        """The content of the answer, after repetitions where these do no harm."""
        from http.client import HTTPException

        attempt = 0
        while True:
            attempt += 1
            wanted_s = 0.0
            try:
                response, content = self._once(method, path, body, headers, fresh=not repeat)
            except (OSError, HTTPException) as error:
                failure: TrackingError = self._silence(error)
                may_repeat = repeat or _never_arrived(error)
            else:
                self._has_answered = True
                if response.status < 300:
                    self._away_since = None
                    return content
                failure = self._refusal(response, content)
                may_repeat = response.status in _TRANSIENT and (repeat or response.status in _NOT_BEGUN)
                may_repeat = may_repeat or (repeat and response.status == 500 and attempt <= _FAULTS)
                wanted_s = _seconds(response.getheader("Retry-After"))
            if not may_repeat:
                raise failure
            self._pause(attempt, wanted_s, failure)

    def _pause(self, attempt: int, wanted_s: float, failure: TrackingError) -> None:
        """Wait before the next attempt; raise the failure when the server has been away for too long."""
        now = time.monotonic()
        if self._away_since is None:
            self._away_since = now
        patience_s = self._patience_s or (PATIENCE_S if self._has_answered else FIRST_PATIENCE_S)
        pause_s = min(0.1 * 2 ** min(attempt, 10), _LONGEST_PAUSE_S) * (0.75 + time.time() % 0.5)
        pause_s = max(pause_s, min(wanted_s, 60.0))
        left_s = self._away_since + patience_s - now
        if left_s <= 0:
            raise failure
        if pause_s > _SAID_AFTER_S and pause_s / 2 <= _SAID_AFTER_S:
            say("{}; trying for {:.0f} s more".format(failure, left_s))
        time.sleep(min(pause_s, left_s))

    def _once(
        self, method: str, path: str, body: Body, headers: dict[str, str], *, fresh: bool
    ) -> tuple[HTTPResponse, bytes]:
        """One exchange; on a new connection when the server has closed the one that was kept."""
        idle = self._idle.setdefault(os.getpid(), [])
        while True:
            try:
                connection, is_kept = (self._connect(), False) if fresh else (idle.pop(), True)
            except IndexError:
                fresh = True
                continue
            try:
                response, content = self._exchange(connection, method, path, body, headers)
            except BaseException as error:
                connection.close()
                if is_kept and isinstance(error, ConnectionError):  # RemoteDisconnected too
                    continue
                raise
            if response.will_close:
                connection.close()
            else:
                idle.append(connection)
            return response, content

    def _exchange(
        self, connection: HTTPConnection, method: str, path: str, body: Body, headers: dict[str, str]
    ) -> tuple[HTTPResponse, bytes]:
        if body is not None and not isinstance(body, bytes):
            body.seek(0)
        target = self._proxy.prefix(self.address, self._root) + self._root + path
        sent = {**self._headers, **self._proxy.headers(), **headers}
        try:
            connection.request(method, target, body, sent)
        except (BrokenPipeError, ConnectionResetError):
            if not isinstance(body, bytes) and body is not None:  # it may have refused before all was sent
                response = connection.getresponse()
                return response, response.read()
            raise
        response = connection.getresponse()
        return response, response.read()

    def _connect(self) -> HTTPConnection:
        from http.client import HTTPConnection, HTTPSConnection

        if not self._is_https:
            host, port = self._proxy.place or (self._host, self._port)
            return HTTPConnection(host, port, timeout=self._timeout_s, blocksize=1 << 16)
        self._tls = self._tls or _tls()
        host, port = self._proxy.place or (self._host, self._port)
        made = HTTPSConnection(host, port, timeout=self._timeout_s, context=self._tls, blocksize=1 << 16)
        if self._proxy.place is not None:
            made.set_tunnel(self._host, self._port, self._proxy.authorization)
        return made

    def _refusal(self, response: HTTPResponse, content: bytes) -> TrackingError:
        said = _said(content)
        if response.status in (401, 403):
            words = "the tracking server at {} refuses access ({})".format(self.address, response.status)
            if said:
                words += ": " + said[1]
            return TrackingError(
                words
                if said and response.status == 403
                else "{}. Set {}".format(words.rstrip("."), _VARIABLES)
            )
        if 300 <= response.status < 400:
            place = str(response.getheader("Location")).partition("/api/2.0/")[0]
            return TrackingError(
                "{} has moved to {}: set MLFLOW_TRACKING_URI to that address".format(self.address, place)
            )
        if said:
            return RefusedError(said[1], said[0])
        if response.status == 404:
            return RefusedError("{} has nothing there".format(self.address), "ENDPOINT_NOT_FOUND")
        words = "the tracking server at {} answered {} {}"
        return TrackingError(words.format(self.address, response.status, response.reason))

    def _silence(self, error: Exception) -> TrackingError:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return TrackingError("the tracking server at {} does not answer ({})".format(self.address, reason))


class _Proxy:
    """The proxy that the variables name for an address, if any."""

    def __init__(self, url: str = "") -> None:
        from urllib.parse import urlsplit

        parts = urlsplit(url if "://" in url else "http://" + url)
        self.place = (str(parts.hostname), parts.port or 80) if url else None
        self.authorization: dict[str, str] = {}
        if parts.username:
            pair = "{}:{}".format(parts.username, parts.password or "")
            self.authorization = {"Proxy-Authorization": _basic(pair)}
        self._is_asked = False

    @classmethod
    def of(cls, scheme: str, host: str) -> _Proxy:
        if not any(name.lower() in (scheme + "_proxy", "all_proxy") for name in os.environ):
            return cls()
        from urllib.request import (  # type: ignore[attr-defined]  # on every system, and not in the stubs of each
            getproxies_environment,
            proxy_bypass_environment,
        )

        proxies = getproxies_environment()
        made = cls("" if proxy_bypass_environment(host) else proxies.get(scheme) or proxies.get("all") or "")
        made._is_asked = made.place is not None and scheme == "http"  # https goes through a tunnel
        return made

    def prefix(self, address: str, root: str) -> str:
        """What goes before the path of a request."""
        return address[: len(address) - len(root)] if self._is_asked else ""

    def headers(self) -> dict[str, str]:
        return self.authorization if self._is_asked else {}


def _said(content: bytes) -> tuple[str, str] | None:
    """The error code and the message of a server that speaks MLflow's protocol."""
    import json

    try:
        answer = json.loads(content)
        return str(answer["error_code"]), str(answer["message"])
    except (ValueError, KeyError, TypeError):
        return None


def say(message: str) -> None:
    """One line on standard error; a script without one misses it."""
    try:
        sys.stderr.write("bis: " + message + "\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        pass


def _authorization(user: str | None, password: str | None, token: str | None) -> dict[str, str]:
    """From the URI, else from the variables: name and password before the token, as MLflow."""
    user = user or os.environ.get("MLFLOW_TRACKING_USERNAME")
    password = password or os.environ.get("MLFLOW_TRACKING_PASSWORD")
    if token is None and user and password:
        return {"Authorization": _basic("{}:{}".format(user, password))}
    token = token or os.environ.get("MLFLOW_TRACKING_TOKEN") or ""
    if any(not " " <= letter <= "~" for letter in token):
        raise TrackingError(
            "MLFLOW_TRACKING_TOKEN is no token: it has a line break, or a letter that none has. Copy it again, as"
            " bis tokens create printed it"
        )
    return {"Authorization": "Bearer " + token} if token else {}


def _basic(pair: str) -> str:
    from base64 import b64encode

    return "Basic " + b64encode(pair.encode()).decode()


def _tls() -> ssl.SSLContext:
    """By the variables of MLflow's client."""
    import ssl

    certificates = os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH")
    own = os.environ.get("MLFLOW_TRACKING_CLIENT_CERT_PATH")
    try:
        context = ssl.create_default_context(cafile=certificates or None)
        if own:
            context.load_cert_chain(own)
    except OSError as error:
        raise TrackingError(
            "cannot read the certificates in {}: {}. Check MLFLOW_TRACKING_SERVER_CERT_PATH and"
            " MLFLOW_TRACKING_CLIENT_CERT_PATH".format(own or certificates, error.strerror or error)
        ) from error
    if os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("true", "1"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _quoted(path: str) -> str:
    from urllib.parse import quote

    return quote(path)


def _seconds(text: str | None) -> float:
    return float(text) if text and text.isdigit() else 0.0


def _never_arrived(error: Exception) -> bool:
    """Whether the server cannot have begun to carry the request out."""
    from socket import gaierror

    return isinstance(error, (ConnectionRefusedError, gaierror))
