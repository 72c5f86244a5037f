"""Downloads an archive: streamed, whole, and without its credentials in any message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bis.errors import SourceError
from bis.http_downloads import pieces

if TYPE_CHECKING:
    from pathlib import Path

    from bis.sources.credentials import Credentials


def download(url: str, file: Path, credentials: Credentials | None, *, shown: str) -> None:
    """Write what is at ``url`` to ``file``; raise SourceError when it does not come, or not whole."""
    from http.client import HTTPException, IncompleteRead
    from urllib.error import HTTPError, URLError

    try:
        with file.open("wb") as out:
            for piece in pieces(url, credentials.header() if credentials else None):
                out.write(piece)
    except HTTPError as error:
        status = error.code
        error.close()
        raise SourceError(f"cannot download {shown}: HTTP {status}", hint=_hint(status)) from None
    except URLError as error:
        reason = getattr(error.reason, "strerror", None) or error.reason
        raise SourceError(f"cannot reach {shown}: {reason}", hint="Check the network.") from None
    except IncompleteRead as error:
        missing = f"{error.expected} bytes before its end"
        raise SourceError(f"the download of {shown} broke off {missing}", hint="Try again.") from None
    except (HTTPException, OSError) as error:
        raise SourceError(f"the download of {shown} broke off: {error}", hint="Try again.") from None


def _hint(status: int) -> str:
    if status in {401, 403}:
        return "The server wants credentials: https://user:token@host/..."
    return "Check the address."
