"""The hand-written reference of formats names what the program reads and prints."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from bis import projects
from bis.repeat.layers import LAYERS
from bis.tracking import tags
from bis_command import write_project
from docs.pages import REPOSITORY, blocks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bis_command import Bis

REFERENCE = REPOSITORY / "docs" / "reference"
PROJECT = """\
name: hello
entry_points:
  main:
    parameters: {name: {type: string, default: world}}
    command: "echo hello {name}"
"""
FREE = {"parameters", "metrics", "tags", "entry_points", "inputs", "variables"}
"""Keys whose values have keys of the user's, or are described in words."""


def sections(page: Path) -> dict[str, str]:
    """The text below each heading of the second level."""
    _, *parts = re.split(r"^## (.+)$", page.read_text("utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def keys(document: Any) -> Iterator[str]:
    """The keys of a JSON document, those within it too."""
    if isinstance(document, list):
        document = document[0]
    for key, value in document.items():
        yield key
        if isinstance(value, dict) and key not in FREE:
            yield from keys(value)


@pytest.mark.parametrize(
    ("heading", "words"),
    [
        ("bis run", ("run", "hello")),
        ("bis run --dry-run", ("run", "hello", "--dry-run")),
        ("bis list", ("list",)),
        ("bis logs", ("logs",)),
        ("bis check", ("check", "hello")),
        ("bis describe", ("describe", "hello")),
        ("bis init", ("init", "new")),
        ("bis env", ("env", "list")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_key_of_a_json_document_is_in_the_reference(
    heading: str, words: tuple[str, ...], bis: Bis
) -> None:
    write_project(bis.cwd / "hello", PROJECT)
    bis.run_json("hello")
    text = sections(REFERENCE / "json.md")[heading]
    missing = {key for key in keys(bis(*words, "--json").json) if f"`{key}`" not in text}
    assert missing == set()


def test_show_prints_what_run_prints_and_what_the_reference_adds(bis: Bis) -> None:
    write_project(bis.cwd / "hello", PROJECT)
    run = bis.run_json("hello")
    shown = bis("show", "--json").json
    assert set(shown) - set(run) == {"start_time", "end_time", "artifacts", "children"}
    assert set(run) - set(shown) == {"source", "environment", "command", "reused"}


def test_every_key_of_a_comparison_is_in_the_reference(bis: Bis) -> None:
    write_project(bis.cwd / "hello", PROJECT)
    bis.run_json("hello")
    text = sections(REFERENCE / "json.md")["bis rerun, bis verify, bis diff"]
    changed = bis("rerun", "-P", "name=you", "--json").json
    verified = bis("verify", "--json").json
    (difference, *_), (cause, *_) = changed["differences"], changed["causes"]
    found = {*changed, *changed["compared"], *verified, *difference, *cause, *cause["changes"][0]}
    assert {key for key in found if f"`{key}`" not in text} == set()


def test_every_key_that_capsules_and_gc_print_is_in_the_reference(bis: Bis) -> None:
    write_project(bis.cwd / "hello", PROJECT)
    bis.run_json("hello")
    described = sections(REFERENCE / "json.md")
    for words in (("export", "latest", "run.zip"), ("import", "run.zip"), ("gc",)):
        document = bis(*words, "--json").json
        assert {key for key in document if f"`{key}`" not in described[f"bis {words[0]}"]} == set()


def test_every_layer_is_in_the_guide_to_causes() -> None:
    guide = sections(REPOSITORY / "docs" / "how-to" / "find-the-cause.md")["The layers"]
    assert re.findall(r"^\| `(\w+)` \|", guide, flags=re.MULTILINE) == [name for name, *_ in LAYERS]


def test_every_tag_of_bis_is_in_the_reference() -> None:
    text = sections(REFERENCE / "json.md")["Tags"]
    ours = [value for name, value in vars(tags).items() if name.isupper()]
    assert ours
    assert [tag for tag in ours if f"`{tag}`" not in text] == []


def test_every_variable_of_bis_is_in_the_reference() -> None:
    text = (REFERENCE / "variables.md").read_text("utf-8")
    sources = "\n".join(path.read_text("utf-8") for path in (REPOSITORY / "src" / "bis").rglob("*.py"))
    ours = set(re.findall(r"[\"'](BIS_[A-Z_]+|MLFLOW_[A-Z_]+)[\"']", sources))
    inner = {"BIS_GIT_USERNAME", "BIS_GIT_PASSWORD"}  # between bis and the git that it starts
    handed_down = {"MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"}  # for the script's mlflow alone
    assert {name for name in ours - inner - handed_down if name not in text} == set()


def test_the_example_of_an_mlproject_file_is_read_without_a_warning(tmp_path: Path) -> None:
    example = next(block.text for block in blocks(REFERENCE / "mlproject.md") if block.language == "yaml")
    write_project(tmp_path, example, {"conda.yaml": "dependencies: [python=3.11]\n"})
    project = projects.load(tmp_path)
    assert project.warnings == ()
    assert list(project.entry_points) == ["main"]
