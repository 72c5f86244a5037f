"""Links in the documentation lead somewhere, and the translations say what their originals say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest

from docs.pages import REPOSITORY, all_pages, blocks, name_of, without_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TRANSLATED = {"README.md": "README.fr.md", "docs/tutorial.md": "docs/tutorial.fr.md"}

_LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#+ (?P<title>.+)$", re.MULTILINE)
_PLACES = re.compile(r"(?<![\w.])/(?:root|home|work|tmp|Users)/\S*")


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """The file and the anchor of each link that stays in the repository."""
    for found in _LINK.finditer(without_blocks(page)):
        target, _, anchor = unquote(found["target"]).partition("#")
        if "://" not in target and not target.startswith("mailto:"):
            yield ((page.parent / target).resolve() if target else page), anchor


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    titles = (found["title"] for found in _HEADING.finditer(without_blocks(page)))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", all_pages(), ids=name_of)
def test_every_link_within_the_repository_leads_somewhere(page: Path) -> None:
    for file, anchor in links(page):
        assert file.exists(), f"{file} does not exist"
        assert not anchor or anchor in anchors(file), f"{name_of(file)} has no heading #{anchor}"


@pytest.mark.parametrize("page", all_pages(), ids=name_of)
def test_no_page_names_a_place_of_one_machine(page: Path) -> None:
    assert _PLACES.findall(page.read_text("utf-8")) == []


@pytest.mark.parametrize("original", TRANSLATED)
def test_a_translation_has_the_code_of_its_original(original: str) -> None:
    translation = REPOSITORY / TRANSLATED[original]
    ours = [(block.language, block.text) for block in blocks(REPOSITORY / original)]
    assert [(block.language, block.text) for block in blocks(translation)] == ours


def test_every_page_can_be_reached_from_the_index() -> None:
    index = REPOSITORY / "docs" / "index.md"
    linked = {file for file, _ in links(index)}
    pages = {page for page in all_pages() if page.is_relative_to(index.parent)}
    assert pages - linked - {index} == set()
