"""Where a channel is, and what of it a lock keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import settings as running
from hypothesis import strategies as st

from bis.environments.conda.channels import Channel, Channels, as_kept, without_credentials
from bis.environments.conda.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

FORGE = "https://conda.anaconda.org/conda-forge"


def channels(settings: Settings | None = None, **environ: str) -> Channels:
    return Channels(settings or Settings(), {"HOME": "/nonexistent", **environ})


@pytest.mark.parametrize(
    ("settings", "name", "expected"),
    [
        (Settings(), "conda-forge", Channel(FORGE, FORGE)),
        (Settings(), FORGE, Channel(FORGE, FORGE)),
        (Settings(), "a/label/dev", Channel(f"{FORGE[:-11]}a/label/dev", f"{FORGE[:-11]}a/label/dev")),
        (
            Settings(channel_alias="https://mirror.example/conda"),
            "conda-forge",
            Channel(FORGE, "https://mirror.example/conda/conda-forge"),
        ),
        (
            Settings(custom_channels={"conda-forge": "https://me:pw@mirror.example/cloud"}),
            "conda-forge",
            Channel(FORGE, "https://me:pw@mirror.example/cloud/conda-forge"),
        ),
        (
            Settings(custom_channels={"team": "https://a.example"}),
            "team/label/x",
            Channel(f"{FORGE[:-11]}team/label/x", "https://a.example/team/label/x"),
        ),
        (
            Settings(mirrored_channels={"conda-forge": ("https://one.example/cf", "https://two.example/cf")}),
            "conda-forge",
            Channel(FORGE, "https://one.example/cf", ("https://two.example/cf",)),
        ),
        (
            Settings(),
            "https://h.example/t/tk-1/team/",
            Channel("https://h.example/team", "https://h.example/t/tk-1/team"),
        ),
        (
            Settings(),
            "https://m.example/anaconda/pkgs/main",
            Channel("https://repo.anaconda.com/pkgs/main", "https://m.example/anaconda/pkgs/main"),
        ),
        (Settings(), "file:///srv/team", Channel("file:///srv/team", "file:///srv/team")),
        (Settings(), "/srv/my team", Channel("file:///srv/my%20team", "file:///srv/my%20team")),
    ],
)
def test_a_channel_is_where_the_settings_say(settings: Settings, name: str, expected: Channel) -> None:
    (found,) = channels(settings).resolve(name)
    assert found == expected
    assert channels(settings).asked(found.canonical, [found]) == found


def test_defaults_are_several_channels() -> None:
    found = channels().resolve("defaults")
    assert [each.canonical for each in found] == [
        "https://repo.anaconda.com/pkgs/main",
        "https://repo.anaconda.com/pkgs/r",
    ]


def test_a_lock_made_elsewhere_reaches_the_mirror_that_is_configured_here() -> None:
    mirror = Settings(default_channels=("https://m.example/anaconda/pkgs/main",))
    asked = channels(mirror).asked("https://repo.anaconda.com/pkgs/main")
    assert asked.address == "https://m.example/anaconda/pkgs/main"
    alias = Settings(channel_alias="https://m.example")
    assert channels(alias).asked(FORGE).address == "https://m.example/conda-forge"


def test_credentials_of_a_configured_channel_are_found_for_a_lock_without() -> None:
    configured = Settings(channels=("https://h.example/t/tk-1/team",))
    assert channels(configured).asked("https://h.example/team").address == "https://h.example/t/tk-1/team"


@pytest.mark.parametrize(
    ("declared", "own", "expected"),
    [
        (["a", "b"], (), ("a", "b")),
        (["a", "a"], ("c",), ("a", "c")),
        (["a", "nodefaults"], ("c",), ("a",)),
        ([], ("c",), ("c",)),
        ([], (), ("conda-forge",)),
        (["nodefaults"], ("c",), ("conda-forge",)),
    ],
)
def test_the_declared_channels_come_before_the_users_own(
    declared: list[str], own: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    assert channels(Settings(channels=own)).wanted(declared) == expected


def test_the_token_of_anaconda_login_is_used(tmp_path: Path) -> None:
    folder = tmp_path / ".continuum" / "anaconda-client" / "tokens"
    folder.mkdir(parents=True)
    (folder / "https%3A%2F%2Fapi.anaconda.org.token").write_text("tk-9\n")
    (found,) = channels(HOME=str(tmp_path)).resolve("team")
    assert found.address == "https://conda.anaconda.org/t/tk-9/team"
    assert found.canonical == "https://conda.anaconda.org/team"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("conda-forge", "conda-forge"),
        ("https://h.example/t/${TOKEN}/team", "https://h.example/t/${TOKEN}/team"),
        ("https://$USER:$PW@h.example/team", "https://$USER:$PW@h.example/team"),
        ("https://me:$PW@h.example/team", "https://h.example/team"),
        ("https://me:pw@h.example/t/$TOKEN/x", "https://h.example/t/$TOKEN/x"),
        ("https://h.example/t/tk-1", "https://h.example"),
        ("file:///srv/t/team", "file:///srv/t/team"),
    ],
)
def test_what_a_lock_keeps_of_a_channel(written: str, kept: str) -> None:
    assert as_kept(written) == kept


WORDS = st.text("abcdefghijklmnopqrstuvwxyz0123456789-._", min_size=1, max_size=12)


@running(deadline=None)
@given(WORDS.map(lambda word: f"user{word}"), WORDS.map(lambda word: f"tk{word}"), WORDS)
def test_no_credential_is_left_in_a_text(user: str, token: str, channel: str) -> None:
    address = f"https://{user}:{token}@host.example/t/{token}/{channel}"
    hidden = without_credentials(f'failed to fetch "{address}/noarch/x.conda" (403)')
    assert hidden == f'failed to fetch "https://host.example/{channel}/noarch/x.conda" (403)'
