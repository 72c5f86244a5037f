from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bis.environments.requirement_lines import RequirementLines, logical_lines
from bis.errors import SpecError

if TYPE_CHECKING:
    from pathlib import Path

    from environments.doubles import Project


def _read(project: Project, text: str) -> RequirementLines:
    lines = RequirementLines(project.directory)
    lines.add_file(project.write("requirements.txt", text))
    return lines


def test_comments_blank_lines_and_continuations_are_read_as_pip_does(project: Project) -> None:
    lines = _read(project, "# a comment\n\nsix \\\n  >=1  # why\nx @ https://h/x.whl#sha256=1\n")
    assert lines.requirements == ["six   >=1", "x @ https://h/x.whl#sha256=1"]


def test_files_named_in_files_are_relative_to_the_file_that_names_them(project: Project) -> None:
    project.write("deep/more.txt", "attrs\n-r again.txt\n-c limits.txt\n")
    project.write("deep/again.txt", "idna\n")
    project.write("deep/limits.txt", "idna<3\n-r more-limits.txt\n")
    project.write("deep/more-limits.txt", "attrs<23\n")
    lines = _read(project, "-r deep/more.txt\nsix\n")
    assert lines.requirements == ["attrs", "idna", "six"]
    assert lines.constraints == ["idna<3", "attrs<23"]


def test_files_that_name_each_other_end(project: Project) -> None:
    project.write("other.txt", "attrs\n-r requirements.txt\n")
    assert _read(project, "-r other.txt\nsix\n").requirements == ["attrs", "six"]


@pytest.mark.parametrize(
    "option", ["-r nowhere.txt", "-rnowhere.txt", "--requirement=nowhere.txt", "-c nowhere.txt"]
)
def test_a_missing_file_is_reported_where_it_is_named(project: Project, option: str) -> None:
    with pytest.raises(SpecError, match=r"nowhere\.txt") as caught:
        _read(project, f"six\n{option}\n")
    assert str(caught.value.where).endswith("requirements.txt:2")


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("--extra-index-url https://h/simple", "--extra-index-url=https://h/simple"),
        ("-i https://h/simple", "--index-url=https://h/simple"),
        ("-f https://h/wheels", "--find-links=https://h/wheels"),
        ("--no-binary :all:", "--no-binary=:all:"),
        ("--pre", "--pre"),
    ],
)
def test_options_that_decide_are_kept(project: Project, line: str, kept: str) -> None:
    assert _read(project, f"{line}\nsix\n").options == [kept]


def test_an_unknown_option_gets_did_you_mean(project: Project) -> None:
    with pytest.raises(SpecError, match="--extra-index-uri") as caught:
        _read(project, "--extra-index-uri https://h\n")
    assert "--extra-index-url" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("./pkg", "pkg"),
        ("pkg/", "pkg"),
        ("./pkg[fast]", "pkg[fast]"),
        ("-e .", "-e ."),
        ("-e ./pkg[fast]", "-e pkg[fast]"),
        ("pkg @ file:./pkg", "pkg"),
        ("./pkg ; python_version > '3'", "pkg ; python_version > '3'"),
        ("./x-1.0-py3-none-any.whl", "x-1.0-py3-none-any.whl"),
    ],
)
def test_a_local_path_is_told_from_a_package(project: Project, line: str, expected: str) -> None:
    (project.directory / "pkg").mkdir()
    project.write("x-1.0-py3-none-any.whl", "")
    lines = _read(project, f"{line}\n")
    assert [str(each) for each in lines.local] == [expected]
    assert not lines.requirements


def test_a_file_url_is_a_local_path(project: Project) -> None:
    (project.directory / "my pkg").mkdir()
    url = (project.directory / "my pkg").as_uri()
    assert [each.path for each in _read(project, f"pkg @ {url}\n").local] == ["my pkg"]


def test_requirements_from_the_network_are_refused_with_a_way_out(project: Project) -> None:
    with pytest.raises(SpecError, match="network") as caught:
        _read(project, "-r https://example.com/r.txt\n")
    assert "Copy" in (caught.value.hint or "")


@given(st.lists(st.from_regex(r"[a-z][a-z0-9]{0,8}(==[0-9]{1,3})?", fullmatch=True), max_size=8))
def test_lines_keep_their_order_and_numbers(names: list[str]) -> None:
    assert logical_lines("\n".join(names)) == list(enumerate(names, start=1))


@given(st.text())
def test_no_text_breaks_the_splitting_of_lines(text: str) -> None:
    joined = "".join(line for _, line in logical_lines(text))
    assert len(joined) <= len(text)


def test_a_path_far_outside_the_project_stays_absolute(tmp_path: Path) -> None:
    far = tmp_path / "pkg"
    far.mkdir()
    deep = tmp_path / "a" / "b" / "c" / "d"
    deep.mkdir(parents=True)
    (deep / "requirements.txt").write_text("../../../../pkg\n")
    lines = RequirementLines(deep)
    lines.add_file(deep / "requirements.txt")
    assert lines.local[0].path == str(far)
