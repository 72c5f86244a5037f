"""A conda.yaml is resolved: channels, pins, dates, virtual packages, exports, the pip section."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
import uv
from rattler.lock import LockFile

from bis.environments import AsOf, Lock
from bis.environments.conda import packages
from bis.errors import ResolutionError, SpecError
from environments.conda_channel import SUBDIR, Channel, python_or_skip, python_package, pythons

if TYPE_CHECKING:
    from pathlib import Path

    from environments.doubles import PackageIndex, Project

IN_2022 = 1_655_000_000_000


def lock(project: Project, channels: list[str], *dependencies: str, extra: str = "") -> Lock:
    """The lock of a conda file; a tool that only conda has makes it one for conda."""
    lines = "".join(f"  - {each}\n" for each in dependencies)
    project.write("conda.yaml", f"channels: [{', '.join(channels)}]\ndependencies:\n{lines}{extra}")
    return project.lock(AsOf.latest(), manager="conda")


def chosen(found: Lock) -> dict[str, str]:
    return {each.name: each.version for each in packages.from_text(found.conda).packages}


@pytest.mark.parametrize(
    ("spec", "version"),
    [
        ("tool", "2.0"),
        ("tool=1", "1.5"),
        ("tool=1.2", "1.2.3"),
        ("tool==1.5", "1.5"),
        ("tool 1.2.*", "1.2.3"),
        ("tool>=1.2,<2", "1.5"),
        ("tool <1.5|>=9", "1.2.3"),
        ("tool=1.5=h_1", "1.5"),
        ("tool=1.5=*_1", "1.5"),
        ("tool[version='>=1.2,<1.5']", "1.2.3"),
        ("tool !=2.0", "1.5"),
        ("tool ~=1.2", "1.5"),
    ],
)
def test_versions_are_read_as_conda_reads_them(
    project: Project, channel: Channel, spec: str, version: str
) -> None:
    for each in ("1.2.3", "1.5", "2.0"):
        channel.add("tool", each, build="h_1")
    assert chosen(lock(project, [channel.url], f'"{spec}"')) == {"tool": version}


def test_the_first_channel_that_has_a_package_is_the_only_one_for_it(
    project: Project, channel: Channel, tmp_path: Path
) -> None:
    other = Channel(tmp_path / "other")
    channel.add("tool", "1.0")
    other.add("tool", "2.0")
    assert chosen(lock(project, [channel.url, other.url], "tool")) == {"tool": "1.0"}
    assert chosen(lock(project, [other.url, channel.url], "tool")) == {"tool": "2.0"}


def test_a_dependency_may_name_its_channel(project: Project, channel: Channel, tmp_path: Path) -> None:
    other = Channel(tmp_path / "other")
    channel.add("tool", "1.0")
    channel.add("more", "1.0")
    other.add("tool", "2.0")
    found = lock(project, [channel.url], f"{other.url}::tool", "more")
    assert chosen(found) == {"tool": "2.0", "more": "1.0"}


def test_packages_are_those_of_the_date(project: Project, channel: Channel) -> None:
    channel.add("tool", "1.0")
    channel.add("tool", "2.0", timestamp=IN_2022)
    project.write("conda.yaml", f"channels: [{channel.url}]\ndependencies: [tool]\n")
    found = project.lock(AsOf.option("2021-01-01"), manager="conda")
    assert chosen(found) == {"tool": "1.0"}
    assert found.as_of == "2021-01-01T23:59:59Z"
    assert chosen(project.lock(AsOf.option("2023-01-01"), manager="conda")) == {"tool": "2.0"}


def test_what_is_newer_than_the_date_is_said_to_be(project: Project, channel: Channel) -> None:
    channel.add("tool", "2.0", timestamp=IN_2022)
    project.write("conda.yaml", f"channels: [{channel.url}]\ndependencies: [tool]\n")
    with pytest.raises(ResolutionError, match="as of 2021-01-01") as caught:
        project.lock(AsOf.option("2021-01-01"), manager="conda")
    assert "--as-of latest" in (caught.value.hint or "")


def test_virtual_packages_can_be_stated(
    project: Project, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel.add("tool", "1.0", depends=("__cuda >=12",))
    with pytest.raises(ResolutionError, match="__cuda") as caught:
        lock(project, [channel.url], "tool")
    assert "CONDA_OVERRIDE_CUDA" in (caught.value.hint or "")
    monkeypatch.setenv("CONDA_OVERRIDE_CUDA", "12.4")
    assert chosen(lock(project, [channel.url], "tool")) == {"tool": "1.0"}


def test_build_strings_of_another_platform_are_left_out_with_a_note(
    project: Project, channel: Channel
) -> None:
    channel.add("tool", "1.2.3", build="linux_0")
    found = lock(project, [channel.url], "tool=1.2.3=osx_7", extra="prefix: /Users/x/envs/y\n")
    assert chosen(found) == {"tool": "1.2.3"}
    assert any("build strings left out" in note for note in found.notes)
    assert any("prefix" in note for note in found.notes)


def test_libraries_of_another_platforms_export_are_left_out_with_a_note(
    project: Project, channel: Channel
) -> None:
    channel.add("tool", "1.2.3", build="linux_0")
    exported = ("tool=1.2.3=osx_7", "libcxx=16.0=h123_0", "vc=14.2=h1_0")
    found = lock(project, [channel.url], *exported, extra="prefix: /Users/x/envs/y\n")
    assert chosen(found) == {"tool": "1.2.3"}
    assert any("libcxx, vc" in note for note in found.notes)


def test_packages_that_contradict_each_other_are_named(project: Project, channel: Channel) -> None:
    channel.add("left", "1.0", depends=("base 1.*",))
    channel.add("right", "1.0", depends=("base 2.*",))
    channel.add("base", "1.0")
    channel.add("base", "2.0")
    with pytest.raises(ResolutionError) as caught:
        lock(project, [channel.url], "left", "right")
    message = caught.value.message
    assert all(word in message for word in ("left", "right", "base 1.", "base 2."))
    assert len(message.splitlines()) < 20
    assert str(caught.value.where).endswith(("conda.yaml:3", "conda.yaml:4"))


def test_a_package_that_is_nowhere_is_named_with_its_line(project: Project, channel: Channel) -> None:
    channel.add("tool", "1.0")
    with pytest.raises(ResolutionError, match="nowhere") as caught:
        lock(project, [channel.url], "tool", "nowhere=3")
    assert str(caught.value.where).endswith("conda.yaml:4")
    assert channel.directory.name in (caught.value.hint or "")


@pytest.mark.parametrize(("more", "is_said"), [([], True), (["nodefaults"], False)])
def test_the_channel_of_conda_itself_is_named_unless_the_file_leaves_it_out(
    project: Project, channel: Channel, more: list[str], is_said: bool
) -> None:
    channel.add("tool", "1.0")
    with pytest.raises(ResolutionError) as caught:
        lock(project, [channel.url, *more], "nowhere=3")
    assert ("would also have looked in defaults" in (caught.value.hint or "")) == is_said


def test_a_channel_that_is_not_there_is_named(project: Project, tmp_path: Path) -> None:
    with pytest.raises(ResolutionError, match="gone") as caught:
        lock(project, [(tmp_path / "gone").as_uri()], "tool")
    assert "cannot be reached" in caught.value.message


def test_a_server_that_does_not_answer_is_named(project: Project) -> None:
    with pytest.raises(ResolutionError, match=r"http://127\.0\.0\.1:9/team cannot be reached"):
        lock(project, ["http://me:secret@127.0.0.1:9/team"], "tool")


def test_a_dependency_that_is_none_is_named(project: Project, channel: Channel) -> None:
    channel.add("tool", "1.0")
    with pytest.raises(SpecError) as caught:
        lock(project, [channel.url], '"tool >=1,,<"')
    assert str(caught.value.where).endswith("conda.yaml:3")


def test_a_package_without_a_hash_cannot_be_locked(project: Project, channel: Channel) -> None:
    channel.add("tool", "1.0")
    index = channel.directory / SUBDIR / "repodata.json"
    index.write_text(index.read_text().replace('"sha256"', '"other"').replace('"md5"', '"another"'))
    with pytest.raises(ResolutionError, match=r"no hash for tool 1\.0"):
        lock(project, [channel.url], "tool")


def test_the_lock_is_text_that_other_tools_read(project: Project, channel: Channel, tmp_path: Path) -> None:
    channel.add("tool", "1.0", depends=("base >=1", "base <3"))
    channel.add("base", "2.0")
    found = lock(project, [channel.url], "tool")
    file = tmp_path / "conda-lock.yml"
    file.write_text(found.conda)
    read = LockFile.from_path(file)
    environment = read.default_environment()
    assert environment is not None
    records = environment.conda_repodata_records_for_platform(read.platforms()[0]) or []
    assert {record.name.normalized: record.url for record in records} == {
        "base": f"{channel.url}/{SUBDIR}/base-2.0-0.conda",
        "tool": f"{channel.url}/{SUBDIR}/tool-1.0-0.conda",
    }
    assert all(record.sha256 for record in records)


@pytest.mark.slow
def test_conda_lock_itself_renders_the_lock(project: Project, channel: Channel, tmp_path: Path) -> None:
    channel.add("tool", "1.0", depends=("base >=1", "base <3"))
    channel.add("base", "2.0")
    (tmp_path / "conda-lock.yml").write_text(lock(project, [channel.url], "tool").conda)
    render = ["render", "--kind", "explicit", "--platform", SUBDIR, "conda-lock.yml"]
    command = [uv.find_uv_bin(), "tool", "run", "--quiet", "--from", "conda-lock", "conda-lock", *render]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    if "conda-lock" in done.stderr and "not found" in done.stderr:
        pytest.skip("conda-lock is not to be had")
    assert done.returncode == 0, done.stderr
    assert f"{channel.url}/{SUBDIR}/tool-1.0-0.conda#" in (tmp_path / f"conda-{SUBDIR}.lock").read_text()


def test_the_digest_is_over_files_and_hashes_and_not_over_addresses(
    project: Project, channel: Channel, tmp_path: Path
) -> None:
    other = Channel(tmp_path / "other")
    for each in (channel, other):
        each.add("tool", "1.0")
    first, second = lock(project, [channel.url], "tool"), lock(project, [other.url], "tool")
    assert first.conda != second.conda
    assert first.digest == second.digest
    channel.add("tool", "1.0", files={"share/more.txt": "more"})
    assert lock(project, [channel.url], "tool").digest != first.digest


def test_the_lock_is_kept_and_asks_no_channel_again(project: Project, channel: Channel) -> None:
    channel.add("tool", "1.0")
    project.write("conda.yaml", f"channels: [{channel.url}]\ndependencies: [tool]\n")
    first = project.lock(manager="conda")
    (channel.directory / SUBDIR / "repodata.json").unlink()
    assert project.lock(manager="conda") == first
    assert Lock.from_dict(first.to_dict()) == first


def test_a_channel_in_the_project_is_kept_by_its_place_there(project: Project) -> None:
    Channel(project.directory / "channel").add("tool", "1.0")
    found = lock(project, ["./channel"], "tool")
    assert f'url: "./channel/{SUBDIR}/tool-1.0-0.conda"' in found.conda
    assert str(project.directory) not in found.conda
    assert project.realize(found).prefix is not None


def test_the_pip_section_stays_with_what_conda_installs(project: Project, index: PackageIndex) -> None:
    """beta needs shared, which conda has put there; that the index has a newer one, or none, does not count."""
    python_or_skip("3.8")
    own = Channel(project.directory / "channel")
    for name in ("shared", "only-conda"):
        own.add(name, "1.0", files=python_package(name, "1.0"), depends=("python",), noarch="python")
    index.add("shared", "1.0")
    index.add("shared", "2.0")
    index.add("beta", "1.0", requires=("shared>=1", "only-conda", "gamma"))
    index.add("gamma", "1.0")
    pip = "  - pip:\n    - beta\n"
    found = lock(project, [pythons().url, "./channel"], "python=3.8", "shared", "only-conda", extra=pip)
    assert "beta==1.0" in found.requirements
    assert "gamma==1.0" in found.requirements
    assert "shared" not in found.requirements
    assert "only-conda" not in found.requirements


def test_the_pip_section_may_need_another_version_than_conda_has(
    project: Project, index: PackageIndex
) -> None:
    python_or_skip("3.8")
    own = Channel(project.directory / "channel")
    own.add("shared", "1.0", files=python_package("shared", "1.0"), depends=("python",), noarch="python")
    index.add("shared", "2.0")
    pip = "  - pip:\n    - shared>=2\n"
    found = lock(project, [pythons().url, "./channel"], "python=3.8", "shared", extra=pip)
    assert "shared==2.0" in found.requirements
    assert any("shared" in note and "replaces" in note for note in found.notes)
    environment = project.realize(found)
    assert environment.python is not None
    from environments.doubles import run_in

    printed = run_in(environment, "python -c 'import shared; print(shared.__version__)'", project.directory)
    assert printed == "2.0"


def test_without_a_pinned_python_it_is_one_that_was_a_year_old(project: Project) -> None:
    old, new = python_or_skip("3.8"), python_or_skip("3.13")
    project.write("conda.yaml", f"channels: [{pythons().url}]\ndependencies: [python]\n")
    assert project.lock(AsOf.option("2025-01-01"), manager="conda").python == old
    assert project.lock(AsOf.option("2025-12-01"), manager="conda").python == new
    project.write("conda.yaml", f"channels: [{pythons().url}]\ndependencies: [python>=3.9]\n")
    assert project.lock(AsOf.option("2025-01-01"), manager="conda").python == new


def test_without_a_declared_python_none_is_installed(project: Project, channel: Channel) -> None:
    channel.add("tool", "1.0", files={"bin/tool": "#!/bin/sh\necho tool\n"})
    found = lock(project, [channel.url], "tool")
    assert found.python == ""
    assert project.realize(found).python is None
    assert "CONDA_PREFIX" in project.realize(found).variables(os.environ)
