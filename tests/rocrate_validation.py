"""The public validator of RO-Crates, without a network: the JSON-LD context comes from a package that has it.

It runs in an interpreter that has ``roc-validator``: ``python tests/rocrate_validation.py CAPSULE [SEVERITY]``. It
prints one issue a line and ends with status 1 when there are any.
"""

from __future__ import annotations

import importlib.resources
import json
import sys
from typing import Any

CONTEXT = "https://w3id.org/ro/crate/1.1/context"
PROFILE = "process-run-crate-0.5"


class Answer:
    """The answer of the web to the one question that the validator asks of it."""

    status_code = 200
    headers: dict[str, str] = {"Content-Type": "application/ld+json"}  # noqa: RUF012
    text = (importlib.resources.files("rocrate") / "data" / "ro-crate.jsonld").read_text("utf-8")
    content = text.encode()

    def json(self) -> Any:
        """The context of RO-Crate 1.1, as the package ``rocrate`` has it."""
        return json.loads(self.text)

    def raise_for_status(self) -> None:
        """All is well."""


def fetch(_: Any, url: str, **__: Any) -> Answer:
    """What the validator calls to read from the web."""
    if url != CONTEXT:
        raise ConnectionError(f"a capsule must not need {url}")
    return Answer()


def validate(capsule: str, severity: str) -> list[str]:
    """The issues that the validator has with the capsule, of that severity or worse."""
    from rocrate_validator import services  # type: ignore[import-not-found]  # in an environment of its own
    from rocrate_validator.models import Severity  # type: ignore[import-not-found]
    from rocrate_validator.utils.http import HttpRequester  # type: ignore[import-not-found]

    HttpRequester.get = fetch
    result = services.validate(
        services.ValidationSettings(
            rocrate_uri=capsule, profile_identifier=PROFILE, requirement_severity=Severity[severity]
        )
    )
    return [
        f"{issue.severity.name} {issue.check.identifier} {issue.violatingEntity}: {issue.message}"
        for issue in result.get_issues(Severity[severity])
    ]


if __name__ == "__main__":
    issues = validate(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "REQUIRED")
    print(*issues, sep="\n")
    sys.exit(1 if issues else 0)
