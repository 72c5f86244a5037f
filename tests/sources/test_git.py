from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bis.sources import git
from bis.sources.credentials import Credentials, hide_query

if TYPE_CHECKING:
    from pathlib import Path


def test_only_the_variables_that_reach_a_server_are_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = ("GIT_SSH_COMMAND", "GIT_SSL_CAINFO", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_KEY_0", "GIT_ASKPASS")
    dropped = (
        "GIT_DIR",
        "GIT_TRACE",
        "GIT_TRACE_CURL",
        "GIT_OBJECT_DIRECTORY",
        "GIT_CONFIG_PARAMETERS",
        "GIT_PREFIX",
    )
    for name in (*kept, *dropped):
        monkeypatch.setenv(name, "x")
    environment = git.environment()
    assert set(kept) <= environment.keys()
    assert not set(dropped) & environment.keys()


@pytest.mark.parametrize("url", ["ext::sh -c true", "ftp://127.0.0.1/x"])
def test_git_itself_refuses_other_transports(url: str, tmp_path: Path) -> None:
    with pytest.raises(git.GitFailedError, match="not allowed"):
        git.run("ls-remote", "--", url, cwd=tmp_path)


def test_a_failure_names_the_cause() -> None:
    errors = "hint: try this\nfatal: unable to connect to host:\nhost: refused\n"
    error = git.failure("git fetch", git.Result(128, b"", errors))
    assert error.message == "git fetch failed: unable to connect to host: host: refused"


def test_a_failure_without_words_names_the_status() -> None:
    assert git.failure("git fetch", git.Result(3, b"", "")).message == "git fetch failed: exit status 3"


def test_what_git_says_is_shown_without_the_password() -> None:
    credentials = Credentials("https://host", "ada", "s3c/ret!")
    assert credentials.hide("for https://ada:s3c%2Fret%21@host: s3c/ret!") == "for https://ada:***@host: ***"


def test_no_setting_holds_a_secret() -> None:
    credentials = Credentials("https://host", "ada", "secret")
    assert not any("secret" in setting or "ada" in setting for setting in credentials.settings())


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://h/a.zip", "https://h/a.zip"),
        ("https://h/a.zip?ref=main", "https://h/a.zip?ref=main"),
        ("https://h/a.zip?private_token=x&a=b", "https://h/a.zip?private_token=***&a=b"),
        ("https://h/a.zip?X-Goog-Signature=x", "https://h/a.zip?X-Goog-Signature=***"),
        ("https://h/a.zip?sv=1&sig=x%2Fy#sub", "https://h/a.zip?sv=1&sig=***#sub"),
    ],
)
def test_a_query_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert hide_query(url) == shown
