"""Downloads an archive: streamed, whole, and without its credentials in any message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bis.errors import SourceError

if TYPE_CHECKING:
    from http.client import HTTPResponse
    from pathlib import Path

    from bis.sources.credentials import Credentials

_TIMEOUT_S = 60  # without a byte
_PIECE_BYTES = 1 << 20


def download(url: str, file: Path, credentials: Credentials | None, *, shown: str) -> None:
    """Write what is at ``url`` to ``file``; raise SourceError when it does not come, or not whole."""
    import http.client
    import urllib.error
    import urllib.request

    request = urllib.request.Request(_quoted(url), headers={"User-Agent": "bis"})  # noqa: S310
    if credentials:
        # Not sent on to where a redirect leads.
        request.add_unredirected_header("Authorization", credentials.header())
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310
            _copy(response, file, shown)
    except urllib.error.HTTPError as error:
        status = error.code
        error.close()
        raise SourceError(f"cannot download {shown}: HTTP {status}", hint=_hint(status)) from None
    except urllib.error.URLError as error:
        reason = getattr(error.reason, "strerror", None) or error.reason
        raise SourceError(f"cannot reach {shown}: {reason}", hint="Check the network.") from None
    except (http.client.HTTPException, OSError) as error:
        raise SourceError(f"the download of {shown} broke off: {error}", hint="Try again.") from None


def _copy(response: HTTPResponse, file: Path, shown: str) -> None:
    received = 0
    with file.open("wb") as out:
        while piece := response.read(_PIECE_BYTES):
            out.write(piece)
            received += len(piece)
    announced = response.headers.get("Content-Length")
    if announced is not None and received != int(announced):
        raise SourceError(
            f"the download of {shown} broke off after {received} of {announced} bytes", hint="Try again."
        )


def _quoted(url: str) -> str:
    from urllib.parse import quote

    return quote(url, safe=":/?#[]@!$&'()*+,;=%~")


def _hint(status: int) -> str:
    if status in {401, 403}:
        return "The server wants credentials: https://user:token@host/..."
    return "Check the address."
