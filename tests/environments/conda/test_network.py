"""Proxies, certificates and mirrors of the user's settings reach rattler."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from bis.environments import AsOf, Lock
from bis.errors import ResolutionError
from environments.conda.channel_server import served

if TYPE_CHECKING:
    from pathlib import Path

    from environments.conda_channel import Channel
    from environments.doubles import Project


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that nobody knows, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl")
    words = (
        "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
    )
    more = ["-addext", "basicConstraints=critical,CA:FALSE", "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run([openssl, *words.split(), *more], cwd=tmp_path, check=True, capture_output=True)
    both = tmp_path / "both.pem"
    both.write_text((tmp_path / "cert.pem").read_text() + (tmp_path / "key.pem").read_text())
    return both


def realized(project: Project, channel: str, condarc: str, monkeypatch: pytest.MonkeyPatch) -> Lock:
    monkeypatch.setenv("CONDARC", str(project.write("condarc", condarc)))
    project.write("conda.yaml", f"channels: [{channel}]\ndependencies: [tool]\n")
    lock = project.lock(AsOf.latest(), manager="conda")
    project.realize(lock)
    return lock


def test_a_certificate_that_nobody_knows_is_refused(
    project: Project, channel: Channel, certificate: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel.add("tool", "1.0")
    with served(channel.directory, certificate) as server:
        with pytest.raises(ResolutionError, match="certificate"):
            realized(project, server.url, "{}\n", monkeypatch)
        realized(project, server.url, "ssl_verify: false\n", monkeypatch)


def test_a_file_of_certificates_is_trusted_and_not_handed_down(
    project: Project, channel: Channel, certificate: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel.add("tool", "1.0")
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent/of-the-user.pem")
    with served(channel.directory, certificate) as server:
        file = certificate.with_name("cert.pem")
        realized(project, server.url, f"ssl_verify: {file}\n", monkeypatch)
    assert os.environ["SSL_CERT_FILE"] == "/nonexistent/of-the-user.pem"


def test_a_proxy_is_asked(
    project: Project, channel: Channel, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel.add("tool", "1.0")
    with served(channel.directory) as proxy:
        condarc = f"proxy_servers: {{http: '{proxy.url}'}}\n"
        realized(project, "http://channel.example", condarc, monkeypatch)
        assert all(path.startswith("http://channel.example/") for path in proxy.asked)


def test_the_next_mirror_is_asked_when_one_is_down_and_the_lock_names_none(
    project: Project, channel: Channel, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel.add("tool", "1.0")
    with served(channel.directory) as server:
        condarc = f"mirrored_channels: {{team: ['http://127.0.0.1:9/team', '{server.url}']}}\n"
        lock = realized(project, "team", condarc, monkeypatch)
    assert "127.0.0.1" not in lock.conda
    assert "https://conda.anaconda.org/team/" in lock.conda


def test_an_alias_of_channels_is_asked_and_the_lock_does_not_name_it(
    project: Project, channel: Channel, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel.add("tool", "1.0")
    with served(channel.directory.parent) as server:
        condarc = f"channel_alias: {server.url}\n"
        lock = realized(project, channel.directory.name, condarc, monkeypatch)
    assert "127.0.0.1" not in lock.conda
