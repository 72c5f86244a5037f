"""Names and passwords in a URL: taken out at once, given to Git so that they are seen nowhere."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

# A word before the `@` alone is a user name (`https://me@dev.azure.com/...`) or, when it is as long as this,
# a token.
_TOKEN_LENGTH = 20

# Asked by Git only after the server refused an anonymous request, for that server only. The values travel in
# the environment: not in the list of processes, not in a file.
_HELPER = (
    '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n" '
    '"$BIS_GIT_USERNAME" "$BIS_GIT_PASSWORD"; }; f'
)

_SECRET_QUERY = re.compile(
    r"(?i)([?&;](?:[\w.-]*(?:token|secret|passw(?:or)?d|signature|credential|apikey|api_key|access_key)[\w.-]*"
    r"|sig|key|auth)=)[^&;#]*"
)


@dataclass(frozen=True)
class Credentials:
    """What a URL said of the user; never shown.

    ``server`` is the scheme, host and port that they are good for, as ``https://host:8443``.
    """

    server: str
    username: str = field(repr=False)
    password: str | None = field(repr=False)

    @property
    def is_complete(self) -> bool:
        """False for a mere user name, to which the user's own helper knows the password."""
        return self.password is not None or len(self.username) >= _TOKEN_LENGTH

    def settings(self) -> tuple[str, ...]:
        """Git settings that use them; they hold no secret."""
        scope = f"credential.{self.server}"
        if not self.is_complete:
            return (f"{scope}.username={self.username}",)
        # The empty helper drops the user's own ones, which would keep the password on disk.
        return (f"{scope}.helper=", f"{scope}.helper={_HELPER}")

    def variables(self) -> dict[str, str]:
        """The variables that the helper reads."""
        if not self.is_complete:
            return {}
        return {"BIS_GIT_USERNAME": self.username, "BIS_GIT_PASSWORD": self.password or ""}

    def header(self) -> str:
        """The value of the HTTP header ``Authorization``."""
        import base64

        return "Basic " + base64.b64encode(f"{self.username}:{self.password or ''}".encode()).decode()

    def hide(self, text: str) -> str:
        """``text`` without them."""
        from urllib.parse import quote

        secret = self.password if self.password is not None else self.username
        for form in {secret, quote(secret, safe="")}:
            if self.is_complete and len(form) >= 4:
                text = text.replace(form, "***")
        return text


def hide_query(url: str) -> str:
    """``url`` with the values of query fields that hold secrets (signatures, tokens) replaced."""
    return _SECRET_QUERY.sub(r"\1***", url)
