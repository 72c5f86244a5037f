"""The page of a comparison: complete, and safe whatever the runs have logged."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from bis.repeat.causes import Cause, Change
from bis.repeat.comparison import compare_runs
from bis.repeat.report import report_html
from recorded_runs import recorded_run

EVIL = '<script>alert("x")</script>'


def page() -> str:
    first = recorded_run(
        "a", metrics={EVIL: 1.0, "train_time": 1.0}, params={"p": EVIL}, artifacts={"m": b"1"}
    )
    second = recorded_run("b", metrics={EVIL: 2.0, "train_time": 2.0}, params={"p": "1"})
    cause = Cause(
        "source", "the source", f"{EVIL} changed", (Change(EVIL, "1", "2", f"@@ -1 +1 @@\n-{EVIL}\n+b"),)
    )
    return report_html(compare_runs(first, second), [cause])


class Tags(HTMLParser):
    """Collects the tags of a page, and whether each is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.add(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_it_shows_verdict_causes_and_differences() -> None:
    text = page()
    for words in (
        "DIFFERENT",
        "What differs (3)",
        "What differs and is not counted (1)",
        "train_time",
        "1 bytes",
    ):
        assert words in text


def test_it_is_well_formed_and_needs_nothing_else() -> None:
    tags = Tags()
    tags.feed(page())
    tags.close()
    assert tags.open == []
    assert not {"script", "link", "img", "iframe"} & tags.seen
    assert not re.search(r"https?://|src=|@import|url\(", page())


def test_what_runs_have_logged_is_text() -> None:
    assert EVIL not in page()
    assert "&lt;script&gt;" in page()


def test_identical_runs_have_a_page_too() -> None:
    run = recorded_run("a", metrics={"m": 1.0})
    assert "IDENTICAL" in report_html(compare_runs(run, run), [])
