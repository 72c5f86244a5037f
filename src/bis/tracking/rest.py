"""Requests to an MLflow server: credentials, TLS, retries, and what went wrong in words."""

from __future__ import annotations

import base64
import json
import os
import ssl
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from bis.errors import TrackingError
from bis.tracking.refusals import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from http.client import HTTPResponse

    from bis.tracking.artifact_store import Target

Json = dict[str, Any]

_TRANSIENT = frozenset((408, 429, 500, 502, 503, 504))
_PAUSES_S = (0.5, 1.0, 2.0)
"""Before each repetition."""
_MORE_PAUSES_S = (4.0, 8.0, 15.0, 30.0, 30.0, 30.0)
"""After those, when a server that has answered before is away: what it is to be told may be the end of a run that has
taken days.
"""
_PATIENCE_S = 120.0
_AWAY = frozenset((502, 503, 504))

_LONGEST_TIMEOUT_S = 1e9
"""Above it, a socket takes none."""

_VARIABLES = "MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"


class RestClient:
    """Speaks to the server at ``uri``; the same variables as for MLflow's client say how.

    ``address`` is the uri without credentials: they appear in no message.
    """

    def __init__(self, uri: str, environ: Mapping[str, str] = os.environ) -> None:
        try:
            parts = urlsplit(uri)
        except ValueError as error:  # an IPv6 address without its bracket
            raise _no_host() from error
        if not parts.hostname:
            raise _no_host()
        self.host = parts.netloc.rpartition("@")[2]
        self.address = urlunsplit((parts.scheme, self.host, parts.path.rstrip("/"), "", ""))
        self._authorization = _authorization(parts.username, parts.password, environ)
        self._timeout_s = _timeout_s(environ)
        self._has_answered = False
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=_tls(environ)) if parts.scheme == "https" else _NOTHING
        )

    def get(self, endpoint: str, **query: object) -> Json:
        """The answer to a question; lists are repeated in the query."""
        asked = {name: value for name, value in query.items() if value not in (None, "", [], ())}
        return self._json("GET", f"{endpoint}?{urlencode(asked, doseq=True)}", None, repeat=True)

    def post(self, path: str, body: Json, *, repeat: bool = True) -> Json:
        """The answer to a change; ``repeat=False`` for one that must not happen twice."""
        return self._json("POST", path, json.dumps(body).encode(), repeat=repeat)

    def upload(self, url: str, file: IO[bytes], size_bytes: int) -> None:
        """PUT a file."""
        headers = {"Content-Length": str(size_bytes), "Content-Type": "application/octet-stream"}
        with self._answer("PUT", url, file if size_bytes else b"", headers, repeat=True):
            return

    def download(self, url: str, file: Target) -> None:
        """Write what is at ``url`` to the file."""
        with self._answer("GET", url, None, {}, repeat=True) as response:
            while chunk := response.read(1 << 20):
                file.write(chunk)

    def url(self, *segments: str) -> str:
        """The address of a path on the server, quoted."""
        return self.address + "".join(f"/{quote(segment)}" for segment in segments if segment)

    def _json(self, method: str, path: str, body: bytes | None, *, repeat: bool) -> Json:
        headers = {"Content-Type": "application/json"} if body else {}
        url = f"{self.address}/api/2.0/{path}"
        with self._answer(method, url, body, headers, repeat=repeat) as response:
            content = response.read()
        try:
            answer = json.loads(content or b"{}")
        except ValueError as error:
            raise self._not_mlflow() from error
        if not isinstance(answer, dict):
            raise self._not_mlflow()
        return answer

    def _answer(
        self, method: str, url: str, body: bytes | IO[bytes] | None, headers: dict[str, str], *, repeat: bool
    ) -> HTTPResponse:
        """The response, after repetitions where these do no harm."""
        for pause in self._pauses():
            if body is not None and not isinstance(body, bytes):
                body.seek(0)
            try:
                response = self._open(method, url, body, headers)
            except urllib.error.HTTPError as error:
                passes = error.code in (_TRANSIENT if pause in _PAUSES_S else _AWAY)
                if pause is None or not (repeat and passes):
                    raise self._refusal(error) from error
                error.close()
            except (OSError, HTTPException) as error:
                if pause is None or not (repeat or _never_arrived(error)):
                    raise self._silence(error) from error
            else:
                self._has_answered = True
                return response
            time.sleep(pause)
        raise AssertionError("the last turn returns or raises")

    def _pauses(self) -> Iterator[float | None]:
        """How long to wait before each repetition; None for the last attempt."""
        began = time.monotonic()
        yield from _PAUSES_S
        for pause in _MORE_PAUSES_S if self._has_answered else ():
            if time.monotonic() - began < _PATIENCE_S:  # attempts take time too
                yield pause
        yield None

    def _open(
        self, method: str, url: str, body: bytes | IO[bytes] | None, headers: dict[str, str]
    ) -> HTTPResponse:
        request = urllib.request.Request(url, data=body, method=method, headers=headers)  # noqa: S310  http(s) only
        request.add_header("User-Agent", "bis")
        if self._authorization and urlsplit(url).netloc == self.host:
            request.add_unredirected_header("Authorization", self._authorization)  # never to another host
        response: HTTPResponse = self._opener.open(request, timeout=self._timeout_s)
        return response

    def _refusal(self, error: urllib.error.HTTPError) -> TrackingError:
        with error:
            content = error.read(1 << 20)
        said = _said(content)
        if error.code in (401, 403):
            return TrackingError(
                f"the tracking server at {self.address} refuses access ({error.code})"
                + (f": {said[1]}" if said else ""),
                hint=None if said and error.code == 403 else f"Set {_VARIABLES}.",
            )
        if said:
            return RefusedError(said[1], code=said[0])
        if error.code == 404:
            return RefusedError(f"{self.address} has no such endpoint", code="ENDPOINT_NOT_FOUND")
        return TrackingError(f"the tracking server at {self.address} answered {error.code} {error.reason}")

    def _silence(self, error: Exception) -> TrackingError:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        return TrackingError(
            f"the tracking server at {self.address} does not answer: {getattr(reason, 'strerror', None) or reason}",
            hint="Check the address and the network. Without MLFLOW_TRACKING_URI, runs are tracked in BIS_HOME.",
        )

    def _not_mlflow(self) -> TrackingError:
        return TrackingError(
            f"{self.address} did not answer in JSON, so it is no MLflow server, or a login page stands"
            f" before it",
            hint=f"Check MLFLOW_TRACKING_URI; set {_VARIABLES} where a login is needed.",
        )


_NOTHING = urllib.request.BaseHandler()


def _said(content: bytes) -> tuple[str, str] | None:
    """The error code and the message of a server that speaks MLflow's protocol."""
    try:
        answer = json.loads(content)
        return str(answer["error_code"]), str(answer["message"])
    except (ValueError, KeyError, TypeError):
        return None


def _no_host() -> TrackingError:
    return TrackingError("the tracking URI names no host", hint="It is like https://mlflow.example.org")


def _authorization(user: str | None, password: str | None, environ: Mapping[str, str]) -> str | None:
    """The header, from the URI's own credentials, else the variables: name and password before the token,
    as MLflow.
    """
    user = user or environ.get("MLFLOW_TRACKING_USERNAME")
    password = password or environ.get("MLFLOW_TRACKING_PASSWORD")
    if user and password:
        return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    token = environ.get("MLFLOW_TRACKING_TOKEN")
    if token and not (token.isascii() and token.isprintable()):
        raise TrackingError(
            "MLFLOW_TRACKING_TOKEN is no token: it has a line break, or a letter that none has",
            hint="Copy it again, as bis tokens create printed it.",
        )
    return f"Bearer {token}" if token else None


def _timeout_s(environ: Mapping[str, str]) -> float:
    text = environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT", "120")
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < _LONGEST_TIMEOUT_S:
        raise TrackingError(
            f"MLFLOW_HTTP_REQUEST_TIMEOUT={text} is no time to wait",
            hint="It is a number of seconds, above 0.",
        )
    return seconds


def _tls(environ: Mapping[str, str]) -> ssl.SSLContext:
    certificates = environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH")
    own = environ.get("MLFLOW_TRACKING_CLIENT_CERT_PATH")
    try:
        context = ssl.create_default_context(cafile=certificates or None)
        if own:
            context.load_cert_chain(own)
    except OSError as error:
        raise TrackingError(
            f"cannot read the certificates in {own or certificates}: {error.strerror or error}",
            hint="Check MLFLOW_TRACKING_SERVER_CERT_PATH and MLFLOW_TRACKING_CLIENT_CERT_PATH.",
        ) from error
    if environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("true", "1"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _never_arrived(error: Exception) -> bool:
    """Whether the server cannot have begun to carry the request out."""
    return isinstance(error, urllib.error.URLError) and isinstance(error.reason, ConnectionRefusedError)
