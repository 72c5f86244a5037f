from __future__ import annotations

import pytest

from bis.environments.credentials import without_user
from bis.environments.uv_command import cleaned, run_uv, uv_environment


@pytest.mark.parametrize(
    ("settings", "name", "value"),
    [
        ({"PIP_INDEX_URL": "https://h/s"}, "UV_DEFAULT_INDEX", "https://h/s"),
        ({"PIP_EXTRA_INDEX_URL": "https://h/s"}, "UV_INDEX", "https://h/s"),
        (
            {"PIP_INDEX_URL": "https://h/s", "UV_DEFAULT_INDEX": "https://own"},
            "UV_DEFAULT_INDEX",
            "https://own",
        ),
        ({"PIP_INDEX_URL": "https://h/s", "UV_INDEX_URL": "https://own"}, "UV_DEFAULT_INDEX", None),
        ({"PIP_CERT": "/c.pem"}, "SSL_CERT_FILE", "/c.pem"),
        ({"VIRTUAL_ENV": "/v"}, "VIRTUAL_ENV", None),
        ({"UV_HTTP_TIMEOUT": "5"}, "UV_HTTP_TIMEOUT", "5"),
    ],
)
def test_settings_of_indexes_reach_uv_and_an_active_environment_does_not(
    settings: dict[str, str], name: str, value: str | None
) -> None:
    assert uv_environment(settings).get(name) == value


def test_credentials_are_taken_out_of_every_url() -> None:
    text = "at https://user:pa%40ss@host/x and git+ssh://token@host/y, not me@host"
    assert without_user(text) == "at https://host/x and git+ssh://host/y, not me@host"


def test_the_words_of_uv_are_cleaned() -> None:
    errors = (
        "Resolved 3 packages in 1ms\nwarning: x\nerror: no /tmp/w/local-0 at https://u:p@h/s\n  cause: y\n"
    )
    assert cleaned(errors, {"/tmp/w/": ""}) == "no local-0 at https://h/s\n  cause: y"


def test_folders_that_uv_builds_in_are_no_part_of_the_message() -> None:
    errors = 'error: File "/c/uv/builds-v0/.tmpX1/lib/python3.12/site-packages/setuptools/a.py"'
    assert cleaned(errors, {}) == 'File "setuptools/a.py"'


def test_long_words_are_shortened_in_the_middle() -> None:
    text = cleaned("error: " + "a" * 9000 + "end", {})
    assert len(text) < 3100
    assert text.endswith("end")


def test_uv_comes_with_bis() -> None:
    assert run_uv(["--version"]).output.startswith("uv ")
