"""The user's settings of conda: which files, how they are merged, what variables say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bis.environments.conda import settings
from bis.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(settings, "_PLACES", ("~/.config/conda", "~/.conda"))
    return tmp_path


def write(home: Path, name: str, text: str) -> None:
    (home / name).parent.mkdir(parents=True, exist_ok=True)
    (home / name).write_text(text)


def read(home: Path, **variables: str) -> settings.Settings:
    return settings.read({"HOME": str(home), **variables})


def test_without_any_file_condas_defaults_hold(home: Path) -> None:
    assert read(home) == settings.Settings()


def test_lists_of_what_counts_more_come_first_and_keys_win(home: Path) -> None:
    write(home, ".config/conda/.condarc", "channels: [low, both]\nchannel_alias: https://low.example\n")
    write(
        home, ".conda/condarc.d/10.yml", "custom_channels: {a: https://one.example, b: https://b.example}\n"
    )
    write(home, ".condarc", "channels: [high, both]\nchannel_alias: https://high.example/\n")
    write(home, "extra.yml", "custom_channels: {a: https://two.example}\n")
    found = read(home, CONDARC=str(home / "extra.yml"), CONDA_CHANNELS="first,second")
    assert found.channels == ("first", "second", "high", "both", "low")
    assert found.channel_alias == "https://high.example"
    assert found.custom_channels == {"a": "https://two.example", "b": "https://b.example"}


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("ssl_verify: false", "ssl_verify", False),
        ("ssl_verify: true", "ssl_verify", True),
        ("ssl_verify: truststore", "ssl_verify", True),
        ("ssl_verify: /etc/corp.pem", "ssl_verify", "/etc/corp.pem"),
        ("channels: conda-forge", "channels", ("conda-forge",)),
        (
            "default_channels: [https://m.example/pkgs/main]",
            "default_channels",
            ("https://m.example/pkgs/main",),
        ),
        ("proxy_servers: {https: http://p.example:3128}", "proxies", {"https": "http://p.example:3128"}),
        ("add_pip_as_python_dependency: no", "add_pip", False),
        ("channel_priority: disabled", "strict_priority", False),
        ("channel_priority: flexible", "strict_priority", True),
        (
            "mirrored_channels: {x: [https://a.example/x]}",
            "mirrored_channels",
            {"x": ("https://a.example/x",)},
        ),
        ("custom_multichannels: {all: [a, b]}", "custom_multichannels", {"all": ("a", "b")}),
        ("channels: ['https://h.example/t/${TOKEN}/c']", "channels", ("https://h.example/t/tk-1/c",)),
        ("channels:\n", "channels", ()),
        ("- a list", "channels", ()),
    ],
)
def test_a_setting_is_read(home: Path, text: str, name: str, expected: object) -> None:
    write(home, ".condarc", text + "\n")
    assert getattr(read(home, TOKEN="tk-1"), name) == expected


def test_a_file_that_is_no_yaml_is_named_with_its_line(home: Path) -> None:
    write(home, ".condarc", "channels: [a]\nb: [\n")
    with pytest.raises(UsageError) as caught:
        read(home)
    assert ".condarc:" in str(caught.value.where)


def test_variables_go_before_files(home: Path) -> None:
    write(home, ".condarc", "ssl_verify: true\nchannel_alias: https://file.example\n")
    found = read(home, CONDA_SSL_VERIFY="false", CONDA_CHANNEL_ALIAS="https://variable.example")
    assert (found.ssl_verify, found.channel_alias) == (False, "https://variable.example")
